/* test_hostile_answers_h2.c - answers over HTTP/2 that are none, or would be another one once they
 * are written down as HTTP/1.1 (RFC 9113 8.1.1, 8.2): the client gets 502 or sees that it broke
 * off, never a word of it; other calls on the connection go on where that is still to be had. */
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
#include "h2_raw.h"
#include "strict_server.h"

#define WAIT_MS 5000

enum end { OK, BAD, CUT }; /* delivered; 502; begun and broken off */

struct piece {
    enum frame_type type; /* DATA: `text` is it; HEADERS: `fields` */
    uint8_t flags;
    const char *text;
    struct h2_raw_field fields[6];
};

struct answer {
    const char *name;
    enum end end;
    const char *method; /* NULL: GET */
    struct piece pieces[6];
    int status; /* 0: 200. Of what has no body; over HTTP/1.1 it is whole with its head */
};

#define LAST FRAME_END_STREAM
#define HEAD(flags, ...)                                                                           \
    {                                                                                              \
        FRAME_HEADERS, flags, NULL,                                                                \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define DATA(flags, text)                                                                          \
    {                                                                                              \
        FRAME_DATA, flags, text                                                                    \
    }
#define FIELD(name, value)                                                                         \
    {                                                                                              \
        name, value                                                                                \
    }
#define STATUS(text) FIELD(":status", text)
#define WITH(name, field, value)                                                                   \
    {                                                                                              \
        name, BAD, NULL,                                                                           \
        {                                                                                          \
            HEAD(0, STATUS("200"), FIELD(field, value)), DATA(LAST, "ab")                          \
        }                                                                                          \
    }

static const struct answer answers[] = {
    {"fine", OK, NULL, {HEAD(0, STATUS("200")), DATA(LAST, "ab")}},
    {"its length",
     OK,
     NULL,
     {HEAD(0, STATUS("200"), FIELD("content-length", "2")), DATA(LAST, "ab")}},
    {"an empty value", OK, NULL, {HEAD(0, STATUS("200"), FIELD("x", "")), DATA(LAST, "ab")}},
    {"trailers",
     OK,
     NULL,
     {HEAD(0, STATUS("200")), DATA(0, "ab"), HEAD(LAST, FIELD("x-sum", "1"))}},
    /* ---- Fields ---- */
    WITH("transfer-encoding", "transfer-encoding", "chunked"),
    WITH("connection", "connection", "close"),
    WITH("keep-alive", "keep-alive", "timeout=5"),
    WITH("upgrade", "upgrade", "websocket"),
    WITH("proxy-connection", "proxy-connection", "close"),
    WITH("upper case", "Content-Length", "2"),
    WITH("a blank in a name", "x y", "1"),
    WITH("a colon in a name", "x:y", "1"),
    WITH("CR LF in a name", "x\r\nset-cookie", "1"),
    WITH("NUL in a name", "x{0}", "1"),
    WITH("no name", "", "1"),
    WITH("CR LF in a value", "x", "a\r\nset-cookie: smuggled"),
    WITH("an answer in a value", "x", "a\r\n\r\nHTTP/1.1 200 OK\r\n\r\nsmuggled"),
    WITH("LF in a value", "x", "a\nb"),
    WITH("CR in a value", "x", "a\rb"),
    WITH("NUL in a value", "x", "a{0}b"),
    WITH("an escape in a value", "x", "\x1b[2J"),
    WITH("a blank behind a value", "x", "a "),
    WITH("a request's pseudo field", ":path", "/"),
    WITH("an unknown pseudo field", ":own", "1"),
    WITH("a length that is none", "content-length", "2x"),
    WITH("a negative length", "content-length", "-2"),
    WITH("a list of lengths", "content-length", "2,2"),
    {"two lengths",
     BAD,
     NULL,
     {HEAD(0, STATUS("200"), FIELD("content-length", "2"), FIELD("content-length", "8")),
      DATA(LAST, "ab")}},
    /* ---- :status ---- */
    {"no status", BAD, NULL, {HEAD(LAST, FIELD("x", "1"))}},
    {"two statuses", BAD, NULL, {HEAD(LAST, STATUS("200"), STATUS("404"))}},
    {"a status behind fields", BAD, NULL, {HEAD(LAST, FIELD("x", "1"), STATUS("200"))}},
    {"an empty status", BAD, NULL, {HEAD(LAST, STATUS(""))}},
    {"a status of two digits", BAD, NULL, {HEAD(LAST, STATUS("20"))}},
    {"a status of four digits", BAD, NULL, {HEAD(LAST, STATUS("2000"))}},
    {"a status with a reason", BAD, NULL, {HEAD(LAST, STATUS("200 OK"))}},
    {"a status with CR LF", BAD, NULL, {HEAD(LAST, STATUS("200\r\nx: y"))}},
    {"status 600", BAD, NULL, {HEAD(LAST, STATUS("600"))}},
    {"status 099", BAD, NULL, {HEAD(LAST, STATUS("099"))}},
    {"101", BAD, NULL, {HEAD(LAST, STATUS("101"), FIELD("x", "1"))}},
    {"an interim one that is the last", BAD, NULL, {HEAD(LAST, STATUS("103"))}},
    /* ---- Bodies ---- */
    {"204 with a body", CUT, NULL, {HEAD(0, STATUS("204")), DATA(LAST, "smuggled")}, 204},
    {"304 with a body", CUT, NULL, {HEAD(0, STATUS("304")), DATA(LAST, "smuggled")}, 304},
    {"HEAD with a body", CUT, "HEAD", {HEAD(0, STATUS("200")), DATA(LAST, "smuggled")}, 200},
    {"longer than its length",
     CUT,
     NULL,
     {HEAD(0, STATUS("200"), FIELD("content-length", "2")), DATA(LAST, "absmuggled")}},
    {"shorter than its length",
     CUT,
     NULL,
     {HEAD(0, STATUS("200"), FIELD("content-length", "5")), DATA(LAST, "ab")}},
    /* ---- Trailers ---- */
    {"a length as a trailer",
     CUT,
     NULL,
     {HEAD(0, STATUS("200")), DATA(0, "ab"), HEAD(LAST, FIELD("content-length", "2"))}},
    {"a pseudo field as a trailer",
     CUT,
     NULL,
     {HEAD(0, STATUS("200")), DATA(0, "ab"), HEAD(LAST, STATUS("404"))}},
    {"CR LF in a trailer",
     CUT,
     NULL,
     {HEAD(0, STATUS("200")), DATA(0, "ab"), HEAD(LAST, FIELD("x", "a\r\n\r\nsmuggled"))}},
    {"trailers that are not the last",
     CUT,
     NULL,
     {HEAD(0, STATUS("200")), DATA(0, "ab"), HEAD(0, FIELD("x", "1"))}},
    {"a second head",
     CUT,
     NULL,
     {HEAD(0, STATUS("200")), DATA(0, "ab"), HEAD(0, STATUS("200"), FIELD("x", "smuggled"))}},
};

static struct strict_server server;
static struct h2_raw *raw;
static struct client_conn *asker, *neighbour;
static const char *wanted;
static unsigned problems;

static int set_up(void **state)
{
    problems = 0;
    server = (struct strict_server){.world = *state = world_new_h2()};
    neighbour = world_connect(*state);
    return 0;
}

static int tear_down(void **state)
{
    world_free((struct world **)state);
    return 0;
}

static void complain(const char *fmt, ...) printf_like(1, 2);

static void complain(const char *fmt, ...)
{
    va_list args;

    problems++;
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
}

static bool has_neighbour_wanted(struct world *world)
{
    strict_server_look(&server);
    return client_has(neighbour, wanted);
}

static bool is_asked(struct world *world)
{
    const struct h2_request *newest = world->h2.requests;

    return newest && newest->is_complete && strstr(newest->line, " /own") && !newest->is_judged;
}

static bool is_raw_over(struct world *world)
{
    const struct h2_raw_answer *answer = h2_raw_answer(raw, 1);

    return answer->is_complete || answer->reset || raw->has_ended;
}

static bool is_asker_closed(struct world *world)
{
    return asker->has_ended || asker->has_failed;
}

static void ask_as_neighbour(struct world *world, const char *name)
{
    strict_server_forget(&server);
    buf_clear(&neighbour->in);
    client_send(neighbour, "GET /kind/neighbour HTTP/1.1\r\n%s\r\n", world_who(world));
    wanted = "\r\n\r\nGET /neighbour";
    if (!world_run_until(world, has_neighbour_wanted, WAIT_MS) || client_has(neighbour, "muggled"))
        complain("%s: the neighbour got %.*s", name, STR_ARG(buf_str(&neighbour->in)));
}

static void send_answer(struct world *world, const struct answer *answer)
{
    scoped(buf_free) struct buf out = {.limit = SIZE_MAX};

    if (!world_run_until(world, is_asked, WAIT_MS))
        fail_msg("%s: not asked", answer->name);
    struct h2_request *request = world->h2.requests;
    request->is_judged = true;
    for (const struct piece *piece = answer->pieces; piece->text || piece->fields[0].name;
         piece++) {
        scoped(buf_free) struct buf block = {0};

        h2_raw_put_block(world, &block, piece->fields);
        if (piece->text)
            put_frame(&out, FRAME_DATA, piece->flags, request->stream, str_from(piece->text));
        else
            put_frame(&out, FRAME_HEADERS, piece->flags | FRAME_END_HEADERS, request->stream,
                      buf_str(&block));
    }
    h2_server_send(request->on, &out);
}

static int status_of(const struct answer *answer)
{
    return answer->end == BAD ? 502 : answer->status ? answer->status : 200;
}

static void client_over_h2_sees_502_or_that_it_broke_off(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < count_of(answers); i++) {
        const struct answer *answer = &answers[i];
        const struct h2_raw_field fields[] = {
            {":method", answer->method ? answer->method : "GET"},
            {":scheme", "https"},
            {":authority", "a"},
            {":path", "/kind/own"},
            {"authorization", "{bearer}"},
            {0},
        };

        raw = h2_raw_connect(world);
        h2_raw_headers(raw, 1, FRAME_END_STREAM, fields);
        send_answer(world, answer);
        if (!world_run_until(world, is_raw_over, WAIT_MS))
            complain("%s: no end", answer->name);
        const struct h2_raw_answer *got = h2_raw_answer(raw, 1);
        if (got->is_complete != (answer->end != CUT))
            complain("%s: complete or not: %d %s", answer->name, got->status, got->body);
        if (got->status != status_of(answer))
            complain("%s: %d %s", answer->name, got->status, got->body);
        if (strstr(got->body, "muggled") || strstr(got->fields, "muggled"))
            complain("%s: got %s %s", answer->name, got->fields, got->body);
        h2_raw_free(&raw);
        ask_as_neighbour(world, answer->name);
    }
    assert_int_equal(0, problems);
    assert_int_equal(1, world->h2.accepted); /* none of it is the connection's */
}

