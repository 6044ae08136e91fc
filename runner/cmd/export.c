/* pyprofiler export: a stored result in the format of another tool. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "command.h"
#include "document.h"
#include "graph_model.h"
#include "hosting.h"
#include "output.h"
#include "path.h"
#include "say.h"
#include "select_stored.h"
#include "strbuf.h"
#include "supervise.h"

struct export_options {
    char *format;
    struct prf_output_options output;
    struct prf_graph_options picture;
    char *picture_text; /* what of it was given, as JSON */
    struct prf_general_options general;
};

#define AT(field) offsetof(struct export_options, field)

static const struct prf_option export_format[] = {
    {PRF_OPT_STRING, 0, "format", NULL, AT(format), .unit = "FORMAT",
     .help = "see below; without it the extension of the output file decides"},
    PRF_OPTIONS_END,
};

static const struct prf_option_group export_groups[] = {
    {"format", export_format, 0},
    {"output", prf_output_table, AT(output)},
    {"pictures of calls; without them as measured", PRF_GRAPH_LOOK, AT(picture)},
    {"store", prf_output_store_table, AT(output)},
    {"general", prf_general_table, AT(general)},
    {NULL},
};

/* The format that the file's name asks for, or NULL. */
static const char *
export_format_of(const char *path)
{
    size_t n = path == NULL ? 0 : strlen(path);
    const char *best = NULL;
    size_t longest = 0;
    for (size_t i = 0; prf_exporters[i] != NULL; i++) {
        const struct prf_exporter *e = prf_exporters[i];
        size_t m = strlen(e->extension);
        if (m > longest && n > m && strcmp(path + n - m, e->extension) == 0) {
            best = e->name;
            longest = m;
        }
    }
    return best;
}

/* Has the profiler what the format needs? A call tree is folded into sites and edges.
 */
static bool
export_can(const struct prf_profiler *p, const struct prf_exporter *exporter)
{
    static const struct {
        const char *scope;
        unsigned models;
    } scopes[] = {
        {"result", PRF_MODEL_METRICS},
        {"node", PRF_MODEL_STACKS | PRF_MODEL_SITES | PRF_MODEL_EDGES},
        {"site", PRF_MODEL_SITES},
        {"edge", PRF_MODEL_EDGES},
        {"series", PRF_MODEL_SERIES},
    };
    unsigned has = 0;
    for (size_t i = 0; i < p->n_metrics; i++) {
        for (size_t k = 0; k < sizeof scopes / sizeof *scopes; k++) {
            has |= strcmp(scopes[k].scope, p->metrics[i].scope) == 0 ? scopes[k].models
                                                                     : 0u;
        }
        /* who records events tells how many */
        has |= strcmp(p->metrics[i].name, "events") == 0 ? PRF_MODEL_EVENTS : 0u;
    }
    return (exporter->needs & ~has) == 0 &&
           (exporter->needs_any == 0 || (exporter->needs_any & has) != 0);
}

/* Names of the profilers that give what the format needs; only they know, so they are
   asked. "" when that is not possible here. */
static void
export_who_can(const struct prf_exporter *exporter, const char *refused,
               struct prf_strbuf *out)
{
    static const struct prf_option_group none[] = {{NULL}};
    struct prf_hosting_options options = {0};
    struct prf_layers layers = {0};
    struct prf_hosting hosting = {0};
    struct prf_engine engine = {0};
    struct prf_error ignored = {0};
    struct prf_hosting_request request = {
        .groups = none, .layers = &layers, .target = &options, .options = &options};
    if (prf_hosting_configure(&hosting, &request, &ignored) == 0 &&
        prf_hosting_prepare(&hosting, &options, &ignored) == 0 &&
        prf_engine_start(&engine, &hosting.sv, &ignored) == 0) {
        for (size_t i = 0; i < engine.profilers.n; i++) {
            bool other = strcmp(engine.profilers.items[i]->name, refused) != 0;
            if (other && export_can(engine.profilers.items[i], exporter)) {
                prf_strbuf_addf(out, "%s%s", out->len > 0 ? ", " : "",
                                engine.profilers.items[i]->name);
            }
        }
    }
    prf_engine_close(&engine);
    prf_hosting_release(&hosting);
}

static int
export_check(const struct prf_exporter *exporter, const struct prf_result *result,
             struct prf_error *err)
{
    struct prf_error why = {0};
    struct prf_strbuf names = PRF_STRBUF_INIT;
    int rc = prf_exporter_check(exporter, result, &why);
    if (rc < 0) {
        export_who_can(exporter, result->profiler, &names);
        prf_fail(err, rc, "%s%s%s", why.text, names.len > 0 ? "; these have it: " : "",
                 prf_strbuf_text(&names));
    }
    prf_strbuf_release(&names);
    return rc;
}

