/* h2_peer.h - for test_h2*.c: an HTTP/2 client (nghttp2's) and the server under test, joined in
 * memory. Everything happens in pump(); the client's windows are the test's to open. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "http/h2.h"

#define STREAMS 2048 /* odd numbers below twice that */

/* What one side saw of a stream. */
struct seen {
    /* server */
    struct http_head request;
    struct http_head request_trailers;
    bool is_whole, has_ended;
    int refused;
    int resets, closes, writables;
    uint32_t reset_code;
    struct buf upload;
    size_t uploaded;
    /* client */
    int status, informational;
    struct buf body;
    size_t body_bytes;
    struct buf trailer; /* "name: value;" */
    struct buf fields;  /* likewise */
    bool is_closed;
    uint32_t close_code;
};

struct pair {
    struct h2 *server;
    nghttp2_session *client;
    struct seen seen[STREAMS]; /* by stream / 2 */
    int64_t mono_us;
    int goaways;
    uint32_t goaway_code;
    int32_t goaway_last;
    uint32_t max_streams, header_list, connect_protocol;
    struct error server_error;
    bool has_failed;
    size_t send_max;                                   /* of one h2_send */
    bool is_consuming;                                 /* the server gives credit at once */
    void (*on_request)(struct pair *, int32_t stream); /* answers, or NULL */
    /* upload of the client */
    size_t upload_left[STREAMS];
    bool upload_defers, upload_has_trailers;
};

static struct seen *seen(struct pair *pair, int32_t stream)
{
    assert_true(stream > 0 && stream / 2 < STREAMS);
    return &pair->seen[stream / 2];
}

/* ---- Server's events ---- */

static void peer_request(void *context, int32_t stream, struct http_head *head, bool is_whole)
{
    struct pair *pair = context;
    struct seen *s = seen(pair, stream);

    s->request = *head;
    *head = (struct http_head){0};
    s->is_whole = is_whole;
    if (pair->on_request)
        pair->on_request(pair, stream);
}

static void peer_refused(void *context, int32_t stream, struct http_head *head, int status,
                         const char *problem)
{
    struct pair *pair = context;
    struct http_head answer = {.status = status};

    assert_non_null(problem);
    seen(pair, stream)->refused = status;
    h2_respond(pair->server, stream, &answer, true);
}

static void peer_data(void *context, int32_t stream, struct str bytes)
{
    struct pair *pair = context;

    assert_true(bytes.len > 0);
    assert_false(seen(pair, stream)->has_ended);
    seen(pair, stream)->uploaded += bytes.len;
    if (seen(pair, stream)->uploaded < 4096)
        buf_append_str(&seen(pair, stream)->upload, bytes);
    if (pair->is_consuming)
        h2_consume(pair->server, stream, bytes.len);
}

static void peer_ended(void *context, int32_t stream, struct http_head *trailers)
{
    struct pair *pair = context;

    assert_false(seen(pair, stream)->has_ended);
    seen(pair, stream)->has_ended = true;
    if (trailers) {
        seen(pair, stream)->request_trailers = *trailers;
        *trailers = (struct http_head){0};
    }
}

static void peer_reset(void *context, int32_t stream, uint32_t code)
{
    struct pair *pair = context;

    assert_int_equal(0, seen(pair, stream)->closes);
    seen(pair, stream)->resets++;
    seen(pair, stream)->reset_code = code;
    /* All of these must do nothing now. */
    h2_consume(pair->server, stream, 1);
    h2_reset(pair->server, stream, H2_CANCEL);
    h2_end(pair->server, stream, NULL);
    assert_int_equal(0, h2_queued(pair->server, stream));
}

static void peer_closed(void *context, int32_t stream)
{
    struct pair *pair = context;

    seen(pair, stream)->closes++;
}

static void peer_writable(void *context, int32_t stream)
{
    struct pair *pair = context;

    seen(pair, stream)->writables++;
}

static const struct h2_events peer_events = {
    .request = peer_request,
    .refused = peer_refused,
    .data = peer_data,
    .ended = peer_ended,
    .reset = peer_reset,
    .closed = peer_closed,
    .writable = peer_writable,
};

/* ---- Client's callbacks ---- */

static int client_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                         size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                         void *user_data)
{
    struct pair *pair = user_data;
    struct seen *s = seen(pair, frame->hd.stream_id);
    struct str n = str_make(name, name_len), v = str_make(value, value_len);
    uint64_t status = 0;

    if (str_is(n, ":status")) {
        assert_true(num_parse_u64(v, 999, &status));
        if (status < 200)
            s->informational = (int)status;
        else
            s->status = (int)status;
        return 0;
    }
    bool is_trailer = frame->headers.cat == NGHTTP2_HCAT_HEADERS && s->body_bytes > 0;
    struct buf *to = is_trailer ? &s->trailer : &s->fields;

    if (v.len < 1000)
        buf_printf(to, "%.*s: %.*s;", STR_ARG(n), STR_ARG(v));
    return 0;
}

static int client_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                       size_t len, void *user_data)
{
    struct pair *pair = user_data;

    seen(pair, stream)->body_bytes += len;
    if (seen(pair, stream)->body.len < 4096)
        buf_append(&seen(pair, stream)->body, data, len);
    return 0;
}

static int client_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user_data)
{
    struct pair *pair = user_data;

    seen(pair, stream)->is_closed = true;
    seen(pair, stream)->close_code = code;
    return 0;
}

