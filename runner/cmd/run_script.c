/* The report of a script; see run_script.h. */
#include "run_script.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compare.h"
#include "document.h"
#include "path.h"
#include "script_report.h"
#include "select_stored.h"

#define AT(field) offsetof(struct prf_script_report_options, field)
#define SCRIPT_NAMES_MAX 10000
#define SCRIPT_PREVIOUS_MAX 1000

const struct prf_option prf_script_report_table[] = {
    {PRF_OPT_UINT, 0, "previous", NULL, AT(previous), .def = "20", .min = 0,
     .max = SCRIPT_PREVIOUS_MAX, .unit = "N",
     .help = "compare a script with its newest N runs; 0: with none"},
    {PRF_OPT_STRING, 0, "script-threshold", NULL, AT(script_threshold), .def = "10%",
     .unit = "PERCENT",
     .help = "smaller changes of a script are no regression; --threshold for short"},
    {PRF_OPT_STRING, 0, "threshold", NULL, AT(threshold), .unit = "PERCENT",
     .help = "the same", .flags = PRF_OPT_HIDDEN},
    {PRF_OPT_FLAG, 0, "fail-on-regression", NULL, AT(fail_on_regression),
     .help = "exit with 6 when a script got worse"},
    {PRF_OPT_STRING, 0, "report-dir", NULL, AT(report_dir), .unit = "DIR",
     .help =
         "write DIR/json/NAME-TIME.json and DIR/html/NAME-TIME.html for each script"},
    PRF_OPTIONS_END,
};

/* ---- options ---- */

/* In which layer an option was set; 0: it has its default. */
static int
script_layer(const struct prf_running *r, const char *name)
{
    for (size_t i = 0; i < r->layers.n; i++) {
        const struct prf_option *o = r->layers.set[i].option;
        if (o->name != NULL && strcmp(o->name, name) == 0) {
            return r->layers.set[i].layer;
        }
    }
    return 0;
}

/* `threshold` in the configuration is that of compare. */
static int
script_threshold(const struct prf_running *r, double *out, struct prf_error *err)
{
    const struct prf_script_report_options *o = &r->options.script_report;
    bool given = o->threshold != NULL && script_layer(r, "threshold") > PRF_LAYER_FILE;
    return given ? prf_compare_ratio("threshold", o->threshold, out, err)
                 : prf_compare_ratio("script-threshold", o->script_threshold, out, err);
}

/* The folder for reports, the caller's; one that the configuration names is beside it.
   NULL: no memory. */
static char *
script_report_dir(const struct prf_running *r)
{
    const char *dir = r->options.script_report.report_dir;
    if (dir[0] == '/' || r->hosting.pyproject == NULL ||
        script_layer(r, "report-dir") != PRF_LAYER_FILE) {
        return strdup(dir);
    }
    char *base = prf_path_dirname(r->hosting.pyproject);
    char *path = base == NULL ? NULL : prf_path_join(base, dir);
    free(base);
    return path;
}

static bool
script_has_dir(const struct prf_running *r)
{
    const char *dir = r->options.script_report.report_dir;
    return dir != NULL && dir[0] != '\0';
}

/* DIR/json or DIR/html, made when it is not there; the caller's. */
static int
script_folder(const struct prf_running *r, const char *kind, char **out,
              struct prf_error *err)
{
    char *dir = script_report_dir(r);
    *out = dir == NULL ? NULL : prf_path_join(dir, kind);
    int rc = *out == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                          : prf_path_mkdirs(*out, err);
    free(dir);
    return rc;
}

int
prf_run_script_check(struct prf_running *r, struct prf_error *err)
{
    static const char *const kinds[] = {"json", "html"};
    struct prf_error why = {0};
    double threshold = 0;
    int rc = script_threshold(r, &threshold, err);
    for (size_t i = 0; rc == 0 && r->has_script && script_has_dir(r) && i < 2; i++) {
        char *folder = NULL;
        if (script_folder(r, kinds[i], &folder, &why) < 0) {
            rc = prf_fail(err, PRF_EUSAGE, "--report-dir: %s", why.text);
        }
        free(folder);
    }
    return rc;
}

bool
prf_run_script_tells(const struct prf_running *r)
{
    const char *format = r->options.format;
    bool text = strcmp(format, "text") == 0;
    bool document = strcmp(format, "json") == 0 || strcmp(format, "html") == 0;
    if (!r->for_script || (!text && !document)) {
        return false;
    }
    for (size_t i = 0; i < r->targets.n && !text; i++) {
        if (r->targets.items[i].kind == PRF_TARGET_CASES) {
            return false;
        }
    }
    return true;
}

