/* Connections over loopback, both ends in this process: listener.h, dial.h, conn.h. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/scoped.h"
#include "net/cert.h"
#include "net/dial.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/tls.h"

#define BIG_BYTES ((size_t)10 << 20)
#define WATCHDOG_MS 20000

/* One end of a connection, and what happened to it. */
struct end {
    struct conn *conn; /* NULL after conn_close() */
    int ready, ended, failed, closed, writable;
    struct error err;
    uint64_t received, to_send, sent; /* bytes of the pattern */
    bool is_wrong;                    /* a byte was not as the pattern has it */
    bool closes_when_ready, pauses_when_ready, pauses_at_data;
    size_t queued_max;
};

struct test {
    struct loop *loop;
    struct listener *listener;
    struct loop_timer *watchdog;
    struct tls_server *tls_server;
    struct tls_client *tls_client;
    struct cert_ca *ca;
    struct end client, server;
    bool is_late;
};

/* --- a pattern that shows lost, doubled and swapped bytes */

static unsigned char pattern(uint64_t at)
{
    return (unsigned char)((at * 2654435761u) >> 16);
}

static void produce(struct end *end)
{
    char piece[10000];

    while (end->sent < end->to_send && !conn_is_full(end->conn)) {
        size_t len = min_of(sizeof piece, end->to_send - end->sent);

        for (size_t i = 0; i < len; i++)
            piece[i] = (char)pattern(end->sent + i);
        conn_write(end->conn, str_make(piece, len));
        end->sent += len;
        end->queued_max = max_of(end->queued_max, conn_queued(end->conn));
    }
}

static void on_ready(struct conn *conn, void *context)
{
    struct end *end = context;

    end->ready++;
    if (end->pauses_when_ready)
        conn_pause(conn);
    if (end->closes_when_ready)
        conn_close(&end->conn);
    else
        produce(end);
}

static void on_data(struct conn *conn, struct str bytes, void *context)
{
    struct end *end = context;

    assert_true(bytes.len > 0);
    for (size_t i = 0; i < bytes.len; i++)
        if ((unsigned char)bytes.data[i] != pattern(end->received + i))
            end->is_wrong = true;
    end->received += bytes.len;
    if (end->pauses_at_data)
        conn_pause(conn);
}

static void on_writable(struct conn *conn, void *context)
{
    struct end *end = context;

    end->writable++;
    assert_true(conn_queued(conn) < CONN_LOW_BYTES);
    produce(end);
}

static void on_ended(struct conn *conn, void *context)
{
    ((struct end *)context)->ended++;
}

static void on_failed(struct conn *conn, const struct error *err, void *context)
{
    struct end *end = context;

    end->failed++;
    end->err = *err;
}

static void on_closed(struct conn *conn, void *context)
{
    ((struct end *)context)->closed++;
}

static const struct conn_events end_events = {.ready = on_ready,
                                              .data = on_data,
                                              .writable = on_writable,
                                              .ended = on_ended,
                                              .failed = on_failed,
                                              .closed = on_closed};

static void on_accepted(struct listener *listener, struct conn *conn, void *context)
{
    struct test *test = context;

    assert_null(test->server.conn);
    test->server.conn = conn;
    conn_set_events(conn, &end_events, &test->server);
}

static const struct listener_events listener_events = {.accepted = on_accepted};

/* --- set-up */

static void on_watchdog(void *context)
{
    ((struct test *)context)->is_late = true;
}

#define wait_for(test, condition)                                                                  \
    do {                                                                                           \
        while (!(condition) && !(test)->is_late)                                                   \
            uv_run(loop_uv((test)->loop), UV_RUN_ONCE);                                            \
        assert_false((test)->is_late);                                                             \
    } while (0)

