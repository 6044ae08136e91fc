/* Which functions the line profiler takes: those of --functions, or those that the
   case's file defines. Needs the GIL. */
#ifndef PRF_LINE_CHOICE_H
#define PRF_LINE_CHOICE_H

#include <Python.h>

#include <stdbool.h>

#include <pyprofiler/error.h>
#include <pyprofiler/options.h>
#include <pyprofiler/sink.h>

struct prf_line_choice {
    const struct prf_strlist *patterns; /* borrowed */
    char *case_file;
    bool *matched;            /* one for each pattern */
    struct prf_strlist names; /* that a pattern could have meant, for suggestions */
    bool takes_module;        /* the body of the case's file too: a script's, or what is
                             around a session */
};

/* `case_file` "" or NULL: the file of the frames that run when the choice begins (see
   prf_line_choice_begin). PRF_ENOMEM. */
int prf_line_choice_init(struct prf_line_choice *choice,
                         const struct prf_strlist *patterns, const char *case_file,
                         struct prf_error *err);

/* A session without a case file measures the code around it: the innermost running
   function that is not of the caller's own folder. PRF_ENOMEM. */
int prf_line_choice_begin(struct prf_line_choice *choice, struct prf_error *err);

/* Is the code of the case's file? */
bool prf_line_choice_in_case(const struct prf_line_choice *choice,
                             const PyCodeObject *code);

bool prf_line_choice_takes(struct prf_line_choice *choice, const PyCodeObject *code,
                           PyObject *globals);

/* A note for each pattern that took nothing. */
void prf_line_choice_note(struct prf_line_choice *choice, struct prf_sink *sink);

void prf_line_choice_release(struct prf_line_choice *choice);

#endif
