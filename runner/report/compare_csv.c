/* A comparison as CSV (RFC 4180): a row for each item; an empty field is not known. */
#include <math.h>
#include <string.h>

#include "compare_report.h"
#include "compare_words.h"
#include "label.h"

#define CSV_END "\r\n"

static const char csv_head[] =
    "case,profiler,metric,unit,verdict,base,new,ratio,ci95_low,ci95_high,p,q,effect,"
    "detectable,n_base,n_new,processes_base,processes_new,threshold,source_changed,"
    "uncompared,why,clauses_broken,clauses_unknown" CSV_END;

struct csv_file {
    FILE *out;
    struct prf_strbuf text;
};

static void
csv_text(struct csv_file *file, const char *text)
{
    prf_csv_add(file->out, text == NULL ? "" : text, &file->text);
}

static void
csv_next(struct csv_file *file, const char *text)
{
    putc(',', file->out);
    csv_text(file, text);
}

static void
csv_number(struct csv_file *file, double value)
{
    putc(',', file->out);
    if (isfinite(value)) {
        fprintf(file->out, "%.15g", value);
    }
}

static void
csv_change(struct csv_file *file, const struct prf_change *c)
{
    const double values[] = {c->base,    c->next,    c->ratio,
                             c->ci_low,  c->ci_high, c->p_value,
                             c->q_value, c->effect,  c->detectable};
    csv_next(file, prf_verdict_word(c->verdict));
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        csv_number(file, values[i]);
    }
    fprintf(file->out, ",%zu,%zu,%zu,%zu", c->n_base, c->n_next, c->processes_base,
            c->processes_next);
}

static void
csv_clauses(struct csv_file *file, const struct prf_compared *item, bool broken)
{
    struct prf_strbuf list = PRF_STRBUF_INIT;
    for (size_t i = 0; i < item->n_clauses; i++) {
        const struct prf_clause *clause = &item->clauses[i];
        if (broken ? clause->broken : clause->unknown && !clause->broken) {
            prf_strbuf_addf(&list, "%s%s", list.len > 0 ? "; " : "", clause->text);
        }
    }
    csv_next(file, prf_strbuf_text(&list));
    file->text.failed |= list.failed;
    prf_strbuf_release(&list);
}

static void
csv_item(struct csv_file *file, const struct prf_compared *item)
{
    bool compared = item->uncompared == PRF_COMPARED && item->metric != NULL;
    csv_text(file, item->case_id);
    csv_next(file, item->profiler);
    csv_next(file, item->metric);
    csv_next(file, item->unit);
    if (compared) {
        csv_change(file, &item->change);
    } else {
        fputs(",,,,,,,,,,,,,,", file->out);
    }
    csv_number(file, item->threshold);
    csv_next(file, item->source_changed ? "true" : "false");
    csv_next(file, compared ? "" : prf_words_verdict(item));
    csv_next(file, compared ? "" : prf_words_why(item));
    csv_clauses(file, item, true);
    csv_clauses(file, item, false);
    fputs(CSV_END, file->out);
}

static int
csv_write(const struct prf_comparison *comparison,
          const struct prf_compare_report_options *options, FILE *out,
          struct prf_error *err)
{
    struct csv_file file = {.out = out, .text = PRF_STRBUF_INIT};
    (void)comparison;
    fputs(csv_head, out);
    for (size_t i = 0; i < options->n; i++) {
        csv_item(&file, options->items[i]);
    }
    bool failed = file.text.failed;
    prf_strbuf_release(&file.text);
    return failed ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
}

const struct prf_compare_format prf_compare_csv = {
    .name = "csv",
    .extension = ".csv",
    .summary = "a row for each metric (RFC 4180)",
    .write = csv_write,
};
