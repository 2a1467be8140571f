#include "h2_caller.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/scoped.h"

struct h2_out { /* a request's body */
    struct buf bytes;
    bool is_last;
    const char *trailer; /* or NULL */
};

struct h2_caller {
    struct world *world;
    struct conn *conn;
    nghttp2_session *session;
    bool is_ready, has_failed, has_goaway;
    struct h2_answer answers[H2_CALLER_STREAMS];
    struct h2_out out[H2_CALLER_STREAMS];
    size_t held[H2_CALLER_STREAMS]; /* taken and not given back */
    bool is_held[H2_CALLER_STREAMS];
};

static size_t slot(int32_t stream)
{
    size_t i = (size_t)stream / 2; /* 1, 3, 5… */

    assert_true(i < H2_CALLER_STREAMS);
    return i;
}

static void flush(struct h2_caller *peer)
{
    const uint8_t *data;
    ssize_t len;

    if (!peer->conn)
        return;
    while ((len = nghttp2_session_mem_send(peer->session, &data)) > 0)
        conn_write(peer->conn, str_make(data, (size_t)len));
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *context)
{
    struct h2_caller *peer = context;
    char text[4] = "";

    if (str_is(str_make(name, name_len), ":status") && value_len == 3) {
        memcpy(text, value, 3);
        peer->answers[slot(frame->hd.stream_id)].status = (int)strtol(text, NULL, 10);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t len, void *context)
{
    struct h2_caller *peer = context;
    struct h2_answer *answer = &peer->answers[slot(stream)];
    size_t room = sizeof answer->body - 1 - strlen(answer->body);

    memcpy(answer->body + strlen(answer->body), data, min_of(room, len));
    answer->bytes += len;
    nghttp2_session_consume_connection(session, len);
    if (peer->is_held[slot(stream)])
        peer->held[slot(stream)] += len;
    else
        nghttp2_session_consume_stream(session, stream, len);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct h2_caller *peer = context;

    if (frame->hd.type == NGHTTP2_GOAWAY)
        peer->has_goaway = true;
    if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        peer->answers[slot(frame->hd.stream_id)].is_complete = true;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *context)
{
    struct h2_caller *peer = context;
    struct h2_answer *answer = &peer->answers[slot(stream)];

    answer->is_closed = true;
    answer->reset_code = code;
    return 0;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *to, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct h2_out *out = source->ptr;
    size_t took = min_of(len, out->bytes.len);

    if (!took && !out->is_last)
        return NGHTTP2_ERR_DEFERRED;
    if (took)
        memcpy(to, out->bytes.data, took);
    buf_consume(&out->bytes, took);
    if (out->is_last && !out->bytes.len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (out->is_last && !out->bytes.len && out->trailer) {
        nghttp2_nv trailer = field(out->trailer, "1");

        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer(session, stream, &trailer, 1);
    }
    return (ssize_t)took;
}

static void peer_ready(struct conn *conn, void *context)
{
    struct h2_caller *peer = context;

    assert_string_equal("h2", conn_alpn(conn));
    peer->is_ready = true;
}

static void peer_data(struct conn *conn, struct str bytes, void *context)
{
    struct h2_caller *peer = context;
    ssize_t took = nghttp2_session_mem_recv(peer->session, (const uint8_t *)bytes.data, bytes.len);

    assert_int_equal(bytes.len, took);
    flush(peer);
}

static void peer_ended(struct conn *conn, void *context)
{
    conn_shutdown(conn);
}

static void peer_failed(struct conn *conn, const struct error *err, void *context)
{
    struct h2_caller *peer = context;

    peer->has_failed = true;
    conn_close(&peer->conn);
}

static const struct conn_events peer_events = {
    .ready = peer_ready,
    .data = peer_data,
    .ended = peer_ended,
    .failed = peer_failed,
};

static struct h2_caller *newest;

static bool is_ready(struct world *world)
{
    return newest->is_ready || newest->has_failed;
}

struct h2_caller *h2_caller_connect(struct world *world, uint32_t window)
{
    struct h2_caller *peer = newest = xcalloc(1, sizeof *peer);
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};

    peer->world = world;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_client_new2(&peer->session, callbacks, peer, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(peer->session, NGHTTP2_FLAG_NONE, &settings, 1);
    peer->conn = dial_start(world->loop,
                            &(struct dial_target){.host = "127.0.0.1",
                                                  .port = gateway_port(world->gateway),
                                                  .tls = world->client_tls,
                                                  .alpn = "h2"},
                            &peer_events, peer);
    assert_true(world_run_until(world, is_ready, 5000));
    assert_true(peer->is_ready);
    flush(peer);
    return peer;
}

void h2_caller_free(struct h2_caller **address)
{
    struct h2_caller *peer = *address;

    conn_close(&peer->conn);
    world_run_for(peer->world, 2);
    nghttp2_session_del(peer->session);
    for (size_t i = 0; i < H2_CALLER_STREAMS; i++)
        buf_free(&peer->out[i].bytes);
    free(peer);
    *address = NULL;
}

int32_t h2_caller_request(struct h2_caller *peer, const char *method, const char *path,
                          const char *content_length, bool has_body)
{
    scoped(free_text) char *bearer =
        bearer_make(peer->world->config.bearer_key, WORLD_SESSION, 3, STR("c1"));
    scoped(free_text) char *shown = xasprintf("Bearer %s", bearer);
    int32_t next = (int32_t)nghttp2_session_get_next_stream_id(peer->session);
    nghttp2_data_provider provider = {{.ptr = &peer->out[slot(next)]}, read_body};
    nghttp2_nv fields[] = {
        field(":method", method),
        field(":path", path),
        field(":scheme", "https"),
        field(":authority", "127.0.0.1"),
        field("authorization", shown),
        field("content-length", content_length ? content_length : ""),
    };

    int32_t stream = nghttp2_submit_request(peer->session, NULL, fields, content_length ? 6 : 5,
                                            has_body ? &provider : NULL, NULL);
    assert_int_equal(next, stream);
    peer->answers[slot(stream)].id = stream;
    flush(peer);
    return stream;
}

void h2_caller_data(struct h2_caller *peer, int32_t stream, const char *text, bool is_last)
{
    struct h2_out *out = &peer->out[slot(stream)];

    out->bytes.limit = SIZE_MAX;
    buf_append_text(&out->bytes, text);
    out->is_last = is_last;
    nghttp2_session_resume_data(peer->session, stream);
    flush(peer);
}

void h2_caller_trailer(struct h2_caller *peer, int32_t stream, const char *text, const char *name)
{
    peer->out[slot(stream)].trailer = name;
    h2_caller_data(peer, stream, text, true);
}

void h2_caller_reset(struct h2_caller *peer, int32_t stream)
{
    nghttp2_submit_rst_stream(peer->session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
    flush(peer);
}

void h2_caller_hold(struct h2_caller *peer, int32_t stream, bool is_held)
{
    size_t i = slot(stream);

    peer->is_held[i] = is_held;
    if (is_held)
        return;
    nghttp2_session_consume_stream(peer->session, stream, peer->held[i]);
    peer->held[i] = 0;
    flush(peer);
}

const struct h2_answer *h2_caller_answer(const struct h2_caller *peer, int32_t stream)
{
    return &peer->answers[slot(stream)];
}

bool h2_caller_was_told_to_go(const struct h2_caller *peer)
{
    return peer->has_goaway;
}