static void check_h1(const struct answer *answer)
{
    scoped(free_text) char *line = xasprintf("HTTP/1.1 %d ", status_of(answer));
    bool is_whole = client_has(asker, "\r\n0\r\n") ||
                    (client_has(asker, "\r\n\r\nab") && client_has(asker, "content-length: 2\r\n"));

    if (!str_starts(buf_str(&asker->in), str_from(line)) || client_has(asker, "muggled"))
        complain("%s: got %.*s", answer->name, STR_ARG(buf_str(&asker->in)));
    if (answer->end != BAD && is_whole != (answer->end == OK))
        complain("%s: whole or not: %.*s", answer->name, STR_ARG(buf_str(&asker->in)));
}

static void client_over_h1_sees_502_or_that_it_broke_off(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < count_of(answers); i++) {
        const struct answer *answer = &answers[i];

        asker = world_connect(world);
        client_send(asker, "%s /kind/own HTTP/1.1\r\n%sConnection: close\r\n\r\n",
                    answer->method ? answer->method : "GET", world_who(world));
        send_answer(world, answer);
        if (!world_run_until(world, is_asker_closed, WAIT_MS))
            complain("%s: no end: %.*s", answer->name, STR_ARG(buf_str(&asker->in)));
        check_h1(answer);
        client_hang_up(asker);
        ask_as_neighbour(world, answer->name);
    }
    assert_int_equal(0, problems);
    assert_int_equal(1, world->h2.accepted);
}

