/* The options and the state of `pyprofiler run`, shared by its files. */
#ifndef PRF_RUN_H
#define PRF_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "choice.h"
#include "exporter.h"
#include "hosting.h"
#include "progress.h"
#include "report.h"
#include "say.h"
#include "strbuf.h"
#include "store.h"
#include "supervise.h"
#include "words.h"

struct prf_script_report_options { /* run_script.h */
    uint64_t previous;
    char *script_threshold, *threshold, *report_dir;
    bool fail_on_regression;
};

struct prf_run_options {
    char *keyword;
    bool list, exitfirst;
    uint64_t maxfail, durations;
    char *isolation;
    int64_t timeout_ns;
    bool show_output, exit_zero, script, force, no_store;
    char *output, *format;
    char *store;
    char *save_baseline;
    struct prf_strlist modules;
    char *code;
    struct prf_script_report_options script_report;
    struct prf_hosting_options hosting;
    struct prf_general_options general;
};
extern const struct prf_option prf_script_table[];
extern const struct prf_option_group prf_run_groups[];

struct prf_duration {
    char *what;
    int64_t ns;
};

/* What a run knows and has done so far. */
struct prf_running {
    const struct prf_option_group *groups; /* the command's: run's or list's */
    struct prf_run_options options;
    struct prf_layers layers;
    struct prf_words words;
    struct prf_hosting hosting;
    struct prf_targets targets;
    struct prf_choice choice;
    struct prf_engine engine;
    struct prf_run run;
    struct prf_store *store;
    const struct prf_exporter *exporter; /* NULL: text, printed as results come */
    struct prf_style style;              /* of standard output */
    struct prf_progress progress;
    struct prf_totals totals;
    struct prf_measured *kept; /* for a document that is written at the end */
    size_t n_kept;
    struct prf_strlist outputs; /* files that options of profilers asked for */
    struct prf_strlist broken;  /* clauses of budgets, a line each */
    struct prf_strlist wrong;   /* usage errors that results told of, each said once */
    struct prf_duration *durations;
    size_t n_durations;
    size_t n_selected, n_bad, n_broken;
    int command_layer; /* of the next reading of what follows the profiler */
    bool headed;       /* the head of the report was printed */
    bool may_default;  /* without a target, those of the configuration are taken */
    struct prf_strlist default_words; /* which they were */
    char **default_argv;
    char **script_argv; /* what follows "--": of the scripts */
    size_t n_script_argv;
    bool has_script;      /* some target is a program; the report is on stderr then */
    bool for_script;      /* the present one is */
    size_t n_bad_scripts; /* of n_bad */
    int script_code;      /* exit code of the first script that failed */
    size_t n_told;        /* scripts whose report was written: see run_script.h */
    size_t n_script_regressions;
    size_t n_script_documents; /* written for -o */
    bool store_failed, usage_failed, internal_failed, stop, interrupted;
};

/* Every target in its own worker(s), results as they come. PRF_EINTERRUPTED; what is
   wrong with one target is said and remembered, the others run. */
int prf_run_files(struct prf_running *r, struct prf_error *err);

/* A program under each chosen profiler, one after the other. As prf_run_files. */
int prf_run_script(struct prf_running *r, const struct prf_target *target,
                   struct prf_error *err);

/* The id of a program's results: node[ARGS]; NULL: no memory. */
const char *prf_run_script_id(struct prf_running *r, const struct prf_target *target);

/* Turn words that name programs into targets that are; add those of -m and -c. */
int prf_run_find_scripts(struct prf_running *r, struct prf_error *err);

/* Where the text report goes: standard output is a script's own. */
FILE *prf_run_report(const struct prf_running *r);

/* Count, store, print or keep a result; takes it over. */
void prf_run_take_result(struct prf_running *r, struct prf_measured *measured);

/* The profilers and their options anew, from the engine's profilers. */
int prf_run_choose(struct prf_running *r, bool lenient, struct prf_error *err);

/* Print the cases instead of running them: `list`, and `run --list`. */
int prf_list_print(struct prf_running *r, bool json, struct prf_error *err);

/* Up to and including the parsed command line, with a greeted engine. 1: --help was
   printed. */
int prf_run_begin(struct prf_running *r, const struct prf_command *command, int argc,
                  char **argv, struct prf_error *err);
void prf_run_end(struct prf_running *r);

/* The facts of a run that starts now: r->run. */
int prf_run_describe(struct prf_running *r, int argc, char **argv,
                     struct prf_error *err);

#endif
