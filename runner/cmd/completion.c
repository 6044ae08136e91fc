/* pyprofiler completion SHELL: a completion script, made from the option tables. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "say.h"

static const struct prf_option_group no_groups[] = {{NULL}};

typedef void completion_visit(const struct prf_command *command,
                              const struct prf_option *option);

static void
completion_each(const struct prf_command *command, completion_visit *visit)
{
    for (const struct prf_option_group *g = command->groups; g->title != NULL; g++) {
        for (const struct prf_option *o = g->options; o->type != PRF_OPT_END; o++) {
            if (!(o->flags & PRF_OPT_HIDDEN)) {
                visit(command, o);
            }
        }
    }
}

static bool
completion_is_listed(const struct prf_command *command)
{
    return !(command->flags & PRF_COMMAND_HIDDEN);
}

static void
completion_bash_option(const struct prf_command *command, const struct prf_option *o)
{
    (void)command;
    printf(" --%s", o->name);
    if (o->short_name != 0) {
        printf(" -%c", o->short_name);
    }
}

static void
completion_bash_values(const struct prf_command *command, const struct prf_option *o)
{
    (void)command;
    if (o->choices == NULL) {
        return;
    }
    printf("        --%s) COMPREPLY=($(compgen -W '", o->name);
    for (const char *p = o->choices; *p != '\0'; p++) {
        putchar(*p == '|' ? ' ' : *p);
    }
    fputs("' -- \"$cur\")); return;;\n", stdout);
}

static void
completion_bash(void)
{
    fputs("# bash completion for pyprofiler; made by: pyprofiler completion bash\n"
          "_pyprofiler()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local command=${COMP_WORDS[1]} options= profilers=\n"
          "    COMPREPLY=()\n"
          "    case ${COMP_WORDS[0]##*/} in pyprofiler-run) command=run;; *)\n"
          "        if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "            COMPREPLY=($(compgen -W '",
          stdout);
    for (size_t i = 0; prf_commands[i] != NULL; i++) {
        if (completion_is_listed(prf_commands[i])) {
            printf("%s ", prf_commands[i]->name);
        }
    }
    fputs("help version' -- \"$cur\")); return\n        fi;;\n    esac\n"
          "    case $prev in\n",
          stdout);
    completion_each(&prf_cmd_run, completion_bash_values);
    fputs("    esac\n    case $command in\n", stdout);
    for (size_t i = 0; prf_commands[i] != NULL; i++) {
        if (completion_is_listed(prf_commands[i])) {
            printf("    %s) options='", prf_commands[i]->name);
            completion_each(prf_commands[i], completion_bash_option);
            fputs("';;\n", stdout);
        }
    }
    fputs("    esac\n"
          "    if [[ $cur == -* ]]; then\n"
          "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")); return\n"
          "    fi\n"
          "    if [ \"$command\" = run ] && [ \"$COMP_CWORD\" -gt 1 ]; then\n"
          "        profilers=$(\"${COMP_WORDS[0]%-run}\" profilers 2>/dev/null"
          " | sed -n 's/^\\([a-z][a-z-]*\\).*/\\1/p')\n"
          "    fi\n"
          "    COMPREPLY=($(compgen -W \"$profilers\" -- \"$cur\") $(compgen -f -- "
          "\"$cur\"))\n"
          "}\n"
          "complete -o filenames -F _pyprofiler pyprofiler pyprofiler-run\n",
          stdout);
}

/* Text in '...' of zsh and fish. */
static void
completion_quoted(const char *text, const char *escaped)
{
    for (; *text != '\0'; text++) {
        if (strchr(escaped, *text) != NULL) {
            putchar('\\');
        }
        if (*text == '\'') {
            fputs("'\\''", stdout);
            continue;
        }
        putchar(*text);
    }
}

static void
completion_zsh_option(const struct prf_command *command, const struct prf_option *o)
{
    (void)command;
    bool value = o->type != PRF_OPT_FLAG && o->type != PRF_OPT_COUNT;
    printf(" \\\n        '--%s%s[", o->name, value ? "=" : "");
    completion_quoted(o->help == NULL ? "" : o->help, "[]:");
    putchar(']');
    if (o->choices != NULL) {
        printf(":%s:(", o->name);
        for (const char *p = o->choices; *p != '\0'; p++) {
            putchar(*p == '|' ? ' ' : *p);
        }
        putchar(')');
    } else if (value) {
        printf(":%s:%s", o->name,
               o->unit != NULL && strcmp(o->unit, "FILE") == 0 ? "_files" : "");
    }
    putchar('\'');
}

