/* From tracebacks to the rows of a recording: see snapshots.h.

   A traceback becomes a path in a tree of (caller, file, line) that all snapshots
   share, so that a line costs 16 bytes once and 24 in each snapshot that holds
   something of it. */
#include "snapshots.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pyprofiler/backend.h>

#include "path.h"

#define SNAPSHOTS_FIRST 256u
#define SNAPSHOTS_SOURCES 2000u /* lines whose text is kept */
#define SNAPSHOTS_LINE 400u     /* bytes of it */

/* ---- tables ---- */

static uint64_t
snapshots_hash(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < n; i++) {
        /* FNV-1a. The analyzer does not follow a struct byte by byte. */
        // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult)
        h = (h ^ p[i]) * 0x100000001B3u;
    }
    return h ^ h >> 32;
}

/* `array` with room for one more element than `n`; NULL: no memory, it is as it was. */
static void *
snapshots_reserve(void *array, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity) {
        return array;
    }
    size_t more = *capacity ? *capacity * 2 : SNAPSHOTS_FIRST;
    char *grown = realloc(array, more * size);
    if (grown != NULL) {
        memset(grown + *capacity * size, 0, (more - *capacity) * size);
        *capacity = more;
    }
    return grown;
}

static uint64_t
snapshots_hash_node(const struct prf_snapshots *s, uint32_t id)
{
    return snapshots_hash(&s->nodes[id], sizeof s->nodes[id]);
}

static uint64_t
snapshots_hash_file(const struct prf_snapshots *s, uint32_t id)
{
    return snapshots_hash(s->files[id].text, strlen(s->files[id].text));
}

/* Room for one more of `n` ids: at most half of the slots are used. */
static int
snapshots_grow(const struct prf_snapshots *s, struct prf_snapshot_table *table,
               size_t n, uint64_t (*hash)(const struct prf_snapshots *, uint32_t))
{
    if (2 * n + 2 <= table->capacity) {
        return 0;
    }
    size_t capacity = table->capacity ? table->capacity * 2 : 4 * SNAPSHOTS_FIRST;
    uint32_t *slots = calloc(capacity, sizeof *slots);
    if (slots == NULL) {
        return -1;
    }
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i] != 0) {
            size_t k = (size_t)hash(s, table->slots[i]) & (capacity - 1);
            while (slots[k] != 0) {
                k = (k + 1) & (capacity - 1);
            }
            slots[k] = table->slots[i];
        }
    }
    free(table->slots);
    *table = (struct prf_snapshot_table){slots, capacity};
    return 0;
}

/* ---- files ---- */

