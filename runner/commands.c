/* The one table of commands, in the order of the help. */
#include "command.h"

#include <string.h>

const struct prf_command *const prf_commands[] = {
    &prf_cmd_run,
    &prf_cmd_list,
    &prf_cmd_profilers,
    &prf_cmd_show,
    &prf_cmd_export,
    &prf_cmd_compare,
    &prf_cmd_history,
    &prf_cmd_sweep,
    &prf_cmd_bisect,
    &prf_cmd_import,
    &prf_cmd_init,
    &prf_cmd_doctor,
    &prf_cmd_help,
    &prf_cmd_version,
    &prf_cmd_completion,
    NULL,
};

const struct prf_command *
prf_command_find(const char *name)
{
    for (size_t i = 0; prf_commands[i] != NULL; i++) {
        if (strcmp(prf_commands[i]->name, name) == 0) {
            return prf_commands[i];
        }
    }
    return NULL;
}
