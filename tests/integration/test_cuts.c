/* test_cuts.c - one scripted exchange, cut at every byte, by either side, over HTTP/1.1 and HTTP/2:
 * what is cut never looks whole, the journal says how far it came, and the next exchange works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "h2_raw.h"

#define WAIT_MS 5000
#define KINDS 10

/* How exchanges ended: what the journal must tell, in all. */
struct tally {
    const char *outcome, *forwarded;
    unsigned count;
};

static struct tally tallies[KINDS];
static struct client_conn *client, *neighbour;
static struct h2_raw *raw;
static struct server_conn *served;
static const char *wanted;
static size_t wanted_len;
static unsigned wanted_count;

static int begin(void **state, struct world *world)
{
    memset(tallies, 0, sizeof tallies);
    *state = world;
    neighbour = world_connect(world);
    return 0;
}

static int set_up(void **state)
{
    return begin(state, world_new());
}

static int set_up_h2(void **state)
{
    return begin(state, world_new_h2());
}

static int tear_down(void **state)
{
    world_free((struct world **)state);
    return 0;
}

static void expect(const char *outcome, const char *forwarded)
{
    struct tally *tally = tallies;

    while (tally->outcome &&
           (strcmp(tally->outcome, outcome) != 0 || strcmp(tally->forwarded, forwarded) != 0))
        tally++;
    assert_true(tally < tallies + KINDS);
    tally->outcome = outcome;
    tally->forwarded = forwarded;
    tally->count++;
}

static unsigned count_of_tally(struct world *world, const struct tally *tally)
{
    scoped(free_text) char *text =
        xasprintf("\"outcome\":\"%s\",\"forwarded\":\"%s\"", tally->outcome, tally->forwarded);

    return world_count_written(world, text);
}

static bool is_all_written(struct world *world)
{
    return world_count_written(world, "\"outcome\":\"") >= wanted_count;
}

/* Each that was expected, as often as it was, and no other. */
static void check_tallies(struct world *world)
{
    wanted_count = 0;
    for (const struct tally *tally = tallies; tally->outcome; tally++)
        wanted_count += tally->count;
    assert_true(world_run_until(world, is_all_written, WAIT_MS));
    for (const struct tally *tally = tallies; tally->outcome; tally++) {
        unsigned count = count_of_tally(world, tally);

        if (count != tally->count)
            print_error("%s, forwarded %s: %u, not %u\n", tally->outcome, tally->forwarded, count,
                        tally->count);
        assert_int_equal(tally->count, count);
    }
    assert_int_equal(wanted_count, world_count_written(world, "\"outcome\":\""));
}

/* ---- What tests wait for ---- */

static bool has_served_wanted(struct world *world)
{
    return served_has(world_served(world), wanted);
}

static bool has_client_wanted(struct world *world)
{
    return client_has(client, wanted);
}

static bool has_neighbour_wanted(struct world *world)
{
    return client_has(neighbour, wanted);
}

static bool is_client_closed(struct world *world)
{
    return client->has_ended || client->has_failed;
}

static bool is_served_left(struct world *world)
{
    return served->has_ended;
}

static bool is_h2_asked(struct world *world)
{
    return h2_server_find(&world->h2, wanted) != NULL;
}

static bool is_h2_request_over(struct world *world)
{
    const struct h2_request *request = h2_server_find(&world->h2, wanted);

    return request->reset || request->on->has_ended;
}

static bool is_raw_over(struct world *world)
{
    const struct h2_raw_answer *answer = h2_raw_answer(raw, 1);

    return answer->is_complete || answer->reset || raw->has_ended;
}

static bool has_body(struct world *world)
{
    return h2_server_find(&world->h2, wanted)->bytes >= wanted_len;
}

#define wait_for(is_so, what) (wanted = (what), assert_true(world_run_until(world, is_so, WAIT_MS)))

