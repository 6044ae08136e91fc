/* Putting instructions into bytecode of 3.11: code, jumps, exceptions, positions. A
   unit is an instruction word of two bytes; all offsets here count units. */
#include "line_rewrite.h"

#if !PRF_HAVE_MONITORING

#include <opcode.h>
#include <stdlib.h>
#include <string.h>

#include "strbuf.h"

#define REWRITE_PROBE 3 /* units, without what a large constant's index needs */

struct rewrite_instruction {
    int at;    /* in the original, its EXTENDED_ARGs included */
    int op_at; /* of the opcode itself */
    int n_caches;
    unsigned char op;
    unsigned arg;
    int line;
    int target;  /* instruction a jump leads to, or -1 */
    bool probed; /* a line may begin here */
    unsigned constant;
    int start;      /* in the copy, the probe included */
    int n_extended; /* EXTENDED_ARGs it needs there */
};

struct rewrite {
    struct prf_line_code *code;
    const unsigned char *bytes;
    int n_units;
    struct rewrite_instruction *ins; /* one more than n: the end */
    int n;
    int *index;          /* by unit of the original: the instruction it belongs to */
    int *constants;      /* by line: index of its probe, -1: none yet */
    PyObject *consts;    /* strong, a list */
    int (*positions)[4]; /* by unit: line, end line, column, end column; -1: none */
};

/* ---- taking apart ---- */

/* 1: forward, -1: backward, 0: no jump. */
static int
rewrite_direction(int op)
{
    switch (op) {
    case JUMP_FORWARD:
    case JUMP_IF_FALSE_OR_POP:
    case JUMP_IF_TRUE_OR_POP:
    case POP_JUMP_FORWARD_IF_FALSE:
    case POP_JUMP_FORWARD_IF_TRUE:
    case POP_JUMP_FORWARD_IF_NONE:
    case POP_JUMP_FORWARD_IF_NOT_NONE:
    case FOR_ITER:
    case SEND:
        return 1;
    case JUMP_BACKWARD:
    case JUMP_BACKWARD_NO_INTERRUPT:
    case POP_JUMP_BACKWARD_IF_FALSE:
    case POP_JUMP_BACKWARD_IF_TRUE:
    case POP_JUMP_BACKWARD_IF_NONE:
    case POP_JUMP_BACKWARD_IF_NOT_NONE:
        return -1;
    default:
        return 0;
    }
}

static void
rewrite_parse(struct rewrite *rw)
{
    for (int i = 0; i < rw->n_units;) {
        struct rewrite_instruction *in = &rw->ins[rw->n];
        *in = (struct rewrite_instruction){.at = i, .target = -1};
        while (rw->bytes[2 * i] == EXTENDED_ARG && i + 1 < rw->n_units) {
            in->arg = (in->arg | rw->bytes[2 * i + 1]) << 8;
            i++;
        }
        in->op_at = i;
        in->op = rw->bytes[2 * i];
        in->arg |= rw->bytes[2 * i + 1];
        in->line = rw->code->line_at[i];
        for (i++; i < rw->n_units && rw->bytes[2 * i] == CACHE; i++) {
            in->n_caches++;
        }
        for (int k = in->at; k < i; k++) {
            rw->index[k] = rw->n;
        }
        rw->n++;
    }
    rw->index[rw->n_units] = rw->n;
}

/* -1: a jump leads nowhere. */
static int
rewrite_find_targets(struct rewrite *rw)
{
    for (int k = 0; k < rw->n; k++) {
        struct rewrite_instruction *in = &rw->ins[k];
        int direction = rewrite_direction(in->op);
        if (direction == 0) {
            continue;
        }
        long target = (long)in->op_at + 1 + in->n_caches + direction * (long)in->arg;
        if (target < 0 || target >= rw->n_units) {
            return -1;
        }
        in->target = rw->index[target];
    }
    return 0;
}

/* ---- the table of exceptions: numbers of 6 bits a byte, the highest first ---- */

struct rewrite_handler {
    int start, size, target, depth_lasti;
};

static int
rewrite_get_number(const unsigned char **p, const unsigned char *end)
{
    int value = 0;
    while (*p < end) {
        unsigned char byte = *(*p)++;
        value = value << 6 | (byte & 63);
        if ((byte & 64) == 0) {
            break;
        }
    }
    return value;
}

