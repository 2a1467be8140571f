/* upstream_h1.c - a connection to the server that speaks HTTP/1.1: one call at a time. */
#include "base/alloc.h"
#include "base/scoped.h"
#include "http/h1.h"
#include "proxy/upstream_inside.h"

struct h1_link {
    struct upstream_call *call; /* whose head was sent */
    enum h1_framing framing;    /* of its request */
    uint64_t sent, received;    /* for it */
    struct h1_reader reader;
    struct h1_body body;
    bool is_in_body;
    bool keeps_open;    /* as far as the answer's head says */
    bool has_left_over; /* bytes behind the answer */
    struct buf joined;  /* small pieces of a body, to be passed on together */
};

static void h1_begin(struct link *link)
{
    link->state = xcalloc(1, sizeof(struct h1_link));
    link_is_usable(link);
}

static void h1_free(struct link *link)
{
    struct h1_link *h1 = link->state;

    h1_reader_free(&h1->reader);
    h1_body_free(&h1->body);
    buf_free(&h1->joined);
    free(h1);
}

static size_t h1_capacity(const struct link *link)
{
    return 1;
}

/* ---- The request ---- */

static void write_bytes(struct upstream_call *call, struct str bytes)
{
    struct h1_link *h1 = call->link->state;

    h1->sent += bytes.len;
    if (call->link->conn)
        conn_write(call->link->conn, bytes);
}

static bool h1_send_head(struct upstream_call *call, struct error *err)
{
    scoped(buf_free) struct buf bytes = {.limit = 4 * HTTP_HEAD_BYTES_MAX};
    struct h1_link *h1 = call->link->state;
    bool has_body = call->body == UPSTREAM_WHOLE || call->body == UPSTREAM_STREAMED;
    enum h1_framing framing = h1_framing_of_request(call->head, has_body);

    if (h1_write_request(&bytes, call->head, framing, H1_KEEP, err) < 0)
        return false;
    if (bytes.overflow) {
        error_set(err, ERROR_PROTOCOL, "the request's head is too large");
        return false;
    }
    h1->call = call;
    h1->framing = framing;
    h1->sent = h1->received = 0;
    write_bytes(call, buf_str(&bytes));
    return true;
}

static void h1_send_data(struct upstream_call *call, struct chunk *chunk)
{
    scoped(buf_free) struct buf frame = {0};
    struct h1_link *h1 = call->link->state;
    size_t len = chunk_bytes(chunk).len;

    if (!call->link->conn)
        return;
    if (h1->framing == H1_CHUNKED) {
        h1_write_chunk_size(&frame, len);
        write_bytes(call, buf_str(&frame));
    }
    conn_write_chunk(call->link->conn, chunk);
    h1->sent += len;
    if (h1->framing == H1_CHUNKED) {
        buf_clear(&frame);
        h1_write_chunk_end(&frame);
        write_bytes(call, buf_str(&frame));
    }
}

static void h1_send_end(struct upstream_call *call, const struct http_head *trailers)
{
    scoped(buf_free) struct buf last = {0};
    struct h1_link *h1 = call->link->state;

    if (call->body == UPSTREAM_UPGRADE && call->link->conn)
        conn_shutdown(call->link->conn);
    if (h1->framing != H1_CHUNKED)
        return;
    h1_write_last_chunk(&last, trailers);
    write_bytes(call, buf_str(&last));
}

static size_t h1_queued(const struct upstream_call *call)
{
    return call->link->conn ? conn_queued(call->link->conn) : 0;
}

static size_t h1_unsent(const struct upstream_call *call)
{
    return 0; /* what waits is the connection's, which has a bound of its own */
}

static void h1_throttle(struct upstream_call *call, size_t held_bytes, enum upstream_flow flow)
{
    bool is_stopped = flow == UPSTREAM_STOP;

    if (!call->link->conn || call->is_stopped == is_stopped)
        return;
    call->is_stopped = is_stopped;
    if (is_stopped)
        conn_pause(call->link->conn);
    else
        conn_resume(call->link->conn);
}

static void h1_wire(const struct upstream_call *call, uint64_t *sent, uint64_t *received)
{
    const struct h1_link *h1 = call->link->state;

    if (h1->call != call)
        return;
    *sent = h1->sent;
    *received = h1->received;
}

/* The connection is kept only when nothing about it is in doubt. */
static void h1_leave(struct upstream_call *call)
{
    struct link *link = call->link;
    struct h1_link *h1 = link->state;

    if (h1->call != call)
        return;
    h1->call = NULL;
    h1->is_in_body = false;
    h1_body_free(&h1->body);
    h1->body = (struct h1_body){0};
    buf_clear(&h1->joined);
    if (!call->is_complete || !call->has_request_ended || !h1->keeps_open || h1->has_left_over)
        link_shut(link);
    else if (call->is_stopped && link->conn)
        conn_resume(link->conn);
}