/* ---- the earlier runs ---- */

struct script_adding {
    struct prf_script_report *report;
    struct prf_error *err;
};

static int
script_add_earlier(const struct prf_earlier *earlier, void *arg)
{
    struct script_adding *a = arg;
    return prf_script_report_add(a->report, earlier->run, earlier->result,
                                 earlier->amounts, a->err);
}

static int
script_read_earlier(struct prf_store *store, struct prf_script_report *report,
                    struct prf_error *err)
{
    const struct prf_hotspots *h = &report->hotspots;
    struct prf_function functions[PRF_SCRIPT_HOTSPOTS];
    const char *columns[3];
    struct script_adding adding = {report, err};
    struct prf_earlier_query query = {.run = report->run,
                                      .result = report->result,
                                      .limit = report->comparison.room,
                                      .functions = functions,
                                      .columns = columns};
    if (!h->lines) {
        query.n_columns = prf_script_columns(report, columns);
        query.n_functions = h->n;
    }
    for (size_t i = 0; i < query.n_functions; i++) {
        functions[i] = *h->items[i].function;
    }
    return prf_store_earlier(store, &query, script_add_earlier, &adding, err);
}

/* With --no-store nothing is kept, but what was kept can be looked at. A store that
   cannot be read is no reason to lose the report. */
static void
script_compare(struct prf_running *r, struct prf_script_report *report)
{
    struct prf_store *opened = NULL;
    struct prf_error err = {0};
    int rc = 0;
    if (r->options.script_report.previous == 0) {
        report->comparison.none = "--previous 0";
        return;
    }
    if (report->result->status != PRF_STATUS_OK) {
        report->comparison.none = "the run did not end well";
        return;
    }
    if (r->store == NULL) {
        char *path = prf_stored_path(r->options.store, r->hosting.root);
        rc = path == NULL ? prf_fail(&err, PRF_ENOMEM, "out of memory")
                          : prf_store_open(path, PRF_STORE_READ, &opened, &err);
        free(path);
    }
    if (rc == 0) {
        rc = script_read_earlier(opened != NULL ? opened : r->store, report, &err);
    }
    prf_store_close(opened);
    if (rc < 0 && rc != PRF_ENOTFOUND) {
        prf_say_error(&err);
        report->comparison.none = "the store cannot be read";
    }
}

/* ---- files ---- */

typedef int script_write(FILE *out, const struct prf_script_report *report,
                         struct prf_error *err);

static int
script_write_text(FILE *out, const struct prf_script_report *report,
                  struct prf_error *err)
{
    static const struct prf_style plain = {.width = 80};
    (void)err;
    prf_script_report_text(out, &plain, report);
    return 0;
}

static int
script_write_file(const char *path, unsigned flags, script_write *write,
                  const struct prf_script_report *report, struct prf_error *err)
{
    struct prf_document document = {0};
    int rc = prf_document_open(&document, path, flags, err);
    if (rc == 0) {
        rc = write(document.file, report, err);
    }
    if (rc == 0) {
        rc = prf_document_commit(&document, err);
    }
    prf_document_close(&document);
    return rc;
}

/* "2025-12-16T08-23-14.567350Z": sorts by time, fit for any file system. */
static void
script_timestamp(int64_t ns, char *buf, size_t size)
{
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm tm;
    char day[32] = "";
    if (gmtime_r(&seconds, &tm) != NULL) {
        strftime(day, sizeof day, "%Y-%m-%dT%H-%M-%S", &tm);
    }
    snprintf(buf, size, "%s.%06dZ", day, (int)(ns / 1000 % 1000000));
}