static int set_up(void **state)
{
    struct test *test = xcalloc(1, sizeof *test);
    struct error err = {0};

    test->loop = loop_new(&err);
    assert_non_null(test->loop);
    test->watchdog = loop_timer_start(test->loop, WATCHDOG_MS, on_watchdog, test);
    test->ca = cert_make_ca("test CA", clock_now().unix_us / 1000000, &err);
    assert_non_null(test->ca);
    *state = test;
    return 0;
}

static int tear_down(void **state)
{
    struct test *test = *state;

    conn_close(&test->client.conn);
    conn_close(&test->server.conn);
    listener_stop(&test->listener);
    loop_timer_stop(&test->watchdog);
    loop_free(&test->loop);
    assert_int_equal(test->client.ready + test->client.failed > 0, test->client.closed);
    tls_server_free(&test->tls_server);
    tls_client_free(&test->tls_client);
    cert_ca_free(&test->ca);
    free(test);
    return 0;
}

static void listen_plain(struct test *test)
{
    struct error err = {0};

    test->listener =
        listener_start(test->loop, "127.0.0.1", 0, test->tls_server, &listener_events, test, &err);
    assert_non_null(test->listener);
    assert_int_not_equal(0, listener_port(test->listener));
}

static void listen_tls(struct test *test, const char *alpn, bool wants_client_cert)
{
    struct cert_request request = {.common_name = "server", .names = cert_loopback_names};
    scoped(cert_free) struct cert cert = {0};
    struct error err = {0};

    assert_int_equal(0, cert_issue(&cert, test->ca, &request, &err));
    struct tls_server_config config = {.cert_pem = cert.cert_pem,
                                       .key_pem = cert.key_pem,
                                       .alpn = alpn,
                                       .client_ca_pem =
                                           wants_client_cert ? cert_ca_pem(test->ca) : NULL};
    test->tls_server = tls_server_new(&config, &err);
    assert_non_null(test->tls_server);
    listen_plain(test);
    struct tls_client_config client = {.ca_pem = cert_ca_pem(test->ca)};

    test->tls_client = tls_client_new(&client, &err);
    assert_non_null(test->tls_client);
}

static void dial(struct test *test, const char *host, const char *alpn)
{
    struct dial_target target = {
        .host = host, .port = listener_port(test->listener), .tls = test->tls_client, .alpn = alpn};

    test->client.conn = dial_start(test->loop, &target, &end_events, &test->client);
    assert_non_null(test->client.conn);
}

static void connect_both(struct test *test)
{
    dial(test, "127.0.0.1", NULL);
    wait_for(test, test->client.ready && test->server.ready);
}

/* A client whose bytes the test makes by hand. */
static int dial_raw(struct test *test)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(listener_port(test->listener)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(0, connect(fd, (struct sockaddr *)&address, sizeof address));
    wait_for(test, test->server.conn);
    return fd;
}

/* --- connecting */

static void tls_agrees_on_a_protocol(void **state)
{
    static const struct {
        const char *server, *client, *agreed;
    } rows[] = {{"h2,http/1.1", "h2,http/1.1", "h2"},
                {"h2,http/1.1", "http/1.1", "http/1.1"},
                {"h2,http/1.1", NULL, ""}, /* SPDY and WebSocket dialers of client-go */
                {NULL, "h2", ""}};

    for (size_t i = 0; i < count_of(rows); i++) {
        set_up(state);
        struct test *test = *state;

        listen_tls(test, rows[i].server, false);
        dial(test, "localhost", rows[i].client);
        wait_for(test, test->client.ready && test->server.ready);
        assert_string_equal(rows[i].agreed, conn_alpn(test->client.conn));
        assert_string_equal(rows[i].agreed, conn_alpn(test->server.conn));
        assert_string_equal("127.0.0.1", conn_peer(test->server.conn));
        assert_string_equal("127.0.0.1", conn_peer(test->client.conn));
        assert_true(conn_is_open(test->client.conn));
        tear_down(state);
    }
}