/* ---- A server that floods ---- */

static void put_ping(struct world *world, struct buf *out, int32_t stream)
{
    put_frame(out, FRAME_PING, 0, 0, STR("01234567"));
}

static void put_settings(struct world *world, struct buf *out, int32_t stream)
{
    put_setting(out, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535);
}

static void put_empty_data(struct world *world, struct buf *out, int32_t stream)
{
    put_frame(out, FRAME_DATA, 0, stream, STR(""));
}

static void put_interim(struct world *world, struct buf *out, int32_t stream)
{
    put_headers(out, stream, 0, ":status: 103\nlink: a\n");
}

static void put_continuation(struct world *world, struct buf *out, int32_t stream)
{
    scoped(buf_free) struct buf block = {0};

    put_field(&block, "x", "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
    put_frame(out, FRAME_CONTINUATION, 0, stream, buf_str(&block));
}

/* Each sends `put` without end, some of them behind the head of an answer. */
static const struct {
    const char *name;
    void (*put)(struct world *world, struct buf *out, int32_t stream);
    bool has_head; /* with `flags` */
    uint8_t flags;
    int status; /* of the client's answer */
} floods[] = {
    {"PING", put_ping, false, 0, 503},
    {"SETTINGS", put_settings, false, 0, 503},
    {"interim answers", put_interim, false, 0, 502},
    {"empty DATA", put_empty_data, true, FRAME_END_HEADERS, 200},
    {"CONTINUATION", put_continuation, true, 0, 503},
};

static void start_flood(struct world *world, size_t i, struct buf *out, int32_t stream)
{
    scoped(buf_free) struct buf block = {0};

    if (!floods[i].has_head)
        return;
    put_field(&block, ":status", "200");
    put_frame(out, FRAME_HEADERS, floods[i].flags, stream, buf_str(&block));
}

static void server_that_floods_is_left(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < count_of(floods); i++) {
        scoped(buf_free) struct buf out = {.limit = SIZE_MAX};
        scoped(free_text) char *line = xasprintf("HTTP/1.1 %d ", floods[i].status);

        asker = world_connect(world);
        client_send(asker, "GET /kind/own HTTP/1.1\r\n%sConnection: close\r\n\r\n",
                    world_who(world));
        assert_true(world_run_until(world, is_asked, WAIT_MS));
        struct h2_request *request = world->h2.requests;
        request->is_judged = true;
        start_flood(world, i, &out, request->stream);
        for (int n = 0; n < 10000; n++)
            floods[i].put(world, &out, request->stream);
        h2_server_send(request->on, &out);
        if (!world_run_until(world, is_asker_closed, WAIT_MS))
            complain("%s: goes on", floods[i].name);
        if (!client_has(asker, line) || client_has(asker, "\r\n0\r\n"))
            complain("%s: got %.*s", floods[i].name, STR_ARG(buf_str(&asker->in)));
        client_hang_up(asker);
        ask_as_neighbour(world, floods[i].name);
    }
    assert_int_equal(0, problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(client_over_h2_sees_502_or_that_it_broke_off, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(client_over_h1_sees_502_or_that_it_broke_off, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(server_that_floods_is_left, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
