/* Finding results in the store by what a person calls them. */
#ifndef PRF_SELECT_STORED_H
#define PRF_SELECT_STORED_H

#include <stddef.h>

#include <pyprofiler/error.h>

#include "exporter.h"
#include "store.h"

struct prf_stored {
    struct prf_run *runs; /* in the order of the store, each with its results */
    size_t n_runs;
    struct prf_result *results;
    size_t *run_of; /* index in `runs` of each result */
    size_t n;
    struct prf_completed {
        struct prf_profile *before; /* strings of the result may be its */
        struct prf_recording_map recording;
    } * completed; /* of each result, or NULL */
};

/* How much of a recording. */
enum prf_stored_part {
    PRF_STORED_WHOLE,
    PRF_STORED_EVENTS, /* without the tree of calls that were recorded one by one */
};

struct prf_stored_request {
    const char *what; /* result, run, commit, case; "latest" or NULL: the last run */
    const char *profiler; /* canonical name, or NULL */
    bool one;             /* a single result: the newest that fits */
};

/* Database file: `asked`, or in it when that is a folder, or the one of `root`; the
   caller's. NULL: no memory. */
char *prf_stored_path(const char *asked, const char *root);

/* The results that `what` means, with their profiles. PRF_ENOTFOUND names it. */
int prf_stored_select(struct prf_store *store, const struct prf_stored_request *request,
                      struct prf_stored *out, struct prf_error *err);
void prf_stored_release(struct prf_stored *stored);

/* Give a result the whole profile of its recording: the store's tables have no call
   tree, no series and no snapshots. Once for a result. */
int prf_stored_complete(struct prf_store *store, struct prf_stored *stored,
                        size_t index, enum prf_stored_part part, struct prf_error *err);

/* Write them as one document, under the head of the newest run. */
int prf_stored_write(const struct prf_stored *stored,
                     const struct prf_exporter *exporter,
                     const struct prf_export_options *options, FILE *out,
                     struct prf_error *err);

/* The name that the store has for a profiler: aliases of ours are few and stable. NULL
   for NULL. */
const char *prf_stored_profiler(const char *name);

/* The store of `asked`, configuration or the repository of the current folder, for
   reading. PRF_ENOTFOUND says how to get one. */
int prf_stored_open(const char *asked, struct prf_store **out, struct prf_error *err);

#endif
