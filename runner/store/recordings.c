/* Packing, unpacking and sweeping recordings; see recordings.h. */
#include "recordings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <zstd.h>

#include "path.h"

#define RECORDINGS_PIECE ((size_t)1 << 20)
#define RECORDINGS_SUFFIX ".zst"
#define RECORDINGS_AGE_S 3600 /* no transaction takes that long */

/* ---- names ---- */

/* The folder of this database's recordings. */
static char *
recordings_folder(const struct prf_sqlite *s)
{
    const char *base = prf_path_basename(s->path);
    char *folder = prf_path_dirname(s->path), *name = NULL, *path = NULL;
    if (folder != NULL && strcmp(base, "results.db") == 0) {
        path = prf_path_join(folder, "recordings");
    } else if (folder != NULL && asprintf(&name, "%s-recordings", base) >= 0) {
        path = prf_path_join(folder, name);
        free(name);
    }
    free(folder);
    return path;
}

static char *
recordings_path(const struct prf_sqlite *s, const char *result_id)
{
    char *folder = recordings_folder(s), *path = NULL;
    if (folder != NULL &&
        asprintf(&path, "%s/%s" RECORDINGS_SUFFIX, folder, result_id) < 0) {
        path = NULL;
    }
    free(folder);
    return path;
}

static int
recordings_damaged(const struct prf_sqlite *s, const char *result_id,
                   struct prf_error *err)
{
    return prf_fail(err, PRF_ECORRUPT, "the recording of '%s' in '%s' is damaged",
                    result_id, s->path);
}

/* ---- packing ---- */

static int
recordings_pack_blob(const struct prf_result *result, struct prf_packed *out,
                     struct prf_error *err)
{
    size_t bound = ZSTD_compressBound(result->recording_size);
    if ((out->data = malloc(bound)) == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    out->size = ZSTD_compress(out->data, bound, result->recording,
                              result->recording_size, ZSTD_CLEVEL_DEFAULT);
    if (ZSTD_isError(out->size)) {
        return prf_fail(err, PRF_ESTORE, "cannot compress a recording: %s",
                        ZSTD_getErrorName(out->size));
    }
    out->encoding = PRF_ENCODING_BLOB;
    return 0;
}

static bool
recordings_write(int fd, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        p += n;
        size -= (size_t)n;
    }
    return true;
}

/* Compress piece by piece; NULL, or why not. */
static const char *
recordings_deflate(int fd, const struct prf_result *result, ZSTD_CCtx *zstd, char *room,
                   size_t room_size)
{
    const size_t size = result->recording_size;
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setPledgedSrcSize(zstd, size);
    for (size_t at = 0; at < size;) {
        size_t n = size - at < RECORDINGS_PIECE ? size - at : RECORDINGS_PIECE;
        ZSTD_inBuffer in = {(const char *)result->recording + at, n, 0};
        ZSTD_EndDirective mode = at + n == size ? ZSTD_e_end : ZSTD_e_continue;
        size_t left;
        do {
            ZSTD_outBuffer out = {room, room_size, 0};
            left = ZSTD_compressStream2(zstd, &out, &in, mode);
            if (ZSTD_isError(left)) {
                return ZSTD_getErrorName(left);
            }
            if (!recordings_write(fd, room, out.pos)) {
                return strerror(errno);
            }
        } while (mode == ZSTD_e_end ? left != 0 : in.pos < in.size);
        if (result->recording_mapped) {
            prf_pages_give_back(result->recording, at, at + n);
        }
        at += n;
    }
    return NULL;
}

/* The folder with its new entry is on the disk too. */
static int
recordings_sync_folder(const struct prf_sqlite *s)
{
    char *folder = recordings_folder(s);
    int fd = folder == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0) {
        close(fd);
    }
    free(folder);
    return rc;
}

static int
recordings_make_file(struct prf_sqlite *s, const char *result_id, char **path,
                     struct prf_error *err)
{
    char *folder = recordings_folder(s), *name = recordings_path(s, result_id);
    int fd = -1;
    if (folder == NULL || name == NULL) {
        prf_fail(err, PRF_ENOMEM, "out of memory");
        goto out;
    }
    (void)mkdir(folder, 0777); /* an error is that of the file */
    fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (fd < 0) { /* one that exists is another result's, and stays */
        prf_fail(err, PRF_ESTORE, "cannot write '%s': %s", name, strerror(errno));
        goto out;
    }
    *path = name;
    name = NULL;
out:
    free(folder);
    free(name);
    return fd;
}

