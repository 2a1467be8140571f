/* test_faults.c - an API server over HTTP/2 that resets, or says GOAWAY, at each point of an
 * exchange; and clients that flood: what the client is told, what the journal says, that others are
 * served, and that memory stays bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "h2_caller.h"
#include "h2_raw.h"
#include "strict_server.h"

#define WAIT_MS 5000

static struct strict_server server;
static struct h2_raw *raw;
static struct client_conn *neighbour;
static const char *wanted;
static unsigned wanted_count;

static int set_up(void **state)
{
    server = (struct strict_server){.world = *state = world_new_h2()};
    neighbour = world_connect(*state);
    return 0;
}

static int tear_down(void **state)
{
    world_free((struct world **)state);
    return 0;
}

static bool is_asked(struct world *world)
{
    return h2_server_count(&world->h2, wanted) >= wanted_count;
}

static bool has_neighbour_wanted(struct world *world)
{
    strict_server_look(&server);
    return client_has(neighbour, wanted);
}

static bool is_first_over(struct world *world)
{
    const struct h2_raw_answer *answer = h2_raw_answer(raw, 1);

    return answer->is_complete || answer->reset || raw->has_ended;
}

static bool is_second_over(struct world *world)
{
    const struct h2_raw_answer *answer = h2_raw_answer(raw, 3);

    return answer->is_complete || answer->reset || raw->has_ended;
}

static bool is_told_to_go(struct world *world)
{
    strict_server_look(&server);
    return raw->goaway || raw->has_ended;
}

static bool is_written(struct world *world)
{
    return world_count_written(world, wanted) >= wanted_count;
}

static void ask_as_neighbour(struct world *world)
{
    strict_server_forget(&server);
    buf_clear(&neighbour->in);
    client_send(neighbour, "GET /kind/neighbour HTTP/1.1\r\n%s\r\n", world_who(world));
    wanted = "\r\n\r\nGET /neighbour";
    assert_true(world_run_until(world, has_neighbour_wanted, WAIT_MS));
}

/* ---- The server, at each point ---- */

enum point { BEFORE_ALL, AFTER_INTERIM, AFTER_HEAD, AFTER_DATA, BEFORE_TRAILERS, POINTS };

enum fault {
    RESET_CANCEL,
    RESET_NO_ERROR,
    RESET_REFUSED,
    GOAWAY_NAMED,           /* and goes on */
    GOAWAY_NAMED_AND_CLOSE, /* breaks its word */
    GOAWAY_NOT_NAMED,
    GOAWAY_ERROR,
    CLOSE,
    FAULTS,
};

/* Goes on from `point` to the end. */
static void answer_from(struct h2_request *request, enum point point)
{
    if (point < AFTER_HEAD)
        h2_server_head(request, ":status: 200\n", false);
    if (point < AFTER_DATA)
        h2_server_data(request, "ab", false);
    if (point < BEFORE_TRAILERS)
        h2_server_data(request, "cde", false);
    h2_server_head(request, "x-sum: 1\n", true);
}

static void answer_up_to(struct h2_request *request, enum point point)
{
    if (point == AFTER_INTERIM)
        h2_server_head(request, ":status: 103\nlink: a\n", false);
    if (point >= AFTER_HEAD)
        h2_server_head(request, ":status: 200\n", false);
    if (point >= AFTER_DATA)
        h2_server_data(request, "ab", false);
    if (point >= BEFORE_TRAILERS)
        h2_server_data(request, "cde", false);
}

static void do_fault(struct h2_request *request, enum fault fault)
{
    switch (fault) {
    case RESET_CANCEL:
        h2_server_reset(request, NGHTTP2_CANCEL);
        break;
    case RESET_NO_ERROR:
        h2_server_reset(request, NGHTTP2_NO_ERROR);
        break;
    case RESET_REFUSED:
        h2_server_reset(request, NGHTTP2_REFUSED_STREAM);
        break;
    case GOAWAY_NAMED:
        h2_server_goaway(request->on, request->stream, NGHTTP2_NO_ERROR);
        break;
    case GOAWAY_NAMED_AND_CLOSE:
        h2_server_goaway(request->on, request->stream, NGHTTP2_NO_ERROR);
        conn_shutdown(request->on->conn);
        break;
    case GOAWAY_NOT_NAMED:
        h2_server_goaway(request->on, 0, NGHTTP2_NO_ERROR);
        break;
    case GOAWAY_ERROR:
        h2_server_goaway(request->on, 0, NGHTTP2_ENHANCE_YOUR_CALM);
        break;
    case CLOSE:
        conn_shutdown(request->on->conn);
        break;
    case FAULTS:
        break;
    }
}