static void tls_refuses_a_client_that_offers_only_other_protocols(void **state)
{
    struct test *test = *state;

    listen_tls(test, "h2,http/1.1", false);
    dial(test, "127.0.0.1", "spdy/3.1");
    wait_for(test, test->client.failed && test->server.failed);
    assert_string_equal("no application protocol in common",
                        strstr(test->client.err.text, "no application"));
}

static void client_certificate_is_asked_for_and_checked(void **state)
{
    struct test *test = *state;
    struct cert_request request = {.use = CERT_CLIENT, .common_name = "admin"};
    scoped(cert_free) struct cert cert = {0};
    struct error err = {0};

    listen_tls(test, NULL, true);
    tls_client_free(&test->tls_client);
    assert_int_equal(0, cert_issue(&cert, test->ca, &request, &err));
    struct tls_client_config config = {
        .ca_pem = cert_ca_pem(test->ca), .cert_pem = cert.cert_pem, .key_pem = cert.key_pem};

    test->tls_client = tls_client_new(&config, &err);
    assert_non_null(test->tls_client);
    test->client.to_send = 1000;
    connect_both(test);
    wait_for(test, test->server.received == 1000);
}

static void missing_client_certificate_is_said_by_both_sides(void **state)
{
    struct test *test = *state;

    listen_tls(test, NULL, true);
    dial(test, "127.0.0.1", NULL);
    wait_for(test, test->client.failed && test->server.failed);
    assert_non_null(strstr(test->client.err.text, "the server wants a client certificate"));
    assert_int_equal(ERROR_CONFIG, test->client.err.kind);
    assert_string_equal("set client-certificate and client-key of the user", test->client.err.fix);
    assert_non_null(strstr(test->server.err.text, "the client showed no certificate"));
}

static void foreign_client_certificate_is_refused(void **state)
{
    struct test *test = *state;
    struct error err = {0};
    scoped(cert_ca_free) struct cert_ca *other =
        cert_make_ca("other CA", clock_now().unix_us / 1000000, &err);
    struct cert_request request = {.use = CERT_CLIENT, .common_name = "admin"};
    scoped(cert_free) struct cert cert = {0};

    listen_tls(test, NULL, true);
    tls_client_free(&test->tls_client);
    assert_int_equal(0, cert_issue(&cert, other, &request, &err));
    struct tls_client_config config = {
        .ca_pem = cert_ca_pem(test->ca), .cert_pem = cert.cert_pem, .key_pem = cert.key_pem};

    test->tls_client = tls_client_new(&config, &err);
    dial(test, "127.0.0.1", NULL);
    wait_for(test, test->client.failed && test->server.failed);
    assert_non_null(
        strstr(test->client.err.text, "does not know the CA of our client certificate"));
    assert_non_null(
        strstr(test->server.err.text, "the client's certificate is not signed by our CA"));
}

static void refused_connection_names_the_address(void **state)
{
    struct test *test = *state;
    char text[100];

    listen_plain(test);
    uint16_t port = listener_port(test->listener);

    listener_stop(&test->listener);
    struct dial_target target = {.host = "127.0.0.1", .port = port};

    test->client.conn = dial_start(test->loop, &target, &end_events, &test->client);
    assert_int_equal(0, test->client.failed); /* never from inside */
    wait_for(test, test->client.failed);
    snprintf(text, sizeof text, "127.0.0.1:%u: connection refused", port);
    assert_string_equal(text, test->client.err.text);
    assert_int_equal(ERROR_NETWORK, test->client.err.kind);
    assert_string_equal("check that the server runs, and its address and port",
                        test->client.err.fix);
}

static void unknown_host_is_said_so(void **state)
{
    struct test *test = *state;
    struct dial_target target = {.host = "no-such-host.invalid", .port = 443};

    test->client.conn = dial_start(test->loop, &target, &end_events, &test->client);
    wait_for(test, test->client.failed);
    assert_int_equal(ERROR_NETWORK, test->client.err.kind);
    assert_string_equal("check the name, and this machine's DNS", test->client.err.fix);
}

