/* Words of a run; see words.h. */
#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "targets.h"

bool
prf_words_is_profiler(const char *word, const struct prf_profilers *known)
{
    bool any = false;
    while (*word != '\0') {
        char name[128];
        size_t n = strcspn(word, ",");
        snprintf(name, sizeof name, "%.*s",
                 (int)(n < sizeof name ? n : sizeof name - 1), word);
        any |= n > 0 && prf_profilers_find(known, name) != NULL;
        word += n + (word[n] == ',');
    }
    return any;
}

void
prf_words_prescan(int argc, char **argv, const struct prf_option_group *groups,
                  void *target, struct prf_layers *layers, const char **first)
{
    struct prf_args args = {.argc = argc, .argv = argv, .at = 1};
    size_t n_words = 0;
    *first = NULL;
    for (;;) {
        struct prf_arg arg;
        struct prf_error ignored = {0};
        int rc = prf_args_next(&args, groups, &arg, &ignored);
        if (rc == PRF_ARG_END) {
            return;
        }
        if (rc == PRF_ARG_WORD && n_words++ == 0) {
            *first = arg.word;
        }
        /* Behind a profiler's name the beginning of one of our options ("--key") may be
           the whole of one of its own. */
        if (rc == PRF_ARG_OPTION && (!arg.shortened || n_words < 2)) {
            prf_layers_set(layers, PRF_LAYER_PROVISIONAL, arg.group, arg.option,
                           arg.text, target, &ignored);
        }
    }
}

/* 1: the word names the profilers, 0: it is a target. */
static int
words_classify(const struct prf_words *words, const char *word,
               const struct prf_profilers *known, struct prf_error *err)
{
    bool profiler = prf_words_is_profiler(word, known);
    if (words->n_targets > 0 || words->has_program) {
        return profiler || !prf_target_plausible(word);
    }
    if (profiler && !prf_target_plausible(word)) {
        return prf_fail(
            err, PRF_EUSAGE,
            "no target before the profiler '%s'; give a file, folder or module", word);
    }
    return 0;
}

/* An option that is not the runner's, after targets, with no profiler named behind it:
   it is one of the default profiler's. */
static bool
words_may_default(const struct prf_words *words, const struct prf_args *at,
                  const struct prf_profilers *known)
{
    for (int i = at->at; i < at->argc; i++) {
        if (prf_words_is_profiler(at->argv[i], known)) {
            return false;
        }
    }
    return words->n_targets > 0 || words->has_program;
}

static bool
words_is_program(const struct prf_option *option)
{
    return option->name != NULL &&
           (strcmp(option->name, "module") == 0 || strcmp(option->name, "code") == 0);
}

int
prf_words_read(int argc, char **argv, const struct prf_option_group *groups,
               const struct prf_profilers *known, struct prf_layers *layers,
               void *target, struct prf_words *out, struct prf_error *err)
{
    struct prf_args args = {.argc = argc, .argv = argv, .at = 1};
    struct prf_args before = args;
    struct prf_arg arg;
    int rc;
    *out =
        (struct prf_words){.targets = calloc((size_t)argc + 1, sizeof *out->targets)};
    if (out->targets == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    while ((rc = prf_args_next(&args, groups, &arg, err)) > 0) {
        if (rc == PRF_ARG_OPTION) {
            out->has_program |= words_is_program(arg.option);
            rc = prf_layers_set(layers, PRF_LAYER_COMMAND, arg.group, arg.option,
                                arg.text, target, err);
        } else {
            rc = words_classify(out, arg.word, known, err);
            if (rc > 0) {
                out->profilers = arg.word;
                break;
            }
            if (rc == 0) {
                out->targets[out->n_targets++] = arg.word;
            }
        }
        if (rc < 0) {
            return rc;
        }
        before = args;
    }
    if (rc < 0 && words_may_default(out, &before, known)) {
        prf_error_clear(err);
        args = before;
        rc = 0;
    }
    out->tail = args;
    return rc < 0 ? rc : 0;
}

void
prf_words_release(struct prf_words *words)
{
    free(words->targets);
    *words = (struct prf_words){0};
}