/* Only what the server said that it did not process, and nothing of whose answer was seen. */
static bool is_sent_again(enum point point, enum fault fault)
{
    return point == BEFORE_ALL &&
           (fault == RESET_REFUSED || fault == GOAWAY_NOT_NAMED || fault == GOAWAY_ERROR);
}

static struct h2_request *wait_asked(struct world *world, const char *line, unsigned count)
{
    wanted = line;
    wanted_count = count;
    assert_true(world_run_until(world, is_asked, WAIT_MS));
    return h2_server_find(&world->h2, line);
}

static void post(const char *path, int32_t stream)
{
    const struct h2_raw_field fields[] = {
        {":method", "POST"},
        {":scheme", "https"},
        {":authority", "a"},
        {":path", path},
        {"content-length", "2"},
        {"authorization", "{bearer}"},
        {0},
    };

    h2_raw_headers(raw, stream, 0, fields);
    h2_raw_data(raw, stream, FRAME_END_STREAM, "{}");
}

/* True: it ended well. */
static bool fault_at(struct world *world, enum point point, enum fault fault)
{
    scoped(free_text) char *path = xasprintf("/kind/own-%d-%d", point, fault);
    scoped(free_text) char *line = xasprintf("POST /own-%d-%d", point, fault);
    scoped(free_text) char *path_beside = xasprintf("%s-beside", path);
    scoped(free_text) char *line_beside = xasprintf("%s-beside", line);
    bool is_again = is_sent_again(point, fault), is_well = is_again || fault == GOAWAY_NAMED;
    bool is_reset = fault <= RESET_REFUSED;

    raw = h2_raw_connect(world);
    post(path, 1);
    struct h2_request *request = wait_asked(world, line, 1);
    post(path_beside, 3);
    struct h2_request *beside = wait_asked(world, line_beside, 1);
    assert_true(beside->on == request->on);

    answer_up_to(request, point);
    world_run_for(world, 2);
    if (!is_reset) /* this is about one call: the other has its answer */
        h2_server_head(beside, ":status: 200\n", true);
    do_fault(request, fault);
    if (is_again)
        answer_from(wait_asked(world, line, 2), BEFORE_ALL);
    else if (fault == GOAWAY_NAMED)
        answer_from(request, point);
    assert_true(world_run_until(world, is_first_over, WAIT_MS));
    if (is_reset) /* its neighbour on the same connection goes on */
        h2_server_head(beside, ":status: 200\n", true);
    assert_true(world_run_until(world, is_second_over, WAIT_MS));
    assert_int_equal(200, h2_raw_answer(raw, 3)->status);

    const struct h2_raw_answer *answer = h2_raw_answer(raw, 1);
    assert_int_equal(is_well || point >= AFTER_HEAD ? 200 : 503, answer->status);
    assert_true(answer->is_complete == (is_well || point < AFTER_HEAD));
    if (is_well)
        assert_string_equal("abcde", answer->body);
    assert_int_equal(is_again ? 2 : 1, h2_server_count(&world->h2, line));
    assert_true(!raw->goaway && !raw->has_ended); /* of the server's; the client's goes on */
    h2_raw_free(&raw);
    ask_as_neighbour(world);
    return is_well;
}

static void server_fails_at_each_point(void **state)
{
    struct world *world = *state;
    unsigned well = 0, tried = POINTS * FAULTS;

    for (int point = 0; point < POINTS; point++)
        for (int fault = 0; fault < FAULTS; fault++)
            well += fault_at(world, (enum point)point, (enum fault)fault);
    wanted = "\"outcome\":\"";
    wanted_count = 3 * tried;
    assert_true(world_run_until(world, is_written, WAIT_MS));
    assert_int_equal(2 * tried + well,
                     world_count_written(world, "\"outcome\":\"ok\",\"forwarded\":\"all\""));
    assert_int_equal(
        tried - well,
        world_count_written(world, "\"outcome\":\"upstream_reset\",\"forwarded\":\"all\""));
    assert_int_equal(0, server.bad[0]);
}

/* ---- The client, at each point ---- */

static bool is_request_reset(struct world *world)
{
    return h2_server_find(&world->h2, wanted)->reset != 0;
}

static bool is_body_there(struct world *world)
{
    return h2_server_find(&world->h2, wanted)->bytes >= wanted_count;
}

