/* h2_client.h - one HTTP/2 connection, the client's side. It is a struct h2, and all of h2.h holds
 * for it: h2_receive(), h2_send(), h2_lost(), h2_data_adopt(), h2_end(), h2_reset(), h2_consume(),
 * h2_queued(); only h2_respond() and h2_informational() are a server's.
 *
 * Flow control: a stream may have 512 KiB on the way to us, the connection
 * 16 MiB, whose credit is given back on receipt. There is no push. A response is checked as a
 * request is: what is malformed is reset, and comes as `failed`. */
#pragma once

#include "http/h2.h"

#define H2_CLIENT_STREAM_WINDOW_BYTES ((size_t)512 << 10)
#define H2_CLIENT_CONNECTION_WINDOW_BYTES ((size_t)16 << 20)
#define H2_CLIENT_FRAME_BYTES ((size_t)64 << 10)

enum h2_failure {
    H2_UNPROCESSED, /* nothing can have come of it: not sent at all; or refused (REFUSED_STREAM, or
                       beyond the last stream of a GOAWAY) before anything of an answer came */
    H2_BROKEN_OFF,  /* reset by the server, or the connection is gone */
    H2_CUT,         /* the body ended before its declared length */
    H2_MALFORMED,   /* what came is no valid response; reset by us */
};

/* As for h2_events; every stream of h2_request() ends with exactly one `closed`. */
struct h2_client_events {
    /* A 1xx head, not 101. The heads are the callee's to take. */
    void (*interim)(void *context, int32_t stream, struct http_head *head);
    /* `is_whole`: no body follows, `ended` is not called. */
    void (*response)(void *context, int32_t stream, struct http_head *head, bool is_whole);
    void (*data)(void *context, int32_t stream, struct str bytes);
    /* The response is complete, perhaps before the request is: h2_reset() it then. */
    void (*ended)(void *context, int32_t stream, struct http_head *trailers);
    /* Before the response was complete; `code` is RFC 9113's. Never for h2_reset(). */
    void (*failed)(void *context, int32_t stream, enum h2_failure failure, uint32_t code);
    void (*closed)(void *context, int32_t stream);
    void (*writable)(void *context, int32_t stream);
    /* The server takes no new streams (GOAWAY): what is open may still be answered, and `failed`
     * follows for what will not be. */
    void (*goaway)(void *context);
    void (*limits)(void *context); /* h2_streams_allowed() may have changed */
};

/* The connection preface of ours waits to be sent. */
must_use struct h2 *h2_client_new(const struct h2_client_events *events, void *context);

/* Sends a request: method, target, authority and fields, which are copied. `is_whole`: no body
 * follows; else h2_data_adopt() and h2_end(). Returns its stream, or 0: it may not be sent. */
must_use int32_t h2_request(struct h2 *h2, const struct http_head *head, bool is_whole);
/* How many streams may be open at once, as the server says; 0 before it has said so, and after its
 * GOAWAY. */
size_t h2_streams_allowed(const struct h2 *h2);
void h2_ping(struct h2 *h2);
/* Bytes of the stream's frames so far. */
void h2_stream_wire(const struct h2 *h2, int32_t stream, uint64_t *sent, uint64_t *received);
