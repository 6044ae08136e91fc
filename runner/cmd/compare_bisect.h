/* `compare --bisect`: a comparison as the test of `git bisect run`. */
#ifndef PRF_COMPARE_BISECT_H
#define PRF_COMPARE_BISECT_H

#include <stdbool.h>

#include <pyprofiler/options.h>

struct prf_comparing;

struct prf_compare_bisect_options {
    bool bisect;
};
extern const struct prf_option prf_compare_bisect_table[];

/* Was it asked for? Of the command line as it is, since one that is wrong must not
   count as a bad commit either. */
bool prf_compare_is_bisect(int argc, char **argv);

/* Before anything else: what follows from it. */
void prf_compare_bisect_prepare(struct prf_comparing *c);

/* Does each profiler's first metric decide? The user named none. */
bool prf_compare_first_decides(const struct prf_comparing *c);

/* 0: good, 1: bad, 125: it cannot be told, whatever the reason; never another code.
   `rc`: of the comparison. Says on standard error which it is. */
int prf_compare_bisect_exit(const struct prf_comparing *c, int rc);

#endif
