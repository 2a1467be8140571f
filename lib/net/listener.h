/* listener.h - a TCP port whose connections become struct conn, with TLS or without. */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/tls.h"

#define LISTENER_HANDSHAKE_MS 10000 /* until `ready`, else `failed` */

struct listener;

struct listener_events {
    /* A client is there; TLS has not begun. Must call conn_set_events() before it returns (`ready`
     * comes to those), and from then on the connection is the callee's, who closes it. */
    void (*accepted)(struct listener *listener, struct conn *conn, void *context);
};

/* `address` is an IPv4 or IPv6 address, port 0 any free one. `tls` NULL: plain TCP; it is copied.
 * `events` are borrowed. ERROR_NETWORK: the port is taken, or not allowed. The port is never shared
 * with another process (no SO_REUSEPORT). */
must_use struct listener *listener_start(struct loop *loop, const char *address, uint16_t port,
                                         const struct tls_server *tls,
                                         const struct listener_events *events, void *context,
                                         struct error *err);
uint16_t listener_port(const struct listener *listener);
/* Accepts no more; connections that were accepted stay. The loop frees it. */
void listener_stop(struct listener **listener);
