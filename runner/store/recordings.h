/* Recordings in the store: short ones in the database, long ones in files beside it,
   both compressed. Neither way takes memory that grows with them. */
#ifndef PRF_RECORDINGS_H
#define PRF_RECORDINGS_H

#include "events.h" /* prf_pages_give_back */
#include "sqlite_store.h"

#define PRF_RECORDING_INLINE                                                           \
    ((size_t)4 << 20) /* bytes of the longest in the database */

#define PRF_ENCODING_BLOB "zstd"
#define PRF_ENCODING_FILE "zstd-file" /* the artifact's data is empty */

/* What goes into the artifact's row. */
struct prf_packed {
    const char *encoding; /* NULL: there is no recording */
    void *data;           /* owned */
    size_t size;
    char *path; /* of the file that was written, owned; NULL: none */
};

/* Compress the result's recording. A file is on the disk when this returns: a row that
   names it may be committed. PRF_ENOMEM, PRF_ESTORE; release it in any case. */
int prf_recordings_pack(struct prf_sqlite *s, const struct prf_result *result,
                        struct prf_packed *out, struct prf_error *err);

/* With `keep` 0 the file is deleted: its row was not committed. */
void prf_recordings_release(struct prf_packed *packed, bool keep);

/* The row's recording, which has `want` bytes, as a mapping. PRF_ECORRUPT, PRF_ENOMEM,
   PRF_ESTORE. */
int prf_recordings_unpack(struct prf_sqlite *s, const char *result_id,
                          const struct prf_packed *packed, size_t want,
                          struct prf_recording_map *out, struct prf_error *err);

/* Delete files whose result is not in the store: a writer was killed, or the result was
   deleted. New ones are left alone, somebody may be about to commit them. */
void prf_recordings_sweep(struct prf_sqlite *s);

#endif
