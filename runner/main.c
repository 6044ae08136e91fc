/* pyprofiler COMMAND ..., and pyprofiler-run ... for pyprofiler run: the name it is
   called by decides. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "children.h"
#include "command.h"
#include "interrupt.h"
#include "path.h"
#include "say.h"
#include "suggest.h"

/* Somebody may have closed 0, 1 or 2: the next file we open must not become one. */
static void
main_fill_fds(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
}

static int
main_unknown(const char *word)
{
    const char *names[32];
    size_t n = 0;
    for (; prf_commands[n] != NULL && n < 32; n++) {
        names[n] = prf_commands[n]->name;
    }
    struct prf_error err = {0};
    const char *near = prf_suggest(word, names, n);
    if (near != NULL) {
        prf_fail(&err, PRF_EUSAGE, "unknown command '%s', did you mean '%s'?", word,
                 near);
    } else {
        prf_fail(&err, PRF_EUSAGE,
                 "unknown command '%s'; to run cases: pyprofiler run %s; all commands: "
                 "pyprofiler help",
                 word, word);
    }
    return prf_say_error(&err);
}

static int
main_dispatch(int argc, char **argv)
{
    bool is_run = strcmp(prf_path_basename(argv[0]), "pyprofiler-run") == 0;
    if (is_run && argc == 2 && strcmp(argv[1], "--version") == 0) {
        return prf_cmd_version.run(&prf_cmd_version, 1, argv);
    }
    if (is_run) {
        return prf_cmd_run.run(&prf_cmd_run, argc, argv);
    }
    const char *word = argc > 1 ? argv[1] : "help";
    if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
        word = "help";
    }
    if (strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0) {
        word = "version";
    }
    const struct prf_command *command = prf_command_find(word);
    if (command == NULL) {
        return main_unknown(word);
    }
    int skip = argc > 1 ? 1 : 0;
    return command->run(command, argc - skip, argv + skip);
}

int
main(int argc, char **argv)
{
    struct prf_error err = {0};
    main_fill_fds();
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);
    prf_children_adopt();
    if (argc < 1 || prf_interrupt_install(&err) < 0) {
        return prf_say_error(&err);
    }
    int code = main_dispatch(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        prf_fail(&err, PRF_EIO, "cannot write the output: %s", strerror(errno));
        code = errno == EPIPE || code != PRF_EXIT_OK ? code : prf_say_error(&err);
    }
    prf_children_sweep(0);
    return code;
}
