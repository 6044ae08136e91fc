/* The files of sessions: one folder for the process while there is a recording in it,
   gone with the last one, or with the interpreter. A forked child has copies of the
   sessions and no business with their files. */
#include "session_state.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog.h"
#include "clock.h"
#include "codes.h"
#include "path.h"
#include "tempdir.h"

/* Protected by the GIL, but for the child's side of a fork. */
static struct prf_session_object *with_files;
static struct prf_tempdir folder;
static size_t n_in_folder;
static unsigned long n_made; /* names are never used twice */
static pid_t folder_owner;

/* ---- the folder ---- */

static void
files_forget_folder(void)
{
    prf_tempdir_release(&folder);
    n_in_folder = 0;
}

/* The program may have closed our descriptor and opened something under its number. */
static void
files_check_lock(void)
{
    struct stat ours, now;
    char *name = folder.path != NULL ? prf_path_join(folder.path, "lock") : NULL;
    if (folder.lock >= 0 &&
        (name == NULL || stat(name, &ours) < 0 || fstat(folder.lock, &now) < 0 ||
         ours.st_ino != now.st_ino || ours.st_dev != now.st_dev)) {
        folder.lock = -1;
    }
    free(name);
}

static void
files_remove_folder(void)
{
    if (folder.path == NULL) {
        return;
    }
    files_check_lock();
    if (folder_owner == getpid()) {
        prf_tempdir_remove(&folder);
    } else {
        files_forget_folder();
    }
}

static int
files_open_folder(struct prf_error *err)
{
    if (folder.path != NULL && folder_owner != getpid()) {
        files_check_lock();
        files_forget_folder();
    }
    if (folder.path != NULL) {
        return 0;
    }
    const char *named = getenv("TMPDIR");
    char *parent =
        prf_path_absolute(named != NULL && named[0] != '\0' ? named : "/tmp");
    int rc = parent == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                            : prf_tempdir_open(&folder, parent, "session-", err);
    folder_owner = getpid();
    free(parent);
    return rc;
}

/* ---- the list ---- */

static void
files_link(struct prf_session_object *s)
{
    s->next = with_files;
    s->link = &with_files;
    if (s->next != NULL) {
        s->next->link = &s->next;
    }
    with_files = s;
}

static void
files_unlink(struct prf_session_object *s)
{
    if (s->link != NULL) {
        *s->link = s->next;
        if (s->next != NULL) {
            s->next->link = s->link;
        }
    }
    s->next = NULL;
    s->link = NULL;
}

const struct prf_session_object *
prf_session_measuring(const struct prf_backend *backend)
{
    for (struct prf_session_object *s = with_files; s != NULL; s = s->next) {
        if (s->backend == backend && s->phase == PRF_SESSION_MEASURING) {
            return s;
        }
    }
    return NULL;
}

/* ---- one file ---- */

int
prf_session_file_open(struct prf_session_object *s, struct prf_error *err)
{
    int fd = -1;
    int rc = files_open_folder(err);
    if (rc < 0) {
        return rc;
    }
    if (asprintf(&s->path, "%s/%lu", folder.path, ++n_made) < 0) {
        s->path = NULL;
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    s->owner = getpid();
    s->kept = false;
    n_in_folder++;
    files_link(s);
    fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return prf_fail(err, PRF_EIO, "cannot make a recording '%s': %s", s->path,
                        strerror(errno));
    }
    close(fd);
    return prf_writer_open(s->path, prf_clock_ns_per_tick(), &s->writer, err);
}

void
prf_session_file_close(struct prf_session_object *s)
{
    struct prf_writer *writer = s->writer;
    s->writer = NULL; /* first: a fork in between finds it gone */
    prf_writer_close(writer);
}

static void
files_leave_folder(struct prf_session_object *s)
{
    if (s->owner == folder_owner && n_in_folder > 0 && --n_in_folder == 0) {
        files_remove_folder();
    }
}

void
prf_session_file_remove(struct prf_session_object *s)
{
    prf_session_file_close(s);
    files_unlink(s);
    if (s->path != NULL && s->owner == getpid() && !s->kept) {
        unlink(s->path);
        files_leave_folder(s);
    }
    free(s->path);
    s->path = NULL;
}

static int
files_copy(const char *from, const char *to, struct prf_error *err)
{
    char buffer[65536];
    ssize_t n = -1;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    while (in >= 0 && out >= 0 && (n = read(in, buffer, sizeof buffer)) > 0) {
        if (write(out, buffer, (size_t)n) != n) {
            n = -1;
            break;
        }
    }
    int rc = n == 0 ? 0
                    : prf_fail(err, PRF_EIO, "cannot write the recording to '%s': %s",
                               to, strerror(errno));
    if (in >= 0) {
        close(in);
    }
    if (out >= 0) {
        close(out);
    }
    return rc;
}

int
prf_session_file_keep(struct prf_session_object *s, const char *path,
                      struct prf_error *err)
{
    char *absolute = prf_path_absolute(path);
    int rc = absolute == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                              : files_copy(s->path, absolute, err);
    if (rc == 0 && !s->kept) {
        unlink(s->path);
        files_leave_folder(s);
    }
    if (rc == 0) {
        free(s->path);
        s->path = absolute;
        absolute = NULL;
        s->kept = true;
    }
    free(absolute);
    return rc;
}

/* ---- fork and exit ---- */

/* In the child: what its copies of the hooks still write is nobody's. */
static void
files_after_fork(void)
{
    for (struct prf_session_object *s = with_files; s != NULL; s = s->next) {
        if (s->writer != NULL) {
            prf_writer_detach(s->writer);
        }
    }
}

static struct prf_session_object *
files_first_measuring(void)
{
    struct prf_session_object *s = with_files;
    while (s != NULL && (s->phase != PRF_SESSION_MEASURING || s->busy)) {
        s = s->next;
    }
    return s;
}

/* While Python can still be called: no hook outlives it. */
static PyObject *
files_stop_all(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    struct prf_session_object *s;
    while ((s = files_first_measuring()) != NULL) { /* others may come and go */
        struct prf_error ignored_err = {0};
        Py_INCREF(s);
        prf_session_stop(s, &ignored_err);
        Py_DECREF(s);
    }
    Py_RETURN_NONE;
}

static PyMethodDef files_stop_all_def = {"sessions_end", files_stop_all, METH_NOARGS,
                                         NULL};

/* After Python: handlers of the program may have read results until here. */
static void
files_end(void)
{
    files_remove_folder();
}

static int
files_at_exit(void)
{
    PyObject *module = PyImport_ImportModule("atexit");
    PyObject *function = module ? PyCFunction_New(&files_stop_all_def, NULL) : NULL;
    PyObject *done =
        function ? PyObject_CallMethod(module, "register", "O", function) : NULL;
    Py_XDECREF(done);
    Py_XDECREF(function);
    Py_XDECREF(module);
    return done != NULL ? Py_AtExit(files_end) : -1;
}

int
prf_session_prepare(void)
{
    static bool prepared;
    if (prepared) {
        return 0;
    }
    prf_clock_init();
    prf_catalog_load();
    if (pthread_atfork(NULL, NULL, files_after_fork) != 0) {
        PyErr_NoMemory();
        return -1;
    }
    if (files_at_exit() < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_RuntimeError, "too many functions run at exit");
        }
        return -1;
    }
    prf_codes_hide(&files_stop_all_def);
    prepared = true;
    return 0;
}