static void
rewrite_put_number(struct prf_strbuf *out, int value, int first)
{
    int shift = 0;
    while (value >> shift >= 64) {
        shift += 6;
    }
    for (; shift >= 0; shift -= 6) {
        int more = shift > 0 ? 64 : 0;
        prf_strbuf_addc(out, (char)((value >> shift & 63) | more | first));
        first = 0;
    }
}

static bool
rewrite_next_handler(const struct rewrite *rw, const unsigned char **p,
                     struct rewrite_handler *h)
{
    PyObject *table = rw->code->code->co_exceptiontable;
    const unsigned char *bytes = (const unsigned char *)PyBytes_AS_STRING(table);
    const unsigned char *end = bytes + PyBytes_GET_SIZE(table);
    *p = *p != NULL ? *p : bytes;
    if (*p >= end) {
        return false;
    }
    h->start = rewrite_get_number(p, end);
    h->size = rewrite_get_number(p, end);
    h->target = rewrite_get_number(p, end);
    h->depth_lasti = rewrite_get_number(p, end);
    return h->start + h->size <= rw->n_units && h->target < rw->n_units;
}

static int
rewrite_place(const struct rewrite *rw, int unit)
{
    return rw->ins[rw->index[unit]].start;
}

static void
rewrite_put_handlers(const struct rewrite *rw, struct prf_strbuf *out)
{
    const unsigned char *p = NULL;
    struct rewrite_handler h;
    while (rewrite_next_handler(rw, &p, &h)) {
        int start = rewrite_place(rw, h.start);
        rewrite_put_number(out, start, 128);
        rewrite_put_number(out, rewrite_place(rw, h.start + h.size) - start, 0);
        rewrite_put_number(out, rewrite_place(rw, h.target), 0);
        rewrite_put_number(out, h.depth_lasti, 0);
    }
}

/* ---- where lines may begin ---- */

/* -1 with an exception. */
static int
rewrite_probe(struct rewrite *rw, int k, prf_line_probe_new *new_probe)
{
    struct rewrite_instruction *in = &rw->ins[k];
    bool torn = in->op == CALL && k > 0 && rw->ins[k - 1].op == PRECALL;
    if (in->line < 0 || in->op == RESUME || torn || in->probed) {
        return 0;
    }
    if (rw->constants[in->line] < 0) {
        PyObject *probe = new_probe(rw->code, in->line);
        int rc = probe ? PyList_Append(rw->consts, probe) : -1;
        Py_XDECREF(probe);
        if (rc < 0) {
            return -1;
        }
        rw->constants[in->line] = (int)PyList_GET_SIZE(rw->consts) - 1;
    }
    in->probed = true;
    in->constant = (unsigned)rw->constants[in->line];
    return 0;
}

/* After the first RESUME: where the line is not that of the instruction before, at
   targets of jumps from other lines, and where exceptions are handled. */
static int
rewrite_find_lines(struct rewrite *rw, prf_line_probe_new *probe)
{
    int first = 0, rc = 0;
    while (first < rw->n && rw->ins[first].op != RESUME) {
        first++;
    }
    for (int k = first + 1; k < rw->n && rc == 0; k++) {
        const struct rewrite_instruction *before = &rw->ins[k - 1];
        if (k == first + 1 || before->line != rw->ins[k].line) {
            rc = rewrite_probe(rw, k, probe);
        }
    }
    for (int k = first + 1; k < rw->n && rc == 0; k++) {
        int target = rw->ins[k].target;
        if (target > first && rw->ins[target].line != rw->ins[k].line) {
            rc = rewrite_probe(rw, target, probe);
        }
    }
    const unsigned char *p = NULL;
    struct rewrite_handler h;
    while (rc == 0 && rewrite_next_handler(rw, &p, &h)) {
        int target = rw->index[h.target];
        rc = target > first ? rewrite_probe(rw, target, probe) : 0;
    }
    return rc;
}

/* ---- layout ---- */

static int
rewrite_n_extended(unsigned arg)
{
    return arg > 0xffffff ? 3 : arg > 0xffff ? 2 : arg > 0xff ? 1 : 0;
}

static int
rewrite_probe_size(const struct rewrite_instruction *in)
{
    return in->probed ? REWRITE_PROBE + rewrite_n_extended(in->constant) : 0;
}

static int
rewrite_end(const struct rewrite_instruction *in)
{
    return in->start + rewrite_probe_size(in) + in->n_extended + 1 + in->n_caches;
}

