/* pyprofiler show: results of the store. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "document.h"
#include "formats.h"
#include "hosting.h"
#include "output.h"
#include "say.h"
#include "select_stored.h"

struct show_options {
    char *profiler, *format;
    struct prf_output_options output;
    struct prf_general_options general;
};

#define AT(field) offsetof(struct show_options, field)

static const struct prf_option show_selection[] = {
    {PRF_OPT_STRING, 'p', "profiler", NULL, AT(profiler), .unit = "NAME",
     .help = "only results of this profiler"},
    PRF_OPTIONS_END,
};

static const struct prf_option show_format[] = {
    {PRF_OPT_CHOICE, 0, "format", NULL, AT(format), .def = "text",
     .choices = "text|json|csv|markdown", .help = "of the report"},
    PRF_OPTIONS_END,
};

static const struct prf_option_group show_groups[] = {
    {"selection", show_selection, 0},
    {"store", prf_output_store_table, AT(output)},
    {"format", show_format, 0},
    {"output", prf_output_table, AT(output)},
    {"general", prf_general_table, AT(general)},
    {NULL},
};

static int
show_text(const struct prf_stored *stored, const struct prf_style *style,
          const struct prf_export_options *options, FILE *out, struct prf_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < stored->n; i++) {
        if (style->verbosity >= 0 &&
            (i == 0 || stored->run_of[i] != stored->run_of[i - 1])) {
            prf_report_head(out, style, &stored->runs[stored->run_of[i]]);
        }
        rc = prf_report_result(out, style, &stored->results[i], options, err);
        fprintf(out, "[%s]\n", stored->results[i].id);
    }
    return rc;
}

/* What the store's tables do not hold, snapshots and curves, is in the recordings. A
   call profile shows nothing that needs its own, which may be large. */
static int
show_complete(struct prf_store *store, struct prf_stored *stored, struct prf_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < stored->n; i++) {
        const struct prf_profile *p = stored->results[i].profile;
        struct prf_call_index at;
        if (p != NULL && !prf_call_index(&p->sites, &at)) {
            rc = prf_stored_complete(store, stored, i, PRF_STORED_WHOLE, err);
        }
    }
    return rc;
}

static int
show_write(const struct show_options *o, const struct prf_stored *stored,
           struct prf_error *err)
{
    const struct prf_exporter *exporter = NULL;
    struct prf_document document = {0};
    unsigned flags = o->output.force ? PRF_DOCUMENT_FORCE : 0u;
    int rc = prf_exporter_find(o->format, &exporter, err);
    if (rc == 0) {
        rc = prf_document_open(&document, o->output.output, flags, err);
    }
    if (rc < 0) {
        return rc;
    }
    struct prf_style style = prf_say_style(&o->general, document.file);
    struct prf_export_options options = prf_output_of_export(&o->output);
    options.color = style.color;
    rc = strcmp(o->format, "text") == 0
             ? show_text(stored, &style, &options, document.file, err)
             : prf_stored_write(stored, exporter, &options, document.file, err);
    if (rc == 0) {
        rc = prf_document_commit(&document, err);
    }
    prf_document_close(&document);
    return rc;
}

static int
show_main(const struct prf_command *self, int argc, char **argv)
{
    struct show_options o = {0};
    struct prf_layers layers = {0};
    struct prf_store *store = NULL;
    struct prf_stored stored = {0};
    struct prf_error err = {0};
    const char *words[1] = {NULL};
    int rc = prf_groups_defaults(self->groups, &o, &err);
    if (rc == 0) {
        rc = prf_args_parse(argc, argv, self->groups, &layers, &o, words, 1, &err);
    }
    if (rc >= 0 && o.general.help) {
        prf_say_help(stdout, self, "pyprofiler show");
        goto out;
    }
    if (rc >= 0) {
        rc = prf_hosting_configure_store(self->groups, &layers, &o, &err);
    }
    if (rc >= 0) {
        rc = prf_stored_open(o.output.store, &store, &err);
    }
    struct prf_stored_request request = {.what = words[0],
                                         .profiler = prf_stored_profiler(o.profiler)};
    if (rc >= 0) {
        rc = prf_stored_select(store, &request, &stored, &err);
    }
    if (rc >= 0) {
        rc = show_complete(store, &stored, &err);
    }
    if (rc >= 0) {
        rc = show_write(&o, &stored, &err);
    }
out:
    prf_stored_release(&stored);
    prf_store_close(store);
    prf_groups_release(self->groups, &o);
    return rc < 0 ? prf_say_error(&err) : PRF_EXIT_OK;
}

const struct prf_command prf_cmd_show = {
    .name = "show",
    .summary = "stored results",
    .usage = "[OPTIONS] [WHAT]",
    .about =
        "Shows results of the store: of the latest run, or of a result, a run (by the "
        "start of their ids), a case, or a commit (any revision that git knows).",
    .groups = show_groups,
    .run = show_main,
};
