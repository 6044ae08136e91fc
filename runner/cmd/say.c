/* What commands say; see say.h. */
#include "say.h"

#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "label.h"
#include "strbuf.h"

#define HELP_COLUMN 30

const struct prf_option prf_general_table[] = {
    {PRF_OPT_FLAG, 'h', "help", NULL, offsetof(struct prf_general_options, help),
     .help = "print this and exit"},
    {PRF_OPT_CHOICE, 0, "color", "colour", offsetof(struct prf_general_options, color),
     .def = "auto", .choices = "auto|always|never", .help = "when to use colours"},
    {PRF_OPT_COUNT, 'q', "quiet", NULL, offsetof(struct prf_general_options, quiet),
     .help = "say less"},
    {PRF_OPT_COUNT, 'v', "verbose", NULL, offsetof(struct prf_general_options, verbose),
     .help = "say more; may be repeated"},
    PRF_OPTIONS_END,
};

static int
say_exit_code(int code)
{
    switch (code) {
    case PRF_EUSAGE:
    case PRF_ENOTFOUND:
    case PRF_EUNAVAILABLE:
        return PRF_EXIT_USAGE;
    case PRF_EINTERRUPTED:
        return PRF_EXIT_INTERRUPTED;
    default:
        return PRF_EXIT_INTERNAL;
    }
}

/* Has the reader of our output gone, as `head` does when it has enough? */
static bool
say_reader_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return ferror(stdout) && poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

int
prf_say_error(const struct prf_error *err)
{
    fflush(stdout);
    if (err->code == PRF_EIO && say_reader_gone()) {
        return PRF_EXIT_OK; /* it has what it wanted */
    }
    struct prf_strbuf safe = PRF_STRBUF_INIT; /* names of files and cases are in it */
    prf_visible_add(&safe, err->text, PRF_VISIBLE_LINES);
    fprintf(stderr, "pyprofiler: error: %s\n", prf_strbuf_text(&safe));
    prf_strbuf_release(&safe);
    return say_exit_code(err->code);
}

void
prf_say_warning(const char *format, ...)
{
    va_list args;
    fflush(stdout);
    va_start(args, format);
    fputs("pyprofiler: warning: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

enum prf_color_mode
prf_say_color_mode(const struct prf_general_options *general)
{
    if (general->color != NULL && strcmp(general->color, "always") == 0) {
        return PRF_COLOR_ALWAYS;
    }
    if (general->color != NULL && strcmp(general->color, "never") == 0) {
        return PRF_COLOR_NEVER;
    }
    return PRF_COLOR_AUTO;
}

static int
say_width(FILE *out)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    int width = columns == NULL ? 0 : (int)strtol(columns, NULL, 10);
    if (width <= 0 && ioctl(fileno(out), TIOCGWINSZ, &size) == 0) {
        width = size.ws_col;
    }
    return width < 40 ? 80 : width;
}

struct prf_style
prf_say_style(const struct prf_general_options *general, FILE *out)
{
    return (struct prf_style){
        .color = prf_color_enabled(prf_say_color_mode(general), fileno(out)),
        .width = say_width(out),
        .verbosity = (int)(general->verbose - general->quiet),
        .ascii = !prf_unicode_enabled(),
    };
}

/* Words of `text` in lines of `width`, the first one starting at column `at`, the
   others indented by `indent`. */
static void
say_wrapped(FILE *out, const char *text, int at, int indent, int width)
{
    bool first = true;
    while (*text != '\0') {
        int n = (int)strcspn(text, " ");
        if (!first && at + 1 + n > width) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
            first = true;
        }
        at += fprintf(out, "%s%.*s", first ? "" : " ", n, text);
        first = false;
        text += n;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static const char *
say_value_name(const struct prf_option *o)
{
    static const struct {
        enum prf_opt_type type;
        const char *name;
    } names[] = {
        {PRF_OPT_INT, "N"},       {PRF_OPT_UINT, "N"},   {PRF_OPT_DOUBLE, "X"},
        {PRF_OPT_STRING, "TEXT"}, {PRF_OPT_LIST, "A,B"}, {PRF_OPT_DURATION, "TIME"},
        {PRF_OPT_SIZE, "SIZE"},
    };
    bool output = (o->flags & PRF_OPT_OUTPUT) != 0; /* `choices` is the format then */
    if (o->choices != NULL && !output && strlen(o->choices) <= 24) {
        return o->choices;
    }
    if (o->unit == NULL && output) {
        return "FILE";
    }
    if (o->unit != NULL) {
        return o->unit;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].type == o->type) {
            return names[i].name;
        }
    }
    return o->choices != NULL ? "WORD" : "VALUE";
}

static void
say_option(FILE *out, const struct prf_option *o, int width)
{
    struct prf_strbuf left = PRF_STRBUF_INIT, right = PRF_STRBUF_INIT;
    bool value = o->type != PRF_OPT_FLAG && o->type != PRF_OPT_COUNT;
    bool on = o->type == PRF_OPT_FLAG && o->def != NULL && strcmp(o->def, "true") == 0;
    prf_strbuf_addf(&left, o->short_name != 0 ? "  -%c, " : "  %c   ",
                    o->short_name != 0 ? o->short_name : ' ');
    prf_strbuf_addf(&left, "--%s%s", on ? "no-" : "", o->name);
    if (value) {
        bool optional = (o->flags & PRF_OPT_OPTIONAL) != 0;
        prf_strbuf_addf(&left, optional ? "[=%s]" : " %s", say_value_name(o));
    }
    prf_strbuf_addf(&right, "%s%s", on ? "off: " : "", o->help == NULL ? "" : o->help);
    if (o->choices != NULL && strlen(o->choices) > 24) {
        prf_strbuf_addf(&right, " (%s)", o->choices);
    }
    if (value && o->def != NULL) {
        prf_strbuf_addf(&right, " [%s]", o->def);
    }
    int at = fprintf(out, "%s", prf_strbuf_text(&left));
    if (at > HELP_COLUMN - 2) {
        fputc('\n', out);
        at = 0;
    }
    fprintf(out, "%*s", HELP_COLUMN - at, "");
    say_wrapped(out, prf_strbuf_text(&right), HELP_COLUMN, HELP_COLUMN, width);
    prf_strbuf_release(&left);
    prf_strbuf_release(&right);
}

void
prf_say_options(FILE *out, const char *title, const struct prf_option *options,
                int width)
{
    bool any = false;
    for (const struct prf_option *o = options; o->type != PRF_OPT_END; o++) {
        if (o->flags & PRF_OPT_HIDDEN) {
            continue;
        }
        if (!any) {
            fprintf(out, "\n%s:\n", title);
        }
        any = true;
        say_option(out, o, width);
    }
}

void
prf_say_help(FILE *out, const struct prf_command *command, const char *name)
{
    int width = say_width(out);
    fprintf(out, "usage: %s %s\n\n", name, command->usage);
    say_wrapped(out, command->about == NULL ? command->summary : command->about, 0, 0,
                width);
    for (const struct prf_option_group *g = command->groups; g->title != NULL; g++) {
        prf_say_options(out, g->title, g->options, width);
    }
}
