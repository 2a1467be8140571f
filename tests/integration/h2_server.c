#include "h2_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/scoped.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

void h2_server_send(struct h2_server_conn *on, const struct buf *frames)
{
    if (on->conn)
        conn_write(on->conn, buf_str(frames));
}

/* ---- What arrives ---- */

static struct h2_request *find(struct h2_server_conn *on, int32_t stream)
{
    struct h2_request *request = on->server->requests;

    while (request && (request->on != on || request->stream != stream))
        request = request->next;
    return request;
}

static void tell(struct h2_server *server, struct str bytes)
{
    if (server->arrived)
        server->arrived(server->context, bytes);
}

static void append(char *text, size_t size, const char *format, ...)
{
    size_t len = strlen(text);
    va_list args;

    va_start(args, format);
    vsnprintf(text + len, size - len, format, args);
    va_end(args);
}

static void take_field(struct h2_request *request, const nghttp2_nv *field, bool is_trailer)
{
    const char *name = (const char *)field->name, *value = (const char *)field->value;

    if (strcmp(name, ":method") == 0)
        snprintf(request->line, sizeof request->line, "%s ", value);
    else if (strcmp(name, ":path") == 0)
        append(request->line, sizeof request->line, "%s", value);
    else if (is_trailer)
        append(request->trailers, sizeof request->trailers, "%s: %s;", name, value);
    else
        append(request->fields, sizeof request->fields, "%s: %s;", name, value);
    tell(request->on->server, str_from(name));
    tell(request->on->server, str_from(value));
}

static void take_headers(struct h2_server_conn *on, const struct frame *frame)
{
    struct h2_request *request = find(on, frame->stream);
    const uint8_t *at = (const uint8_t *)frame->payload.data;
    size_t left = frame->payload.len;
    bool is_trailer = request != NULL;
    int flags = 0;

    assert_true(frame->flags & FRAME_END_HEADERS);
    if (!request) {
        request = xcalloc(1, sizeof *request);
        *request =
            (struct h2_request){.next = on->server->requests, .on = on, .stream = frame->stream};
        on->server->requests = request;
        on->server->seen++;
    }
    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
        nghttp2_nv field;
        ssize_t used = nghttp2_hd_inflate_hd2(on->inflater, &field, &flags, at, left, 1);

        assert_true(used >= 0);
        at += used;
        left -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            take_field(request, &field, is_trailer);
    }
    nghttp2_hd_inflate_end_headers(on->inflater);
}

static void give_window(struct h2_server_conn *on, int32_t stream, size_t bytes)
{
    scoped(buf_free) struct buf out = {0};

    if (on->server->gives_no_window || !bytes)
        return;
    put_word(&out, FRAME_WINDOW_UPDATE, 0, (uint32_t)bytes);
    put_word(&out, FRAME_WINDOW_UPDATE, stream, (uint32_t)bytes);
    h2_server_send(on, &out);
}

static void take_frame(struct h2_server_conn *on, const struct frame *frame)
{
    struct h2_request *request = find(on, frame->stream);
    scoped(buf_free) struct buf out = {0};

    if (frame->type == FRAME_HEADERS) {
        take_headers(on, frame);
        request = find(on, frame->stream);
    } else if (frame->type == FRAME_DATA) {
        size_t room = sizeof request->body - 1 - strlen(request->body);

        memcpy(request->body + strlen(request->body), frame->payload.data,
               min_of(room, frame->payload.len));
        request->bytes += frame->payload.len;
        tell(on->server, frame->payload);
        give_window(on, frame->stream, frame->payload.len);
    } else if (frame->type == FRAME_RST_STREAM && request) {
        request->reset = (uint32_t)frame_number(frame->payload, 0, 4) + 1;
    } else if (frame->type == FRAME_SETTINGS && !(frame->flags & FRAME_ACK)) {
        put_frame(&out, FRAME_SETTINGS, FRAME_ACK, 0, STR(""));
    } else if (frame->type == FRAME_PING && !(frame->flags & FRAME_ACK)) {
        on->pings++;
        put_frame(&out, FRAME_PING, FRAME_ACK, 0, frame->payload);
    }
    if ((frame->type == FRAME_HEADERS || frame->type == FRAME_DATA) &&
        (frame->flags & FRAME_END_STREAM))
        request->is_complete = true;
    if (!on->server->is_silent)
        h2_server_send(on, &out);
}

/* ---- Connections ---- */