static void every_address_of_a_name_is_tried(void **state)
{
    struct test *test = *state;

    listen_plain(test); /* on IPv4 only; ::1 refuses, where localhost means it too */
    dial(test, "localhost", NULL);
    wait_for(test, test->client.ready);
}

static void silent_server_is_given_up(void **state)
{
    struct test *test = *state;

    listen_tls(test, NULL, false); /* for the client's context only */
    listener_stop(&test->listener);
    tls_server_free(&test->tls_server);
    listen_plain(test); /* accepts and never answers */
    struct dial_target target = {.host = "127.0.0.1",
                                 .port = listener_port(test->listener),
                                 .tls = test->tls_client,
                                 .timeout_ms = 50};

    test->client.conn = dial_start(test->loop, &target, &end_events, &test->client);
    wait_for(test, test->client.failed);
    assert_non_null(
        strstr(test->client.err.text, "no answer within 1 s: connected, but TLS was not finished"));
}

static void plain_http_server_is_recognised(void **state)
{
    struct test *test = *state;

    listen_tls(test, NULL, false);
    listener_stop(&test->listener);
    tls_server_free(&test->tls_server);
    listen_plain(test);
    dial(test, "127.0.0.1", NULL);
    wait_for(test, test->server.ready);
    conn_write(test->server.conn, STR("HTTP/1.0 400 Bad Request\r\n\r\n"));
    wait_for(test, test->client.failed);
    assert_non_null(strstr(test->client.err.text, "the server does not speak TLS"));
    assert_int_equal(ERROR_CONFIG, test->client.err.kind);
}

static void taken_port_is_refused(void **state)
{
    struct test *test = *state;
    struct error err = {0};

    listen_plain(test);
    assert_null(listener_start(test->loop, "127.0.0.1", listener_port(test->listener), NULL,
                               &listener_events, test, &err));
    assert_int_equal(ERROR_NETWORK, err.kind);
    assert_non_null(strstr(err.text, "address already in use"));
}

static void ipv6_is_spoken_where_there_is_any(void **state)
{
    struct test *test = *state;
    struct error err = {0};

    test->listener = listener_start(test->loop, "::1", 0, NULL, &listener_events, test, &err);
    if (!test->listener)
        skip();
    dial(test, "::1", NULL);
    wait_for(test, test->client.ready && test->server.ready);
    assert_string_equal("::1", conn_peer(test->server.conn));
}

/* --- moving bytes */

static void much_goes_both_ways(struct test *test)
{
    test->client.to_send = test->server.to_send = BIG_BYTES;
    connect_both(test);
    wait_for(test, test->client.received == BIG_BYTES && test->server.received == BIG_BYTES);
    assert_false(test->client.is_wrong || test->server.is_wrong);
    assert_int_equal(0, conn_queued(test->client.conn));
    /* one write above the mark, and what encrypting adds */
    assert_true(test->client.queued_max < CONN_HIGH_BYTES + 20000);
    assert_true(test->client.writable > 10);
}

static void plain_carries_much_both_ways(void **state)
{
    listen_plain(*state);
    much_goes_both_ways(*state);
}

static void tls_carries_much_both_ways(void **state)
{
    listen_tls(*state, NULL, false);
    much_goes_both_ways(*state);
}

static void paused_reader_stops_the_writer(struct test *test)
{
    test->client.to_send = BIG_BYTES;
    test->server.pauses_at_data = true;
    connect_both(test);
    wait_for(test, test->server.received > 0);
    uint64_t received = test->server.received;

    for (int i = 0; i < 200; i++)
        uv_run(loop_uv(test->loop), UV_RUN_NOWAIT);
    assert_int_equal(received, test->server.received);
    assert_true(received <= 128 << 10);
    assert_true(test->client.sent < BIG_BYTES);
    assert_true(conn_is_full(test->client.conn) || conn_queued(test->client.conn) > 0);
    assert_true(conn_queued(test->client.conn) < CONN_HIGH_BYTES + 20000);

    /* one piece at a time, then all at once */
    for (int i = 0; i < 20; i++) {
        conn_resume(test->server.conn);
        received = test->server.received;
        wait_for(test, test->server.received > received);
    }
    test->server.pauses_at_data = false;
    conn_resume(test->server.conn);
    wait_for(test, test->server.received == BIG_BYTES);
    assert_false(test->server.is_wrong);
}