/* The next exchange, of another client, works as ever. */
static void ask_as_neighbour(struct world *world)
{
    static unsigned number;
    scoped(free_text) char *path = xasprintf("GET /neighbour-%u", ++number);
    scoped(free_text) char *at = xasprintf("%s ", path);

    buf_clear(&neighbour->in);
    client_send(neighbour, "GET /kind%s HTTP/1.1\r\n%s\r\n", path + 4, world_who(world));
    if (world->h2.listener) {
        wait_for(is_h2_asked, path);
        h2_server_head(h2_server_find(&world->h2, path), ":status: 200\ncontent-length: 2\n",
                       false);
        h2_server_data(h2_server_find(&world->h2, path), "ok", true);
    } else {
        wait_for(has_served_wanted, at);
        served_send(world_served(world), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
    wait_for(has_neighbour_wanted, "\r\n\r\nok");
    expect("ok", "all");
}

/* ---- Requests over HTTP/1.1 ---- */

#define BODY "2\r\nab\r\n3\r\ncde\r\n0\r\nx-sum: 1\r\n\r\n"

/* The last byte of content among the first `len` of BODY; 0: none. */
static char last_content(size_t len)
{
    char last = 0;

    for (size_t i = 0; i < min_of(len, sizeof "2\r\nab\r\n3\r\ncde" - 1); i++)
        if (BODY[i] >= 'a')
            last = BODY[i];
    return last;
}

static void forget_served(struct world *world)
{
    if (world_served(world))
        buf_clear(&world_served(world)->in);
}

/* Byte by byte, so that each is passed on by itself. */
static const char *send_body(struct world *world, size_t len)
{
    scoped(free_text) char *chunk = xasprintf("\r\n1\r\n%c\r\n", last_content(len));

    wait_for(has_served_wanted, "POST /cut HTTP/1.1\r\n");
    for (size_t i = 0; i < len; i++) {
        conn_write(client->conn, str_make(&BODY[i], 1));
        world_run_for(world, 1);
    }
    if (last_content(len))
        wait_for(has_served_wanted, chunk);
    if (len == sizeof BODY - 1)
        wait_for(has_served_wanted, "0\r\nx-sum: 1\r\n\r\n");
    return len == sizeof BODY - 1 ? "all" : last_content(len) ? "partial" : "head";
}

static void cut_request(struct world *world, struct str head, size_t at, bool is_reset)
{
    bool is_whole = at == head.len + sizeof BODY - 1;

    forget_served(world);
    client = world_connect(world);
    conn_write(client->conn, str_first(head, at));
    if (at >= head.len)
        expect("client_gone", send_body(world, at - head.len));
    else
        world_run_for(world, 1);
    served = world_served(world);
    if (is_reset)
        client_hang_up(client);
    else
        conn_shutdown(client->conn);
    if (at >= head.len)
        assert_true(world_run_until(world, is_served_left, WAIT_MS));
    else
        assert_false(served_has(served, "/cut"));
    assert_true(is_whole == served_has(served, "0\r\nx-sum"));
    ask_as_neighbour(world);
    client_hang_up(client);
}

static void request_over_h1_is_cut_at_every_byte(void **state)
{
    struct world *world = *state;
    scoped(free_text) char *head = xasprintf(
        "POST /kind/cut HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n", world_who(world));
    size_t len = strlen(head);

    for (size_t at = 0; at <= len + sizeof BODY - 1; at++) {
        if (at > 40 && at < len - 5) /* in the middle of its bearer */
            at = len - 5;
        cut_request(world, str_from(head), at, at % 2);
    }
    check_tallies(world);
}

/* The server leaves while it is sent to: what it did by then nobody knows. */
static void server_leaves_at_every_byte_of_a_request(void **state)
{
    struct world *world = *state;

    for (size_t len = 0; len < sizeof BODY; len++) {
        forget_served(world);
        client = world_connect(world);
        client_send(client, "POST /kind/cut HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n",
                    world_who(world));
        expect("upstream_reset", send_body(world, len));
        if (len % 2)
            served_reset(world_served(world));
        else
            served_finish(world_served(world));
        wait_for(has_client_wanted, "may have taken effect");
        assert_true(client_has(client, "HTTP/1.1 503 "));
        if (len < sizeof BODY - 1) /* its rest is not read as a request */
            assert_true(world_run_until(world, is_client_closed, WAIT_MS));
        ask_as_neighbour(world);
        client_hang_up(client);
    }
    check_tallies(world);
}

/* ---- Answers over HTTP/1.1 ---- */

static const char *const lengthy = "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 5\r\n\r\nabcde";
static const char *const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                   "2\r\nab\r\n3\r\ncde\r\n0\r\nx-sum: 1\r\n\r\n";

enum cut { BY_FIN, BY_RESET, BY_CLIENT };

static struct server_conn *ask(struct world *world)
{
    client = world_connect(world);
    client_send(client, "GET /kind/cut HTTP/1.1\r\n%s\r\n", world_who(world));
    wait_for(has_served_wanted, "GET /cut HTTP/1.1\r\n");
    wait_for(has_served_wanted, "\r\n\r\n");
    struct server_conn *one = world_served(world);
    buf_clear(&one->in);
    return one;
}

static const char *cut_by_server(struct world *world, enum cut by)
{
    if (by == BY_FIN) {
        served_finish(served);
        return "truncated";
    }
    world_run_for(world, 2); /* what came before it has been read */
    served_reset(served);
    return "upstream_reset";
}

/* What the client has seen by then is what there was, and does not look whole. */
static void check_cut_answer(struct world *world, struct str answer, size_t at, size_t head,
                             const char *outcome)
{
    if (at == answer.len) {
        wait_for(has_client_wanted, answer.data == lengthy ? "\r\n\r\nabcde" : "x-sum: 1\r\n\r\n");
        expect("ok", "all");
        return;
    }
    if (at < head) {
        wait_for(has_client_wanted, "HTTP/1.1 503 ");
        assert_false(client_has(client, "200 OK"));
        expect("upstream_reset", "all");
    } else {
        assert_true(world_run_until(world, is_client_closed, WAIT_MS));
        assert_true(client_has(client, "HTTP/1.1 200 OK\r\n"));
        assert_false(client_has(client, answer.data == lengthy ? "abcde" : "\r\n0\r\n"));
        expect(outcome, "all");
    }
}

static void cut_answer(struct world *world, const char *text, size_t at, enum cut by)
{
    size_t head = (size_t)(strstr(text, "\r\n\r\n") + 4 - text);

    served = ask(world);
    conn_write(served->conn, str_first(str_from(text), at));
    if (by != BY_CLIENT) {
        const char *outcome = cut_by_server(world, by);
        check_cut_answer(world, str_from(text), at, head, outcome);
    } else {
        if (at >= head)
            wait_for(has_client_wanted, "\r\n\r\n");
        if (at == strlen(text))
            wait_for(has_client_wanted, "de");
        world_run_for(world, 1);
        client_hang_up(client);
        expect(at == strlen(text) ? "ok" : "client_gone", "all");
        if (at < strlen(text))
            assert_true(world_run_until(world, is_served_left, WAIT_MS));
    }
    ask_as_neighbour(world);
    client_hang_up(client);
}

static void cut_answers(struct world *world, enum cut by)
{
    for (size_t at = 0; at <= strlen(lengthy); at++)
        cut_answer(world, lengthy, at, by);
    for (size_t at = 0; at <= strlen(chunked); at++)
        cut_answer(world, chunked, at, by);
    check_tallies(world);
}

static void answer_over_h1_ends_at_every_byte(void **state)
{
    cut_answers(*state, BY_FIN);
}

static void answer_over_h1_is_reset_at_every_byte(void **state)
{
    cut_answers(*state, BY_RESET);
}

static void client_over_h1_leaves_at_every_byte(void **state)
{
    cut_answers(*state, BY_CLIENT);
}

/* ---- Requests over HTTP/2 ---- */

static const struct h2_raw_field post[] = {
    {":method", "POST"},    {":scheme", "https"},          {":authority", "a"},
    {":path", "/kind/cut"}, {"authorization", "{bearer}"}, {0},
};

/* Where each frame of a scripted message ends. */
struct script {
    struct buf bytes;
    size_t ends[8];
    size_t count;
};

static void put_end(struct script *script)
{
    script->ends[script->count++] = script->bytes.len;
}

static void make_request(struct world *world, struct script *script)
{
    scoped(buf_free) struct buf block = {0}, trailers = {0};
    static const struct h2_raw_field sum[] = {{"x-sum", "1"}, {0}};

    h2_raw_put_block(world, &block, post);
    h2_raw_put_block(world, &trailers, sum);
    put_frame(&script->bytes, FRAME_HEADERS, FRAME_END_HEADERS, 1, buf_str(&block));
    put_end(script);
    put_frame(&script->bytes, FRAME_DATA, 0, 1, STR("ab"));
    put_end(script);
    put_frame(&script->bytes, FRAME_DATA, 0, 1, STR("cde"));
    put_end(script);
    put_frame(&script->bytes, FRAME_HEADERS, FRAME_END_HEADERS | FRAME_END_STREAM, 1,
              buf_str(&trailers));
    put_end(script);
}

/* How many frames are whole at `at`. */
static size_t frames_at(const struct script *script, size_t at)
{
    size_t i = 0;

    while (i < script->count && script->ends[i] <= at)
        i++;
    return i;
}

/* Over HTTP/2, bytes of a DATA frame pass before its end. */
static size_t bytes_at(const struct script *script, size_t at)
{
    size_t bytes = 0;

    for (size_t i = 0; i < 2; i++) {
        size_t first = script->ends[i] + FRAME_HEAD_BYTES;

        if (at > first)
            bytes += min_of(at, script->ends[i + 1]) - first;
    }
    return bytes;
}

static void cut_h2_request(struct world *world, const struct script *script, size_t at,
                           const char *line)
{
    size_t frames = frames_at(script, at);
    unsigned seen = world->h2.seen;
    const char *forwarded = bytes_at(script, at) ? "partial" : "head";
    scoped(buf_free) struct buf part = {.limit = SIZE_MAX};

    raw = h2_raw_connect(world);
    buf_append_str(&part, str_first(buf_str(&script->bytes), at));
    h2_raw_send(raw, &part);
    if (frames) {
        wait_for(is_h2_asked, line);
        wanted_len = bytes_at(script, at);
        assert_true(world_run_until(world, has_body, WAIT_MS));
    }
    world_run_for(world, 1);
    conn_abort(&raw->conn);
    if (frames == script->count)
        forwarded = "all";
    if (frames) {
        struct h2_request *request = h2_server_find(&world->h2, line);

        wait_for(is_h2_request_over, line);
        assert_true(request->is_complete == (frames == script->count));
        request->line[0] = 0; /* the next is another one */
        expect("client_gone", forwarded);
    } else {
        assert_int_equal(seen, world->h2.seen);
    }
    h2_raw_free(&raw);
    ask_as_neighbour(world);
}

static void request_over_h2_is_cut_at_every_byte(void **state)
{
    struct world *world = *state;
    struct script script = {{0}};

    make_request(world, &script);
    for (size_t at = 0; at <= script.bytes.len; at++) {
        if (at > 20 && at < script.ends[0] - 5)
            at = script.ends[0] - 5;
        cut_h2_request(world, &script, at, "POST /cut");
    }
    check_tallies(world);
    buf_free(&script.bytes);
}

/* ---- Answers over HTTP/2 ---- */

static void make_answer(struct script *script, int32_t stream)
{
    put_headers(&script->bytes, stream, 0, ":status: 200\nx: y\n");
    put_end(script);
    put_frame(&script->bytes, FRAME_DATA, 0, stream, STR("ab"));
    put_end(script);
    put_frame(&script->bytes, FRAME_DATA, 0, stream, STR("cde"));
    put_end(script);
    put_headers(&script->bytes, stream, FRAME_END_STREAM, "x-sum: 1\n");
    put_end(script);
}

/* The answer's first `at` bytes, then the connection ends. 0: that was all of it. */
static size_t cut_h2_answer(struct world *world, size_t at)
{
    static const struct h2_raw_field get[] = {
        {":method", "GET"},     {":scheme", "https"},          {":authority", "a"},
        {":path", "/kind/cut"}, {"authorization", "{bearer}"}, {0},
    };
    struct script script = {{0}};
    scoped(buf_free) struct buf part = {0};

    raw = h2_raw_connect(world);
    h2_raw_headers(raw, 1, FRAME_END_STREAM, get);
    wait_for(is_h2_asked, "GET /cut");
    struct h2_request *request = h2_server_find(&world->h2, "GET /cut");
    request->line[0] = 0;
    make_answer(&script, request->stream);
    buf_append_str(&part, str_first(buf_str(&script.bytes), at));
    h2_server_send(request->on, &part);
    conn_shutdown(request->on->conn);
    bool is_all = at == script.bytes.len, has_head = frames_at(&script, at) > 0;
    buf_free(&script.bytes);

    assert_true(world_run_until(world, is_raw_over, WAIT_MS));
    const struct h2_raw_answer *answer = h2_raw_answer(raw, 1);
    assert_int_equal(has_head ? 200 : 503, answer->status);
    assert_true(answer->is_complete == (is_all || !has_head));
    assert_string_equal(is_all ? "abcde" : "", is_all ? answer->body : "");
    expect(is_all ? "ok" : "upstream_reset", "all");
    h2_raw_free(&raw);
    ask_as_neighbour(world);
    return is_all ? 0 : at + 1;
}

static void answer_over_h2_ends_at_every_byte(void **state)
{
    struct world *world = *state;

    for (size_t at = 0, next = 1; next; at = next)
        next = cut_h2_answer(world, at);
    check_tallies(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(request_over_h1_is_cut_at_every_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(server_leaves_at_every_byte_of_a_request, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(answer_over_h1_ends_at_every_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answer_over_h1_is_reset_at_every_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(client_over_h1_leaves_at_every_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(request_over_h2_is_cut_at_every_byte, set_up_h2, tear_down),
        cmocka_unit_test_setup_teardown(answer_over_h2_ends_at_every_byte, set_up_h2, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
