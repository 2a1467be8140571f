/* h2_stream.h - lib/http's own: what h2.c, h2_client.c and h2_out.c know of a connection and its
 * streams. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "http/chunk_queue.h"
#include "http/h2.h"
#include "http/h2_client.h"
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
    bool has_ended;              /* the peer's message is complete */
    bool is_head_request;        /* HEAD: Content-Length of the response promises nothing */
    bool was_reset;              /* by the peer */
    uint64_t wire_in, wire_out;  /* bytes of its frames */

    /* In, client only */
    bool has_head; /* the final response's, not an interim one's */
    bool has_interim;
    bool has_due; /* the body's length is declared: due */
    bool is_cut;  /* it ended before that */
    uint64_t due, taken;
    bool is_sent; /* HEADERS have left h2_send() */

    /* Out */
    struct chunk_queue queue;
    struct http_head *trailers; /* owned, or NULL */
    uint64_t promised;          /* Content-Length */
    uint64_t given;             /* by h2_data_adopt() */
    bool has_promise;
    bool has_begun;   /* our head was submitted */
    bool is_whole;    /* our message has no body */
    bool is_complete; /* h2_end() was called: the queue is all there is */
    bool is_broken;   /* …but not what Content-Length promised: reset behind it */
    bool was_above;   /* the low mark, since `writable` was last called */
    bool is_all_sent; /* END_STREAM went out */

    bool is_over;        /* reset was submitted; nothing more in or out */
    bool is_reset_by_us; /* on the caller's wish, or after the response: no `reset` event */
};

struct h2 {
    nghttp2_session *session; /* owned */
    bool is_client;
    bool has_settings;               /* the peer's have arrived */
    bool was_told_to_go;             /* client: by the server's GOAWAY */
    struct h2_events events;         /* the server's, or what both have */
    struct h2_client_events answers; /* the client's */
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

/* Callbacks and options of both roles; `settings` wait to be sent. */
struct h2 *h2_open(bool is_client, const nghttp2_settings_entry *settings, size_t count,
                   size_t window_bytes);
struct stream *h2_stream_new(struct h2 *h2, int32_t id);
void h2_stream_free(struct stream *stream);
/* Tells the caller that this was all, and forgets it. */
void h2_stream_close(struct stream *stream, uint32_t code);
/* Also when it is over; NULL when it is not open. */
struct stream *h2_stream_any(const struct h2 *h2, int32_t id);
/* NULL when it is not open, or over. */
struct stream *h2_stream_find(const struct h2 *h2, int32_t id);
/* What came is malformed: it is reset, and was no complete message. */
void h2_stream_refuse(struct stream *stream);
/* Submits RST_STREAM; what is queued is dropped. */
void h2_stream_break(struct stream *stream, uint32_t code);

/* ---- h2_client.c ---- */

/* A head that is complete and the first final one, or an interim one. */
void h2_client_got_head(struct stream *stream);
/* The server opens no more streams: those that nghttp2 has not begun are over. */
void h2_client_got_goaway(struct h2 *h2);
/* Why a stream ended before its answer was complete. */
enum h2_failure h2_client_failure(const struct stream *stream, uint32_t code);

/* ---- h2_out.c ---- */

/* How a body of ours is read. */
nghttp2_data_provider h2_out_provider(struct stream *stream);
/* What Content-Length says of the body that we are going to send. */
void h2_out_note_promise(struct stream *stream, const struct http_head *head);
/* nghttp2's callback for DATA on the way out. */
int h2_out_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                     size_t len, nghttp2_data_source *source, void *user_data);
