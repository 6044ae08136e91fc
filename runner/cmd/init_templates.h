/* The texts of `pyprofiler init`. */
#ifndef PRF_INIT_TEMPLATES_H
#define PRF_INIT_TEMPLATES_H

/* In what is ours: --force overwrites a file only when it says so. */
#define PRF_INIT_MARK "ritten by `pyprofiler init"

/* A script for the interpreter, its argument the project's folder. */
extern const char prf_init_look[];

/* {PACKAGE} {MODULE} {PATH} {EXAMPLE}; the path is prf_init_case_path with {SRC}. */
extern const char prf_init_case[], prf_init_case_path[];

struct prf_init_target {
    const char *name, *text;
};

/* profiling/pyprofiler.mk: the head, then the targets; ends with an empty one. */
extern const char prf_init_make_head[];
extern const struct prf_init_target prf_init_targets[];

extern const char prf_init_table[], prf_init_table_compiled[];
extern const char prf_init_workflow[];

#endif
