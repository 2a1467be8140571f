/* client_h2.c - a client that speaks HTTP/2. */

#include "base/alloc.h"
#include "base/clock.h"
#include "base/scoped.h"
#include "http/h2.h"
#include "proxy/client.h"

#define STREAM_HIGH ((size_t)256 << 10)

struct h2_stream {
    struct h2_stream *previous, *next;
    struct h2_client *client;
    int32_t id;
    struct exchange *exchange; /* NULL: it is through with us */
    size_t uncredited;         /* bytes of the request that were not delivered yet */
    bool is_full;
    bool is_breaking; /* the answer was broken off: reset, behind what is queued */
};

struct h2_client {
    struct client *client;
    struct h2 *h2;
    struct h2_stream *streams;
    struct loop_job flush;
};

static const struct client_ops h2_ops;

static void flush_soon(struct h2_client *client)
{
    if (client->client->conn)
        loop_at_end(client->client->gateway->config.loop, &client->flush);
}

/* ---- Out ---- */

/* Resets the streams that wait for it and have nothing queued any more. */
static bool break_streams(struct h2_client *client)
{
    bool did = false;

    for (struct h2_stream *stream = client->streams, *next; stream; stream = next) {
        next = stream->next;
        if (!stream->is_breaking || h2_queued(client->h2, stream->id))
            continue;
        stream->is_breaking = false;
        h2_reset(client->h2, stream->id, H2_INTERNAL_ERROR);
        did = true;
    }
    return did;
}

static bool send_out(struct h2_client *client, struct error *err)
{
    struct conn *conn = client->client->conn;

    while (!conn_is_full(conn) && h2_wants_send(client->h2)) {
        struct buf *bytes = conn_write_begin(conn);

        if (!bytes)
            break;
        size_t before = bytes->len;
        int status = h2_send(client->h2, bytes, CONN_HIGH_BYTES - conn_queued(conn), err);
        bool is_idle = bytes->len == before;

        conn_write_end(conn);
        if (status < 0)
            return false;
        if (is_idle)
            break;
    }
    return true;
}

/* Once at the end of a pass: frames of all streams go out together. */
static void flush(void *context)
{
    struct h2_client *client = context;
    struct error err = {0};

    if (!client->client->conn || client->client->is_lost)
        return;
    bool is_well = send_out(client, &err);
    if (is_well && !h2_wants_send(client->h2) && break_streams(client))
        is_well = send_out(client, &err);
    if (!is_well) {
        h2_lost(client->h2);
        client_finish(client->client);
    } else if (h2_is_finished(client->h2) && !h2_wants_send(client->h2)) {
        client_finish(client->client);
    }
}

/* The exchange is through. What it did not take of the request is thrown away; nghttp2 resets a
 * stream with NO_ERROR whose answer is complete before its request (RFC 9113 8.1). */
static void leave(struct h2_stream *stream)
{
    stream->exchange = NULL;
    h2_consume(stream->client->h2, stream->id, stream->uncredited);
    stream->uncredited = 0;
    flush_soon(stream->client);
}

static void h2_op_interim(void *context, const struct http_head *head)
{
    struct h2_stream *stream = context;

    h2_informational(stream->client->h2, stream->id, head);
    flush_soon(stream->client);
}

static void h2_op_respond(void *context, const struct http_head *head, bool is_all)
{
    struct h2_stream *stream = context;

    h2_respond(stream->client->h2, stream->id, head, is_all);
    flush_soon(stream->client);
    if (is_all)
        leave(stream);
}

static void h2_op_data(void *context, struct chunk *chunk)
{
    struct h2_stream *stream = context;

    h2_data_adopt(stream->client->h2, stream->id, chunk_share(chunk));
    if (h2_queued(stream->client->h2, stream->id) > STREAM_HIGH)
        stream->is_full = true;
    flush_soon(stream->client);
}

static void h2_op_end(void *context, const struct http_head *trailers)
{
    struct h2_stream *stream = context;

    h2_end(stream->client->h2, stream->id, trailers);
    leave(stream);
}

static void h2_op_abort(void *context)
{
    struct h2_stream *stream = context;

    leave(stream);
    stream->is_breaking = true;
}

static void h2_op_credit(void *context, size_t len)
{
    struct h2_stream *stream = context;

    stream->uncredited -= len;
    h2_consume(stream->client->h2, stream->id, len);
    flush_soon(stream->client);
}

static size_t h2_op_queued(const void *context)
{
    const struct h2_stream *stream = context;

    return h2_queued(stream->client->h2, stream->id);
}

static bool h2_op_is_full(const void *context)
{
    const struct h2_stream *stream = context;

    return stream->is_full;
}

static const struct client_ops h2_ops = {
    .interim = h2_op_interim,
    .respond = h2_op_respond,
    .data = h2_op_data,
    .end = h2_op_end,
    .abort = h2_op_abort,
    .credit = h2_op_credit,
    .queued = h2_op_queued,
    .is_full = h2_op_is_full,
};

/* ---- In ---- */

static struct h2_stream *stream_new(struct h2_client *client, int32_t id)
{
    struct h2_stream *stream = xcalloc(1, sizeof *stream);

