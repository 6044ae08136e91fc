/* A recording as Python data, for tests. */
#include "host.h"

#include "reader.h"

PyObject *
prf_host_raise(const struct prf_error *err)
{
    return PyErr_Format(PyExc_RuntimeError, "%d: %s", err->code, err->text);
}

int
prf_host_append(PyObject *list, PyObject *item)
{
    int rc = item ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    return rc;
}

static int
host_set(PyObject *dict, const char *key, PyObject *value)
{
    int rc = value ? PyDict_SetItemString(dict, key, value) : -1;
    Py_XDECREF(value);
    return rc;
}

static PyObject *
host_code(const struct prf_function *code)
{
    return Py_BuildValue("(sIs)", code->file, code->first_line,
                         code->file[0] ? code->name : code->qualname);
}

static int
host_columns(PyObject *row, const struct prf_column *columns, size_t n,
             const int64_t *values)
{
    int rc = 0;
    for (size_t c = 0; rc == 0 && c < n; c++) {
        rc = host_set(row, columns[c].name, PyLong_FromLongLong(values[c]));
    }
    return rc;
}

static PyObject *
host_table(const struct prf_profile *p, const struct prf_table *table, bool edges)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < table->n; i++) {
        PyObject *row = PyDict_New();
        if (row == NULL ||
            host_set(row, edges ? "caller" : "code",
                     host_code(&p->codes[table->keys[i].code])) < 0 ||
            (!edges && host_set(row, "line",
                                PyLong_FromUnsignedLong(table->keys[i].other)) < 0) ||
            (edges &&
             host_set(row, "callee", host_code(&p->codes[table->keys[i].other])) < 0) ||
            (!edges && host_set(row, "line",
                                PyLong_FromUnsignedLong(table->keys[i].other)) < 0) ||
            host_columns(row, table->columns, table->n_columns,
                         table->values + i * table->n_columns) < 0 ||
            PyList_Append(list, row) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(row);
    }
    return list;
}

static PyObject *
host_metrics(const struct prf_profile *p)
{
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i < p->n_metrics; i++) {
        const struct prf_metric_values *m = &p->metrics[i];
        PyObject *samples = PyList_New(0);
        for (size_t k = 0; samples != NULL && k < m->n; k++) {
            if (prf_host_append(samples, PyFloat_FromDouble(m->samples[k])) < 0) {
                Py_CLEAR(samples);
            }
        }
        PyObject *value =
            samples ? Py_BuildValue("{sssNsn}", "unit", m->unit, "samples", samples,
                                    "warmup", (Py_ssize_t)m->n_warmup)
                    : NULL;
        if (host_set(dict, m->name, value) < 0) {
            Py_CLEAR(dict);
        }
    }
    return dict;
}

static PyObject *
host_marks(const struct prf_profile *p)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < p->n_marks; i++) {
        const struct prf_mark *m = &p->marks[i];
        if (prf_host_append(list, Py_BuildValue("(sddI)", m->name, m->at_ns,
                                                m->delta_ns, m->n)) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* [(name, process, [at_ns], [value])] */
static PyObject *
host_series(const struct prf_profile *p)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < p->n_series; i++) {
        const struct prf_series *s = &p->series[i];
        PyObject *at = PyList_New(0), *values = PyList_New(0);
        int rc = at == NULL || values == NULL ? -1 : 0;
        for (size_t k = 0; rc == 0 && k < s->n; k++) {
            rc = prf_host_append(at, PyLong_FromUnsignedLongLong(s->at_ns[k]));
            rc =
                rc < 0 ? rc : prf_host_append(values, PyFloat_FromDouble(s->values[k]));
        }
        if (rc < 0 || prf_host_append(list, Py_BuildValue("(sINN)", s->name, s->process,
                                                          at, values)) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *
host_notes(const struct prf_profile *p)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < p->n_notes; i++) {
        if (prf_host_append(list, PyUnicode_FromString(p->notes[i])) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* ((file, line), ...), innermost frame last. */
static PyObject *
host_stack(const struct prf_profile *p, uint32_t stack)
{
    PyObject *list = PyList_New(0);
    for (; list != NULL && stack != 0; stack = p->stacks[stack].parent) {
        const struct prf_stack *frame = &p->stacks[stack];
        if (prf_host_append(list, Py_BuildValue("(sI)", p->codes[frame->code].file,
                                                frame->line)) < 0) {
            Py_CLEAR(list);
        }
    }
    PyObject *tuple = NULL;
    if (list != NULL && PyList_Reverse(list) == 0) {
        tuple = PyList_AsTuple(list);
    }
    Py_XDECREF(list);
    return tuple;
}

/* [(name, bytes, blocks, [(bytes, blocks, stack), ...]), ...] */
static PyObject *
host_snapshots(const struct prf_profile *p)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < p->n_snapshots; i++) {
        const struct prf_snapshot *s = &p->snapshots[i];
        PyObject *held = PyList_New(0);
        for (size_t k = 0; held != NULL && k < s->n; k++) {
            if (prf_host_append(held,
                                Py_BuildValue("(LLN)", (long long)s->held[k].n_bytes,
                                              (long long)s->held[k].n_blocks,
                                              host_stack(p, s->held[k].stack))) < 0) {
                Py_CLEAR(held);
            }
        }
        if (held == NULL ||
            prf_host_append(list,
                            Py_BuildValue("(sLLN)", s->name, (long long)s->n_bytes,
                                          (long long)s->n_blocks, held)) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *
host_profile(const struct prf_profile *p)
{
    PyObject *dict = PyDict_New();
    if (dict == NULL || host_set(dict, "sites", host_table(p, &p->sites, false)) < 0 ||
        host_set(dict, "edges", host_table(p, &p->edges, true)) < 0 ||
        host_set(dict, "metrics", host_metrics(p)) < 0 ||
        host_set(dict, "marks", host_marks(p)) < 0 ||
        host_set(dict, "notes", host_notes(p)) < 0 ||
        host_set(dict, "series", host_series(p)) < 0 ||
        host_set(dict, "snapshots", host_snapshots(p)) < 0 ||
        host_set(dict, "peak", host_stack(p, p->peak_stack)) < 0 ||
        host_set(dict, "nodes", PyLong_FromSize_t(p->tree.n)) < 0 ||
        host_set(dict, "lost", PyLong_FromUnsignedLongLong(p->n_lost)) < 0 ||
        host_set(dict, "rounds", Py_BuildValue("s", p->rounds)) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

PyObject *
prf_host_read(PyObject *Py_UNUSED(module), PyObject *path)
{
    struct prf_error err = {0};
    struct prf_profile *profile = NULL;
    const char *text = PyUnicode_AsUTF8(path);
    if (text == NULL) {
        return NULL;
    }
    if (prf_recording_read(text, &profile, &err) < 0) {
        return prf_host_raise(&err);
    }
    PyObject *result = host_profile(profile);
    prf_profile_free(profile);
    return result;
}
