/* The runner's end of a worker: starting it, messages with deadlines, its end. Knows
   the frames of <pyprofiler/protocol.h> but not what the messages mean. */
#ifndef PRF_WORKER_H
#define PRF_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include <pyprofiler/error.h>

#include "process.h"
#include "strbuf.h"

enum prf_host { PRF_HOST_EMBED, PRF_HOST_PYTHON };

struct prf_worker_setup {
    enum prf_host host;
    const char *launcher;  /* embed: the worker's executable */
    const char *libpython; /* embed */
    const char *python;    /* host "python": the user's executable */
    const char *plugin;
    const char *log; /* file for its output; NULL: ours */
    bool foreground; /* keeps the terminal: standard input and our process group */
    bool out_to_err; /* standard output is ours for a document: use standard error */
    const char *cwd; /* NULL: ours */
    const char *const *environment; /* "NAME=value", instead of ours by that name; ends
                                       with NULL; NULL: none */
    bool bare;                      /* `environment` is all there is: nothing of ours */
    const char *const *wrapper; /* a program (a path) and its first arguments, which is
                                   given the worker's command line; NULL: none */
    int cpu; /* the worker and its children run there only: its number + 1; 0: anywhere
              */
};

struct prf_worker {
    struct prf_process process;
    int control;
    struct prf_strbuf in;     /* received, not yet a whole message */
    struct prf_ending ending; /* how it ended, once `ended` */
    bool ended;
};

enum prf_worker_event {
    PRF_WORKER_MESSAGE,
    PRF_WORKER_DEADLINE,
    PRF_WORKER_GONE, /* it ended; `ending` says how */
    PRF_WORKER_INTERRUPTED,
};

/* PRF_EIO. The struct may be released in any case. */
int prf_worker_start(struct prf_worker *worker, const struct prf_worker_setup *setup,
                     struct prf_error *err);

/* Steals `message`. PRF_EIO when the worker does not take it within 10 s, or is gone.
 */
int prf_worker_send(struct prf_worker *worker, json_t *message, struct prf_error *err);

/* The next message (*out is the caller's) or what came instead: an enum
   prf_worker_event, or PRF_EPROTOCOL for bytes that are no message. deadline_ns < 0:
   none. More than `n_interrupts` interruptions end the wait. */
int prf_worker_receive(struct prf_worker *worker, int64_t deadline_ns, int n_interrupts,
                       json_t **out, struct prf_error *err);

/* Ask it to quit, give it `grace_ns`, then kill it with its group. */
void prf_worker_stop(struct prf_worker *worker, int64_t grace_ns);

/* The member "type" of a message, "" without. */
const char *prf_message_type(const json_t *message);

#endif
