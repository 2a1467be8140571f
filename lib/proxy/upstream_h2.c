/* upstream_h2.c - a connection to the server that speaks HTTP/2: many calls at once. Its socket is
 * always read; a call that cannot go on gives no credit for its own stream. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/scoped.h"
#include "http/h2_client.h"
#include "proxy/upstream_inside.h"

struct h2_link {
    struct link *link;
    struct h2 *h2;
    struct loop_job flush;
    bool is_heard;                 /* since the timer was set */
    bool is_asked;                 /* PING, and nothing was heard since */
    struct upstream_call *joining; /* whose small pieces are in `joined` */
    struct buf joined;
    struct error cause; /* of the end */
};

static const struct h2_client_events events;

static void flush_soon(struct h2_link *h2)
{
    if (h2->link->conn)
        loop_at_end(link_loop(h2->link), &h2->flush);
}

/* ---- Out ---- */

static int send_out(struct h2_link *h2, struct error *err)
{
    struct link *link = h2->link;

    while (link->conn && !conn_is_full(link->conn) && h2_wants_send(h2->h2)) {
        scoped(buf_free) struct buf bytes = {.limit = SIZE_MAX};
        int status = h2_send(h2->h2, &bytes, CONN_HIGH_BYTES - conn_queued(link->conn), err);

        if (link->conn)
            conn_write(link->conn, buf_str(&bytes));
        if (status < 0)
            return -1;
        if (!bytes.len)
            break;
    }
    return 0;
}

/* Once at the end of a pass: frames of all calls go out together. */
static void flush(void *context)
{
    struct h2_link *h2 = context;
    struct error err = {0};

    if (!h2->link->conn)
        return;
    if (send_out(h2, &err) < 0) {
        link_lose(h2->link, &err);
    } else if (h2->link->conn && h2_is_finished(h2->h2)) {
        error_set(&err, ERROR_PROTOCOL, "HTTP/2: the connection was ended");
        link_lose(h2->link, &err);
    }
}

/* ---- Its life ---- */

/* A server that is gone without a word would leave its watches open for ever. */
static void silence_ends(void *context)
{
    struct h2_link *h2 = context;
    const struct upstream_limits *limits = link_limits(h2->link);
    struct error err = {0};

    if (!h2->link->calls || h2->is_heard) {
        h2->is_heard = h2->is_asked = false;
        loop_timer_again(h2->link->silence, limits->silence_ms);
    } else if (!h2->is_asked) {
        h2->is_asked = true;
        h2_ping(h2->h2);
        flush_soon(h2);
        loop_timer_again(h2->link->silence, limits->answer_ms);
    } else {
        error_set(&err, ERROR_NETWORK, "it was silent, and did not answer a PING for %u s",
                  limits->answer_ms / 1000);
        link_lose(h2->link, &err);
    }
}

static void h2_begin(struct link *link)
{
    struct h2_link *h2 = xcalloc(1, sizeof *h2);

    h2->link = link;
    h2->h2 = h2_client_new(&events, h2);
    h2->flush = (struct loop_job){.run = flush, .context = h2};
    link->silence =
        loop_timer_start(link_loop(link), link_limits(link)->silence_ms, silence_ends, h2);
    link->state = h2;
    flush_soon(h2);
}

static void h2_link_free(struct link *link)
{
    struct h2_link *h2 = link->state;

    loop_cancel(&h2->flush);
    h2_free(&h2->h2);
    buf_free(&h2->joined);
    free(h2);
}

static size_t h2_capacity(const struct link *link)
{
    const struct h2_link *h2 = link->state;

    return min_of(h2_streams_allowed(h2->h2), (size_t)link_limits(link)->streams);
}

/* ---- The request ---- */

