/* Processes that are left over; see children.h. */
#include "children.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_BEFORE 64
#define N_PASSES 16 /* a killed process hands its own children to us: look again */

static pid_t children_before[N_BEFORE];
static size_t children_n_before;

/* The next child of our main thread from the kernel's list, 0 at its end. */
static pid_t
children_next(FILE *list)
{
    int pid = 0;
    /* the kernel's own numbers */
    // NOLINTNEXTLINE(cert-err34-c)
    return list != NULL && fscanf(list, "%d", &pid) == 1 ? pid : 0;
}

static FILE *
children_open(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    return fopen(path, "re");
}

void
prf_children_adopt(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    FILE *list = children_open();
    children_n_before = 0;
    for (pid_t pid; children_n_before < N_BEFORE && (pid = children_next(list)) != 0;) {
        children_before[children_n_before++] = pid;
    }
    if (list != NULL) {
        fclose(list);
    }
}

static bool
children_is_before(pid_t pid)
{
    for (size_t i = 0; i < children_n_before; i++) {
        if (children_before[i] == pid) {
            return true;
        }
    }
    return false;
}

int
prf_children_sweep(pid_t keep)
{
    int n_killed = 0;
    for (int pass = 0; pass < N_PASSES; pass++) {
        pid_t found[256];
        size_t n = 0;
        FILE *list = children_open();
        for (pid_t pid; n < 256 && (pid = children_next(list)) != 0;) {
            if (pid != keep && !children_is_before(pid)) {
                found[n++] = pid;
            }
        }
        if (list != NULL) {
            fclose(list);
        }
        for (size_t i = 0; i < n; i++) {
            siginfo_t info = {0};
            bool dead = waitid(P_PID, (id_t)found[i], &info, WEXITED | WNOHANG) == 0 &&
                        info.si_pid != 0;
            if (!dead && kill(found[i], SIGKILL) == 0) {
                n_killed++;
                waitpid(found[i], NULL, 0);
            }
        }
        if (n == 0) {
            break;
        }
    }
    return n_killed;
}
