/* Commands in a checkout; see build.h. */
#include "build.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "children.h"
#include "interrupt.h"
#include "path.h"
#include "process.h"

/* Variables that would lead a build's git to the user's repository, or its Python to
   the environment that pyprofiler itself runs in. */
static const char *const build_unset[] = {
    "GIT_DIR",    "GIT_WORK_TREE",  "GIT_INDEX_FILE",          "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_CEILING_DIRECTORIES", "PATH",
    NULL,
};

/* A checkout has no .git, from which many packages take their version when they are
   built. The highest one fits what others ask of it. What the user set stays. */
static const char *const build_versions[][2] = {
    {"SETUPTOOLS_SCM_PRETEND_VERSION", "9999.0"}, /* also of hatch-vcs */
    {"VCS_VERSIONING_PRETEND_VERSION", "9999.0"},
    {"PDM_BUILD_SCM_VERSION", "9999.0"},
    {"PBR_VERSION", "9999.0"},
    {"POETRY_DYNAMIC_VERSIONING_BYPASS", "9999.0"},
};
#define BUILD_VERSIONS (sizeof build_versions / sizeof *build_versions)

static bool
build_is(const char *entry, const char *name)
{
    size_t n = strlen(name);
    return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

static bool
build_drops(const struct prf_build *build, const char *entry)
{
    for (size_t i = 0; build_unset[i] != NULL; i++) {
        if (build_is(entry, build_unset[i])) {
            return true;
        }
    }
    return build->venv != NULL &&
           (build_is(entry, "VIRTUAL_ENV") || build_is(entry, "PYTHONHOME"));
}

/* The folder of the cases' interpreter first, so that `python` is that one. */
static const char *
build_path(const struct prf_build *build, struct prf_arena *arena)
{
    const char *path = getenv("PATH");
    char *text = NULL, *folder = NULL;
    path = path == NULL ? "/usr/local/bin:/usr/bin:/bin" : path;
    if (build->venv != NULL) {
        folder = prf_path_join(build->venv, "bin");
    } else if (build->python != NULL) {
        folder = prf_path_dirname(build->python);
    }
    if (folder != NULL && strcmp(folder, "/usr/bin") == 0) {
        free(folder); /* it is on every PATH, and behind what the user put before it */
        folder = NULL;
    }
    if (folder == NULL || asprintf(&text, "PATH=%s:%s", folder, path) < 0) {
        text = asprintf(&text, "PATH=%s", path) < 0 ? NULL : text;
    }
    const char *kept = text == NULL ? NULL : prf_arena_strdup(arena, text);
    free(text);
    free(folder);
    return kept;
}

static const char *
build_variable(struct prf_arena *arena, const char *name, const char *value)
{
    char *text = NULL;
    const char *kept = asprintf(&text, "%s=%s", name, value) < 0
                           ? NULL
                           : prf_arena_strdup(arena, text);
    free(text);
    return kept;
}

static const char **
build_environment(const struct prf_build *build, struct prf_arena *arena)
{
    size_t n = 0, k = 0;
    while (environ[n] != NULL) {
        n++;
    }
    const char **env = prf_arena_alloc(arena, (n + 4 + BUILD_VERSIONS) * sizeof *env);
    for (size_t i = 0; env != NULL && i < n; i++) {
        if (!build_drops(build, environ[i])) {
            env[k++] = environ[i];
        }
    }
    if (env == NULL) {
        return NULL;
    }
    env[k++] = build_path(build, arena);
    env[k++] = build_variable(arena, "GIT_CEILING_DIRECTORIES", build->ceiling);
    for (size_t i = 0; i < BUILD_VERSIONS; i++) {
        if (getenv(build_versions[i][0]) == NULL) {
            env[k++] =
                build_variable(arena, build_versions[i][0], build_versions[i][1]);
        }
    }
    if (build->venv != NULL) {
        env[k] = build_variable(arena, "VIRTUAL_ENV", build->venv);
    }
    return env;
}

/* Until it ended, the time is over, or the user had enough: 0, or why it was ended. */
static int
build_wait(struct prf_process *process, int64_t timeout_ns)
{
    int64_t deadline_ns = timeout_ns > 0 ? prf_clock_ns() + timeout_ns : -1;
    for (;;) {
        struct pollfd fds[] = {{.fd = process->pidfd, .events = POLLIN},
                               {.fd = prf_interrupt_fd(), .events = POLLIN}};
        int n = poll(fds, 2, prf_clock_left_ms(deadline_ns));
        if (prf_interrupt_count() > 0) {
            return PRF_EINTERRUPTED;
        }
        if (n > 0 && fds[0].revents != 0) {
            return 0;
        }
        if (deadline_ns >= 0 && prf_clock_left_ms(deadline_ns) == 0) {
            return PRF_EUNAVAILABLE;
        }
    }
}

static int
build_judge(const struct prf_ending *ending, struct prf_error *err)
{
    char name[32];
    if (ending->signal != 0) {
        return prf_fail(err, PRF_EUNAVAILABLE, "was ended by %s",
                        prf_signal_name(ending->signal, name, sizeof name));
    }
    return ending->code == 0 ? 0
                             : prf_fail(err, PRF_EUNAVAILABLE,
                                        "ended with exit code %d", ending->code);
}

static int
build_supervise(const struct prf_build *build, const struct prf_spawn *spawn,
                struct prf_error *err)
{
    struct prf_process process;
    struct prf_ending ending = {0};
    int rc = prf_process_spawn(spawn, &process, err);
    if (rc < 0) {
        return rc;
    }
    int why = build_wait(&process, build->timeout_ns);
    /* also when it ended by itself: what it left running is of no use to anybody */
    prf_process_signal(&process, SIGKILL);
    prf_process_wait(&process, -1, &ending);
    prf_children_sweep(0);
    if (why == PRF_EINTERRUPTED) {
        return prf_fail(err, why, "interrupted");
    }
    if (why < 0) {
        return prf_fail(err, why, "did not end within %g s (--build-timeout)",
                        (double)build->timeout_ns / 1e9);
    }
    return build_judge(&ending, err);
}

int
prf_build_run(const struct prf_build *build, struct prf_error *err)
{
    struct prf_arena arena = {0};
    const char **env = build_environment(build, &arena);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int out = open(build->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct prf_spawn spawn = {.argv = (char *const *)build->argv,
                              .env = (char *const *)env,
                              .in = in,
                              .out = out,
                              .err = out,
                              .keep = -1,
                              .cwd = build->cwd,
                              .own_group = true};
    int rc = env == NULL         ? prf_fail(err, PRF_ENOMEM, "out of memory")
             : in < 0 || out < 0 ? prf_fail(err, PRF_EIO, "cannot open '%s': %s",
                                            build->log, strerror(errno))
                                 : build_supervise(build, &spawn, err);
    if (in >= 0) {
        close(in);
    }
    if (out >= 0) {
        close(out);
    }
    prf_arena_release(&arena);
    return rc;
}
