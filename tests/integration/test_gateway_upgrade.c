/* test_gateway_upgrade.c - connections that change their protocol (exec, attach, port-forward):
 * what crosses after 101, in which order with the journal, and how it ends (RFC 9110 7.8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/encode.h"
#include "base/scoped.h"
#include "gateway_world.h"

#define WAIT_MS 5000
#define EXEC                                                                                       \
    "/api/v1/namespaces/d/pods/p/exec?command=sh&command=-c&command=mysql+--password=canary1"
#define WEBSOCKET                                                                                  \
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                   \
    "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"
#define SWITCHED                                                                                   \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"

static int set_up(void **state)
{
    *state = world_new();
    return 0;
}

static int tear_down(void **state)
{
    world_free((struct world **)state);
    return 0;
}

/* ---- What tests wait for ---- */

static const char *wanted;

static bool client_has_wanted(struct world *world)
{
    return client_has(world->clients, wanted);
}

static bool served_has_wanted(struct world *world)
{
    return served_has(world_served(world), wanted);
}

static bool written_has_wanted(struct world *world)
{
    return world_count_written(world, wanted) > 0;
}

static bool wait_client(struct world *world, const char *text)
{
    wanted = text;
    return world_run_until(world, client_has_wanted, WAIT_MS);
}

static bool wait_served(struct world *world, const char *text)
{
    wanted = text;
    return world_run_until(world, served_has_wanted, WAIT_MS);
}

static bool wait_written(struct world *world, const char *text)
{
    wanted = text;
    return world_run_until(world, written_has_wanted, WAIT_MS);
}

static bool client_is_through(struct world *world)
{
    return world->clients->has_ended || world->clients->has_failed;
}

static bool server_was_left(struct world *world)
{
    return world_served(world)->has_ended;
}

static struct client_conn *ask(struct world *world, const char *path, const char *fields)
{
    struct client_conn *client = world_connect(world);

    client_send(client, "GET /kind%s HTTP/1.1\r\n%s%s\r\n", path, world_who(world), fields);
    return client;
}

static struct client_conn *open_stream(struct world *world, const char *path)
{
    struct client_conn *client = ask(world, path, WEBSOCKET);

    assert_true(wait_served(world, "\r\n\r\n"));
    served_send(world_served(world), SWITCHED);
    assert_true(wait_client(world, "\r\n\r\n"));
    return client;
}

/* ---- What crosses ---- */

static void stream_carries_bytes_both_ways_behind_the_journal(void **state)
{
    struct world *world = *state;
    struct client_conn *client = open_stream(world, EXEC);
    struct server_conn *served = world_served(world);

    assert_true(served_has(served, "Connection: Upgrade\r\n"));
    assert_true(served_has(served, "Upgrade: websocket\r\n"));
    assert_true(served_has(served, "Authorization: " WORLD_CREDENTIAL "\r\n"));
    assert_false(served_has(served, "khoop1"));
    assert_true(client_has(client, "HTTP/1.1 101 Switching Protocols\r\n"));
    assert_true(client_has(client, "Upgrade: websocket\r\n"));

    client_send(client, "must-be-synced-1;");
    assert_true(wait_served(world, "must-be-synced-1;"));
    served_send(served, "an answer");
    assert_true(wait_client(world, "an answer"));
    client_send(client, "must-be-synced-2;");
    assert_true(wait_served(world, "must-be-synced-2;"));
    assert_false(served->is_unsynced);

    served_finish(served);
    assert_true(world_run_until(world, client_is_through, WAIT_MS));
    assert_true(client->has_ended);
    assert_true(wait_written(world, "\"type\":\"complete\""));
    assert_int_equal(1, world_count_written(world, "\"type\":\"stream.open\""));
    assert_int_equal(1, world_count_written(world, "\"protocol\":\"websocket\","
                                                   "\"subprotocol\":\"v5.channel.k8s.io\""));
    assert_int_equal(
        1, world_count_written(world, "\"direction\":\"client\",\"offset\":0,\"text\":\"must-be"));
    assert_int_equal(
        1, world_count_written(world, "\"direction\":\"client\",\"offset\":17,\"text\":\"must-be"));
    assert_int_equal(1, world_count_written(
                            world, "\"direction\":\"upstream\",\"offset\":0,\"text\":\"an answer"));
    assert_int_equal(1, world_count_written(world, "\"outcome\":\"ok\",\"endedBy\":\"upstream\""));
    assert_int_equal(1, world_count_written(world, "\"forwarded\":\"all\""));
    assert_int_equal(0, world_count_written(world, "canary1"));
    assert_int_equal(1, world_count_written(world, "\"argv\":[\"sh\",\"-c\",\"mysql --password="));
}

