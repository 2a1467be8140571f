/* test_upstream_h2.c - a gateway whose API server speaks HTTP/2, and does what no server should, or
 * what a good one does rarely: what the client is told, and what the journal says of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "gateway_world.h"
#include "h2_caller.h"
#include "http/h2_client.h"

#define WAIT_MS 5000
#define OK ":status: 200\n"

static const char *wanted;
static unsigned wanted_count;
static struct client_conn *client;
static struct h2_request *watched;
static const struct h2_answer *answered;

static int set_up(void **state)
{
    struct world *world = *state = world_new_h2();

    client = world_connect(world);
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

/* The server has seen this request `count` times; the newest. */
static struct h2_request *wait_asked_times(struct world *world, const char *line, unsigned count)
{
    wanted = line;
    wanted_count = count;
    assert_true(world_run_until(world, is_asked, WAIT_MS));
    return h2_server_find(&world->h2, line);
}

static struct h2_request *wait_asked(struct world *world, const char *line)
{
    return wait_asked_times(world, line, 1);
}

static bool client_has_wanted(struct world *world)
{
    return client_has(client, wanted);
}

static bool wait_client(struct world *world, const char *text)
{
    wanted = text;
    return world_run_until(world, client_has_wanted, WAIT_MS);
}

static bool is_answered(struct world *world)
{
    return answered->is_complete;
}

static bool is_complete(struct world *world)
{
    return watched->is_complete;
}

static bool is_reset(struct world *world)
{
    return watched->reset != 0;
}

static bool wait_request(struct world *world, struct h2_request *request,
                         bool (*is_so)(struct world *world))
{
    watched = request;
    return world_run_until(world, is_so, WAIT_MS);
}

static bool written_has_wanted(struct world *world)
{
    return world_count_written(world, wanted) >= wanted_count;
}

static bool wait_written(struct world *world, const char *text)
{
    wanted = text;
    wanted_count = 1;
    return world_run_until(world, written_has_wanted, WAIT_MS);
}

static void get(struct world *world, const char *path)
{
    client_send(client, "GET /kind%s HTTP/1.1\r\n%s\r\n", path, world_who(world));
}

static void post(struct world *world, const char *path, const char *body)
{
    client_send(client, "POST /kind%s HTTP/1.1\r\n%sContent-Length: %zu\r\n\r\n%s", path,
                world_who(world), strlen(body), body);
}

/* ---- What crosses ---- */

static void request_and_answer_cross(void **state)
{
    struct world *world = *state;

    get(world, "/api?x=must-be-synced-1");
    struct h2_request *request = wait_asked(world, "GET /api?x=must-be-synced-1");
    assert_true(wait_request(world, request, is_complete));
    assert_non_null(strstr(request->fields, ":authority: api.example:6443;"));
    assert_non_null(strstr(request->fields, "authorization: " WORLD_CREDENTIAL ";"));
    assert_non_null(strstr(request->fields, "audit-id: "));
    h2_server_head(request, OK "content-length: 2\nx-of: server\n", false);
    h2_server_data(request, "{}", true);
    assert_true(wait_client(world, "\r\n\r\n{}"));
    assert_true(client_has(client, "HTTP/1.1 200 OK\r\n"));
    assert_true(client_has(client, "x-of: server\r\n"));
    assert_true(wait_written(world, "\"outcome\":\"ok\""));
    assert_false(world->is_unsynced);
}

static void many_calls_share_one_connection(void **state)
{
    struct world *world = *state;
    struct h2_caller *caller = h2_caller_connect(world, 65535);
    struct h2_request *requests[20];

    /* At once: none may dial while it is not known what the server speaks. */
    for (int i = 0; i < 20; i++) {
        scoped(free_text) char *path = xasprintf("/kind/n/%d", i);
        ignore(h2_caller_request(caller, "GET", path, NULL, false));
    }
    for (int i = 0; i < 20; i++) {
        scoped(free_text) char *line = xasprintf("GET /n/%d", i);
        requests[i] = wait_asked(world, line);
    }
    assert_int_equal(1, world->h2.accepted);
    for (int i = 19; i >= 0; i--)
        h2_server_head(requests[i], OK, true);
    assert_true(wait_written(world, "\"outcome\":\"ok\""));
    h2_caller_free(&caller);
}

