/* Private temporary folders; see tempdir.h. */
#include "tempdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "path.h"

#define TEMPDIR_LOCK "lock"

/* Ours, and nobody holds its lock: who made it was killed. */
static void
tempdir_sweep_one(const char *path)
{
    struct stat st;
    char *name = prf_path_join(path, TEMPDIR_LOCK);
    int fd = name == NULL || lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) ||
                     st.st_uid != geteuid()
                 ? -1
                 : open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        prf_path_remove_tree(path);
    }
    if (fd >= 0) {
        close(fd);
    }
    free(name);
}

static void
tempdir_sweep(const char *parent)
{
    DIR *dir = opendir(parent);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, PRF_TEMPDIR_PREFIX, strlen(PRF_TEMPDIR_PREFIX)) ==
            0) {
            char *path = prf_path_join(parent, entry->d_name);
            if (path != NULL) {
                tempdir_sweep_one(path);
            }
            free(path);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

/* It gets its name once it is held: somebody may sweep at this moment. A file system
   without locks has folders that are never swept. */
static void
tempdir_lock(struct prf_tempdir *dir)
{
    char *name = prf_path_join(dir->path, TEMPDIR_LOCK);
    char *first = prf_path_join(dir->path, TEMPDIR_LOCK ".new");
    if (name != NULL && first != NULL) {
        dir->lock = open(first, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (dir->lock >= 0 &&
            (flock(dir->lock, LOCK_EX | LOCK_NB) < 0 || rename(first, name) < 0)) {
            unlink(first);
        }
    }
    free(first);
    free(name);
}

int
prf_tempdir_open(struct prf_tempdir *out, const char *parent, const char *kind,
                 struct prf_error *err)
{
    char *name = NULL;
    bool locked = out->lock != PRF_TEMPDIR_UNLOCKED;
    out->path = NULL;
    out->lock = -1;
    tempdir_sweep(parent);
    if (asprintf(&name, "%s/" PRF_TEMPDIR_PREFIX "%sXXXXXX", parent, kind) < 0) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    char *path = prf_path_absolute(name);
    free(name);
    if (path == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    if (mkdtemp(path) == NULL) {
        int rc = prf_fail(err, PRF_EIO,
                          "cannot make a temporary folder '%s': %s; set TMPDIR to a "
                          "folder that can be written",
                          path, strerror(errno));
        free(path);
        return rc;
    }
    out->path = path;
    if (locked) {
        tempdir_lock(out);
    }
    return 0;
}

void
prf_tempdir_release(struct prf_tempdir *dir)
{
    if (dir->path != NULL && dir->lock >= 0) {
        close(dir->lock);
    }
    free(dir->path);
    *dir = (struct prf_tempdir){.lock = -1};
}

void
prf_tempdir_remove(struct prf_tempdir *dir)
{
    if (dir->path != NULL) {
        prf_path_remove_tree(dir->path);
    }
    prf_tempdir_release(dir);
}
