/* test_smuggling_h2.c - requests over HTTP/2 that would be two, or another one, once they are
 * written down as HTTP/1.1, or read by a server that is less strict (RFC 9113 8.1.1, 8.2, 8.3):
 * each is refused, alone, or arrives as exactly one clean request. To an API server over HTTP/1.1
 * and HTTP/2. */
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
#include "strict_server.h"

#define WAIT_MS 5000
#define RESET 0   /* RST_STREAM instead of an answer */
#define BROKEN -1 /* the same, once the exchange has begun: recorded */
#define REQUEST "\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

#define METHOD(text)                                                                               \
    {                                                                                              \
        ":method", text                                                                            \
    }
#define PATH(text)                                                                                 \
    {                                                                                              \
        ":path", text                                                                              \
    }
#define SCHEME                                                                                     \
    {                                                                                              \
        ":scheme", "https"                                                                         \
    }
#define AUTHORITY                                                                                  \
    {                                                                                              \
        ":authority", "127.0.0.1"                                                                  \
    }
#define BEARER                                                                                     \
    {                                                                                              \
        "authorization", "{bearer}"                                                                \
    }
#define GET METHOD("GET"), SCHEME, AUTHORITY, PATH("/kind/x"), BEARER
#define POST METHOD("POST"), SCHEME, AUTHORITY, PATH("/kind/x"), BEARER
#define NAMED(name, value)                                                                         \
    {                                                                                              \
        name, value                                                                                \
    }

struct h2_case {
    const char *name;
    int status; /* of the refusal, or RESET, BROKEN; 200: forwarded */
    struct h2_raw_field fields[12];
    const char *body; /* NULL: none */
    struct h2_raw_field trailers[4];
    const char *line, *seen_body; /* forwarded */
};

