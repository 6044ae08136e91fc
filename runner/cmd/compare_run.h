/* compare --run: both sides measured now, alternately. */
#ifndef PRF_COMPARE_RUN_H
#define PRF_COMPARE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "args.h"

struct prf_comparing;

struct prf_compare_run_options {
    bool run, no_store, in_place;
    int64_t max_time_ns;
    uint64_t max_runs;
};
extern const struct prf_option prf_compare_run_table[];

/* Measure the sides of the words and fill c->comparison, judged. Sets c->run_exit where
   the comparison alone does not say how to exit: interrupted, nothing could be
   measured. 1: --help of run was printed. */
int prf_compare_run(struct prf_comparing *c, int argc, char **argv,
                    struct prf_error *err);

#endif