static bool h2_send_head(struct upstream_call *call, struct error *err)
{
    struct h2_link *h2 = call->link->state;

    call->stream = h2_request(h2->h2, call->head, call->body == UPSTREAM_NO_BODY);
    if (!call->stream) {
        error_set(err, ERROR_PROTOCOL, "the request's head may not be sent over HTTP/2");
        return false;
    }
    h2_set_stream_context(h2->h2, call->stream, call);
    flush_soon(h2);
    return true;
}

static void h2_send_data(struct upstream_call *call, struct chunk *chunk)
{
    struct h2_link *h2 = call->link->state;

    h2_data_adopt(h2->h2, call->stream, chunk_share(chunk));
    flush_soon(h2);
}

static void h2_send_end(struct upstream_call *call, const struct http_head *trailers)
{
    struct h2_link *h2 = call->link->state;

    h2_end(h2->h2, call->stream, trailers);
    flush_soon(h2);
}

static size_t h2_call_queued(const struct upstream_call *call)
{
    const struct h2_link *h2 = call->link->state;

    return h2_queued(h2->h2, call->stream);
}

static size_t h2_unsent(const struct upstream_call *call)
{
    return h2_call_queued(call);
}

static void h2_throttle(struct upstream_call *call, size_t held_bytes, enum upstream_flow flow)
{
    struct h2_link *h2 = call->link->state;
    size_t credit = call->outstanding - min_of(call->outstanding, held_bytes);

    if (flow == UPSTREAM_STOP || !credit)
        return;
    call->outstanding -= credit;
    h2_consume(h2->h2, call->stream, credit);
    flush_soon(h2);
}

static void h2_wire(const struct upstream_call *call, uint64_t *sent, uint64_t *received)
{
    const struct h2_link *h2 = call->link->state;

    if (call->stream)
        h2_stream_wire(h2->h2, call->stream, sent, received);
}

static void h2_leave(struct upstream_call *call)
{
    struct h2_link *h2 = call->link->state;

    if (h2->joining == call) {
        h2->joining = NULL;
        buf_clear(&h2->joined);
    }
    if (!call->stream)
        return;
    bool is_all = call->has_request_ended && !h2_queued(h2->h2, call->stream);

    h2_set_stream_context(h2->h2, call->stream, NULL);
    /* An answer that came before the end of its request: the rest is not wanted (RFC 9113 8.1). */
    if (!call->is_complete || !is_all)
        h2_reset(h2->h2, call->stream, call->is_complete ? H2_NO_ERROR : H2_CANCEL);
    flush_soon(h2);
}

/* ---- The answer ---- */

static void pass_joined(struct h2_link *h2)
{
    struct upstream_call *call = take(h2->joining);

    if (call)
        call->events->data(call->context, buf_str(&h2->joined));
    buf_clear(&h2->joined);
}

static struct upstream_call *call_of(struct h2_link *h2, int32_t stream)
{
    pass_joined(h2); /* it came before what is told now */
    return h2_stream_context(h2->h2, stream);
}

static void on_interim(void *context, int32_t stream, struct http_head *head)
{
    struct upstream_call *call = call_of(context, stream);

    if (call)
        ignore(call_got_interim(call, head));
}

static void on_response(void *context, int32_t stream, struct http_head *head, bool is_whole)
{
    struct h2_link *h2 = context;
    struct upstream_call *call = call_of(h2, stream);

    if (!call)
        return;
    call_got_head(call, head, is_whole);
    if (is_whole && h2_stream_context(h2->h2, stream) == call)
        call_end(call, NULL);
}

static void on_data(void *context, int32_t stream, struct str bytes)
{
    struct h2_link *h2 = context;
    struct upstream_call *call = h2_stream_context(h2->h2, stream);

    if (h2->joining != call || h2->joined.len + bytes.len > UPSTREAM_JOIN_BYTES)
        call = call_of(h2, stream);
    if (!call)
        return;
    call->outstanding += bytes.len;
    if (h2->joining != call && bytes.len >= UPSTREAM_DIRECT_BYTES) {
        call->events->data(call->context, bytes);
        return;
    }
    h2->joining = call;
    buf_append_str(&h2->joined, bytes);
}

