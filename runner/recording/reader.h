/* Reading recordings, whole or cut off at any byte. */
#ifndef PRF_READER_H
#define PRF_READER_H

#include <stddef.h>

#include <pyprofiler/error.h>

#include "profile.h"

/* The model of a recording in memory; *out is the caller's (prf_profile_free). What was
   cut off or is damaged is left out and noted; PRF_ECORRUPT only when the header is not
   that of a recording. Folds the tree into sites and edges when the backend gave none.
 */
int prf_recording_parse(const void *data, size_t size, struct prf_profile **out,
                        struct prf_error *err);

/* The same, when `data` is a mapping of a file that nobody writes to any more: pages
   are given back as they were read. */
int prf_recording_parse_mapped(const void *data, size_t size, struct prf_profile **out,
                               struct prf_error *err);

/* The same without the tree of calls that were recorded one by one: of these, only how
   many chunks, threads and processes there are. For who reads the events themselves. */
int prf_recording_parse_unfolded(const void *data, size_t size,
                                 struct prf_profile **out, struct prf_error *err);

/* As prf_recording_parse_mapped, from a file. PRF_EIO. */
int prf_recording_read(const char *path, struct prf_profile **out,
                       struct prf_error *err);

/* Bytes of the recording that are in use: the rest of the file is zeros. */
size_t prf_recording_size(const void *data, size_t size);

#endif
