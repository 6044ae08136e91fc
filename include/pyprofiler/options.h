/* Typed option tables. One table gives the parser, --help, the man page, shell
   completion and the keys of [tool.pyprofiler]; a backend's table also travels to the
   runner in the worker's hello. */
#ifndef PYPROFILER_OPTIONS_H
#define PYPROFILER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/error.h>

enum prf_opt_type {
    PRF_OPT_END = 0,  /* terminates a table */
    PRF_OPT_FLAG,     /* bool; --x, --no-x, or x=true|false */
    PRF_OPT_INT,      /* int64_t */
    PRF_OPT_UINT,     /* uint64_t */
    PRF_OPT_DOUBLE,   /* double */
    PRF_OPT_STRING,   /* char *, owned by the table's target; NULL when unset */
    PRF_OPT_CHOICE,   /* char *, one word of `choices` */
    PRF_OPT_LIST,     /* struct prf_strlist; repeatable, a value is split at commas */
    PRF_OPT_DURATION, /* int64_t nanoseconds; "2", "1.5s", "200ms", "10us", "3m" */
    PRF_OPT_SIZE,     /* uint64_t bytes; "64MB", "1GiB", "4096" */
    PRF_OPT_COUNT,    /* int64_t; each occurrence adds one (-vv) */
};

enum prf_opt_flags {
    PRF_OPT_HIDDEN = 1,   /* not in --help: a predecessor's spelling */
    PRF_OPT_OPTIONAL = 2, /* the value may be left out: `implied` is used then */
    /* A file or folder that the runner writes after the run; `choices` is the format.
       A value that ends in '/' or names a folder, and any value of an option whose
       unit is DIR or FOLDER, gets one file a result. */
    PRF_OPT_OUTPUT = 4,
};

struct prf_strlist {
    char **items;
    size_t n;
};

struct prf_option {
    enum prf_opt_type type;
    char short_name;     /* 0: none */
    const char *name;    /* long name, with '-'; '_' is accepted for it */
    const char *aliases; /* other long names, separated by '|', or NULL */
    size_t offset;       /* of the field in the target struct */
    const char *def;     /* default as text; NULL: zero */
    double min, max;     /* numbers: limits, inclusive; both 0: none */
    const char *unit;    /* shown in --help for the value: "s", "N", "FILE" */
    const char *choices; /* PRF_OPT_CHOICE: words separated by '|' */
    const char *implied; /* with PRF_OPT_OPTIONAL */
    const char *help;    /* one line, lower case, no full stop */
    unsigned flags;
};

#define PRF_OPTIONS_END                                                                \
    {                                                                                  \
        .type = PRF_OPT_END                                                            \
    }

/* Fill every field of `target` with its default. `target` must be zeroed before. */
int prf_options_defaults(const struct prf_option *table, void *target,
                         struct prf_error *err);

/* Set one option by its long name or alias ('_' and '-' are the same) from text;
   text NULL for a flag or a count. PRF_EUSAGE: unknown name (with a suggestion) or a
   value outside its type, limits or choices; the text names the option and what it
   takes. */
int prf_options_set(const struct prf_option *table, const char *name, const char *text,
                    void *target, struct prf_error *err);

/* The entry with that long name, alias, or (one character) short name, or NULL. */
const struct prf_option *prf_options_find(const struct prf_option *table,
                                          const char *name);

/* Is `text` a value this option takes? Nothing is stored. */
int prf_option_check(const struct prf_option *option, const char *text,
                     struct prf_error *err);

/* Free what the fields own. Idempotent. */
void prf_options_release(const struct prf_option *table, void *target);

/* Append a copy of `text`; PRF_ENOMEM. */
int prf_strlist_add(struct prf_strlist *list, const char *text);
void prf_strlist_release(struct prf_strlist *list);

#endif
