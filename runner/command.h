/* What a command is. Each file of cmd/ exports one; commands.c names them all. */
#ifndef PRF_COMMAND_H
#define PRF_COMMAND_H

#include <stddef.h>

#include "args.h"

enum prf_exit {
    PRF_EXIT_OK = 0,
    PRF_EXIT_FAILED = 1, /* a case failed, crashed or timed out */
    PRF_EXIT_INTERRUPTED = 2,
    PRF_EXIT_INTERNAL = 3,
    PRF_EXIT_USAGE = 4,
    PRF_EXIT_NOTHING = 5,        /* nothing was selected */
    PRF_EXIT_REGRESSION = 6,     /* something got worse, or a budget is broken */
    PRF_EXIT_UNMEASURABLE = 125, /* `git bisect run`: try another commit */
};

enum prf_command_flags {
    PRF_COMMAND_HIDDEN = 1, /* not in the list of commands */
};

struct prf_command {
    const char *name;
    const char *summary;                   /* one line, lower case */
    const char *usage;                     /* what follows the name */
    const char *about;                     /* a paragraph for --help, or NULL */
    const struct prf_option_group *groups; /* ends with a NULL title */
    unsigned flags;
    /* argv[0] is what it was called as; returns an enum prf_exit. */
    int (*run)(const struct prf_command *self, int argc, char **argv);
};

/* Ends with a NULL. */
extern const struct prf_command *const prf_commands[];

const struct prf_command *prf_command_find(const char *name);

extern const struct prf_command prf_cmd_run, prf_cmd_list, prf_cmd_profilers,
    prf_cmd_show, prf_cmd_export, prf_cmd_compare, prf_cmd_history, prf_cmd_sweep,
    prf_cmd_bisect, prf_cmd_import, prf_cmd_init, prf_cmd_doctor, prf_cmd_help,
    prf_cmd_version, prf_cmd_completion;

#endif
