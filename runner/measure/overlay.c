/* Copying cases into a checkout; see overlay.h. */
#include "overlay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "path.h"

/* What is copied of a folder. */
enum overlay_mode {
    OVERLAY_ALL,     /* replaces what is there */
    OVERLAY_MISSING, /* what is there stays */
};

static int
overlay_fail(const char *doing, const char *path, struct prf_error *err)
{
    return prf_fail(err, PRF_EIO, "cannot %s '%s': %s", doing, path, strerror(errno));
}

/* A real folder at `path`: a link or file of that name makes way, because what is
   written behind a link may be the user's. */
static int
overlay_folder(const char *path, struct prf_error *err)
{
    struct stat st;
    if (lstat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode)) {
            return 0;
        }
        if (unlink(path) < 0) {
            return overlay_fail("replace", path, err);
        }
    }
    return mkdir(path, 0777) < 0 && errno != EEXIST ? overlay_fail("make", path, err)
                                                    : 0;
}

/* All folders from the checkout down to the one that holds checkout/relative. */
static int
overlay_parents(const char *checkout, const char *relative, struct prf_error *err)
{
    char *path = prf_path_join(checkout, relative);
    int rc = path == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
    for (char *p = path == NULL ? NULL : path + strlen(checkout) + 1;
         rc == 0 && (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        rc = overlay_folder(path, err);
        *p = '/';
    }
    free(path);
    return rc;
}

static int
overlay_bytes(int in, int out, const char *to, struct prf_error *err)
{
    char buf[65536];
    for (;;) {
        ssize_t n = read(in, buf, sizeof buf);
        if (n == 0) {
            return 0;
        }
        for (ssize_t at = 0, m; at < n; at += m) {
            m = write(out, buf + at, (size_t)(n - at));
            if (m < 0) {
                return overlay_fail("write", to, err);
            }
        }
        if (n < 0) {
            return overlay_fail("copy to", to, err);
        }
    }
}

static int
overlay_file(const char *from, const char *to, mode_t mode, struct prf_error *err)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = -1, rc = 0;
    if (in < 0) {
        return overlay_fail("read", from, err);
    }
    if (unlink(to) < 0 && errno == EISDIR) {
        prf_path_remove_tree(to);
    }
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0777);
    rc = out < 0 ? overlay_fail("make", to, err) : overlay_bytes(in, out, to, err);
    if (out >= 0 && close(out) < 0 && rc == 0) {
        rc = overlay_fail("write", to, err);
    }
    close(in);
    return rc;
}

static int
overlay_link(const char *from, const char *to, struct prf_error *err)
{
    char target[PATH_MAX];
    ssize_t n = readlink(from, target, sizeof target - 1);
    if (n < 0) {
        return overlay_fail("read", from, err);
    }
    target[n] = '\0';
    if (unlink(to) < 0 && errno == EISDIR) {
        prf_path_remove_tree(to);
    }
    return symlink(target, to) < 0 ? overlay_fail("make", to, err) : 0;
}

static bool
overlay_has(const char *folder, const char *name)
{
    char *path = prf_path_join(folder, name);
    bool there = path != NULL && prf_path_exists(path);
    free(path);
    return there;
}