static void served_ready(struct conn *conn, void *context)
{
    struct h2_server_conn *on = context;
    scoped(buf_free) struct buf out = {0};

    assert_string_equal("h2", conn_alpn(conn));
    if (on->server->is_silent)
        return;
    if (on->server->window)
        put_setting(&out, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, on->server->window);
    put_setting(&out, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                on->server->max_streams ? on->server->max_streams : 100);
    h2_server_send(on, &out);
}

static void served_data(struct conn *conn, struct str bytes, void *context)
{
    struct h2_server_conn *on = context;
    struct frame frame;

    buf_append_str(&on->in, bytes);
    if (!on->has_preface && on->in.len >= sizeof PREFACE - 1) {
        assert_memory_equal(PREFACE, on->in.data, sizeof PREFACE - 1);
        buf_consume(&on->in, sizeof PREFACE - 1);
        on->has_preface = true;
    }
    if (!on->has_preface)
        return;
    struct str left = buf_str(&on->in);

    while (frame_next(&left, &frame))
        take_frame(on, &frame);
    buf_consume(&on->in, on->in.len - left.len);
}

static void served_ended(struct conn *conn, void *context)
{
    struct h2_server_conn *on = context;

    on->has_ended = true;
    conn_close(&on->conn);
}

static void served_failed(struct conn *conn, const struct error *err, void *context)
{
    served_ended(conn, context);
}

static const struct conn_events served_events = {
    .ready = served_ready,
    .data = served_data,
    .ended = served_ended,
    .failed = served_failed,
};

static void accepted(struct listener *listener, struct conn *conn, void *context)
{
    struct h2_server *server = context;
    struct h2_server_conn *on = xcalloc(1, sizeof *on);
    nghttp2_hd_inflater *inflater;

    assert_int_equal(0, nghttp2_hd_inflate_new(&inflater));
    on->inflater = inflater;
    on->server = server;
    on->conn = conn;
    on->in.limit = SIZE_MAX;
    on->next = server->conns;
    server->conns = on;
    server->accepted++;
    conn_set_events(conn, &served_events, on);
}

static const struct listener_events listener_events = {.accepted = accepted};

void h2_server_start(struct h2_server *server, struct loop *loop, const struct tls_server *tls)
{
    struct error err = {0};

    server->listener = listener_start(loop, "127.0.0.1", 0, tls, &listener_events, server, &err);
    assert_non_null(server->listener);
}

uint16_t h2_server_port(const struct h2_server *server)
{
    return listener_port(server->listener);
}

void h2_server_stop(struct h2_server *server)
{
    for (struct h2_server_conn *on = server->conns; on; on = on->next)
        conn_close(&on->conn);
    listener_stop(&server->listener);
}

void h2_server_free(struct h2_server *server)
{
    while (server->conns) {
        struct h2_server_conn *on = server->conns;

        server->conns = on->next;
        nghttp2_hd_inflate_del(on->inflater);
        buf_free(&on->in);
        free(on);
    }
    while (server->requests) {
        struct h2_request *request = server->requests;

        server->requests = request->next;
        free(request);
    }
}

/* ---- For tests ---- */

struct h2_request *h2_server_find(struct h2_server *server, const char *line)
{
    struct h2_request *request = server->requests;

    while (request && strcmp(request->line, line) != 0)
        request = request->next;
    return request;
}

unsigned h2_server_count(struct h2_server *server, const char *line)
{
    unsigned count = 0;

    for (struct h2_request *request = server->requests; request; request = request->next)
        count += strcmp(request->line, line) == 0;
    return count;
}

void h2_server_head(struct h2_request *request, const char *fields, bool is_all)
{
    scoped(buf_free) struct buf out = {0};

    put_headers(&out, request->stream, is_all ? FRAME_END_STREAM : 0, fields);
    h2_server_send(request->on, &out);
}

void h2_server_data(struct h2_request *request, const char *text, bool is_last)
{
    scoped(buf_free) struct buf out = {.limit = SIZE_MAX};

    put_frame(&out, FRAME_DATA, is_last ? FRAME_END_STREAM : 0, request->stream, str_from(text));
    h2_server_send(request->on, &out);
}

void h2_server_reset(struct h2_request *request, uint32_t code)
{
    scoped(buf_free) struct buf out = {0};

    put_word(&out, FRAME_RST_STREAM, request->stream, code);
    h2_server_send(request->on, &out);
}

void h2_server_goaway(struct h2_server_conn *on, int32_t last_stream, uint32_t code)
{
    scoped(buf_free) struct buf out = {0};

    put_goaway(&out, last_stream, code);
    h2_server_send(on, &out);
}
