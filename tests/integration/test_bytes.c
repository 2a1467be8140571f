/* test_bytes.c - P8, byte for byte: what the API server gets of a request and what the client gets
 * of an answer, over HTTP/1.1 and HTTP/2, where all of HTTP is used: interim answers, trailers,
 * ranges, conditions, empty and doubled fields, odd paths, bodies where there are hardly ever any.
 */
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
#define HOST "Host: api.example:6443\r\n"
#define OURS "Authorization: " WORLD_CREDENTIAL "\r\nAudit-ID: {audit}\r\n"

static struct client_conn *client;
static struct h2_raw *raw;
static const char *wanted;
static struct str wanted_bytes;
static unsigned problems;

static int set_up(void **state)
{
    problems = 0;
    *state = world_new();
    return 0;
}

static int set_up_h2(void **state)
{
    problems = 0;
    *state = world_new_h2();
    return 0;
}

static int tear_down(void **state)
{
    world_free((struct world **)state);
    return 0;
}

static void complain(const char *name, struct str wish, struct str got)
{
    problems++;
    printf("%s\n--- wanted\n%.*s\n--- got\n%.*s\n", name, STR_ARG(wish), STR_ARG(got));
}

/* ---- Requests over HTTP/1.1 ---- */

struct request {
    const char *name;
    struct str sent; /* behind it, Host and Authorization, where a "{who}" stands */
    struct str got;
};

#define REQUEST(name, sent, got)                                                                   \
    {                                                                                              \
        name, STR(sent), STR(got)                                                                  \
    }

