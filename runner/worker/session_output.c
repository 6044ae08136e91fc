/* What a finished session measured: as the runner's tables, as any of the exporters'
   formats. */
#include "session_state.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "exporter.h"
#include "pyerr.h"
#include "reader.h"
#include "report.h"

/* ---- the result ---- */

struct output {
    struct prf_result result;
    void *data; /* the recording, mapped; NULL: it was not */
    size_t size;
    char *options; /* JSON */
};

/* The texts of one option as JSON: a text, or an array when a list was given. */
static json_t *
output_option_value(PyObject *value)
{
    json_t *texts = json_array();
    bool list = PyList_Check(value);
    Py_ssize_t n = list ? PyList_GET_SIZE(value) : 1;
    for (Py_ssize_t i = 0; i < n; i++) {
        char *text = prf_pyerr_text(list ? PyList_GET_ITEM(value, i) : value);
        json_array_append_new(texts, json_string(text != NULL ? text : ""));
        free(text);
    }
    json_t *out = list ? json_incref(texts) : json_incref(json_array_get(texts, 0));
    json_decref(texts);
    return out;
}

/* The options as a result has them; NULL: no memory. */
static char *
output_options_json(const struct prf_session_object *s)
{
    json_t *object = json_object();
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(s->options, &at, &name, &value)) {
        char *key = prf_pyerr_text(name);
        const struct prf_option *option =
            key != NULL ? prf_options_find(s->backend->options, key) : NULL;
        if (option != NULL) {
            json_object_set_new(object, option->name, output_option_value(value));
        }
        free(key);
    }
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text;
}

/* Events stay in the recording, so whoever writes them needs it. */
static int
output_map(struct output *o, const char *path, struct prf_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 || fstat(fd, &st) < 0 ? -1 : 0;
    void *data = rc == 0 ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0)
                         : MAP_FAILED;
    if (data == MAP_FAILED) {
        rc = prf_fail(err, PRF_EIO, "cannot read the recording '%s': %m", path);
    } else {
        o->data = data;
        o->size = (size_t)st.st_size;
    }
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

static void
output_release(struct output *o)
{
    prf_result_release(&o->result);
    if (o->data != NULL) {
        munmap(o->data, o->size);
    }
    free(o->options);
    *o = (struct output){0};
}

static int
output_open(struct output *o, struct prf_session_object *s, struct prf_error *err)
{
    const struct prf_session_outcome good = {.status = "ok"};
    *o = (struct output){
        .result = {.id = "", .case_id = s->label, .profiler = s->backend->name}};
    int rc = prf_session_finish(s, &good, err);
    rc = rc < 0 ? rc : output_map(o, s->path, err);
    rc = rc < 0 ? rc : prf_recording_parse(o->data, o->size, &o->result.profile, err);
    if (rc < 0) {
        return rc;
    }
    const struct prf_profile *profile = o->result.profile;
    int status = profile->status != NULL ? prf_status_parse(profile->status) : -1;
    o->result.options = o->options = output_options_json(s);
    o->result.case_file = s->file[0] != '\0' ? s->file : NULL;
    o->result.status = status < 0 ? PRF_STATUS_OK : (enum prf_status)status;
    o->result.reason = profile->reason;
    o->result.traceback = profile->traceback;
    o->result.duration_ns = profile->duration_ns;
    o->result.recording = o->data;
    o->result.recording_size = o->size;
    return 0;
}

/* ---- the report ---- */

static int
output_report(const struct output *o, char **text, struct prf_error *err)
{
    size_t size = 0;
    const struct prf_style style = {.width = 80};
    const struct prf_export_options options = {0};
    FILE *out = open_memstream(text, &size);
    if (out == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory for a report");
    }
    int rc = prf_report_result(out, &style, &o->result, &options, err);
    if (fclose(out) != 0 && rc == 0) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory for a report");
    }
    return rc;
}

PyObject *
prf_session_report(struct prf_session_object *s)
{
    struct prf_error err = {0};
    struct output o;
    char *text = NULL;
    PyObject *str = NULL;
    int rc = output_open(&o, s, &err);
    rc = rc < 0 ? rc : output_report(&o, &text, &err);
    if (rc == 0) {
        str = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    } else {
        prf_session_raise(&err);
    }
    output_release(&o);
    free(text);
    return str;
}

/* ---- formats ---- */

/* Names of what this result can be written as, separated by blanks; the caller's. */
static char *
output_formats(const struct prf_result *result)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    for (size_t i = 0; out != NULL && prf_exporters[i] != NULL; i++) {
        struct prf_error ignored = {0};
        if (prf_exporter_check(prf_exporters[i], result, &ignored) == 0) {
            fprintf(out, "%s%s", ftell(out) > 0 ? " " : "", prf_exporters[i]->name);
        }
    }
    if (out != NULL) {
        fclose(out);
    }
    return text;
}

PyObject *
prf_session_formats(struct prf_session_object *s)
{
    struct prf_error err = {0};
    struct output o;
    PyObject *list = NULL;
    if (output_open(&o, s, &err) < 0) {
        prf_session_raise(&err);
    } else {
        char *names = output_formats(&o.result);
        PyObject *str = PyUnicode_FromString(names != NULL ? names : "");
        list = str != NULL ? PyUnicode_Split(str, NULL, -1) : NULL;
        Py_XDECREF(str);
        free(names);
    }
    output_release(&o);
    return list;
}

