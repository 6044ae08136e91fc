/* What commands say: errors, warnings, help; the options every command has. */
#ifndef PRF_SAY_H
#define PRF_SAY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <pyprofiler/error.h>

#include "args.h"
#include "command.h"
#include "report.h"

struct prf_general_options {
    bool help;
    char *color; /* auto always never */
    int64_t quiet, verbose;
};
extern const struct prf_option prf_general_table[];

/* Print the error to standard error; the exit code that fits it. */
int prf_say_error(const struct prf_error *err);
void prf_say_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

enum prf_color_mode prf_say_color_mode(const struct prf_general_options *general);

/* How text looks on the stream: colour, width, verbosity. */
struct prf_style prf_say_style(const struct prf_general_options *general, FILE *out);

/* --help of a command, wrapped to the terminal. `name` is what to call it. */
void prf_say_help(FILE *out, const struct prf_command *command, const char *name);

/* The entries of one table under a heading. */
void prf_say_options(FILE *out, const char *title, const struct prf_option *options,
                     int width);

#endif