static const struct request requests[] = {
    REQUEST("order, case, doubled and empty fields",
            "GET /kind/api HTTP/1.1\r\nX-B: 1\r\nx-a:\r\n{who}X-B: 2\r\nAccept: */*\r\n"
            "X-b:  3 , 4\t\r\nAccept: text/x;q=0.1\r\nX-Empty: \r\n\r\n",
            "GET /api HTTP/1.1\r\n" HOST "X-B: 1\r\nx-a: \r\nX-B: 2\r\nAccept: */*\r\n"
            "X-b: 3 , 4\r\nAccept: text/x;q=0.1\r\nX-Empty: \r\n" OURS "\r\n"),
    REQUEST(
        "a path that is not canonical",
        "GET /kind/api/%2f%2F;a=b//..%2e/../x%00?q=%20&q=+&;z&&=[]{}|\\^`\"<>?/ HTTP/1.1\r\n"
        "{who}\r\n",
        "GET /api/%2f%2F;a=b//..%2e/../x%00?q=%20&q=+&;z&&=[]{}|\\^`\"<>?/ HTTP/1.1\r\n" HOST OURS
        "\r\n"),
    REQUEST("the cluster's root", "GET /kind HTTP/1.1\r\n{who}\r\n",
            "GET / HTTP/1.1\r\n" HOST OURS "\r\n"),
    REQUEST("the cluster's root with a query", "GET /kind?a=/kind/b HTTP/1.1\r\n{who}\r\n",
            "GET /?a=/kind/b HTTP/1.1\r\n" HOST OURS "\r\n"),
    REQUEST("range and conditions",
            "GET /kind/openapi/v2 HTTP/1.1\r\n{who}Range: bytes=0-1,-5\r\nIf-None-Match: \"a\", "
            "W/\"b\"\r\nIf-Range: \"a\"\r\nIf-Modified-Since: x\r\n\r\n",
            "GET /openapi/v2 HTTP/1.1\r\n" HOST "Range: bytes=0-1,-5\r\nIf-None-Match: \"a\", "
            "W/\"b\"\r\nIf-Range: \"a\"\r\nIf-Modified-Since: x\r\n" OURS "\r\n"),
    REQUEST("HEAD", "HEAD /kind/api HTTP/1.1\r\n{who}\r\n",
            "HEAD /api HTTP/1.1\r\n" HOST OURS "\r\n"),
    REQUEST("GET with a body",
            "GET /kind/api HTTP/1.1\r\n{who}Content-Length: 5\r\nX: y\r\n\r\nhe\0lo",
            "GET /api HTTP/1.1\r\n" HOST "Content-Length: 5\r\nX: y\r\n" OURS "\r\nhe\0lo"),
    REQUEST("DELETE with a body",
            "DELETE /kind/api HTTP/1.1\r\n{who}Content-Length: 0005\r\n\r\nhe\r\n\n",
            "DELETE /api HTTP/1.1\r\n" HOST "Content-Length: 0005\r\n" OURS "\r\nhe\r\n\n"),
    REQUEST("POST of nothing", "POST /kind/api HTTP/1.1\r\n{who}Content-Length: 0\r\n\r\n",
            "POST /api HTTP/1.1\r\n" HOST "Content-Length: 0\r\n" OURS "\r\n"),
    REQUEST("POST without a length", "POST /kind/api HTTP/1.1\r\n{who}\r\n",
            "POST /api HTTP/1.1\r\n" HOST OURS "\r\n"),
    REQUEST("a compressed body",
            "PUT /kind/api HTTP/1.1\r\n{who}Content-Encoding: gzip\r\nContent-Length: 6\r\n\r\n"
            "\x1f\x8b\x08\0\xff\xfe",
            "PUT /api HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Length: 6\r\n" OURS
            "\r\n\x1f\x8b\x08\0\xff\xfe"),
    REQUEST("chunks with a trailer",
            "PATCH /kind/api HTTP/1.1\r\n{who}Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
            "002\r\nab\r\n1\r\nc\r\n00\r\nX-Sum: 1\r\nx-sum:\r\n\r\n",
            "PATCH /api HTTP/1.1\r\n" HOST OURS "Transfer-Encoding: chunked\r\n\r\n"
            "3\r\nabc\r\n0\r\nX-Sum: 1\r\nx-sum: \r\n\r\n"),
    REQUEST("chunks of nothing",
            "POST /kind/api HTTP/1.1\r\n{who}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST /api HTTP/1.1\r\n" HOST OURS "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    REQUEST("what is of one hop",
            "GET /kind/api HTTP/1.1\r\n{who}Connection: keep-alive, X-Own\r\nX-Own: 1\r\n"
            "Keep-Alive: timeout=5\r\nProxy-Connection: close\r\nTE: trailers, gzip\r\n"
            "X-Next: 1\r\n\r\n",
            "GET /api HTTP/1.1\r\n" HOST "X-Next: 1\r\nte: trailers\r\n" OURS "\r\n"),
    REQUEST("HTTP/1.0", "GET /kind/api HTTP/1.0\r\n{who}X: y\r\n\r\n",
            "GET /api HTTP/1.1\r\n" HOST "X: y\r\n" OURS "\r\n"),
    REQUEST("a client's own Audit-ID, in its place",
            "GET /kind/api HTTP/1.1\r\nAudit-ID: mine\r\nX: y\r\n{who}\r\n",
            "GET /api HTTP/1.1\r\n" HOST
            "Audit-ID: {audit}\r\nX: y\r\nAuthorization: " WORLD_CREDENTIAL "\r\n\r\n"),
    REQUEST("what proxies add",
            "GET /kind/api HTTP/1.1\r\n{who}X-Forwarded-For: 10.0.0.1\r\nVia: "
            "1.1 x\r\nForwarded: for=x\r\nMax-Forwards: 0\r\nImpersonate-Group: a\r\n"
            "Impersonate-Group: b\r\n\r\n",
            "GET /api HTTP/1.1\r\n" HOST "X-Forwarded-For: 10.0.0.1\r\nVia: 1.1 x\r\nForwarded: "
            "for=x\r\nMax-Forwards: 0\r\nImpersonate-Group: a\r\nImpersonate-Group: b\r\n" OURS
            "\r\n"),
};