static size_t
snapshots_put_char(char *to, Py_UCS4 c)
{
    if (c >= 0xDC80 && c <= 0xDCFF) { /* a byte of a name that is no UTF-8 */
        to[0] = (char)(c - 0xDC00);
        return 1;
    }
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xC0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xE0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3F));
        to[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3F));
    to[2] = (char)(0x80 | (c >> 6 & 0x3F));
    to[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* UTF-8 of a str. Not PyUnicode_AsUTF8: it keeps its result in the str, where it would
   be traced. malloc'ed, or NULL. */
static char *
snapshots_text(PyObject *str)
{
    if (str == NULL || !PyUnicode_Check(str)) {
        return strdup("?");
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(str);
    char *text = calloc((size_t)n + 1, 4);
    size_t len = 0;
    for (Py_ssize_t i = 0; text != NULL && i < n; i++) {
        Py_UCS4 c = PyUnicode_READ_CHAR(str, i);
        len += snapshots_put_char(text + len, c != 0 ? c : '?');
    }
    if (text != NULL) {
        text[len] = '\0';
    }
    return text;
}

static int
snapshots_reserve_file(struct prf_snapshots *s)
{
    struct prf_snapshot_file *files =
        snapshots_reserve(s->files, s->n_files, &s->files_capacity, sizeof *s->files);
    s->files = files != NULL ? files : s->files;
    return files != NULL &&
                   snapshots_grow(s, &s->file_ids, s->n_files, snapshots_hash_file) == 0
               ? 0
               : -1;
}

/* Index of a file in files[]; takes `steal_text`. 0: no memory. */
static uint32_t
snapshots_file(struct prf_snapshots *s, char *steal_text)
{
    if (steal_text == NULL || snapshots_reserve_file(s) < 0) {
        free(steal_text);
        return 0;
    }
    uint64_t h = snapshots_hash(steal_text, strlen(steal_text));
    size_t i = (size_t)h & (s->file_ids.capacity - 1);
    for (; s->file_ids.slots[i] != 0; i = (i + 1) & (s->file_ids.capacity - 1)) {
        uint32_t id = s->file_ids.slots[i];
        if (strcmp(s->files[id].text, steal_text) == 0) {
            free(steal_text);
            return id;
        }
    }
    uint32_t code = prf_sink_code(s->sink, steal_text, "", "", 0, 0);
    if (code == 0) {
        free(steal_text);
        return 0;
    }
    s->files[s->n_files] = (struct prf_snapshot_file){steal_text, code};
    s->file_ids.slots[i] = (uint32_t)s->n_files;
    return (uint32_t)s->n_files++;
}

/* ---- the text of lines ---- */

struct snapshots_line {
    uint32_t code, line;
    const char *file;
};

static void
snapshots_write_line(struct prf_snapshots *s, const struct snapshots_line *at,
                     const char *line)
{
    char text[SNAPSHOTS_LINE + 48];
    snprintf(
        text, sizeof text, "%u %u\n%.*s", at->code, at->line,
        (int)(strlen(line) < SNAPSHOTS_LINE ? strcspn(line, "\r\n") : SNAPSHOTS_LINE),
        line);
    prf_sink_info(s->sink, PRF_INFO_SOURCE, text);
}

/* A case's file that cannot be read has no text. */
static void
snapshots_read_case(struct prf_snapshots *s, const char *case_file)
{
    struct prf_error ignored = {0};
    size_t size = 0, n = 1;
    if (case_file == NULL || case_file[0] == '\0' ||
        prf_file_read(case_file, &s->case_text, &size, &ignored) < 0) {
        prf_error_clear(&ignored);
        return;
    }
    for (const char *p = s->case_text; (p = strchr(p, '\n')) != NULL; p++) {
        n++;
    }
    s->case_file = strdup(case_file);
    s->case_lines = calloc(n, sizeof *s->case_lines);
    const char *line = s->case_text;
    for (size_t i = 0; s->case_lines != NULL && i < n && *line != '\0'; i++) {
        s->case_lines[i] = line;
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    s->n_case_lines = s->case_lines != NULL ? n : 0;
}

static bool
snapshots_is_case(const struct prf_snapshots *s, const char *file)
{
    return s->n_case_lines > 0 && s->case_file != NULL &&
           strcmp(s->case_file, file) == 0;
}

/* A line of the case's file is in a stack: its text, once. */
static void
snapshots_write_case_line(struct prf_snapshots *s, uint32_t file, uint32_t line)
{
    if (line == 0 || line > s->n_case_lines || s->case_lines[line - 1] == NULL ||
        !snapshots_is_case(s, s->files[file].text)) {
        return;
    }
    const struct snapshots_line at = {s->files[file].code, line, s->case_file};
    snapshots_write_line(s, &at, s->case_lines[line - 1]);
    s->case_lines[line - 1] = NULL;
}

/* ---- stacks ---- */

static uint32_t
snapshots_node(struct prf_snapshots *s, uint32_t parent, uint32_t code, uint32_t line)
{
    struct prf_rec_stack node = {.parent = parent, .code = code, .line = line};
    struct prf_rec_stack *nodes =
        snapshots_reserve(s->nodes, s->n_nodes, &s->nodes_capacity, sizeof node);
    s->nodes = nodes != NULL ? nodes : s->nodes;
    if (nodes == NULL ||
        snapshots_grow(s, &s->node_ids, s->n_nodes, snapshots_hash_node) < 0) {
        return 0;
    }
    size_t i = (size_t)snapshots_hash(&node, sizeof node) & (s->node_ids.capacity - 1);
    for (; s->node_ids.slots[i] != 0; i = (i + 1) & (s->node_ids.capacity - 1)) {
        uint32_t id = s->node_ids.slots[i];
        if (memcmp(&s->nodes[id], &node, sizeof node) == 0) {
            return id;
        }
    }
    struct prf_rec_stack *row = prf_rows_add(&s->stacks);
    if (row == NULL) {
        return 0;
    }
    *row = node;
    s->nodes[s->n_nodes] = node;
    s->node_ids.slots[i] = (uint32_t)s->n_nodes;
    return (uint32_t)s->n_nodes++;
}

/* Files by their str, while the strs of one snapshot live: most frames of a traceback
   are in a file that was just seen. */
struct snapshots_cache {
    PyObject *names[64]; /* borrowed from the traces */
    uint32_t files[64];
};

static uint32_t
snapshots_cached_file(struct prf_snapshots *s, struct snapshots_cache *cache,
                      PyObject *name)
{
    size_t i = ((uintptr_t)name >> 4 ^ (uintptr_t)name >> 10) & 63;
    if (name == NULL || cache->names[i] != name) {
        cache->files[i] = snapshots_file(s, snapshots_text(name));
        cache->names[i] = name;
    }
    return cache->files[i];
}

/* Stack of a traceback, outermost frame first. 0: no memory. UINT32_MAX: ours. */
static uint32_t
snapshots_stack(struct prf_snapshots *s, const struct prf_traces *traces,
                const void *traceback, struct snapshots_cache *cache)
{
    uint32_t stack = 0;
    for (unsigned i = prf_traces_n_frames(traces, traceback); i-- > 0;) {
        unsigned line;
        PyObject *name = prf_traces_frame(traces, traceback, i, &line);
        uint32_t file = snapshots_cached_file(s, cache, name);
        if (file == 0) {
            return 0;
        }
        if (i == 0 && s->own_folder != NULL &&
            strncmp(s->files[file].text, s->own_folder, strlen(s->own_folder)) == 0) {
            return UINT32_MAX;
        }
        stack = snapshots_node(s, stack, s->files[file].code, line);
        snapshots_write_case_line(s, file, line);
        if (stack == 0) {
            return 0;
        }
    }
    return stack;
}

uint32_t
prf_snapshots_stack(struct prf_snapshots *s, const void *traceback)
{
    const struct prf_traces tables = {0};
    struct snapshots_cache cache = {0};
    uint32_t stack = snapshots_stack(s, &tables, traceback, &cache);
    return stack == UINT32_MAX ? 0 : stack;
}

/* ---- taking one ---- */

static int
snapshots_list(struct prf_snapshots *s, const struct prf_traces *traces,
               struct prf_snapshot_rows *out)
{
    struct snapshots_cache cache = {0};
    out->rows = calloc(traces->n + 1, sizeof *out->rows);
    s->n_bytes = s->n_blocks = 0;
    for (size_t i = 0; out->rows != NULL && i < traces->capacity; i++) {
        const struct prf_trace_sum *sum = &traces->sums[i];
        if (sum->n_blocks == 0) {
            continue;
        }
        uint32_t stack = snapshots_stack(s, traces, sum->traceback, &cache);
        if (stack == 0) {
            s->sink->ops->lost(s->sink, (uint64_t)sum->n_blocks);
        } else if (stack != UINT32_MAX) {
            s->n_bytes += sum->n_bytes;
            s->n_blocks += sum->n_blocks;
            out->rows[out->n++] =
                (struct prf_snapshot_row){stack, sum->n_bytes, sum->n_blocks};
        }
    }
    return out->rows == NULL ? PRF_ENOMEM : 0;
}

static void
snapshots_write(struct prf_snapshots *s, const char *name, double at_ns,
                const struct prf_snapshot_rows *list)
{
    const struct prf_rec_snapshot head = {
        .at_ns = at_ns, .n_bytes = s->n_bytes, .n_blocks = s->n_blocks};
    uint32_t index = prf_sink_snapshot(s->sink, &head, name);
    for (size_t i = 0; index != UINT32_MAX && i < list->n; i++) {
        struct prf_rec_held *row = prf_rows_add(&s->held);
        if (row != NULL) {
            *row = (struct prf_rec_held){index, list->rows[i].stack,
                                         list->rows[i].n_bytes, list->rows[i].n_blocks};
        }
    }
}

int
prf_snapshots_take(struct prf_snapshots *s, const char *name, double at_ns,
                   struct prf_error *err)
{
    struct prf_traces traces;
    struct prf_snapshot_rows list = {0};
    int rc = prf_traces_take(&traces, err);
    if (rc == 0 && snapshots_list(s, &traces, &list) < 0) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory for a snapshot");
    }
    prf_traces_release(&traces);
    if (rc < 0) {
        free(list.rows);
        s->sink->ops->lost(s->sink, 1);
        return rc;
    }
    snapshots_write(s, name, at_ns, &list);
    struct prf_snapshot_rows *keep = s->n_taken++ == 0 ? &s->first : &s->last;
    free(keep->rows);
    *keep = list;
    return 0;
}

/* ---- sites ---- */

struct snapshots_site {
    uint32_t code, line;
    int64_t values[4];
};

static struct snapshots_site *
snapshots_add_sites(const struct prf_snapshots *s, const struct prf_snapshot_rows *list,
                    struct snapshots_site *out, bool first)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct prf_snapshot_row *row = &list->rows[i];
        const struct prf_rec_stack *node = &s->nodes[row->stack];
        int64_t n_bytes = first ? 0 : row->n_bytes,
                n_blocks = first ? 0 : row->n_blocks;
        int sign = first ? -1 : 1;
        *out++ = (struct snapshots_site){
            node->code,
            node->line,
            {n_bytes, n_blocks, sign * row->n_bytes, sign * row->n_blocks}};
    }
    return out;
}

