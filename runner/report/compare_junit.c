/* A comparison as JUnit XML, as pytest writes it, so that Jenkins and GitLab read it: a
   test case for each case and profiler, failed when something got worse or a clause is
   broken, skipped when nothing could be compared. */
#include <string.h>

#include "compare_report.h"
#include "compare_words.h"
#include "xml.h"

/* The items of one case and profiler; those of a group need not be neighbours. */
static bool
junit_same(const struct prf_compared *a, const struct prf_compared *b)
{
    return strcmp(a->case_id, b->case_id) == 0 &&
           strcmp(a->profiler != NULL ? a->profiler : "",
                  b->profiler != NULL ? b->profiler : "") == 0;
}

/* Is it the first of its group among those that are listed? With the default order the
   group's items are neighbours, so the item before decides. */
static bool
junit_is_first(const struct prf_compare_report_options *options, size_t i)
{
    for (size_t k = i; k-- > 0;) {
        if (junit_same(options->items[k], options->items[i])) {
            return false;
        }
    }
    return true;
}

struct junit_group {
    size_t n_failures, n_compared;
};

static struct junit_group
junit_count(const struct prf_compare_report_options *options, size_t first)
{
    struct junit_group group = {0};
    for (size_t i = first; i < options->n; i++) {
        const struct prf_compared *item = options->items[i];
        if (junit_same(item, options->items[first])) {
            group.n_failures += prf_words_fails(item);
            group.n_compared +=
                item->uncompared == PRF_COMPARED && item->metric != NULL;
        }
    }
    return group;
}

/* A line for each item of the group, and for each clause. */
static void
junit_add_text(struct prf_strbuf *sb, const struct prf_compare_report_options *options,
               size_t first, bool failures_only)
{
    for (size_t i = first; i < options->n; i++) {
        const struct prf_compared *item = options->items[i];
        if (!junit_same(item, options->items[first]) ||
            (failures_only && !prf_words_fails(item))) {
            continue;
        }
        prf_strbuf_adds(sb, sb->len > 0 ? "\n" : "");
        prf_words_add_item(sb, item);
        for (size_t k = 0; k < item->n_clauses; k++) {
            prf_strbuf_adds(sb, "\n  ");
            prf_words_add_clause(sb, &item->clauses[k]);
        }
        for (size_t k = 0; options->where && k < item->n_where; k++) {
            prf_strbuf_adds(sb, "\n  ");
            prf_words_add_place(sb, &item->where[k]);
            prf_strbuf_addc(sb, ' ');
            prf_words_add_where(sb, &item->where[k]);
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
junit_put_body(FILE *out, const struct prf_compare_report_options *options,
               size_t first, const struct junit_group *group)
{
    struct prf_strbuf text = PRF_STRBUF_INIT;
    bool failed = group->n_failures > 0;
    junit_add_text(&text, options, first, failed);
    if (failed) {
        struct prf_strbuf line = PRF_STRBUF_INIT;
        const char *all = prf_strbuf_text(&text);
        prf_strbuf_add(&line, all, strcspn(all, "\n"));
        fputs("<failure", out);
        junit_attribute(out, "message", prf_strbuf_text(&line));
        fputc('>', out);
        prf_xml_put(out, all);
        fputs("</failure>", out);
        prf_strbuf_release(&line);
    } else if (group->n_compared == 0) {
        fputs("<skipped type=\"pyprofiler.skip\"", out);
        junit_attribute(out, "message", prf_words_why(options->items[first]));
        fputc('>', out);
        prf_xml_put(out, prf_strbuf_text(&text));
        fputs("</skipped>", out);
    } else {
        fputs("<system-out>", out);
        prf_xml_put(out, prf_strbuf_text(&text));
        fputs("</system-out>", out);
    }
    prf_strbuf_release(&text);
}

static void
junit_put_case(FILE *out, const struct prf_compare_report_options *options,
               size_t first, const struct junit_group *group)
{
    const struct prf_compared *item = options->items[first];
    fputs("<testcase", out);
    junit_put_names(out, item);
    if (item->case_file != NULL) {
        junit_attribute(out, "file",
                        prf_words_relative(item->case_file, options->root));
        fprintf(out, " line=\"%d\"", item->case_line);
    }
    fputs(" time=\"0.000\">", out);
    junit_put_body(out, options, first, group);
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

static int
junit_write(const struct prf_comparison *comparison,
            const struct prf_compare_report_options *options, FILE *out,
            struct prf_error *err)
{
    size_t n = 0, n_failures = 0, n_skipped = 0;
    (void)err;
    for (size_t i = 0; i < options->n; i++) {
        if (junit_is_first(options, i)) {
            struct junit_group group = junit_count(options, i);
            n++;
            n_failures += group.n_failures > 0;
            n_skipped += group.n_failures == 0 && group.n_compared == 0;
        }
    }
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<testsuites "
            "name=\"pyprofiler\">\n<testsuite name=\"pyprofiler compare\" errors=\"0\" "
            "failures=\"%zu\" skipped=\"%zu\" tests=\"%zu\" time=\"%.3f\">\n",
            n_failures, n_skipped, n, (double)comparison->measured_ns / 1e9);
    junit_put_properties(out, comparison);
    for (size_t i = 0; i < options->n; i++) {
        if (junit_is_first(options, i)) {
            struct junit_group group = junit_count(options, i);
            junit_put_case(out, options, i, &group);
        }
    }
    fputs("</testsuite>\n</testsuites>\n", out);
    return 0;
}

const struct prf_compare_format prf_compare_junit = {
    .name = "junit",
    .extension = ".xml",
    .summary = "JUnit XML: regressions and broken budgets are failures",
    .write = junit_write,
};
