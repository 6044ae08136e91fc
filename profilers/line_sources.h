/* The source of functions whose lines are sites, recorded with them so that a file that
   is edited later does not lie. Needs the GIL for code objects. */
#ifndef PRF_LINE_SOURCES_H
#define PRF_LINE_SOURCES_H

#include <Python.h>

#include <stdbool.h>

#include <pyprofiler/error.h>
#include <pyprofiler/sink.h>

struct prf_line_sources {
    struct prf_sink *sink; /* borrowed */
    char *cwd;             /* relative file names start here */
    char *case_file;
    char *case_text; /* NULL: it cannot be read */
    char *last_file; /* the last other one that was read, with its text */
    char *last_text;
};

/* Reads the case's file; one that is not there has no source. PRF_ENOMEM. */
int prf_line_sources_init(struct prf_line_sources *sources, struct prf_sink *sink,
                          const char *case_file, struct prf_error *err);
void prf_line_sources_release(struct prf_line_sources *sources);

/* Is its text in memory, so that adding reads no file? */
bool prf_line_sources_ready(const struct prf_line_sources *sources,
                            const PyCodeObject *code);

/* Record the lines of a function whose code record has that id. */
void prf_line_sources_add(struct prf_line_sources *sources, uint32_t id,
                          PyCodeObject *code);

#endif