static void send_bytes(struct world *world, struct str text)
{
    scoped(buf_free) struct buf bytes = {.limit = SIZE_MAX};
    ptrdiff_t who = str_find(text, STR("{who}"));

    buf_append_str(&bytes, str_first(text, who < 0 ? 0 : (size_t)who));
    if (who >= 0)
        buf_append_text(&bytes, world_who(world));
    buf_append_str(&bytes, str_skip(text, who < 0 ? 0 : (size_t)who + 5));
    conn_write(client->conn, buf_str(&bytes));
}

/* With "{audit}" where an Audit-ID stands. */
static void take_served(struct world *world, struct buf *out)
{
    struct server_conn *served = world_served(world);
    struct str bytes = served ? buf_str(&served->in) : STR("");
    ptrdiff_t at = str_find(bytes, STR("Audit-ID: "));
    size_t head = at < 0 ? bytes.len : (size_t)at + 10;

    out->limit = SIZE_MAX;
    buf_append_str(out, str_first(bytes, head));
    if (at < 0)
        return;
    buf_append_text(out, "{audit}");
    buf_append_str(out, str_skip(bytes, head + 36));
}

static bool is_served_wanted(struct world *world)
{
    scoped(buf_free) struct buf got = {0};

    take_served(world, &got);
    return str_equal(buf_str(&got), wanted_bytes);
}

static bool is_client_wanted(struct world *world)
{
    return str_equal(buf_str(&client->in), wanted_bytes);
}

static bool client_has_wanted(struct world *world)
{
    return client_has(client, wanted);
}

static void server_gets_the_clients_bytes(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < count_of(requests); i++) {
        scoped(buf_free) struct buf got = {0};

        client = world_connect(world);
        send_bytes(world, requests[i].sent);
        wanted_bytes = requests[i].got;
        if (!world_run_until(world, is_served_wanted, 1000)) {
            take_served(world, &got);
            complain(requests[i].name, wanted_bytes, buf_str(&got));
            assert_non_null(world_served(world));
        }
        buf_clear(&world_served(world)->in);
        served_send(world_served(world), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        wanted = "\r\n\r\n";
        assert_true(world_run_until(world, client_has_wanted, WAIT_MS));
        client_hang_up(client);
    }
    assert_int_equal(1, world->served_count); /* no doubt about any of them */
    assert_int_equal(0, problems);
}

/* ---- Answers over HTTP/1.1 ---- */

struct answer {
    const char *name;
    const char *request; /* its first line, with the version */
    struct str sent;
    struct str got; /* data NULL: the same */
    bool ends_behind;
};

#define SAME(name, bytes)                                                                          \
    {                                                                                              \
        name, "GET /kind/api HTTP/1.1", STR(bytes), STR(bytes)                                     \
    }
#define OTHER(name, request, sent, got)                                                            \
    {                                                                                              \
        name, request, STR(sent), STR(got)                                                         \
    }
#define ENDED(name, request, sent, got)                                                            \
    {                                                                                              \
        name, request, STR(sent), STR(got), true                                                   \
    }