static void on_ended(void *context, int32_t stream, struct http_head *trailers)
{
    struct upstream_call *call = call_of(context, stream);

    if (call)
        call_end(call, trailers);
}

static void explain(const struct h2_link *h2, enum h2_failure failure, uint32_t code,
                    struct error *err)
{
    static const char *const names[] = {
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    };

    if (failure == H2_CUT)
        error_set(err, ERROR_NETWORK, "its answer ended before its declared end");
    else if (failure == H2_MALFORMED)
        error_set(err, ERROR_PROTOCOL, "its answer is not HTTP/2 as it should be");
    else if (h2->cause.kind)
        *err = h2->cause;
    else
        error_set(err, ERROR_NETWORK, "it reset the stream (%s)",
                  code < count_of(names) ? names[code] : "unknown error");
}

static void on_failed(void *context, int32_t stream, enum h2_failure failure, uint32_t code)
{
    static const enum upstream_failure failures[] = {
        [H2_UNPROCESSED] = UPSTREAM_UNPROCESSED,
        [H2_BROKEN_OFF] = UPSTREAM_RESET,
        [H2_CUT] = UPSTREAM_TRUNCATED,
        [H2_MALFORMED] = UPSTREAM_BROKEN,
    };
    struct upstream_call *call = call_of(context, stream);
    struct error err = {0};

    if (!call)
        return;
    explain(context, failure, code, &err);
    if (failure == H2_UNPROCESSED)
        call_again(call, &err);
    else
        call_fail(call, failures[failure], &err);
}

/* A call was told of its end before this. */
static void on_closed(void *context, int32_t stream)
{
}

static void on_writable(void *context, int32_t stream)
{
    struct h2_link *h2 = context;
    struct upstream_call *call = h2_stream_context(h2->h2, stream);

    if (call)
        call->events->writable(call->context);
}

static void on_goaway(void *context)
{
    struct h2_link *h2 = context;

    link_shut(h2->link);
}

static void on_limits(void *context)
{
    struct h2_link *h2 = context;

    link_is_usable(h2->link);
}

static const struct h2_client_events events = {
    .interim = on_interim,
    .response = on_response,
    .data = on_data,
    .ended = on_ended,
    .failed = on_failed,
    .closed = on_closed,
    .writable = on_writable,
    .goaway = on_goaway,
    .limits = on_limits,
};

/* ---- The connection ---- */

static void h2_received(struct link *link, struct str bytes)
{
    struct h2_link *h2 = link->state;
    struct error err = {0}, unsent = {0};

    h2->is_heard = true;
    int status = h2_receive(h2->h2, bytes, clock_now().mono_us, &err);

    pass_joined(h2);
    if (!link->calls)
        buf_free(&h2->joined);
    flush_soon(h2);
    if (status == 0)
        return;
    ignore(send_out(h2, &unsent)); /* a GOAWAY that says why */
    link_lose(link, &err);
}

static void h2_writable(struct link *link)
{
    flush_soon(link->state);
}

static void h2_ended(struct link *link)
{
    struct error err = {0};

    error_set(&err, ERROR_NETWORK, "it closed the connection");
    link_lose(link, &err);
}

static void h2_link_lost(struct link *link, const struct error *err)
{
    struct h2_link *h2 = link->state;

    h2->cause = *err;
    h2_lost(h2->h2);
}

const struct link_protocol link_h2 = {
    .begin = h2_begin,
    .capacity = h2_capacity,
    .received = h2_received,
    .writable = h2_writable,
    .ended = h2_ended,
    .lost = h2_link_lost,
    .free = h2_link_free,
    .send_head = h2_send_head,
    .send_data = h2_send_data,
    .send_end = h2_send_end,
    .queued = h2_call_queued,
    .unsent = h2_unsent,
    .throttle = h2_throttle,
    .wire = h2_wire,
    .leave = h2_leave,
};
