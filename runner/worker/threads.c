/* Threads and children from /proc; see threads.h. */
#include "threads.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define CHILDREN_MAX 1024

int
prf_thread_count(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        n += e->d_name[0] != '.';
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return n < 1 ? 1 : n;
}

/* Children are listed by the thread that made them. */
static size_t
children_of_thread(const char *tid, pid_t *pids, size_t room)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/self/task/%s/children", tid);
    FILE *file = fopen(path, "re");
    size_t n = 0;
    int pid;
    /* the kernel's own numbers */
    // NOLINTNEXTLINE(cert-err34-c)
    while (file != NULL && n < room && fscanf(file, "%d", &pid) == 1) {
        pids[n++] = pid;
    }
    if (file != NULL) {
        fclose(file);
    }
    return n;
}

size_t
prf_children(pid_t *pids, size_t room)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] != '.') {
            n += children_of_thread(e->d_name, pids + n, room - n);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return n;
}

static bool
children_kept(pid_t pid, const pid_t *keep, size_t n_keep)
{
    for (size_t i = 0; i < n_keep; i++) {
        if (keep[i] == pid) {
            return true;
        }
    }
    return false;
}

static bool
children_is_helper(pid_t pid)
{
    static const char *const modules[] = {"multiprocessing.resource_tracker import",
                                          "multiprocessing.forkserver import"};
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    FILE *file = fopen(path, "re");
    size_t n = file == NULL ? 0 : fread(line, 1, sizeof line, file);
    bool helper = false;
    for (size_t i = 0; i < 2; i++) {
        helper = helper || memmem(line, n, modules[i], strlen(modules[i])) != NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return helper;
}

int
prf_children_sweep(const pid_t *keep, size_t n_keep, enum prf_sweep which)
{
    int n_killed = 0;
    bool found = true;
    while (found) { /* the killed ones' children become ours in turn */
        static pid_t pids[CHILDREN_MAX];
        size_t n = prf_children(pids, CHILDREN_MAX);
        found = false;
        for (size_t i = 0; i < n; i++) {
            int status = 0;
            bool helper = children_is_helper(pids[i]);
            if (children_kept(pids[i], keep, n_keep)
                || (helper && which == PRF_SWEEP_BUT_HELPERS)) {
                continue;
            }
            found = true;
            if (waitpid(pids[i], &status, WNOHANG) == pids[i]) {
                continue; /* it had ended by itself */
            }
            kill(pids[i], SIGKILL);
            n_killed += waitpid(pids[i], &status, 0) == pids[i] && !helper;
        }
    }
    return n_killed;
}
