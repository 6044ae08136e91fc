/* How far a run is, for somebody who watches: a line that is redrawn on a terminal, a
   line for each finished case otherwise. Writes to the FILE it is given. */
#ifndef PRF_PROGRESS_H
#define PRF_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct prf_progress {
    FILE *out; /* NULL: silent */
    bool live; /* a terminal: redraw */
    int width;
    size_t n_done, n_total;
    int64_t start_ns;
    bool drawn; /* there is a line to clear */
};

/* How the terminal is: `live` and `width` are the caller's to judge. */
void prf_progress_init(struct prf_progress *progress, FILE *out, bool live, int width);

/* More cases are known now. */
void prf_progress_expect(struct prf_progress *progress, size_t n);

/* Draw what is going on now ("case [profiler]"). */
void prf_progress_show(struct prf_progress *progress, const char *what);

/* One is done, with its status; `what` names it. */
void prf_progress_done(struct prf_progress *progress, const char *what,
                       const char *status);

/* Take the line away, before something else is printed. */
void prf_progress_clear(struct prf_progress *progress);

#endif
