/* From events to the calling-context tree. */
#ifndef PRF_EVENT_TREE_H
#define PRF_EVENT_TREE_H

#include "events.h"

/* Fill profile->tree, whose columns "calls" and "own_ns" say what to fill (both may be
   missing), with the calls of all threads of all processes; profile->codes becomes that
   of the events. Counts of chunks, processes and threads, losses and notes of child
   processes are added too. PRF_ENOMEM. */
int prf_events_fold(struct prf_events *events, struct prf_profile *profile,
                    struct prf_error *err);

/* Only the counts, losses and notes, without reading the events. PRF_ENOMEM. */
int prf_events_count(struct prf_events *events, struct prf_profile *profile,
                     struct prf_error *err);

#endif
