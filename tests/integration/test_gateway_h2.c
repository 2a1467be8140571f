/* test_gateway_h2.c - the same gateway, spoken to over HTTP/2: many exchanges on one connection,
 * none of which may hold up, or spoil, another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "h2_caller.h"

#define WAIT_MS 5000
#define WINDOW 65535
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

static struct h2_caller *peer;
static int32_t stream; /* that the conditions below look at */
static const char *wanted;

static int set_up(void **state)
{
    struct world *world = world_new();

    *state = world;
    peer = h2_caller_connect(world, WINDOW);
    return 0;
}

static int tear_down(void **state)
{
    h2_caller_free(&peer);
    world_free((struct world **)state);
    return 0;
}

static const struct h2_answer *answer_of(int32_t id)
{
    return h2_caller_answer(peer, id);
}

static bool is_complete(struct world *world)
{
    return answer_of(stream)->is_complete;
}

static bool is_closed(struct world *world)
{
    return answer_of(stream)->is_closed;
}

static bool has_head(struct world *world)
{
    return answer_of(stream)->status != 0;
}

static bool served_has_wanted(struct world *world)
{
    for (struct server_conn *served = world->served; served; served = served->next)
        if (served_has(served, wanted))
            return true;
    return false;
}

static bool written_has_wanted(struct world *world)
{
    return world_count_written(world, wanted) > 0;
}

static bool wait_written(struct world *world, const char *text)
{
    wanted = text;
    return world_run_until(world, written_has_wanted, WAIT_MS);
}

/* The connection on which `text` arrived. */
static struct server_conn *wait_served(struct world *world, const char *text)
{
    wanted = text;
    assert_true(world_run_until(world, served_has_wanted, WAIT_MS));
    struct server_conn *served = world->served;
    while (!served_has(served, text))
        served = served->next;
    return served;
}

static bool wait_for(struct world *world, int32_t id, bool (*is_so)(struct world *world))
{
    stream = id;
    return world_run_until(world, is_so, WAIT_MS);
}

static void request_and_answer_cross(void **state)
{
    struct world *world = *state;
    int32_t id = h2_caller_request(peer, "GET", "/kind/api/must-be-synced-h2", NULL, false);
    struct server_conn *served = wait_served(world, "GET /api/must-be-synced-h2 HTTP/1.1\r\n");

    assert_false(served->is_unsynced);
    assert_true(served_has(served, "Authorization: " WORLD_CREDENTIAL) ||
                served_has(served, "authorization: " WORLD_CREDENTIAL));
    served_send(served, OK);
    assert_true(wait_for(world, id, is_complete));
    assert_int_equal(200, answer_of(id)->status);
    assert_string_equal("{}", answer_of(id)->body);
    assert_true(wait_written(world, "\"outcome\":\"ok\""));
}

