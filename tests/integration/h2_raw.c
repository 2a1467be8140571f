#include "h2_raw.h"

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

struct h2_raw_answer *h2_raw_answer(struct h2_raw *raw, int32_t stream)
{
    size_t i = (size_t)stream / 2;

    return &raw->answers[i < H2_RAW_STREAMS ? i : H2_RAW_STREAMS];
}

/* ---- Out ---- */

void h2_raw_send(struct h2_raw *raw, const struct buf *frames)
{
    if (raw->conn)
        conn_write(raw->conn, buf_str(frames));
}

static void fill(struct world *world, struct buf *out, const char *text)
{
    scoped(free_text) char *bearer =
        bearer_make(world->config.bearer_key, WORLD_SESSION, 3, STR("c1"));
    struct str left = str_from(text);

    while (left.len) {
        if (str_starts(left, STR("{0}"))) {
            buf_append_char(out, 0);
            left = str_skip(left, 3);
        } else if (str_starts(left, STR("{bearer}"))) {
            buf_printf(out, "Bearer %s", bearer);
            left = str_skip(left, strlen("{bearer}"));
        } else {
            buf_append_char(out, *left.data);
            left = str_skip(left, 1);
        }
    }
}

void h2_raw_put_block(struct world *world, struct buf *block, const struct h2_raw_field *fields)
{
    for (; fields->name; fields++) {
        scoped(buf_free) struct buf name = {0}, value = {.limit = SIZE_MAX};

        fill(world, &name, fields->name);
        fill(world, &value, fields->value);
        put_number(block, 0, 1); /* a literal that is not kept, its name new */
        put_text(block, buf_str(&name));
        put_text(block, buf_str(&value));
    }
}

void h2_raw_headers(struct h2_raw *raw, int32_t stream, uint8_t flags,
                    const struct h2_raw_field *fields)
{
    scoped(buf_free) struct buf block = {.limit = SIZE_MAX}, out = {.limit = SIZE_MAX};

    h2_raw_put_block(raw->world, &block, fields);
    put_frame(&out, FRAME_HEADERS, flags | FRAME_END_HEADERS, stream, buf_str(&block));
    h2_raw_send(raw, &out);
}

void h2_raw_data(struct h2_raw *raw, int32_t stream, uint8_t flags, const char *text)
{
    scoped(buf_free) struct buf out = {.limit = SIZE_MAX};

    put_frame(&out, FRAME_DATA, flags, stream, str_from(text));
    h2_raw_send(raw, &out);
}

/* ---- In ---- */

static void take_field(struct h2_raw_answer *answer, const nghttp2_nv *field)
{
    size_t len = strlen(answer->fields);

    if (strcmp((const char *)field->name, ":status") == 0)
        answer->status = (int)strtol((const char *)field->value, NULL, 10);
    else
        snprintf(answer->fields + len, sizeof answer->fields - len, "%s: %s;", field->name,
                 field->value);
}

static void take_headers(struct h2_raw *raw, const struct frame *frame)
{
    const uint8_t *at = (const uint8_t *)frame->payload.data;
    size_t left = frame->payload.len;
    int flags = 0;

    assert_true(frame->flags & FRAME_END_HEADERS);
    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
        nghttp2_nv field;
        ssize_t used = nghttp2_hd_inflate_hd2(raw->inflater, &field, &flags, at, left, 1);

        assert_true(used >= 0);
        at += used;
        left -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            take_field(h2_raw_answer(raw, frame->stream), &field);
    }
    nghttp2_hd_inflate_end_headers(raw->inflater);
}

static void take_data(struct h2_raw_answer *answer, struct str data)
{
    size_t len = strlen(answer->body), room = sizeof answer->body - 1 - len;

    memcpy(answer->body + len, data.data, min_of(room, data.len));
}

