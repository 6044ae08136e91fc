/* Format "pstats": what cProfile dumps, a marshalled dict that pstats.Stats() loads:
       {(file, line, name): (primitive calls, calls, own, cumulative, callers)}
       callers: {(file, line, name): (calls, primitive calls, own, cumulative)}
   The two counts stand in the other order in callers; cProfile writes them so and
   pstats reads them so. Times are seconds. Only type codes of marshal that Python 3.4
   to 3.14 know alike are used. */
#include <stdlib.h>
#include <string.h>

#include "formats.h"
#include "label.h"

/* Python's keys are not unique among codes: two lambdas on a line, a function defined
   twice by a reloaded module. Codes with the same key are one group and add up. */
struct pstats_file {
    const struct prf_profile *profile;
    bool strip_dirs;
    FILE *out;
    struct prf_strbuf text;
    uint32_t *codes; /* ids in the order of their keys */
    uint32_t *group; /* of a code id */
    uint32_t n_groups;
    int64_t *totals; /* of a group: calls, primitive calls, own, cumulative */
    bool *has_site;  /* of a group */
    uint32_t *edges; /* in the order of callee's group, caller's group */
    size_t n_edges;
};

enum { PSTATS_CALLS, PSTATS_PRIMITIVE, PSTATS_OWN, PSTATS_CUMULATIVE, PSTATS_WIDTH };

static void
pstats_put_int32(FILE *out, uint32_t value)
{
    const unsigned char bytes[] = {value & 0xFF, value >> 8 & 0xFF, value >> 16 & 0xFF,
                                   value >> 24 & 0xFF};
    fwrite(bytes, 1, sizeof bytes, out);
}

/* 'i' holds 32 bits; above that 'l', digits of 15 bits. */
static void
pstats_put_int(FILE *out, int64_t value)
{
    if (value >= INT32_MIN && value <= INT32_MAX) {
        putc('i', out);
        pstats_put_int32(out, (uint32_t)value);
        return;
    }
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint32_t n_digits = 0;
    for (uint64_t rest = left; rest != 0; rest >>= 15) {
        n_digits++;
    }
    putc('l', out);
    pstats_put_int32(out, value < 0 ? 0u - n_digits : n_digits);
    for (; left != 0; left >>= 15) {
        putc((int)(left & 0xFF), out);
        putc((int)(left >> 8 & 0x7F), out);
    }
}

static void
pstats_put_seconds(FILE *out, int64_t ns)
{
    double seconds = (double)ns / 1e9;
    uint64_t bits;
    memcpy(&bits, &seconds, sizeof bits);
    putc('g', out);
    pstats_put_int32(out, (uint32_t)bits);
    pstats_put_int32(out, (uint32_t)(bits >> 32));
}

static void
pstats_put_text(struct pstats_file *file, const char *text)
{
    prf_strbuf_clear(&file->text);
    prf_utf8_add(&file->text, text);
    putc('u', file->out);
    pstats_put_int32(file->out, (uint32_t)file->text.len);
    fwrite(prf_strbuf_text(&file->text), 1, file->text.len, file->out);
}

static void
pstats_put_tuple(FILE *out, uint32_t n)
{
    putc('(', out);
    pstats_put_int32(out, n);
}

static const char *
pstats_name(const struct prf_function *code)
{
    return (code->flags & PRF_CODE_C) != 0 ? code->qualname : code->name;
}

static void
pstats_put_key(struct pstats_file *file, const struct prf_function *code)
{
    pstats_put_tuple(file->out, 3);
    pstats_put_text(file, prf_code_file(code, file->strip_dirs));
    pstats_put_int(file->out, code->first_line);
    pstats_put_text(file, pstats_name(code));
}

static int
pstats_compare_codes(const void *left, const void *right, void *arg)
{
    const struct pstats_file *file = arg;
    const struct prf_function *a = prf_row_code(file->profile, *(const uint32_t *)left);
    const struct prf_function *b =
        prf_row_code(file->profile, *(const uint32_t *)right);
    int order =
        strcmp(prf_code_file(a, file->strip_dirs), prf_code_file(b, file->strip_dirs));
    if (order == 0) {
        order = (a->first_line > b->first_line) - (a->first_line < b->first_line);
    }
    return order != 0 ? order : strcmp(pstats_name(a), pstats_name(b));
}

static int
pstats_compare_edges(const void *left, const void *right, void *arg)
{
    const struct pstats_file *file = arg;
    struct prf_key a = file->profile->edges.keys[*(const uint32_t *)left];
    struct prf_key b = file->profile->edges.keys[*(const uint32_t *)right];
    uint32_t callee_a = file->group[a.other], callee_b = file->group[b.other];
    uint32_t caller_a = file->group[a.code], caller_b = file->group[b.code];
    if (callee_a != callee_b) {
        return callee_a < callee_b ? -1 : 1;
    }
    return (caller_a > caller_b) - (caller_a < caller_b);
}

