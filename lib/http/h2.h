/* h2.h - one HTTP/2 connection (RFC 9113), the server's side, over nghttp2: bytes in by
 * h2_receive(), bytes out by h2_send(). No sockets, no clock. The client's side: h2_client.h.
 *
 * Flow control: a stream may have 256 KiB on the way to us; credit of the
 * connection is given back when bytes arrive, credit of the stream only by h2_consume(), so that a
 * stream that stands still never starves its neighbours.
 *
 * Strict: fields and pseudo fields as RFC 9113 and head.h have them, Content-Length must be the sum
 * of the DATA. A malformed request is reset, one that deserves an answer comes as `refused`. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/chunk.h"
#include "base/error.h"
#include "base/str.h"
#include "http/head.h"

#define H2_STREAM_WINDOW_BYTES ((size_t)256 << 10)
#define H2_CONNECTION_WINDOW_BYTES ((size_t)1 << 20)
#define H2_STREAMS_MAX 250

struct h2;

/* Error codes, RFC 9113 section 7: those that callers use. */
enum h2_code {
    H2_NO_ERROR = 0,
    H2_PROTOCOL_ERROR = 1,
    H2_INTERNAL_ERROR = 2,
    H2_REFUSED_STREAM = 7,
    H2_CANCEL = 8,
    H2_ENHANCE_YOUR_CALM = 11,
    H2_HTTP_1_1_REQUIRED = 13,
};

/* Called from h2_receive() and h2_send(), `closed` also from h2_lost(); none may call these three,
 * or h2_free(). All else may be called, on any open stream. Every stream that was announced
 * (request, refused) ends with exactly one `closed`, which may come without a `reset`. */
struct h2_events {
    /* A request. `head` is the callee's: take it with http_head_take(), or leave it. `is_whole`: no
     * body follows, `ended` is not called. */
    void (*request)(void *context, int32_t stream, struct http_head *head, bool is_whole);
    /* Not to be forwarded: answer with `status` (400, 431, 501) and `problem`, as any other. `head`
     * is what there is of it. Its body is thrown away; neither data nor ended are called. */
    void (*refused)(void *context, int32_t stream, struct http_head *head, int status,
                    const char *problem);
    /* A piece of the body, at least a byte, borrowed. h2_consume() what was delivered. */
    void (*data)(void *context, int32_t stream, struct str bytes);
    /* The request is complete. `trailers` is NULL or as `head` above. */
    void (*ended)(void *context, int32_t stream, struct http_head *trailers);
    /* Broken off by the client, by a violation of the protocol, or with the connection: nothing
     * more arrives and nothing more can be sent. Never for h2_reset(), nor once both sides are
     * complete. */
    void (*reset)(void *context, int32_t stream, uint32_t code);
    /* The last call; the number means nothing from here on. */
    void (*closed)(void *context, int32_t stream);
    /* h2_queued() fell to H2_QUEUE_LOW or below after it was above. */
    void (*writable)(void *context, int32_t stream);
};

#define H2_QUEUE_LOW ((size_t)64 << 10)

/* The connection preface of ours (SETTINGS) waits to be sent. */
must_use struct h2 *h2_server_new(const struct h2_events *events, void *context);
/* Nothing is called; streams still open are forgotten (h2_lost() tells of them). */
void h2_free(struct h2 **h2);

/* Bytes from the client, at `mono_us`, which never goes back. ERROR_PROTOCOL: the connection is
 * over; send what h2_send() has (a GOAWAY that says why), then call h2_lost() and close. Of other
 * violations, which nghttp2 answers by itself, only h2_is_finished() tells. */
must_use int h2_receive(struct h2 *h2, struct str bytes, int64_t mono_us, struct error *err);
/* Appends frames to `out` until it holds about `max` bytes more; a frame may go over it, so that
 * its limit must be larger by 1 MiB. To be called whenever something was received, submitted or
 * consumed, or `out` was drained; once per loop iteration is enough. ERROR_PROTOCOL: as above, and
 * the GOAWAY is in `out`. */
must_use int h2_send(struct h2 *h2, struct buf *out, size_t max, struct error *err);
/* Would h2_send() have something now? */
bool h2_wants_send(const struct h2 *h2);
/* Both sides are through (after GOAWAY, or an error): flush, call h2_lost(), close. */
bool h2_is_finished(const struct h2 *h2);
/* The transport is gone: `reset` and `closed` for every open stream. */
void h2_lost(struct h2 *h2);

/* What the caller keeps per stream; NULL at first, and for a stream that is not open. */
void h2_set_stream_context(struct h2 *h2, int32_t stream, void *context);
void *h2_stream_context(const struct h2 *h2, int32_t stream);
/* Within `reset`: was it for what the client sent there, and not by its wish? */
bool h2_is_malformed(const struct h2 *h2, int32_t stream);
size_t h2_open_streams(const struct h2 *h2);

/* ---- On one stream. All do nothing on a stream that is not open, or was reset. ---- */

/* `bytes` of the request's body were delivered: the client may send as much more. */
void h2_consume(struct h2 *h2, int32_t stream, size_t bytes);
/* A 1xx head. */
void h2_informational(struct h2 *h2, int32_t stream, const struct http_head *head);
/* The response's head: status and fields, which are copied; names are made lower case. Fields that
 * h2 forbids are left out. `is_whole`: no body follows. One that may not be sent: reset. */
void h2_respond(struct h2 *h2, int32_t stream, const struct http_head *head, bool is_whole);
/* A piece of the body, after h2_respond(); takes the reference over. Never refused: look at
 * h2_queued(). */
void h2_data_adopt(struct h2 *h2, int32_t stream, struct chunk *chunk);
/* The response is complete; `trailers` may be NULL. Where Content-Length promised another length,
 * the stream is reset instead: what is cut off must never look whole. */
void h2_end(struct h2 *h2, int32_t stream, const struct http_head *trailers);
/* Breaks off, now: what is queued is dropped. `closed` follows, `reset` does not. */
void h2_reset(struct h2 *h2, int32_t stream, enum h2_code code);
/* Bytes of the body that are not yet in frames, because of the client's windows or h2_send's
 * `max`. */
size_t h2_queued(const struct h2 *h2, int32_t stream);

/* ---- The end ---- */

/* GOAWAY without a last stream: "open no more here", while those on their way are still served.
 * Then, a round trip later or when time is short, h2_goaway(): later streams are ignored, open ones
 * go on; with another code than H2_NO_ERROR all end (h2_is_finished once that is sent). */
void h2_shutdown_notice(struct h2 *h2);
void h2_goaway(struct h2 *h2, enum h2_code code);
