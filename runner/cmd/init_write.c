/* See init_write.h. */
#include "init_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "init_templates.h"
#include "path.h"

void
prf_init_say(const struct prf_init_writer *w, const char *format, ...)
{
    va_list args;
    if ((w->flags & PRF_INIT_QUIET) != 0) {
        return;
    }
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static int
write_all(const char *path, int flags, const char *text, struct prf_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);
    size_t size = strlen(text);
    if (fd < 0) {
        return prf_fail(err, PRF_EIO, "cannot write '%s': %s", path, strerror(errno));
    }
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno != EINTR) {
            int rc =
                prf_fail(err, PRF_EIO, "cannot write '%s': %s", path, strerror(errno));
            close(fd);
            return rc;
        }
        text += n < 0 ? 0 : n;
        size -= n < 0 ? 0 : (size_t)n;
    }
    return close(fd) == 0
               ? 0
               : prf_fail(err, PRF_EIO, "cannot write '%s': %s", path, strerror(errno));
}

static int
write_new(const char *path, const char *text, struct prf_error *err)
{
    char *folder = prf_path_dirname(path);
    int rc = folder == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                            : prf_path_mkdirs(folder, err);
    free(folder);
    return rc < 0 ? rc : write_all(path, O_TRUNC, text, err);
}

/* Is it one that we wrote? The mark stands in its first lines. */
static bool
write_is_ours(const char *path)
{
    char *text = NULL;
    bool ours = prf_file_read(path, &text, NULL, NULL) == 0 &&
                strstr(text, PRF_INIT_MARK) != NULL;
    free(text);
    return ours;
}

int
prf_init_write_file(const struct prf_init_writer *w, const char *name, const char *text,
                    struct prf_error *err)
{
    bool dry = (w->flags & PRF_INIT_DRY_RUN) != 0;
    char *path = prf_path_join(w->root, name);
    int rc = path == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
    bool there = rc == 0 && prf_path_exists(path);
    bool again = there && (w->flags & PRF_INIT_FORCE) != 0 && write_is_ours(path);
    if (rc == 0 && there && !again) {
        prf_init_say(w, "there already: %s%s", name,
                     (w->flags & PRF_INIT_FORCE) != 0 ? ", and not ours" : "");
    } else if (rc == 0) {
        rc = dry ? 0 : write_new(path, text, err);
        if (rc == 0) {
            prf_init_say(w, "%s %s%s", dry ? "would make" : "made", name,
                         again ? ", again" : "");
        }
    }
    free(path);
    return rc;
}

/* What separates the text from the one before: an empty line, after a line that lacks
   its end too. It also ends a line that goes on with a backslash. */
static const char *
append_separator(const char *path, bool *there)
{
    char *text = NULL;
    size_t size = 0;
    *there = prf_file_read(path, &text, &size, NULL) == 0;
    const char *separator = !*there || size == 0     ? ""
                            : text[size - 1] == '\n' ? "\n"
                                                     : "\n\n";
    free(text);
    return separator;
}

int
prf_init_append(const struct prf_init_writer *w, const char *name, const char *text,
                const char *what, struct prf_error *err)
{
    bool dry = (w->flags & PRF_INIT_DRY_RUN) != 0;
    bool there = false;
    char *path = prf_path_join(w->root, name);
    char *added = NULL;
    int rc = 0;
    if (path == NULL ||
        asprintf(&added, "%s%s", append_separator(path, &there), text) < 0) {
        added = NULL;
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    } else if (!dry) {
        rc = write_all(path, O_APPEND, added, err);
    }
    if (rc == 0 && there) {
        prf_init_say(w, "%s %s to %s", dry ? "would add" : "added", what, name);
    } else if (rc == 0) {
        prf_init_say(w, "%s %s, with %s", dry ? "would make" : "made", name, what);
    }
    free(added);
    free(path);
    return rc;
}