static void nothing_of_the_client_crosses_while_the_disk_is_held(void **state)
{
    struct world *world = *state;
    struct client_conn *client = open_stream(world, EXEC);

    world_hold_sync(world, true);
    client_send(client, "must-be-synced-1;");
    world_run_for(world, 200);
    assert_false(served_has(world_served(world), "must-be"));
    world_hold_sync(world, false);
    assert_true(wait_served(world, "must-be-synced-1;"));
    assert_false(world_served(world)->is_unsynced);
}

static void what_came_before_101_is_the_streams_never_a_request(void **state)
{
    struct world *world = *state;
    struct client_conn *client = ask(world, EXEC, WEBSOCKET);

    assert_true(wait_served(world, "\r\n\r\n"));
    client_send(client, "GET /kind/api HTTP/1.1\r\n%s\r\n", world_who(world));
    world_run_for(world, 100);
    assert_int_equal(1, world->served_count);
    served_send(world_served(world), SWITCHED "and more");
    assert_true(wait_client(world, "and more"));
    assert_true(wait_served(world, "GET /kind/api HTTP/1.1\r\n"));
    assert_int_equal(1, world->served_count);
}

static void refused_upgrade_is_relayed_and_both_sides_close(void **state)
{
    struct world *world = *state;
    struct client_conn *client = ask(world, EXEC, WEBSOCKET);

    assert_true(wait_served(world, "\r\n\r\n"));
    client_send(client, "GET /kind/api HTTP/1.1\r\n%s\r\n", world_who(world));
    served_send(world_served(world), "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    assert_true(world_run_until(world, client_is_through, WAIT_MS));
    assert_true(client_has(client, "HTTP/1.1 403 Forbidden\r\n"));
    assert_true(client_has(client, "Connection: close\r\n"));
    assert_true(client_has(client, "\r\n\r\nno"));
    assert_true(world_run_until(world, server_was_left, WAIT_MS));
    assert_int_equal(1, world->served_count);
    assert_true(wait_written(world, "\"type\":\"complete\""));
    assert_int_equal(0, world_count_written(world, "stream."));
}

static void change_that_was_not_asked_for_is_502(void **state)
{
    struct world *world = *state;

    ask(world, EXEC, WEBSOCKET);
    assert_true(wait_served(world, "\r\n\r\n"));
    served_send(world_served(world), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n"
                                     "Connection: Upgrade\r\n\r\n");
    assert_true(wait_client(world, "HTTP/1.1 502 "));
    assert_true(world_run_until(world, server_was_left, WAIT_MS));

    ask(world, "/api", "");
    assert_true(wait_served(world, "GET /api HTTP/1.1\r\n"));
    served_send(world_served(world), SWITCHED);
    assert_true(wait_client(world, "HTTP/1.1 502 "));
}

static void upgrade_with_a_body_is_400_and_of_unknown_protocols_is_none(void **state)
{
    struct world *world = *state;

    ask(world, EXEC, WEBSOCKET "Content-Length: 1\r\n");
    assert_true(wait_client(world, "HTTP/1.1 400 "));
    assert_int_equal(0, world->served_count);

    ask(world, "/api",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n");
    assert_true(wait_served(world, "\r\n\r\n"));
    assert_false(served_has(world_served(world), "pgrade"));
    assert_false(served_has(world_served(world), "HTTP2"));
    served_send(world_served(world), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    assert_true(wait_client(world, "\r\n\r\n{}"));
}

static void bearer_among_subprotocols_is_checked_replaced_and_not_recorded(void **state)
{
    struct world *world = *state;
    scoped(free_text) char *bearer =
        bearer_make(world->config.bearer_key, WORLD_SESSION, 3, STR("c1"));
    struct buf bytes = {0};
    struct client_conn *client = world_connect(world);

    encode_base64url(&bytes, str_from(bearer));
    scoped(free_text) char *encoded = buf_take_text(&bytes);
    client_send(client,
                "GET /kind" EXEC " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                "Upgrade: websocket\r\nSec-WebSocket-Protocol: "
                "base64url.bearer.authorization.k8s.io.%s, v4.channel.k8s.io\r\n\r\n",
                encoded);
    assert_true(wait_served(world, "\r\n\r\n"));
    assert_true(served_has(world_served(world), "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n"));
    assert_true(served_has(world_served(world), "Authorization: " WORLD_CREDENTIAL "\r\n"));
    assert_true(wait_written(world, "\"type\":\"request\""));
    assert_int_equal(1, world_count_written(world, "\"command\":\"c1\""));
    assert_int_equal(0, world_count_written(world, encoded));
    assert_int_equal(0, world_count_written(world, "bearer.authorization"));

    client = world_connect(world);
    client_send(client,
                "GET /kind" EXEC " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                "Upgrade: websocket\r\nSec-WebSocket-Protocol: "
                "base64url.bearer.authorization.k8s.io.%sAA, v4.channel.k8s.io\r\n\r\n",
                encoded);
    assert_true(wait_client(world, "HTTP/1.1 401 "));
    assert_int_equal(1, world->served_count);
}

static void stream_of_a_proxied_workload_is_withheld(void **state)
{
    struct world *world = *state;
    struct client_conn *client = open_stream(world, "/api/v1/namespaces/d/pods/p/proxy/ws");

    client_send(client, "a-secret-up");
    assert_true(wait_served(world, "a-secret-up"));
    served_send(world_served(world), "a-secret-down");
    assert_true(wait_client(world, "a-secret-down"));
    served_finish(world_served(world));
    assert_true(wait_written(world, "\"type\":\"complete\""));
    assert_int_equal(0, world_count_written(world, "a-secret"));
    assert_int_equal(1, world_count_written(world, "\"of\":\"request\",\"offset\":0,\"bytes\":11"));
    assert_int_equal(1,
                     world_count_written(world, "\"of\":\"response\",\"offset\":0,\"bytes\":13"));
}

/* ---- How it ends ---- */

static void client_that_ends_its_side_still_gets_the_rest(void **state)
{
    struct world *world = *state;
    struct client_conn *client = open_stream(world, EXEC);
    struct server_conn *served = world_served(world);

    client_send(client, "last words");
    conn_shutdown(client->conn);
    assert_true(world_run_until(world, server_was_left, WAIT_MS));
    assert_true(served_has(served, "last words"));
    assert_false(client->has_ended || client->has_failed);
    served_send(served, "the rest");
    served_finish(served);
    assert_true(world_run_until(world, client_is_through, WAIT_MS));
    assert_true(client_has(client, "the rest"));
    assert_true(wait_written(world, "\"outcome\":\"ok\",\"endedBy\":\"client\""));
}

static void client_that_is_gone_ends_the_servers_side(void **state)
{
    struct world *world = *state;
    struct client_conn *client = open_stream(world, EXEC);

    conn_abort(&client->conn);
    assert_true(world_run_until(world, server_was_left, WAIT_MS));
    assert_true(wait_written(world, "\"outcome\":\"client_gone\""));
    assert_int_equal(1, world_count_written(world, "\"type\":\"stream.close\""));
}

static void server_that_resets_is_seen_as_a_reset(void **state)
{
    struct world *world = *state;
    struct client_conn *client = open_stream(world, EXEC);

    served_send(world_served(world), "half an answ");
    assert_true(wait_client(world, "half an answ"));
    served_reset(world_served(world));
    assert_true(world_run_until(world, client_is_through, WAIT_MS));
    assert_true(client->has_failed);
    assert_true(wait_written(world, "\"outcome\":\"upstream_reset\""));
}

static void stream_still_open_at_the_end_is_broken_off_and_said(void **state)
{
    struct world *world = *state;
    struct client_conn *client = open_stream(world, EXEC);

    world_begin_drain(world, 50);
    world_await_drained(world);
    assert_true(client->has_ended || client->has_failed);
    assert_true(wait_written(world, "\"outcome\":\"gateway_end\""));
}

#define gateway_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        gateway_test(stream_carries_bytes_both_ways_behind_the_journal),
        gateway_test(nothing_of_the_client_crosses_while_the_disk_is_held),
        gateway_test(what_came_before_101_is_the_streams_never_a_request),
        gateway_test(refused_upgrade_is_relayed_and_both_sides_close),
        gateway_test(change_that_was_not_asked_for_is_502),
        gateway_test(upgrade_with_a_body_is_400_and_of_unknown_protocols_is_none),
        gateway_test(bearer_among_subprotocols_is_checked_replaced_and_not_recorded),
        gateway_test(stream_of_a_proxied_workload_is_withheld),
        gateway_test(client_that_ends_its_side_still_gets_the_rest),
        gateway_test(client_that_is_gone_ends_the_servers_side),
        gateway_test(server_that_resets_is_seen_as_a_reset),
        gateway_test(stream_still_open_at_the_end_is_broken_off_and_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