static void plain_is_stopped_by_a_paused_reader(void **state)
{
    listen_plain(*state);
    paused_reader_stops_the_writer(*state);
}

static void tls_is_stopped_by_a_paused_reader(void **state)
{
    listen_tls(*state, NULL, false);
    paused_reader_stops_the_writer(*state);
}

static void nothing_is_delivered_that_was_paused_at_ready(void **state)
{
    struct test *test = *state;

    listen_tls(test, NULL, false);
    test->client.to_send = 1000;
    test->server.pauses_when_ready = true;
    connect_both(test);
    conn_shutdown(test->client.conn);
    for (int i = 0; i < 50; i++)
        uv_run(loop_uv(test->loop), UV_RUN_NOWAIT);
    assert_int_equal(0, test->server.received);
    assert_int_equal(0, test->server.ended);
    conn_resume(test->server.conn);
    wait_for(test, test->server.ended);
    assert_int_equal(1000, test->server.received);
}

static void bytes_written_before_ready_are_sent(void **state)
{
    struct test *test = *state;
    char bytes[3];

    listen_tls(test, NULL, false);
    dial(test, "127.0.0.1", NULL);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)pattern(i);
    conn_write(test->client.conn, str_make(bytes, sizeof bytes));
    assert_int_equal(3, conn_queued(test->client.conn));
    wait_for(test, test->server.received == 3);
    assert_false(test->server.is_wrong);
}

/* --- ends */

static void ends_halves_one_by_one(struct test *test)
{
    test->client.to_send = 300000;
    connect_both(test);
    conn_shutdown(test->client.conn); /* behind all that is queued */
    conn_write(test->client.conn, STR("dropped"));
    wait_for(test, test->server.ended);
    assert_int_equal(300000, test->server.received);
    assert_int_equal(0, test->client.ended + test->client.failed + test->server.failed);

    test->server.to_send = BIG_BYTES; /* the other half still works */
    produce(&test->server);
    wait_for(test, test->client.received == BIG_BYTES);
    conn_shutdown(test->server.conn);
    wait_for(test, test->client.ended);
    assert_int_equal(0, test->client.failed + test->server.failed);
    assert_int_equal(1, test->server.ended);
}

static void plain_ends_halves_one_by_one(void **state)
{
    listen_plain(*state);
    ends_halves_one_by_one(*state);
}

static void tls_ends_halves_one_by_one(void **state)
{
    listen_tls(*state, NULL, false);
    ends_halves_one_by_one(*state);
}

static void abort_is_no_clean_end(void **state)
{
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        set_up(state);
        struct test *test = *state;

        if (is_tls)
            listen_tls(test, NULL, false);
        else
            listen_plain(test);
        connect_both(test);
        conn_abort(&test->client.conn);
        wait_for(test, test->server.failed);
        assert_int_equal(0, test->server.ended);
        assert_int_equal(ERROR_NETWORK, test->server.err.kind);
        assert_string_equal("client: reset by the peer", test->server.err.text);
        tear_down(state);
    }
}

static void close_of_tls_without_shutdown_is_no_clean_end(void **state)
{
    struct test *test = *state;

    listen_tls(test, NULL, false);
    connect_both(test);
    conn_close(&test->client.conn); /* a FIN, no close_notify */
    wait_for(test, test->server.failed);
    assert_int_equal(0, test->server.ended);
    assert_non_null(strstr(test->server.err.text, "without saying that it had finished"));
}

