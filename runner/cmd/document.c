/* Output files; see document.h. */
#include "document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "path.h"
#include "strbuf.h"

static bool
document_is_stdout(const char *path)
{
    return path == NULL || strcmp(path, "-") == 0;
}

/* A device or pipe is written to as it is. */
static bool
document_is_special(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

int
prf_document_check(const char *path, unsigned flags, struct prf_error *err)
{
    if (document_is_stdout(path)) {
        return (flags & PRF_DOCUMENT_BINARY) && isatty(STDOUT_FILENO)
                   ? prf_fail(err, PRF_EUSAGE,
                              "this format is binary and standard output is "
                              "a terminal; use -o FILE")
                   : 0;
    }
    if (prf_path_is_dir(path)) {
        return prf_fail(err, PRF_EUSAGE, "'%s' is a folder; -o takes a file", path);
    }
    if (prf_path_exists(path) && !document_is_special(path) &&
        !(flags & PRF_DOCUMENT_FORCE)) {
        return prf_fail(err, PRF_EUSAGE, "'%s' exists; use -f to overwrite it", path);
    }
    char *folder = prf_path_dirname(path);
    bool good = folder != NULL && prf_path_is_dir(folder);
    int rc = good ? 0
                  : prf_fail(err, PRF_EUSAGE,
                             "'%s' cannot be written: there is no folder '%s'", path,
                             folder == NULL ? "" : folder);
    free(folder);
    return rc;
}

int
prf_document_open(struct prf_document *document, const char *path, unsigned flags,
                  struct prf_error *err)
{
    *document = (struct prf_document){.flags = flags};
    int rc = prf_document_check(path, flags, err);
    if (rc < 0) {
        return rc;
    }
    if (document_is_stdout(path)) {
        document->file = stdout;
        return 0;
    }
    document->path = strdup(path);
    bool in_place = document_is_special(path);
    if (!in_place &&
        asprintf(&document->temporary, "%s.%d.tmp", path, (int)getpid()) < 0) {
        document->temporary = NULL;
    }
    if (document->path == NULL || (!in_place && document->temporary == NULL)) {
        prf_document_close(document);
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    document->file = fopen(in_place ? path : document->temporary, "we");
    if (document->file == NULL) {
        rc = prf_fail(err, PRF_EIO, "cannot write '%s': %s", path, strerror(errno));
        prf_document_close(document);
    }
    return rc;
}

static int
document_rename(const struct prf_document *document)
{
    if (document->flags & PRF_DOCUMENT_FORCE) {
        return rename(document->temporary, document->path);
    }
    /* somebody may have made the file in the meantime */
    int rc = renameat2(AT_FDCWD, document->temporary, AT_FDCWD, document->path,
                       RENAME_NOREPLACE);
    if (rc < 0 &&
        (errno == EINVAL || errno == ENOSYS)) { /* not every file system can */
        rc = rename(document->temporary, document->path);
    }
    return rc;
}

int
prf_document_commit(struct prf_document *document, struct prf_error *err)
{
    FILE *file = document->file;
    int rc = 0;
    errno = 0;
    if (fflush(file) != 0 || ferror(file)) {
        rc = prf_fail(err, PRF_EIO, "cannot write '%s': %s",
                      document->path == NULL ? "standard output" : document->path,
                      strerror(errno));
    }
    if (document->path == NULL) {
        document->file = NULL;
        return rc;
    }
    document->file = NULL;
    if (fclose(file) != 0) {
        rc = prf_fail(err, PRF_EIO, "cannot write '%s': %s", document->path,
                      strerror(errno));
    }
    if (rc == 0 && document->temporary != NULL) {
        if (document_rename(document) < 0) {
            rc = prf_fail(err, PRF_EIO, "cannot write '%s': %s", document->path,
                          strerror(errno));
        } else {
            free(document->temporary);
            document->temporary = NULL;
        }
    }
    prf_document_close(document);
    return rc;
}

void
prf_document_close(struct prf_document *document)
{
    if (document->file != NULL && document->path != NULL) {
        fclose(document->file);
    }
    if (document->temporary != NULL) {
        unlink(document->temporary);
    }
    free(document->temporary);
    free(document->path);
    *document = (struct prf_document){0};
}

char *
prf_document_name(const char *case_id, const char *extension)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    const char *colons = strstr(case_id, "::");
    const char *start = case_id;
    for (const char *p = start; *p != '\0' && p != colons; p++) {
        start = *p == '/' ? p + 1 : start;
    }
    for (const char *p = start; *p != '\0'; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || *p == '_' || *p == '=' ||
                     (*p == '.' && sb.len > 0); /* no hidden file */
        if (strncmp(p, ".py::", 5) == 0) {
            p += 2;
            continue;
        }
        if (plain || (sb.len > 0 && sb.data[sb.len - 1] != '-')) {
            prf_strbuf_addc(&sb, plain ? *p : '-');
        }
    }
    while (sb.len > 0 && sb.data[sb.len - 1] == '-') {
        sb.data[--sb.len] = '\0';
    }
    prf_strbuf_adds(&sb, extension);
    return prf_strbuf_steal(&sb);
}
