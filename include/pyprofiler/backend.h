/* The contract of a profiler. A backend is a const struct; profilers/registry.c names
   the built-in ones, and a shared object in $PYPROFILER_PLUGINS may export one more as
   `prf_backend_export`.

   Life of a run, on one thread and with the GIL held:
       open -> (start -> BODY -> stop)* -> collect -> close
   `stop` follows every start that returned 0, also when the body raised; `close`
   follows every open, also a failed one. */
#ifndef PYPROFILER_BACKEND_H
#define PYPROFILER_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/error.h>
#include <pyprofiler/options.h>
#include <pyprofiler/sink.h>

#define PRF_BACKEND_ABI 2u
#define PRF_BACKEND_SYMBOL "prf_backend_export"

enum prf_scope {
    PRF_SCOPE_RESULT, /* one value (or many samples) for the case */
    PRF_SCOPE_NODE,   /* column of the calling-context tree */
    PRF_SCOPE_SITE,   /* column of functions or lines */
    PRF_SCOPE_EDGE,   /* column of caller -> callee */
    PRF_SCOPE_SERIES, /* a curve over time */
};

enum prf_better { PRF_BETTER_NONE, PRF_BETTER_LESS, PRF_BETTER_MORE };

/* How a column of the tree is folded into functions and edges. */
enum prf_fold {
    PRF_FOLD_NONE,
    PRF_FOLD_CALLS, /* "calls" and "primitive_calls" (not under itself) */
    PRF_FOLD_COST,  /* "own_X" and "cumulative_X" */
};

struct prf_metric {
    const char *name; /* NULL ends a table; snake case, without the unit */
    const char *unit; /* "ns" "tick" "count" "bytes" "percent" */
    enum prf_scope scope;
    enum prf_better better;
    enum prf_fold fold;
    const char *help;
};

enum prf_cap {
    PRF_CAP_ROUNDS = 1,    /* asks for more than one round, and for loops in a round */
    PRF_CAP_INTERPOSE = 2, /* needs the launcher's interposition */
    PRF_CAP_EXCLUSIVE = 4, /* cannot run in the zygote: needs a process of its own */
    /* A process of its own, started under valgrind's callgrind in a fixed environment.
       The runner heeds two of its options: the flag "cache" asks callgrind to simulate
       caches, the list "keep-env" names variables of the user's to hand on. The
       variable PRF_VALGRIND_OUT says where callgrind's files go. */
    PRF_CAP_VALGRIND = 8,
};

#define PRF_VALGRIND_OUT "PYPROFILER_CALLGRIND_OUT"

struct prf_session {
    struct prf_sink *sink;
    const char *case_id;
    const char *case_file; /* absolute path */
    const char *class_name;  /* NULL: a script */
    const char *method_name; /* likewise */
    /* It starts and stops in the middle of Python code that is to be measured, as a
       `with` block is: a frame that runs already is of the program, not of what runs
       the case. */
    bool from_inside;
    /* A whole program: executed once, whatever stop says. Its wall_time, cpu_time,
       average_cpu and peak_memory are recorded by the worker, not by the backend. */
    bool is_script;
};

struct prf_round {
    uint64_t loops; /* start: how often the body runs before stop; 1 on entry */
    bool can_loop;  /* false: fixtures, so one execution per start and stop */
    bool raised;    /* stop: the body ended with an exception */
};

enum { PRF_DONE = 0, PRF_MORE = 1 };

struct prf_backend {
    uint32_t abi; /* PRF_BACKEND_ABI */
    const char *name;
    const char *const *aliases; /* NULL-terminated, or NULL */
    const char *summary;        /* one line, lower case */
    uint32_t caps;              /* enum prf_cap */
    size_t state_size;          /* zeroed; options are written into it before open */
    const struct prf_metric *metrics; /* ends with a NULL name */
    const struct prf_option *options; /* ends with PRF_OPTIONS_END */

    /* Can it work on this machine and Python? 0, or a failure whose text says what is
       missing and how to get it. May be NULL. Called before Python is initialised. */
    int (*probe)(struct prf_error *err);
    int (*open)(void *state, const struct prf_session *session, struct prf_error *err);
    int (*start)(void *state, struct prf_round *round, struct prf_error *err);
    /* PRF_DONE, PRF_MORE for another round, or a negative code. */
    int (*stop)(void *state, const struct prf_round *round, struct prf_error *err);
    /* self.trace(name); cannot fail. May be NULL. */
    void (*mark)(void *state, const char *name);
    int (*collect)(void *state, struct prf_sink *sink, struct prf_error *err);
    void (*close)(void *state);
    /* self.counter(name, value); cannot fail. May be NULL. */
    void (*counter)(void *state, const char *name, double value);
};

/* The built-in backends, in the order in which they are listed; NULL ends it. */
extern const struct prf_backend *const prf_backends[];

#endif
