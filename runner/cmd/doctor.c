/* pyprofiler doctor: what a run needs, what is missing, and the fix for it. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pyprofiler/version.h>

#include "command.h"
#include "hosting.h"
#include "machine.h"
#include "path.h"
#include "say.h"
#include "select_stored.h"
#include "strbuf.h"
#include "vcs.h"

struct doctor_options {
    char *format, *store;
    struct prf_hosting_options hosting;
    struct prf_general_options general;
};

static const struct prf_option doctor_output[] = {
    {PRF_OPT_CHOICE, 0, "format", NULL, offsetof(struct doctor_options, format),
     .def = "text", .choices = "text|json", .help = "of the findings"},
    {PRF_OPT_STRING, 0, "store", NULL, offsetof(struct doctor_options, store),
     .unit = "FILE",
     .help = "the store to look at [.pyprofiler/results.db at the repository's root]"},
    PRF_OPTIONS_END,
};

static const struct prf_option_group doctor_groups[] = {
    {"interpreter", prf_hosting_table, offsetof(struct doctor_options, hosting)},
    {"output", doctor_output, 0},
    {"general", prf_general_table, offsetof(struct doctor_options, general)},
    {NULL},
};

enum doctor_level {
    DOCTOR_GOOD,
    DOCTOR_NOTE,    /* results are less steady, or something optional is missing */
    DOCTOR_PROBLEM, /* a run would fail */
};

struct doctor {
    struct doctor_options options;
    struct prf_layers layers;
    struct prf_hosting hosting;
    struct prf_engine engine;
    struct prf_arena arena;
    json_t *checks;
    int n_problems;
};

static void
doctor_say(struct doctor *d, const char *name, enum doctor_level level,
           const char *found, const char *fix)
{
    static const char *const levels[] = {"ok", "note", "problem"};
    d->n_problems += level == DOCTOR_PROBLEM;
    json_array_append_new(d->checks,
                          json_pack("{s:s, s:s, s:s, s:s?}", "check", name, "status",
                                    levels[level], "found",
                                    found == NULL ? "unknown" : found, "fix", fix));
}

static void
doctor_say_error(struct doctor *d, const char *name, const struct prf_error *err,
                 const char *fix)
{
    doctor_say(d, name, DOCTOR_PROBLEM, err->text, fix);
}

static const char *
doctor_text(struct doctor *d, const char *a, const char *b, const char *c)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    prf_strbuf_addf(&sb, "%s%s%s", a == NULL ? "" : a, b, c == NULL ? "" : c);
    const char *text = prf_arena_strdup(&d->arena, prf_strbuf_text(&sb));
    prf_strbuf_release(&sb);
    return text;
}

/* --- the interpreter and the worker ---------------------------------------------- */

/* Returns whether there is an interpreter to go on with. */
static bool
doctor_interpreter(struct doctor *d)
{
    struct prf_error err = {0};
    struct prf_hosting_request request = {.groups = doctor_groups,
                                          .layers = &d->layers,
                                          .target = &d->options,
                                          .options = &d->options.hosting};
    if (prf_hosting_configure(&d->hosting, &request, &err) < 0) {
        doctor_say_error(d, "interpreter", &err, "choose another one with --python");
        return false;
    }
    const struct prf_interpreter *py = &d->hosting.python;
    const char *found = doctor_text(d, py->implementation, " ", py->version);
    found = doctor_text(d, found, ", ", py->executable);
    found = doctor_text(d, found, ", by ", d->hosting.source);
    doctor_say(d, "interpreter", DOCTOR_GOOD, found, NULL);
    doctor_say(d, "configuration", DOCTOR_GOOD,
               d->hosting.pyproject == NULL ? "none" : d->hosting.pyproject, NULL);
    return true;
}

static void
doctor_libpython(struct doctor *d)
{
    const struct prf_interpreter *py = &d->hosting.python;
    if (py->libpython != NULL) {
        doctor_say(d, "libpython", DOCTOR_GOOD, py->libpython, NULL);
        return;
    }
    bool shared = strstr(py->soname, ".so") != NULL;
    doctor_say(
        d, "libpython", DOCTOR_NOTE,
        shared ? doctor_text(d, py->soname, " is not installed", NULL)
               : "this Python was built without a shared library",
        shared ? "install it (Debian: libpython3.X), or leave it: cases run inside the "
                 "interpreter itself (--host=python)"
               : "nothing to do: cases run inside the interpreter itself "
                 "(--host=python)");
}