/* The options of an export; texts are borrowed from the dict's values. */
struct output_choice {
    struct prf_export_options options;
    char *picture;
};

/* 0, or -1 with an exception. */
static int
output_text(PyObject *value, const char *name, const char **out)
{
    *out = value == Py_None         ? NULL
           : PyUnicode_Check(value) ? PyUnicode_AsUTF8(value)
                                    : NULL;
    if (*out == NULL && value != Py_None && !PyErr_Occurred()) {
        PyErr_Format(PyExc_TypeError, "%s must be a str or None, not %.100s", name,
                     Py_TYPE(value)->tp_name);
    }
    return PyErr_Occurred() ? -1 : 0;
}

static int
output_flag(PyObject *value, bool *out)
{
    int truth = PyObject_IsTrue(value);
    *out = truth > 0;
    return truth < 0 ? -1 : 0;
}

static int
output_number(PyObject *value, size_t *out)
{
    *out = PyLong_AsSize_t(value);
    return PyErr_Occurred() ? -1 : 0;
}

/* Options of pictures travel as a JSON object of texts. */
static int
output_picture(PyObject *value, char **out)
{
    json_t *object = json_object();
    PyObject *name, *text;
    Py_ssize_t at = 0;
    if (!PyDict_Check(value)) {
        json_decref(object);
        PyErr_Format(PyExc_TypeError, "picture must be a dict, not %.100s",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    while (PyDict_Next(value, &at, &name, &text)) {
        char *key = prf_pyerr_text(name);
        if (key != NULL) {
            json_object_set_new(object, key, output_option_value(text));
        }
        free(key);
    }
    *out = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return 0;
}

static int
output_choose(struct output_choice *c, const char *name, PyObject *value)
{
    if (strcmp(name, "sort") == 0) {
        return output_text(value, name, &c->options.sort);
    }
    if (strcmp(name, "time_unit") == 0) {
        return output_text(value, name, &c->options.time_unit);
    }
    if (strcmp(name, "top_k") == 0) {
        return output_number(value, &c->options.top_k);
    }
    if (strcmp(name, "strip_dirs") == 0) {
        return output_flag(value, &c->options.strip_dirs);
    }
    if (strcmp(name, "color") == 0) {
        return output_flag(value, &c->options.color);
    }
    if (strcmp(name, "picture") == 0) {
        int rc = output_picture(value, &c->picture);
        c->options.picture = c->picture;
        return rc;
    }
    PyErr_Format(PyExc_TypeError,
                 "export() has no option '%s'; it takes sort, top_k, strip_dirs, "
                 "time_unit, color, picture",
                 name);
    return -1;
}

static int
output_choices(struct output_choice *c, PyObject *options)
{
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (options != NULL && PyDict_Next(options, &at, &name, &value)) {
        const char *text = PyUnicode_AsUTF8(name);
        if (text == NULL || output_choose(c, text, value) < 0) {
            return -1;
        }
    }
    return 0;
}

/* What the result lacks, and what it can be written as. */
static int
output_check(const struct prf_exporter *exporter, const struct prf_result *result,
             struct prf_error *err)
{
    struct prf_error why = {0};
    if (prf_exporter_check(exporter, result, &why) == 0) {
        return 0;
    }
    char *names = output_formats(result);
    int rc = prf_fail(err, PRF_EUSAGE, "%s; this result can be written as: %s",
                      why.text, names != NULL ? names : "?");
    free(names);
    return rc;
}

static int
output_write(const struct output *o, const struct prf_exporter *exporter,
             const struct prf_export_options *options, char **data, size_t *size,
             struct prf_error *err)
{
    const struct prf_run run = {.id = "", .python.host = "python"};
    const struct prf_result *results[] = {&o->result};
    FILE *out = open_memstream(data, size);
    if (out == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory for an export");
    }
    int rc = prf_export(exporter, &run, results, 1, options, out, err);
    if (fclose(out) != 0 && rc == 0) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory for an export");
    }
    return rc;
}

PyObject *
prf_session_export(struct prf_session_object *s, const char *format, PyObject *options)
{
    struct prf_error err = {0};
    struct output o = {0};
    struct output_choice choice = {0};
    const struct prf_exporter *exporter = NULL;
    char *data = NULL;
    size_t size = 0;
    PyObject *bytes = NULL;
    int rc = prf_exporter_find(format, &exporter, &err);
    rc = rc < 0 ? rc : output_open(&o, s, &err);
    rc = rc < 0 ? rc : output_check(exporter, &o.result, &err);
    if (rc == 0 && output_choices(&choice, options) < 0) {
        goto out; /* the exception is set */
    }
    rc = rc < 0 ? rc : output_write(&o, exporter, &choice.options, &data, &size, &err);
    if (rc == 0) {
        bytes = PyBytes_FromStringAndSize(data, (Py_ssize_t)size);
    } else {
        prf_session_raise(&err);
    }
out:
    output_release(&o);
    free(choice.picture);
    free(data);
    return bytes;
}
