/* A side: a tree whose cases can be measured. A commit or a kept dirty tree, checked
   out into a temporary folder with the cases of today laid over it and built there, or
   the user's work tree where it is. The user's repository is read, never touched.

   measuring:  prf_measuring_open -> prf_measure_open -> prf_measure_plan
               -> prf_measure_run (each call a fresh process) -> prf_measure_close */
#ifndef PRF_SIDE_H
#define PRF_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <pyprofiler/error.h>

#include "plan.h"
#include "result.h"
#include "store.h"
#include "supervise.h"
#include "targets.h"

/* Of the temporary folders that hold checkouts, after the prefix of all of ours. */
#define PRF_MEASURE_TREES "trees-"

/* A profiler by its canonical name, and what it is given. */
struct prf_measure_profiler {
    const char *name;
    json_t *options; /* {"name": "text" | ["a", "b"]}: the user's, as results have it */
    json_t *given;   /* what it runs with; NULL: the same */
};

/* "PYTHONPATH=..." with which modules come from `folder` and its `src` before all
   others; what the variable has now follows, its entries below `root` moved to
   `folder`. The caller's; NULL: no memory. */
char *prf_measure_python_path(const char *root, const char *folder);

/* What holds for all sides of a command. Borrowed until prf_measuring_close. */
struct prf_measure_setup {
    const char
        *root; /* of the user's work tree, absolute; node ids are relative to it */
    const char *objects;               /* folder of the kept trees' objects, or NULL */
    struct prf_supervision sv;         /* template; every run is a fresh process */
    const struct prf_run *facts;       /* tool, command, Python, machine, work tree */
    const struct prf_targets *targets; /* in the user's work tree */
    const struct prf_strlist *folders; /* among the targets: laid over whole; or NULL */
    const struct prf_strlist
        *overlay;        /* paths in the work tree to lay over too, or NULL */
    const char *keyword; /* -k, checked; NULL: all */
    const struct prf_measure_profiler *profilers;
    size_t n_profilers;
    const char *build;         /* for `sh -c` in each checkout, or NULL */
    int64_t build_timeout_ns;  /* 0: none */
    bool venv;                 /* one for each checkout */
    bool system_site_packages; /* which it sees */
    bool keep_trees;           /* checkouts stay */
    int cpu;          /* its number + 1: everything is measured there; 0: anywhere */
    size_t max_trees; /* checkouts that stay ready after prf_measure_close, for the
                         next one that asks for the same tree */
    struct prf_store *store; /* results go there; NULL: they are not kept */
};

/* The checkouts and what is known of them. */
struct prf_measuring;

/* PRF_EIO: no temporary folder; PRF_ENOMEM. */
int prf_measuring_open(const struct prf_measure_setup *setup,
                       struct prf_measuring **out, struct prf_error *err);

/* Ends all builds' and checkouts' lives. All sides are closed before. NULL-safe. */
void prf_measuring_close(struct prf_measuring *measuring);

/* Which tree. Strings are copied. */
struct prf_measure_request {
    const char *name;   /* as the user gave it; for messages */
    const char *commit; /* 40 digits; NULL: none is known */
    const char
        *tree;  /* 40 digits, of the commit or of a kept dirty work tree; NULL: the
                   work tree where it is, and nothing else counts but `name` */
    bool dirty; /* the tree is not the commit's own */
    int64_t author_time; /* seconds since 1970, 0: not known */
};

/* One case under one profiler. Strings are the side's. */
struct prf_measure_item {
    const char *case_id, *profiler;
    const char *skip;         /* why it is not measured; NULL: it is */
    json_t *options;          /* it runs with; borrowed from the setup */
    const char *options_text; /* as results have it */
    const struct prf_case *kase;
    const struct prf_item *planned;
    size_t file; /* index of its case file among the targets */
};

/* A case file that gives no cases on this side. */
struct prf_measure_failure {
    const char *node;      /* the file's, as in case ids */
    const char *reason;    /* one line */
    const char *traceback; /* or NULL */
    bool usage;            /* the command line is wrong: no such class or case */
};

struct prf_measure_side {
    const char *name;
    const char *folder;      /* the checkout, or the user's root; absolute */
    bool in_place;           /* it is the user's work tree */
    struct prf_run run;      /* what its results belong to; stored with the first one */
    const char *unbuildable; /* why it cannot be measured, one line; NULL: it can */
    const char *output;      /* what the build printed; NULL: there was none */
    struct prf_measure_item
        *items; /* after prf_measure_plan; by target, case, profiler */
    size_t n_items;
    struct prf_measure_failure *failures;
    size_t n_failures;
    struct prf_strlist warnings;       /* for the user */
    struct prf_measure_inside *inside; /* private */
};

/* Check out and build, unless that tree is ready. A tree that cannot be checked out
   whole or built is no error: side->unbuildable; a second time it is known at once.
   *out is the caller's. PRF_ENOTFOUND: there is no such tree; PRF_EIO, PRF_EVCS,
   PRF_ENOMEM; PRF_EINTERRUPTED. */
int prf_measure_open(struct prf_measuring *measuring,
                     const struct prf_measure_request *request,
                     struct prf_measure_side **out, struct prf_error *err);
void prf_measure_close(struct prf_measure_side *side);

/* Import the case files: items and failures. Once. PRF_EINTERRUPTED, PRF_ENOMEM,
   PRF_EPYTHON: a worker cannot be started at all. */
int prf_measure_plan(struct prf_measure_side *side, struct prf_error *err);

/* The item of that case and profiler, or NULL; then *why (may be NULL) gets the reason,
   a text of the side's: its file failed, or there is no such case. */
const struct prf_measure_item *prf_measure_find(struct prf_measure_side *side,
                                                const char *case_id,
                                                const char *profiler, const char **why);

/* One fresh process. The result has its id and the side's run, and is stored. A case
   that fails is a result, not an error. PRF_EINTERRUPTED: there is none; PRF_ESTORE: it
   was measured (*out is valid) but could not be stored. */
int prf_measure_run(struct prf_measure_side *side, const struct prf_measure_item *item,
                    struct prf_measured *out, struct prf_error *err);

/* Keep a result that says why a case could not be measured on this side, so that nobody
   tries again. `like` may be another side's item. PRF_ESTORE, PRF_ENOMEM. */
int prf_measure_note(struct prf_measure_side *side, const struct prf_measure_item *like,
                     enum prf_status status, const char *reason, struct prf_error *err);

#endif
