/* h2_stream.h - lib/http's own: what h2.c and h2_out.c know of a connection and its streams. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "http/chunk_queue.h"
#include "http/h2.h"
#include "http/h2_fields.h"
#include "http/h2_flood.h"

struct stream {
    struct h2 *h2;
    int32_t id;
    struct stream *previous, *next;
    void *context; /* the caller's */

    /* In */
    struct h2_incoming incoming; /* head, later trailers, while they arrive */
    size_t unconsumed;           /* bytes given to the caller and not yet given back */
    bool is_announced;           /* the caller knows it */
    bool is_refused;             /* its body is thrown away */
    bool has_request_ended;
    bool is_head_request; /* HEAD: Content-Length promises nothing */

    /* Out */
    struct chunk_queue queue;
    struct http_head *trailers; /* owned, or NULL */
    uint64_t promised;          /* Content-Length */
    uint64_t given;             /* by h2_data_adopt() */
    bool has_promise;
    bool has_responded;
    bool is_whole;    /* the response has no body */
    bool is_complete; /* h2_end() was called: the queue is all there is */
    bool is_broken;   /* …but not what Content-Length promised: reset behind it */
    bool was_above;   /* the low mark, since `writable` was last called */
    bool is_all_sent; /* END_STREAM went out */

    bool is_over;        /* reset was submitted; nothing more in or out */
    bool is_reset_by_us; /* on the caller's wish, or after the response: no `reset` event */
};

struct h2 {
    nghttp2_session *session; /* owned */
    struct h2_events events;
    void *context;
    struct stream *streams;
    size_t stream_count;
    struct h2_flood flood;
    size_t block_bytes;  /* of the field block that is arriving */
    const char *problem; /* why it was ended by us; NULL */
    struct buf *out;     /* during h2_send() */
    size_t out_max;
    bool is_busy; /* inside h2_receive, h2_send, h2_lost */
    bool is_lost;
    bool has_goaway; /* to be submitted by the next h2_send() */
    enum h2_code goaway_code;
};

/* NULL when it is not open, or over. */
struct stream *h2_stream_find(const struct h2 *h2, int32_t id);
/* Submits RST_STREAM; what is queued is dropped. */
void h2_stream_break(struct stream *stream, uint32_t code);

/* nghttp2's callbacks for DATA on the way out, in h2_out.c. */
int h2_out_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                     size_t len, nghttp2_data_source *source, void *user_data);
