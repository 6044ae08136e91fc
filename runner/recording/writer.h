/* Writing a recording: a sink over a file that the runner created. Lives in the
   measured process. Chunks come out of mapped segments that stay mapped until the end,
   so rows can be updated in place; a forked child gets private copies and cannot
   disturb them; the sink's `fork` begins a file of its own. */
#ifndef PRF_WRITER_H
#define PRF_WRITER_H

#include <pyprofiler/error.h>
#include <pyprofiler/sink.h>

struct prf_writer;

/* Open the (empty) file at `path`. *out is the caller's. PRF_EIO, PRF_ENOMEM. */
int prf_writer_open(const char *path, double ns_per_tick, struct prf_writer **out,
                    struct prf_error *err);

/* The sink of this writer; borrowed. */
struct prf_sink *prf_writer_sink(struct prf_writer *writer);

/* The recording of a child process: a new file beside that of its oldest ancestor,
   `base`, named as <pyprofiler/recording.h> says. PRF_EIO, PRF_ENOMEM. */
int prf_writer_open_child(const char *base, double ns_per_tick, struct prf_writer **out,
                          struct prf_error *err);

/* In a forked child: turn the shared mappings into private ones. Async-signal-safe. */
void prf_writer_detach(struct prf_writer *writer);

/* Unmap and close; NULL is fine. */
void prf_writer_close(struct prf_writer *writer);

#endif
