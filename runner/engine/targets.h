/* What the user wants measured: words of the command line as case files, each with the
   classes and cases of it that were named. */
#ifndef PRF_TARGETS_H
#define PRF_TARGETS_H

#include <stdbool.h>
#include <stddef.h>

#include <pyprofiler/error.h>

#include "arena.h"
#include "describe.h"

/* Class, and case (with "[params]") of it; NULL: all. */
struct prf_selector {
    const char *word; /* as the user gave it, for errors */
    const char *class_name;
    const char *method;
};

/* A file or module of cases, or a program that is run as it is. */
enum prf_target_kind {
    PRF_TARGET_CASES,
    PRF_TARGET_SCRIPT, /* a file, a folder or an archive with a __main__.py */
    PRF_TARGET_MODULE, /* -m */
    PRF_TARGET_CODE,   /* -c */
};

struct prf_target {
    enum prf_target_kind kind;
    const char *given;  /* script: the path, module or code as the user gave it */
    const char *path;   /* absolute, NULL: only the module is known */
    const char *module; /* dotted, NULL: imported by path */
    const char *node;   /* start of the node ids: path relative to the root */
    struct prf_selector *selectors; /* empty: all cases */
    size_t n_selectors;
    bool whole;  /* some word meant all of it */
    bool listed; /* found in a folder: no cases in it is no error */
};

struct prf_targets {
    struct prf_arena arena;
    struct prf_target *items;
    size_t n;
};

/* Could this word be a target: something that exists, or has the form of a file, a node
   id or a dotted module? */
bool prf_target_plausible(const char *word);

/* Add what `word` names; `root` is what node ids are relative to. Words for the same
   file are joined. PRF_EUSAGE with suggestions: no such file. A folder adds its case
   files, maybe none. */
int prf_targets_add(struct prf_targets *targets, const char *word, const char *root,
                    struct prf_error *err);

/* Add a program: its node is the file's, "-m MODULE" or "-c CODE" (the first 40
   characters on one line). PRF_EUSAGE: there is no such file. */
int prf_targets_add_script(struct prf_targets *targets, enum prf_target_kind kind,
                           const char *given, const char *root, struct prf_error *err);
void prf_targets_release(struct prf_targets *targets);

/* A word is a whole file whose text does not say that it has cases: only its syntax
   tree can tell whether it is a program. */
bool prf_target_may_be_script(const struct prf_target *target);

/* Is this case meant by the target? */
bool prf_target_selects(const struct prf_target *target, const struct prf_case *kase);

/* PRF_EUSAGE when a class or case that was named is not in the file; with a suggestion.
 */
int prf_target_check(const struct prf_target *target, const struct prf_case_file *file,
                     struct prf_error *err);

/* The folder that a word lies in, absolute (the caller's): where the search for
   pyproject.toml and .venv starts. */
char *prf_target_folder(const char *word);

#endif
