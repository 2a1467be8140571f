/* test_gateway.c - one gateway, one client, one API server: what crosses, and
 * that nothing crosses before the journal holds it (docs/threat-model.md, claims 1 and 3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/scoped.h"
#include "gateway_world.h"

#define WAIT_MS 5000
#define OK                                                                                         \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "                        \
    "2\r\n\r\n{}"

static int set_up(void **state)
{
    *state = world_new();
    return 0;
}

static int set_up_impatient(void **state)
{
    *state = world_new_impatient();
    return 0;
}

static int tear_down(void **state)
{
    world_free((struct world **)state);
    return 0;
}

/* ---- What tests wait for ---- */

static bool request_arrived(struct world *world)
{
    return served_has(world_served(world), "\r\n\r\n");
}

static bool answer_arrived(struct world *world)
{
    return client_has(world->clients, "\r\n\r\n{}");
}

static bool head_arrived(struct world *world)
{
    return client_has(world->clients, "\r\n\r\n");
}

static bool client_is_through(struct world *world)
{
    return world->clients->has_ended || world->clients->has_failed;
}

static bool server_was_left(struct world *world)
{
    return world_served(world)->has_ended;
}

static const char *wanted; /* by the two below */

static bool written_has_wanted(struct world *world)
{
    return world_count_written(world, wanted) > 0;
}

static bool client_has_wanted(struct world *world)
{
    return client_has(world->clients, wanted);
}

static bool served_has_wanted(struct world *world)
{
    return served_has(world_served(world), wanted);
}

static bool wait_written(struct world *world, const char *text)
{
    wanted = text;
    return world_run_until(world, written_has_wanted, WAIT_MS);
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

static struct client_conn *get(struct world *world, const char *path)
{
    struct client_conn *client = world_connect(world);

    client_send(client, "GET %s HTTP/1.1\r\n%s\r\n", path, world_who(world));
    return client;
}

/* The line of that type, without its LF; owned. */
static char *find_line(struct world *world, const char *type)
{
    scoped(free_text) char *all = world_written_text(world);
    scoped(free_text) char *start = xasprintf("{\"type\":\"%s\"", type);
    char *at = strstr(all, start);

    assert_non_null(at);
    return xstrndup(at, strcspn(at, "\n"));
}

/* ---- What crosses ---- */

static void request_crosses_with_our_credential_and_audit_id(void **state)
{
    struct world *world = *state;
    struct client_conn *client = world_connect(world);

    client_send(client,
                "GET /kind/api/v1/namespaces/a%%2Fb/pods?x=must-be-synced-1&x=2 "
                "HTTP/1.1\r\n%s"
                "Audit-ID: my-own-id\r\nX-Remote-User: root\r\nAccept: "
                "application/json\r\n"
                "Connection: keep-alive\r\n\r\n",
                world_who(world));
    assert_true(world_run_until(world, request_arrived, WAIT_MS));
    struct server_conn *served = world_served(world);
    assert_false(served->is_unsynced);
    assert_true(served_has(
        served, "GET /api/v1/namespaces/a%2Fb/pods?x=must-be-synced-1&x=2 HTTP/1.1\r\n"));
    assert_true(served_has(served, "Host: api.example:6443\r\n"));
    assert_true(served_has(served, "Authorization: " WORLD_CREDENTIAL "\r\n"));
    assert_false(served_has(served, "khoop1"));
    assert_false(served_has(served, "X-Remote-User"));
    assert_false(served_has(served, "my-own-id"));

    served_send(served, "HTTP/1.1 200 OK\r\nAudit-ID: from-upstream\r\nContent-Length: 2\r\n"
                        "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n{}");
    assert_true(world_run_until(world, answer_arrived, WAIT_MS));
    assert_true(client_has(client, "HTTP/1.1 200 OK\r\n"));
    assert_true(client_has(client, "my-own-id"));
    assert_false(client_has(client, "from-upstream"));
    assert_false(client_has(client, "Keep-Alive"));
    assert_true(wait_written(world, "\"type\":\"complete\""));
    assert_true(world_has_synced(world, "\"requestURI\":\"/api/v1/namespaces/a%2Fb/pods"));
    assert_int_equal(0, world_count_written(world, "canary"));
    assert_int_equal(0, world_count_written(world, "khoop1"));
    assert_int_equal(1, world_count_written(world, "\"username\":\"tester\""));
    assert_int_equal(1, world_count_written(world, "\"outcome\":\"ok\""));
    assert_int_equal(1, world_count_written(world, "\"forwarded\":\"all\""));
}

static void audit_id_is_the_hash_of_the_request_line(void **state)
{
    struct world *world = *state;
    unsigned char hash[SHA256_BYTES];
    char id[64];

    get(world, "/kind/api");
    assert_true(world_run_until(world, request_arrived, WAIT_MS));
    scoped(free_text) char *line = find_line(world, "request");
    scoped(free_text) char *whole = xasprintf("%s\n", line);
    sha256(str_from(whole), hash);
    hash[6] = (unsigned char)((hash[6] & 0x0f) | 0x80);
    hash[8] = (unsigned char)((hash[8] & 0x3f) | 0x80);
    snprintf(id, sizeof id,
             "Audit-ID: "
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%"
             "02x\r\n",
             hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7], hash[8],
             hash[9], hash[10], hash[11], hash[12], hash[13], hash[14], hash[15]);
    assert_true(served_has(world_served(world), id));
}