static const struct answer answers[] = {
    SAME("order, case, doubled and empty fields",
         "HTTP/1.1 200 Fine\r\nX-B: 1\r\nx-a: \r\nSet-Cookie: a=b, c\r\nX-B: 2\r\nSet-Cookie: d\r\n"
         "Warning: 299 - \"a\", 299 - \"b\"\r\nWarning: 299 - \"c\"\r\nContent-Length: 2\r\n"
         "Vary: Accept\r\n\r\nok"),
    SAME("bytes of all kinds", "HTTP/1.1 200 OK\r\nX: \xff\xc3\xa4\r\nContent-Length: 8\r\n\r\n"
                               "\0\r\n\r\n\x1f\x8b\xff"),
    SAME("204", "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n"),
    SAME("205 of nothing", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"),
    SAME("206", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/10\r\nContent-Length: 2"
                "\r\n\r\nab"),
    SAME("301", "HTTP/1.1 301 Moved Permanently\r\nLocation: https://api.example:6443/x\r\n"
                "Content-Length: 0\r\n\r\n"),
    SAME("304", "HTTP/1.1 304 Not Modified\r\nEtag: \"a\"\r\nVary: Accept\r\nCache-Control: public"
                "\r\n\r\n"),
    SAME("304 with the length that it would have",
         "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 500\r\n\r\n"),
    SAME("401", "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 2\r\n\r\n"
                "{}"),
    SAME("429", "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n"
                "X-Kubernetes-PF-FlowSchema-UID: a\r\nContent-Length: 2\r\n\r\n{}"),
    SAME("504", "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 2\r\n\r\n{}"),
    SAME("599", "HTTP/1.1 599 Odd\r\nContent-Length: 2\r\n\r\n{}"),
    SAME("100 unasked", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
                        "ok"),
    SAME("102 and 103", "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n"
                        "Link: </b>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    SAME("chunks with a trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"
                                  "0\r\nX-Sum: 1\r\nx-sum: \r\n\r\n"),
    OTHER("the head of HEAD", "HEAD /kind/api HTTP/1.1",
          "HTTP/1.1 200 OK\r\nContent-Length: 500\r\nX: y\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 500\r\nX: y\r\n\r\n"),
    OTHER("HEAD without a length", "HEAD /kind/api HTTP/1.1",
          "HTTP/1.1 404 Not Found\r\nX: y\r\n\r\n", "HTTP/1.1 404 Not Found\r\nX: y\r\n\r\n"),
    OTHER("a client that closes", "GET /kind/api HTTP/1.1\r\nConnection: close",
          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"),
    OTHER("chunks to HTTP/1.0", "GET /kind/api HTTP/1.0",
          "HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n"
          "X-Sum: 1\r\n\r\n",
          "HTTP/1.1 200 OK\r\nX: y\r\nConnection: close\r\n\r\nabc"),
    OTHER("interim ones to HTTP/1.0", "GET /kind/api HTTP/1.0",
          "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"),
    OTHER("fields of one hop", "GET /kind/api HTTP/1.1",
          "HTTP/1.1 200 OK\r\nConnection: X-Own\r\nX-Own: 1\r\nKeep-Alive: timeout=1\r\nUpgrade: "
          "h2c\r\nX-Next: 1\r\nContent-Length: 2\r\n\r\nok",
          "HTTP/1.1 200 OK\r\nX-Next: 1\r\nContent-Length: 2\r\n\r\nok"),
    ENDED("until close", "GET /kind/api HTTP/1.1", "HTTP/1.0 200 OK\r\nX: y\r\n\r\nabc",
          "HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    ENDED("a server that closes", "GET /kind/api HTTP/1.1",
          "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
};

static bool request_arrived(struct world *world)
{
    return served_has(world_served(world), "\r\n\r\n");
}

static bool is_client_closed(struct world *world)
{
    return client->has_ended || client->has_failed;
}

static void client_gets_the_servers_bytes(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < count_of(answers); i++) {
        const struct answer *answer = &answers[i];

        client = world_connect(world);
        client_send(client, "%s\r\n%s\r\n", answer->request, world_who(world));
        assert_true(world_run_until(world, request_arrived, WAIT_MS));
        buf_clear(&world_served(world)->in);
        conn_write(world_served(world)->conn, answer->sent);
        if (answer->ends_behind)
            served_finish(world_served(world));
        wanted_bytes = answer->got;
        if (!world_run_until(world, is_client_wanted, 1000))
            complain(answer->name, wanted_bytes, buf_str(&client->in));
        if (str_find(answer->got, STR("Connection: close")) >= 0)
            assert_true(world_run_until(world, is_client_closed, WAIT_MS));
        else
            assert_false(client->has_ended);
        client_hang_up(client);
    }
    assert_int_equal(0, problems);
}

/* ---- Length ---- */

static void send_long(struct world *world, const char *before, size_t len, const char *behind)
{
    scoped(buf_free) struct buf bytes = {.limit = SIZE_MAX};

    buf_append_text(&bytes, before);
    while (bytes.len < len)
        buf_append_char(&bytes, 'a');
    buf_append_text(&bytes, behind);
    conn_write(client->conn, buf_str(&bytes));
}

static void target_may_be_as_long_as_a_head(void **state)
{
    struct world *world = *state;
    const size_t long_bytes = (size_t)127 << 10;
    scoped(free_text) char *behind = xasprintf(" HTTP/1.1\r\n%s\r\n", world_who(world));

    client = world_connect(world);
    send_long(world, "GET /kind/api?", long_bytes, behind);
    assert_true(world_run_until(world, request_arrived, WAIT_MS));
    struct str line = buf_str(&world_served(world)->in);
    size_t sent = (size_t)str_find(line, STR(" HTTP/1.1\r\n"));
    assert_int_equal(long_bytes - strlen("/kind"), sent);
    served_send(world_served(world), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    wanted = "\r\n\r\nok";
    assert_true(world_run_until(world, client_has_wanted, WAIT_MS));
    buf_clear(&client->in);
    send_long(world, "GET /kind/api?", (size_t)129 << 10, behind);
    wanted = "HTTP/1.1 431 ";
    assert_true(world_run_until(world, client_has_wanted, WAIT_MS));
    assert_true(world_run_until(world, is_client_closed, WAIT_MS));
}

static bool is_refusal_written(struct world *world)
{
    return world_count_written(world, "\"outcome\":\"refused\"") > 0;
}

static void head_that_is_too_large_is_recorded(void **state)
{
    struct world *world = *state;
    scoped(free_text) char *before =
        xasprintf("GET /kind/api HTTP/1.1\r\n%sX-Long: ", world_who(world));

    client = world_connect(world);
    send_long(world, before, (size_t)129 << 10, "\r\n\r\n");
    wanted = "HTTP/1.1 431 ";
    assert_true(world_run_until(world, client_has_wanted, WAIT_MS));
    assert_true(world_run_until(world, is_refusal_written, WAIT_MS));
    assert_int_equal(1, world_count_written(world, "\"requestURI\":\"/api\""));
    assert_int_equal(0, world->served_count);
}

static void connection_is_kept_for_any_number_of_requests(void **state)
{
    struct world *world = *state;

    client = world_connect(world);
    for (int i = 0; i < 300; i++) {
        buf_clear(&client->in);
        client_send(client, "GET /kind/api HTTP/1.1\r\n%s\r\n", world_who(world));
        assert_true(world_run_until(world, request_arrived, WAIT_MS));
        buf_clear(&world_served(world)->in);
        served_send(world_served(world), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        wanted_bytes = STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        assert_true(world_run_until(world, is_client_wanted, WAIT_MS));
    }
    assert_int_equal(1, world->served_count);
}

/* ---- From HTTP/2, and to it ---- */

static bool is_raw_complete(struct world *world)
{
    return h2_raw_answer(raw, 1)->is_complete;
}

static const struct h2_raw_field uploaded[] = {
    {":method", "PUT"},
    {":scheme", "https"},
    {":authority", "127.0.0.1"},
    {":path", "/kind/a%2Fb;c//..?d=%20&d"},
    {"x-b", "1"},
    {"authorization", "{bearer}"},
    {"x-a", ""},
    {"te", "trailers"},
    {"x-b", "2"},
    {"cookie", "a=b"},
    {"cookie", "c=d"},
    {0},
};

static void request_over_h2_is_the_same_over_h1(void **state)
{
    static const struct h2_raw_field trailers[] = {{"x-sum", "1"}, {"x-sum", ""}, {0}};
    struct world *world = *state;
    scoped(buf_free) struct buf got = {0};

    raw = h2_raw_connect(world);
    h2_raw_headers(raw, 1, 0, uploaded);
    h2_raw_data(raw, 1, 0, "abc");
    h2_raw_headers(raw, 1, FRAME_END_STREAM, trailers);
    wanted_bytes = STR("PUT /a%2Fb;c//..?d=%20&d HTTP/1.1\r\n" HOST "x-b: 1\r\nx-a: \r\nx-b: 2\r\n"
                       "cookie: a=b; c=d\r\nte: trailers\r\n" OURS
                       "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n"
                       "x-sum: \r\n\r\n");
    if (!world_run_until(world, is_served_wanted, WAIT_MS)) {
        take_served(world, &got);
        complain("h2 to h1", wanted_bytes, buf_str(&got));
    }
    served_send(
        world_served(world),
        "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
        "HTTP/1.1 200 Fine\r\nX-B: 1\r\nx-a:\r\nSet-Cookie: a\r\nX-B: 2\r\nSet-Cookie: b\r\n"
        "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n");
    assert_true(world_run_until(world, is_raw_complete, WAIT_MS));
    assert_string_equal("link: a;x-b: 1;x-a: ;set-cookie: a;x-b: 2;set-cookie: b;x-sum: 1;",
                        h2_raw_answer(raw, 1)->fields);
    assert_string_equal("ab", h2_raw_answer(raw, 1)->body);
    h2_raw_free(&raw);
    assert_int_equal(0, problems);
}

static bool is_h2_asked(struct world *world)
{
    return world->h2.requests && world->h2.requests->is_complete;
}

/* What the server got, without the Audit-ID's value. Owned. */
static char *fields_without_audit_id(const struct h2_request *request)
{
    const char *at = strstr(request->fields, "audit-id: ");

    assert_non_null(at);
    return xasprintf("%.*s%s", (int)(at + 10 - request->fields), request->fields, at + 46);
}

static void request_over_h1_is_the_same_over_h2(void **state)
{
    struct world *world = *state;

    client = world_connect(world);
    send_bytes(world, STR("PUT /kind/a%2Fb;c//..?d=%20&d HTTP/1.1\r\nX-B: 1\r\nx-a:\r\n{who}X-B: 2"
                          "\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"));
    assert_true(world_run_until(world, is_h2_asked, WAIT_MS));
    struct h2_request *request = world->h2.requests;
    scoped(free_text) char *fields = fields_without_audit_id(request);
    assert_string_equal("PUT /a%2Fb;c//..?d=%20&d", request->line);
    assert_string_equal(":scheme: https;:authority: api.example:6443;x-b: 1;x-a: ;x-b: 2;"
                        "te: trailers;authorization: " WORLD_CREDENTIAL ";audit-id: ;",
                        fields);
    assert_string_equal("abc", request->body);
    assert_string_equal("x-sum: 1;", request->trailers);
    h2_server_head(request, ":status: 103\nlink: a\n", false);
    h2_server_head(request, ":status: 200\nx-b: 1\nset-cookie: a\nx-a: \nx-b: 2\nset-cookie: b\n",
                   false);
    h2_server_data(request, "ab", false);
    h2_server_head(request, "x-sum: 1\n", true);
    wanted_bytes =
        STR("HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\nx-b: 1\r\nset-cookie: a"
            "\r\nx-a: \r\nx-b: 2\r\nset-cookie: b\r\nTransfer-Encoding: chunked\r\n\r\n"
            "2\r\nab\r\n0\r\nx-sum: 1\r\n\r\n");
    if (!world_run_until(world, is_client_wanted, WAIT_MS))
        complain("h2 to h1", wanted_bytes, buf_str(&client->in));
    assert_int_equal(0, problems);
}

static void request_over_h2_is_the_same_over_h2(void **state)
{
    struct world *world = *state;

    raw = h2_raw_connect(world);
    h2_raw_headers(raw, 1, 0, uploaded);
    h2_raw_data(raw, 1, FRAME_END_STREAM, "abc");
    assert_true(world_run_until(world, is_h2_asked, WAIT_MS));
    struct h2_request *request = world->h2.requests;
    scoped(free_text) char *fields = fields_without_audit_id(request);
    assert_string_equal("PUT /a%2Fb;c//..?d=%20&d", request->line);
    assert_string_equal(":scheme: https;:authority: api.example:6443;x-b: 1;x-a: ;x-b: 2;"
                        "cookie: a=b; c=d;te: trailers;authorization: " WORLD_CREDENTIAL
                        ";audit-id: ;",
                        fields);
    h2_server_head(request, ":status: 304\netag: \"a\"\ncontent-length: 500\n", true);
    assert_true(world_run_until(world, is_raw_complete, WAIT_MS));
    assert_int_equal(304, h2_raw_answer(raw, 1)->status);
    assert_string_equal("etag: \"a\";content-length: 500;", h2_raw_answer(raw, 1)->fields);
    h2_raw_free(&raw);
}

/* ---- 100-continue over HTTP/2 ---- */

static bool has_raw_status(struct world *world)
{
    return h2_raw_answer(raw, 1)->status != 0;
}

static bool is_h2_begun(struct world *world)
{
    return world->h2.requests != NULL;
}

static void client_over_h2_that_expects_100_hears_the_servers(void **state)
{
    static const struct h2_raw_field fields[] = {
        {":method", "PUT"},
        {":scheme", "https"},
        {":authority", "a"},
        {":path", "/kind/api"},
        {"expect", "100-continue"},
        {"content-length", "3"},
        {"authorization", "{bearer}"},
        {0},
    };
    struct world *world = *state;

    raw = h2_raw_connect(world);
    h2_raw_headers(raw, 1, 0, fields);
    assert_true(world_run_until(world, is_h2_begun, WAIT_MS));
    struct h2_request *request = world->h2.requests;
    assert_non_null(strstr(request->fields, "expect: 100-continue;"));
    world_run_for(world, 20);
    assert_int_equal(0, h2_raw_answer(raw, 1)->status); /* none of ours */
    h2_server_head(request, ":status: 100\n", false);
    assert_true(world_run_until(world, has_raw_status, WAIT_MS));
    assert_int_equal(100, h2_raw_answer(raw, 1)->status);
    h2_raw_data(raw, 1, FRAME_END_STREAM, "abc");
    assert_true(world_run_until(world, is_h2_asked, WAIT_MS));
    assert_string_equal("abc", request->body);
    h2_server_head(request, ":status: 200\n", true);
    assert_true(world_run_until(world, is_raw_complete, WAIT_MS));
    h2_raw_free(&raw);
}

/* The server does not want the body: the client is told so, and need not send it. */
static void expectation_that_fails_is_told_without_the_body(void **state)
{
    struct world *world = *state;

    client = world_connect(world);
    client_send(client,
                "PUT /kind/api HTTP/1.1\r\n%sExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
                world_who(world));
    assert_true(world_run_until(world, request_arrived, WAIT_MS));
    served_send(world_served(world),
                "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
    wanted = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_true(world_run_until(world, client_has_wanted, WAIT_MS));
    assert_true(world_run_until(world, is_client_closed, WAIT_MS));
    assert_true(world_served(world)->has_ended); /* half a request: nobody may use it again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(server_gets_the_clients_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(client_gets_the_servers_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(target_may_be_as_long_as_a_head, set_up, tear_down),
        cmocka_unit_test_setup_teardown(head_that_is_too_large_is_recorded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connection_is_kept_for_any_number_of_requests, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(request_over_h2_is_the_same_over_h1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(request_over_h1_is_the_same_over_h2, set_up_h2, tear_down),
        cmocka_unit_test_setup_teardown(request_over_h2_is_the_same_over_h2, set_up_h2, tear_down),
        cmocka_unit_test_setup_teardown(client_over_h2_that_expects_100_hears_the_servers,
                                        set_up_h2, tear_down),
        cmocka_unit_test_setup_teardown(expectation_that_fails_is_told_without_the_body, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
