/* A comparison as JUnit XML, as pytest writes it, so that Jenkins and GitLab read it: a
   test case for each case and profiler, failed when something got worse or a clause is
   broken, skipped when nothing could be compared. */
#include <stdlib.h>
#include <string.h>

#include "compare_report.h"
#include "compare_words.h"
#include "xml.h"

/* The items of one case and profiler, side by side. */
struct junit_group {
    const struct prf_compared *const *items;
    size_t n, n_failures, n_compared;
};

static int
junit_order(const struct prf_compared *a, const struct prf_compared *b)
{
    int by_case = strcmp(a->case_id, b->case_id);
    return by_case != 0 ? by_case
                        : strcmp(a->profiler != NULL ? a->profiler : "",
                                 b->profiler != NULL ? b->profiler : "");
}

static int
junit_compare(const void *a, const void *b)
{
    const struct prf_compared *x = *(const struct prf_compared *const *)a;
    const struct prf_compared *y = *(const struct prf_compared *const *)b;
    int order = junit_order(x, y);
    return order != 0 ? order : (x > y) - (x < y);
}

/* The group that begins at items[0]. */
static struct junit_group
junit_group(const struct prf_compared *const *items, size_t n)
{
    struct junit_group group = {.items = items};
    while (group.n < n && junit_order(items[group.n], items[0]) == 0) {
        const struct prf_compared *item = items[group.n++];
        group.n_failures += prf_words_fails(item);
        group.n_compared += item->uncompared == PRF_COMPARED && item->metric != NULL;
    }
    return group;
}

/* A line for each item of the group, and for each clause. */
static void
junit_add_text(struct prf_strbuf *sb, const struct junit_group *group, bool where)
{
    for (size_t i = 0; i < group->n; i++) {
        const struct prf_compared *item = group->items[i];
        if (group->n_failures > 0 && !prf_words_fails(item)) {
            continue;
        }
        prf_strbuf_adds(sb, sb->len > 0 ? "\n" : "");
        prf_words_add_item(sb, item);
        for (size_t k = 0; k < item->n_clauses; k++) {
            prf_strbuf_adds(sb, "\n  ");
            prf_words_add_clause(sb, &item->clauses[k]);
        }
        if (where && item->n_where > 0) {
            prf_strbuf_adds(sb, "\n  ");
            prf_words_add_teller(sb, item);
            prf_strbuf_addc(sb, ':');
        }
        for (size_t k = 0; where && k < item->n_where; k++) {
            prf_strbuf_adds(sb, "\n    ");
            prf_words_add_place(sb, &item->where[k]);
            prf_strbuf_addc(sb, ' ');
            prf_words_add_where(sb, &item->where[k]);
        }
    }
}

/* The first thing that failed. */
static void
junit_add_message(struct prf_strbuf *sb, const struct junit_group *group)
{
    for (size_t i = 0; i < group->n && sb->len == 0; i++) {
        const struct prf_compared *item = group->items[i];
        if (prf_words_is_worse(item)) {
            prf_words_add_item(sb, item);
        }
        for (size_t k = 0; k < item->n_clauses && sb->len == 0; k++) {
            if (item->clauses[k].broken) {
                prf_words_add_clause(sb, &item->clauses[k]);
            }
        }
    }
}

static void
junit_attribute(FILE *out, const char *name, const char *value)
{
    fprintf(out, " %s=\"", name);
    prf_xml_put(out, value);
    fputc('"', out);
}

/* Text between tags, on several lines. */
static void
junit_put_lines(FILE *out, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        char *line = strndup(text, len);
        prf_xml_put(out, line != NULL ? line : "");
        free(line);
        text += len;
        if (*text == '\n') {
            fputc(*text++, out);
        }
    }
}

/* "cases.sort.Sorting" of "cases/sort.py::Sorting::profile_sort", as pytest has it. */
static void
junit_put_names(FILE *out, const struct prf_compared *item)
{
    struct prf_strbuf class_name = PRF_STRBUF_INIT, name = PRF_STRBUF_INIT;
    const char *file_end = strstr(item->case_id, "::");
    size_t len = file_end == NULL ? 0 : (size_t)(file_end - item->case_id);
    const char *rest = file_end == NULL ? item->case_id : file_end + 2;
    const char *method = strstr(rest, "::");
    if (len > 3 && strncmp(item->case_id + len - 3, ".py", 3) == 0) {
        len -= 3;
    }
    for (size_t i = 0; i < len; i++) {
        char c = item->case_id[i];
        prf_strbuf_addc(&class_name, c == '/' ? '.' : c);
    }
    if (method != NULL) {
        prf_strbuf_addf(&class_name, "%s%.*s", len > 0 ? "." : "", (int)(method - rest),
                        rest);
        rest = method + 2;
    }
    prf_strbuf_addf(&name, "%s (%s)", rest,
                    item->profiler != NULL ? item->profiler : "");
    junit_attribute(out, "classname", prf_strbuf_text(&class_name));
    junit_attribute(out, "name", prf_strbuf_text(&name));
    prf_strbuf_release(&class_name);
    prf_strbuf_release(&name);
}

