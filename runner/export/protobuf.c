/* Protobuf's wire format; see protobuf.h. */
#include "protobuf.h"

#include <stdlib.h>
#include <string.h>

#include <pyprofiler/events.h>

#include "label.h"

enum { PROTOBUF_VARINT = 0, PROTOBUF_FIXED64 = 1, PROTOBUF_LENGTH = 2 };

/* Where the next `len` bytes go, or NULL. */
static unsigned char *
protobuf_room(struct prf_protobuf *pb, size_t len)
{
    if (len > pb->room - pb->n) {
        size_t room = pb->room < 256 ? 256 : pb->room * 2;
        room = room < pb->n + len ? pb->n + len : room;
        unsigned char *data = realloc(pb->data, room);
        if (data == NULL) {
            pb->failed = true;
            return NULL;
        }
        pb->data = data;
        pb->room = room;
    }
    return pb->data + pb->n;
}

void
prf_protobuf_release(struct prf_protobuf *pb)
{
    free(pb->data);
    *pb = (struct prf_protobuf){0};
}

void
prf_protobuf_uint(struct prf_protobuf *pb, uint32_t field, uint64_t value)
{
    unsigned char *p = protobuf_room(pb, (size_t)2 * PRF_LEB128_MAX);
    if (p != NULL) {
        p = prf_leb128_put(p, (uint64_t)field << 3 | PROTOBUF_VARINT);
        pb->n = (size_t)(prf_leb128_put(p, value) - pb->data);
    }
}

void
prf_protobuf_double(struct prf_protobuf *pb, uint32_t field, double value)
{
    unsigned char *p = protobuf_room(pb, PRF_LEB128_MAX + sizeof value);
    if (p != NULL) {
        p = prf_leb128_put(p, (uint64_t)field << 3 | PROTOBUF_FIXED64);
        memcpy(p, &value, sizeof value);
        pb->n = (size_t)(p + sizeof value - pb->data);
    }
}

void
prf_protobuf_bytes(struct prf_protobuf *pb, uint32_t field, const void *data,
                   size_t len)
{
    unsigned char *p = protobuf_room(pb, (size_t)2 * PRF_LEB128_MAX + len);
    if (p != NULL) {
        p = prf_leb128_put(p, (uint64_t)field << 3 | PROTOBUF_LENGTH);
        p = prf_leb128_put(p, len);
        if (len > 0) {
            memcpy(p, data, len);
        }
        pb->n = (size_t)(p + len - pb->data);
    }
}

void
prf_protobuf_text(struct prf_protobuf *pb, uint32_t field, const char *text, size_t len)
{
    struct prf_strbuf valid = PRF_STRBUF_INIT;
    bool good = true;
    for (size_t i = 0, n; i < len && good; i += n) {
        uint32_t point;
        n = prf_utf8_next(text + i, len - i, &point);
        good = point != UINT32_MAX;
    }
    if (good) {
        prf_protobuf_bytes(pb, field, text, len);
        return;
    }
    prf_utf8_add_len(&valid, text, len);
    pb->failed |= valid.failed;
    prf_protobuf_bytes(pb, field, prf_strbuf_text(&valid), valid.len);
    prf_strbuf_release(&valid);
}

void
prf_protobuf_message(struct prf_protobuf *pb, uint32_t field,
                     const struct prf_protobuf *message)
{
    pb->failed |= message->failed;
    prf_protobuf_bytes(pb, field, message->data, message->n);
}