static int
recordings_pack_file(struct prf_sqlite *s, const struct prf_result *result,
                     struct prf_packed *out, struct prf_error *err)
{
    size_t room_size = ZSTD_CStreamOutSize();
    char *room = malloc(room_size);
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    int rc = 0, fd = -1;
    if (room == NULL || zstd == NULL) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
        goto out;
    }
    fd = recordings_make_file(s, result->id, &out->path, err);
    if (fd < 0) {
        rc = PRF_ESTORE;
        goto out;
    }
    const char *why = recordings_deflate(fd, result, zstd, room, room_size);
    if (why == NULL && (fsync(fd) < 0 || recordings_sync_folder(s) < 0)) {
        why = strerror(errno);
    }
    if (why != NULL) {
        rc = prf_fail(err, PRF_ESTORE, "cannot write '%s': %s", out->path, why);
    }
    out->encoding = PRF_ENCODING_FILE;
out:
    if (fd >= 0) {
        close(fd);
    }
    ZSTD_freeCCtx(zstd);
    free(room);
    return rc;
}

int
prf_recordings_pack(struct prf_sqlite *s, const struct prf_result *result,
                    struct prf_packed *out, struct prf_error *err)
{
    *out = (struct prf_packed){0};
    if (result->recording == NULL) {
        return 0;
    }
    return result->recording_size > PRF_RECORDING_INLINE
               ? recordings_pack_file(s, result, out, err)
               : recordings_pack_blob(result, out, err);
}

void
prf_recordings_release(struct prf_packed *packed, bool keep)
{
    if (packed->path != NULL && !keep) {
        unlink(packed->path);
    }
    free(packed->path);
    free(packed->data);
    *packed = (struct prf_packed){0};
}

/* ---- unpacking ---- */

/* A file without a name: short ones need no disk. */
static int
recordings_unnamed(size_t want)
{
    const char *tmp = getenv("TMPDIR");
    char path[4096];
    if (want <= PRF_RECORDING_INLINE) {
        return memfd_create("recording", MFD_CLOEXEC);
    }
    tmp = tmp == NULL || *tmp == '\0' ? "/tmp" : tmp;
    int fd = open(tmp, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 &&
        snprintf(path, sizeof path, "%s/pyprofiler-XXXXXX", tmp) < (int)sizeof path) {
        fd = mkostemp(path, O_CLOEXEC); /* not every file system has O_TMPFILE */
        if (fd >= 0) {
            unlink(path);
        }
    }
    return fd;
}

/* Where packed bytes come from: memory, or a file. */
struct recordings_input {
    int fd; /* -1: `in` has all of it from the beginning */
    ZSTD_inBuffer in;
    char *room;
};

/* More input: false when there is none. */
static bool
recordings_read(struct recordings_input *input)
{
    if (input->in.pos < input->in.size) {
        return true;
    }
    ssize_t n = input->fd < 0 ? 0 : read(input->fd, input->room, RECORDINGS_PIECE);
    if (n <= 0) {
        return false;
    }
    input->in = (ZSTD_inBuffer){input->room, (size_t)n, 0};
    return true;
}

/* Exactly `want` bytes into `fd`. PRF_ECORRUPT, PRF_ESTORE, without a text. */
static int
recordings_inflate(struct recordings_input *input, ZSTD_DCtx *zstd, char *room,
                   size_t want, int fd)
{
    size_t done = 0, left = 1;
    while (left != 0) {
        if (!recordings_read(input)) {
            return PRF_ECORRUPT;
        }
        ZSTD_outBuffer out = {room, RECORDINGS_PIECE, 0};
        left = ZSTD_decompressStream(zstd, &out, &input->in);
        if (ZSTD_isError(left) || out.pos > want - done) {
            return PRF_ECORRUPT;
        }
        if (!recordings_write(fd, room, out.pos)) {
            return PRF_ESTORE;
        }
        done += out.pos;
    }
    return done == want ? 0 : PRF_ECORRUPT;
}