static void
junit_put_body(FILE *out, const struct junit_group *group, bool where)
{
    struct prf_strbuf text = PRF_STRBUF_INIT;
    junit_add_text(&text, group, where);
    if (group->n_failures > 0) {
        struct prf_strbuf line = PRF_STRBUF_INIT;
        const char *all = prf_strbuf_text(&text);
        junit_add_message(&line, group);
        fputs("<failure", out);
        junit_attribute(out, "message", prf_strbuf_text(&line));
        fputc('>', out);
        junit_put_lines(out, all);
        fputs("</failure>", out);
        prf_strbuf_release(&line);
    } else if (group->n_compared == 0) {
        fputs("<skipped type=\"pyprofiler.skip\"", out);
        junit_attribute(out, "message", prf_words_why(group->items[0]));
        fputc('>', out);
        junit_put_lines(out, prf_strbuf_text(&text));
        fputs("</skipped>", out);
    } else {
        fputs("<system-out>", out);
        junit_put_lines(out, prf_strbuf_text(&text));
        fputs("</system-out>", out);
    }
    prf_strbuf_release(&text);
}

static void
junit_put_case(FILE *out, const struct junit_group *group,
               const struct prf_compare_report_options *options)
{
    const struct prf_compared *item = group->items[0];
    fputs("<testcase", out);
    junit_put_names(out, item);
    if (item->case_file != NULL) {
        junit_attribute(out, "file",
                        prf_words_relative(item->case_file, options->root));
        fprintf(out, " line=\"%d\"", item->case_line);
    }
    fputs(" time=\"0.000\">", out);
    junit_put_body(out, group, options->where);
    fputs("</testcase>\n", out);
}

static void
junit_put_properties(FILE *out, const struct prf_comparison *comparison)
{
    const struct prf_compared_side *const sides[] = {&comparison->base,
                                                     &comparison->next};
    static const char *const names[] = {"base", "new"};
    fputs("<properties>", out);
    for (size_t i = 0; i < 2; i++) {
        struct prf_strbuf sb = PRF_STRBUF_INIT;
        prf_words_add_side(&sb, sides[i]);
        fputs("<property", out);
        junit_attribute(out, "name", names[i]);
        junit_attribute(out, "value", prf_strbuf_text(&sb));
        fputs("/>", out);
        prf_strbuf_release(&sb);
    }
    fputs("</properties>\n", out);
}

static void
junit_put_suite(FILE *out, const struct prf_comparison *comparison,
                const struct prf_compared *const *items,
                const struct prf_compare_report_options *options)
{
    size_t n = 0, n_failures = 0, n_skipped = 0;
    struct junit_group group;
    for (size_t i = 0; i < options->n; i += group.n) {
        group = junit_group(items + i, options->n - i);
        n++;
        n_failures += group.n_failures > 0;
        n_skipped += group.n_failures == 0 && group.n_compared == 0;
    }
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<testsuites "
            "name=\"pyprofiler\">\n<testsuite name=\"pyprofiler compare\" errors=\"0\" "
            "failures=\"%zu\" skipped=\"%zu\" tests=\"%zu\" time=\"%.3f\">\n",
            n_failures, n_skipped, n, (double)comparison->measured_ns / 1e9);
    junit_put_properties(out, comparison);
    for (size_t i = 0; i < options->n; i += group.n) {
        group = junit_group(items + i, options->n - i);
        junit_put_case(out, &group, options);
    }
    fputs("</testsuite>\n</testsuites>\n", out);
}

static int
junit_write(const struct prf_comparison *comparison,
            const struct prf_compare_report_options *options, FILE *out,
            struct prf_error *err)
{
    const struct prf_compared **items = calloc(options->n + 1, sizeof *items);
    if (items == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    if (options->n > 0) {
        memcpy(items, options->items, options->n * sizeof *items);
        qsort(items, options->n, sizeof *items, junit_compare);
    }
    junit_put_suite(out, comparison, items, options);
    free(items);
    return 0;
}

const struct prf_compare_format prf_compare_junit = {
    .name = "junit",
    .extension = ".xml",
    .summary = "JUnit XML: regressions and broken budgets are failures",
    .write = junit_write,
};