    stream->client = client;
    stream->id = id;
    stream->next = client->streams;
    if (stream->next)
        stream->next->previous = stream;
    client->streams = stream;
    h2_set_stream_context(client->h2, id, stream);
    return stream;
}

static void start(struct h2_client *client, int32_t id, struct http_head *head, bool has_body,
                  int refused_status, const char *problem)
{
    struct h2_stream *stream = stream_new(client, id);
    struct exchange_request request = {
        .ops = &h2_ops,
        .stream = stream,
        .head = head,
        .has_body = has_body,
        .peer = client->client->peer,
        .refused_status = refused_status,
        .problem = problem,
    };

    client_wake(client->client);
    request.is_length_known = http_head_length(head, &request.length);
    stream->exchange = exchange_start(client->client->gateway, &request);
}

static void h2_on_request(void *context, int32_t id, struct http_head *head, bool is_whole)
{
    start(context, id, head, !is_whole, 0, NULL);
}

static void h2_on_refused(void *context, int32_t id, struct http_head *head, int status,
                          const char *problem)
{
    scoped(free_text) char *text = xasprintf("kubectl-hoop: %s", problem);

    start(context, id, head, false, status, text);
}

static void h2_on_data(void *context, int32_t id, struct str bytes)
{
    struct h2_client *client = context;
    struct h2_stream *stream = h2_stream_context(client->h2, id);

    if (!stream || !stream->exchange) {
        h2_consume(client->h2, id, bytes.len);
        return;
    }
    stream->uncredited += bytes.len;
    exchange_request_data(stream->exchange, bytes);
}

static void h2_on_ended(void *context, int32_t id, struct http_head *trailers)
{
    struct h2_client *client = context;
    struct h2_stream *stream = h2_stream_context(client->h2, id);

    if (stream && stream->exchange)
        exchange_request_end(stream->exchange, trailers);
}

static void let_go(struct h2_stream *stream)
{
    if (stream->exchange)
        exchange_client_gone(take(stream->exchange), h2_queued(stream->client->h2, stream->id));
}

static void h2_on_reset(void *context, int32_t id, uint32_t code)
{
    struct h2_client *client = context;
    struct h2_stream *stream = h2_stream_context(client->h2, id);

    if (stream && stream->exchange && h2_is_malformed(client->h2, id))
        exchange_client_malformed(take(stream->exchange),
                                  "kubectl-hoop: the request is not HTTP/2 as it should be",
                                  h2_queued(client->h2, id));
    else if (stream)
        let_go(stream);
}

static void h2_on_closed(void *context, int32_t id)
{
    struct h2_client *client = context;
    struct h2_stream *stream = h2_stream_context(client->h2, id);

    if (!stream)
        return;
    let_go(stream);
    h2_set_stream_context(client->h2, id, NULL);
    if (stream->previous)
        stream->previous->next = stream->next;
    else
        client->streams = stream->next;
    if (stream->next)
        stream->next->previous = stream->previous;
    free(stream);
    if (!client->streams)
        client_rest(client->client);
}

static void h2_on_writable(void *context, int32_t id)
{
    struct h2_client *client = context;
    struct h2_stream *stream = h2_stream_context(client->h2, id);

    if (!stream)
        return;
    stream->is_full = false;
    if (stream->exchange)
        exchange_client_writable(stream->exchange);
}

static const struct h2_events h2_events = {
    .request = h2_on_request,
    .refused = h2_on_refused,
    .data = h2_on_data,
    .ended = h2_on_ended,
    .reset = h2_on_reset,
    .closed = h2_on_closed,
    .writable = h2_on_writable,
};

static void *h2_client_begin(struct client *client)
{
    struct h2_client *h2 = xcalloc(1, sizeof *h2);

    h2->client = client;
    h2->h2 = h2_server_new(&h2_events, h2);
    h2->flush = (struct loop_job){.run = flush, .context = h2};
    flush_soon(h2);
    return h2;
}

static void h2_client_data(void *state, struct str bytes)
{
    struct h2_client *client = state;
    struct error err = {0};

    flush_soon(client);
    if (h2_receive(client->h2, bytes, clock_now().mono_us, &err) == 0)
        return;
    if (!send_out(client, &err))
        err.kind = ERROR_PROTOCOL;
    h2_lost(client->h2);
    client_finish(client->client);
}

static void h2_client_writable(void *state)
{
    flush_soon(state);
}

static void h2_client_shut(void *state)
{
    struct h2_client *client = state;

    h2_goaway(client->h2, H2_NO_ERROR);
    flush_soon(client);
}

static void h2_client_lost(void *state)
{
    struct h2_client *client = state;

    loop_cancel(&client->flush);
    h2_lost(client->h2);
}

static void h2_client_free(void *state)
{
    struct h2_client *client = state;

    loop_cancel(&client->flush);
    h2_free(&client->h2);
    free(client);
}

const struct client_protocol client_h2 = {
    .begin = h2_client_begin,
    .data = h2_client_data,
    .writable = h2_client_writable,
    .quiet = h2_client_shut,
    .shut = h2_client_shut,
    .lost = h2_client_lost,
    .free = h2_client_free,
};