static int
snapshots_compare_sites(const void *a, const void *b)
{
    const struct snapshots_site *x = a, *y = b;
    return x->code != y->code ? (x->code > y->code) - (x->code < y->code)
                              : (x->line > y->line) - (x->line < y->line);
}

void
prf_snapshots_write_sites(struct prf_snapshots *s)
{
    struct prf_rows sites;
    size_t n = s->first.n + s->last.n;
    prf_rows_init(&sites, s->sink, PRF_CHUNK_SITE, 8 + 4 * sizeof(int64_t));
    struct snapshots_site *list = calloc(n + 1, sizeof *list);
    if (list == NULL) {
        s->sink->ops->lost(s->sink, n);
        return;
    }
    snapshots_add_sites(s, &s->last, snapshots_add_sites(s, &s->first, list, true),
                        false);
    qsort(list, n, sizeof *list, snapshots_compare_sites);
    for (size_t i = 0; i < n;) {
        struct snapshots_site site = list[i++];
        for (; i < n && snapshots_compare_sites(&site, &list[i]) == 0; i++) {
            for (size_t c = 0; c < 4; c++) {
                site.values[c] += list[i].values[c];
            }
        }
        unsigned char *row =
            site.values[1] == 0 && site.values[3] == 0 ? NULL : prf_rows_add(&sites);
        if (row != NULL) {
            memcpy(row, &site, sizeof site);
        }
    }
    free(list);
}

