/* The one table of formats of a history, and what they share. */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "change.h"
#include "history_report.h"
#include "shell.h"
#include "suggest.h"

const struct prf_history_format *const prf_history_formats[] = {
    &prf_history_text,     &prf_history_json, &prf_history_csv,
    &prf_history_markdown, &prf_history_svg,  NULL,
};

static const struct prf_history_format *
formats_of_file(const char *file)
{
    size_t n = file == NULL ? 0 : strlen(file);
    for (size_t i = 0; prf_history_formats[i] != NULL; i++) {
        size_t m = strlen(prf_history_formats[i]->extension);
        if (n > m && strcmp(file + n - m, prf_history_formats[i]->extension) == 0) {
            return prf_history_formats[i];
        }
    }
    return &prf_history_text;
}

int
prf_history_format_find(const char *name, const char *file,
                        const struct prf_history_format **out, struct prf_error *err)
{
    const char *names[16];
    size_t n = 0;
    if (name == NULL) {
        *out = formats_of_file(file);
        return 0;
    }
    for (; prf_history_formats[n] != NULL; n++) {
        names[n] = prf_history_formats[n]->name;
        if (strcmp(names[n], name) == 0) {
            *out = prf_history_formats[n];
            return 0;
        }
    }
    return prf_suggest_fail("format", name, names, n, err);
}

const char *
prf_history_date(int64_t time, char *buf, size_t size)
{
    time_t seconds = (time_t)time;
    struct tm tm;
    if (time <= 0 || gmtime_r(&seconds, &tm) == NULL ||
        strftime(buf, size, "%Y-%m-%d", &tm) == 0) {
        snprintf(buf, size, "-");
    }
    return buf;
}

const struct prf_history_step *
prf_history_step_at(const struct prf_history_series *series, size_t point)
{
    for (size_t i = 0; i < series->n_steps; i++) {
        if (series->steps[i].at == point) {
            return &series->steps[i];
        }
    }
    return NULL;
}

size_t
prf_history_point_at(const struct prf_history_series *series, size_t place)
{
    size_t low = 0, high = series->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (series->points[middle].place < place) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < series->n && series->points[low].place == place ? low
                                                                 : PRF_HISTORY_NONE;
}

const char *
prf_history_step_word(const struct prf_history_series *series,
                      const struct prf_history_step *step)
{
    if (!step->worse && !step->better) {
        return step->ratio > 1 ? "more" : "less";
    }
    return prf_verdict_name(step->worse ? PRF_VERDICT_SLOWER : PRF_VERDICT_FASTER,
                            series->unit, series->better);
}

const char *
prf_history_change(double ratio, char *buf, size_t size)
{
    if (!isfinite(ratio)) {
        snprintf(buf, size, "-");
    } else if (ratio >= 10) {
        snprintf(buf, size, "x%.3g", ratio);
    } else {
        snprintf(buf, size, "%+.1f%%", 100 * (ratio - 1));
    }
    return buf;
}

void
prf_history_add_bisect(struct prf_strbuf *sb, const struct prf_history *history,
                       const struct prf_history_series *series,
                       const struct prf_history_step *step)
{
    prf_strbuf_adds(sb, "pyprofiler bisect ");
    prf_shell_add(sb, series->case_id);
    if (strcmp(series->profiler, "stopwatch") != 0) {
        prf_strbuf_adds(sb, " --profiler ");
        prf_shell_add(sb, series->profiler);
    }
    prf_strbuf_adds(sb, " --metric ");
    prf_shell_add(sb, series->metric);
    prf_strbuf_addf(sb, " --good %.12s --bad %.12s",
                    prf_history_commit_of(history, series, step->before)->id,
                    prf_history_commit_of(history, series, step->at)->id);
}

static void
formats_note(struct prf_strbuf *sb, size_t n, const char *what, const char *more)
{
    if (n > 0) {
        prf_strbuf_addf(sb, "%zu result%s of %s%s\n", n, n == 1 ? "" : "s", what, more);
    }
}

void
prf_history_add_notes(struct prf_strbuf *sb, const struct prf_history *history)
{
    formats_note(sb, history->n_dirty, "dirty trees", ": --wip shows them");
    if (history->n_other > 0) {
        formats_note(sb, history->n_other, "another setting (", history->other);
        sb->len -= sb->len > 0; /* the end of the line */
        prf_strbuf_adds(sb, "): --across-machines shows them\n");
    }
    formats_note(sb, history->n_elsewhere, "commits that are not in the range", "");
}

void
prf_history_add_setting(struct prf_strbuf *sb,
                        const struct prf_history_setting *setting,
                        const char *separator)
{
    prf_strbuf_addf(sb, "%s%s%s %s",
                    setting->hostname == NULL ? "?" : setting->hostname, separator,
                    setting->implementation == NULL ||
                            strcmp(setting->implementation, "CPython") == 0
                        ? "Python"
                        : setting->implementation,
                    setting->python == NULL ? "?" : setting->python);
    if (setting->host != NULL) {
        prf_strbuf_addf(sb, " (%s)", setting->host);
    }
    if (setting->options != NULL && strcmp(setting->options, "{}") != 0 &&
        *setting->options != '\0') {
        prf_strbuf_addf(sb, "%s%s", separator, setting->options);
    }
}