static void closed_comes_once_and_last(void **state)
{
    struct test *test = *state;

    listen_tls(test, NULL, false);
    test->server.closes_when_ready = true;
    test->client.to_send = 100000;
    dial(test, "127.0.0.1", NULL);
    wait_for(test, test->server.closed);
    assert_int_equal(1, test->server.closed);
    assert_int_equal(0, test->server.received + test->server.ended + test->server.failed);
    wait_for(test, test->client.failed);
    assert_false(conn_is_open(test->client.conn));
    conn_write(test->client.conn, STR("dropped"));
    assert_int_equal(0, conn_queued(test->client.conn));
}

static void close_while_connecting_is_quiet(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "no-such-host.invalid"};
    struct test *test = *state;

    listen_plain(test);
    for (size_t i = 0; i < count_of(hosts); i++)
        for (int passes = 0; passes < 2; passes++) {
            int closed = test->client.closed;

            dial(test, hosts[i], NULL);
            for (int pass = 0; pass < passes; pass++)
                uv_run(loop_uv(test->loop), UV_RUN_NOWAIT);
            bool was_fast = test->client.failed || test->client.ready; /* nothing to see then */

            conn_close(&test->client.conn);
            assert_int_equal(closed, test->client.closed);
            wait_for(test, test->client.closed == closed + 1);
            if (test->server.conn)
                conn_close(&test->server.conn);
            if (!was_fast)
                assert_int_equal(0, test->client.ready + test->client.failed);
            test->client.ready = test->client.failed = 0;
        }
    test->client.closed = 0;
}

static void garbage_fails_the_server_side(void **state)
{
    struct test *test = *state;

    listen_tls(test, NULL, false);
    scoped(fd_close) int fd = dial_raw(test);

    assert_int_equal(16, write(fd, "GET / HTTP/1.1\r\n", 16));
    wait_for(test, test->server.failed);
    assert_non_null(strstr(test->server.err.text, "the client speaks HTTP without TLS"));
}

static void writing_to_a_peer_that_left_fails_once(void **state)
{
    struct test *test = *state;

    listen_plain(test);
    scoped(fd_close) int fd = dial_raw(test);

    wait_for(test, test->server.ready);
    close(fd_take(&fd));
    wait_for(test, test->server.ended);
    test->server.to_send = BIG_BYTES; /* no SIGPIPE either */
    produce(&test->server);
    wait_for(test, test->server.failed);
    assert_int_equal(1, test->server.failed);
}

#define net_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_agrees_on_a_protocol),
        net_test(tls_refuses_a_client_that_offers_only_other_protocols),
        net_test(client_certificate_is_asked_for_and_checked),
        net_test(missing_client_certificate_is_said_by_both_sides),
        net_test(foreign_client_certificate_is_refused),
        net_test(refused_connection_names_the_address),
        net_test(unknown_host_is_said_so),
        net_test(every_address_of_a_name_is_tried),
        net_test(silent_server_is_given_up),
        net_test(plain_http_server_is_recognised),
        net_test(taken_port_is_refused),
        net_test(ipv6_is_spoken_where_there_is_any),
        net_test(plain_carries_much_both_ways),
        net_test(tls_carries_much_both_ways),
        net_test(plain_is_stopped_by_a_paused_reader),
        net_test(tls_is_stopped_by_a_paused_reader),
        net_test(nothing_is_delivered_that_was_paused_at_ready),
        net_test(bytes_written_before_ready_are_sent),
        net_test(plain_ends_halves_one_by_one),
        net_test(tls_ends_halves_one_by_one),
        cmocka_unit_test(abort_is_no_clean_end),
        net_test(close_of_tls_without_shutdown_is_no_clean_end),
        net_test(closed_comes_once_and_last),
        net_test(close_while_connecting_is_quiet),
        net_test(garbage_fails_the_server_side),
        net_test(writing_to_a_peer_that_left_fails_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
