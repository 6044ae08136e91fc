/* Files that are replaced as a whole; see outfile.h. */
#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUTFILE_TRIES 1000u

static int
outfile_raise(const struct prf_outfile *file)
{
    PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, file->name);
    return -1;
}

/* Where a link leads, or the path itself. */
static char *
outfile_resolve(const char *path)
{
    char *real = realpath(path, NULL);
    return real != NULL ? real : strdup(path);
}

/* A new file in the folder of `path`; its descriptor, and its name in *made. */
static int
outfile_make(const char *path, char **made)
{
    const char *slash = strrchr(path, '/');
    int folder = slash == NULL ? 0 : (int)(slash - path) + 1;
    for (unsigned i = 0; i < OUTFILE_TRIES; i++) {
        if (asprintf(made, "%.*s.pyprofiler-%ld-%u.tmp", folder, path, (long)getpid(),
                     i) < 0) {
            *made = NULL;
            errno = ENOMEM;
            return -1;
        }
        int fd = open(*made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            return fd;
        }
        free(*made);
        *made = NULL;
        if (errno != EEXIST) {
            return -1;
        }
    }
    return -1;
}

static int
outfile_open_fd(struct prf_outfile *file)
{
    struct stat st;
    bool there = stat(file->path, &st) == 0;
    if (there && S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return -1;
    }
    if (there && !S_ISREG(st.st_mode)) {
        return open(file->path, O_WRONLY | O_CLOEXEC);
    }
    if (there && access(file->path, W_OK) < 0) {
        return -1; /* a file that is not to be written is not replaced either */
    }
    int fd = outfile_make(file->path, &file->temporary);
    if (fd >= 0 && there) {
        fchmod(fd, st.st_mode & 07777); /* best effort: it may be another user's */
    }
    return fd;
}

static void
outfile_release(struct prf_outfile *file)
{
    Py_CLEAR(file->name);
    free(file->path);
    free(file->temporary);
    *file = (struct prf_outfile){0};
}

int
prf_outfile_open(PyObject *filename, struct prf_outfile *file)
{
    PyObject *bytes = NULL;
    *file = (struct prf_outfile){0};
    if (!PyUnicode_FSConverter(filename, &bytes)) {
        return -1;
    }
    file->name = Py_NewRef(filename);
    file->path = outfile_resolve(PyBytes_AS_STRING(bytes));
    Py_DECREF(bytes);
    if (file->path == NULL) {
        outfile_release(file);
        PyErr_NoMemory();
        return -1;
    }
    int fd = outfile_open_fd(file);
    file->out = fd < 0 ? NULL : fdopen(fd, "w");
    if (file->out == NULL) {
        outfile_raise(file);
        if (fd >= 0) {
            close(fd);
        }
        if (file->temporary != NULL) {
            unlink(file->temporary);
        }
        outfile_release(file);
        return -1;
    }
    return 0;
}

int
prf_outfile_close(struct prf_outfile *file)
{
    int rc = PyErr_Occurred() ? -1 : 0;
    errno = 0;
    bool failed = fflush(file->out) != 0 || ferror(file->out);
    int why = errno;
    if (fclose(file->out) != 0 && !failed) {
        failed = true;
        why = errno;
    }
    if (rc == 0 && !failed && file->temporary != NULL &&
        rename(file->temporary, file->path) < 0) {
        failed = true;
        why = errno;
    }
    if (rc == 0 && failed) {
        errno = why != 0 ? why : EIO;
        rc = outfile_raise(file);
    }
    if (rc < 0 && file->temporary != NULL) {
        unlink(file->temporary);
    }
    outfile_release(file);
    return rc;
}
