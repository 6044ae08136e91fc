/* pyprofiler help and pyprofiler version. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>
#include <pyprofiler/version.h>

#include "command.h"
#include "say.h"
#include "suggest.h"
#include "vcs.h"

static const struct prf_option_group no_groups[] = {{NULL}};

static void
help_overview(void)
{
    fputs("usage: pyprofiler COMMAND [OPTIONS] ...\n"
          "       pyprofiler-run TARGET... [PROFILER [PROFILER-OPTIONS]]   (= "
          "pyprofiler run)\n"
          "\nProfiling cases for Python: written once, run under any profiler, kept "
          "with the\n"
          "commit they were measured on.\n\ncommands:\n",
          stdout);
    for (size_t i = 0; prf_commands[i] != NULL; i++) {
        if (!(prf_commands[i]->flags & PRF_COMMAND_HIDDEN)) {
            printf("  %-10s %s\n", prf_commands[i]->name, prf_commands[i]->summary);
        }
    }
    fputs("\nOf each: pyprofiler COMMAND --help. Also: --version, and completion\n"
          "bash|zsh|fish for a shell's completions.\n",
          stdout);
}

static int
help_main(const struct prf_command *self, int argc, char **argv)
{
    (void)self;
    const struct prf_command *command =
        argc > 1 && argv[1][0] != '-' ? prf_command_find(argv[1]) : NULL;
    if (argc > 1 && argv[1][0] != '-' && command == NULL) {
        struct prf_error err = {0};
        prf_fail(&err, PRF_EUSAGE, "unknown command '%s'; see pyprofiler help",
                 argv[1]);
        return prf_say_error(&err);
    }
    if (command == NULL || command == &prf_cmd_help) {
        help_overview();
        return PRF_EXIT_OK;
    }
    char name[64];
    snprintf(name, sizeof name, "pyprofiler %s", command->name);
    prf_say_help(stdout, command, name);
    return PRF_EXIT_OK;
}

static int
version_main(const struct prf_command *self, int argc, char **argv)
{
    (void)self;
    printf("pyprofiler %s\n", PRF_VERSION);
    if (argc > 1 && (strcmp(argv[1], "-v") == 0 || strcmp(argv[1], "--verbose") == 0)) {
        printf("libgit2 %s, jansson %s\n", prf_vcs_library(), JANSSON_VERSION);
    }
    return PRF_EXIT_OK;
}

const struct prf_command prf_cmd_help = {
    .name = "help",
    .summary = "the commands, or one of them",
    .usage = "[COMMAND]",
    .groups = no_groups,
    .flags = PRF_COMMAND_HIDDEN,
    .run = help_main,
};

const struct prf_command prf_cmd_version = {
    .name = "version",
    .summary = "the version of this program",
    .usage = "[--verbose]",
    .groups = no_groups,
    .flags = PRF_COMMAND_HIDDEN,
    .run = version_main,
};