/* When `pieces` of its body have arrived, perhaps all, perhaps with a part of the answer back. */
static void reset_by_client(struct world *world, unsigned pieces, bool is_whole, bool is_answered)
{
    static unsigned number;
    scoped(free_text) char *path = xasprintf("/kind/own-reset-%u", ++number);
    scoped(free_text) char *line = xasprintf("PUT /own-reset-%u", number);
    scoped(buf_free) struct buf out = {0};
    const struct h2_raw_field fields[] = {
        {":method", "PUT"}, {":scheme", "https"},          {":authority", "a"},
        {":path", path},    {"authorization", "{bearer}"}, {0},
    };

    raw = h2_raw_connect(world);
    h2_raw_headers(raw, 1, 0, fields);
    for (unsigned i = 0; i < pieces; i++)
        h2_raw_data(raw, 1, is_whole && i + 1 == pieces ? FRAME_END_STREAM : 0, "ab");
    struct h2_request *request = wait_asked(world, line, 1);
    wanted_count = 2 * pieces;
    assert_true(world_run_until(world, is_body_there, WAIT_MS));
    if (is_answered) {
        h2_server_head(request, ":status: 200\n", false);
        h2_server_data(request, "ab", false);
        world_run_for(world, 20);
    }
    put_word(&out, FRAME_RST_STREAM, 1, NGHTTP2_CANCEL);
    h2_raw_send(raw, &out);
    wanted = line;
    assert_true(world_run_until(world, is_request_reset, WAIT_MS));
    assert_true(request->is_complete == is_whole);

    post("/kind/own-after", 3); /* the connection goes on */
    wanted = "POST /own-after";
    wanted_count = number;
    request = wait_asked(world, wanted, wanted_count);
    h2_server_head(request, ":status: 200\n", true);
    assert_true(world_run_until(world, is_second_over, WAIT_MS));
    assert_int_equal(200, h2_raw_answer(raw, 3)->status);
    h2_raw_free(&raw);
}

static void client_resets_at_each_point(void **state)
{
    struct world *world = *state;

    reset_by_client(world, 0, false, false);
    for (unsigned pieces = 1; pieces < 4; pieces++) {
        reset_by_client(world, pieces, false, false);
        reset_by_client(world, pieces, false, true);
        reset_by_client(world, pieces, true, false);
        reset_by_client(world, pieces, true, true);
    }
    wanted = "\"outcome\":\"client_gone\"";
    wanted_count = 13;
    assert_true(world_run_until(world, is_written, WAIT_MS));
    assert_int_equal(
        1, world_count_written(world, "\"outcome\":\"client_gone\",\"forwarded\":\"head\""));
    assert_int_equal(
        6, world_count_written(world, "\"outcome\":\"client_gone\",\"forwarded\":\"partial\""));
    assert_int_equal(
        6, world_count_written(world, "\"outcome\":\"client_gone\",\"forwarded\":\"all\""));
}

/* ---- Memory ---- */

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t allocated_bytes(void)
{
    return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes()
                                                   : mallinfo2().uordblks;
}

/* ---- Clients that flood ---- */

static const struct h2_raw_field get[] = {
    {":method", "GET"},       {":scheme", "https"},          {":authority", "a"},
    {":path", "/kind/own-x"}, {"authorization", "{bearer}"}, {0},
};

#define FLOOD 10000
#define GROWTH_MAX ((size_t)4 << 20)

/* How one flood is made: appends its `number`-th piece. */
struct flood {
    const char *name;
    void (*put)(struct world *world, struct buf *out, int number);
    bool is_fatal; /* GOAWAY, or at least the end of the connection */
};

static void put_ping(struct world *world, struct buf *out, int number)
{
    put_frame(out, FRAME_PING, 0, 0, STR("01234567"));
}

static void put_settings(struct world *world, struct buf *out, int number)
{
    put_setting(out, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535 + (uint32_t)number % 2);
}

static void put_priority(struct world *world, struct buf *out, int number)
{
    put_frame(out, FRAME_PRIORITY, 0, 2 * number + 1, STR("\0\0\0\0\1"));
}

static void put_unknown(struct world *world, struct buf *out, int number)
{
    put_frame(out, (enum frame_type)0x77, 0, 0, STR("x"));
}

static void put_window(struct world *world, struct buf *out, int number)
{
    put_word(out, FRAME_WINDOW_UPDATE, 0, 1);
}

