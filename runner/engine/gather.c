/* Taking in the recordings of child processes; see gather.h. */
#include "gather.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pyprofiler/recording.h>

#include "path.h"

#define GATHER_PIECE ((size_t)1 << 20)

struct gather_child {
    char *path;
    uint64_t start_ns; /* 0: there is no recording in it */
    uint64_t size;     /* of what was committed */
};

struct gather_list {
    struct gather_child *items;
    size_t n;
};

static void
gather_release(struct gather_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        unlink(list->items[i].path);
        free(list->items[i].path);
    }
    free(list->items);
    *list = (struct gather_list){0};
}

/* The head of a recording, whose file has that many bytes; false: it is none. */
static bool
gather_read_head(int fd, struct prf_rec_header *head, uint64_t *size)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size < (off_t)PRF_RECORDING_HEADER ||
        pread(fd, head, sizeof *head, 0) != (ssize_t)sizeof *head ||
        memcmp(head->magic, PRF_RECORDING_MAGIC, sizeof PRF_RECORDING_MAGIC) != 0 ||
        head->version != PRF_RECORDING_VERSION) {
        return false;
    }
    uint64_t committed = atomic_load(&head->committed);
    *size = committed < (uint64_t)st.st_size ? committed : (uint64_t)st.st_size;
    return *size >= PRF_RECORDING_HEADER;
}

static int
gather_add(struct gather_list *list, const char *folder, const char *name)
{
    struct gather_child *items = realloc(list->items, (list->n + 1) * sizeof *items);
    if (items == NULL) {
        return PRF_ENOMEM;
    }
    list->items = items;
    struct gather_child *child = &items[list->n];
    *child = (struct gather_child){.path = prf_path_join(folder, name)};
    if (child->path == NULL) {
        return PRF_ENOMEM;
    }
    list->n++;
    struct prf_rec_header head;
    int fd = open(child->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && gather_read_head(fd, &head, &child->size)) {
        child->start_ns = head.start_ns == 0 ? 1 : head.start_ns;
    }
    if (fd >= 0) {
        close(fd);
    }
    return 0;
}

static int
gather_compare(const void *left, const void *right)
{
    const struct gather_child *a = left, *b = right;
    if (a->start_ns != b->start_ns) {
        return a->start_ns < b->start_ns ? -1 : 1;
    }
    return strcmp(a->path, b->path);
}

static int
gather_find(const char *recording, struct gather_list *list)
{
    const char *base = prf_path_basename(recording);
    char *folder = prf_path_dirname(recording);
    size_t n = strlen(base);
    DIR *dir = folder == NULL ? NULL : opendir(folder);
    int rc = folder == NULL ? PRF_ENOMEM : 0;
    struct dirent *entry;
    while (rc == 0 && dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, base, n) == 0 && entry->d_name[n] == '.') {
            rc = gather_add(list, folder, entry->d_name);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    free(folder);
    if (list->n > 0) {
        qsort(list->items, list->n, sizeof *list->items, gather_compare);
    }
    return rc;
}

static bool
gather_write(int fd, const void *data, size_t size, uint64_t offset)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = pwrite(fd, p, size, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return false;
        }
        p += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return true;
}

static bool
gather_copy(int to, uint64_t offset, int from, uint64_t size, char *piece)
{
    for (uint64_t at = 0; at < size;) {
        size_t want = size - at < GATHER_PIECE ? (size_t)(size - at) : GATHER_PIECE;
        ssize_t n = pread(from, piece, want, (off_t)at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? EIO : errno;
            return false;
        }
        if (!gather_write(to, piece, (size_t)n, offset + at)) {
            return false;
        }
        at += (uint64_t)n;
    }
    return true;
}

/* One child as a chunk at the end; committed when all of it is there. */
static bool
gather_append(int fd, uint64_t *end, const struct gather_child *child, char *piece)
{
    uint64_t whole = sizeof(struct prf_chunk) + child->size;
    whole = (whole + PRF_CHUNK_ALIGN - 1) & ~(uint64_t)(PRF_CHUNK_ALIGN - 1);
    struct prf_chunk head = {.kind = PRF_CHUNK_PROCESS,
                             .capacity = whole - sizeof head,
                             .used = child->size};
    uint64_t after = *end + whole;
    struct stat st;
    int from = open(child->path, O_RDONLY | O_CLOEXEC);
    bool good = from >= 0 && fstat(fd, &st) == 0 &&
                ((uint64_t)st.st_size >= after || ftruncate(fd, (off_t)after) == 0) &&
                gather_write(fd, &head, sizeof head, *end) &&
                gather_copy(fd, *end + sizeof head, from, child->size, piece) &&
                gather_write(fd, &after, sizeof after,
                             offsetof(struct prf_rec_header, committed));
    int why = errno;
    if (from >= 0) {
        close(from);
    }
    errno = why;
    *end = good ? after : *end;
    return good;
}

static int
gather_all(int fd, uint64_t end, struct gather_list *list, struct prf_gathered *out,
           struct prf_error *err)
{
    char *piece = malloc(GATHER_PIECE);
    int rc = piece == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
    for (size_t i = 0; i < list->n && rc == 0; i++) {
        const struct gather_child *child = &list->items[i];
        if (child->start_ns == 0) {
            out->n_bad++;
        } else if (gather_append(fd, &end, child, piece)) {
            out->n++;
        } else {
            rc = prf_fail(err, PRF_EIO, "cannot copy '%s': %s",
                          prf_path_basename(child->path), strerror(errno));
        }
        unlink(child->path); /* at once: twice the disk would be taken otherwise */
    }
    free(piece);
    return rc;
}

int
prf_gather_children(const char *recording, struct prf_gathered *out,
                    struct prf_error *err)
{
    struct gather_list list = {0};
    struct prf_rec_header head;
    uint64_t end;
    int fd = -1;
    *out = (struct prf_gathered){0};
    int rc = gather_find(recording, &list);
    if (rc < 0) {
        prf_fail(err, rc, "out of memory");
        goto out;
    }
    if (list.n == 0) {
        goto out;
    }
    fd = open(recording, O_RDWR | O_CLOEXEC);
    if (fd < 0 || !gather_read_head(fd, &head, &end)) {
        out->n_bad = list.n; /* the case left no recording to put them in */
        goto out;
    }
    rc = gather_all(fd, end, &list, out, err);
out:
    if (fd >= 0) {
        close(fd);
    }
    gather_release(&list);
    return rc;
}

void
prf_gather_remove(const char *recording)
{
    struct gather_list list = {0};
    (void)gather_find(recording, &list);
    gather_release(&list);
}
