/* conn_internal.h - how dial.c and listener.c make connections. Inside lib/net. */
#pragma once

#include <uv.h>

#include "net/conn.h"
#include "net/loop.h"
#include "net/tls_stream.h"

/* `tls_adopt` NULL: plain TCP. `label` is for errors, before and after `ready`: "api:6443". */
struct conn *conn_new(struct loop *loop, struct tls_stream *tls_adopt, const char *label);

/* While dialling: who is to be told when the connection is closed, or fails, before it has a
 * socket. Called at most once, not any more after conn_connected(). */
void conn_on_abandon(struct conn *conn, void (*abandon)(void *context), void *context);

/* Fails, unless `ready` by then, with the text "no answer within …". */
void conn_limit(struct conn *conn, unsigned timeout_ms);

/* A connected socket, whose `data` becomes the connection's. Goes on from the loop: handshake,
 * `ready`. */
void conn_connected(struct conn *conn, uv_tcp_t *socket_adopt);

/* Of an open one without TLS, with nothing queued and nothing unread: as conn_close(), but the
 * socket lives on. From the loop only. */
must_use uv_tcp_t *conn_take_socket(struct conn **conn);

/* From the loop only. */
void conn_fail(struct conn *conn, const struct error *err);

bool conn_has_events(const struct conn *conn);

/* Closes a socket of malloc's that no connection has. */
void socket_close(uv_tcp_t **socket);