/* ---- The answer ---- */

static void fail(struct h1_link *h1, enum upstream_failure failure, const struct error *err)
{
    call_fail(h1->call, failure, err);
}

/* All of them: false when the call is over, or was left by its owner. */
static bool read_head(struct h1_link *h1, struct str *in)
{
    struct upstream_call *call = h1->call;
    scoped(http_head_free) struct http_head head = {0};
    struct error err = {0};
    enum io status = h1_read_response(&h1->reader, in, &head, &err);

    if (status == IO_AGAIN)
        return false;
    bool is_switch = status == IO_OK && head.status == 101;
    if (is_switch && call->body != UPSTREAM_UPGRADE) {
        error_set(&err, ERROR_PROTOCOL, "it changed the protocol unasked");
        status = IO_FAILED;
    }
    if (status == IO_FAILED) {
        fail(h1, UPSTREAM_BROKEN, &err);
        return false;
    }
    if (head.status < 200 && !is_switch)
        return call_got_interim(call, &head) && h1->call == call;
    h1->body = is_switch ? (struct h1_body){.framing = H1_UNTIL_CLOSE}
                         : h1_body_of_response(&head, call->head->method);
    h1->is_in_body = true;
    h1->keeps_open = h1_keeps_open(&head) && h1->body.framing != H1_UNTIL_CLOSE;
    bool is_all =
        h1->body.framing == H1_NO_BODY || (h1->body.framing == H1_LENGTH && h1->body.left == 0);
    call_got_head(call, &head, is_all);
    return h1->call == call;
}

static bool pass_joined(struct h1_link *h1)
{
    struct upstream_call *call = h1->call;

    if (h1->joined.len) {
        call->events->data(call->context, buf_str(&h1->joined));
        buf_clear(&h1->joined);
    }
    return h1->call == call;
}

static bool pass_data(struct h1_link *h1, struct str data)
{
    struct upstream_call *call = h1->call;

    if (data.len < UPSTREAM_DIRECT_BYTES && h1->joined.len + data.len <= UPSTREAM_JOIN_BYTES) {
        buf_append_str(&h1->joined, data);
        return true;
    }
    if (!pass_joined(h1))
        return false;
    call->events->data(call->context, data);
    return h1->call == call;
}

static bool read_body(struct h1_link *h1, struct str *in)
{
    struct str data = {0};
    scoped(http_head_free) struct http_head trailers = {0};
    struct error err = {0};

    switch (h1_body_next(&h1->body, in, &data, &trailers, &err)) {
    case IO_OK:
        return pass_data(h1, data);
    case IO_AGAIN:
        pass_joined(h1);
        return false;
    case IO_EOF:
        h1->has_left_over = in->len > 0;
        if (pass_joined(h1))
            call_end(h1->call, trailers.field_count ? &trailers : NULL);
        return false;
    case IO_FAILED:
        if (pass_joined(h1))
            fail(h1, UPSTREAM_BROKEN, &err);
        return false;
    }
    unreachable();
}

static void h1_received(struct link *link, struct str bytes)
{
    struct h1_link *h1 = link->state;
    struct error err = {0};

    if (!h1->call) { /* whose answer would that be? */
        error_set(&err, ERROR_PROTOCOL, "it answered before it was asked");
        link_lose(link, &err);
        return;
    }
    h1->received += bytes.len;
    while (h1->is_in_body ? read_body(h1, &bytes) : read_head(h1, &bytes))
        ;
}

static void h1_writable(struct link *link)
{
    struct h1_link *h1 = link->state;

    if (h1->call)
        h1->call->events->writable(h1->call->context);
}

/* That may be the end of an answer, or come too early. */
static void h1_ended(struct link *link)
{
    struct h1_link *h1 = link->state;
    struct error err = {0};

    if (h1->call && h1->is_in_body && h1_body_may_end(&h1->body)) {
        call_end(h1->call, NULL);
    } else if (h1->call && h1->is_in_body) {
        error_set(&err, ERROR_NETWORK, "its answer ended before its declared end");
        fail(h1, UPSTREAM_TRUNCATED, &err);
    } else {
        error_set(&err, ERROR_NETWORK, "it closed the connection");
        link_lose(link, &err);
    }
}

static void h1_lost(struct link *link, const struct error *err)
{
    struct h1_link *h1 = link->state;

    if (h1->call)
        fail(h1, UPSTREAM_RESET, err);
}

const struct link_protocol link_h1 = {
    .begin = h1_begin,
    .capacity = h1_capacity,
    .received = h1_received,
    .writable = h1_writable,
    .ended = h1_ended,
    .lost = h1_lost,
    .free = h1_free,
    .send_head = h1_send_head,
    .send_data = h1_send_data,
    .send_end = h1_send_end,
    .queued = h1_queued,
    .unsent = h1_unsent,
    .throttle = h1_throttle,
    .wire = h1_wire,
    .leave = h1_leave,
};
