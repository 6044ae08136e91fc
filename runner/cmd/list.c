/* pyprofiler list: which cases there are. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "document.h"
#include "run.h"
#include "select.h"

#define AT(field) offsetof(struct prf_run_options, field)

static const struct prf_option list_selection[] = {
    {PRF_OPT_STRING, 'k', "keyword", NULL, AT(keyword), .unit = "EXPR",
     .help = "only cases whose id fits: words, and, or, not, parentheses"},
    {PRF_OPT_FLAG, 0, "list", "lists|collect-only", AT(list), .flags = PRF_OPT_HIDDEN},
    PRF_OPTIONS_END,
};

static const struct prf_option list_output[] = {
    {PRF_OPT_CHOICE, 0, "format", NULL, AT(format), .def = "text",
     .choices = "text|json", .help = "of the list"},
    PRF_OPTIONS_END,
};

static const struct prf_option_group list_groups[] = {
    {"selection", list_selection, 0},
    {"scripts", prf_script_table, 0},
    {"interpreter", prf_hosting_table, AT(hosting)},
    {"output", list_output, 0},
    {"general", prf_general_table, AT(general)},
    {NULL},
};

static json_t *
list_names(const char *const *names)
{
    json_t *array = json_array();
    for (; *names != NULL; names++) {
        json_array_append_new(array, json_string(*names));
    }
    return array;
}

static json_t *
list_case(const struct prf_case *c)
{
    return json_pack("{s:s, s:s, s:s, s:s?, s:s, s:i, s:b, s:s?, s:s?, s:o, s:o, s:o?}",
                     "id", c->id, "class", c->class_name, "method", c->method, "params",
                     c->params, "file", c->file, "line", c->line, "async", c->async,
                     "doc", c->doc, "skip", c->skip, "accept",
                     c->accept == NULL ? json_null() : list_names(c->accept), "reject",
                     list_names(c->reject), "budget",
                     c->budget == NULL ? NULL : json_loads(c->budget, 0, NULL));
}

static void
list_put(struct prf_running *r, const struct prf_case *c, json_t *document)
{
    r->n_selected++;
    if (document != NULL) {
        json_array_append_new(json_object_get(document, "cases"), list_case(c));
        return;
    }
    fputs(c->id, stdout);
    if (r->options.general.verbose > 0 && c->doc != NULL) {
        printf("  %.*s", (int)strcspn(c->doc, "\n"), c->doc);
    }
    if (r->options.general.verbose > 0 && c->skip != NULL) {
        printf("  (skipped: %s)", c->skip);
    }
    putchar('\n');
}

static void
list_failure(struct prf_running *r, json_t *document)
{
    const struct prf_result *f = &r->engine.failure;
    fprintf(stderr, "pyprofiler: error: cannot import '%s': %s\n", f->case_id,
            f->reason);
    if (f->traceback != NULL) {
        fputs(f->traceback, stderr);
    }
    if (document != NULL) {
        json_array_append_new(json_object_get(document, "errors"),
                              json_pack("{s:s, s:s?, s:i, s:s?, s:s?}", "node",
                                        f->case_id, "file", f->case_file, "line",
                                        f->case_line, "reason", f->reason, "traceback",
                                        f->traceback));
    }
    r->n_bad++;
}

/* A program is one case without class or method. */
static int
list_script(struct prf_running *r, const struct prf_target *target, json_t *document,
            struct prf_error *err)
{
    static const char *none[] = {NULL};
    const struct prf_case program = {
        .id = prf_run_script_id(r, target),
        .class_name = "",
        .method = "",
        .file = target->path == NULL ? "" : target->path,
        .reject = none,
    };
    if (program.id == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    if (r->options.keyword == NULL ||
        prf_select_matches(r->options.keyword, program.id)) {
        list_put(r, &program, document);
    }
    return 0;
}

static int
list_target(struct prf_running *r, const struct prf_target *target, json_t *document,
            struct prf_error *err)
{
    int rc = 0;
    if (target->kind != PRF_TARGET_CASES) {
        return list_script(r, target, document, err);
    }
    if (!r->engine.running || r->engine.imported) {
        prf_choice_release(&r->choice);
        prf_engine_close(&r->engine);
        rc = prf_engine_start(&r->engine, &r->hosting.sv, err);
    }
    if (rc == 0) {
        rc = prf_engine_import(&r->engine, target, err);
    }
    if (rc == 0 && r->engine.failed) {
        list_failure(r, document);
        return 0;
    }
    if (rc == 0) {
        rc = prf_target_check(target, &r->engine.file, err);
    }
    for (size_t i = 0; rc == 0 && i < r->engine.file.n; i++) {
        const struct prf_case *c = &r->engine.file.cases[i];
        if (prf_target_selects(target, c) &&
            (r->options.keyword == NULL ||
             prf_select_matches(r->options.keyword, c->id))) {
            list_put(r, c, document);
        }
    }
    return rc;
}

int
prf_list_print(struct prf_running *r, bool json, struct prf_error *err)
{
    json_t *document = !json ? NULL
                             : json_pack("{s:s, s:[], s:[]}", "schema",
                                         "pyprofiler/list/1", "cases", "errors");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->targets.n; i++) {
        rc = list_target(r, &r->targets.items[i], document, err);
    }
    if (rc == 0 && document != NULL) {
        json_dumpf(document, stdout, JSON_INDENT(1));
        putchar('\n');
    }
    json_decref(document);
    if (rc < 0) {
        return rc;
    }
    if (r->n_bad > 0) {
        return PRF_EXIT_FAILED;
    }
    if (r->n_selected == 0) {
        fputs("pyprofiler: no case was selected\n", stderr);
    }
    return r->n_selected == 0 ? PRF_EXIT_NOTHING : PRF_EXIT_OK;
}

static int
list_main(const struct prf_command *self, int argc, char **argv)
{
    struct prf_running *r = calloc(1, sizeof *r);
    struct prf_error err = {0};
    int code = PRF_EXIT_OK;
    int rc = r == NULL ? prf_fail(&err, PRF_ENOMEM, "out of memory")
                       : prf_run_begin(r, self, argc, argv, &err);
    if (rc == 0) {
        rc = prf_list_print(r, strcmp(r->options.format, "json") == 0, &err);
        code = rc;
    }
    if (rc < 0) {
        code = prf_say_error(&err);
    }
    if (r != NULL) {
        prf_run_end(r);
    }
    free(r);
    return code;
}

const struct prf_command prf_cmd_list = {
    .name = "list",
    .summary = "which cases there are",
    .usage = "[OPTIONS] TARGET...",
    .about = "Imports the targets and prints the ids of their cases, which is what run "
             "takes. "
             "With -v also their first line of documentation and why they are skipped.",
    .groups = list_groups,
    .run = list_main,
};
