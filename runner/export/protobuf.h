/* Writing protobuf messages field by field, into memory that is used again for the next
   one. The wire format: developers.google.com/protocol-buffers/docs/encoding. */
#ifndef PRF_PROTOBUF_H
#define PRF_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prf_protobuf {
    unsigned char *data;
    size_t n, room;
    bool failed; /* out of memory: the message is not whole */
};

static inline void
prf_protobuf_clear(struct prf_protobuf *pb)
{
    pb->n = 0;
}

void prf_protobuf_release(struct prf_protobuf *pb);

void prf_protobuf_uint(struct prf_protobuf *pb, uint32_t field, uint64_t value);
void prf_protobuf_double(struct prf_protobuf *pb, uint32_t field, double value);
void prf_protobuf_bytes(struct prf_protobuf *pb, uint32_t field, const void *data,
                        size_t len);

/* A string: bytes that are not UTF-8 become U+FFFD. */
void prf_protobuf_text(struct prf_protobuf *pb, uint32_t field, const char *text,
                       size_t len);
void prf_protobuf_message(struct prf_protobuf *pb, uint32_t field,
                          const struct prf_protobuf *message);

#endif
