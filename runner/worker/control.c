/* Framed JSON over a socket; see control.h. */
#include "control.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pyprofiler/protocol.h>

static int
control_write(int fd, const void *data, size_t size, struct prf_error *err)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return prf_fail(err, PRF_EIO, "cannot write to the runner: %s",
                            strerror(errno));
        }
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

static int
control_read(int fd, void *data, size_t size, struct prf_error *err)
{
    char *p = data;
    while (size > 0) {
        ssize_t n = recv(fd, p, size, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n == 0) {
            return prf_fail(err, PRF_ENOTFOUND, "the runner has gone");
        }
        if (n < 0) {
            return prf_fail(err, PRF_EIO, "cannot read from the runner: %s",
                            strerror(errno));
        }
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

int
prf_control_send(int fd, json_t *steal_message, struct prf_error *err)
{
    int rc = 0;
    char *text = json_dumps(steal_message, JSON_COMPACT);
    json_decref(steal_message);
    if (text == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory for a message");
    }
    size_t len = strlen(text);
    uint32_t head = (uint32_t)len;
    if (len > PRF_PROTOCOL_MAX) {
        rc = prf_fail(err, PRF_EPROTOCOL, "a message of %zu bytes is too long", len);
    } else if ((rc = control_write(fd, &head, sizeof head, err)) == 0) {
        rc = control_write(fd, text, len, err);
    }
    free(text);
    return rc;
}

int
prf_control_receive(int fd, json_t **out, struct prf_error *err)
{
    uint32_t len = 0;
    char *text = NULL;
    int rc = control_read(fd, &len, sizeof len, err);
    if (rc < 0) {
        goto out;
    }
    if (len > PRF_PROTOCOL_MAX) {
        rc = prf_fail(err, PRF_EPROTOCOL, "a message of %u bytes is too long", len);
        goto out;
    }
    text = malloc((size_t)len + 1);
    if (text == NULL) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory for a message");
        goto out;
    }
    if ((rc = control_read(fd, text, len, err)) < 0) {
        goto out;
    }
    json_error_t why;
    *out = json_loadb(text, len, 0, &why);
    if (*out == NULL) {
        rc = prf_fail(err, PRF_EPROTOCOL, "the runner's message is not JSON: %s",
                      why.text);
    }
out:
    free(text);
    return rc;
}
