/* client_h1.c - a client that speaks HTTP/1.1: one request at a time; what it sends ahead waits.
 * After 101 there are only bytes. */

#include "base/alloc.h"
#include "base/scoped.h"
#include "http/h1.h"
#include "http/hop.h"
#include "proxy/client.h"
#include "proxy/status.h"

#define AHEAD_BYTES_MAX ((size_t)64 << 10)
#define UNCREDITED_HIGH ((size_t)256 << 10)
#define UNCREDITED_LOW ((size_t)64 << 10)

enum h1_state {
    H1_IN_HEAD,
    H1_IN_BODY,
    H1_WAITING,  /* for the answer's end */
    H1_SWITCHED, /* 101 was answered */
};

struct h1_stream {
    struct client *client;
    struct exchange *exchange; /* NULL: none, or it is through with us */
    enum h1_state state;
    struct h1_reader reader;
    struct h1_body body;
    struct buf ahead;      /* came before its time */
    struct loop_job again; /* reads what is ahead */
    char *method;
    int version;
    bool is_upgrade; /* what comes ahead is no request: unless 101 is answered, nobody wants it */
    bool is_head_awaited; /* something of it came */
    bool keeps_open;
    enum h1_framing framing; /* of the answer */
    bool has_responded, is_answered;
    bool is_full, is_paused;
    size_t uncredited;
};

static const struct client_ops h1_ops;

static void write_out(struct h1_stream *h1, const struct buf *bytes)
{
    if (h1->client->conn)
        conn_write(h1->client->conn, buf_str(bytes));
}

static void see_full(struct h1_stream *h1)
{
    if (h1->client->conn && conn_is_full(h1->client->conn))
        h1->is_full = true;
}

/* ---- Answers ---- */

static void h1_interim(void *stream, const struct http_head *head)
{
    struct h1_stream *h1 = stream;
    scoped(buf_free) struct buf bytes = {0};
    struct error err = {0};

    /* RFC 9110 15.2: HTTP/1.0 knows none */
    if (h1->version > 10 && h1_write_response(&bytes, head, H1_NO_BODY, H1_KEEP, &err) == 0)
        write_out(h1, &bytes);
}

/* Both sides of the message are through. */
static void finish_message(struct h1_stream *h1)
{
    h1->exchange = NULL;
    h1->is_answered = true;
    if (h1->state != H1_WAITING || !h1->keeps_open) {
        client_finish(h1->client); /* the rest of a body that nobody wants ends with it */
        return;
    }
    h1->state = H1_IN_HEAD;
    h1->is_head_awaited = false;
    client_rest(h1->client);
    loop_later(h1->client->gateway->config.loop, &h1->again);
}

/* What came ahead, and what comes, is the stream's; it ends with the connection. */
static void switch_protocol(struct h1_stream *h1, const struct http_head *head)
{
    scoped(buf_free) struct buf bytes = {0};
    struct error err = {0};

    h1->has_responded = true;
    h1->keeps_open = false;
    h1->framing = H1_UNTIL_CLOSE;
    if (h1_write_response(&bytes, head, H1_NO_BODY, H1_KEEP, &err) < 0) {
        client_abort(h1->client); /* never: it was read by the same rules */
        return;
    }
    write_out(h1, &bytes);
    h1->state = H1_SWITCHED;
    loop_later(h1->client->gateway->config.loop, &h1->again);
}

static void h1_respond(void *stream, const struct http_head *head, bool is_all)
{
    struct h1_stream *h1 = stream;
    scoped(buf_free) struct buf bytes = {0};
    struct error err = {0};

    if (head->status == 101) {
        switch_protocol(h1, head);
        return;
    }
    h1->has_responded = true;
    h1->framing = h1_framing_of_response(head, str_from(h1->method), h1->version);
    if (h1->state == H1_IN_BODY || h1->framing == H1_UNTIL_CLOSE || h1->client->is_shut ||
        h1->is_upgrade)
        h1->keeps_open = false;
    if (h1_write_response(&bytes, head, h1->framing, h1->keeps_open ? H1_KEEP : H1_CLOSE, &err) <
        0) {
        h1->keeps_open = false; /* what may not be sent must not look like an answer */
    } else {
        if (is_all && h1->framing == H1_CHUNKED)
            h1_write_last_chunk(&bytes, NULL);
        write_out(h1, &bytes);
    }
    if (is_all)
        finish_message(h1);
}

static void h1_data(void *stream, struct chunk *chunk)
{
    struct h1_stream *h1 = stream;
    scoped(buf_free) struct buf frame = {0};
    struct str bytes = chunk_bytes(chunk);

    if (!h1->client->conn || !bytes.len || h1->framing == H1_NO_BODY)
        return;
    if (h1->framing == H1_CHUNKED) {
        h1_write_chunk_size(&frame, bytes.len);
        write_out(h1, &frame);
    }
    conn_write_chunk(h1->client->conn, chunk);
    if (h1->framing == H1_CHUNKED) {
        buf_clear(&frame);
        h1_write_chunk_end(&frame);
        write_out(h1, &frame);
    }
    see_full(h1);
}