static void
doctor_worker(struct doctor *d)
{
    struct prf_error err = {0};
    if (prf_hosting_prepare(&d->hosting, &d->options.hosting, &err) < 0) {
        doctor_say_error(d, "plugin", &err,
                         "install pyprofiler again, or choose another "
                         "Python with --python");
        return;
    }
    doctor_say(d, "plugin", DOCTOR_GOOD, d->hosting.plugin, NULL);
    const char *package = d->hosting.layout.package_dir;
    bool there = prf_path_is_dir(package);
    doctor_say(d, "package", there ? DOCTOR_GOOD : DOCTOR_PROBLEM,
               there ? package : doctor_text(d, package, " does not exist", NULL),
               there ? NULL : "install pyprofiler again");
    if (prf_engine_start(&d->engine, &d->hosting.sv, &err) < 0) {
        doctor_say_error(d, "worker", &err, "install pyprofiler again");
        return;
    }
    char text[64];
    snprintf(text, sizeof text, "starts, %zu profilers", d->engine.profilers.n);
    doctor_say(d, "worker", DOCTOR_GOOD, text, NULL);
    for (size_t i = 0; i < d->engine.profilers.n; i++) {
        const struct prf_profiler *p = d->engine.profilers.items[i];
        if (!p->available) {
            doctor_say(d, doctor_text(d, "profiler ", p->name, NULL), DOCTOR_NOTE,
                       p->why, NULL);
        }
    }
}

/* --- the store and the repository ------------------------------------------------ */

static const char *
doctor_store_text(struct doctor *d, const char *path, const struct prf_store_info *info)
{
    char text[128];
    snprintf(text, sizeof text, "%lld runs, %lld results, %lld kB", info->n_runs,
             info->n_results, info->size_bytes / 1024);
    return doctor_text(d, path, ": ", text);
}

/* The nearest folder that exists must be writable: the store is made on the first run.
 */
static void
doctor_store_missing(struct doctor *d, const char *path)
{
    char *folder = prf_path_dirname(path);
    while (folder != NULL && !prf_path_exists(folder)) {
        char *parent = prf_path_dirname(folder);
        free(folder);
        folder = parent;
    }
    bool good = folder != NULL && prf_path_is_dir(folder) && access(folder, W_OK) == 0;
    const char *found =
        good ? doctor_text(d, path, ": not made yet", NULL)
             : doctor_text(d, path, ": cannot be made: ",
                           folder == NULL             ? ""
                           : !prf_path_is_dir(folder) ? "a file is in its place"
                                                      : strerror(EACCES));
    doctor_say(d, "store", good ? DOCTOR_GOOD : DOCTOR_PROBLEM, found,
               good ? NULL : "name another place with --store, or run with --no-store");
    free(folder);
}

static void
doctor_store(struct doctor *d)
{
    struct prf_error err = {0};
    struct prf_store *store = NULL;
    struct prf_store_info info = {0};
    char *root = prf_hosting_root(".");
    char *path = root == NULL ? NULL : prf_stored_path(d->options.store, root);
    int rc = path == NULL ? prf_fail(&err, PRF_ENOMEM, "out of memory")
                          : prf_store_open(path, PRF_STORE_READ, &store, &err);
    if (rc == 0) {
        rc = prf_store_describe(store, &info, &err);
    }
    if (rc == PRF_ENOTFOUND) {
        doctor_store_missing(d, path);
    } else if (rc < 0) {
        doctor_say_error(d, "store", &err, "move the file away; a new one is made");
    } else if (access(path, W_OK) != 0) {
        doctor_say(d, "store", DOCTOR_PROBLEM,
                   doctor_text(d, path, " is read-only", NULL),
                   "make it writable, or name another place with --store");
    } else {
        doctor_say(d, "store", DOCTOR_GOOD, doctor_store_text(d, path, &info), NULL);
    }
    prf_store_close(store);
    free(path);
    free(root);
}

static void
doctor_git(struct doctor *d)
{
    struct prf_commit commit = {0};
    struct prf_error err = {0};
    if (prf_vcs_describe(".", &d->arena, &commit, &err) < 0) {
        doctor_say_error(d, "git", &err, NULL);
        return;
    }
    const char *found =
        commit.id == NULL
            ? "no commit"
            : doctor_text(d, commit.id, commit.dirty ? " (dirty)" : "", NULL);
    if (commit.branch != NULL) {
        found = doctor_text(d, found, " on ", commit.branch);
    }
    doctor_say(d, "git", commit.note == NULL ? DOCTOR_GOOD : DOCTOR_NOTE, found,
               commit.note);
}

/* --- the machine ----------------------------------------------------------------- */

struct doctor_kernel {
    const char *name;
    const char *path;
    const char *good; /* the values that are as wished, separated by '|' */
    const char *fix;
};

