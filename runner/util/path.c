/* Paths as text, and small files; see path.h. */
#include "path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *
prf_path_join(const char *folder, const char *name)
{
    size_t n = strlen(folder);
    bool slash = n > 0 && folder[n - 1] == '/';
    char *path = NULL;
    if (asprintf(&path, "%s%s%s", folder, n == 0 || slash ? "" : "/", name) < 0) {
        return NULL;
    }
    return path;
}

const char *
prf_path_basename(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

char *
prf_path_dirname(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return strdup(".");
    }
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

char *
prf_path_absolute(const char *path)
{
    char *whole;
    if (path[0] == '/') {
        whole = strdup(path);
    } else {
        char *cwd = getcwd(NULL, 0);
        whole = cwd == NULL ? NULL : prf_path_join(cwd, path);
        free(cwd);
    }
    if (whole == NULL) {
        return NULL;
    }
    char *out = whole; /* never longer than what was read, so it can be done in place */
    for (const char *p = whole; *p != '\0';) {
        size_t len = strcspn(p, "/");
        if (len == 2 && p[0] == '.' && p[1] == '.') {
            while (out > whole && *--out != '/') {
            }
        } else if (len > 0 && !(len == 1 && p[0] == '.')) {
            *out++ = '/';
            memmove(out, p, len);
            out += len;
        }
        p += len;
        while (*p == '/') {
            p++;
        }
    }
    if (out == whole) {
        *out++ = '/';
    }
    *out = '\0';
    return whole;
}

char *
prf_path_relative(const char *path, const char *root)
{
    size_t n = strlen(root);
    while (n > 0 && root[n - 1] == '/') {
        n--;
    }
    if (strncmp(path, root, n) == 0 && path[n] == '/') {
        return strdup(path + n + 1);
    }
    return strdup(path);
}

bool
prf_path_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool
prf_path_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int
prf_path_mkdirs(const char *path, struct prf_error *err)
{
    char *copy = strdup(path);
    if (copy == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    int rc = 0;
    for (char *p = copy + 1; rc == 0; p++) {
        char c = *p;
        if (c != '/' && c != '\0') {
            continue;
        }
        *p = '\0';
        if (mkdir(copy, 0777) < 0 && errno != EEXIST && !prf_path_is_dir(copy)) {
            rc = prf_fail(err, PRF_EIO, "cannot make folder '%s': %s", copy,
                          strerror(errno));
        }
        *p = c;
        if (c == '\0') {
            break;
        }
    }
    if (rc == 0 && !prf_path_is_dir(path)) {
        rc = prf_fail(err, PRF_EIO, "cannot make folder '%s': a file is in its place",
                      path);
    }
    free(copy);
    return rc;
}

int
prf_file_read(const char *path, char **data, size_t *size, struct prf_error *err)
{
    int rc = 0;
    char *buf = NULL;
    size_t len = 0, room = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return prf_fail(err, errno == ENOENT ? PRF_ENOTFOUND : PRF_EIO,
                        "cannot read '%s': %s", path, strerror(errno));
    }
    struct stat st;
    if (fstat(fd, &st) == 0 && st.st_size > 0) {
        room = (size_t)st.st_size;
    }
    for (;;) {
        if (buf == NULL || len == room) { /* files of /proc say they are empty */
            room = room < 4096 ? 4096 : room + (buf == NULL ? 0 : room);
            char *more = realloc(buf, room + 1);
            if (more == NULL) {
                rc = prf_fail(err, PRF_ENOMEM, "cannot read '%s': out of memory", path);
                goto out;
            }
            buf = more;
        }
        ssize_t n = read(fd, buf + len, room - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            rc = prf_fail(err, PRF_EIO, "cannot read '%s': %s", path, strerror(errno));
            goto out;
        }
        if (n == 0) {
            break;
        }
        len += (size_t)n;
    }
    buf[len] = '\0';
    *data = buf;
    if (size != NULL) {
        *size = len;
    }
    buf = NULL;
out:
    free(buf);
    close(fd);
    return rc;
}

/* Removes what is in the folder that `fd` is open on (and closes it). */
static void
path_empty(int fd)
{
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        if (unlinkat(dirfd(dir), e->d_name, 0) == 0) {
            continue;
        }
        int sub = openat(dirfd(dir), e->d_name,
                         O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub >= 0) {
            path_empty(sub);
            unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR);
        }
    }
    closedir(dir);
}

void
prf_path_remove_tree(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        path_empty(fd);
        rmdir(path);
    }
}

char *
prf_path_find_program(const char *name)
{
    const char *path = getenv("PATH");
    char *copy = strdup(path == NULL ? "/usr/local/bin:/usr/bin:/bin" : path);
    char *found = NULL, *rest = copy;
    for (char *dir; found == NULL && (dir = strsep(&rest, ":")) != NULL;) {
        char *candidate = prf_path_join(*dir == '\0' ? "." : dir, name);
        if (candidate != NULL && access(candidate, X_OK) == 0 &&
            !prf_path_is_dir(candidate)) {
            found = prf_path_absolute(candidate);
        }
        free(candidate);
    }
    free(copy);
    return found;
}
