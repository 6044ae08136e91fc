/* Results as a page: one file that needs no network, light and dark, for mouse and
   keyboard; everything but sorting, searching and zooming works without its script.
   Whatever came from a program is escaped. */
#ifndef PRF_HTML_H
#define PRF_HTML_H

#include <stdio.h>

#include "exporter.h"

struct prf_html_page {
    const struct prf_run *run;
    const struct prf_result *const *results;
    size_t n;
    size_t top_k; /* rows of the table of hotspots; 0: as many as read well */
    bool strip_dirs;
    /* What a caller has to tell of a result: in place of the cards with its metrics,
       and after them; NULL: nothing. */
    void (*cards)(FILE *out, const struct prf_result *result, void *arg);
    void (*sections)(FILE *out, const struct prf_result *result, void *arg);
    void *arg;
};

/* PRF_ENOMEM. Errors of `out` are the caller's to look at. */
int prf_html_write(FILE *out, const struct prf_html_page *page, struct prf_error *err);

/* A figure with what it is called, and a note under it or NULL; plain texts. */
void prf_html_card(FILE *out, const char *label, const char *figure, const char *note);

/* Text of several lines, for a <pre>. */
void prf_html_put_lines(FILE *out, const char *text);

/* The flame graph of a profile's tree as inline SVG, the root on top. The profile has
   stacks (prf_result_models). PRF_ENOMEM. */
int prf_html_flame(FILE *out, const struct prf_profile *profile, bool strip_dirs,
                   struct prf_error *err);

/* The style sheet and the script of the page. */
extern const char prf_html_style[], prf_html_script[];

#endif