static const struct doctor_kernel doctor_kernels[] = {
    {"perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid", "-1|0|1|2",
     "sudo sysctl kernel.perf_event_paranoid=2 lets profilers use perf events"},
    {"ptrace_scope", "/proc/sys/kernel/yama/ptrace_scope", "0|1",
     "sudo sysctl kernel.yama.ptrace_scope=1 lets a debugger attach to cases"},
    {"address space layout", "/proc/sys/kernel/randomize_va_space", "0",
     "it varies from process to process; --isolation=exec samples that, setarch -R "
     "fixes it"},
    {"frequency governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
     "performance", "sudo cpupower frequency-set -g performance makes times steadier"},
    {"turbo", "/sys/devices/system/cpu/intel_pstate/no_turbo", "1",
     "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo makes times "
     "steadier"},
    {"clock source", "/sys/devices/system/clocksource/clocksource0/current_clocksource",
     "tsc|kvm-clock|arch_sys_counter",
     "reading the clock is slow with this one; see the kernel's log for why tsc is not "
     "used"},
};

static bool
doctor_in(const char *list, const char *word)
{
    size_t len = strlen(word);
    while (*list != '\0') {
        size_t n = strcspn(list, "|");
        if (n == len && strncmp(list, word, n) == 0) {
            return true;
        }
        list += n + (list[n] == '|');
    }
    return false;
}

static void
doctor_kernel(struct doctor *d)
{
    for (size_t i = 0; i < sizeof doctor_kernels / sizeof *doctor_kernels; i++) {
        const struct doctor_kernel *k = &doctor_kernels[i];
        const char *value = prf_machine_line(&d->arena, k->path);
        bool good = value == NULL || doctor_in(k->good, value);
        doctor_say(d, k->name, good ? DOCTOR_GOOD : DOCTOR_NOTE,
                   value == NULL ? "not here" : value, good ? NULL : k->fix);
    }
}

/* --- output ---------------------------------------------------------------------- */

static void
doctor_print(const struct doctor *d)
{
    size_t i;
    json_t *check;
    json_array_foreach(d->checks, i, check)
    {
        const char *name = NULL, *status = NULL, *found = NULL, *fix = NULL;
        json_unpack(check, "{s:s, s:s, s:s, s:s?}", "check", &name, "status", &status,
                    "found", &found, "fix", &fix);
        printf("%-8s %-22s %s\n", status, name, found);
        if (fix != NULL) {
            printf("%-8s %-22s -> %s\n", "", "", fix);
        }
    }
}

static void
doctor_print_json(const struct doctor *d)
{
    json_t *document =
        json_pack("{s:s, s:s, s:i, s:O}", "schema", "pyprofiler/doctor/1", "version",
                  PRF_VERSION, "problems", d->n_problems, "checks", d->checks);
    json_dumpf(document, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(document);
}

static void
doctor_examine(struct doctor *d)
{
    if (doctor_interpreter(d)) {
        doctor_libpython(d);
        doctor_worker(d);
    }
    doctor_store(d);
    doctor_git(d);
    doctor_kernel(d);
}

static int
doctor_main(const struct prf_command *self, int argc, char **argv)
{
    struct doctor d = {.checks = json_array()};
    struct prf_error err = {0};
    int code = PRF_EXIT_OK;
    int rc = prf_groups_defaults(self->groups, &d.options, &err);
    if (rc == 0) {
        rc = prf_args_parse(argc, argv, self->groups, &d.layers, &d.options, NULL, 0,
                            &err);
    }
    if (rc < 0) {
        code = prf_say_error(&err);
    } else if (d.options.general.help) {
        prf_say_help(stdout, self, "pyprofiler doctor");
    } else {
        doctor_examine(&d);
        if (strcmp(d.options.format, "json") == 0) {
            doctor_print_json(&d);
        } else {
            doctor_print(&d);
        }
        code = d.n_problems > 0 ? PRF_EXIT_FAILED : PRF_EXIT_OK;
    }
    json_decref(d.checks);
    prf_engine_close(&d.engine);
    prf_hosting_release(&d.hosting);
    prf_arena_release(&d.arena);
    prf_groups_release(self->groups, &d.options);
    return code;
}

const struct prf_command prf_cmd_doctor = {
    .name = "doctor",
    .summary = "is everything in place",
    .usage = "[OPTIONS]",
    .about =
        "Checks what a run needs (interpreter, libpython, plugin, worker, store, "
        "repository) and what makes results steady, and says what to do about each "
        "problem. Exits with 1 when a run would fail.",
    .groups = doctor_groups,
    .run = doctor_main,
};