static void take_frame(struct h2_raw *raw, const struct frame *frame)
{
    bool is_message = frame->type == FRAME_HEADERS || frame->type == FRAME_DATA;
    scoped(buf_free) struct buf out = {0};

    raw->frames[frame->type & 15]++;
    if (frame->type == FRAME_HEADERS)
        take_headers(raw, frame);
    else if (frame->type == FRAME_DATA)
        take_data(h2_raw_answer(raw, frame->stream), frame->payload);
    else if (frame->type == FRAME_RST_STREAM)
        h2_raw_answer(raw, frame->stream)->reset = (uint32_t)frame_number(frame->payload, 0, 4) + 1;
    else if (frame->type == FRAME_GOAWAY)
        raw->goaway = (uint32_t)frame_number(frame->payload, 4, 4) + 1;
    else if (frame->type == FRAME_SETTINGS && !(frame->flags & FRAME_ACK))
        put_frame(&out, FRAME_SETTINGS, FRAME_ACK, 0, STR(""));
    if (is_message && (frame->flags & FRAME_END_STREAM))
        h2_raw_answer(raw, frame->stream)->is_complete = true;
    h2_raw_send(raw, &out);
}

static void raw_ready(struct conn *conn, void *context)
{
    struct h2_raw *raw = context;
    scoped(buf_free) struct buf out = {0};

    raw->is_ready = true; /* before anything that the gateway's SETTINGS are answered with */
    buf_append_text(&out, PREFACE);
    put_frame(&out, FRAME_SETTINGS, 0, 0, STR(""));
    h2_raw_send(raw, &out);
}

static void raw_data(struct conn *conn, struct str bytes, void *context)
{
    struct h2_raw *raw = context;
    struct frame frame;

    buf_append_str(&raw->in, bytes);
    struct str left = buf_str(&raw->in);

    while (frame_next(&left, &frame))
        take_frame(raw, &frame);
    buf_consume(&raw->in, raw->in.len - left.len);
}

static void raw_ended(struct conn *conn, void *context)
{
    struct h2_raw *raw = context;

    raw->has_ended = true;
    conn_shutdown(conn);
}

static void raw_failed(struct conn *conn, const struct error *err, void *context)
{
    struct h2_raw *raw = context;

    raw->has_ended = true;
    conn_close(&raw->conn);
}

static const struct conn_events raw_events = {
    .ready = raw_ready,
    .data = raw_data,
    .ended = raw_ended,
    .failed = raw_failed,
};

/* ---- Its life ---- */

static struct h2_raw *newest;

static bool is_ready(struct world *world)
{
    return newest->is_ready || newest->has_ended;
}

static bool has_settings(struct world *world)
{
    return newest->frames[FRAME_SETTINGS] >= 2 || newest->has_ended;
}

struct h2_raw *h2_raw_connect(struct world *world)
{
    struct h2_raw *raw = newest = xcalloc(1, sizeof *raw);
    nghttp2_hd_inflater *inflater;

    assert_int_equal(0, nghttp2_hd_inflate_new(&inflater));
    raw->inflater = inflater;
    raw->world = world;
    raw->in.limit = SIZE_MAX;
    raw->conn = dial_start(world->loop,
                           &(struct dial_target){.host = "127.0.0.1",
                                                 .port = gateway_port(world->gateway),
                                                 .tls = world->client_tls,
                                                 .alpn = "h2"},
                           &raw_events, raw);
    assert_true(world_run_until(world, is_ready, 5000));
    assert_true(raw->is_ready);
    assert_true(world_run_until(world, has_settings, 5000));
    assert_false(raw->has_ended);
    return raw;
}

void h2_raw_free(struct h2_raw **address)
{
    struct h2_raw *raw = *address;

    conn_close(&raw->conn);
    world_run_for(raw->world, 2); /* its last event */
    nghttp2_hd_inflate_del(raw->inflater);
    buf_free(&raw->in);
    free(raw);
    *address = NULL;
}
