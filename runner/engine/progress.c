/* How far a run is; see progress.h. */
#include "progress.h"

#include <string.h>

#include "process.h"

#define BAR 20

void
prf_progress_init(struct prf_progress *progress, FILE *out, bool live, int width)
{
    *progress = (struct prf_progress){
        .out = out, .live = live, .width = width, .start_ns = prf_clock_ns()};
}

void
prf_progress_expect(struct prf_progress *progress, size_t n)
{
    progress->n_total += n;
}

void
prf_progress_clear(struct prf_progress *progress)
{
    if (progress->drawn) {
        fputs("\r\033[K", progress->out);
        fflush(progress->out);
        progress->drawn = false;
    }
}

void
prf_progress_show(struct prf_progress *progress, const char *what)
{
    if (progress->out == NULL || !progress->live || progress->n_total == 0) {
        return;
    }
    char bar[BAR + 1];
    size_t filled = progress->n_done * BAR / progress->n_total;
    memset(bar, '-', BAR);
    memset(bar, '#', filled > BAR ? BAR : filled);
    bar[BAR] = '\0';
    int64_t seconds = (prf_clock_ns() - progress->start_ns) / 1000000000;
    int room = progress->width - BAR - 26; /* the numbers, the clock and the margin */
    fprintf(progress->out, "\r\033[K[%s] %zu/%zu %d:%02d %.*s", bar, progress->n_done,
            progress->n_total, (int)(seconds / 60), (int)(seconds % 60),
            room < 0 ? 0 : room, what);
    fflush(progress->out);
    progress->drawn = true;
}

void
prf_progress_done(struct prf_progress *progress, const char *what, const char *status)
{
    progress->n_done++;
    if (progress->n_done > progress->n_total) {
        progress->n_total = progress->n_done; /* a file that could not be imported */
    }
    if (progress->out == NULL || progress->live) {
        return;
    }
    fprintf(progress->out, "[%zu/%zu] %s %s\n", progress->n_done, progress->n_total,
            what, status);
    fflush(progress->out);
}
