/* Starting processes; see process.h. */
#include "process.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t
process_clock(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t
prf_clock_ns(void)
{
    return process_clock(CLOCK_MONOTONIC);
}

int64_t
prf_wall_ns(void)
{
    return process_clock(CLOCK_REALTIME);
}

int
prf_clock_left_ms(int64_t deadline_ns)
{
    if (deadline_ns < 0) {
        return -1;
    }
    int64_t left = deadline_ns - prf_clock_ns();
    if (left <= 0) {
        return 0;
    }
    int64_t ms = (left + 999999) / 1000000;
    return ms > 3600000 ? 3600000 : (int)ms;
}

const char *
prf_signal_name(int signo, char *buf, size_t size)
{
    const char *name = sigabbrev_np(signo);
    if (name == NULL) {
        snprintf(buf, size, "signal %d", signo);
    } else {
        snprintf(buf, size, "SIG%s", name);
    }
    return buf;
}

static int
process_actions(const struct prf_spawn *spawn, posix_spawn_file_actions_t *actions)
{
    const int fds[] = {spawn->in, spawn->out, spawn->err};
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++) {
        if (fds[i] >= 0) {
            rc = posix_spawn_file_actions_adddup2(actions, fds[i], i);
        }
    }
    if (rc == 0 && spawn->keep >= 0) {
        /* onto itself: glibc clears CLOEXEC then */
        rc = posix_spawn_file_actions_adddup2(actions, spawn->keep, spawn->keep);
    }
    if (rc == 0 && spawn->cwd != NULL) {
        rc = posix_spawn_file_actions_addchdir_np(actions, spawn->cwd);
    }
    return rc;
}

/* A new process inherits the processors of its parent: ours are narrowed for the moment
   in which it is made. Returns 0 or an errno. */
static int
process_start(const struct prf_spawn *spawn, const posix_spawn_file_actions_t *actions,
              const posix_spawnattr_t *attr, pid_t *pid)
{
    cpu_set_t before, one;
    bool pin = spawn->cpu > 0;
    if (pin) {
        CPU_ZERO(&one);
        CPU_SET((size_t)spawn->cpu - 1, &one);
        if (sched_getaffinity(0, sizeof before, &before) < 0 ||
            sched_setaffinity(0, sizeof one, &one) < 0) {
            return errno;
        }
    }
    int why = posix_spawn(pid, spawn->argv[0], actions, attr, spawn->argv, spawn->env);
    if (pin) {
        sched_setaffinity(0, sizeof before, &before);
    }
    return why;
}

int
prf_process_spawn(const struct prf_spawn *spawn, struct prf_process *out,
                  struct prf_error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t defaults;
    *out = (struct prf_process){.pidfd = -1};
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE); /* we ignore it; the case must not */
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr,
                             (short)(POSIX_SPAWN_SETSIGDEF |
                                     (spawn->own_group ? POSIX_SPAWN_SETPGROUP : 0)));
    pid_t pid = 0;
    int why = process_actions(spawn, &actions);
    if (why == 0) {
        why = process_start(spawn, &actions, &attr, &pid);
    }
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    if (why != 0) {
        return prf_fail(err, PRF_EIO, "cannot start '%s': %s", spawn->argv[0],
                        strerror(why));
    }
    out->pid = pid;
    out->own_group = spawn->own_group;
    out->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (out->pidfd < 0) {
        int saved = errno;
        prf_process_kill(out);
        return prf_fail(err, PRF_EIO, "cannot watch process %d: %s", (int)pid,
                        strerror(saved));
    }
    return 0;
}

static bool
process_reap(struct prf_process *process, int options, struct prf_ending *ending)
{
    siginfo_t info = {0};
    int rc;
    do {
        rc = waitid(P_PID, (id_t)process->pid, &info, WEXITED | options);
    } while (rc < 0 && errno == EINTR);
    if (rc == 0 && info.si_pid == 0) {
        return false;
    }
    bool exited = rc == 0 && info.si_code == CLD_EXITED;
    *ending = (struct prf_ending){.code = exited ? info.si_status : -1,
                                  .signal = exited || rc < 0 ? 0 : info.si_status};
    if (process->pidfd >= 0) {
        close(process->pidfd);
    }
    *process = (struct prf_process){.pidfd = -1};
    return true;
}

bool
prf_process_wait(struct prf_process *process, int64_t deadline_ns,
                 struct prf_ending *ending)
{
    struct pollfd pfd = {.fd = process->pidfd, .events = POLLIN};
    while (deadline_ns != 0 && poll(&pfd, 1, prf_clock_left_ms(deadline_ns)) < 0 &&
           errno == EINTR) {
    }
    return process_reap(process, WNOHANG, ending);
}

void
prf_process_signal(const struct prf_process *process, int signo)
{
    if (process->pid <= 0) {
        return;
    }
    if (process->own_group) {
        kill(-process->pid, signo);
    }
    kill(process->pid, signo);
}

void
prf_process_kill(struct prf_process *process)
{
    struct prf_ending ignored;
    if (process->pid > 0) {
        prf_process_signal(process, SIGKILL);
        process_reap(process, 0, &ignored);
    }
}