/* DIR/KIND/NAME-TIMESTAMP.KIND, with a number where that is taken; the arena's. */
static int
script_report_path(struct prf_running *r, struct prf_script_report *report,
                   const char *kind, const char **out, struct prf_error *err)
{
    char *folder = NULL, *name = prf_document_name(report->result->case_id, "");
    char stamp[64], number[16] = "";
    int rc = name == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                          : script_folder(r, kind, &folder, err);
    script_timestamp(report->result->started_ns, stamp, sizeof stamp);
    *out = NULL;
    for (int n = 2; rc == 0 && *out == NULL && n < SCRIPT_NAMES_MAX; n++) {
        struct prf_strbuf path = PRF_STRBUF_INIT;
        /* a long list of arguments makes a long name */
        prf_strbuf_addf(&path, "%s/%.100s-%s%s.%s", folder, name, stamp, number, kind);
        if (path.failed || !prf_path_exists(path.data)) {
            *out = prf_arena_strdup(&report->arena, prf_strbuf_text(&path));
            rc = path.failed || *out == NULL
                     ? prf_fail(err, PRF_ENOMEM, "out of memory")
                     : 0;
        }
        prf_strbuf_release(&path);
        snprintf(number, sizeof number, "-%d", n);
    }
    if (rc == 0 && *out == NULL) {
        rc = prf_fail(err, PRF_EIO, "no name is free in '%s'", folder);
    }
    free(folder);
    free(name);
    return rc;
}

static int
script_write_reports(struct prf_running *r, struct prf_script_report *report,
                     struct prf_error *err)
{
    const char *path = NULL;
    int rc = script_report_path(r, report, "json", &path, err);
    if (rc == 0) {
        rc = script_write_file(path, 0, prf_script_report_json, report, err);
    }
    if (rc == 0) {
        report->json_path = path;
        rc = script_report_path(r, report, "html", &path, err);
    }
    if (rc == 0) {
        rc = script_write_file(path, 0, prf_script_report_html, report, err);
    }
    if (rc == 0) {
        report->html_path = path;
    }
    return rc;
}

/* "out.json", and "out-2.json" for the second result of a run; the caller's. */
static char *
script_numbered(const struct prf_running *r)
{
    const char *path = r->options.output;
    char *text = NULL;
    if (path == NULL || strcmp(path, "-") == 0 || r->n_script_documents == 0) {
        return strdup(path == NULL ? "-" : path);
    }
    const char *base = prf_path_basename(path);
    const char *dot = strchr(base + (*base == '.'), '.');
    size_t stem = dot == NULL ? strlen(path) : (size_t)(dot - path);
    int rc = asprintf(&text, "%.*s-%zu%s", (int)stem, path, r->n_script_documents + 1,
                      path + stem);
    return rc < 0 ? NULL : text;
}

/* The document that -o and --format ask for. */
static int
script_write_document(struct prf_running *r, const struct prf_script_report *report,
                      struct prf_error *err)
{
    const char *format = r->options.format;
    script_write *write = strcmp(format, "json") == 0   ? prf_script_report_json
                          : strcmp(format, "html") == 0 ? prf_script_report_html
                                                        : script_write_text;
    unsigned flags = r->options.force ? PRF_DOCUMENT_FORCE : 0u;
    char *path = script_numbered(r);
    int rc = path == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                          : script_write_file(path, flags, write, report, err);
    free(path);
    r->n_script_documents += rc == 0;
    return rc;
}

/* ---- the whole ---- */

static int
script_tell(struct prf_running *r, struct prf_script_report *report,
            struct prf_error *err)
{
    double threshold = PRF_PREVIOUS_THRESHOLD;
    int rc = script_threshold(r, &threshold, err);
    script_compare(r, report);
    if (rc == 0) {
        rc = prf_script_report_judge(report, threshold, err);
    }
    r->n_script_regressions += report->comparison.n_regressions;
    report->kept = !r->options.no_store && !r->store_failed;
    if (rc == 0 && script_has_dir(r)) {
        struct prf_error why = {0};
        if (script_write_reports(r, report, &why) < 0) {
            prf_say_error(&why);
            r->internal_failed = true;
        }
    }
    if (rc < 0 || !prf_run_script_tells(r)) {
        return rc; /* the result is in the document of all */
    }
    if (r->exporter != NULL) {
        rc = script_write_document(r, report, err);
    } else {
        prf_script_report_text(prf_run_report(r), &r->style, report);
        fflush(prf_run_report(r));
    }
    return rc;
}

void
prf_run_script_tell(struct prf_running *r, const struct prf_result *result)
{
    struct prf_script_report report;
    struct prf_error err = {0};
    int rc = prf_script_report_init(&report, &r->run, result,
                                    (size_t)r->options.script_report.previous, &err);
    if (rc == 0) {
        rc = script_tell(r, &report, &err);
    }
    if (rc < 0) {
        prf_say_error(&err);
        r->internal_failed = true;
    }
    prf_script_report_release(&report);
}
