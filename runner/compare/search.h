/* Which commit made the step: a bisection that knows that measurements are noisy and
   that some commits cannot be measured. Pure: it says what to measure next and is told
   the outcome. */
#ifndef PRF_SEARCH_H
#define PRF_SEARCH_H

#include <stdbool.h>
#include <stddef.h>

#include <pyprofiler/error.h>

struct prf_search;

struct prf_search_request {
    size_t n; /* commits after the good one; the last (n - 1) is the bad one */
    /* Logarithms of the levels before and after the step, as far as known from results
       that are there; NAN: measure them first. */
    double good_level, bad_level;
    double sigma;      /* of one measurement's logarithm; <= 0: learned on the way */
    double confidence; /* of the posterior at which it ends: 0.95 */
};

/* *out is the caller's. PRF_ENOMEM, PRF_EUSAGE: n is 0. */
int prf_search_new(const struct prf_search_request *request, struct prf_search **out,
                   struct prf_error *err);
void prf_search_free(struct prf_search *search);

#define PRF_SEARCH_GOOD ((size_t)-1) /* the good commit itself */

enum prf_search_next {
    PRF_SEARCH_MEASURE, /* *index: measure this one (again) */
    PRF_SEARCH_DONE,    /* the posterior is clear */
    PRF_SEARCH_STUCK,   /* what is left cannot be measured, or does not differ */
};
enum prf_search_next prf_search_next(struct prf_search *search, size_t *index);

/* The outcome: the logarithm of one measurement, or that there is none to be had: it is
   not asked for again, what was told of it before still counts. */
void prf_search_tell(struct prf_search *search, size_t index, double value);
void prf_search_skip(struct prf_search *search, size_t index);

struct prf_search_answer {
    size_t first, last; /* the commit that made the step is one of these (several when
                           those between cannot be measured); first <= last */
    double probability; /* of that range */
    double ratio;       /* after / before */
    double ci_low, ci_high;
    bool differs; /* false: good and bad measure the same */
    size_t n_measured;
};
void prf_search_answer(const struct prf_search *search, struct prf_search_answer *out);

#endif
