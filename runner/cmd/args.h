/* The command line: words and options over tables, and which of several sources decides
   an option's value. */
#ifndef PRF_ARGS_H
#define PRF_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include <pyprofiler/error.h>
#include <pyprofiler/options.h>

/* A table under a heading of --help; its fields are at `offset` in the command's
   options, so that commands share tables. */
struct prf_option_group {
    const char *title; /* NULL ends a list of groups */
    const struct prf_option *options;
    size_t offset;
};

struct prf_args {
    int argc;
    char **argv;
    int at;              /* the next element */
    const char *cluster; /* rest of "-vx", or NULL */
    bool words_only;     /* after "--" */
};

struct prf_arg {
    const char *word; /* a word, or NULL: an option */
    const struct prf_option *option;
    const struct prf_option_group *group;
    const char *text; /* its value, NULL: none was given */
    bool shortened;   /* only the beginning of its name was given */
};

enum prf_arg_kind { PRF_ARG_END = 0, PRF_ARG_WORD, PRF_ARG_OPTION };

/* The next word or option of argv[1...]. "--a-b" and "--a_b" are the same; a unique
   beginning of a long name counts; "--no-x" turns a flag off; `-xVALUE`, `-x VALUE`,
   `--x=VALUE`, `--x VALUE`; "-" is a word. An option found in an earlier group hides
   one of a later group. PRF_EUSAGE: unknown (with a suggestion), ambiguous, or without
   its value; args->at has moved on, so that a tolerant caller can continue. */
int prf_args_next(struct prf_args *args, const struct prf_option_group *groups,
                  struct prf_arg *out, struct prf_error *err);

/* Who says a value; the higher one wins, whatever the order. */
enum prf_layer {
    PRF_LAYER_FILE = 1,
    PRF_LAYER_ENVIRONMENT,
    PRF_LAYER_PROVISIONAL, /* the command line, read before all tables are known */
    PRF_LAYER_COMMAND,     /* and later: one more for each time it is read again */
};

struct prf_layers {
    struct {
        const struct prf_option *option;
        int layer;
    } set[128];
    size_t n;
};

/* Set an option in `target` (the command's options) unless a higher layer did. Lists
   and counts of different layers are not added up. */
int prf_layers_set(struct prf_layers *layers, int layer,
                   const struct prf_option_group *group,
                   const struct prf_option *option, const char *text, void *target,
                   struct prf_error *err);

/* Defaults of all groups; `target` is zeroed before. */
int prf_groups_defaults(const struct prf_option_group *groups, void *target,
                        struct prf_error *err);
void prf_groups_release(const struct prf_option_group *groups, void *target);

/* The option with that exact long name or alias, and its group; NULL. */
const struct prf_option *prf_groups_find(const struct prf_option_group *groups,
                                         const char *name,
                                         const struct prf_option_group **group);

/* The long name nearest to `name`, or NULL. */
const char *prf_groups_suggest(const struct prf_option_group *groups, const char *name);

/* A whole simple command line: options into `target`, words into `words` (borrowed from
   argv; room for `max_words`; more is PRF_EUSAGE). Returns their number. */
int prf_args_parse(int argc, char **argv, const struct prf_option_group *groups,
                   struct prf_layers *layers, void *target, const char **words,
                   int max_words, struct prf_error *err);

#endif
