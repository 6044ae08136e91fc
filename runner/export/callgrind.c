/* Format "callgrind": functions, their own time and their calls, for KCachegrind,
   callgrind_annotate and gprof2dot. Calls are placed on the caller's first line: edges
   do not know better. */
#include <inttypes.h>
#include <stdlib.h>

#include <pyprofiler/version.h>

#include "formats.h"
#include "label.h"

struct callgrind_file {
    const struct prf_profile *profile;
    bool strip_dirs;
    FILE *out;
    struct prf_strbuf text;
    int64_t *own;    /* of a code id */
    bool *named;     /* of a code id: its name was written, the number will do */
    uint32_t *edges; /* in the order of their caller */
};

static int
callgrind_compare_edges(const void *left, const void *right, void *arg)
{
    const struct prf_key *keys = arg;
    uint32_t i = *(const uint32_t *)left, k = *(const uint32_t *)right;
    if (keys[i].code != keys[k].code) {
        return keys[i].code < keys[k].code ? -1 : 1;
    }
    return (i > k) - (i < k);
}

/* "fl=FILE" and "fn=(ID) NAME", or the same for a called function. */
static void
callgrind_put_function(struct callgrind_file *file, uint32_t id, const char *file_key,
                       const char *name_key)
{
    const struct prf_function *code = prf_row_code(file->profile, id);
    const char *path = prf_code_file(code, file->strip_dirs);
    prf_strbuf_clear(&file->text);
    /* "(" would begin a compressed name. */
    prf_strbuf_addf(&file->text, "%s=%s", file_key, path[0] == '(' ? "./" : "");
    prf_visible_add(&file->text, path, PRF_VISIBLE_LINE);
    prf_strbuf_addf(&file->text, "\n%s=(%" PRIu32 ")", name_key, id);
    if (!file->named[id]) {
        prf_strbuf_addc(&file->text, ' ');
        prf_visible_add(&file->text, code->qualname, PRF_VISIBLE_LINE);
        file->named[id] = true;
    }
    fprintf(file->out, "%s\n", prf_strbuf_text(&file->text));
}

static void
callgrind_put_calls(struct callgrind_file *file, uint32_t caller, size_t *next)
{
    const struct prf_profile *p = file->profile;
    struct prf_call_index at;
    bool known = prf_cost_index(&p->edges, &at);
    for (; *next < p->edges.n && p->edges.keys[file->edges[*next]].code == caller;
         ++*next) {
        uint32_t edge = file->edges[*next], callee = p->edges.keys[edge].other;
        const int64_t *values = p->edges.values + edge * p->edges.n_columns;
        if (!known || callee == 0 || callee >= p->n_codes) {
            continue;
        }
        callgrind_put_function(file, callee, "cfi", "cfn");
        fprintf(file->out, "calls=%" PRId64 " %" PRIu32 "\n%" PRIu32 " %" PRId64 "\n",
                values[at.calls], p->codes[callee].first_line,
                p->codes[caller].first_line,
                values[at.cumulative] > 0 ? values[at.cumulative] : 0);
    }
}

static int64_t
callgrind_sum(struct callgrind_file *file)
{
    const struct prf_table *sites = &file->profile->sites;
    struct prf_call_index at;
    int64_t total = 0;
    bool known = prf_cost_index(sites, &at);
    for (size_t i = 0; known && i < sites->n; i++) {
        int64_t own = sites->values[i * sites->n_columns + (size_t)at.own];
        uint32_t code = sites->keys[i].code;
        /* The format has no negative costs; a clock that was corrected can make one. */
        if (own > 0 && code > 0 && code < file->profile->n_codes) {
            file->own[code] += own;
            total += own;
        }
    }
    return total;
}

static void
callgrind_put_head(struct callgrind_file *file, const struct prf_result *result,
                   int64_t total)
{
    prf_strbuf_clear(&file->text);
    prf_visible_add(&file->text, result->case_id, PRF_VISIBLE_LINE);
    fprintf(file->out,
            "# callgrind format\nversion: 1\ncreator: pyprofiler-%s\ncmd: %s\npart: 1\n"
            "positions: line\nevents: ns\nsummary: %" PRId64 "\n",
            PRF_VERSION, prf_strbuf_text(&file->text), total);
}

static void
callgrind_put_all(struct callgrind_file *file, const struct prf_result *result)
{
    const struct prf_profile *p = file->profile;
    int64_t total = callgrind_sum(file);
    size_t next = 0;
    for (size_t i = 0; i < p->edges.n; i++) {
        file->edges[i] = (uint32_t)i;
    }
    if (p->edges.n > 0) {
        qsort_r(file->edges, p->edges.n, sizeof *file->edges, callgrind_compare_edges,
                p->edges.keys);
    }
    while (next < p->edges.n && p->edges.keys[file->edges[next]].code == 0) {
        next++; /* calls from the root */
    }
    callgrind_put_head(file, result, total);
    for (uint32_t id = 1; id < p->n_codes; id++) {
        bool calls = next < p->edges.n && p->edges.keys[file->edges[next]].code == id;
        if (file->own[id] == 0 && !calls) {
            continue;
        }
        fputc('\n', file->out);
        callgrind_put_function(file, id, "fl", "fn");
        fprintf(file->out, "%" PRIu32 " %" PRId64 "\n", p->codes[id].first_line,
                file->own[id]);
        callgrind_put_calls(file, id, &next);
    }
    fprintf(file->out, "\ntotals: %" PRId64 "\n", total);
}

static int
callgrind_write(const struct prf_run *run, const struct prf_result *const *results,
                size_t n, const struct prf_export_options *options, FILE *out,
                struct prf_error *err)
{
    (void)run;
    (void)n;
    const struct prf_profile *p = results[0]->profile;
    struct callgrind_file file = {.profile = p,
                                  .strip_dirs = options->strip_dirs,
                                  .out = out,
                                  .text = PRF_STRBUF_INIT,
                                  .own = calloc(p->n_codes + 1, sizeof(int64_t)),
                                  .named = calloc(p->n_codes + 1, sizeof(bool)),
                                  .edges = calloc(p->edges.n + 1, sizeof(uint32_t))};
    bool ready = file.own != NULL && file.named != NULL && file.edges != NULL;
    if (ready) {
        callgrind_put_all(&file, results[0]);
    }
    int rc =
        ready && !file.text.failed ? 0 : prf_fail(err, PRF_ENOMEM, "out of memory");
    prf_strbuf_release(&file.text);
    free(file.own);
    free(file.named);
    free(file.edges);
    return rc;
}

const struct prf_exporter prf_exporter_callgrind = {
    .name = "callgrind",
    .extension = ".callgrind",
    .summary = "functions and calls, for KCachegrind and callgrind_annotate",
    .needs = PRF_MODEL_SITES,
    .write = callgrind_write,
    .single = true,
    .columns = prf_call_columns,
};
