/* What a profiler knows as files: JSON with everything, CSV with a row for each piece.
   The GIL is held until the copy and the texts of Python objects are made, and released
   while the calls are written. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "arguments.h"
#include "label.h"
#include "metadata.h"
#include "outbuf.h"
#include "outfile.h"
#include "figures.h"

#define EXPORT_SCHEMA "pyprofiler/pieces/1"

struct export
{
    struct prf_view s;
    struct prf_pieces_summary sum;
    struct prf_piece_figures *figures;
    struct prf_metadata metadata;
    char **names; /* of pieces, JSON with quotes */
    struct prf_outbuf ob;
};

/* ---- what is written ---- */

static int
export_take_names(struct export *e)
{
    e->names = calloc(e->s.n_pieces + 1u, sizeof *e->names);
    if (e->names == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t i = 0; i < e->s.n_pieces; i++) {
        e->names[i] = prf_metadata_quote(e->s.pieces[i].name);
        if (e->names[i] == NULL) {
            return -1;
        }
    }
    return 0;
}

static int
export_take(PyObject *profiler, struct export *e)
{
    PyObject *metadata = NULL;
    const struct prf_pieces *p = prf_pieces_of(profiler);
    if (p == NULL) {
        return -1;
    }
    if (p->metadata != NULL && (metadata = PyDict_Copy(p->metadata)) == NULL) {
        return -1;
    }
    int rc = prf_view_take(profiler, PRF_VIEW_CALLS | PRF_VIEW_BUCKETS, &e->s);
    if (rc == 0) {
        e->figures = prf_piece_figures_of(&e->s);
        rc = e->figures == NULL ? -1 : prf_pieces_summarize(&e->s, &e->sum);
    }
    if (rc == 0) {
        rc = export_take_names(e);
    }
    if (rc == 0) {
        rc = prf_metadata_render(metadata, &e->metadata);
    }
    Py_XDECREF(metadata);
    return rc;
}

static void
export_release(struct export *e)
{
    for (uint32_t i = 0; e->names != NULL && i < e->s.n_pieces; i++) {
        free(e->names[i]);
    }
    free(e->names);
    free(e->figures);
    prf_metadata_release(&e->metadata);
    prf_view_release(&e->s);
}

/* ---- JSON ---- */

static void
export_text(struct export *e, const char *text)
{
    prf_outbuf_adds(&e->ob, text);
}

/* `head` is all that stands before the value: comma, key, colon. */
static void
export_uint(struct export *e, const char *head, uint64_t value)
{
    export_text(e, head);
    prf_outbuf_uint(&e->ob, value);
}

static void
export_double(struct export *e, const char *head, double value)
{
    export_text(e, head);
    prf_outbuf_double(&e->ob, isfinite(value) ? value : 0);
}

/* Seconds with nine decimals: calls are many, and a nanosecond is what the clock tells.
 */
static void
export_seconds(struct export *e, const char *head, double seconds)
{
    uint64_t ns = seconds > 0 ? (uint64_t)llround(seconds * 1e9) : 0;
    uint64_t rest = ns % 1000000000u;
    char digits[11] = ".";
    for (int i = 9; i >= 1; i--, rest /= 10) {
        digits[i] = (char)('0' + rest % 10);
    }
    export_uint(e, head, ns / 1000000000u);
    prf_outbuf_add(&e->ob, digits, 10);
}