static void many_at_once_each_get_their_own(void **state)
{
    struct world *world = *state;
    int32_t ids[20];

    for (int i = 0; i < 20; i++) {
        scoped(free_text) char *path = xasprintf("/kind/n/%d/", i);
        ids[i] = h2_caller_request(peer, "GET", path, NULL, false);
    }
    for (int i = 19; i >= 0; i--) { /* the last first */
        scoped(free_text) char *line = xasprintf("GET /n/%d/ ", i);
        scoped(free_text) char *answer = xasprintf(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n%02d\r\n0\r\n\r\n", i);
        served_send(wait_served(world, line), answer);
        assert_true(wait_for(world, ids[i], is_complete));
        assert_int_equal(i, atoi(answer_of(ids[i])->body));
    }
    assert_int_equal(20, gateway_counts(world->gateway).forwarded +
                             gateway_counts(world->gateway).open);
}

static void body_is_streamed_and_waits_for_the_sync(void **state)
{
    struct world *world = *state;
    int32_t id = h2_caller_request(peer, "POST", "/kind/upload", NULL, true);
    struct server_conn *served = wait_served(world, "POST /upload ");

    h2_caller_data(peer, id, "must-be-synced-one", false);
    wait_served(world, "must-be-synced-one");
    world_run_for(world, 100);
    world_hold_sync(world, true);
    h2_caller_data(peer, id, "must-be-synced-two", true);
    assert_true(wait_written(world, "must-be-synced-two"));
    world_wake(world);
    world_run_for(world, 200);
    assert_false(served_has(served, "must-be-synced-two"));
    world_hold_sync(world, false);
    wait_served(world, "must-be-synced-two\r\n0\r\n\r\n");
    assert_false(served->is_unsynced);
}

static void body_of_known_length_is_read_whole(void **state)
{
    struct world *world = *state;
    int32_t id = h2_caller_request(peer, "POST", "/kind/whole", "18", true);

    h2_caller_data(peer, id, "must-be-s", false);
    world_run_for(world, 50);
    assert_int_equal(0, world->served_count);
    h2_caller_data(peer, id, "ynced-abc", true);
    struct server_conn *served = wait_served(world, "must-be-synced-abc");
    assert_false(served->is_unsynced);
    assert_int_equal(1, world_count_written(world, "\"body\":{\"bytes\":18,"));
}

static void client_that_resets_cancels_upstream_at_once(void **state)
{
    struct world *world = *state;
    int32_t id = h2_caller_request(peer, "GET", "/kind/api/v1/pods?watch=1", NULL, false);
    struct server_conn *served = wait_served(world, "GET /api/v1/pods?watch=1 ");

    served_send(served, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_true(wait_for(world, id, has_head));
    h2_caller_reset(peer, id);
    for (int i = 0; i < 100 && !served->has_ended; i++)
        world_run_for(world, 10);
    assert_true(served->has_ended);
    assert_true(wait_written(world, "\"outcome\":\"client_gone\""));
}

static void answer_that_is_cut_is_reset_behind_what_came(void **state)
{
    struct world *world = *state;
    int32_t id = h2_caller_request(peer, "GET", "/kind/cut", NULL, false);
    int32_t other = h2_caller_request(peer, "GET", "/kind/other", NULL, false);
    struct server_conn *served = wait_served(world, "GET /cut ");

    served_send(served, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
    served_finish(served);
    assert_true(wait_for(world, id, is_closed));
    assert_string_equal("hello", answer_of(id)->body);
    assert_false(answer_of(id)->is_complete);
    assert_int_equal(2, answer_of(id)->reset_code);     /* INTERNAL_ERROR */
    served_send(wait_served(world, "GET /other "), OK); /* its neighbour is well */
    assert_true(wait_for(world, other, is_complete));
}

static void stream_that_stands_still_holds_up_nobody(void **state)
{
    struct world *world = *state;
    int32_t slow = h2_caller_request(peer, "GET", "/kind/slow", NULL, false);
    struct server_conn *served = wait_served(world, "GET /slow ");
    const size_t bytes = 8 << 20;
    char *block = xcalloc(1, bytes);
    scoped(free_text) char *head =
        xasprintf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", bytes);

    memset(block, 'x', bytes);
    h2_caller_hold(peer, slow, true);
    served_send(served, head);
    conn_write(served->conn, str_make(block, bytes));
    world_run_for(world, 400);
    assert_true(answer_of(slow)->bytes <= WINDOW);
    assert_true(conn_queued(served->conn) > 0); /* upstream stands still too */
    for (int i = 0; i < 5; i++) {
        scoped(free_text) char *path = xasprintf("/kind/quick-%d", i);
        scoped(free_text) char *line = xasprintf("GET /quick-%d ", i);
        int32_t quick = h2_caller_request(peer, "GET", path, NULL, false);
        served_send(wait_served(world, line), OK);
        assert_true(wait_for(world, quick, is_complete));
    }
    h2_caller_hold(peer, slow, false);
    stream = slow;
    assert_true(world_run_until(world, is_complete, 60000));
    assert_int_equal(bytes, answer_of(slow)->bytes);
    free(block);
}

static void answer_before_the_request_ends_stops_the_request(void **state)
{
    struct world *world = *state;
    int32_t id = h2_caller_request(peer, "POST", "/kind/early", NULL, true);
    struct server_conn *served = wait_served(world, "POST /early ");

    h2_caller_data(peer, id, "some", false);
    wait_served(world, "some");
    served_send(served,
                "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    assert_true(wait_for(world, id, is_closed));
    assert_true(answer_of(id)->is_complete);
    assert_int_equal(413, answer_of(id)->status);
    assert_int_equal(0, answer_of(id)->reset_code); /* NO_ERROR */
    int32_t next = h2_caller_request(peer, "GET", "/kind/next", NULL, false);
    served_send(wait_served(world, "GET /next "), OK);
    assert_true(wait_for(world, next, is_complete));
}

static void drain_says_goaway_and_lets_a_short_call_finish(void **state)
{
    struct world *world = *state;
    int32_t id = h2_caller_request(peer, "GET", "/kind/short", NULL, false);
    struct server_conn *served = wait_served(world, "GET /short ");

    world_begin_drain(world, 2000);
    world_run_for(world, 100);
    assert_true(h2_caller_was_told_to_go(peer));
    assert_false(answer_of(id)->is_closed);
    served_send(served, OK);
    assert_true(wait_for(world, id, is_complete));
    world_await_drained(world);
    assert_int_equal(1, world_count_written(world, "\"outcome\":\"ok\""));
}

static void broken_journal_resets_what_was_answered(void **state)
{
    struct world *world = *state;
    int32_t watch = h2_caller_request(peer, "GET", "/kind/api/v1/pods?watch=1", NULL, false);
    struct server_conn *served = wait_served(world, "GET /api/v1/pods?watch=1 ");

    served_send(served, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_true(wait_for(world, watch, has_head));
    world_run_for(world, 200);
    world_fail_disk(world, 0, 5 /* EIO */);
    int32_t next = h2_caller_request(peer, "GET", "/kind/next", NULL, false);
    assert_true(wait_for(world, next, is_complete));
    assert_int_equal(503, answer_of(next)->status);
    assert_true(wait_for(world, watch, is_closed));
    assert_false(answer_of(watch)->is_complete);
    world_fail_disk(world, 0, 0);
    assert_true(wait_written(world, "\"outcome\":\"unknown\""));
}

#define gateway_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        gateway_test(request_and_answer_cross),
        gateway_test(many_at_once_each_get_their_own),
        gateway_test(body_is_streamed_and_waits_for_the_sync),
        gateway_test(body_of_known_length_is_read_whole),
        gateway_test(client_that_resets_cancels_upstream_at_once),
        gateway_test(answer_that_is_cut_is_reset_behind_what_came),
        gateway_test(stream_that_stands_still_holds_up_nobody),
        gateway_test(answer_before_the_request_ends_stops_the_request),
        gateway_test(drain_says_goaway_and_lets_a_short_call_finish),
        gateway_test(broken_journal_resets_what_was_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
