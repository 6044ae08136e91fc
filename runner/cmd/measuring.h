/* What the commands that measure trees have in common (compare --run, sweep, bisect):
   their options, and the words of `run` after "--". */
#ifndef PRF_MEASURING_H
#define PRF_MEASURING_H

#include <stdbool.h>
#include <stdint.h>

#include "args.h"
#include "run.h"
#include "side.h"

struct prf_measuring_options {
    struct prf_strlist overlay;
    char *build, *cpu;
    int64_t build_timeout_ns;
    bool venv, system_site_packages, keep_trees;
};
extern const struct prf_option prf_measuring_table[];

struct prf_measuring_request {
    int argc; /* the words of run, without a name of the command in front */
    char **argv;
    int whole_argc; /* the whole command line, to be recorded */
    char **whole_argv;
    const struct prf_option_group *groups; /* what [tool.pyprofiler] may set of ... */
    struct prf_layers *layers;
    void *target;                          /* ... the command's options */
    struct prf_measuring_options *options; /* and these among them */
    const char *store;                     /* --store, or NULL */
    bool no_store;
    bool many_processes; /* a short measurement in each, where a profiler can */
    size_t max_trees;
};

/* The words of run, understood, and all that sides are opened with. */
struct prf_measuring_words {
    struct prf_running *run;
    struct prf_measure_setup setup;
    struct prf_measuring *measuring;
    struct prf_measure_profiler *profilers;
    struct prf_strlist names, folders, overlay;
    char *store_path, *objects;
    struct prf_store *store;
};

/* 1: --help of run was printed. PRF_EUSAGE, PRF_EVCS: no repository, and others.
   Release in any case. */
int prf_measuring_begin(struct prf_measuring_words *words,
                        const struct prf_measuring_request *request,
                        struct prf_error *err);
void prf_measuring_end(struct prf_measuring_words *words);

/* Open the side and import its cases. The output of a failed build, and warnings, are
   printed. As prf_measure_open and prf_measure_plan; *out is the caller's also when
   planning failed. */
int prf_measuring_side(struct prf_measuring_words *words,
                       const struct prf_measure_request *request,
                       struct prf_measure_side **out, struct prf_error *err);

#endif
