/* test_hostile_answers.c - an API server over HTTP/1.1 whose answers could be read in two ways, are
 * cut, or are followed by what nobody asked for: what the client sees of each, over HTTP/1.1 and
 * HTTP/2, what the journal says, and that no byte of it ever becomes another client's answer. */
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
#define EXTRA "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"

enum end { OK, BAD, CUT }; /* delivered; 502; begun and broken off */

struct answer {
    const char *name;
    struct str bytes;
    enum end end;
    int status;
    const char *body;
    const char *method; /* NULL: GET */
    bool ends_behind;   /* the server closes behind it */
    bool is_truncated;  /* CUT: it ended before its declared end */
};

#define BAD_HEAD(name, bytes)                                                                      \
    {                                                                                              \
        name, STR(bytes), BAD, 502                                                                 \
    }
#define BAD_BODY(name, bytes)                                                                      \
    {                                                                                              \
        name, STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n" bytes), CUT,  \
            200, "ab"                                                                              \
    }
#define FINE(name, status, body, bytes)                                                            \
    {                                                                                              \
        name, STR(bytes), OK, status, body                                                         \
    }
#define FINE_AFTER(method, name, status, bytes)                                                    \
    {                                                                                              \
        name, STR(bytes), OK, status, "", method                                                   \
    }
#define CLOSED(end, name, body, bytes)                                                             \
    {                                                                                              \
        name, STR(bytes), end, 200, body, .ends_behind = true, .is_truncated = end == CUT          \
    }

static const struct answer answers[] = {
    /* ---- Lengths ---- */
    BAD_HEAD("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 50\r\n\r\nab"),
    BAD_HEAD("two that agree",
             "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab"),
    BAD_HEAD("a list", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab"),
    BAD_HEAD("plus", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab"),
    BAD_HEAD("minus", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab"),
    BAD_HEAD("an empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nab"),
    BAD_HEAD("hexadecimal", "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nab"),
    BAD_HEAD("2^64+2", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nab"),
    BAD_HEAD("CL and TE",
             "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
             "0\r\n\r\n" EXTRA),
    BAD_HEAD("TE and CL",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n"
             "0\r\n\r\n" EXTRA),
    BAD_HEAD("TE twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
                         "chunked\r\n\r\n0\r\n\r\n"),
    BAD_HEAD("TE identity", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nab"),
    BAD_HEAD("TE gzip, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
    BAD_HEAD("TE with a vertical tab", "HTTP/1.1 200 OK\r\nTransfer-Encoding:\vchunked\r\n\r\n"),
    BAD_HEAD("TE in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    /* ---- Heads ---- */
    BAD_HEAD("bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 2\n\nab"),
    BAD_HEAD("a bare line feed", "HTTP/1.1 200 OK\r\nX: y\nContent-Length: 2\r\n\r\nab"),
    BAD_HEAD("a bare CR", "HTTP/1.1 200 OK\r\nX: y\rContent-Length: 2\r\n\r\nab"),
    BAD_HEAD("a folded field", "HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 2\r\n\r\nab"),
    BAD_HEAD("a blank before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nab"),
    BAD_HEAD("no colon", "HTTP/1.1 200 OK\r\nX\r\n\r\n"),
    BAD_HEAD("NUL in a value", "HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 2\r\n\r\nab"),
    BAD_HEAD("NUL in a name", "HTTP/1.1 200 OK\r\nX\0: y\r\nContent-Length: 2\r\n\r\nab"),
    BAD_HEAD("an escape in the reason", "HTTP/1.1 200 \x1b[2J\r\nContent-Length: 2\r\n\r\nab"),
    BAD_HEAD("no version", "200 OK\r\n\r\n"),
    BAD_HEAD("HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nab"),
    BAD_HEAD("HTTP/0.9", "<html>hello</html>\r\n\r\n"),
    BAD_HEAD("ICY", "ICY 200 OK\r\n\r\n"),
    BAD_HEAD("SSH", "SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    BAD_HEAD("two blanks", "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nab"),
    BAD_HEAD("status 20x", "HTTP/1.1 20x OK\r\nContent-Length: 2\r\n\r\nab"),
    BAD_HEAD("status 99", "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nab"),
    BAD_HEAD("status 600", "HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\nab"),
    BAD_HEAD("status 2000", "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nab"),
    BAD_HEAD("an empty line before it", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"),
    BAD_HEAD("Connection names the length",
             "HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 2\r\n\r\nab"),
    BAD_HEAD("Connection names Set-Cookie",
             "HTTP/1.1 200 OK\r\nConnection: set-cookie\r\nContent-Length: 2\r\n\r\nab"),
    FINE("no reason", 200, "ab", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nab"),
    FINE("8 bits in a value", 200, "ab",
         "HTTP/1.1 200 OK\r\nX: \xff\r\nContent-Length: 2\r\n\r\nab"),
    FINE("fields of one hop", 200, "ab",
         "HTTP/1.1 200 OK\r\nConnection: X-Own\r\nX-Own: 1\r\nKeep-Alive: timeout=1\r\n"
         "Content-Length: 2\r\n\r\nab"),
    /* ---- What has no body ---- */
    BAD_HEAD("204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 55\r\n\r\n" EXTRA),
    BAD_HEAD("204 with chunks", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "0\r\n\r\n"),
    BAD_HEAD("100 with a length",
             "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n"),
    FINE("204 with length 0", 204, "", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
    FINE("204 with a body", 204, "", "HTTP/1.1 204 No Content\r\n\r\n" EXTRA),
    FINE("304 with a length", 304, "", "HTTP/1.1 304 Not Modified\r\nContent-Length: 55\r\n\r\n"),
    FINE("304 with a body", 304, "",
         "HTTP/1.1 304 Not Modified\r\nContent-Length: 55\r\n\r\n" EXTRA),
    FINE_AFTER("HEAD", "HEAD with a length", 200, "HTTP/1.1 200 OK\r\nContent-Length: 55\r\n\r\n"),
    FINE_AFTER("HEAD", "HEAD with a body", 200,
               "HTTP/1.1 200 OK\r\nContent-Length: 55\r\n\r\n" EXTRA),
    FINE_AFTER("HEAD", "HEAD with chunks", 200,
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nsmuggled\r\n0\r\n\r\n"),
    /* ---- What stands behind it ---- */
    FINE("two answers", 200, "ab", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab" EXTRA),
    FINE("three answers", 200, "ab", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab" EXTRA EXTRA),
    FINE("a byte behind it", 200, "ab", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc"),
    FINE("a head that is cut behind it", 200, "ab",
         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\nX-Smuggled: "),
    FINE("behind chunks", 200, "ab",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n" EXTRA),
    FINE("an answer that is split", 200, "",
         "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nContent-Length: 0\r\n\r\n" EXTRA),
    FINE("an interim one behind it", 200, "ab",
         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 100 Continue\r\n\r\n"),
    /* ---- Interim ones ---- */
    BAD_HEAD("101 unasked", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\n\r\n" EXTRA),
    /* ---- Chunks ---- */
    FINE("chunks", 200, "abc",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
    BAD_BODY("a chunk with an extension", "5;a=b\r\nhello\r\n0\r\n\r\n"),
    BAD_BODY("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
    BAD_BODY("a size with a sign", "-5\r\nhello\r\n0\r\n\r\n"),
    BAD_BODY("a size with a blank", "5 \r\nhello\r\n0\r\n\r\n"),
    BAD_BODY("a size beyond 64 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    BAD_BODY("a bare line feed behind a size", "5\nhello\r\n0\r\n\r\n"),
    BAD_BODY("a bare line feed behind data", "5\r\nhello\n0\r\n\r\n"),
    BAD_BODY("data that is longer", "3\r\nhello\r\n0\r\n\r\n"),
    BAD_BODY("a bare line feed at the end", "0\r\n\n" EXTRA),
    BAD_BODY("a length as a trailer", "0\r\nContent-Length: 5\r\n\r\n"),
    BAD_BODY("a folded trailer", "0\r\nX: y\r\n z\r\n\r\n"),
    BAD_BODY("an answer instead of trailers", "0\r\n" EXTRA),
    /* ---- The end of the connection ---- */
    CLOSED(OK, "until close", "hello", "HTTP/1.1 200 OK\r\n\r\nhello"),
    CLOSED(OK, "until close in 1.0", "hello", "HTTP/1.0 200 OK\r\n\r\nhello"),
    CLOSED(OK, "an answer in it", "a" EXTRA, "HTTP/1.1 200 OK\r\n\r\na" EXTRA),
    CLOSED(CUT, "short of its length", "hello",
           "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
    CLOSED(CUT, "short of its chunk", "hello",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhello"),
    CLOSED(CUT, "without its last chunk", "hello",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    CLOSED(CUT, "short of its trailers", "hello",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n"),
};

static struct strict_server server;
static struct client_conn *asker, *neighbour;
static struct h2_raw *h2_asker;
static const char *wanted;
static unsigned problems, expected[3], truncated;

static int set_up(void **state)
{
    memset(expected, 0, sizeof expected);
    problems = truncated = 0;
    server = (struct strict_server){.world = *state = world_new()};
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

static bool is_asker_closed(struct world *world)
{
    strict_server_look(&server);
    return asker->has_ended || asker->has_failed;
}

static bool is_h2_asker_answered(struct world *world)
{
    const struct h2_raw_answer *answer = h2_raw_answer(h2_asker, 1);

    strict_server_look(&server);
    return answer->is_complete || answer->reset || h2_asker->has_ended;
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

/* Three times: whatever is left over in a connection to the server would come up now. */
static void ask_as_neighbour(struct world *world, const char *name)
{
    static unsigned number;

    for (int i = 0; i < 3; i++) {
        scoped(free_text) char *answer = xasprintf("\r\n\r\nGET /neighbour-%u.", ++number);

        buf_clear(&neighbour->in);
        client_send(neighbour, "GET /kind/neighbour-%u. HTTP/1.1\r\n%s\r\n", number,
                    world_who(world));
        wanted = answer;
        if (!world_run_until(world, has_neighbour_wanted, WAIT_MS))
            complain("%s: the neighbour got %.*s", name, STR_ARG(buf_str(&neighbour->in)));
        if (client_has(neighbour, "muggled"))
            complain("%s: the neighbour got what was not for it", name);
    }
}

static void count(const struct answer *answer)
{
    expected[answer->end]++;
    truncated += answer->is_truncated;
}

static void check_outcomes(struct world *world)
{
    world_run_for(world, 100);
    assert_int_equal(0, problems);
    assert_int_equal(expected[OK] + 3 * count_of(answers),
                     world_count_written(world, "\"outcome\":\"ok\",\"forwarded\":\"all\""));
    assert_int_equal(truncated,
                     world_count_written(world, "\"outcome\":\"truncated\",\"forwarded\":\"all\""));
    assert_int_equal(
        expected[BAD] + expected[CUT] - truncated,
        world_count_written(world, "\"outcome\":\"upstream_reset\",\"forwarded\":\"all\""));
}

/* ---- Over HTTP/1.1 ---- */

/* The body as it came: chunks are put together. NULL: it is not complete. Owned. */
static char *read_answer(struct str in, const char *method, int status)
{
    scoped(buf_free) struct buf body = {.limit = SIZE_MAX};
    ptrdiff_t end = str_find(in, STR("\r\n\r\n"));
    struct str head = str_first(in, end < 0 ? 0 : (size_t)end + 2);
    struct str rest = str_skip(in, head.len + 2);
    ptrdiff_t length = str_find(head, STR("Content-Length: "));

    if (end < 0)
        return NULL;
    if (str_is(str_from(method), "HEAD") || status == 204 || status == 304)
        return rest.len ? NULL : xstrdup("");
    if (length >= 0) {
        size_t len = strtoul(head.data + length + 16, NULL, 10);
        return rest.len == len ? str_dup(rest) : NULL;
    }
    while (rest.len) {
        size_t size = strtoul(rest.data, NULL, 16);
        ptrdiff_t lf = str_index(rest, '\n');

        if (!size)
            return str_is(rest, "0\r\n\r\n") ? buf_take_text(&body) : NULL;
        if (lf < 0 || rest.len < (size_t)lf + 3 + size)
            return NULL;
        buf_append_str(&body, str_make(rest.data + lf + 1, size));
        rest = str_skip(rest, (size_t)lf + 3 + size);
    }
    return NULL;
}

static void check_h1(const struct answer *answer)
{
    scoped(free_text) char *line = xasprintf("HTTP/1.1 %d ", answer->status);
    scoped(free_text) char *body =
        read_answer(buf_str(&asker->in), answer->method ? answer->method : "GET", answer->status);

    if (!str_starts(buf_str(&asker->in), str_from(line)))
        complain("%s: not %d but %.*s", answer->name, answer->status, STR_ARG(buf_str(&asker->in)));
    if ((answer->end == CUT) != !body)
        complain("%s: complete or not: %.*s", answer->name, STR_ARG(buf_str(&asker->in)));
    if (answer->end == OK && body && strcmp(body, answer->body) != 0)
        complain("%s: not %s but %s", answer->name, answer->body, body);
}

static void client_over_h1_sees_one_answer_or_that_there_is_none(void **state)
{
    struct world *world = *state;

    neighbour = world_connect(world);
    for (size_t i = 0; i < count_of(answers); i++) {
        const struct answer *answer = &answers[i];

        strict_server_forget(&server);
        server.instead = answer->bytes;
        server.ends_behind = answer->ends_behind;
        asker = world_connect(world);
        client_send(asker, "%s /kind/instead HTTP/1.1\r\n%sConnection: close\r\n\r\n",
                    answer->method ? answer->method : "GET", world_who(world));
        if (!world_run_until(world, is_asker_closed, WAIT_MS))
            complain("%s: no end: %.*s", answer->name, STR_ARG(buf_str(&asker->in)));
        check_h1(answer);
        ask_as_neighbour(world, answer->name);
        count(answer);
        client_hang_up(asker);
    }
    check_outcomes(world);
}

/* ---- Over HTTP/2 ---- */

static void check_h2(const struct answer *answer)
{
    const struct h2_raw_answer *got = h2_raw_answer(h2_asker, 1);

    if (got->status != answer->status)
        complain("%s: not %d but %d", answer->name, answer->status, got->status);
    if (answer->end == CUT ? got->is_complete || !got->reset : !got->is_complete)
        complain("%s: complete or not: %s", answer->name, got->body);
    size_t len = strlen(answer->body ? answer->body : "");

    if (answer->end != BAD &&
        (strncmp(got->body, answer->body, len) != 0 || (answer->end == OK && got->body[len])))
        complain("%s: not %s but %s", answer->name, answer->body, got->body);
}

static void client_over_h2_sees_one_answer_or_that_there_is_none(void **state)
{
    struct world *world = *state;

    neighbour = world_connect(world);
    for (size_t i = 0; i < count_of(answers); i++) {
        const struct answer *answer = &answers[i];
        const struct h2_raw_field fields[] = {
            {":method", answer->method ? answer->method : "GET"},
            {":scheme", "https"},
            {":authority", "127.0.0.1"},
            {":path", "/kind/instead"},
            {"authorization", "{bearer}"},
            {0},
        };

        strict_server_forget(&server);
        server.instead = answer->bytes;
        server.ends_behind = answer->ends_behind;
        h2_asker = h2_raw_connect(world);
        h2_raw_headers(h2_asker, 1, FRAME_END_STREAM, fields);
        if (!world_run_until(world, is_h2_asker_answered, WAIT_MS))
            complain("%s: no end: %s", answer->name, h2_raw_answer(h2_asker, 1)->body);
        check_h2(answer);
        ask_as_neighbour(world, answer->name);
        count(answer);
        h2_raw_free(&h2_asker);
    }
    check_outcomes(world);
}

/* ---- Too much, and too late ---- */

/* What is larger than any answer may be, put together from `piece`. */
static void check_too_much(struct world *world, const char *before, const char *piece, int times,
                           const char *behind, enum end end)
{
    scoped(buf_free) struct buf bytes = {.limit = SIZE_MAX};
    struct answer answer = {piece, {0}, end, end == BAD ? 502 : 200, ""};

    buf_append_text(&bytes, before);
    for (int i = 0; i < times; i++)
        buf_append_text(&bytes, piece);
    buf_append_text(&bytes, behind);
    strict_server_forget(&server);
    server.instead = buf_str(&bytes);
    asker = world_connect(world);
    client_send(asker, "GET /kind/instead HTTP/1.1\r\n%sConnection: close\r\n\r\n",
                world_who(world));
    assert_true(world_run_until(world, is_asker_closed, WAIT_MS));
    check_h1(&answer);
    ask_as_neighbour(world, piece);
    client_hang_up(asker);
}

static void answer_without_bounds_is_given_up(void **state)
{
    struct world *world = *state;
    const char *const ok = "HTTP/1.1 200 OK\r\n", *const empty = "Content-Length: 0\r\n\r\n";
    const char *const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";

    neighbour = world_connect(world);
    check_too_much(world, ok, "X: y\r\n", 511, empty, OK);
    check_too_much(world, ok, "X: y\r\n", 512, empty, BAD);
    check_too_much(world, ok, "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 20000, "",
                   BAD);
    check_too_much(world, "HTTP/1.1 200 ", "OK", 200000, "", BAD);
    check_too_much(world, chunked, "X: y\r\n", 100, "\r\n", CUT);
    check_too_much(world, chunked, "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 2000, "",
                   CUT);
    assert_int_equal(0, problems);
}

static void interim_answers_without_end_are_given_up(void **state)
{
    struct world *world = *state;
    scoped(buf_free) struct buf storm = {.limit = SIZE_MAX};

    for (int i = 0; i < 2000; i++)
        buf_append_text(&storm, "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n");
    buf_append_text(&storm, EXTRA);
    server.instead = buf_str(&storm);
    neighbour = world_connect(world);
    asker = world_connect(world);
    client_send(asker, "GET /kind/instead HTTP/1.1\r\n%sConnection: close\r\n\r\n",
                world_who(world));
    assert_true(world_run_until(world, is_asker_closed, WAIT_MS));
    assert_true(client_has(asker, "HTTP/1.1 502 "));
    assert_false(client_has(asker, "muggled"));
    assert_true(asker->in.len < 4000);
    ask_as_neighbour(world, "a storm");
    assert_int_equal(0, problems);
}

static void answer_that_nobody_asked_for_is_nobodys(void **state)
{
    struct world *world = *state;

    neighbour = world_connect(world);
    ask_as_neighbour(world, "before");
    for (int i = 0; i < 20; i++) {
        served_send(world_served(world), EXTRA);
        if (i % 2) /* it may be asked before it is seen */
            world_run_for(world, 5);
        ask_as_neighbour(world, "late");
    }
    assert_true(world->served_count > 20);
    assert_int_equal(0, problems);
    assert_int_equal(0, world_count_written(world, "smuggled"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(client_over_h1_sees_one_answer_or_that_there_is_none,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(client_over_h2_sees_one_answer_or_that_there_is_none,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(answer_without_bounds_is_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(interim_answers_without_end_are_given_up, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(answer_that_nobody_asked_for_is_nobodys, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