static void
completion_zsh(void)
{
    fputs("#compdef pyprofiler pyprofiler-run\n"
          "# zsh completion for pyprofiler; made by: pyprofiler completion zsh\n"
          "_pyprofiler() {\n    local command=$words[2]\n"
          "    if [[ ${words[1]:t} == pyprofiler-run ]]; then command=run\n"
          "    elif (( CURRENT == 2 )); then\n        local -a commands=(\n",
          stdout);
    for (size_t i = 0; prf_commands[i] != NULL; i++) {
        if (completion_is_listed(prf_commands[i])) {
            printf("            '%s:", prf_commands[i]->name);
            completion_quoted(prf_commands[i]->summary, ":");
            fputs("'\n", stdout);
        }
    }
    fputs("        )\n        _describe command commands\n        return\n    fi\n"
          "    case $command in\n",
          stdout);
    for (size_t i = 0; prf_commands[i] != NULL; i++) {
        if (completion_is_listed(prf_commands[i])) {
            printf("    %s) _arguments", prf_commands[i]->name);
            completion_each(prf_commands[i], completion_zsh_option);
            fputs(" '*:target:_files' ;;\n", stdout);
        }
    }
    fputs("    esac\n}\n_pyprofiler \"$@\"\n", stdout);
}

static void
completion_fish_option(const struct prf_command *command, const struct prf_option *o)
{
    bool value = o->type != PRF_OPT_FLAG && o->type != PRF_OPT_COUNT;
    const char *const conditions[] = {
        "complete -c pyprofiler -n '__fish_seen_subcommand_from ",
        "complete -c pyprofiler-run"};
    for (int i = 0; i < (command == &prf_cmd_run ? 2 : 1); i++) {
        printf("%s%s%s -l %s", conditions[i], i == 0 ? command->name : "",
               i == 0 ? "'" : "", o->name);
        if (o->short_name != 0) {
            printf(" -s %c", o->short_name);
        }
        if (o->choices != NULL) {
            fputs(" -x -a '", stdout);
            for (const char *p = o->choices; *p != '\0'; p++) {
                putchar(*p == '|' ? ' ' : *p);
            }
            putchar('\'');
        } else if (value) {
            fputs(" -r", stdout);
        }
        fputs(" -d '", stdout);
        completion_quoted(o->help == NULL ? "" : o->help, "");
        fputs("'\n", stdout);
    }
}

static void
completion_fish(void)
{
    fputs("# fish completion for pyprofiler; made by: pyprofiler completion fish\n",
          stdout);
    for (size_t i = 0; prf_commands[i] != NULL; i++) {
        if (completion_is_listed(prf_commands[i])) {
            printf("complete -c pyprofiler -f -n __fish_use_subcommand -a %s -d '",
                   prf_commands[i]->name);
            completion_quoted(prf_commands[i]->summary, "");
            fputs("'\n", stdout);
            completion_each(prf_commands[i], completion_fish_option);
        }
    }
}

static int
completion_main(const struct prf_command *self, int argc, char **argv)
{
    static const struct {
        const char *shell;
        void (*print)(void);
    } shells[] = {
        {"bash", completion_bash}, {"zsh", completion_zsh}, {"fish", completion_fish}};
    (void)self;
    const char *shell = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(shells[i].shell, shell) == 0) {
            shells[i].print();
            return PRF_EXIT_OK;
        }
    }
    struct prf_error err = {0};
    prf_fail(&err, PRF_EUSAGE, "completion takes one of bash, zsh, fish, not '%s'",
             shell);
    return prf_say_error(&err);
}

const struct prf_command prf_cmd_completion = {
    .name = "completion",
    .summary = "a completion script for a shell",
    .usage = "bash|zsh|fish",
    .groups = no_groups,
    .flags = PRF_COMMAND_HIDDEN,
    .run = completion_main,
};