/* Arguments of jumps grow with distances, and distances with arguments. */
static void
rewrite_lay_out(struct rewrite *rw)
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (int k = 0, at = 0; k <= rw->n; k++) {
            rw->ins[k].start = at;
            at = rewrite_end(&rw->ins[k]);
        }
        for (int k = 0; k < rw->n; k++) {
            struct rewrite_instruction *in = &rw->ins[k];
            if (in->target >= 0) {
                int distance = rw->ins[in->target].start - rewrite_end(in);
                in->arg = (unsigned)(rewrite_direction(in->op) * distance);
            }
            int n_extended = rewrite_n_extended(in->arg);
            if (n_extended > in->n_extended) {
                in->n_extended = n_extended;
                changed = true;
            }
        }
    }
}

/* ---- putting together ---- */

static void
rewrite_put(struct prf_strbuf *out, int op, unsigned arg, int n_extended)
{
    for (int i = n_extended; i > 0; i--) {
        prf_strbuf_addc(out, (char)EXTENDED_ARG);
        prf_strbuf_addc(out, (char)(arg >> (8 * i) & 0xff));
    }
    prf_strbuf_addc(out, (char)op);
    prf_strbuf_addc(out, (char)(arg & 0xff));
}

static void
rewrite_put_code(const struct rewrite *rw, struct prf_strbuf *out)
{
    for (int k = 0; k < rw->n; k++) {
        const struct rewrite_instruction *in = &rw->ins[k];
        if (in->probed) {
            rewrite_put(out, LOAD_CONST, in->constant,
                        rewrite_n_extended(in->constant));
            rewrite_put(out, UNARY_INVERT, 0, 0);
            rewrite_put(out, POP_TOP, 0, 0);
        }
        rewrite_put(out, in->op, in->arg, in->n_extended);
        for (int i = 0; i < in->n_caches; i++) {
            rewrite_put(out, CACHE, 0, 0);
        }
    }
}

/* Numbers of positions: 6 bits a byte, the lowest first. */
static void
rewrite_put_varint(struct prf_strbuf *out, unsigned value)
{
    for (; value >= 64; value >>= 6) {
        prf_strbuf_addc(out, (char)((value & 63) | 64));
    }
    prf_strbuf_addc(out, (char)value);
}

static void
rewrite_put_signed(struct prf_strbuf *out, int value)
{
    rewrite_put_varint(out,
                       value < 0 ? (unsigned)-value << 1 | 1 : (unsigned)value << 1);
}

/* One entry, of at most 8 units. */
static void
rewrite_put_position(struct prf_strbuf *out, const int position[4], int n, int *line)
{
    enum { NO_COLUMNS = 13, LONG = 14, NONE = 15 };
    int kind = position[0] < 0 ? NONE
               : position[1] < position[0] || position[2] < 0 || position[3] < 0
                   ? NO_COLUMNS
                   : LONG;
    prf_strbuf_addc(out, (char)(0x80 | kind << 3 | (n - 1)));
    if (kind == NONE) {
        return;
    }
    rewrite_put_signed(out, position[0] - *line);
    *line = position[0];
    if (kind == LONG) {
        rewrite_put_varint(out, (unsigned)(position[1] - position[0]));
        rewrite_put_varint(out, (unsigned)position[2] + 1);
        rewrite_put_varint(out, (unsigned)position[3] + 1);
    }
}

static void
rewrite_put_positions(const struct rewrite *rw, struct prf_strbuf *out)
{
    int line = rw->code->code->co_firstlineno;
    for (int k = 0; k < rw->n; k++) {
        const struct rewrite_instruction *in = &rw->ins[k];
        for (int left = rewrite_end(in) - in->start; left > 0; left -= 8) {
            rewrite_put_position(out, rw->positions[in->op_at], left < 8 ? left : 8,
                                 &line);
        }
    }
}

static int *
rewrite_line_at(const struct rewrite *rw)
{
    int n = rw->ins[rw->n].start;
    int *line_at = malloc(((size_t)n + 1) * sizeof(int));
    for (int k = 0; line_at != NULL && k < rw->n; k++) {
        for (int i = rw->ins[k].start; i < rewrite_end(&rw->ins[k]); i++) {
            line_at[i] = rw->ins[k].line;
        }
    }
    return line_at;
}

/* ---- reading the original ---- */