#define REFUSED(status, name, ...)                                                                 \
    {                                                                                              \
        name, status,                                                                              \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define WITH_BODY(status, name, body, ...)                                                         \
    {                                                                                              \
        name, status, {__VA_ARGS__}, body                                                          \
    }
#define WITH_TRAILER(status, name, trailer, value)                                                 \
    {                                                                                              \
        name, status, {POST}, "hello", {{trailer, value}}, "POST /x", "hello"                      \
    }
#define PASSED(name, line, ...)                                                                    \
    {                                                                                              \
        name, 200, {__VA_ARGS__}, NULL, {{0}}, line, ""                                            \
    }
#define PASSED_BODY(name, text, ...)                                                               \
    {                                                                                              \
        name, 200, {__VA_ARGS__}, text, {{0}}, "POST /x", text                                     \
    }

static const struct h2_case cases[] = {
    /* ---- Lengths ---- */
    PASSED_BODY("no length", "hello", POST),
    PASSED_BODY("its length", "hello", POST, NAMED("content-length", "5")),
    PASSED_BODY("a request as the body", "hello" REQUEST, POST),
    PASSED_BODY("chunks as the body", "0" REQUEST, POST),
    WITH_BODY(BROKEN, "H2.CL: less than the body", "hello" REQUEST, POST,
              NAMED("content-length", "5")),
    WITH_BODY(BROKEN, "H2.CL: none of the body", "GET / HTTP/1.1\r\n\r\n", POST,
              NAMED("content-length", "0")),
    WITH_BODY(BROKEN, "more than the body", "hello", POST, NAMED("content-length", "500")),
    WITH_BODY(RESET, "two that differ", "hello", POST, NAMED("content-length", "5"),
              NAMED("content-length", "0")),
    WITH_BODY(RESET, "two that agree", "hello", POST, NAMED("content-length", "5"),
              NAMED("content-length", "5")),
    WITH_BODY(RESET, "a list", "hello", POST, NAMED("content-length", "5,5")),
    WITH_BODY(RESET, "plus", "hello", POST, NAMED("content-length", "+5")),
    WITH_BODY(RESET, "minus", "hello", POST, NAMED("content-length", "-5")),
    WITH_BODY(RESET, "hexadecimal", "hello", POST, NAMED("content-length", "0x5")),
    WITH_BODY(RESET, "empty", "hello", POST, NAMED("content-length", "")),
    WITH_BODY(RESET, "a blank inside", "hello", POST, NAMED("content-length", "5 0")),
    WITH_BODY(RESET, "2^64+5", "hello", POST, NAMED("content-length", "18446744073709551621")),
    WITH_BODY(RESET, "a NUL behind", "hello", POST, NAMED("content-length", "5{0}")),
    REFUSED(RESET, "a length without a body", GET, NAMED("content-length", "5")),
    PASSED("zero without a body", "GET /x", GET, NAMED("content-length", "0")),
    /* ---- H2.TE ---- */
    WITH_BODY(RESET, "H2.TE", "0" REQUEST, POST, NAMED("transfer-encoding", "chunked")),
    WITH_BODY(RESET, "H2.TE with a length", "0" REQUEST, POST,
              NAMED("transfer-encoding", "chunked"), NAMED("content-length", "47")),
    WITH_BODY(RESET, "identity", "hello", POST, NAMED("transfer-encoding", "identity")),
    WITH_BODY(RESET, "chunked in a value", "0" REQUEST, POST,
              NAMED("x", "y\r\ntransfer-encoding: chunked")),
    WITH_BODY(RESET, "chunked in a name", "0" REQUEST, POST,
              NAMED("x: y\r\ntransfer-encoding", "chunked")),
    WITH_BODY(RESET, "chunked in a name with its value", "0" REQUEST, POST,
              NAMED("transfer-encoding: chunked\r\nx", "y")),
    WITH_BODY(RESET, "a blank behind the name", "0" REQUEST, POST,
              NAMED("transfer-encoding ", "chunked")),
    WITH_BODY(RESET, "a colon behind the name", "0" REQUEST, POST,
              NAMED("transfer-encoding:", "chunked")),
    WITH_BODY(RESET, "upper case", "0" REQUEST, POST, NAMED("Transfer-Encoding", "chunked")),
    /* ---- Fields of one hop ---- */
    REFUSED(RESET, "connection", GET, NAMED("connection", "close")),
    REFUSED(RESET, "connection names the bearer", GET, NAMED("connection", "authorization")),
    REFUSED(RESET, "keep-alive", GET, NAMED("keep-alive", "timeout=5")),
    REFUSED(RESET, "proxy-connection", GET, NAMED("proxy-connection", "close")),
    REFUSED(RESET, "upgrade", GET, NAMED("upgrade", "websocket")),
    REFUSED(RESET, "upgrade to h2c", GET, NAMED("upgrade", "h2c")),
    REFUSED(RESET, "te", GET, NAMED("te", "gzip")),
    REFUSED(RESET, "te with more", GET, NAMED("te", "trailers, deflate")),
    PASSED("te: trailers", "GET /x", GET, NAMED("te", "trailers")),
    PASSED("proxy-authorization", "GET /x", GET, NAMED("proxy-authorization", "Basic eA==")),
    PASSED("x-remote-user", "GET /x", GET, NAMED("x-remote-user", "admin")),
    /* ---- Bytes ---- */
    REFUSED(RESET, "CR LF in a value", GET, NAMED("x", "a\r\nhost: other")),
    REFUSED(RESET, "two lines in a value", GET, NAMED("x", "a" REQUEST)),
    REFUSED(RESET, "CR in a value", GET, NAMED("x", "a\rb")),
    REFUSED(RESET, "LF in a value", GET, NAMED("x", "a\nb")),
    REFUSED(RESET, "NUL in a value", GET, NAMED("x", "a{0}b")),
    REFUSED(RESET, "DEL in a value", GET, NAMED("x", "a\x7f")),
    REFUSED(RESET, "an escape in a value", GET, NAMED("x", "\x1b[2J")),
    REFUSED(RESET, "a vertical tab in a value", GET, NAMED("x", "a\vb")),
    REFUSED(RESET, "a blank before a value", GET, NAMED("x", " a")),
    REFUSED(RESET, "a blank behind a value", GET, NAMED("x", "a ")),
    REFUSED(RESET, "a tab behind a value", GET, NAMED("x", "a\t")),
    REFUSED(RESET, "LF before a value", GET, NAMED("x", "\na")),
    REFUSED(RESET, "upper case in a name", GET, NAMED("X-Own", "a")),
    REFUSED(RESET, "a blank in a name", GET, NAMED("x y", "a")),
    REFUSED(RESET, "a colon in a name", GET, NAMED("x:y", "a")),
    REFUSED(RESET, "CR LF in a name", GET, NAMED("x\r\nhost", "a")),
    REFUSED(RESET, "a request in a name", GET, NAMED("x: y" REQUEST "z", "a")),
    REFUSED(RESET, "NUL in a name", GET, NAMED("x{0}", "a")),
    REFUSED(RESET, "8 bits in a name", GET, NAMED("x\xff", "a")),
    REFUSED(RESET, "no name", GET, NAMED("", "a")),
    PASSED("an empty value", "GET /x", GET, NAMED("x", "")),
    PASSED("8 bits in a value", "GET /x", GET, NAMED("x", "\xc3\xa4")),
    /* ---- :method ---- */
    REFUSED(RESET, "no method", SCHEME, AUTHORITY, PATH("/kind/x"), BEARER),
    REFUSED(RESET, "two methods", METHOD("POST"), GET),
    REFUSED(RESET, "an empty method", METHOD(""), SCHEME, AUTHORITY, PATH("/kind/x"), BEARER),
    REFUSED(RESET, "a method with a blank", METHOD("GET /kind/y HTTP/1.1"), SCHEME, AUTHORITY,
            PATH("/kind/x"), BEARER),
    REFUSED(RESET, "a method with CR LF", METHOD("GET / HTTP/1.1\r\nx: y\r\n\r\nGET"), SCHEME,
            AUTHORITY, PATH("/kind/x"), BEARER),
    REFUSED(RESET, "a method with a NUL", METHOD("GET{0}"), SCHEME, AUTHORITY, PATH("/kind/x"),
            BEARER),
    REFUSED(RESET, "a method with a colon", METHOD("GET:"), SCHEME, AUTHORITY, PATH("/kind/x"),
            BEARER),
    REFUSED(RESET, "CONNECT with a path", METHOD("CONNECT"), SCHEME, AUTHORITY, PATH("/kind/x"),
            BEARER),
    REFUSED(501, "CONNECT", METHOD("CONNECT"), AUTHORITY, BEARER),
    REFUSED(RESET, "extended CONNECT", METHOD("CONNECT"), NAMED(":protocol", "websocket"), SCHEME,
            AUTHORITY, PATH("/kind/x"), BEARER),
    PASSED("a method in lower case", "get /x", METHOD("get"), SCHEME, AUTHORITY, PATH("/kind/x"),
           BEARER),
    PASSED("OPTIONS", "OPTIONS /x", METHOD("OPTIONS"), SCHEME, AUTHORITY, PATH("/kind/x"), BEARER),
    /* ---- :path ---- */
    REFUSED(RESET, "no path", METHOD("GET"), SCHEME, AUTHORITY, BEARER),
    REFUSED(RESET, "two paths", METHOD("GET"), SCHEME, AUTHORITY, PATH("/kind/y"), PATH("/kind/x"),
            BEARER),
    REFUSED(RESET, "an empty path", METHOD("GET"), SCHEME, AUTHORITY, PATH(""), BEARER),
    REFUSED(RESET, "an asterisk for GET", METHOD("GET"), SCHEME, AUTHORITY, PATH("*"), BEARER),
    REFUSED(400, "OPTIONS *", METHOD("OPTIONS"), SCHEME, AUTHORITY, PATH("*"), BEARER),
    REFUSED(RESET, "absolute form", METHOD("GET"), SCHEME, AUTHORITY, PATH("https://other/kind/x"),
            BEARER),
    REFUSED(RESET, "no slash", METHOD("GET"), SCHEME, AUTHORITY, PATH("kind/x"), BEARER),
    REFUSED(RESET, "a blank in the path", METHOD("GET"), SCHEME, AUTHORITY,
            PATH("/kind/x HTTP/1.1"), BEARER),
    REFUSED(RESET, "CR LF in the path", METHOD("GET"), SCHEME, AUTHORITY,
            PATH("/kind/x HTTP/1.1\r\nhost: a" REQUEST), BEARER),
    REFUSED(400, "a fragment", METHOD("GET"), SCHEME, AUTHORITY, PATH("/kind/x#y"), BEARER),
    REFUSED(400, "8 bits in the path", METHOD("GET"), SCHEME, AUTHORITY, PATH("/kind/\xc3\xa4"),
            BEARER),
    REFUSED(RESET, "NUL in the path", METHOD("GET"), SCHEME, AUTHORITY, PATH("/kind/x{0}"), BEARER),
    REFUSED(RESET, "a tab in the path", METHOD("GET"), SCHEME, AUTHORITY, PATH("/kind/x\ty"),
            BEARER),
    PASSED("CR LF in hexadecimal", "GET /x%0d%0aGET%20/smuggled", METHOD("GET"), SCHEME, AUTHORITY,
           PATH("/kind/x%0d%0aGET%20/smuggled"), BEARER),
    PASSED("two slashes and dots", "GET //other/../x", METHOD("GET"), SCHEME, AUTHORITY,
           PATH("/kind//other/../x"), BEARER),
    /* ---- :scheme, :authority, Host ---- */
    REFUSED(RESET, "no scheme", METHOD("GET"), AUTHORITY, PATH("/kind/x"), BEARER),
    REFUSED(RESET, "two schemes", NAMED(":scheme", "http"), GET),
    REFUSED(RESET, "a scheme with CR LF", METHOD("GET"), NAMED(":scheme", "https" REQUEST),
            AUTHORITY, PATH("/kind/x"), BEARER),
    PASSED("http", "GET /x", METHOD("GET"), NAMED(":scheme", "http"), AUTHORITY, PATH("/kind/x"),
           BEARER),
    REFUSED(RESET, "two authorities", NAMED(":authority", "other"), GET),
    REFUSED(RESET, "no authority and no Host", METHOD("GET"), SCHEME, PATH("/kind/x"), BEARER),
    REFUSED(400, "Host that differs", GET, NAMED("host", "other")),
    REFUSED(RESET, "two Hosts", GET, NAMED("host", "127.0.0.1"), NAMED("host", "127.0.0.1")),
    REFUSED(400, "an authority with a user", METHOD("GET"), SCHEME, NAMED(":authority", "u@a"),
            PATH("/kind/x"), BEARER),
    REFUSED(RESET, "an authority with a path", METHOD("GET"), SCHEME, NAMED(":authority", "a/b"),
            PATH("/kind/x"), BEARER),
    REFUSED(RESET, "an authority with CR LF", METHOD("GET"), SCHEME,
            NAMED(":authority", "a\r\nx: y"), PATH("/kind/x"), BEARER),
    REFUSED(RESET, "an authority with a blank", METHOD("GET"), SCHEME, NAMED(":authority", "a b"),
            PATH("/kind/x"), BEARER),
    REFUSED(RESET, "an empty authority", METHOD("GET"), SCHEME, NAMED(":authority", ""),
            PATH("/kind/x"), BEARER),
    PASSED("Host that agrees", "GET /x", GET, NAMED("host", "127.0.0.1")),
    PASSED("Host alone", "GET /x", METHOD("GET"), SCHEME, PATH("/kind/x"), BEARER,
           NAMED("host", "127.0.0.1")),
    /* ---- Pseudo fields ---- */
    REFUSED(RESET, "one behind others", METHOD("GET"), SCHEME, AUTHORITY, BEARER, PATH("/kind/x")),
    REFUSED(RESET, "an unknown one", NAMED(":own", "a"), GET),
    REFUSED(RESET, "an answer's", NAMED(":status", "200"), GET),
    REFUSED(RESET, "upper case", NAMED(":Method", "GET"), SCHEME, AUTHORITY, PATH("/kind/x"),
            BEARER),
    REFUSED(RESET, "a colon alone", NAMED(":", "a"), GET),
    REFUSED(RESET, "a protocol without CONNECT", GET, NAMED(":protocol", "websocket")),
    /* ---- Who asks ---- */
    REFUSED(401, "no bearer", METHOD("GET"), SCHEME, AUTHORITY, PATH("/kind/x")),
    REFUSED(401, "two bearers", GET, BEARER),
    REFUSED(401, "another's bearer", METHOD("GET"), SCHEME, AUTHORITY, PATH("/kind/x"),
            NAMED("authorization", "Bearer x")),
    REFUSED(RESET, "a cookie with CR LF", GET, NAMED("cookie", "a=b\r\nx: y")),
    /* ---- Trailers ---- */
    WITH_TRAILER(200, "a trailer", "x-sum", "1"),
    WITH_TRAILER(BROKEN, "content-length as a trailer", "content-length", "5"),
    WITH_TRAILER(BROKEN, "transfer-encoding as a trailer", "transfer-encoding", "chunked"),
    WITH_TRAILER(BROKEN, "host as a trailer", "host", "other"),
    WITH_TRAILER(BROKEN, "authorization as a trailer", "authorization", "Bearer x"),
    WITH_TRAILER(BROKEN, "impersonate-user as a trailer", "impersonate-user", "admin"),
    WITH_TRAILER(BROKEN, "x-remote-user as a trailer", "x-remote-user", "admin"),
    WITH_TRAILER(BROKEN, "audit-id as a trailer", "audit-id", "mine"),
    WITH_TRAILER(BROKEN, "connection as a trailer", "connection", "close"),
    WITH_TRAILER(BROKEN, "a pseudo field as a trailer", ":path", "/kind/y"),
    WITH_TRAILER(BROKEN, "a trailer with CR LF", "x", "a\r\n\r\nGET / HTTP/1.1\r\n"),
    WITH_TRAILER(BROKEN, "a trailer with CR LF in its name", "x\r\n", "a"),
    WITH_TRAILER(BROKEN, "a trailer in upper case", "X", "a"),
};

static struct strict_server server;
static struct h2_raw *attacker;
static struct client_conn *neighbour;
static const char *wanted;
static unsigned problems, refused;

static int set_up(void **state)
{
    problems = refused = 0;
    server = (struct strict_server){.world = *state = world_new()};
    return 0;
}

static int set_up_h2(void **state)
{
    problems = refused = 0;
    server = (struct strict_server){.world = *state = world_new_h2()};
    return 0;
}

static int tear_down(void **state)
{
    world_free((struct world **)state);
    return 0;
}

static bool has_neighbour_wanted(struct world *world)
{
    strict_server_look(&server);
    return client_has(neighbour, wanted);
}

static bool is_first_over(struct world *world)
{
    const struct h2_raw_answer *answer = h2_raw_answer(attacker, 1);

    strict_server_look(&server);
    return answer->is_complete || answer->reset || attacker->goaway || attacker->has_ended;
}

static bool is_second_over(struct world *world)
{
    const struct h2_raw_answer *answer = h2_raw_answer(attacker, 3);

    strict_server_look(&server);
    return answer->is_complete || answer->reset || attacker->goaway || attacker->has_ended;
}

static unsigned count_refused(struct world *world)
{
    return world_count_written(world, "\"outcome\":\"refused\"");
}

static bool is_recorded(struct world *world)
{
    return count_refused(world) >= refused;
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

/* ---- One case ---- */

static void send_case(const struct h2_case *test)
{
    bool has_body = test->body != NULL, has_trailers = test->trailers[0].name != NULL;

    h2_raw_headers(attacker, 1, has_body ? 0 : FRAME_END_STREAM, test->fields);
    if (has_body)
        h2_raw_data(attacker, 1, has_trailers ? 0 : FRAME_END_STREAM, test->body);
    if (has_trailers)
        h2_raw_headers(attacker, 1, FRAME_END_STREAM, test->trailers);
}

static void check_answer(struct world *world, const struct h2_case *test)
{
    const struct h2_raw_answer *answer = h2_raw_answer(attacker, 1);

    if (!world_run_until(world, is_first_over, WAIT_MS))
        complain("%s: no end", test->name);
    if (attacker->goaway || attacker->has_ended)
        complain("%s: the connection ended (GOAWAY %d)", test->name, (int)attacker->goaway - 1);
    if (test->status <= RESET && (!answer->reset || answer->status))
        complain("%s: not reset, but %d", test->name, answer->status);
    if (test->status > RESET && answer->status != test->status)
        complain("%s: not %d, but %d (reset %d)", test->name, test->status, answer->status,
                 (int)answer->reset - 1);
    if (test->status == 200 && (strcmp(server.seen[0].line, test->line) != 0 ||
                                strcmp(server.seen[0].body, test->seen_body) != 0))
        complain("%s: the server got %s with %s", test->name, server.seen[0].line,
                 server.seen[0].body);
}

/* The next stream of the same connection, and another client. */
static void ask_beside(struct world *world, const struct h2_case *test)
{
    static const struct h2_raw_field fields[] = {
        METHOD("GET"), SCHEME, AUTHORITY, PATH("/kind/next"), BEARER, {0},
    };

    h2_raw_headers(attacker, 3, FRAME_END_STREAM, fields);
    if (!world_run_until(world, is_second_over, WAIT_MS) ||
        strcmp(h2_raw_answer(attacker, 3)->body, "GET /next") != 0)
        complain("%s: the next stream got %s", test->name, h2_raw_answer(attacker, 3)->body);
    buf_clear(&neighbour->in);
    client_send(neighbour, "GET /kind/neighbour HTTP/1.1\r\n%s\r\n", world_who(world));
    wanted = "\r\n\r\nGET /neighbour";
    if (!world_run_until(world, has_neighbour_wanted, WAIT_MS))
        complain("%s: the neighbour got nothing", test->name);
}

static void check_seen(const struct h2_case *test)
{
    unsigned expected = test->status == 200 ? 3 : 2;

    if (server.bad[0])
        complain("%s: the server got %s", test->name, server.bad);
    if (server.count != expected || server.cut)
        complain("%s: the server got %u requests, the first %s, and %u that were cut", test->name,
                 server.count, server.seen[0].line, server.cut);
}

static void every_request_is_refused_or_arrives_as_one(void **state)
{
    struct world *world = *state;

    neighbour = world_connect(world);
    for (size_t i = 0; i < count_of(cases); i++) {
        strict_server_forget(&server);
        attacker = h2_raw_connect(world);
        send_case(&cases[i]);
        check_answer(world, &cases[i]);
        ask_beside(world, &cases[i]);
        check_seen(&cases[i]);
        refused += cases[i].status == BROKEN || (cases[i].status >= 400 && cases[i].status != 401);
        h2_raw_free(&attacker);
    }
    assert_int_equal(0, problems);
    assert_true(world_run_until(world, is_recorded, WAIT_MS));
    assert_int_equal(refused, count_refused(world));
    assert_int_equal(0, world_count_written(world, "\"outcome\":\"client_gone\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_request_is_refused_or_arrives_as_one, set_up,
                                        tear_down),
        /* the same, to an API server that speaks HTTP/2 */
        cmocka_unit_test_setup_teardown(every_request_is_refused_or_arrives_as_one, set_up_h2,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
