/* Marks of one execution for backends whose clock is CLOCK_MONOTONIC. */
#ifndef PRF_MARKS_H
#define PRF_MARKS_H

#include <stdint.h>

#include <pyprofiler/sink.h>

#include "clock.h"

struct prf_marks {
    uint32_t n;
    uint64_t start_ns, last_ns;
};

/* The measured region begins now, or began then. */
static inline void
prf_marks_begin(struct prf_marks *marks, uint64_t now_ns)
{
    *marks = (struct prf_marks){.start_ns = now_ns, .last_ns = now_ns};
}

/* Writes the mark; nanoseconds since the start. */
static inline double
prf_marks_add(struct prf_marks *marks, struct prf_sink *sink, const char *name)
{
    uint64_t now_ns = prf_clock_monotonic_ns();
    struct prf_rec_mark mark = {
        .index = marks->n++,
        .at_ns = (double)(now_ns - marks->start_ns),
        .delta_ns = (double)(now_ns - marks->last_ns),
        .n = 1,
    };
    prf_sink_mark(sink, &mark, name);
    marks->last_ns = prf_clock_monotonic_ns(); /* without what writing it took */
    return mark.at_ns;
}

#endif