static void h1_end(void *stream, const struct http_head *trailers)
{
    struct h1_stream *h1 = stream;
    scoped(buf_free) struct buf bytes = {0};

    if (h1->framing == H1_CHUNKED) {
        h1_write_last_chunk(&bytes, trailers);
        write_out(h1, &bytes);
    }
    finish_message(h1);
}

/* Without its last chunk, or short of its length, it cannot look complete; one that ends with the
 * connection must end with a reset. */
static void h1_abort(void *stream)
{
    struct h1_stream *h1 = stream;

    h1->exchange = NULL;
    h1->keeps_open = false;
    if (h1->has_responded && h1->framing == H1_UNTIL_CLOSE)
        client_abort(h1->client);
    else
        client_finish(h1->client);
}

static void h1_distrust(void *stream)
{
    struct h1_stream *h1 = stream;

    h1->keeps_open = false;
}

static void h1_credit(void *stream, size_t len)
{
    struct h1_stream *h1 = stream;

    h1->uncredited -= len;
    if (h1->is_paused && h1->uncredited <= UNCREDITED_LOW && h1->client->conn) {
        h1->is_paused = false;
        conn_resume(h1->client->conn);
    }
}

static size_t h1_queued(const void *stream)
{
    const struct h1_stream *h1 = stream;

    return h1->client->conn ? conn_queued(h1->client->conn) : 0;
}

static bool h1_is_full(const void *stream)
{
    const struct h1_stream *h1 = stream;

    return h1->is_full;
}

static const struct client_ops h1_ops = {
    .interim = h1_interim,
    .respond = h1_respond,
    .data = h1_data,
    .end = h1_end,
    .abort = h1_abort,
    .distrust = h1_distrust,
    .credit = h1_credit,
    .queued = h1_queued,
    .is_full = h1_is_full,
};

/* ---- Requests ---- */

/* Nobody knows who sent it: it is answered and not recorded. */
static void refuse(struct h1_stream *h1, int status, const char *text)
{
    scoped(http_head_free) struct http_head head = {0};
    scoped(chunk_free) struct chunk *body = status_make(&head, status, text, STATUS_ONLY);
    scoped(buf_free) struct buf bytes = {0};
    struct error err = {0};

    if (h1_write_response(&bytes, &head, H1_LENGTH, H1_CLOSE, &err) == 0) {
        buf_append_str(&bytes, chunk_bytes(body));
        write_out(h1, &bytes);
    }
    client_finish(h1->client);
}

static void begin(struct h1_stream *h1, struct exchange_request *request)
{
    request->ops = &h1_ops;
    request->stream = h1;
    request->peer = h1->client->peer;
    free(h1->method);
    h1->method = str_dup(request->head->method);
    h1->version = request->head->version;
    h1->keeps_open = !request->refused_status && h1_keeps_open(request->head);
    h1->is_upgrade = hop_upgrade(request->head).len > 0;
    h1->has_responded = h1->is_answered = false;
    h1->uncredited = 0;
    h1->state = request->has_body ? H1_IN_BODY : H1_WAITING;
    struct exchange *exchange = exchange_start(h1->client->gateway, request);
    if (!h1->is_answered)
        h1->exchange = exchange;
}

static void start_exchange(struct h1_stream *h1, struct http_head *head)
{
    struct exchange_request request = {.head = head};

    request.is_length_known = http_head_length(head, &request.length);
    request.has_body = h1->body.framing == H1_CHUNKED || request.length > 0;
    begin(h1, &request);
}

/* Recorded where it says who sent it. Nothing behind it is read. */
static void refuse_head(struct h1_stream *h1, const char *problem)
{
    scoped(http_head_free) struct http_head head = {0};
    scoped(free_text) char *text = xasprintf("kubectl-hoop: %s", problem);
    struct exchange_request request = {
        .head = &head,
        .refused_status = h1->reader.status,
        .problem = text,
    };

    h1_read_remains(&h1->reader, &head);
    if (http_head_count(&head, "authorization") == 1)
        begin(h1, &request);
    else
        refuse(h1, h1->reader.status, text);
}

static bool read_head(struct h1_stream *h1, struct str *in)
{
    scoped(http_head_free) struct http_head head = {0};
    struct error err = {0};
    enum io status = h1_read_request(&h1->reader, in, &head, &err);

    if (status == IO_AGAIN) {
        if (!h1->is_head_awaited)
            client_await_head(h1->client);
        h1->is_head_awaited = true;
        return false;
    }
    client_wake(h1->client);
    if (status == IO_FAILED) {
        refuse_head(h1, err.text);
        return false;
    }
    h1->body = h1_body_of_request(&head);
    start_exchange(h1, &head);
    return true;
}

static void give_data(struct h1_stream *h1, struct str data)
{
    if (!h1->exchange)
        return;
    h1->uncredited += data.len;
    exchange_request_data(h1->exchange, data);
    if (h1->uncredited > UNCREDITED_HIGH && !h1->is_paused && h1->client->conn) {
        h1->is_paused = true;
        conn_pause(h1->client->conn);
    }
}

