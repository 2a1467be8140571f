/* conn.h - one byte stream over TCP, with or without TLS in front of it. dial.h and listener.h make
 * them, and both sides are used alike. All calls on the loop's thread.
 *
 * Events come from the loop only, never from inside a function of this header; from inside an event
 * every function may be called. Nothing comes after conn_close() and conn_abort() but `closed`.
 * Order: ready, data…, ended; `failed` may come at any point, once, and is the last but `closed`.
 *
 * Back-pressure: a producer looks at conn_is_full() and goes on at `writable`. A consumer that
 * cannot take more calls conn_pause(). Nothing here drops or blocks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/chunk.h"
#include "base/error.h"
#include "base/str.h"

#define CONN_HIGH_BYTES ((size_t)256 << 10)
#define CONN_LOW_BYTES ((size_t)64 << 10)

struct conn;

/* Members may be NULL, except `failed`. */
struct conn_events {
    /* Connected, and with TLS: both sides have finished. conn_alpn() is known. */
    void (*ready)(struct conn *conn, void *context);
    /* Plain bytes arrived; borrowed for the call. */
    void (*data)(struct conn *conn, struct str bytes, void *context);
    /* conn_queued() fell under CONN_LOW_BYTES after conn_is_full() was true. */
    void (*writable)(struct conn *conn, void *context);
    /* The peer's stream is complete: its close_notify (plain TCP: its FIN) arrived. Writing goes
     * on as long as the peer reads. */
    void (*ended)(struct conn *conn, void *context);
    /* Not connected, not trusted, reset, no FIN after a close_notify: the stream was cut, and what
     * it carried is not complete. ERROR_NETWORK: the network or the peer, try again.
     * ERROR_CONFIG: certificate or address are wrong, with a fix. */
    void (*failed)(struct conn *conn, const struct error *err, void *context);
    /* The last call, some time after conn_close(); the connection is freed when it returns. */
    void (*closed)(struct conn *conn, void *context);
};

/* Other events from now on: protocols take over a connection that has been accepted, or whose ALPN
 * is known now. `events` is borrowed as long as the connection lives. */
void conn_set_events(struct conn *conn, const struct conn_events *events, void *context);

/* "h2", "http/1.1", or "": none was agreed, or not ready yet. */
const char *conn_alpn(const struct conn *conn);
/* The peer's address without port, "127.0.0.1"; "" while not connected. */
const char *conn_peer(const struct conn *conn);
/* True between `ready` and conn_close(), a failure or conn_shutdown(): conn_write() makes sense. */
bool conn_is_open(const struct conn *conn);

/* Copies; encrypted and sent once at the end of this pass, what came together in full records. May
 * be called before `ready`: it is sent then. After conn_shutdown() or a failure: dropped. */
void conn_write(struct conn *conn, struct str bytes);
void conn_write_chunk(struct conn *conn, const struct chunk *chunk); /* borrowed */

/* The same for a producer that appends by itself: to the buffer that conn_write_begin() gives, then
 * conn_write_end(). NULL where conn_write() would drop. */
struct buf *conn_write_begin(struct conn *conn);
void conn_write_end(struct conn *conn);

/* Bytes accepted and not yet given to the kernel. */
size_t conn_queued(const struct conn *conn);
bool conn_is_full(const struct conn *conn); /* conn_queued() >= CONN_HIGH_BYTES */

/* No `data` and no `ended` until conn_resume(); the socket is not read, so that the peer is stopped
 * by TCP. While paused a peer that goes away is noticed only by writing. At most 128 KiB that had
 * been read stay in memory. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

/* After what is queued: close_notify and FIN. Reading goes on. A server that has answered and wants
 * to end the connection calls this, then conn_close() at `ended` or `failed` (or when it has waited
 * long enough): closed at once with unread bytes, the kernel would reset, and the peer lose the end
 * of the answer. */
void conn_shutdown(struct conn *conn);

/* Flushes nothing. `closed` follows; the caller's pointer is NULL at once. */
void conn_close(struct conn **conn);
/* As conn_close(), and the peer sees a reset (RST), never a clean end. */
void conn_abort(struct conn **conn);
