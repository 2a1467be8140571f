/* test_upstream.c - connections and calls without a gateway around them: how many of each, who
 * waits for what and how long, and what a connection does when nobody speaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/scoped.h"
#include "h2_server.h"
#include "net/cert.h"
#include "proxy/upstream.h"

#define WAIT_MS 3000
#define CALLS 16
#define OK ":status: 200\n"

struct call {
    struct test *test;
    struct upstream_call *call; /* NULL: over */
    char *target;
    int ready, heads, ends, failures, interims;
    size_t bytes;
    enum upstream_failure failure;
    struct error err;
    bool asks_when_ready;
};

/* A connection of an HTTP/1.1 server that answers each request at once, when it is told to. */
struct h1_conn {
    struct h1_conn *next;
    struct test *test;
    struct conn *conn;
    unsigned requests;
};

struct test {
    struct loop *loop;
    struct cert_ca *ca;
    struct cert cert;
    struct tls_server *tls;
    struct h2_server server;
    struct listener *h1_listener;
    struct h1_conn *h1_conns;
    unsigned h1_accepted;
    bool h1_answers;
    struct upstream *upstream;
    struct call calls[CALLS];
    unsigned count;
};

/* ---- The loop ---- */

static void stop_loop(void *context)
{
    loop_stop(((struct test *)context)->loop);
}

static void run_for(struct test *test, unsigned ms)
{
    int64_t end_us = clock_now().mono_us + (int64_t)ms * 1000;

    while (clock_now().mono_us < end_us) {
        struct loop_timer *timer = loop_timer_start(test->loop, 1, stop_loop, test);

        loop_run(test->loop);
        loop_timer_stop(&timer);
    }
}

#define AWAIT(test, condition)                                                                     \
    do {                                                                                           \
        for (int i_ = 0; i_ < WAIT_MS && !(condition); i_++)                                       \
            run_for(test, 1);                                                                      \
        assert_true(condition);                                                                    \
    } while (0)

/* ---- Calls ---- */

static void ask(struct call *call)
{
    struct http_head *head = http_head_new();

    head->method = STR("GET");
    head->target = http_head_keep(head, str_from(call->target));
    head->authority = STR("a:1");
    upstream_call_head_adopt(call->call, head, UPSTREAM_NO_BODY);
    upstream_call_end(call->call, NULL);
}

static void on_ready(void *context)
{
    struct call *call = context;

    call->ready++;
    if (call->asks_when_ready)
        ask(call);
}

static void on_interim(void *context, struct http_head *head)
{
    ((struct call *)context)->interims++;
}

static void on_head(void *context, struct http_head *head, bool is_all)
{
    ((struct call *)context)->heads++;
}

static void on_data(void *context, struct str bytes)
{
    struct call *call = context;

    call->bytes += bytes.len;
    upstream_call_throttle(call->call, 0, UPSTREAM_GO);
}

static void on_end(void *context, const struct http_head *trailers)
{
    struct call *call = context;

    call->ends++;
    call->call = NULL;
}

static void on_failed(void *context, enum upstream_failure failure, const struct error *err)
{
    struct call *call = context;

    call->failures++;
    call->failure = failure;
    call->err = *err;
    call->call = NULL;
}

static void on_writable(void *context)
{
}

static const struct upstream_events events = {
    .ready = on_ready,
    .interim = on_interim,
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .failed = on_failed,
    .writable = on_writable,
};

static struct call *open_call(struct test *test, bool asks_when_ready)
{
    struct call *call = &test->calls[test->count];

    assert_true(test->count < CALLS);
    *call = (struct call){.test = test, .asks_when_ready = asks_when_ready};
    call->target = xasprintf("/%u", test->count++);
    call->call = upstream_call_open(test->upstream, &events, call);
    return call;
}

static struct call *start(struct test *test)
{
    return open_call(test, true);
}

/* The server's request of this call. */
static struct h2_request *request_of(const struct call *call)
{
    scoped(free_text) char *line = xasprintf("GET %s", call->target);

    return h2_server_find(&call->test->server, line);
}

/* ---- The HTTP/1.1 server ---- */

