/* The private folder of a run; see scratch.h. */
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
prf_scratch_open(struct prf_scratch *scratch, struct prf_error *err)
{
    const char *tmp = getenv("TMPDIR");
    *scratch = (struct prf_scratch){.dir = {.lock = -1}};
    int rc = prf_tempdir_open(&scratch->dir, tmp == NULL || *tmp == '\0' ? "/tmp" : tmp,
                              "", err);
    scratch->folder = scratch->dir.path;
    return rc;
}

int
prf_scratch_file(struct prf_scratch *scratch, const char *kind, char **path,
                 struct prf_error *err)
{
    char *name = NULL;
    if (asprintf(&name, "%s/%06u.%s", scratch->folder, scratch->n++, kind) < 0) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    int fd = open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        int rc = prf_fail(err, PRF_EIO, "cannot make '%s': %s", name, strerror(errno));
        free(name);
        return rc;
    }
    close(fd);
    *path = name;
    return 0;
}

void
prf_scratch_close(struct prf_scratch *scratch)
{
    prf_tempdir_remove(&scratch->dir);
    *scratch = (struct prf_scratch){0};
}