static void body_and_trailers_cross_when_they_are_synced(void **state)
{
    struct world *world = *state;

    client_send(client,
                "POST /kind/streamed HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n"
                "11\r\nmust-be-synced-in\r\n",
                world_who(world));
    struct h2_request *request = wait_asked(world, "POST /streamed");
    client_send(client, "0\r\nmust-be-synced-sum: 1\r\n\r\n");
    assert_true(wait_request(world, request, is_complete));
    assert_string_equal("must-be-synced-in", request->body);
    assert_string_equal("must-be-synced-sum: 1;", request->trailers);
    h2_server_head(request, OK, false);
    h2_server_data(request, "abc", false);
    h2_server_head(request, "x-after: 3\n", true);
    assert_true(wait_client(world, "3\r\nabc\r\n0\r\nx-after: 3\r\n\r\n"));
    assert_false(world->is_unsynced);
}

static void interim_answers_cross_but_not_without_end(void **state)
{
    struct world *world = *state;

    get(world, "/hints");
    struct h2_request *request = wait_asked(world, "GET /hints");
    h2_server_head(request, ":status: 103\nlink: one\n", false);
    assert_true(wait_client(world, "HTTP/1.1 103 "));
    for (int i = 0; i < 40; i++)
        h2_server_head(request, ":status: 103\n", false);
    assert_true(wait_client(world, "HTTP/1.1 502 "));
    assert_true(wait_request(world, request, is_reset));
    assert_true(world_count_written(world, "\"status\":103") <= 33);
}

static void head_and_304_have_no_body(void **state)
{
    struct world *world = *state;

    client_send(client, "HEAD /kind/h HTTP/1.1\r\n%s\r\n", world_who(world));
    h2_server_head(wait_asked(world, "HEAD /h"), OK "content-length: 7\n", true);
    assert_true(wait_client(world, "content-length: 7\r\n"));
    get(world, "/c");
    h2_server_head(wait_asked(world, "GET /c"), ":status: 304\ncontent-length: 7\n", true);
    assert_true(wait_client(world, "HTTP/1.1 304 "));
    get(world, "/n");
    h2_server_head(wait_asked(world, "GET /n"), ":status: 204\n", true);
    assert_true(wait_client(world, "HTTP/1.1 204 "));
    assert_int_equal(1, world->h2.accepted);
}

static void large_upload_waits_for_the_servers_window(void **state)
{
    struct world *world = *state;
    struct h2_caller *caller = h2_caller_connect(world, 65535);
    scoped(free_text) char *text = xcalloc(1, 50001);
    struct h2_request *request;
    int32_t stream;

    memset(text, 'x', 50000);
    world->h2.gives_no_window = true;
    stream = h2_caller_request(caller, "POST", "/kind/up", NULL, true);
    for (int i = 0; i < 84; i++) /* 4.2 MB */
        h2_caller_data(caller, stream, text, i == 83);
    request = wait_asked(world, "POST /up");
    world_run_for(world, 300);
    assert_int_equal(65535, request->bytes);
    world->h2.gives_no_window = false;
    scoped(buf_free) struct buf out = {0};
    put_word(&out, FRAME_WINDOW_UPDATE, 0, 1 << 20);
    put_word(&out, FRAME_WINDOW_UPDATE, request->stream, 1 << 20);
    h2_server_send(request->on, &out);
    assert_true(wait_request(world, request, is_complete));
    assert_int_equal(4200000, request->bytes);
    h2_server_head(request, OK, true);
    h2_caller_free(&caller);
}