/* Pieces of one read are passed on together: a sender may make chunks of one byte. */
static bool read_body(struct h1_stream *h1, struct str *in)
{
    scoped(buf_free) struct buf joined = {.limit = SIZE_MAX};
    scoped(http_head_free) struct http_head trailers = {0};
    struct error err = {0};
    struct str data;
    enum io status;

    while ((status = h1_body_next(&h1->body, in, &data, &trailers, &err)) == IO_OK) {
        if (!in->len && !joined.len)
            give_data(h1, data); /* all of it at once, as with a length */
        else
            buf_append_str(&joined, data);
    }
    if (joined.len)
        give_data(h1, buf_str(&joined));
    if (status == IO_EOF) {
        h1->state = H1_WAITING;
        if (h1->exchange)
            exchange_request_end(h1->exchange, trailers.field_count ? &trailers : NULL);
    } else if (status == IO_FAILED) {
        scoped(free_text) char *text = xasprintf("kubectl-hoop: %s", err.text);

        h1->state = H1_WAITING; /* nothing behind it is read */
        h1->keeps_open = false;
        if (h1->exchange)
            exchange_request_malformed(h1->exchange, text);
        else
            client_finish(h1->client);
    }
    return status == IO_EOF;
}

static void wait_ahead(struct h1_stream *h1, struct str in)
{
    if (h1->ahead.len + in.len > h1->ahead.limit) {
        client_abort(h1->client);
        return;
    }
    buf_append_str(&h1->ahead, in);
    if (h1->ahead.len >= AHEAD_BYTES_MAX && !h1->is_paused && h1->client->conn) {
        h1->is_paused = true;
        conn_pause(h1->client->conn);
    }
}

static void read_all(struct h1_stream *h1, struct str in)
{
    while (in.len && !h1->client->is_finishing && !h1->client->is_lost) {
        switch (h1->state) {
        case H1_IN_HEAD:
            if (!read_head(h1, &in))
                return;
            break;
        case H1_IN_BODY:
            if (!read_body(h1, &in))
                return;
            break;
        case H1_WAITING:
            wait_ahead(h1, in);
            return;
        case H1_SWITCHED:
            give_data(h1, in);
            return;
        }
    }
}

/* The next message may begin with what had come ahead. */
static void read_ahead(void *context)
{
    struct h1_stream *h1 = context;
    scoped(buf_free) struct buf ahead = h1->ahead;

    h1->ahead = (struct buf){.limit = ahead.limit};
    if (h1->is_paused && h1->client->conn) {
        h1->is_paused = false;
        conn_resume(h1->client->conn);
    }
    if (h1->state == H1_IN_HEAD && h1->client->is_shut && !ahead.len &&
        !h1_reader_has_begun(&h1->reader))
        client_finish(h1->client);
    read_all(h1, buf_str(&ahead));
}

static void h1_client_data(void *state, struct str bytes)
{
    struct h1_stream *h1 = state;

    if (h1->ahead.len || loop_is_queued(&h1->again))
        wait_ahead(h1, bytes); /* in its order */
    else
        read_all(h1, bytes);
}

static void *h1_client_begin(struct client *client)
{
    struct h1_stream *h1 = xcalloc(1, sizeof *h1);

    h1->client = client;
    h1->ahead.limit = AHEAD_BYTES_MAX * 4;
    h1->again = (struct loop_job){.run = read_ahead, .context = h1};
    return h1;
}

static void h1_client_writable(void *state)
{
    struct h1_stream *h1 = state;

    h1->is_full = false;
    if (h1->exchange)
        exchange_client_writable(h1->exchange);
}

static bool h1_client_ended(void *state)
{
    struct h1_stream *h1 = state;

    if (h1->state != H1_SWITCHED || !h1->exchange)
        return false;
    if (h1->ahead.len)
        read_ahead(h1);
    if (h1->exchange)
        exchange_stream_ended(h1->exchange);
    return true;
}

static void h1_client_quiet(void *state)
{
    struct h1_stream *h1 = state;

    if (h1_reader_has_begun(&h1->reader))
        refuse(h1, 408, "the head of this request did not come to its end in time");
    else
        client_finish(h1->client);
}

static void h1_client_shut(void *state)
{
    struct h1_stream *h1 = state;

    h1->keeps_open = false;
    if (h1->state == H1_IN_HEAD && !loop_is_queued(&h1->again))
        client_finish(h1->client);
}

static void h1_client_lost(void *state)
{
    struct h1_stream *h1 = state;

    loop_cancel(&h1->again);
    if (h1->exchange)
        exchange_client_gone(take(h1->exchange), h1_queued(h1));
}

static void h1_client_free(void *state)
{
    struct h1_stream *h1 = state;

    loop_cancel(&h1->again);
    h1_reader_free(&h1->reader);
    h1_body_free(&h1->body);
    buf_free(&h1->ahead);
    free(h1->method);
    free(h1);
}

const struct client_protocol client_h1 = {
    .begin = h1_client_begin,
    .data = h1_client_data,
    .writable = h1_client_writable,
    .ended = h1_client_ended,
    .quiet = h1_client_quiet,
    .shut = h1_client_shut,
    .lost = h1_client_lost,
    .free = h1_client_free,
};