/* ---- sources ---- */

static int
snapshots_compare_lines(const void *a, const void *b)
{
    const struct snapshots_line *x = a, *y = b;
    return x->code != y->code ? (x->code > y->code) - (x->code < y->code)
                              : (x->line > y->line) - (x->line < y->line);
}

/* Whatever a code object is named after: only a file is read, never a pipe. */
static FILE *
snapshots_open_file(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file =
        fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? fdopen(fd, "r") : NULL;
    if (file == NULL && fd >= 0) {
        close(fd);
    }
    return file;
}

/* The lines of one file, in order. */
static void
snapshots_write_file(struct prf_snapshots *s, const struct snapshots_line *lines,
                     size_t n)
{
    FILE *file = snapshots_is_case(s, lines[0].file)
                     ? NULL /* they are written */
                     : snapshots_open_file(lines[0].file);
    char *line = NULL;
    size_t size = 0, i = 0;
    for (uint32_t at = 1; file != NULL && i < n && getline(&line, &size, file) >= 0;
         at++) {
        for (; i < n && lines[i].line <= at; i++) {
            if (lines[i].line == at) {
                snapshots_write_line(s, &lines[i], line);
            }
        }
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
}

void
prf_snapshots_write_sources(struct prf_snapshots *s)
{
    size_t n = s->n_nodes - 1 < SNAPSHOTS_SOURCES ? s->n_nodes - 1 : SNAPSHOTS_SOURCES;
    struct snapshots_line *lines = calloc(n + 1, sizeof *lines);
    for (size_t i = 0; lines != NULL && i < n; i++) {
        lines[i] =
            (struct snapshots_line){s->nodes[i + 1].code, s->nodes[i + 1].line, ""};
        for (size_t f = 1; f < s->n_files; f++) {
            if (s->files[f].code == lines[i].code) {
                lines[i].file = s->files[f].text;
            }
        }
    }
    if (lines != NULL) {
        qsort(lines, n, sizeof *lines, snapshots_compare_lines);
    }
    for (size_t i = 0, end; lines != NULL && i < n; i = end) {
        size_t kept = i + 1;
        for (end = i + 1; end < n && lines[end].code == lines[i].code; end++) {
            if (lines[end].line != lines[kept - 1].line) {
                lines[kept++] = lines[end];
            }
        }
        snapshots_write_file(s, &lines[i], kept - i);
    }
    free(lines);
}

/* ---- life ---- */

/* The folder of our package, if it was imported. */
static char *
snapshots_own_folder(void)
{
    PyObject *modules = PyImport_GetModuleDict();                   /* borrowed */
    PyObject *module = PyDict_GetItemString(modules, "pyprofiler"); /* borrowed */
    PyObject *file = module ? PyObject_GetAttrString(module, "__file__") : NULL;
    char *text = file != NULL && PyUnicode_Check(file) ? snapshots_text(file) : NULL;
    char *slash = text != NULL ? strrchr(text, '/') : NULL;
    if (slash != NULL) {
        slash[1] = '\0';
    } else {
        free(text);
        text = NULL;
    }
    Py_XDECREF(file);
    PyErr_Clear();
    return text;
}

int
prf_snapshots_init(struct prf_snapshots *s, struct prf_sink *sink,
                   const char *case_file, struct prf_error *err)
{
    *s = (struct prf_snapshots){.sink = sink, .n_nodes = 1, .n_files = 1};
    prf_rows_init(&s->stacks, sink, PRF_CHUNK_STACK, sizeof(struct prf_rec_stack));
    prf_rows_init(&s->held, sink, PRF_CHUNK_HELD, sizeof(struct prf_rec_held));
    s->own_folder = snapshots_own_folder();
    snapshots_read_case(s, case_file);
    s->nodes = snapshots_reserve(NULL, 0, &s->nodes_capacity, sizeof *s->nodes);
    if (s->nodes == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    return 0;
}

void
prf_snapshots_release(struct prf_snapshots *s)
{
    for (size_t i = 1; i < s->n_files; i++) {
        free(s->files[i].text);
    }
    free(s->own_folder);
    free(s->case_file);
    free(s->case_text);
    free(s->case_lines);
    free(s->nodes);
    free(s->node_ids.slots);
    free(s->files);
    free(s->file_ids.slots);
    free(s->first.rows);
    free(s->last.rows);
    *s = (struct prf_snapshots){.n_nodes = 1, .n_files = 1};
}