static int client_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct pair *pair = user_data;

    if (frame->hd.type == NGHTTP2_GOAWAY) {
        pair->goaways++;
        pair->goaway_code = frame->goaway.error_code;
        pair->goaway_last = frame->goaway.last_stream_id;
    }
    if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK)) {
        for (size_t i = 0; i < frame->settings.niv; i++) {
            nghttp2_settings_entry entry = frame->settings.iv[i];

            if (entry.settings_id == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
                pair->max_streams = entry.value;
            if (entry.settings_id == NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE)
                pair->header_list = entry.value;
            if (entry.settings_id == NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL)
                pair->connect_protocol++;
        }
    }
    return 0;
}

static ssize_t client_upload(nghttp2_session *session, int32_t stream, uint8_t *data, size_t len,
                             uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    struct pair *pair = user_data;
    size_t *left = &pair->upload_left[stream / 2];
    size_t now = min_of(len, *left);

    if (now == 0 && pair->upload_defers)
        return NGHTTP2_ERR_DEFERRED;
    memset(data, 'u', now);
    *left -= now;
    if (*left == 0 && !pair->upload_defers)
        *flags |= NGHTTP2_DATA_FLAG_EOF |
                  (pair->upload_has_trailers ? NGHTTP2_DATA_FLAG_NO_END_STREAM : 0);
    return (ssize_t)now;
}

/* ---- The pair ---- */

/* `client_window`: of each of its streams; the connection's is 1 GiB. `is_raw`: the client does not
 * check what it sends, nor give window by itself. */
static void pair_open(struct pair *pair, uint32_t client_window)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *options;
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, client_window}};

    *pair = (struct pair){.send_max = 1 << 18, .is_consuming = true};
    pair->server = h2_server_new(&peer_events, pair);
    assert_int_equal(0, nghttp2_session_callbacks_new(&callbacks));
    nghttp2_session_callbacks_set_on_header_callback(callbacks, client_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, client_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, client_frame);
    assert_int_equal(0, nghttp2_option_new(&options));
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_no_http_messaging(options, 1); /* it must be able to do wrong */
    nghttp2_option_set_max_send_header_block_length(options, 1 << 22);
    nghttp2_option_set_peer_max_concurrent_streams(options, 1000);
    assert_int_equal(0, nghttp2_session_client_new2(&pair->client, callbacks, pair, options));
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(options);
    assert_int_equal(0, nghttp2_submit_settings(pair->client, 0, settings, 1));
    assert_int_equal(0, nghttp2_session_set_local_window_size(pair->client, 0, 0, 1 << 30));
}

static void pair_close(struct pair *pair)
{
    h2_free(&pair->server);
    nghttp2_session_del(pair->client);
    for (size_t i = 0; i < STREAMS; i++) {
        struct seen *s = &pair->seen[i];

        http_head_free(&s->request);
        http_head_free(&s->request_trailers);
        buf_free(&s->upload);
        buf_free(&s->body);
        buf_free(&s->trailer);
        buf_free(&s->fields);
    }
}

/* To the server, in pieces of `step` bytes (0: whole). */
static bool to_server(struct pair *pair, struct str bytes, size_t step)
{
    while (bytes.len > 0 && !pair->has_failed) {
        struct str piece = str_first(bytes, step ? step : bytes.len);

        bytes = str_skip(bytes, piece.len);
        pair->has_failed = h2_receive(pair->server, piece, pair->mono_us, &pair->server_error) < 0;
    }
    return !pair->has_failed;
}

/* Moves bytes until both are quiet. */
static void pump_by(struct pair *pair, size_t step)
{
    for (bool moved = true; moved;) {
        scoped(buf_free) struct buf out = {.limit = 8 << 20};
        const uint8_t *data;
        ssize_t len;

        moved = false;
        while (!pair->has_failed && (len = nghttp2_session_mem_send(pair->client, &data)) > 0) {
            moved = true;
            to_server(pair, str_make(data, (size_t)len), step);
        }
        if (h2_send(pair->server, &out, pair->send_max, &pair->server_error) < 0)
            pair->has_failed = true;
        if (out.len > 0) {
            moved = true;
            nghttp2_session_mem_recv(pair->client, (uint8_t *)out.data, out.len);
        }
    }
}

static void pump(struct pair *pair)
{
    pump_by(pair, 0);
}

#define NV(n, v)                                                                                   \
    {                                                                                              \
        .name = (uint8_t *)"" n, .value = (uint8_t *)"" v, .namelen = sizeof n - 1,                \
        .valuelen = sizeof v - 1                                                                   \
    }
#define PSEUDO(method, path)                                                                       \
    NV(":method", method), NV(":scheme", "https"), NV(":path", path), NV(":authority", "a:1")

/* Submits a request; `upload` bytes of body, or -1 for none at all. Returns its stream. */
static int32_t ask(struct pair *pair, const nghttp2_nv *fields, size_t count, ssize_t upload)
{
    nghttp2_data_provider provider = {.read_callback = client_upload};
    int32_t stream = nghttp2_submit_request(pair->client, NULL, fields, count,
                                            upload >= 0 ? &provider : NULL, NULL);

    assert_true(stream > 0);
    if (upload >= 0)
        pair->upload_left[stream / 2] = (size_t)upload;
    return stream;
}

static int32_t get(struct pair *pair)
{
    nghttp2_nv fields[] = {PSEUDO("GET", "/api?x")};

    return ask(pair, fields, count_of(fields), -1);
}

static void respond(struct pair *pair, int32_t stream, int status, bool is_whole)
{
    struct http_head head = {.status = status};

    h2_respond(pair->server, stream, &head, is_whole);
}

/* `bytes` of body, in chunks. */
static void give(struct pair *pair, int32_t stream, size_t bytes)
{
    static const char block[CHUNK_BYTES_MAX];

    while (bytes > 0) {
        size_t now = min_of(bytes, sizeof block);

        h2_data_adopt(pair->server, stream, chunk_new(str_make(block, now)));
        bytes -= now;
    }
}
