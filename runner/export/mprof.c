/* Format "mprof": the lines of memory_profiler's .dat files, for `mprof plot` and
   `mprof peak`. MEM is the case (or the sum with its children), CHLD a child; a mark is
   a FUNC that lasts until the next one, because the format has no moments. Memory in
   MiB, times in seconds since 1970. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "formats.h"
#include "label.h"
#include "strbuf.h"

#define MPROF_MIB 1048576.0

struct mprof_file {
    FILE *out;
    double start_s;
    const struct prf_series *memory; /* of the case */
};

static double
mprof_time(const struct mprof_file *file, double at_ns)
{
    return file->start_s + at_ns / 1e9;
}

static bool
mprof_is_memory(const struct prf_series *series)
{
    return strcmp(series->unit, "bytes") == 0 && series->n > 0;
}

static const struct prf_series *
mprof_find(const struct prf_profile *p)
{
    for (size_t i = 0; i < p->n_series; i++) {
        if (p->series[i].process == 0 && mprof_is_memory(&p->series[i])) {
            return &p->series[i];
        }
    }
    return NULL;
}

/* The last sample that is not after `at_ns`, in MiB. */
static double
mprof_memory_at(const struct prf_series *series, double at_ns)
{
    size_t i = 0;
    while (i + 1 < series->n && (double)series->at_ns[i + 1] <= at_ns) {
        i++;
    }
    return series->values[i] / MPROF_MIB;
}

/* Blanks separate the fields of a line, also of that with the name. */
static void
mprof_put_name(struct mprof_file *file, const char *name)
{
    struct prf_strbuf safe = PRF_STRBUF_INIT;
    prf_visible_add(&safe, name, PRF_VISIBLE_LINE);
    for (const char *s = prf_strbuf_text(&safe); *s != '\0'; s++) {
        putc(*s == ' ' ? '_' : *s, file->out);
    }
    fputs(name[0] == '\0' ? "_" : "", file->out);
    prf_strbuf_release(&safe);
}

static void
mprof_put_points(struct mprof_file *file, const struct prf_series *series)
{
    for (size_t i = 0; i < series->n; i++) {
        if (!isfinite(series->values[i])) {
            continue;
        }
        if (series->process == 0) {
            fputs("MEM", file->out);
        } else {
            fprintf(file->out, "CHLD %" PRIu32, series->process);
        }
        fprintf(file->out, " %.6f %.6f\n", series->values[i] / MPROF_MIB,
                mprof_time(file, (double)series->at_ns[i]));
    }
}

static void
mprof_put_marks(struct mprof_file *file, const struct prf_profile *p)
{
    double end_ns = (double)file->memory->at_ns[file->memory->n - 1];
    for (size_t i = 0; i < p->n_marks; i++) {
        double from = p->marks[i].at_ns;
        double to = i + 1 < p->n_marks ? p->marks[i + 1].at_ns : fmax(end_ns, from);
        fputs("FUNC ", file->out);
        mprof_put_name(file, p->marks[i].name);
        fprintf(file->out, " %.6f %.6f %.6f %.6f 0\n",
                mprof_memory_at(file->memory, from), mprof_time(file, from),
                mprof_memory_at(file->memory, to), mprof_time(file, to));
    }
}

static int
mprof_write(const struct prf_run *run, const struct prf_result *const *results,
            size_t n, const struct prf_export_options *options, FILE *out,
            struct prf_error *err)
{
    const struct prf_result *result = results[0];
    const struct prf_profile *p = result->profile;
    int64_t started_ns = result->started_ns > 0 ? result->started_ns : run->started_ns;
    struct mprof_file file = {
        .out = out, .start_s = (double)started_ns / 1e9, .memory = mprof_find(p)};
    (void)n;
    (void)options;
    if (file.memory == NULL) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "format 'mprof' needs memory over time, and the result of '%s' "
                        "has other series",
                        result->profiler);
    }
    struct prf_strbuf name = PRF_STRBUF_INIT;
    prf_visible_add(&name, result->case_id, PRF_VISIBLE_LINE);
    fprintf(out, "CMDLINE %s\n", prf_strbuf_text(&name));
    prf_strbuf_release(&name);
    mprof_put_points(&file, file.memory);
    mprof_put_marks(&file, p);
    for (size_t i = 0; i < p->n_series; i++) {
        if (p->series[i].process > 0 && mprof_is_memory(&p->series[i])) {
            mprof_put_points(&file, &p->series[i]);
        }
    }
    return 0;
}

const struct prf_exporter prf_exporter_mprof = {
    .name = "mprof",
    .extension = ".dat",
    .summary = "memory over time, for memory_profiler's mprof",
    .needs = PRF_MODEL_SERIES,
    .write = mprof_write,
    .single = true,
};