/* The options of pictures that were given, as JSON; the caller's (free). */
static char *
export_picture(const struct export_options *o, const struct prf_layers *layers)
{
    json_t *given = json_object();
    for (size_t i = 0; i < layers->n; i++) {
        const struct prf_option *option = layers->set[i].option;
        const char *field = (const char *)&o->picture + option->offset;
        bool of_tables = prf_options_find(PRF_GRAPH_LOOK, option->name) != option;
        char number[32] = "0";
        if (of_tables && strcmp(option->name, "top-k") != 0) {
            continue;
        }
        if (option->type == PRF_OPT_DOUBLE) {
            snprintf(number, sizeof number, "%.17g",
                     *(const double *)(const void *)field);
        } else if (option->type == PRF_OPT_UINT) {
            uint64_t n =
                of_tables ? o->output.top_k : *(const uint64_t *)(const void *)field;
            snprintf(number, sizeof number, "%" PRIu64, n);
        }
        bool text = option->type == PRF_OPT_STRING || option->type == PRF_OPT_CHOICE;
        json_object_set_new(
            given, option->name,
            json_string(text ? *(char *const *)(const void *)field : number));
    }
    char *text = json_dumps(given, JSON_COMPACT);
    json_decref(given);
    return text;
}

static int
export_write(const struct export_options *o, const struct prf_exporter *exporter,
             const struct prf_stored *stored, struct prf_error *err)
{
    struct prf_document document = {0};
    unsigned flags = (o->output.force ? PRF_DOCUMENT_FORCE : 0u) |
                     (exporter->binary ? PRF_DOCUMENT_BINARY : 0u);
    char *name =
        o->output.output != NULL
            ? strdup(o->output.output)
            : prf_document_name(stored->results[0].case_id, exporter->extension);
    int rc = name == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                          : prf_document_open(&document, name, flags, err);
    if (rc < 0) {
        free(name);
        return rc;
    }
    bool to_file = document.path != NULL;
    struct prf_export_options options = prf_output_of_export(&o->output);
    options.picture = o->picture_text;
    rc = prf_stored_write(stored, exporter, &options, document.file, err);
    if (rc == 0) {
        rc = prf_document_commit(&document, err);
    }
    if (rc == 0 && to_file && o->general.quiet == 0) {
        fprintf(stderr, "written: %s\n", name);
    }
    prf_document_close(&document);
    free(name);
    return rc;
}

static void
export_help(const struct prf_command *self)
{
    prf_say_help(stdout, self, "pyprofiler export");
    fputs("\nformats:\n", stdout);
    for (size_t i = 0; prf_exporters[i] != NULL; i++) {
        printf("  %-12s %s\n", prf_exporters[i]->name, prf_exporters[i]->summary);
    }
}

static int
export_go(const struct export_options *o, const char *what, struct prf_error *err)
{
    struct prf_store *store = NULL;
    struct prf_stored stored = {0};
    const struct prf_exporter *exporter = NULL;
    const char *format =
        o->format != NULL ? o->format : export_format_of(o->output.output);
    int rc = 0;
    if (what == NULL) {
        return prf_fail(err, PRF_EUSAGE,
                        "no result: give the id that run and show print, "
                        "or 'latest'");
    }
    if (format == NULL) {
        return prf_fail(err, PRF_EUSAGE, "no format: give --format; see --help");
    }
    rc = prf_exporter_find(format, &exporter, err);
    if (rc == 0) {
        rc = prf_stored_open(o->output.store, &store, err);
    }
    struct prf_stored_request request = {.what = what, .one = true};
    if (rc == 0) {
        rc = prf_stored_select(store, &request, &stored, err);
    }
    if (rc == 0) {
        rc = prf_stored_complete(store, &stored, 0,
                                 exporter->needs == PRF_MODEL_EVENTS ? PRF_STORED_EVENTS
                                                                     : PRF_STORED_WHOLE,
                                 err);
    }
    if (rc == 0) {
        rc = export_check(exporter, &stored.results[0], err);
    }
    if (rc == 0) {
        rc = export_write(o, exporter, &stored, err);
    }
    prf_stored_release(&stored);
    prf_store_close(store);
    return rc;
}

static int
export_main(const struct prf_command *self, int argc, char **argv)
{
    struct export_options o = {0};
    struct prf_layers layers = {0};
    struct prf_error err = {0};
    const char *words[1] = {NULL};
    int rc = prf_groups_defaults(self->groups, &o, &err);
    if (rc == 0) {
        rc = prf_args_parse(argc, argv, self->groups, &layers, &o, words, 1, &err);
    }
    if (rc >= 0 && o.general.help) {
        export_help(self);
    } else if (rc >= 0) {
        static const struct prf_option_group only_store[] = {
            {"store", prf_output_store_table, AT(output)}, {NULL}};
        o.picture_text = export_picture(&o, &layers);
        rc = prf_hosting_configure_store(only_store, &layers, &o, &err);
        rc = rc < 0 ? rc : export_go(&o, words[0], &err);
    }
    free(o.picture_text);
    prf_groups_release(self->groups, &o);
    return rc < 0 ? prf_say_error(&err) : PRF_EXIT_OK;
}

const struct prf_command prf_cmd_export = {
    .name = "export",
    .summary = "a stored result in the format of another tool",
    .usage = "[OPTIONS] RESULT --format FORMAT",
    .about = "Writes one stored result as a file for another program. RESULT is an id "
             "(or the "
             "start of one) that run and show print, or latest.",
    .groups = export_groups,
    .run = export_main,
};