static void client_without_the_bearer_gets_401_and_no_record(void **state)
{
    struct world *world = *state;
    struct client_conn *client = world_connect(world);

    client_send(client, "GET /kind/api HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(world_run_until(world, head_arrived, WAIT_MS));
    assert_true(client_has(client, "HTTP/1.1 401 "));
    assert_true(wait_client(world, "\"reason\":\"Unauthorized\""));
    assert_int_equal(0, world->served_count);
    assert_int_equal(0, world_count_written(world, "\"type\":\"request\""));
    assert_int_equal(1, gateway_counts(world->gateway).unauthorized);
}

static void command_is_linked_only_while_it_is_open(void **state)
{
    struct world *world = *state;
    struct client_conn *client = world_connect(world);
    scoped(free_text) char *closed =
        bearer_make(world->config.bearer_key, WORLD_SESSION, 3, STR("c99"));

    get(world, "/kind/api");
    assert_true(world_run_until(world, request_arrived, WAIT_MS));
    assert_int_equal(1, world_count_written(world, "\"command\":\"c1\""));
    client_send(client, "GET /kind/apis HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n",
                closed);
    assert_true(wait_written(world, "\"requestURI\":\"/apis\""));
    assert_int_equal(0, world_count_written(world, "c99"));
}

static void unknown_cluster_is_404_and_recorded(void **state)
{
    struct world *world = *state;

    get(world, "/nowhere/api");
    assert_true(wait_client(world, "HTTP/1.1 404 "));
    assert_true(wait_written(world, "\"type\":\"complete\""));
    assert_int_equal(1, world_count_written(world, "\"outcome\":\"refused\""));
    assert_int_equal(1, world_count_written(world, "\"forwarded\":\"none\""));
    assert_int_equal(0, world->served_count);
}

static void head_that_does_not_end_is_408(void **state)
{
    struct world *world = *state;
    struct client_conn *client = world_connect(world);

    client_send(client, "GET /kind/api HTTP/1.1\r\nHost: ");
    assert_true(world_run_until(world, client_is_through, WAIT_MS));
    assert_true(client_has(client, "HTTP/1.1 408 "));
    assert_true(client_has(client, "Connection: close\r\n"));
    assert_int_equal(0, world->served_count);
}

static void idle_connection_is_closed_and_a_waiting_one_is_not(void **state)
{
    struct world *world = *state;
    struct client_conn *waiting = get(world, "/kind/api");

    assert_true(world_run_until(world, request_arrived, WAIT_MS));
    world_connect(world);
    assert_true(world_run_until(world, client_is_through, WAIT_MS));
    assert_true(world->clients->has_ended);
    assert_true(world->clients->in.len == 0);
    assert_false(waiting->has_ended);
    served_send(world_served(world), OK);
    while (!client_has(waiting, "{}"))
        world_run_for(world, 10);
}

#define JWT "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlc2lnbmF0dXJl"

static void tokens_in_recorded_fields_are_not_recorded(void **state)
{
    struct world *world = *state;
    struct client_conn *client = world_connect(world);

    client_send(client,
                "GET /kind/api HTTP/1.1\r\n%sUser-Agent: tool " JWT "\r\nImpersonate-User: " JWT
                "\r\nImpersonate-Group: " JWT "\r\nKubectl-Command: " JWT "\r\n\r\n",
                world_who(world));
    assert_true(world_run_until(world, request_arrived, WAIT_MS));
    assert_true(served_has(world_served(world), "User-Agent: tool " JWT "\r\n"));
    served_send(world_served(world),
                "HTTP/1.1 200 OK\r\nAudit-ID: " JWT "\r\nContent-Length: 2\r\n\r\n{}");
    assert_true(world_run_until(world, answer_arrived, WAIT_MS));
    assert_true(wait_written(world, "\"type\":\"complete\""));
    assert_int_equal(0, world_count_written(world, "c2lnbmF0dXJl"));
    assert_int_equal(1, world_count_written(world, "\"userAgent\":\"tool redacted\""));
}

static void connection_that_names_identity_is_400(void **state)
{
    struct world *world = *state;
    struct client_conn *client = world_connect(world);

    client_send(client, "GET /kind/api HTTP/1.1\r\n%sConnection: Impersonate-User\r\n\r\n",
                world_who(world));
    assert_true(wait_client(world, "HTTP/1.1 400 "));
    assert_int_equal(0, world->served_count);
}

static void one_connection_carries_request_after_request(void **state)
{
    struct world *world = *state;
    struct client_conn *client = get(world, "/kind/api/one");

    for (int i = 0; i < 3; i++) {
        scoped(free_text) char *path = xasprintf("/must-be-synced-%d ", i);

        client_send(client, "GET /kind%sHTTP/1.1\r\n%s\r\n", path, world_who(world));
    }
    const char *paths[] = {"GET /api/one ", "GET /must-be-synced-0 ", "GET /must-be-synced-1 ",
                           "GET /must-be-synced-2 "};
    for (int i = 0; i < 4; i++) { /* one after the other, as they were sent */
        assert_true(wait_served(world, paths[i]));
        if (i < 3)
            assert_false(served_has(world_served(world), paths[i + 1]));
        served_send(world_served(world), OK);
    }
    world_run_for(world, 50);
    assert_int_equal(1, world->served_count);
    assert_false(world_served(world)->is_unsynced);
}

static void connection_that_upstream_ended_is_replaced(void **state)
{
    struct world *world = *state;
    struct client_conn *client = get(world, "/kind/one");

    assert_true(world_run_until(world, request_arrived, WAIT_MS));
    served_send(world_served(world), OK);
    assert_true(world_run_until(world, answer_arrived, WAIT_MS));
    served_finish(world_served(world));
    client_send(client, "GET /kind/two HTTP/1.1\r\n%s\r\n", world_who(world));
    assert_true(wait_served(world, "GET /two "));
    assert_int_equal(2, world->served_count);
}

static void answer_with_bytes_behind_it_ends_its_connection(void **state)
{
    struct world *world = *state;
    struct client_conn *client = get(world, "/kind/one");

    assert_true(world_run_until(world, request_arrived, WAIT_MS));
    served_send(world_served(world), OK "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsmuggl");
    assert_true(world_run_until(world, answer_arrived, WAIT_MS));
    client_send(client, "GET /kind/two HTTP/1.1\r\n%s\r\n", world_who(world));
    assert_true(wait_served(world, "GET /two "));
    world_run_for(world, 50);
    assert_int_equal(2, world->served_count);
    assert_false(client_has(client, "smuggl"));
}

static void head_has_no_body_even_in_an_error_of_ours(void **state)
{
    struct world *world = *state;
    struct client_conn *client = world_connect(world);

    client_send(client, "HEAD /nowhere/api HTTP/1.1\r\n%s\r\n", world_who(world));
    assert_true(wait_client(world, "\r\n\r\n"));
    client_send(client, "GET /kind/next HTTP/1.1\r\n%s\r\n", world_who(world));
    assert_true(wait_served(world, "GET /next "));
    assert_false(client_has(client, "\"kind\""));
}

/* ---- Bodies ---- */

static void body_of_known_length_is_one_commit_with_its_hash(void **state)
{
    struct world *world = *state;
    const char *body = "{\"kind\":\"ConfigMap\",\"x\":\"must-be-synced-body\"}";
    struct client_conn *client = world_connect(world);
    char hex[SHA256_HEX_BYTES];

    client_send(client,
                "POST /kind/api/v1/namespaces/d/configmaps HTTP/1.1\r\n%s"
                "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%.10s",
                world_who(world), strlen(body), body);
    world_run_for(world, 50);
    assert_int_equal(0, world->served_count); /* not before it is whole */
    client_send(client, "%s", body + 10);
    assert_true(wait_served(world, "must-be-synced-body\"}"));
    assert_false(world_served(world)->is_unsynced);
    scoped(free_text) char *line = find_line(world, "request");
    scoped(free_text) char *hash = xasprintf("\"body\":{\"bytes\":%zu,\"sha256\":\"%s\"}",
                                             strlen(body), sha256_hex(str_from(body), hex));
    assert_non_null(strstr(line, hash));
}

static void body_of_unknown_length_streams_piece_by_piece(void **state)
{
    struct world *world = *state;
    struct client_conn *client = world_connect(world);

    client_send(client,
                "POST /kind/api/v1/namespaces/d/configmaps HTTP/1.1\r\n%s"
                "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
                world_who(world));
    assert_true(world_run_until(world, request_arrived, WAIT_MS)); /* the head by itself */
    client_send(client, "12\r\nmust-be-synced-aaa\r\n");
    assert_true(wait_served(world, "must-be-synced-aaa"));
    client_send(client, "12\r\nmust-be-synced-bbb\r\n0\r\n\r\n");
    assert_true(wait_served(world, "must-be-synced-bbb\r\n0\r\n\r\n"));
    assert_false(world_served(world)->is_unsynced);
    assert_true(served_has(world_served(world), "Transfer-Encoding: chunked\r\n"));
    served_send(world_served(world), OK);
    assert_true(world_run_until(world, answer_arrived, WAIT_MS));
}

static void client_that_expects_100_hears_upstreams(void **state)
{
    struct world *world = *state;
    struct client_conn *client = world_connect(world);

    client_send(client,
                "POST /kind/api/v1/namespaces/d/configmaps HTTP/1.1\r\n%sExpect: "
                "100-continue\r\n"
                "Content-Length: 20\r\n\r\n",
                world_who(world));
    assert_true(wait_served(world, "100-continue"));
    assert_int_equal(0, client->in.len);
    served_send(world_served(world), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_true(wait_client(world, "HTTP/1.1 100 Continue\r\n\r\n"));
    client_send(client, "must-be-synced-later");
    assert_true(wait_served(world, "must-be-synced-later"));
    assert_false(world_served(world)->is_unsynced);
    served_send(world_served(world), OK);
    assert_true(world_run_until(world, answer_arrived, WAIT_MS));
}

static void trailers_cross_both_ways_after_they_are_recorded(void **state)
{
    struct world *world = *state;
    struct client_conn *client = world_connect(world);

    client_send(client,
                "POST /kind/upload HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n"
                "4\r\nbody\r\n0\r\nmust-be-synced-trailer: 1\r\n\r\n",
                world_who(world));
    assert_true(wait_served(world, "0\r\nmust-be-synced-trailer: 1\r\n\r\n"));
    assert_false(world_served(world)->is_unsynced);
    world_run_for(world, 200);
    world_hold_sync(world, true); /* the complete event cannot be there yet */
    served_send(world_served(world), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                     "2\r\n{}\r\n0\r\nanswer-trailer: 2\r\n\r\n");
    assert_true(wait_client(world, "0\r\nanswer-trailer: 2\r\n\r\n"));
    assert_true(world_count_written(world, "\"trailers\":[{\"name\":\"answer-trailer\"}]") >= 1);
    world_hold_sync(world, false);
    assert_true(wait_written(world, "\"requestTrailers\":[{\"name\":\"must-be-synced-trailer\"}]"));
}

/* What cannot be redacted as it streams is read whole, up to a size. */
static void patch_of_a_secret_is_read_whole_or_refused(void **state)
{
    struct world *world = *state;
    const char *head = "PATCH /kind/api/v1/namespaces/d/secrets/s HTTP/1.1\r\n%s"
                       "Content-Type: application/json-patch+json\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n";
    struct client_conn *client = world_connect(world);
    scoped(free_text) char *mib = xcalloc(1, (1 << 20) + 1);

    client_send(client, head, world_who(world));
    client_send(client, "1\r\n[\r\n");
    world_run_for(world, 50);
    assert_int_equal(0, world->served_count); /* not before it is whole */
    client_send(client, "1\r\n]\r\n0\r\n\r\n");
    assert_true(wait_served(world, "[]"));
    served_send(world_served(world), OK);
    assert_true(world_run_until(world, answer_arrived, WAIT_MS));

    memset(mib, ' ', 1 << 20);
    client = world_connect(world);
    client_send(client, head, world_who(world));
    for (int i = 0; i < 4; i++) {
        client_send(client, "100000\r\n");
        conn_write(client->conn, str_from(mib));
        client_send(client, "\r\n");
    }
    assert_true(wait_client(world, "HTTP/1.1 413 "));
    assert_int_equal(1, world->served_count);
    assert_true(wait_written(world, "\"outcome\":\"refused\""));
}

/* ---- The journal first ---- */

/* 64 MiB for all of them: who must be read whole is told to come again, who need not be, streams.
 */
static void bodies_that_are_read_whole_have_a_budget(void **state)
{
    struct world *world = *state;
    struct client_conn *first = NULL, *client;
    const char *must = "PATCH /kind/api/v1/namespaces/d/secrets/s HTTP/1.1\r\n%s"
                       "Content-Type: application/json-patch+json\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n";
    const char *may = "POST /kind/may HTTP/1.1\r\n%sContent-Length: 262144\r\n\r\n{";

    for (int i = 0; i < 20; i++) { /* 3 MiB and 64 KiB each, whatever they send */
        client = world_connect(world);
        client_send(client, must, world_who(world));
        first = first ? first : client;
    }
    world_run_for(world, 50);
    client = world_connect(world);
    client_send(client, must, world_who(world));
    assert_true(wait_client(world, "HTTP/1.1 503 "));
    assert_true(client_has(client, "try again"));
    for (int i = 0; i < 11; i++)
        client_send(world_connect(world), may, world_who(world));
    world_run_for(world, 50);
    assert_int_equal(0, world->served_count);
    client_send(world_connect(world), may, world_who(world));
    assert_true(wait_served(world, "POST /may HTTP/1.1\r\n"));
    assert_int_equal(1, world->served_count);
    client_hang_up(first);
    world_run_for(world, 50);
    client = world_connect(world);
    client_send(client, must, world_who(world));
    client_send(client, "2\r\n[]\r\n0\r\n\r\n");
    assert_true(wait_served(world, "PATCH "));
}

static void request_waits_for_the_sync(void **state)
{
    struct world *world = *state;

    get(world, "/kind/api");
    assert_true(world_run_until(world, request_arrived, WAIT_MS)); /* TLS and all is warm */
    served_send(world_served(world), OK);
    assert_true(world_run_until(world, answer_arrived, WAIT_MS));
    world_run_for(world, 200);

    world_hold_sync(world, true);
    client_send(world->clients, "GET /kind/must-be-synced-held HTTP/1.1\r\n%s\r\n",
                world_who(world));
    assert_true(wait_written(world, "must-be-synced-held"));
    world_wake(world); /* whoever looks now must see that it is not synced */
    world_run_for(world, 200);
    assert_false(served_has(world_served(world), "must-be-synced-held"));
    world_hold_sync(world, false);
    assert_true(wait_served(world, "must-be-synced-held"));
    assert_false(world_served(world)->is_unsynced);
}

static void answer_waits_for_the_write_and_at_most_100_ms_for_the_sync(void **state)
{
    struct world *world = *state;

    get(world, "/kind/api/v1/pods?watch=1");
    assert_true(world_run_until(world, request_arrived, WAIT_MS));
    served_send(world_served(world), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_true(world_run_until(world, head_arrived, WAIT_MS)); /* before any event */
    world_run_for(world, 200);

    served_send(world_served(world), "6\r\nevent1\r\n");
    assert_true(wait_client(world, "event1"));
    world_run_for(world, 200);
    world_hold_sync(world, true);
    served_send(world_served(world), "6\r\nevent2\r\n"); /* written, and delivered so */
    assert_true(wait_client(world, "event2"));
    world_run_for(world, 250);
    served_send(world_served(world), "6\r\nevent3\r\n"); /* over 100 ms behind: shut */
    world_wake(world);
    world_run_for(world, 250);
    assert_false(client_has(world->clients, "event3"));
    world_hold_sync(world, false);
    assert_true(wait_client(world, "event3"));
}

static void answer_waits_for_the_sync_under_strict(void **state)
{
    scoped(world_free) struct world *world = world_new_strict();

    get(world, "/kind/api");
    assert_true(world_run_until(world, request_arrived, WAIT_MS));
    world_run_for(world, 200);
    world_hold_sync(world, true);
    served_send(world_served(world), OK);
    assert_true(wait_written(world, "\"type\":\"response\""));
    world_wake(world);
    world_run_for(world, 200);
    assert_false(client_has(world->clients, "200 OK"));
    world_hold_sync(world, false);
    assert_true(wait_client(world, "200 OK"));
}

static void broken_disk_forwards_nothing_and_work_goes_on_when_it_is_well(void **state)
{
    struct world *world = *state;
    const int causes[][2] = {{EIO, 0}, {0, EIO}, {ENOSPC, 0}, {0, ENOSPC}};

    for (size_t i = 0; i < 4; i++) {
        unsigned before = world->served_count;

        world_run_for(world, 200);
        world_fail_disk(world, causes[i][0], causes[i][1]);
        get(world, "/kind/never");
        assert_true(wait_client(world, "cannot be recorded"));
        assert_true(client_has(world->clients, "HTTP/1.1 503 "));
        assert_true(
            client_has(world->clients, "Warning: 299 - \"kubectl-hoop: this call was not sent"));
        get(world, "/kind/never");
        assert_true(wait_client(world, "cannot be recorded"));
        assert_int_equal(before, world->served_count);

        world_fail_disk(world, 0, 0);
        world_run_for(world, 1300);
        scoped(free_text) char *path = xasprintf("/kind/must-be-synced-again-%zu", i);
        get(world, path);
        assert_true(wait_served(world, path + strlen("/kind")));
        assert_false(world_served(world)->is_unsynced);
        served_send(world_served(world), OK);
        assert_true(world_run_until(world, answer_arrived, WAIT_MS));
    }
    assert_true(world_count_written(world, "\"type\":\"gap\"") >= 4);
    assert_true(world_count_written(world, "\"outcome\":\"refused\"") >= 4);
}

static void forwarded_and_unanswered_call_says_that_it_may_have_taken_effect(void **state)
{
    struct world *world = *state;

    get(world, "/kind/api");
    assert_true(world_run_until(world, request_arrived, WAIT_MS));
    world_run_for(world, 200);
    world_fail_disk(world, EIO, 0);
    served_send(world_served(world), OK);
    assert_true(wait_client(world, "may have taken effect"));
    assert_true(client_has(world->clients, "HTTP/1.1 503 "));
    world_fail_disk(world, 0, 0);
    assert_true(wait_written(world, "\"outcome\":\"unknown\""));
}

static int told; /* 1: durable, -1: lost */

static void tell(void *context, bool lost)
{
    told = lost ? -1 : 1;
}

static bool was_told(struct world *world)
{
    return told != 0;
}

static int wait_for_event(struct world *world)
{
    told = 0;
    recorder_when_durable(world->recording, recorder_event(world->recording, "mark", STR(""), NULL),
                          tell, NULL);
    assert_true(world_run_until(world, was_told, 500)); /* nobody waits for a disk to recover */
    return told;
}

static void event_is_told_durable_or_lost_without_delay(void **state)
{
    struct world *world = *state;

    assert_int_equal(1, wait_for_event(world));
    world_fail_disk(world, EIO, 0);
    assert_int_equal(-1, wait_for_event(world));
    assert_true(recording_is_broken(world->recording));
    assert_int_equal(-1, wait_for_event(world));
    world_fail_disk(world, 0, 0);
    world_run_for(world, 1300);
    assert_false(recording_is_broken(world->recording));
    assert_int_equal(1, wait_for_event(world));
}

/* ---- Ends ---- */

static void upstream_that_cannot_be_reached_is_503(void **state)
{
    struct world *world = *state;

    listener_stop(&world->server);
    get(world, "/kind/api");
    assert_true(wait_client(world, "cannot reach the API server at api.example:6443"));
    assert_true(client_has(world->clients, "HTTP/1.1 503 "));
    assert_false(client_has(world->clients, "Retry-After"));
    assert_true(wait_written(world, "\"outcome\":\"unreachable\",\"forwarded\":\"none\""));
}

static void upstream_that_breaks_off_unanswered_is_503(void **state)
{
    struct world *world = *state;

    get(world, "/kind/api");
    assert_true(world_run_until(world, request_arrived, WAIT_MS));
    served_reset(world_served(world));
    assert_true(wait_client(world, "may have taken effect"));
    assert_true(wait_written(world, "\"outcome\":\"upstream_reset\""));
    assert_int_equal(1, world->served_count); /* never sent twice */
}

static void cut_answer_never_looks_complete(void **state)
{
    struct world *world = *state;
    const char *const heads[] = {"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                                 "Content-Length: 100\r\n\r\nhello"};

    for (size_t i = 0; i < 2; i++) {
        scoped(free_text) char *answer = xasprintf("HTTP/1.1 200 OK\r\n%s", heads[i]);

        get(world, i ? "/kind/second" : "/kind/first");
        assert_true(wait_served(world, i ? "/second" : "/first"));
        served_send(world_served(world), answer);
        assert_true(wait_client(world, "hello"));
        if (i)
            served_finish(world_served(world));
        else
            served_reset(world_served(world));
        assert_true(world_run_until(world, client_is_through, WAIT_MS));
        assert_false(client_has(world->clients, "\r\n0\r\n\r\n"));
        world_run_for(world, 20);
        assert_int_equal(i + 1, world->served_count);
    }
    assert_true(wait_written(world, "\"outcome\":\"truncated\""));
    assert_int_equal(1, world_count_written(world, "\"outcome\":\"upstream_reset\""));
}

static void client_that_goes_cancels_upstream_at_once(void **state)
{
    struct world *world = *state;

    get(world, "/kind/api/v1/pods?watch=1");
    assert_true(world_run_until(world, request_arrived, WAIT_MS));
    served_send(world_served(world), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_true(world_run_until(world, head_arrived, WAIT_MS));
    client_hang_up(world->clients);
    assert_true(world_run_until(world, server_was_left, 1000));
    assert_true(wait_written(world, "\"outcome\":\"client_gone\""));
}

static size_t answer_bytes;

static bool answer_is_large(struct world *world)
{
    return world->clients->in.len >= answer_bytes;
}

static void slow_client_stops_its_upstream_and_gets_every_byte(void **state)
{
    struct world *world = *state;
    struct client_conn *client = get(world, "/kind/api/v1/namespaces/d/pods/p/log");
    const size_t mib = 24;
    char *block = malloc(1 << 20);

    memset(block, 'x', 1 << 20);
    assert_true(world_run_until(world, request_arrived, WAIT_MS));
    struct server_conn *served = world_served(world);
    scoped(free_text) char *head = xasprintf("HTTP/1.1 200 OK\r\nContent-Type: "
                                             "text/plain\r\nContent-Length: %zu\r\n\r\n",
                                             mib << 20);
    served_send(served, head);
    conn_pause(client->conn);
    for (size_t i = 0; i < mib; i++)
        conn_write(served->conn, str_make(block, 1 << 20));
    world_run_for(world, 500);
    size_t stuck = conn_queued(served->conn);
    world_run_for(world, 500);
    assert_int_equal(stuck, conn_queued(served->conn)); /* it stands still, far from the end */
    assert_true(stuck > (mib - 16) << 20);
    answer_bytes = mib << 20;
    conn_resume(client->conn);
    assert_true(world_run_until(world, answer_is_large, 60000));
    free(block);
}

static void drain_ends_watches_and_records_them(void **state)
{
    struct world *world = *state;

    get(world, "/kind/api/v1/pods?watch=1");
    assert_true(world_run_until(world, request_arrived, WAIT_MS));
    served_send(world_served(world), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_true(world_run_until(world, head_arrived, WAIT_MS));
    world_begin_drain(world, 5000); /* no grace for a watch */
    world_await_drained(world);
    assert_true(world_count_written(world, "\"outcome\":\"gateway_end\"") == 1);
    assert_true(client_is_through(world));
    assert_false(client_has(world->clients, "0\r\n\r\n"));
}

#define gateway_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        gateway_test(request_crosses_with_our_credential_and_audit_id),
        gateway_test(audit_id_is_the_hash_of_the_request_line),
        gateway_test(client_without_the_bearer_gets_401_and_no_record),
        gateway_test(command_is_linked_only_while_it_is_open),
        gateway_test(unknown_cluster_is_404_and_recorded),
        cmocka_unit_test_setup_teardown(head_that_does_not_end_is_408, set_up_impatient, tear_down),
        cmocka_unit_test_setup_teardown(idle_connection_is_closed_and_a_waiting_one_is_not,
                                        set_up_impatient, tear_down),
        gateway_test(tokens_in_recorded_fields_are_not_recorded),
        gateway_test(connection_that_names_identity_is_400),
        gateway_test(one_connection_carries_request_after_request),
        gateway_test(connection_that_upstream_ended_is_replaced),
        gateway_test(answer_with_bytes_behind_it_ends_its_connection),
        gateway_test(head_has_no_body_even_in_an_error_of_ours),
        gateway_test(body_of_known_length_is_one_commit_with_its_hash),
        gateway_test(body_of_unknown_length_streams_piece_by_piece),
        gateway_test(client_that_expects_100_hears_upstreams),
        gateway_test(trailers_cross_both_ways_after_they_are_recorded),
        gateway_test(patch_of_a_secret_is_read_whole_or_refused),
        gateway_test(bodies_that_are_read_whole_have_a_budget),
        gateway_test(request_waits_for_the_sync),
        gateway_test(answer_waits_for_the_write_and_at_most_100_ms_for_the_sync),
        cmocka_unit_test(answer_waits_for_the_sync_under_strict),
        gateway_test(broken_disk_forwards_nothing_and_work_goes_on_when_it_is_well),
        gateway_test(forwarded_and_unanswered_call_says_that_it_may_have_taken_effect),
        gateway_test(event_is_told_durable_or_lost_without_delay),
        gateway_test(upstream_that_cannot_be_reached_is_503),
        gateway_test(upstream_that_breaks_off_unanswered_is_503),
        gateway_test(cut_answer_never_looks_complete),
        gateway_test(client_that_goes_cancels_upstream_at_once),
        gateway_test(slow_client_stops_its_upstream_and_gets_every_byte),
        gateway_test(drain_ends_watches_and_records_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
