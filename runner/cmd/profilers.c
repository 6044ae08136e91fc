/* pyprofiler profilers: which there are, and whether they work here. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "hosting.h"
#include "say.h"

struct profilers_options {
    char *format;
    struct prf_hosting_options hosting;
    struct prf_general_options general;
};

static const struct prf_option profilers_output[] = {
    {PRF_OPT_CHOICE, 0, "format", NULL, offsetof(struct profilers_options, format),
     .def = "text", .choices = "text|json", .help = "of the list"},
    PRF_OPTIONS_END,
};

static const struct prf_option_group profilers_groups[] = {
    {"interpreter", prf_hosting_table, offsetof(struct profilers_options, hosting)},
    {"output", profilers_output, 0},
    {"general", prf_general_table, offsetof(struct profilers_options, general)},
    {NULL},
};

static const char *
profilers_type(enum prf_opt_type type)
{
    static const char *const names[] = {
        [PRF_OPT_FLAG] = "flag",     [PRF_OPT_INT] = "int",
        [PRF_OPT_UINT] = "uint",     [PRF_OPT_DOUBLE] = "double",
        [PRF_OPT_STRING] = "string", [PRF_OPT_CHOICE] = "choice",
        [PRF_OPT_LIST] = "list",     [PRF_OPT_DURATION] = "duration",
        [PRF_OPT_SIZE] = "size",     [PRF_OPT_COUNT] = "count",
    };
    return names[type];
}

static json_t *
profilers_option_json(const struct prf_option *o)
{
    char letter[2] = {o->short_name, '\0'};
    return json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s}", "name", o->name, "type",
                     profilers_type(o->type), "short",
                     o->short_name == 0 ? NULL : letter, "default", o->def, "choices",
                     o->choices, "help", o->help == NULL ? "" : o->help);
}

static json_t *
profilers_json(const struct prf_profiler *p)
{
    json_t *aliases = json_array(), *options = json_array(), *metrics = json_array();
    for (const char **a = p->aliases; *a != NULL; a++) {
        json_array_append_new(aliases, json_string(*a));
    }
    for (const struct prf_option *o = p->options; o->type != PRF_OPT_END; o++) {
        json_array_append_new(options, profilers_option_json(o));
    }
    for (size_t i = 0; i < p->n_metrics; i++) {
        const struct prf_profiler_metric *m = &p->metrics[i];
        json_array_append_new(metrics,
                              json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", m->name,
                                        "unit", m->unit, "scope", m->scope, "better",
                                        m->better, "help", m->help));
    }
    return json_pack("{s:s, s:o, s:s, s:b, s:s?, s:b, s:o, s:o}", "name", p->name,
                     "aliases", aliases, "summary", p->summary, "available",
                     p->available, "why", p->why, "registered", p->registered,
                     "options", options, "metrics", metrics);
}

static void
profilers_print_json(const struct prf_profilers *all, const struct prf_profiler *one)
{
    json_t *list = json_array();
    for (size_t i = 0; i < all->n; i++) {
        if (one == NULL || all->items[i] == one) {
            json_array_append_new(list, profilers_json(all->items[i]));
        }
    }
    json_t *document =
        json_pack("{s:s, s:o}", "schema", "pyprofiler/profilers/1", "profilers", list);
    json_dumpf(document, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(document);
}

static void
profilers_print_names(const struct prf_profiler *p, char *buf, size_t size)
{
    size_t n = (size_t)snprintf(buf, size, "%s", p->name);
    for (const char **a = p->aliases; *a != NULL && n < size; a++) {
        n += (size_t)snprintf(buf + n, size - n, ", %s", *a);
    }
}

static void
profilers_print_table(const struct prf_profilers *all)
{
    char names[256];
    int width = 0;
    for (size_t i = 0; i < all->n; i++) {
        profilers_print_names(all->items[i], names, sizeof names);
        width = (int)strlen(names) > width ? (int)strlen(names) : width;
    }
    for (size_t i = 0; i < all->n; i++) {
        const struct prf_profiler *p = all->items[i];
        profilers_print_names(p, names, sizeof names);
        printf("%-*s  %s\n", width, names, p->summary);
        if (!p->available) {
            printf("%-*s  not available: %s\n", width, "",
                   p->why == NULL ? "" : p->why);
        }
    }
}

static void
profilers_print_one(const struct prf_profiler *p)
{
    char names[256];
    profilers_print_names(p, names, sizeof names);
    printf("%s\n\n%s\n", names, p->summary);
    if (!p->available) {
        printf("not available: %s\n", p->why == NULL ? "" : p->why);
    }
    prf_say_options(stdout, "options", p->options, 80);
    for (size_t i = 0; i < p->n_metrics; i++) {
        const struct prf_profiler_metric *m = &p->metrics[i];
        printf("%s  %-20s %-8s %s\n", i == 0 ? "\nmetrics:\n" : "", m->name, m->unit,
               m->help);
    }
}

static int
profilers_print(const struct prf_profilers *all, const char *name, bool json,
                struct prf_error *err)
{
    const struct prf_profiler *one =
        name == NULL ? NULL : prf_profilers_find(all, name);
    if (name != NULL && one == NULL) {
        const char *near = prf_profilers_suggest(all, name);
        return prf_fail(err, PRF_EUSAGE, "unknown profiler '%s'%s%s%s", name,
                        near == NULL ? "" : ", did you mean '",
                        near == NULL ? "" : near, near == NULL ? "" : "'?");
    }
    if (json) {
        profilers_print_json(all, one);
    } else if (one != NULL) {
        profilers_print_one(one);
    } else {
        profilers_print_table(all);
    }
    return 0;
}

static int
profilers_main(const struct prf_command *self, int argc, char **argv)
{
    struct profilers_options options = {0};
    struct prf_layers layers = {0};
    struct prf_hosting hosting = {0};
    struct prf_engine engine = {0};
    struct prf_error err = {0};
    const char *words[1] = {NULL};
    int code = PRF_EXIT_OK;
    int rc = prf_groups_defaults(self->groups, &options, &err);
    if (rc == 0) {
        rc =
            prf_args_parse(argc, argv, self->groups, &layers, &options, words, 1, &err);
    }
    if (rc >= 0 && options.general.help) {
        prf_say_help(stdout, self, "pyprofiler profilers");
        goto out;
    }
    struct prf_hosting_request request = {.groups = self->groups,
                                          .layers = &layers,
                                          .target = &options,
                                          .options = &options.hosting};
    if (rc >= 0) {
        rc = prf_hosting_configure(&hosting, &request, &err);
    }
    if (rc >= 0) {
        rc = prf_hosting_prepare(&hosting, &options.hosting, &err);
    }
    if (rc >= 0) {
        rc = prf_engine_start(&engine, &hosting.sv, &err);
    }
    if (rc >= 0) {
        rc = profilers_print(&engine.profilers, words[0],
                             strcmp(options.format, "json") == 0, &err);
    }
out:
    if (rc < 0) {
        code = prf_say_error(&err);
    }
    prf_engine_close(&engine);
    prf_hosting_release(&hosting);
    prf_groups_release(self->groups, &options);
    return code;
}

const struct prf_command prf_cmd_profilers = {
    .name = "profilers",
    .summary = "which profilers there are, and whether they work here",
    .usage = "[OPTIONS] [PROFILER]",
    .about = "Lists the profilers of the chosen Python with their other names; with "
             "the name "
             "of one its options and metrics.",
    .groups = profilers_groups,
    .run = profilers_main,
};