static void
export_put_head(struct export *e)
{
    char created[32] = "";
    struct tm tm;
    time_t now = time(NULL);
    if (gmtime_r(&now, &tm) != NULL) {
        strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    export_text(e, "{\n\"schema\": \"" EXPORT_SCHEMA "\",\n\"created\": \"");
    export_text(e, created);
    export_text(e, "\",\n");
}

static void
export_put_summary(struct export *e)
{
    const struct prf_pieces_summary *sum = &e->sum;
    export_uint(e, "\"summary\": {\"total_functions\": ", sum->n_functions);
    export_uint(e, ", \"total_calls\": ", sum->n_calls);
    export_double(e, ", \"total_time\": ", sum->total);
    export_double(e, ", \"avg_call_time\": ", sum->mean);
    export_double(e, ", \"median_call_time\": ", sum->median);
    export_double(e, ", \"p95_call_time\": ", sum->p95);
    export_double(e, ", \"min_call_time\": ", sum->min);
    export_double(e, ", \"max_call_time\": ", sum->max);
    export_double(e, ", \"own_time\": ", sum->own);
    export_double(e, ", \"waiting_time\": ", sum->waiting);
    export_double(e, ", \"elapsed_time\": ", sum->elapsed);
    export_uint(e, ", \"threads\": ", sum->n_threads);
    export_uint(e, ", \"kept_calls\": ", sum->n_kept);
    export_uint(e, ", \"lost_calls\": ", sum->n_lost);
    export_text(e, "},\n");
}

static void
export_put_functions(struct export *e)
{
    export_text(e, "\"functions\": [");
    for (uint32_t i = 0; i < e->s.n_called; i++) {
        uint32_t piece = e->s.order[i];
        const struct prf_piece_figures *f = &e->figures[piece];
        export_text(e, i > 0 ? ",\n{\"name\": " : "\n{\"name\": ");
        export_text(e, e->names[piece]);
        export_uint(e, ", \"call_count\": ", e->s.pieces[piece].n_calls);
        export_double(e, ", \"total_time\": ", f->total);
        export_double(e, ", \"own_time\": ", f->own);
        export_double(e, ", \"waiting_time\": ", f->waiting);
        export_double(e, ", \"avg_time\": ", f->mean);
        export_double(e, ", \"median_time\": ", f->median);
        export_double(e, ", \"p95_time\": ", f->p95);
        export_double(e, ", \"p99_time\": ", f->p99);
        export_double(e, ", \"min_time\": ", f->min);
        export_double(e, ", \"max_time\": ", f->max);
        export_double(e, ", \"std_dev\": ", f->stddev);
        export_text(e, "}");
    }
    export_text(e, "],\n");
}

/* A list of nodes with their parents, not objects in objects: readers of JSON that
   recurse end at a thousand levels. */
static void
export_put_tree(struct export *e)
{
    const char *comma = "\n";
    export_text(e, "\"tree\": [");
    for (uint32_t i = 1; i < e->s.n_nodes; i++) {
        const struct prf_view_node *node = &e->s.nodes[i];
        if (!node->seen) {
            continue;
        }
        export_text(e, comma);
        export_uint(e, "{\"id\": ", i);
        if (node->parent == 0) {
            export_text(e, ", \"parent\": null");
        } else {
            export_uint(e, ", \"parent\": ", node->parent);
        }
        export_text(e, ", \"name\": ");
        export_text(e, e->names[node->piece]);
        export_uint(e, ", \"calls\": ", node->n_calls);
        export_double(e, ", \"total_time\": ", prf_pieces_seconds((double)node->total));
        export_double(e, ", \"own_time\": ", prf_pieces_seconds((double)node->own));
        export_text(e, "}");
        comma = ",\n";
    }
    export_text(e, "],\n");
}

static void
export_put_call(struct export *e, uint64_t index)
{
    const struct prf_piece_call *call = &e->s.calls[index];
    const char *metadata = prf_metadata_at(&e->metadata, index);
    export_text(e, e->names[e->s.nodes[call->node].piece]);
    export_uint(e, ", \"node\": ", call->node);
    export_seconds(e, ", \"start_time\": ", prf_pieces_moment(call->start));
    export_seconds(e,
                   ", \"end_time\": ", prf_pieces_moment(call->start + call->duration));
    export_seconds(e, ", \"duration\": ", prf_pieces_seconds((double)call->duration));
    export_seconds(e, ", \"own_time\": ", prf_pieces_seconds((double)call->own));
    export_uint(e, ", \"thread_id\": ",
                call->thread < e->s.n_threads ? e->s.threads[call->thread] : 0);
    if (metadata != NULL) {
        export_text(e, ", \"metadata\": ");
        export_text(e, metadata);
    }
    export_text(e, "}");
}

static void
export_put_calls(struct export *e)
{
    if (!e->s.keep_calls && e->s.n_calls == 0) {
        export_text(e, "\"calls\": null\n}\n");
        return;
    }
    export_text(e, "\"calls\": [");
    for (uint64_t i = 0; i < e->s.n_calls; i++) {
        export_text(e, i > 0 ? ",\n{\"name\": " : "\n{\"name\": ");
        export_put_call(e, i);
    }
    export_text(e, "]\n}\n");
}

static int
export_write_json(struct export *e, struct prf_outfile *file)
{
    struct prf_error err = {0};
    if (prf_outbuf_begin(&e->ob, file->out, &err) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    Py_BEGIN_ALLOW_THREADS export_put_head(e);
    export_put_summary(e);
    export_put_functions(e);
    export_put_tree(e);
    export_put_calls(e);
    if (prf_outbuf_end(&e->ob, &err) < 0) { /* told by the close of the file */
        file->why = errno != 0 ? errno : EIO;
    }
    Py_END_ALLOW_THREADS return 0;
}

/* ---- CSV ---- */

/* UTF-8 that is always valid and holds no NUL; the caller's (free). */
static char *
export_plain_name(PyObject *name)
{
    PyObject *bytes = PyUnicode_AsEncodedString(name, "utf-8", "backslashreplace");
    if (bytes == NULL) {
        return NULL;
    }
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    const char *data = PyBytes_AS_STRING(bytes);
    prf_strbuf_adds(&sb, "");
    for (Py_ssize_t i = 0; i < PyBytes_GET_SIZE(bytes); i++) {
        if (data[i] == '\0') {
            prf_strbuf_adds(&sb, "\\x00");
        } else {
            prf_strbuf_addc(&sb, data[i]);
        }
    }
    Py_DECREF(bytes);
    char *text = prf_strbuf_steal(&sb);
    if (text == NULL) {
        PyErr_NoMemory();
    }
    return text;
}

static int
export_put_row(struct export *e, uint32_t piece, FILE *out, struct prf_strbuf *room)
{
    const struct prf_piece_figures *f = &e->figures[piece];
    char *name = export_plain_name(e->s.pieces[piece].name);
    if (name == NULL) {
        return -1;
    }
    prf_csv_add(out, name, room);
    free(name);
    fprintf(out,
            ",%" PRIu64
            ",%.15g,%.15g,%.15g,%.15g,%.15g,%.15g,%.15g,%.15g,%.15g,%.15g\r\n",
            e->s.pieces[piece].n_calls, f->total, f->own, f->waiting, f->mean,
            f->median, f->p95, f->p99, f->min, f->max, f->stddev);
    return 0;
}

static int
export_write_csv(struct export *e, struct prf_outfile *file)
{
    FILE *out = file->out;
    struct prf_strbuf room = PRF_STRBUF_INIT;
    int rc = 0;
    fputs("name,call_count,total_time,own_time,waiting_time,avg_time,median_time,"
          "p95_time,p99_time,min_time,max_time,std_dev\r\n",
          out);
    for (uint32_t i = 0; rc == 0 && i < e->s.n_called; i++) {
        rc = export_put_row(e, e->s.order[i], out, &room);
    }
    if (rc == 0 && room.failed) {
        PyErr_NoMemory();
        rc = -1;
    }
    prf_strbuf_release(&room);
    return rc;
}

/* ---- methods ---- */

static PyObject *
export_to(PyObject *self, const char *method, struct prf_call_arguments given,
          int (*write)(struct export *, struct prf_outfile *))
{
    const struct prf_signature signature = {
        method, {"filename"}, .n_positional = 1, .n_required = 1};
    struct export e = {0};
    struct prf_outfile file;
    PyObject *values[4], *done = NULL;
    if (prf_arguments_bind(&signature, given, values) < 0) {
        return NULL;
    }
    if (export_take(self, &e) == 0 && prf_outfile_open(values[0], &file) == 0) {
        write(&e, &file); /* an exception is the close's */
        done = prf_outfile_close(&file) < 0 ? NULL : Py_NewRef(Py_None);
    }
    export_release(&e);
    return done;
}

PyObject *
prf_pieces_export_to_json(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                          PyObject *kwnames)
{
    return export_to(self, "export_to_json",
                     (struct prf_call_arguments){args, n_args, kwnames},
                     export_write_json);
}

PyObject *
prf_pieces_export_to_csv(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                         PyObject *kwnames)
{
    return export_to(self, "export_to_csv",
                     (struct prf_call_arguments){args, n_args, kwnames},
                     export_write_csv);
}