static int
rewrite_read_positions(struct rewrite *rw)
{
    PyObject *all =
        PyObject_CallMethod((PyObject *)rw->code->code, "co_positions", NULL);
    PyObject *item = NULL;
    int i = 0;
    while (all != NULL && i < rw->n_units && (item = PyIter_Next(all)) != NULL) {
        for (int k = 0; k < 4; k++) {
            PyObject *number = PyTuple_GET_ITEM(item, k);
            rw->positions[i][k] = number == Py_None ? -1 : (int)PyLong_AsLong(number);
        }
        Py_DECREF(item);
        i++;
    }
    Py_XDECREF(all);
    /* Other tools append instructions that have none. */
    for (; i < rw->n_units; i++) {
        memset(rw->positions[i], 0xff, sizeof(rw->positions[i]));
    }
    return PyErr_Occurred() ? -1 : 0;
}

static int
rewrite_reserve(struct rewrite *rw)
{
    size_t n = (size_t)rw->n_units + 1, lines = (size_t)rw->code->n_lines + 1;
    rw->ins = calloc(n, sizeof(*rw->ins));
    rw->index = calloc(n, sizeof(*rw->index));
    rw->constants = malloc(lines * sizeof(*rw->constants));
    rw->positions = calloc(n, sizeof(*rw->positions));
    rw->consts = PySequence_List(rw->code->code->co_consts);
    if (!rw->ins || !rw->index || !rw->constants || !rw->positions || !rw->consts) {
        return -1;
    }
    memset(rw->constants, 0xff, lines * sizeof(*rw->constants));
    return 0;
}

static PyObject *
rewrite_bytes(const struct prf_strbuf *sb)
{
    return PyBytes_FromStringAndSize(prf_strbuf_text(sb), (Py_ssize_t)sb->len);
}

static PyCodeObject *
rewrite_replace(const struct rewrite *rw, const struct prf_strbuf *code,
                const struct prf_strbuf *positions, const struct prf_strbuf *handlers)
{
    PyObject *replace = PyObject_GetAttrString((PyObject *)rw->code->code, "replace");
    PyObject *none = PyTuple_New(0);
    PyObject *consts = PyList_AsTuple(rw->consts);
    PyObject *fields = NULL, *result = NULL;
    if (replace != NULL && none != NULL && consts != NULL) {
        fields = Py_BuildValue(
            "{sOsNsNsNsi}", "co_consts", consts, "co_code", rewrite_bytes(code),
            "co_linetable", rewrite_bytes(positions), "co_exceptiontable",
            rewrite_bytes(handlers), "co_stacksize", rw->code->code->co_stacksize + 1);
    }
    if (fields != NULL) {
        result = PyObject_Call(replace, none, fields);
    }
    Py_XDECREF(fields);
    Py_XDECREF(consts);
    Py_XDECREF(none);
    Py_XDECREF(replace);
    return (PyCodeObject *)result;
}

static PyCodeObject *
rewrite_build(struct rewrite *rw, int **line_at)
{
    struct prf_strbuf code = PRF_STRBUF_INIT, positions = PRF_STRBUF_INIT,
                      handlers = PRF_STRBUF_INIT;
    PyCodeObject *result = NULL;
    rewrite_lay_out(rw);
    rewrite_put_code(rw, &code);
    rewrite_put_positions(rw, &positions);
    rewrite_put_handlers(rw, &handlers);
    *line_at = rewrite_line_at(rw);
    if (!code.failed && !positions.failed && !handlers.failed && *line_at != NULL) {
        result = rewrite_replace(rw, &code, &positions, &handlers);
    }
    if (result == NULL) {
        free(*line_at);
        *line_at = NULL;
    }
    prf_strbuf_release(&code);
    prf_strbuf_release(&positions);
    prf_strbuf_release(&handlers);
    return result;
}

PyCodeObject *
prf_line_rewrite(struct prf_line_code *code, prf_line_probe_new *probe, int **line_at)
{
    PyObject *bytes = PyCode_GetCode(code->code);
    PyCodeObject *result = NULL;
    if (bytes == NULL) {
        return NULL;
    }
    struct rewrite rw = {.code = code,
                         .bytes = (const unsigned char *)PyBytes_AS_STRING(bytes),
                         .n_units = (int)(PyBytes_GET_SIZE(bytes) / 2)};
    if (rewrite_reserve(&rw) == 0 && rewrite_read_positions(&rw) == 0) {
        rewrite_parse(&rw);
        if (rewrite_find_targets(&rw) == 0 && rewrite_find_lines(&rw, probe) == 0) {
            result = rewrite_build(&rw, line_at);
        }
    }
    free(rw.ins);
    free(rw.index);
    free(rw.constants);
    free(rw.positions);
    Py_XDECREF(rw.consts);
    Py_DECREF(bytes);
    return result;
}

#endif
