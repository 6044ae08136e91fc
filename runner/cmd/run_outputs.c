/* Files that options of profilers ask for; see run_outputs.h. */
#include "run_outputs.h"

#include <stdlib.h>
#include <string.h>

#include "document.h"
#include "path.h"

#define OUTPUTS_NAMES_MAX 10000 /* "trace-10000.json" */

/* One option with the value that it was given. */
struct output {
    const struct prf_exporter *exporter;
    const char *option;
    const char *path;
    bool folder; /* one file for each result in it */
};

/* A value that names a folder, or an option that takes one. */
static bool
outputs_is_folder(const struct prf_option *o, const char *path)
{
    size_t n = strlen(path);
    bool takes = o->unit != NULL &&
                 (strcmp(o->unit, "DIR") == 0 || strcmp(o->unit, "FOLDER") == 0);
    return takes || (n > 0 && path[n - 1] == '/') || prf_path_is_dir(path);
}

/* What the option asks for: 1, 0: it was not given, or a failure. */
static int
outputs_read(const struct prf_option *o, const json_t *options, struct output *out,
             struct prf_error *err)
{
    const char *path = json_string_value(json_object_get(options, o->name));
    if ((o->flags & PRF_OPT_OUTPUT) == 0 || path == NULL || *path == '\0') {
        return 0;
    }
    *out = (struct output){
        .option = o->name, .path = path, .folder = outputs_is_folder(o, path)};
    int rc =
        prf_exporter_find(o->choices == NULL ? "" : o->choices, &out->exporter, err);
    return rc < 0 ? rc : 1;
}

static int
outputs_check(const struct prf_running *r, const struct output *out,
              struct prf_error *err)
{
    struct prf_error why = {0};
    unsigned flags = r->options.force ? PRF_DOCUMENT_FORCE : 0u;
    int rc = out->folder ? prf_path_mkdirs(out->path, &why)
                         : prf_document_check(out->path, flags, &why);
    bool place = rc == PRF_EIO; /* that one cannot be made is for the user to mend */
    return rc < 0 ? prf_fail(err, place ? PRF_EUSAGE : rc, "--%s: %s", out->option,
                             why.text)
                  : 0;
}

int
prf_run_outputs_check(struct prf_running *r, struct prf_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < r->choice.n && rc == 0; i++) {
        const struct prf_option *o = r->choice.items[i]->options;
        for (; o->type != PRF_OPT_END && rc == 0; o++) {
            struct output out;
            rc = outputs_read(o, r->choice.options[i], &out, err);
            if (rc > 0) {
                rc = outputs_check(r, &out, err);
            }
        }
    }
    return rc;
}

static bool
outputs_is_ours(const struct prf_running *r, const char *path)
{
    for (size_t i = 0; i < r->outputs.n; i++) {
        if (strcmp(r->outputs.items[i], path) == 0) {
            return true;
        }
    }
    return false;
}

/* "dir/trace.json" and 2: "dir/trace-2.json". */
static char *
outputs_numbered(const char *path, int n)
{
    char *text = NULL;
    const char *base = prf_path_basename(path);
    const char *dot = strchr(base + (*base == '.'), '.');
    size_t stem = dot == NULL ? strlen(path) : (size_t)(dot - path);
    int rc = n == 1 ? asprintf(&text, "%s", path)
                    : asprintf(&text, "%.*s-%d%s", (int)stem, path, n, path + stem);
    return rc < 0 ? NULL : text;
}

/* The file for one result; the caller's. What is there already is overwritten with -f,
   unless this run wrote it. */
static char *
outputs_path(const struct prf_running *r, const struct output *out,
             const struct prf_result *result)
{
    char *first = NULL, *name = NULL;
    if (out->folder) {
        char *stem = prf_document_name(result->case_id, "");
        if (stem != NULL && asprintf(&name, "%s-%s%s", stem, result->profiler,
                                     out->exporter->extension) >= 0) {
            first = prf_path_join(out->path, name);
            free(name);
        }
        free(stem);
    } else {
        first = strdup(out->path);
    }
    char *path = NULL;
    for (int n = 1; first != NULL && n < OUTPUTS_NAMES_MAX; n++) {
        path = outputs_numbered(first, n);
        bool ours = path != NULL && outputs_is_ours(r, path);
        bool taken = path != NULL && prf_path_exists(path) && !r->options.force;
        /* the plain name of a file is an error when somebody else's file has it */
        if (path == NULL || (!ours && (!taken || (!out->folder && n == 1)))) {
            break;
        }
        free(path);
        path = NULL;
    }
    free(first);
    return path;
}

static int
outputs_write(struct prf_running *r, const struct output *out,
              const struct prf_result *result, struct prf_error *err)
{
    struct prf_document document = {0};
    const struct prf_export_options options = {0};
    unsigned flags = r->options.force ? PRF_DOCUMENT_FORCE : 0u;
    int rc = prf_exporter_check(out->exporter, result, err);
    if (rc == 0 && out->folder) { /* a case may have removed it */
        rc = prf_path_mkdirs(out->path, err);
    }
    if (rc < 0) {
        return rc;
    }
    char *path = outputs_path(r, out, result);
    rc = path == NULL ? prf_fail(err, PRF_EIO, "no name is free for '%s'", out->path)
                      : prf_document_open(&document, path, flags, err);
    if (rc == 0) {
        rc = prf_export(out->exporter, &r->run, &result, 1, &options, document.file,
                        err);
    }
    if (rc == 0) {
        rc = prf_document_commit(&document, err);
    }
    prf_document_close(&document);
    if (rc == 0) {
        (void)prf_strlist_add(&r->outputs, path);
        prf_progress_clear(&r->progress);
        if (r->style.verbosity >= 0) {
            fprintf(stderr, "written: %s\n", path);
        }
    }
    free(path);
    return rc;
}

static void
outputs_say(struct prf_running *r, const struct output *out,
            const struct prf_result *result, const struct prf_error *err)
{
    prf_progress_clear(&r->progress);
    prf_say_warning("--%s: nothing is written for %s: %s", out->option, result->case_id,
                    err->text);
    /* A case that was skipped or failed early has nothing to show: that is no fault. */
    r->internal_failed |= err->code != PRF_EUNAVAILABLE;
}

void
prf_run_outputs_write(struct prf_running *r, const struct prf_result *result)
{
    for (size_t i = 0; i < r->choice.n; i++) {
        const struct prf_option *o = r->choice.items[i]->options;
        bool its = strcmp(r->choice.items[i]->name, result->profiler) == 0;
        for (; its && o->type != PRF_OPT_END; o++) {
            struct output out = {.option = o->name};
            struct prf_error err = {0};
            int rc = outputs_read(o, r->choice.options[i], &out, &err);
            if (rc > 0) {
                rc = outputs_write(r, &out, result, &err);
            }
            if (rc < 0) {
                outputs_say(r, &out, result, &err);
            }
        }
    }
}