static void h1_data(struct conn *conn, struct str bytes, void *context)
{
    struct h1_conn *h1 = context;

    h1->requests++;
    if (h1->test->h1_answers)
        conn_write(conn, STR("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
}

static void h1_over(struct conn *conn, void *context)
{
    conn_close(&((struct h1_conn *)context)->conn);
}

static void h1_failed(struct conn *conn, const struct error *err, void *context)
{
    h1_over(conn, context);
}

static const struct conn_events h1_events = {
    .data = h1_data,
    .ended = h1_over,
    .failed = h1_failed,
};

static void h1_accepted(struct listener *listener, struct conn *conn, void *context)
{
    struct test *test = context;
    struct h1_conn *h1 = xcalloc(1, sizeof *h1);

    *h1 = (struct h1_conn){.next = test->h1_conns, .test = test, .conn = conn};
    test->h1_conns = h1;
    test->h1_accepted++;
    conn_set_events(conn, &h1_events, h1);
}

static const struct listener_events h1_listener_events = {.accepted = h1_accepted};

/* ---- Before and after ---- */

static struct tls_server *tls_for(struct test *test, const char *alpn)
{
    struct error err = {0};
    struct tls_server *tls = tls_server_new(
        &(struct tls_server_config){
            .cert_pem = test->cert.cert_pem, .key_pem = test->cert.key_pem, .alpn = alpn},
        &err);

    assert_non_null(tls);
    return tls;
}

static int set_up(void **state)
{
    struct test *test = *state = xcalloc(1, sizeof *test);
    struct error err = {0};
    int64_t now_s = clock_now().unix_us / 1000000;

    test->loop = loop_new(&err);
    assert_non_null(test->loop);
    test->ca = cert_make_ca("test", now_s, &err);
    assert_int_equal(0, cert_issue(&test->cert, test->ca,
                                   &(struct cert_request){.use = CERT_SERVER,
                                                          .common_name = "server",
                                                          .names = cert_loopback_names},
                                   &err));
    return 0;
}

static void connect_to(struct test *test, uint16_t port, const struct upstream_limits *limits)
{
    struct error err = {0};
    struct upstream_target target = {
        .host = xstrdup("127.0.0.1"),
        .port = port,
        .authority = xstrdup("a:1"),
        .tls = tls_client_new(&(struct tls_client_config){.ca_pem = cert_ca_pem(test->ca)}, &err),
    };

    assert_non_null(target.tls);
    test->upstream = upstream_new(test->loop, &target, limits);
}

static void use_h2(struct test *test, const struct upstream_limits *limits)
{
    test->tls = tls_for(test, "h2");
    h2_server_start(&test->server, test->loop, test->tls);
    connect_to(test, h2_server_port(&test->server), limits);
}

/* TLS, and a server that has no HTTP/2. */
static void use_h1(struct test *test, const struct upstream_limits *limits)
{
    struct error err = {0};

    test->tls = tls_for(test, "http/1.1");
    test->h1_listener =
        listener_start(test->loop, "127.0.0.1", 0, test->tls, &h1_listener_events, test, &err);
    assert_non_null(test->h1_listener);
    connect_to(test, listener_port(test->h1_listener), limits);
}

static int tear_down(void **state)
{
    struct test *test = *state;

    for (unsigned i = 0; i < test->count; i++) {
        upstream_call_cancel(&test->calls[i].call);
        free(test->calls[i].target);
    }
    upstream_free(&test->upstream);
    if (test->server.listener)
        h2_server_stop(&test->server);
    listener_stop(&test->h1_listener);
    for (struct h1_conn *h1 = test->h1_conns; h1; h1 = h1->next)
        conn_close(&h1->conn);
    run_for(test, 10);
    h2_server_free(&test->server);
    while (test->h1_conns) {
        struct h1_conn *h1 = test->h1_conns;

        test->h1_conns = h1->next;
        free(h1);
    }
    loop_free(&test->loop);
    tls_server_free(&test->tls);
    cert_free(&test->cert);
    cert_ca_free(&test->ca);
    free(test);
    return 0;
}

/* ---- How many ---- */

static void calls_wait_for_the_first_connection_and_share_it(void **state)
{
    struct test *test = *state;

    use_h2(test, NULL);
    for (int i = 0; i < 8; i++)
        start(test);
    AWAIT(test, test->server.seen == 8);
    assert_int_equal(1, test->server.accepted);
    for (unsigned i = 0; i < 8; i++)
        h2_server_head(request_of(&test->calls[i]), OK, true);
    AWAIT(test, test->calls[0].ends && test->calls[7].ends);
}

static void server_that_allows_less_gets_more_connections(void **state)
{
    struct test *test = *state;

    test->server.max_streams = 2;
    use_h2(test, &(struct upstream_limits){.links = 2, .wait_ms = 60000});
    for (int i = 0; i < 5; i++)
        start(test);
    AWAIT(test, test->server.seen == 4);
    run_for(test, 100);
    assert_int_equal(2, test->server.accepted);
    assert_int_equal(4, test->server.seen); /* the fifth waits: there may be no third connection */
    h2_server_head(request_of(&test->calls[2]), OK, true);
    AWAIT(test, test->server.seen == 5);
    assert_int_equal(2, test->server.accepted);
}

static void calls_that_wait_too_long_are_told_so(void **state)
{
    struct test *test = *state;

    test->server.max_streams = 1;
    use_h2(test, &(struct upstream_limits){.links = 1, .wait_ms = 200});
    struct call *first = start(test);
    AWAIT(test, test->server.seen == 1);
    struct call *second = start(test);
    AWAIT(test, second->failures == 1);
    assert_int_equal(UPSTREAM_UNREACHABLE, second->failure);
    assert_non_null(strstr(second->err.text, "all 1 connections to it are in use"));
    assert_int_equal(0, second->ready + first->failures);
}

static void server_that_never_allows_a_call_is_not_asked_for_ever(void **state)
{
    struct test *test = *state;

    test->server.is_silent = true; /* not even SETTINGS */
    use_h2(test, &(struct upstream_limits){.wait_ms = 200});
    struct call *call = start(test), *other = start(test);
    AWAIT(test, call->failures == 1 && other->failures == 1);
    assert_int_equal(UPSTREAM_UNREACHABLE, call->failure);
    assert_int_equal(1, test->server.accepted);
}

static void server_that_cannot_be_reached_fails_all_that_wait(void **state)
{
    struct test *test = *state;

    use_h2(test, NULL);
    listener_stop(&test->server.listener);
    struct call *call = start(test), *other = start(test);
    AWAIT(test, call->failures == 1 && other->failures == 1);
    assert_int_equal(UPSTREAM_UNREACHABLE, call->failure);
    assert_int_equal(0, call->ready);
}

/* ---- HTTP/1.1 over TLS: one call for each connection ---- */

static void server_without_h2_gets_a_connection_per_call(void **state)
{
    struct test *test = *state;

    use_h1(test, &(struct upstream_limits){.links = 3, .wait_ms = 60000});
    for (int i = 0; i < 4; i++)
        start(test);
    AWAIT(test, test->h1_accepted == 3);
    run_for(test, 50);
    assert_int_equal(3, test->h1_accepted);
    assert_int_equal(0, test->calls[3].ready);
    conn_write(test->h1_conns->conn, STR("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    AWAIT(test, test->calls[3].ready); /* on the connection that is free now */
    AWAIT(test, test->h1_conns->requests == 2);
    assert_int_equal(3, test->h1_accepted);
}

static void h1_call_is_never_sent_twice(void **state)
{
    struct test *test = *state;

    use_h1(test, NULL);
    struct call *call = start(test);
    AWAIT(test, test->h1_conns && test->h1_conns->requests == 1);
    conn_abort(&test->h1_conns->conn);
    AWAIT(test, call->failures == 1);
    assert_int_equal(UPSTREAM_RESET, call->failure);
    run_for(test, 50);
    assert_int_equal(1, test->h1_accepted);
}

static void call_of_which_nothing_was_sent_takes_another_connection(void **state)
{
    struct test *test = *state;

    test->h1_answers = true;
    use_h1(test, NULL);
    struct call *call = open_call(test, false);
    AWAIT(test, call->ready == 1);
    conn_write(test->h1_conns->conn, STR("HTTP/1.1 408 Request Timeout\r\n\r\n"));
    AWAIT(test, test->h1_accepted == 2); /* it answered before it was asked */
    ask(call);
    AWAIT(test, call->ends == 1);
    assert_int_equal(1, call->ready);
    assert_int_equal(0, call->failures);
}

/* ---- Silence ---- */

static void silent_server_is_asked_and_given_up(void **state)
{
    struct test *test = *state;

    use_h2(test, &(struct upstream_limits){.silence_ms = 100, .answer_ms = 150});
    struct call *watch = start(test);
    AWAIT(test, test->server.seen == 1);
    run_for(test, 500);
    assert_true(test->server.conns->pings >= 1); /* answered: it lives */
    assert_int_equal(0, watch->failures);
    test->server.is_silent = true;
    AWAIT(test, watch->failures == 1);
    assert_int_equal(UPSTREAM_RESET, watch->failure);
    assert_non_null(strstr(watch->err.text, "PING"));
}

static void idle_connection_is_closed(void **state)
{
    struct test *test = *state;

    use_h2(test, &(struct upstream_limits){.idle_ms = 100});
    struct call *call = start(test);
    AWAIT(test, test->server.seen == 1);
    run_for(test, 300); /* a call that waits for its answer is not idle */
    assert_false(test->server.conns->has_ended);
    h2_server_head(request_of(call), OK, true);
    AWAIT(test, test->server.conns->has_ended);
    assert_int_equal(1, call->ends);
    start(test);
    AWAIT(test, test->server.accepted == 2);
}

/* ---- Whole bodies ---- */

static void large_answer_arrives_whole(void **state)
{
    struct test *test = *state;
    static char block[16385];

    use_h2(test, NULL);
    struct call *call = start(test);
    AWAIT(test, test->server.seen == 1);
    memset(block, 'x', sizeof block - 1);
    h2_server_head(request_of(call), OK, false);
    for (int sent = 0; sent < 256; sent++) { /* 4 MB: eight times the stream's window */
        h2_server_data(request_of(call), block, sent == 255);
        if (sent % 16 == 15)
            AWAIT(test, call->bytes == (size_t)(sent + 1) * 16384);
    }
    AWAIT(test, call->ends == 1);
    assert_int_equal(0, call->failures);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(calls_wait_for_the_first_connection_and_share_it),
        TEST(server_that_allows_less_gets_more_connections),
        TEST(calls_that_wait_too_long_are_told_so),
        TEST(server_that_never_allows_a_call_is_not_asked_for_ever),
        TEST(server_that_cannot_be_reached_fails_all_that_wait),
        TEST(server_without_h2_gets_a_connection_per_call),
        TEST(h1_call_is_never_sent_twice),
        TEST(call_of_which_nothing_was_sent_takes_another_connection),
        TEST(silent_server_is_asked_and_given_up),
        TEST(idle_connection_is_closed),
        TEST(large_answer_arrives_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
