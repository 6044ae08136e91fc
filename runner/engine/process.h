/* Starting processes and looking at how they ended. */
#ifndef PRF_PROCESS_H
#define PRF_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <pyprofiler/error.h>

struct prf_process {
    pid_t pid; /* 0: none */
    int pidfd; /* readable when it has ended; -1: none */
    bool own_group;
};

struct prf_spawn {
    char *const *argv; /* argv[0] is the path */
    char *const *env;
    int in, out, err; /* become 0, 1 and 2; -1: as ours */
    int keep;         /* inherited under the same number; -1: none */
    const char *cwd;  /* NULL: ours */
    int cpu;          /* runs there only: its number + 1; 0: anywhere */
    bool
        own_group; /* a process group of its own: the terminal's Ctrl-C is ours alone */
};

struct prf_ending {
    int code;   /* exit status, or -1 */
    int signal; /* that ended it, or 0 */
};

/* Everything but what `spawn` names is closed in the new process if it is CLOEXEC.
   PRF_EIO with the reason of a failed exec. */
int prf_process_spawn(const struct prf_spawn *spawn, struct prf_process *out,
                      struct prf_error *err);

/* Wait up to `deadline_ns` (CLOCK_MONOTONIC; 0: look only, -1: for ever). Returns
   whether it ended, and then how; the struct is empty afterwards. */
bool prf_process_wait(struct prf_process *process, int64_t deadline_ns,
                      struct prf_ending *ending);

/* Send a signal to the process, and to its group when it leads one. */
void prf_process_signal(const struct prf_process *process, int signo);

/* SIGKILL and reap. Idempotent. */
void prf_process_kill(struct prf_process *process);

/* "SIGSEGV"; "signal 63" (in `buf`) for one without a name. */
const char *prf_signal_name(int signo, char *buf, size_t size);

/* CLOCK_MONOTONIC, and the time of day since 1970. */
int64_t prf_clock_ns(void);
int64_t prf_wall_ns(void);

/* What remains until `deadline_ns` for poll(2): milliseconds rounded up; -1 for a
   negative deadline. */
int prf_clock_left_ms(int64_t deadline_ns);

#endif