/* Folders that are nobody's source. */
static bool
overlay_is_skipped(const char *path, const char *name)
{
    static const char *const names[] = {".git", ".hg", ".pyprofiler", "__pycache__",
                                        "node_modules"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return overlay_has(path, "pyvenv.cfg");
}

static int overlay_entry(const char *from, const char *to, const char *name,
                         enum overlay_mode mode, struct prf_error *err);

static int
overlay_children(const char *from, const char *to, enum overlay_mode mode,
                 struct prf_error *err)
{
    struct dirent **entries = NULL;
    int n = scandir(from, &entries, NULL, alphasort);
    int rc = n < 0 ? overlay_fail("read", from, err) : 0;
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        char *a = prf_path_join(from, name), *b = prf_path_join(to, name);
        bool real = strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
        if (rc == 0 && real) {
            rc = a == NULL || b == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                                        : overlay_entry(a, b, name, mode, err);
        }
        free(a);
        free(b);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

static int
overlay_entry(const char *from, const char *to, const char *name,
              enum overlay_mode mode, struct prf_error *err)
{
    struct stat st, there;
    if (lstat(from, &st) < 0) {
        return overlay_fail("read", from, err);
    }
    bool exists = lstat(to, &there) == 0;
    if (S_ISDIR(st.st_mode)) {
        if (overlay_is_skipped(from, name)) {
            return 0;
        }
        if (mode == OVERLAY_MISSING && exists && !S_ISDIR(there.st_mode)) {
            return 0;
        }
        int rc = overlay_folder(to, err);
        return rc < 0 ? rc : overlay_children(from, to, mode, err);
    }
    if (mode == OVERLAY_MISSING && exists) {
        return 0;
    }
    if (S_ISLNK(st.st_mode)) {
        return overlay_link(from, to, err);
    }
    /* pipes and sockets are of somebody who runs now */
    return S_ISREG(st.st_mode) ? overlay_file(from, to, st.st_mode, err) : 0;
}

/* Part of `path` below `root`, or NULL; borrowed. */
static const char *
overlay_relative(const char *root, const char *path)
{
    size_t n = strlen(root);
    n -= n > 0 && root[n - 1] == '/';
    bool below = strncmp(root, path, n) == 0 && path[n] == '/' && path[n + 1] != '\0';
    return below ? path + n + 1 : NULL;
}

static int
overlay_copy(const char *root, const char *path, const char *checkout,
             enum overlay_mode mode, struct prf_error *err)
{
    const char *relative = overlay_relative(root, path);
    if (relative == NULL) {
        return 0;
    }
    char *to = prf_path_join(checkout, relative);
    int rc = to == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                        : overlay_parents(checkout, relative, err);
    if (rc == 0) {
        rc = overlay_entry(path, to, prf_path_basename(path), mode, err);
    }
    free(to);
    return rc;
}

int
prf_overlay_path(const char *root, const char *path, const char *checkout,
                 struct prf_error *err)
{
    return overlay_copy(root, path, checkout, OVERLAY_ALL, err);
}

/* The packages that the file lies in need their __init__.py. */
static int
overlay_packages(const char *root, const char *folder, const char *checkout,
                 struct prf_error *err)
{
    char *at = strdup(folder);
    int rc = 0;
    while (rc == 0 && at != NULL && overlay_relative(root, at) != NULL &&
           overlay_has(at, "__init__.py")) {
        char *init = prf_path_join(at, "__init__.py");
        char *up = prf_path_dirname(at);
        rc = init == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                          : overlay_copy(root, init, checkout, OVERLAY_MISSING, err);
        free(init);
        free(at);
        at = up;
    }
    free(at);
    return rc;
}

int
prf_overlay_case_file(const char *root, const char *path, const char *checkout,
                      struct prf_error *err)
{
    char *folder = prf_path_dirname(path);
    const char *relative = folder == NULL ? NULL : overlay_relative(root, folder);
    char *there = relative == NULL ? NULL : prf_path_join(checkout, relative);
    int rc = folder == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
    if (rc == 0 && there != NULL) {
        bool project = overlay_has(folder, "__init__.py") ||
                       overlay_has(folder, "pyproject.toml") ||
                       overlay_has(folder, "setup.py");
        if (!project || !prf_path_exists(there)) {
            rc = overlay_copy(root, folder, checkout, OVERLAY_MISSING, err);
        }
    }
    if (rc == 0) {
        rc = overlay_packages(root, folder, checkout, err);
    }
    if (rc == 0) {
        rc = overlay_copy(root, path, checkout, OVERLAY_ALL, err);
    }
    free(there);
    free(folder);
    return rc;
}
