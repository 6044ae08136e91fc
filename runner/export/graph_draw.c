/* Formats "png" and "pdf", and graphs as "svg": Graphviz draws them. The only file that
   knows it. The library is loaded when it is needed, in a process of its own: it prints
   what it thinks, ends its process when it runs out of memory, and keeps what it took.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <graphviz/gvc.h>

#include "dot_text.h"
#include "formats.h"
#include "graph_model.h"
#include "label.h"

/* What the drawing process ends with; what it says is its standard error output. */
enum { DRAW_OK = 0, DRAW_FAILED = 1, DRAW_NO_LIBRARY = 2 };

struct draw_library {
    __typeof__(gvContext) *context;
    __typeof__(agmemread) *read;
    __typeof__(gvLayout) *layout;
    __typeof__(gvRender) *render;
};

/* ---- in the drawing process ---- */

/* The calls used here are the same in all of them. NULL: the first one's error was
   printed. */
static void *
draw_open_library(void)
{
    static const char *const names[] = {"libgvc.so.6", "libgvc.so.7"};
    char why[256] = "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (handle != NULL) {
            return handle;
        }
        const char *error = dlerror();
        if (why[0] == '\0') {
            snprintf(why, sizeof why, "%s", error != NULL ? error : names[i]);
        }
    }
    fprintf(stderr, "%s\n", why);
    return NULL;
}

static int
draw_load(struct draw_library *library)
{
    void *handle = draw_open_library();
    if (handle == NULL) {
        return DRAW_NO_LIBRARY;
    }
    const struct {
        const char *name;
        void *slot; /* of a pointer to a function */
    } symbols[] = {
        {"gvContext", &library->context},
        {"agmemread", &library->read}, /* of libcgraph, which the other brings */
        {"gvLayout", &library->layout},
        {"gvRender", &library->render},
    };
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *symbol = dlsym(handle, symbols[i].name);
        if (symbol == NULL) {
            fprintf(stderr, "%s\n", dlerror());
            return DRAW_NO_LIBRARY;
        }
        memcpy(symbols[i].slot, &symbol, sizeof symbol);
    }
    return DRAW_OK;
}

static int
draw_picture(const char *program, const char *format, FILE *out)
{
    struct draw_library library;
    int rc = draw_load(&library);
    if (rc != DRAW_OK) {
        return rc;
    }
    GVC_t *context = library.context();
    Agraph_t *graph = context != NULL ? library.read(program) : NULL;
    bool drawn = graph != NULL && library.layout(context, graph, "dot") == 0 &&
                 library.render(context, graph, format, out) == 0 && fflush(out) == 0;
    return drawn ? DRAW_OK : DRAW_FAILED;
}

static _Noreturn void
draw_child(const char *program, const char *format, int picture, int said)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    FILE *out = fdopen(picture, "wb");
    if (nothing < 0 || out == NULL || dup2(nothing, 0) < 0 || dup2(said, 1) < 0 ||
        dup2(said, 2) < 0) {
        _exit(DRAW_FAILED);
    }
    int rc = draw_picture(program, format, out);
    fflush(stderr);
    _exit(rc);
}

/* ---- in ours ---- */

/* The first line that matters of what was said; the caller's (free), or NULL. */
static char *
draw_reason(int said)
{
    char text[1024];
    ssize_t n = pread(said, text, sizeof text - 1, 0);
    struct prf_strbuf reason = PRF_STRBUF_INIT;
    text[n > 0 ? n : 0] = '\0';
    char *line = text, *error = strstr(text, "Error: ");
    line = error != NULL ? error + strlen("Error: ") : line;
    line[strcspn(line, "\n")] = '\0';
    prf_visible_add(&reason, line, PRF_VISIBLE_LINE);
    return prf_strbuf_steal(&reason);
}

static int
draw_explain(int status, const char *format, int said, struct prf_error *err)
{
    if (WIFSIGNALED(status)) {
        return prf_fail(err, PRF_EIO,
                        "cannot draw as %s: Graphviz was ended by signal %d", format,
                        WTERMSIG(status));
    }
    int code = WEXITSTATUS(status);
    char *reason = draw_reason(said);
    const char *why = reason != NULL && reason[0] != '\0' ? reason : "Graphviz failed";
    int rc =
        code == DRAW_NO_LIBRARY
            ? prf_fail(err, PRF_EUNAVAILABLE,
                       "format '%s' needs Graphviz: %s; install it (Debian: apt-get "
                       "install libgvc6), or use format 'dot'",
                       format, why)
            : prf_fail(err, PRF_EIO, "cannot draw as %s: %s", format, why);
    free(reason);
    return rc;
}

