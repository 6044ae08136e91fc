/* pyprofiler demo: the profilers on a small program, and on their own analysis of it.
   All of it is Python (pyprofiler/demo.py); here it gets its interpreter. */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "hosting.h"
#include "layout.h"
#include "path.h"
#include "say.h"

struct demo_options {
    char *output;
    struct prf_hosting_options hosting;
    struct prf_general_options general;
};

static const struct prf_option demo_table[] = {
    {PRF_OPT_STRING, 0, "python", NULL,
     offsetof(struct demo_options, hosting) +
         offsetof(struct prf_hosting_options, python),
     .unit = "PYTHON",
     .help = "interpreter to use: a path, a name on PATH, a version, a venv"},
    {PRF_OPT_STRING, 'o', "output", NULL, offsetof(struct demo_options, output),
     .unit = "FOLDER", .help = "write the results there too, with their pictures"},
    PRF_OPTIONS_END,
};

static const struct prf_option_group demo_groups[] = {
    {"demo", demo_table, 0},
    {"general", prf_general_table, offsetof(struct demo_options, general)},
    {NULL},
};

/* The package goes last on sys.path, as in a worker. */
static const char demo_bootstrap[] = "import sys\n"
                                     "sys.path.append(sys.argv.pop(1))\n"
                                     "from pyprofiler import demo\n"
                                     "sys.exit(demo.main())\n";

/* What the package finds the rest of this installation by. */
static int
demo_tell_place(const struct prf_layout *layout, struct prf_error *err)
{
    char executable[PATH_MAX] = "";
    ssize_t n = readlink("/proc/self/exe", executable, sizeof executable - 1);
    char *bin = n < 0 ? NULL : prf_path_dirname(executable);
    bool good = bin != NULL && setenv("PYPROFILER_BIN", bin, 1) == 0 &&
                setenv("PYPROFILER_LIBEXEC", layout->plugin_dir, 1) == 0;
    free(bin);
    return good ? 0 : prf_fail(err, PRF_ENOMEM, "out of memory");
}

static int
demo_become(const struct prf_hosting *hosting, const struct demo_options *options,
            struct prf_error *err)
{
    const char *python = hosting->python.executable;
    struct prf_layout layout = {0};
    char *plugin = NULL;
    int rc = prf_layout_find(&layout, err);
    if (rc == 0) {
        plugin = prf_layout_plugin(&layout, hosting->python.minor);
        rc = plugin == NULL
                 ? prf_fail(err, PRF_ENOMEM, "out of memory")
                 : prf_python_check(&hosting->python, plugin, prf_layout_built(), err);
    }
    rc = rc < 0 ? rc : demo_tell_place(&layout, err);
    if (rc == 0) {
        const char *const argv[] = {
            python, "-c", demo_bootstrap, layout.package_dir, options->output, NULL};
        execv(python, (char *const *)argv);
        rc = prf_fail(err, PRF_EIO, "cannot start '%s': %s", python, strerror(errno));
    }
    free(plugin);
    prf_layout_release(&layout);
    return rc;
}

static int
demo_main(const struct prf_command *self, int argc, char **argv)
{
    struct demo_options options = {0};
    struct prf_hosting hosting = {0};
    struct prf_layers layers = {0};
    struct prf_error err = {0};
    const struct prf_hosting_request request = {.groups = self->groups,
                                                .layers = &layers,
                                                .target = &options,
                                                .options = &options.hosting};
    int code = PRF_EXIT_OK;
    int rc = prf_groups_defaults(self->groups, &options, &err);
    if (rc == 0) {
        rc = prf_args_parse(argc, argv, self->groups, &layers, &options, NULL, 0, &err);
    }
    if (rc == 0 && options.general.help) {
        prf_say_help(stdout, self, "pyprofiler demo");
    } else if (rc == 0) {
        rc = prf_hosting_configure(&hosting, &request, &err);
        rc = rc < 0 ? rc : demo_become(&hosting, &options, &err);
    }
    if (rc < 0) {
        code = prf_say_error(&err);
    }
    prf_hosting_release(&hosting);
    prf_groups_release(self->groups, &options);
    return code;
}

const struct prf_command prf_cmd_demo = {
    .name = "demo",
    .summary = "profile a small program, and the profiler that looks at it",
    .usage = "[OPTIONS]",
    .about =
        "Runs a small program in a session, analyses what was measured in a second "
        "session, and shows the reports of both with their flame graphs: the "
        "profilers measure their own analysis like any other program. Nothing is "
        "stored.",
    .groups = demo_groups,
    .run = demo_main,
};