/* Its length is known, so that it is read whole; over h2 it may have trailers all the same. */
static void trailers_of_a_whole_request_cross_when_they_are_synced(void **state)
{
    struct world *world = *state;
    struct h2_caller *caller = h2_caller_connect(world, 65535);
    int32_t stream = h2_caller_request(caller, "POST", "/kind/whole", "3", true);

    h2_caller_trailer(caller, stream, "abc", "must-be-synced-whole");
    struct h2_request *request = wait_asked(world, "POST /whole");
    assert_true(wait_request(world, request, is_complete));
    assert_string_equal("abc", request->body);
    assert_string_equal("must-be-synced-whole: 1;", request->trailers);
    assert_false(world->is_unsynced);
    h2_server_head(request, OK, true);
    assert_true(wait_written(world, "\"requestTrailers\":[{\"name\":\"must-be-synced-whole\"}]"));
    h2_caller_free(&caller);
}

/* ---- Sent again, and not ---- */

static void refused_request_is_sent_again_with_its_body(void **state)
{
    struct world *world = *state;

    post(world, "/refused", "must-be-synced-body");
    struct h2_request *first = wait_asked(world, "POST /refused");
    assert_true(wait_request(world, first, is_complete));
    h2_server_reset(first, NGHTTP2_REFUSED_STREAM);
    struct h2_request *second = wait_asked_times(world, "POST /refused", 2);
    assert_true(second->on != first->on);
    assert_true(wait_request(world, second, is_complete));
    assert_string_equal("must-be-synced-body", second->body);
    assert_string_equal(first->fields, second->fields);
    h2_server_head(second, ":status: 201\n", true);
    assert_true(wait_client(world, "HTTP/1.1 201 "));
    assert_true(wait_written(world, "\"outcome\":\"ok\",\"forwarded\":\"all\""));
    assert_int_equal(1, world_count_written(world, "\"requestURI\":\"/refused\""));
}

static void goaway_moves_what_it_does_not_name(void **state)
{
    struct world *world = *state;
    struct h2_caller *caller = h2_caller_connect(world, 65535);

    ignore(h2_caller_request(caller, "GET", "/kind/kept", NULL, false));
    struct h2_request *kept = wait_asked(world, "GET /kept");
    ignore(h2_caller_request(caller, "GET", "/kind/moved", NULL, false));
    struct h2_request *moved = wait_asked(world, "GET /moved");
    assert_true(moved->on == kept->on && moved->stream > kept->stream);
    h2_server_goaway(kept->on, kept->stream, NGHTTP2_NO_ERROR);
    moved = wait_asked_times(world, "GET /moved", 2);
    assert_true(moved->on != kept->on);
    for (unsigned i = 2; i < 6; i++) { /* again and again, one server after the other */
        h2_server_goaway(moved->on, 0, NGHTTP2_NO_ERROR);
        moved = wait_asked_times(world, "GET /moved", i + 1);
    }
    h2_server_head(kept, OK, true); /* still served */
    h2_server_head(moved, OK, true);
    get(world, "/next");
    assert_true(wait_asked(world, "GET /next")->on == moved->on);
    assert_int_equal(1, h2_server_count(&world->h2, "GET /kept"));
    h2_caller_free(&caller);
}

static void refusals_without_end_are_503(void **state)
{
    struct world *world = *state;

    get(world, "/never");
    for (unsigned i = 1; i <= 3; i++)
        h2_server_reset(wait_asked_times(world, "GET /never", i), NGHTTP2_REFUSED_STREAM);
    assert_true(wait_client(world, "refused the call without processing it"));
    assert_true(client_has(client, "HTTP/1.1 503 "));
    assert_true(wait_written(world, "\"outcome\":\"upstream_reset\",\"forwarded\":\"all\""));
    assert_int_equal(3, h2_server_count(&world->h2, "GET /never"));
}