static int
recordings_map(int fd, size_t size, struct prf_recording_map *out,
               struct prf_error *err)
{
    void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        return prf_fail(err, PRF_ENOMEM, "cannot map a recording of %zu bytes: %s",
                        size, strerror(errno));
    }
    *out = (struct prf_recording_map){data, size};
    return 0;
}

/* What both ways have in common, from the opened input to the mapping. */
static int
recordings_unpack_from(const struct prf_sqlite *s, const char *result_id,
                       struct recordings_input *input, size_t want,
                       struct prf_recording_map *out, struct prf_error *err)
{
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    char *room = malloc(RECORDINGS_PIECE);
    int fd = -1, rc = PRF_ENOMEM;
    input->room = malloc(RECORDINGS_PIECE);
    if (zstd == NULL || room == NULL || input->room == NULL) {
        prf_fail(err, rc, "out of memory");
        goto out;
    }
    fd = recordings_unnamed(want);
    rc = fd < 0 ? PRF_ESTORE : recordings_inflate(input, zstd, room, want, fd);
    if (rc == PRF_ESTORE) {
        prf_fail(err, rc,
                 "cannot unpack the recording of '%s' to a temporary file: %s; set "
                 "TMPDIR to a folder with %zu MiB of room",
                 result_id, strerror(errno), (want >> 20) + 1);
    } else if (rc == PRF_ECORRUPT) {
        recordings_damaged(s, result_id, err);
    } else {
        rc = recordings_map(fd, want, out, err);
    }
out:
    if (fd >= 0) {
        close(fd);
    }
    free(input->room);
    free(room);
    ZSTD_freeDCtx(zstd);
    return rc;
}

static int
recordings_unpack_file(struct prf_sqlite *s, const char *result_id, size_t want,
                       struct prf_recording_map *out, struct prf_error *err)
{
    char *path = recordings_path(s, result_id);
    if (path == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    struct recordings_input input = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    int rc = input.fd < 0
                 ? prf_fail(err, errno == ENOENT ? PRF_ECORRUPT : PRF_ESTORE,
                            "cannot read '%s', the recording of '%s': %s", path,
                            result_id, strerror(errno))
                 : recordings_unpack_from(s, result_id, &input, want, out, err);
    if (input.fd >= 0) {
        close(input.fd);
    }
    free(path);
    return rc;
}

int
prf_recordings_unpack(struct prf_sqlite *s, const char *result_id,
                      const struct prf_packed *packed, size_t want,
                      struct prf_recording_map *out, struct prf_error *err)
{
    if (want == 0) {
        return recordings_damaged(s, result_id, err);
    }
    if (strcmp(packed->encoding, PRF_ENCODING_FILE) == 0) {
        return recordings_unpack_file(s, result_id, want, out, err);
    }
    if (strcmp(packed->encoding, PRF_ENCODING_BLOB) != 0) {
        return recordings_damaged(s, result_id, err);
    }
    struct recordings_input input = {-1, {packed->data, packed->size, 0}, NULL};
    return recordings_unpack_from(s, result_id, &input, want, out, err);
}

/* ---- sweeping ---- */

/* Is it an old file of a result that is not in the store? `name` is cut to the id. */
static bool
recordings_is_orphan(struct prf_sqlite *s, int folder, char *name)
{
    static const char sql[] = "SELECT 1 FROM result WHERE id = ?";
    struct stat st;
    struct prf_error ignored = {0};
    size_t n = strlen(name), m = strlen(RECORDINGS_SUFFIX);
    if (n <= m || strcmp(name + n - m, RECORDINGS_SUFFIX) != 0 ||
        fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
        st.st_mtime > time(NULL) - RECORDINGS_AGE_S) {
        return false;
    }
    name[n - m] = '\0';
    return prf_sql_integers(s, sql, PRF_ARGS(PRF_TEXT(name)), NULL, 0, &ignored) == 0;
}

void
prf_recordings_sweep(struct prf_sqlite *s)
{
    char *folder = recordings_folder(s);
    DIR *dir = folder == NULL ? NULL : opendir(folder);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char name[sizeof entry->d_name];
        snprintf(name, sizeof name, "%s", entry->d_name);
        if (recordings_is_orphan(s, dirfd(dir), name)) {
            unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    free(folder);
}
