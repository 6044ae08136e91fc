/* The worker's end of the control socket: framed JSON, see <pyprofiler/protocol.h>. */
#ifndef PRF_CONTROL_H
#define PRF_CONTROL_H

#include <jansson.h>

#include <pyprofiler/error.h>

/* Send `steal_message`; it is released on failure too. PRF_EIO, PRF_ENOMEM. */
int prf_control_send(int fd, json_t *steal_message, struct prf_error *err);

/* The next message; *out is the caller's. PRF_ENOTFOUND: the runner closed the socket.
 */
int prf_control_receive(int fd, json_t **out, struct prf_error *err);

#endif