static void streamed_request_that_is_refused_is_503_and_partial(void **state)
{
    struct world *world = *state;

    client_send(client,
                "POST /kind/stream HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                world_who(world));
    struct h2_request *request = wait_asked(world, "POST /stream");
    world_run_for(world, 50);
    assert_int_equal(3, request->bytes);
    h2_server_reset(request, NGHTTP2_REFUSED_STREAM);
    assert_true(wait_client(world, "HTTP/1.1 503 "));
    client_send(client, "3\r\ndef\r\n0\r\n\r\n");
    assert_true(wait_written(world, "\"outcome\":\"upstream_reset\",\"forwarded\":\"partial\""));
    assert_int_equal(1, h2_server_count(&world->h2, "POST /stream"));
}

/* Another code, an answer that began, a connection that is gone: it may have been processed. */
static void request_is_not_sent_again_when_something_may_have_come_of_it(void **state)
{
    struct world *world = *state;
    struct h2_request *request;

    post(world, "/a", "{}");
    h2_server_reset(wait_asked(world, "POST /a"), NGHTTP2_INTERNAL_ERROR);
    assert_true(wait_client(world, "may have taken effect: it reset the stream (INTERNAL_ERROR)"));

    post(world, "/b", "{}");
    request = wait_asked(world, "POST /b");
    h2_server_head(request, ":status: 103\n", false);
    h2_server_reset(request, NGHTTP2_REFUSED_STREAM);
    assert_true(wait_client(world, "may have taken effect: it reset the stream (REFUSED_STREAM)"));

    post(world, "/c", "{}");
    request = wait_asked(world, "POST /c");
    h2_server_goaway(request->on, request->stream, NGHTTP2_NO_ERROR);
    conn_abort(&request->on->conn);
    assert_true(wait_client(world, "\"code\":503"));
    world_run_for(world, 200);
    assert_int_equal(1, h2_server_count(&world->h2, "POST /a"));
    assert_int_equal(1, h2_server_count(&world->h2, "POST /b"));
    assert_int_equal(1, h2_server_count(&world->h2, "POST /c"));
    wanted = "\"outcome\":\"upstream_reset\",\"forwarded\":\"all\"";
    wanted_count = 3;
    assert_true(world_run_until(world, written_has_wanted, WAIT_MS));
}

/* ---- Answers that are cut, lie, or come too early ---- */

static void answer_that_is_reset_never_looks_complete(void **state)
{
    struct world *world = *state;

    get(world, "/body");
    struct h2_request *request = wait_asked(world, "GET /body");
    h2_server_head(request, OK "content-length: 10\n", false);
    h2_server_data(request, "hello", false);
    assert_true(wait_client(world, "hello"));
    h2_server_reset(request, NGHTTP2_INTERNAL_ERROR);
    assert_true(wait_written(world, "\"outcome\":\"upstream_reset\""));
    world_run_for(world, 50);
    assert_true(client->has_ended || client->has_failed);
    assert_false(client_has(client, "hello\r\n0\r\n"));

    client = world_connect(world);
    get(world, "/trailers");
    request = wait_asked(world, "GET /trailers");
    h2_server_head(request, OK, false);
    h2_server_data(request, "hello", false);
    h2_server_head(request, "content-length: 5\n", true); /* no trailer */
    assert_true(wait_client(world, "hello"));
    world_run_for(world, 100);
    assert_true(client->has_ended || client->has_failed);
    assert_false(client_has(client, "0\r\n\r\n"));
    assert_int_equal(NGHTTP2_PROTOCOL_ERROR + 1, request->reset);
}

static void length_that_is_a_lie_is_truncated(void **state)
{
    struct world *world = *state;

    get(world, "/lie");
    struct h2_request *request = wait_asked(world, "GET /lie");
    h2_server_head(request, OK "content-length: 10\n", false);
    h2_server_data(request, "hello", true);
    assert_true(wait_written(world, "\"outcome\":\"truncated\""));
    world_run_for(world, 50);
    assert_true(client->has_ended || client->has_failed);
}

static void malformed_answer_is_502(void **state)
{
    struct world *world = *state;

    get(world, "/bad");
    h2_server_head(wait_asked(world, "GET /bad"), OK "connection: close\n", true);
    assert_true(wait_client(world, "HTTP/1.1 502 "));
    get(world, "/good");
    h2_server_head(wait_asked(world, "GET /good"), OK, true);
    assert_true(wait_client(world, "HTTP/1.1 200 "));
    assert_int_equal(1, world->h2.accepted);
}

static void answer_before_the_end_of_the_request_is_passed_on(void **state)
{
    struct world *world = *state;
    struct h2_caller *caller = h2_caller_connect(world, 65535);
    int32_t stream = h2_caller_request(caller, "POST", "/kind/early", NULL, true);

    h2_caller_data(caller, stream, "abc", false);
    struct h2_request *request = wait_asked(world, "POST /early");
    h2_server_head(request, ":status: 413\n", false);
    h2_server_data(request, "no", true);
    assert_true(wait_request(world, request, is_reset));
    assert_int_equal(NGHTTP2_NO_ERROR + 1, request->reset);
    assert_true(wait_written(world, "\"outcome\":\"ok\",\"forwarded\":\"partial\""));
    answered = h2_caller_answer(caller, stream);
    assert_true(world_run_until(world, is_answered, WAIT_MS));
    assert_int_equal(413, h2_caller_answer(caller, stream)->status);
    h2_caller_free(&caller);
}

static void client_that_goes_cancels_its_stream_alone(void **state)
{
    struct world *world = *state;
    struct h2_caller *caller = h2_caller_connect(world, 65535);

    int32_t stream = h2_caller_request(caller, "GET", "/kind/gone?watch=1", NULL, false);
    struct h2_request *gone = wait_asked(world, "GET /gone?watch=1");
    get(world, "/stays?watch=1");
    struct h2_request *stays = wait_asked(world, "GET /stays?watch=1");
    assert_true(gone->on == stays->on);
    h2_server_head(gone, OK, false);
    h2_caller_reset(caller, stream);
    assert_true(wait_request(world, gone, is_reset));
    assert_int_equal(NGHTTP2_CANCEL + 1, gone->reset);
    assert_true(wait_written(world, "\"outcome\":\"client_gone\""));
    h2_server_head(stays, OK, false);
    h2_server_data(stays, "event", false);
    assert_true(wait_client(world, "event"));
    h2_caller_free(&caller);
}

/* A client that reads nothing: its answer stops at the stream's window, its neighbours' do not. */
static void slow_client_stops_its_own_stream_only(void **state)
{
    struct world *world = *state;
    struct h2_caller *caller = h2_caller_connect(world, 65535);
    scoped(free_text) char *block = xcalloc(1, 16385);
    int32_t stream = h2_caller_request(caller, "GET", "/kind/list", NULL, false);
    struct h2_request *request = wait_asked(world, "GET /list");

    memset(block, 'x', 16384);
    h2_caller_hold(caller, stream, true);
    h2_server_head(request, OK, false);
    for (size_t i = 0; i < H2_CLIENT_STREAM_WINDOW_BYTES / 16384; i++)
        h2_server_data(request, block, false);
    world_run_for(world, 300);
    assert_int_equal(65535, h2_caller_answer(caller, stream)->bytes);
    get(world, "/beside");
    h2_server_head(wait_asked(world, "GET /beside"), OK, true);
    assert_true(wait_client(world, "HTTP/1.1 200 "));
    assert_int_equal(0, request->reset); /* it kept to the window: nothing is wrong */
    h2_server_data(request, block, false);
    world_run_for(world, 100);
    assert_int_equal(NGHTTP2_FLOW_CONTROL_ERROR + 1, request->reset); /* no credit was given */
    h2_caller_free(&caller);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(request_and_answer_cross),
        TEST(many_calls_share_one_connection),
        TEST(body_and_trailers_cross_when_they_are_synced),
        TEST(interim_answers_cross_but_not_without_end),
        TEST(head_and_304_have_no_body),
        TEST(large_upload_waits_for_the_servers_window),
        TEST(trailers_of_a_whole_request_cross_when_they_are_synced),
        TEST(refused_request_is_sent_again_with_its_body),
        TEST(goaway_moves_what_it_does_not_name),
        TEST(refusals_without_end_are_503),
        TEST(streamed_request_that_is_refused_is_503_and_partial),
        TEST(request_is_not_sent_again_when_something_may_have_come_of_it),
        TEST(answer_that_is_reset_never_looks_complete),
        TEST(length_that_is_a_lie_is_truncated),
        TEST(malformed_answer_is_502),
        TEST(answer_before_the_end_of_the_request_is_passed_on),
        TEST(client_that_goes_cancels_its_stream_alone),
        TEST(slow_client_stops_its_own_stream_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