static int
pstats_alloc(struct pstats_file *file, struct prf_error *err)
{
    size_t n = file->profile->n_codes + 1;
    file->codes = calloc(n, sizeof *file->codes);
    file->group = calloc(n, sizeof *file->group);
    file->totals = calloc(n * PSTATS_WIDTH, sizeof *file->totals);
    file->has_site = calloc(n, sizeof *file->has_site);
    file->edges = calloc(file->profile->edges.n + 1, sizeof *file->edges);
    if (file->codes == NULL || file->group == NULL || file->totals == NULL ||
        file->has_site == NULL || file->edges == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    return 0;
}

static void
pstats_group_codes(struct pstats_file *file)
{
    uint32_t n = 0;
    for (size_t id = 1; id < file->profile->n_codes; id++) {
        file->codes[n++] = (uint32_t)id;
    }
    qsort_r(file->codes, n, sizeof *file->codes, pstats_compare_codes, file);
    for (uint32_t i = 0; i < n; i++) {
        bool same = i > 0 && pstats_compare_codes(&file->codes[i - 1], &file->codes[i],
                                                  file) == 0;
        file->n_groups += same ? 0 : 1;
        file->group[file->codes[i]] = file->n_groups; /* from 1 */
    }
}

static void
pstats_add_row(const struct prf_table *table, size_t row,
               const struct prf_call_index *at, int64_t *totals)
{
    const int64_t *values = table->values + row * table->n_columns;
    totals[PSTATS_CALLS] += values[at->calls];
    totals[PSTATS_PRIMITIVE] += values[at->primitive];
    totals[PSTATS_OWN] += values[at->own];
    totals[PSTATS_CUMULATIVE] += values[at->cumulative];
}

static void
pstats_sum_sites(struct pstats_file *file)
{
    const struct prf_table *sites = &file->profile->sites;
    struct prf_call_index at;
    if (!prf_cost_index(sites, &at)) {
        return;
    }
    for (size_t i = 0; i < sites->n; i++) {
        uint32_t code = sites->keys[i].code;
        if (code > 0 && code < file->profile->n_codes) {
            uint32_t group = file->group[code];
            pstats_add_row(sites, i, &at, file->totals + (size_t)group * PSTATS_WIDTH);
            file->has_site[group] = true;
        }
    }
}

static void
pstats_sort_edges(struct pstats_file *file)
{
    const struct prf_profile *p = file->profile;
    for (size_t i = 0; i < p->edges.n; i++) {
        struct prf_key key = p->edges.keys[i];
        /* Calls from the root have no caller in pstats. */
        if (key.code > 0 && key.code < p->n_codes && key.other > 0 &&
            key.other < p->n_codes) {
            file->edges[file->n_edges++] = (uint32_t)i;
        }
    }
    qsort_r(file->edges, file->n_edges, sizeof *file->edges, pstats_compare_edges,
            file);
}

/* The callers of the group that edge `*next` leads to; *next moves past them. */
static void
pstats_put_callers(struct pstats_file *file, uint32_t group, size_t *next)
{
    const struct prf_table *edges = &file->profile->edges;
    struct prf_call_index at;
    bool known = prf_cost_index(edges, &at);
    putc('{', file->out);
    while (known && *next < file->n_edges &&
           file->group[edges->keys[file->edges[*next]].other] == group) {
        uint32_t first = file->edges[*next];
        int64_t totals[PSTATS_WIDTH] = {0};
        do {
            pstats_add_row(edges, file->edges[*next], &at, totals);
            ++*next;
        } while (*next < file->n_edges &&
                 pstats_compare_edges(&first, &file->edges[*next], file) == 0);
        pstats_put_key(file, prf_row_code(file->profile, edges->keys[first].code));
        pstats_put_tuple(file->out, 4);
        pstats_put_int(file->out, totals[PSTATS_CALLS]);
        pstats_put_int(file->out, totals[PSTATS_PRIMITIVE]);
        pstats_put_seconds(file->out, totals[PSTATS_OWN]);
        pstats_put_seconds(file->out, totals[PSTATS_CUMULATIVE]);
    }
    putc('0', file->out);
}

static void
pstats_put_stats(struct pstats_file *file)
{
    size_t next_edge = 0;
    uint32_t group = 0;
    putc('{', file->out);
    for (size_t i = 0; i + 1 < file->profile->n_codes; i++) {
        uint32_t id = file->codes[i];
        if (file->group[id] == group) {
            continue;
        }
        group = file->group[id];
        const int64_t *totals = file->totals + (size_t)group * PSTATS_WIDTH;
        bool called =
            next_edge < file->n_edges &&
            file->group[file->profile->edges.keys[file->edges[next_edge]].other] ==
                group;
        if (!file->has_site[group] && !called) {
            continue;
        }
        pstats_put_key(file, prf_row_code(file->profile, id));
        pstats_put_tuple(file->out, 5);
        pstats_put_int(file->out, totals[PSTATS_PRIMITIVE]);
        pstats_put_int(file->out, totals[PSTATS_CALLS]);
        pstats_put_seconds(file->out, totals[PSTATS_OWN]);
        pstats_put_seconds(file->out, totals[PSTATS_CUMULATIVE]);
        pstats_put_callers(file, group, &next_edge);
    }
    putc('0', file->out);
}

static int
pstats_write(const struct prf_run *run, const struct prf_result *const *results,
             size_t n, const struct prf_export_options *options, FILE *out,
             struct prf_error *err)
{
    (void)run;
    (void)n;
    struct pstats_file file = {.profile = results[0]->profile,
                               .strip_dirs = options->strip_dirs,
                               .out = out,
                               .text = PRF_STRBUF_INIT};
    int rc = pstats_alloc(&file, err);
    if (rc == 0) {
        pstats_group_codes(&file);
        pstats_sum_sites(&file);
        pstats_sort_edges(&file);
        pstats_put_stats(&file);
        if (file.text.failed) {
            rc = prf_fail(err, PRF_ENOMEM, "out of memory");
        }
    }
    prf_strbuf_release(&file.text);
    free(file.codes);
    free(file.group);
    free(file.totals);
    free(file.has_site);
    free(file.edges);
    return rc;
}

const struct prf_exporter prf_exporter_pstats = {
    .name = "pstats",
    .extension = ".pstats",
    .summary = "functions and callers, for Python's pstats, snakeviz, gprof2dot",
    .needs = PRF_MODEL_SITES,
    .binary = true,
    .write = pstats_write,
    .single = true,
    .columns = prf_call_columns,
};