static void put_continuation(struct world *world, struct buf *out, int number)
{
    scoped(buf_free) struct buf block = {0};

    h2_raw_put_block(world, &block, get);
    if (number == 0)
        put_frame(out, FRAME_HEADERS, 0, 1, buf_str(&block));
    else
        put_frame(out, FRAME_CONTINUATION, 0, 1, STR(""));
}

static void put_endless_fields(struct world *world, struct buf *out, int number)
{
    scoped(buf_free) struct buf block = {0};

    h2_raw_put_block(world, &block, get);
    for (int i = 0; number && i < 20; i++)
        put_field(&block, "x-long", "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
    put_frame(out, number ? FRAME_CONTINUATION : FRAME_HEADERS, 0, 1, buf_str(&block));
}

/* One field that is kept, then named again and again, a byte each (RFC 7541 6.1). */
static void put_bomb(struct world *world, struct buf *out, int number)
{
    scoped(buf_free) struct buf block = {.limit = SIZE_MAX};
    scoped(free_text) char *long_value = xcalloc(3000, 1);

    memset(long_value, 'y', 2999);
    h2_raw_put_block(world, &block, get);
    put_number(&block, 0x40, 1);
    put_text(&block, STR("x-bomb"));
    put_text(&block, str_from(long_value));
    for (int i = 0; i < 10000; i++)
        put_number(&block, 0x80 | 62, 1);
    put_frame(out, FRAME_HEADERS, FRAME_END_HEADERS | FRAME_END_STREAM, 2 * number + 1,
              buf_str(&block));
}

static void put_empty_data(struct world *world, struct buf *out, int number)
{
    scoped(buf_free) struct buf block = {0};

    h2_raw_put_block(world, &block, get);
    if (number == 0)
        put_frame(out, FRAME_HEADERS, FRAME_END_HEADERS, 1, buf_str(&block));
    else
        put_frame(out, FRAME_DATA, 0, 1, STR(""));
}

/* Opened and cancelled at once. */
static void put_reset_stream(struct world *world, struct buf *out, int number)
{
    scoped(buf_free) struct buf block = {0};

    h2_raw_put_block(world, &block, get);
    put_frame(out, FRAME_HEADERS, FRAME_END_HEADERS | FRAME_END_STREAM, 2 * number + 1,
              buf_str(&block));
    put_word(out, FRAME_RST_STREAM, 2 * number + 1, NGHTTP2_CANCEL);
}

/* Resets that we are made to send: WINDOW_UPDATE by 0 is an error of the stream. */
static void put_provoked_reset(struct world *world, struct buf *out, int number)
{
    scoped(buf_free) struct buf block = {0};

    h2_raw_put_block(world, &block, get);
    put_frame(out, FRAME_HEADERS, FRAME_END_HEADERS, 2 * number + 1, buf_str(&block));
    put_word(out, FRAME_WINDOW_UPDATE, 2 * number + 1, 0);
}

static const struct flood floods[] = {
    {"PING", put_ping, true},
    {"SETTINGS", put_settings, true},
    {"PRIORITY", put_priority, true},
    {"unknown frames", put_unknown, false},
    {"WINDOW_UPDATE", put_window, false},
    {"empty CONTINUATION", put_continuation, true},
    {"CONTINUATION without end", put_endless_fields, true},
    {"fields that spell much", put_bomb, true},
    {"empty DATA", put_empty_data, true},
    {"rapid reset", put_reset_stream, true},
    {"provoked resets", put_provoked_reset, true},
};

/* Until it was sent FLOOD times, or the connection is given up; how often it was. */
static int pour(struct world *world, const struct flood *flood)
{
    int sent = 0;

    raw = h2_raw_connect(world);
    while (sent < FLOOD && !raw->goaway && !raw->has_ended) {
        scoped(buf_free) struct buf out = {.limit = SIZE_MAX};

        for (int i = 0; i < 100; i++)
            flood->put(world, &out, sent++);
        h2_raw_send(raw, &out);
        world_run_for(world, 1);
        if (sent % 1000 == 100)
            ask_as_neighbour(world);
    }
    return sent;
}

static void flood_ends_its_own_connection(void **state)
{
    struct world *world = *state;

    ask_as_neighbour(world);
    size_t before = allocated_bytes(), most = before;

    for (size_t i = 0; i < count_of(floods); i++) {
        int sent = pour(world, &floods[i]);

        most = max_of(most, allocated_bytes());
        if (floods[i].is_fatal && !world_run_until(world, is_told_to_go, WAIT_MS))
            fail_msg("%s: %d went on", floods[i].name, sent);
        if (!floods[i].is_fatal && (raw->goaway || raw->has_ended))
            fail_msg("%s: ended after %d", floods[i].name, sent);
        ask_as_neighbour(world);
        h2_raw_free(&raw);
        if (most - before > GROWTH_MAX)
            fail_msg("%s: %zu bytes more", floods[i].name, most - before);
    }
}

/* CVE-2023-44487: as many as there may be on one connection, then the next. */
static void ten_thousand_streams_that_are_cancelled_leave_nothing(void **state)
{
    struct world *world = *state;
    ask_as_neighbour(world);
    size_t before = allocated_bytes();

    while (gateway_counts(world->gateway).requests < FLOOD) {
        pour(world, &(struct flood){"rapid reset", put_reset_stream, true});
        h2_raw_free(&raw);
    }
    ask_as_neighbour(world);
    world_run_for(world, 100);
    size_t growth = allocated_bytes() - before; /* the journal is in memory, too */
    if (growth > GROWTH_MAX)
        fail_msg("%zu bytes more; the disk holds %zu", growth,
                 (size_t)fake_medium_used(world->disk));
    assert_int_equal(0, gateway_counts(world->gateway).open);
}

/* ---- Readers that stand still ---- */

#define READERS 100
#define PIECE_BYTES ((size_t)32 << 10)
#define PIECES 8

static struct h2_caller *caller;
static int32_t stalled[READERS], busy[READERS];

static struct h2_request *ask(struct world *world, const char *kind, int i, int32_t *stream)
{
    scoped(free_text) char *path = xasprintf("/kind/own-%s-%d", kind, i);
    scoped(free_text) char *line = xasprintf("GET /own-%s-%d", kind, i);

    *stream = h2_caller_request(caller, "GET", path, NULL, false);
    return wait_asked(world, line, 1);
}

static bool are_complete(const int32_t *streams, size_t bytes)
{
    for (int i = 0; i < READERS; i++) {
        const struct h2_answer *answer = h2_caller_answer(caller, streams[i]);

        if (!answer->is_complete || answer->bytes != bytes)
            return false;
    }
    return true;
}

static bool are_busy_complete(struct world *world)
{
    return are_complete(busy, PIECES * PIECE_BYTES);
}

static bool are_stalled_complete(struct world *world)
{
    return are_complete(stalled, PIECES * PIECE_BYTES);
}

/* To all of them in turn, a piece each. */
static void answer_all(struct world *world, struct h2_request *requests[READERS])
{
    scoped(free_text) char *piece = xcalloc(PIECE_BYTES + 1, 1);

    memset(piece, 'y', PIECE_BYTES);
    for (int i = 0; i < READERS; i++)
        h2_server_head(requests[i], ":status: 200\n", false);
    for (int n = 0; n < PIECES; n++) {
        for (int i = 0; i < READERS; i++)
            h2_server_data(requests[i], piece, n + 1 == PIECES);
        world_run_for(world, 20); /* the connection's window is smaller than all of them */
    }
}

static void hundred_readers_that_stand_still_hold_up_nobody(void **state)
{
    struct world *world = *state;
    struct h2_request *slow[READERS], *fast[READERS];

    caller = h2_caller_connect(world, 16384);
    for (int i = 0; i < READERS; i++) {
        slow[i] = ask(world, "slow", i, &stalled[i]);
        h2_caller_hold(caller, stalled[i], true);
    }
    size_t before = allocated_bytes();
    answer_all(world, slow);
    for (int i = 0; i < READERS; i++)
        fast[i] = ask(world, "fast", i, &busy[i]);
    answer_all(world, fast);
    assert_true(world_run_until(world, are_busy_complete, WAIT_MS));
    ask_as_neighbour(world);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(16384, h2_caller_answer(caller, stalled[i])->bytes);
    /* Of each its window at most, and a chunk. */
    size_t growth = allocated_bytes() - before;
    if (growth > READERS * ((PIECES + 2) * PIECE_BYTES) + GROWTH_MAX)
        fail_msg("%zu bytes more", growth);
    for (int i = 0; i < READERS; i++)
        h2_caller_hold(caller, stalled[i], false);
    assert_true(world_run_until(world, are_stalled_complete, WAIT_MS));
    h2_caller_free(&caller);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(server_fails_at_each_point, set_up, tear_down),
        cmocka_unit_test_setup_teardown(client_resets_at_each_point, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flood_ends_its_own_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ten_thousand_streams_that_are_cancelled_leave_nothing,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(hundred_readers_that_stand_still_hold_up_nobody, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