static int
draw_copy(int picture, FILE *out, struct prf_error *err)
{
    static char block[65536];
    ssize_t n;
    off_t at = 0;
    while ((n = pread(picture, block, sizeof block, at)) > 0) {
        fwrite(block, 1, (size_t)n, out);
        at += n;
    }
    return n == 0 && at > 0 ? 0 : prf_fail(err, PRF_EIO, "Graphviz drew nothing");
}

/* Run Graphviz on `program`; the picture goes into the file `picture`, what it says
   into `said`. */
static int
draw_run(const char *program, const char *format, int picture, int said,
         struct prf_error *err)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        draw_child(program, format, picture, said);
    }
    pid_t ended = pid;
    while (pid > 0 && (ended = waitpid(pid, &status, 0)) < 0 && errno == EINTR) {
    }
    if (ended < 0) {
        return prf_fail(err, PRF_EIO, "cannot start a process that draws: %s",
                        strerror(errno));
    }
    return status == 0 ? 0 : draw_explain(status, format, said, err);
}

int
prf_graph_draw(const char *program, const char *format, FILE *out,
               struct prf_error *err)
{
    int picture = memfd_create("prf-picture", MFD_CLOEXEC);
    int said = memfd_create("prf-graphviz", MFD_CLOEXEC);
    int rc = picture < 0 || said < 0
                 ? prf_fail(err, PRF_EIO, "cannot make a file: %s", strerror(errno))
                 : draw_run(program, format, picture, said, err);
    if (rc == 0) {
        rc = draw_copy(picture, out, err);
    }
    if (picture >= 0) {
        close(picture);
    }
    if (said >= 0) {
        close(said);
    }
    return rc;
}

static int
draw_result(const struct prf_run *run, const struct prf_result *result,
            const struct prf_export_options *options, const char *format, FILE *out,
            struct prf_error *err)
{
    struct prf_graph graph;
    struct prf_strbuf program = PRF_STRBUF_INIT;
    int rc = prf_graph_build(&graph, run, result, options, err);
    if (rc == 0) {
        rc = prf_graph_dot(&graph, &program, err);
    }
    if (rc == 0) {
        rc = prf_graph_draw(prf_strbuf_text(&program), format, out, err);
    }
    prf_strbuf_release(&program);
    prf_graph_release(&graph);
    return rc;
}

int
prf_graph_svg(const struct prf_run *run, const struct prf_result *const *results,
              size_t n, const struct prf_export_options *options, FILE *out,
              struct prf_error *err)
{
    (void)n;
    return draw_result(run, results[0], options, "svg", out, err);
}

static int
draw_png(const struct prf_run *run, const struct prf_result *const *results, size_t n,
         const struct prf_export_options *options, FILE *out, struct prf_error *err)
{
    (void)n;
    return draw_result(run, results[0], options, "png", out, err);
}

static int
draw_pdf(const struct prf_run *run, const struct prf_result *const *results, size_t n,
         const struct prf_export_options *options, FILE *out, struct prf_error *err)
{
    (void)n;
    return draw_result(run, results[0], options, "pdf", out, err);
}

const struct prf_exporter prf_exporter_png = {
    .name = "png",
    .extension = ".png",
    .summary = "who calls whom, as a picture in pixels",
    .needs = PRF_MODEL_SITES | PRF_MODEL_EDGES,
    .columns = prf_call_columns,
    .binary = true,
    .write = draw_png,
    .single = true,
};

const struct prf_exporter prf_exporter_pdf = {
    .name = "pdf",
    .extension = ".pdf",
    .summary = "who calls whom, as a page to print",
    .needs = PRF_MODEL_SITES | PRF_MODEL_EDGES,
    .columns = prf_call_columns,
    .binary = true,
    .write = draw_pdf,
    .single = true,
};
