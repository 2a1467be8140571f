#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/scoped.h"
#include "http/h1.h"

#define HOST "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n" HOST

/* ---- Request heads ---- */

static const struct {
    const char *name;
    const char *text; /* followed by "REST" in the tests */
    int status;       /* 0: accepted */
} requests[] = {
    {"plain", GET HOST "\r\n", 0},
    {"fields", GET HOST "Accept: */*\r\nX:\r\nY: \t v v \t\r\n\r\n", 0},
    {"http 1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", 0},
    {"http 1.0 without host", "GET / HTTP/1.0\r\n\r\n", 0},
    {"http 1.0 with length", "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n", 0},
    {"any method", "M-SEARCH / HTTP/1.1\r\n" HOST "\r\n", 0},
    {"query", "GET /a//b/%2F/../;x?y=1&y={}|\"<>\\^`[] HTTP/1.1\r\n" HOST "\r\n", 0},
    {"obs-text in a value", GET HOST "A: \xff\x80\r\n\r\n", 0},
    {"host with port", GET "Host: a.b:443\r\n\r\n", 0},
    {"host ipv6", GET "host: [::1]:443\r\n\r\n", 0},
    {"host ipv6 without port", GET "host: [::1]\r\n\r\n", 0},
    {"host with empty port", GET "host: a:\r\n\r\n", 0},
    {"length", POST "Content-Length: 5\r\n\r\n", 0},
    {"length zero", POST "Content-Length: 0\r\n\r\n", 0},
    {"length 2^63-1", POST "Content-Length: 9223372036854775807\r\n\r\n", 0},
    {"length with zeros in front", POST "Content-Length: 0005\r\n\r\n", 0},
    {"chunked", POST "Transfer-Encoding: chunked\r\n\r\n", 0},
    {"chunked, any case", POST "transfer-ENCODING: Chunked\r\n\r\n", 0},
    {"two fields of one name", GET HOST "A: 1\r\nA: 2\r\n\r\n", 0},
    {"expect", POST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", 0},

    {"space before colon", GET HOST "A : b\r\n\r\n", 400},
    {"space before colon of host", GET "Host : a\r\n\r\n", 400},
    {"tab before colon", GET HOST "A\t: b\r\n\r\n", 400},
    {"folded line", GET HOST "A: b\r\n c\r\n\r\n", 400},
    {"folded with tab", GET HOST "A: b\r\n\tc\r\n\r\n", 400},
    {"folded transfer-encoding", POST "Transfer-Encoding:\r\n chunked\r\n\r\n", 400},
    {"blank before the first field", GET " Host: a\r\n\r\n", 400},
    {"bare lf in request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
    {"bare lf after field", GET "Host: a\n\r\n", 400},
    {"bare lf at the end", GET HOST "\n", 400},
    {"bare cr in value", GET HOST "A: b\rc\r\n\r\n", 400},
    {"bare cr in name", GET HOST "A\rB: b\r\n\r\n", 400},
    {"cr cr lf", GET HOST "A: b\r\r\n\r\n", 400},
    {"control in value", GET HOST "A: b\x01\r\n\r\n", 400},
    {"delete in value", GET HOST "A: b\x7f\r\n\r\n", 400},
    {"control in name", GET HOST "A\x01: b\r\n\r\n", 400},
    {"8-bit name", GET HOST "\xc3\xa4: b\r\n\r\n", 400},
    {"empty name", GET HOST ": b\r\n\r\n", 400},
    {"no colon", GET HOST "nothing\r\n\r\n", 400},
    {"quote in name", GET HOST "\"A\": b\r\n\r\n", 400},
    {"two lengths that differ", POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
    {"two lengths alike", POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
    {"list of lengths", POST "Content-Length: 1, 1\r\n\r\n", 400},
    {"negative length", POST "Content-Length: -1\r\n\r\n", 400},
    {"length with plus", POST "Content-Length: +1\r\n\r\n", 400},
    {"hex length", POST "Content-Length: 0x1\r\n\r\n", 400},
    {"empty length", POST "Content-Length:\r\n\r\n", 400},
    {"length with blank inside", POST "Content-Length: 1 1\r\n\r\n", 400},
    {"length 2^63", POST "Content-Length: 9223372036854775808\r\n\r\n", 400},
    {"length 2^64+1", POST "Content-Length: 18446744073709551617\r\n\r\n", 400},
    {"length and chunked", POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"chunked and length", POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
    {"chunked twice", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"chunked, chunked", POST "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
    {"gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 400},
    {"chunked with parameter", POST "Transfer-Encoding: chunked;a=b\r\n\r\n", 400},
    {"identity", POST "Transfer-Encoding: identity\r\n\r\n", 501},
    {"gzip", POST "Transfer-Encoding: gzip\r\n\r\n", 501},
    {"xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n", 501},
    {"vertical tab chunked",
     POST "Transfer-Encoding: \x0b"
          "chunked\r\n\r\n",
     400},
    {"empty transfer-encoding", POST "Transfer-Encoding:\r\n\r\n", 400},
    {"chunked in 1.0", "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 400},
    {"no host", GET "\r\n", 400},
    {"two hosts", GET HOST HOST "\r\n", 400},
    {"two hosts in 1.0", "GET / HTTP/1.0\r\n" HOST HOST "\r\n", 400},
    {"empty host", GET "Host:\r\n\r\n", 400},
    {"host with a path", GET "Host: a/b\r\n\r\n", 400},
    {"host with a user", GET "Host: u@a\r\n\r\n", 400},
    {"host with a blank", GET "Host: a b\r\n\r\n", 400},
    {"host with a large port", GET "Host: a:65536\r\n\r\n", 400},
    {"host with two ports", GET "Host: a:1:2\r\n\r\n", 400},
    {"host with half an address", GET "Host: [::1\r\n\r\n", 400},
    {"port without host", GET "Host: :443\r\n\r\n", 400},
    {"http 0.9", "GET /\r\n\r\n", 400},
    {"http 0.9 by name", "GET / HTTP/0.9\r\n" HOST "\r\n", 505},
    {"http 1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", 505},
    {"http 2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", 505},
    {"http 1.10", "GET / HTTP/1.10\r\n" HOST "\r\n", 400},
    {"http 01.1", "GET / HTTP/01.1\r\n" HOST "\r\n", 400},
    {"lower case http", "GET / http/1.1\r\n" HOST "\r\n", 400},
    {"preface of http 2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"two blanks before the target", "GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"two blanks before the version", "GET /  HTTP/1.1\r\n" HOST "\r\n", 400},
    {"blank after the version", "GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
    {"tab for a blank", "GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"blank before the method", " GET / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"empty line first", "\r\n" GET HOST "\r\n", 400},
    {"method that is no token", "G@T / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"8-bit target", "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"control in the target", "GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"delete in the target", "GET /\x7f HTTP/1.1\r\n" HOST "\r\n", 400},
    {"absolute target", "GET https://a/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"asterisk", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 400},
    {"relative target", "GET a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"connect", "CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n", 501},
    {"a tls hello", "\x16\x03\x01\x02\n", 400},
};

/* Feeds `text` in pieces of `first`, then `step` bytes. */
static enum io feed(struct str text, size_t first, size_t step, struct http_head *head,
                    struct str *left, int *status)
{
    scoped(h1_reader_free) struct h1_reader reader = {0};
    struct error err = {0};
    enum io result = IO_AGAIN;

    while (result == IO_AGAIN && text.len > 0) {
        struct str piece = str_first(text, first);

        text = str_skip(text, piece.len);
        result = h1_read_request(&reader, &piece, head, &err);
        *left = str_make(piece.data, piece.len + text.len);
        assert_int_equal(result == IO_FAILED, err.kind != ERROR_NONE);
        first = step;
    }
    *status = result == IO_FAILED ? reader.status : 0;
    return result;
}

static void read_request_is_strict_however_it_is_cut(void **state)
{
    for (size_t i = 0; i < count_of(requests); i++) {
        scoped(buf_free) struct buf text = {0};

        buf_append_text(&text, requests[i].text);
        buf_append_text(&text, "REST");
        for (size_t cut = 1; cut <= 2 * text.len; cut++) {
            scoped(http_head_free) struct http_head head = {0};
            struct str left;
            int status;
            /* The first half: two pieces; the second: many. */
            size_t first = cut <= text.len ? cut : cut - text.len;
            enum io result = feed(buf_str(&text), first, cut <= text.len ? text.len : first, &head,
                                  &left, &status);

            if (status != requests[i].status || result == IO_AGAIN)
                fail_msg("%s, cut at %zu: %d", requests[i].name, cut, status);
            if (requests[i].status == 0)
                assert_true(str_is(left, "REST"));
            else
                assert_true(head.field_count == 0 && !head.blocks && head.version == 0);
        }
    }
}

static void read_request_fills_the_head(void **state)
{
    scoped(http_head_free) struct http_head head = {0};
    struct str left;
    int status;

    feed(STR("PATCH /a?b=%2F HTTP/1.1\r\nX-A:  1 \r\nhOST: b:1\r\nx-a: 2,3\r\nE:\r\n\r\nbody"), 99,
         99, &head, &left, &status);

    assert_true(str_is(head.method, "PATCH"));
    assert_true(str_is(head.target, "/a?b=%2F"));
    assert_true(str_is(head.authority, "b:1"));
    assert_int_equal(11, head.version);
    assert_int_equal(3, head.field_count);
    assert_true(str_is(head.fields[0].name, "X-A"));
    assert_true(str_is(http_head_get(&head, "x-a"), "1"));
    assert_true(http_head_has_token(&head, "X-a", "3"));
    assert_true(http_head_get(&head, "e").data != NULL);
    assert_int_equal(0, http_head_get(&head, "e").len);
    assert_false(http_head_has(&head, "host"));
    assert_true(str_is(left, "body"));
}

static void read_request_answers_431_beyond_the_limits(void **state)
{
    for (size_t extra = 0; extra < 2; extra++) {
        scoped(http_head_free) struct http_head head = {0};
        scoped(buf_free) struct buf text = {0};
        struct str left;
        int status;

        /* Exactly the limit, then one byte more. */
        buf_append_text(&text, GET HOST "A: ");
        while (text.len < HTTP_HEAD_BYTES_MAX - 4 + extra)
            buf_append_char(&text, 'x');
        buf_append_text(&text, "\r\n\r\n");
        feed(buf_str(&text), 7777, 7777, &head, &left, &status);
        assert_int_equal(extra ? 431 : 0, status);
    }
    for (size_t extra = 0; extra < 2; extra++) {
        scoped(http_head_free) struct http_head head = {0};
        scoped(buf_free) struct buf text = {0};
        struct str left;
        int status;

        buf_append_text(&text, GET HOST);
        for (size_t i = 1; i < HTTP_FIELDS_MAX + extra; i++)
            buf_append_text(&text, "A: b\r\n");
        buf_append_text(&text, "\r\n");
        feed(buf_str(&text), text.len, 1, &head, &left, &status);
        assert_int_equal(extra ? 431 : 0, status);
    }
}

static void read_request_takes_no_time_when_bytes_trickle(void **state)
{
    scoped(h1_reader_free) struct h1_reader reader = {0};
    scoped(http_head_free) struct http_head head = {0};
    struct error err = {0};
    struct str begin = STR(GET HOST "A: ");

    assert_int_equal(IO_AGAIN, h1_read_request(&reader, &begin, &head, &err));
    /* Scanning all of it for each byte would be 8 * 10^9 steps. */
    for (size_t i = 0; i < HTTP_HEAD_BYTES_MAX - 100; i++) {
        struct str byte = STR("x");

        assert_int_equal(IO_AGAIN, h1_read_request(&reader, &byte, &head, &err));
        assert_int_equal(reader.bytes.len, reader.scanned);
    }
}

/* For the record of what was refused: all that is as it should be, up to the first empty line. */
static void read_remains_tells_who_sent_what_was_refused(void **state)
{
    static const char text[] =
        "GET /api/x HTTP/1.1\r\nHost: a\r\nX : 1\r\nAuthorization: Bearer y\r\n"
        "Z: 2\nQ: 3\r\n\r\nAuthorization: Bearer smuggled\r\n\r\n";
    scoped(h1_reader_free) struct h1_reader reader = {0};
    scoped(http_head_free) struct http_head head = {0}, remains = {0};
    struct str in = str_from(text);
    struct error err = {0};

    assert_int_equal(IO_FAILED, h1_read_request(&reader, &in, &head, &err));
    h1_read_remains(&reader, &remains);
    assert_true(str_is(remains.method, "GET") && str_is(remains.target, "/api/x"));
    assert_true(str_is(http_head_get(&remains, "authorization"), "Bearer y"));
    assert_int_equal(1, http_head_count(&remains, "authorization"));
    assert_false(http_head_has(&remains, "x") || http_head_has(&remains, "z"));
    assert_false(http_head_has(&remains, "host"));
}

static void read_remains_leaves_out_a_line_that_is_none(void **state)
{
    scoped(h1_reader_free) struct h1_reader reader = {0};
    scoped(http_head_free) struct http_head head = {0}, remains = {0};
    struct str in = STR("G(T /a#b HTTP/1.1\r\nQ: 3\r\n\r\n");
    struct error err = {0};

    assert_int_equal(IO_FAILED, h1_read_request(&reader, &in, &head, &err));
    h1_read_remains(&reader, &remains);
    assert_int_equal(0, remains.method.len + remains.target.len);
    assert_true(str_is(http_head_get(&remains, "q"), "3"));
}

static void reader_serves_one_head_after_the_other(void **state)
{
    scoped(h1_reader_free) struct h1_reader reader = {0};
    struct error err = {0};
    struct str in = STR("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET");

    for (int i = 1; i <= 2; i++) {
        scoped(http_head_free) struct http_head head = {0};

        assert_int_equal(IO_OK, h1_read_request(&reader, &in, &head, &err));
        assert_int_equal('0' + i, head.target.data[1]);
        assert_false(h1_reader_has_begun(&reader));
    }
    scoped(http_head_free) struct http_head head = {0};

    assert_int_equal(IO_AGAIN, h1_read_request(&reader, &in, &head, &err));
    assert_true(h1_reader_has_begun(&reader));
}

static void keeps_open_follows_version_and_connection(void **state)
{
    static const struct {
        const char *text;
        bool keeps;
    } cases[] = {
        {GET HOST "\r\n", true},
        {GET HOST "Connection: keep-alive\r\n\r\n", true},
        {GET HOST "Connection: x\r\nConnection: y, Close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false},
    };

    for (size_t i = 0; i < count_of(cases); i++) {
        scoped(http_head_free) struct http_head head = {0};
        struct str left;
        int status;

        assert_int_equal(IO_OK, feed(str_from(cases[i].text), 1, 1, &head, &left, &status));
        assert_int_equal(cases[i].keeps, h1_keeps_open(&head));
    }
}

/* ---- Response heads ---- */

static const struct {
    const char *name;
    const char *text;
    bool is_good;
} responses[] = {
    {"plain", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", true},
    {"1.0", "HTTP/1.0 200 OK\r\n\r\n", true},
    {"no reason", "HTTP/1.1 200 \r\n\r\n", true},
    {"no blank", "HTTP/1.1 200\r\n\r\n", true},
    {"long reason", "HTTP/1.1 404 Not \xc3\xa4 Found\r\n\r\n", true},
    {"informational", "HTTP/1.1 100 Continue\r\n\r\n", true},
    {"no content, zero", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", true},
    {"not modified, length", "HTTP/1.1 304 X\r\nContent-Length: 9\r\n\r\n", true},
    {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true},
    {"another version", "HTTP/1.2 200 OK\r\n\r\n", false},
    {"http 2", "HTTP/2.0 200 OK\r\n\r\n", false},
    {"http 2 without minor", "HTTP/2 200 OK\r\n\r\n", false},
    {"no status", "HTTP/1.1\r\n\r\n", false},
    {"two digits", "HTTP/1.1 20 OK\r\n\r\n", false},
    {"four digits", "HTTP/1.1 2000 OK\r\n\r\n", false},
    {"status 099", "HTTP/1.1 099 OK\r\n\r\n", false},
    {"status 600", "HTTP/1.1 600 OK\r\n\r\n", false},
    {"signed status", "HTTP/1.1 +20 OK\r\n\r\n", false},
    {"two blanks", "HTTP/1.1  200 OK\r\n\r\n", false},
    {"control in the reason", "HTTP/1.1 200 O\x01K\r\n\r\n", false},
    {"cr in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", false},
    {"bare lf", "HTTP/1.1 200 OK\nA: b\r\n\r\n", false},
    {"folded", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", false},
    {"space before colon", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", false},
    {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n", false},
    {"length and chunked",
     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", false},
    {"gzip, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", false},
    {"chunked in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false},
    {"body with 204", "HTTP/1.1 204 X\r\nContent-Length: 3\r\n\r\n", false},
    {"chunks with 204", "HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n", false},
    {"body with 100", "HTTP/1.1 100 X\r\nContent-Length: 3\r\n\r\n", false},
    {"ssh", "SSH-2.0-OpenSSH_9.2p1 Debian\r\n\r\n", false},
};

static void read_response_is_strict_however_it_is_cut(void **state)
{
    for (size_t i = 0; i < count_of(responses); i++) {
        struct str text = str_from(responses[i].text);

        for (size_t cut = 1; cut <= text.len; cut++) {
            scoped(h1_reader_free) struct h1_reader reader = {0};
            scoped(http_head_free) struct http_head head = {0};
            struct error err = {0};
            struct str first = str_first(text, cut);
            struct str second = str_skip(text, cut);
            enum io result = h1_read_response(&reader, &first, &head, &err);

            if (result == IO_AGAIN)
                result = h1_read_response(&reader, &second, &head, &err);
            if (result != (responses[i].is_good ? IO_OK : IO_FAILED))
                fail_msg("%s, cut at %zu: %d %s", responses[i].name, cut, result, err.text);
        }
    }
}

static void read_response_fills_the_head(void **state)
{
    scoped(h1_reader_free) struct h1_reader reader = {0};
    scoped(http_head_free) struct http_head head = {0};
    struct error err = {0};
    struct str in = STR("HTTP/1.1 409 It was  so\r\nA: b\r\n\r\nx");

    assert_int_equal(IO_OK, h1_read_response(&reader, &in, &head, &err));
    assert_int_equal(409, head.status);
    assert_true(str_is(head.reason, "It was  so"));
    assert_int_equal(1, head.field_count);
    assert_true(str_is(in, "x"));
}

/* ---- Bodies ---- */

static const struct {
    const char *name;
    const char *text;
    const char *data; /* NULL: refused */
    const char *rest;
} chunked[] = {
    {"nothing", "0\r\n\r\nREST", "", "REST"},
    {"two chunks", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde", ""},
    {"upper case", "A\r\n0123456789\r\n0\r\n\r\nGET", "0123456789", "GET"},
    {"zeros in front", "003\r\nabc\r\n000\r\n\r\n", "abc", ""},
    {"15 digits", "000000000000003\r\nabc\r\n0\r\n\r\n", "abc", ""},
    {"line ends in the data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", ""},
    {"trailers", "1\r\na\r\n0\r\nX-A: b\r\nX-C:d\r\n\r\nR", "a", "R"},
    {"16 digits", "0000000000000003\r\nabc\r\n0\r\n\r\n", NULL, NULL},
    {"16 large digits", "fffffffffffffff0\r\nabc", NULL, NULL},
    {"no digit", "\r\nabc\r\n0\r\n\r\n", NULL, NULL},
    {"extension", "3;a=b\r\nabc\r\n0\r\n\r\n", NULL, NULL},
    {"extension of the last", "0;a\r\n\r\n", NULL, NULL},
    {"blank after the size", "3 \r\nabc\r\n0\r\n\r\n", NULL, NULL},
    {"blank before the size", " 3\r\nabc\r\n0\r\n\r\n", NULL, NULL},
    {"0x", "0x3\r\nabc\r\n0\r\n\r\n", NULL, NULL},
    {"sign", "+3\r\nabc\r\n0\r\n\r\n", NULL, NULL},
    {"bare lf after the size", "3\nabc\r\n0\r\n\r\n", NULL, NULL},
    {"bare cr after the size", "3\rabc\r\n0\r\n\r\n", NULL, NULL},
    {"wrong terminator", "3\r\nabcXX0\r\n\r\n", NULL, NULL},
    {"wrong byte for cr", "3\r\nabcX\n0\r\n\r\n", NULL, NULL},
    {"wrong byte for lf", "3\r\nabc\rX0\r\n\r\n", NULL, NULL},
    {"wrong byte for lf after the size", "3\rXabc\r\n0\r\n\r\n", NULL, NULL},
    {"bare lf after the data", "3\r\nabc\n0\r\n\r\n", NULL, NULL},
    {"data too long", "3\r\nabcd\r\n0\r\n\r\n", NULL, NULL},
    {"trailer with space", "0\r\nA : b\r\n\r\n", NULL, NULL},
    {"folded trailer", "0\r\nA: b\r\n c\r\n\r\n", NULL, NULL},
    {"bare lf in trailers", "0\r\nA: b\n\r\n", NULL, NULL},
    {"bare lf at the end", "0\r\n\n", NULL, NULL},
    {"length as trailer", "0\r\nContent-Length: 3\r\n\r\n", NULL, NULL},
    {"host as trailer", "0\r\nHost: b\r\n\r\n", NULL, NULL},
    {"bearer as trailer", "0\r\nAuthorization: b\r\n\r\n", NULL, NULL},
    {"identity as trailer", "0\r\nX-Remote-User: b\r\n\r\n", NULL, NULL},
};

static void body_next_decodes_chunks_however_they_are_cut(void **state)
{
    for (size_t i = 0; i < count_of(chunked); i++) {
        for (size_t cut = 1; cut <= strlen(chunked[i].text); cut++) {
            scoped(h1_body_free) struct h1_body body = {.framing = H1_CHUNKED};
            scoped(http_head_free) struct http_head trailers = {0};
            scoped(buf_free) struct buf got = {0};
            struct error err = {0};
            struct str text = str_from(chunked[i].text);
            struct str in = str_first(text, cut);
            struct str data;
            enum io result = IO_AGAIN;

            for (;;) {
                assert_false(result == IO_AGAIN && h1_body_may_end(&body));
                result = h1_body_next(&body, &in, &data, &trailers, &err);
                if (result == IO_OK) {
                    assert_true(data.len > 0);
                    buf_append_str(&got, data);
                } else if (result == IO_AGAIN && cut < text.len) {
                    assert_int_equal(0, in.len);
                    in = str_skip(text, cut);
                    text.len = cut; /* the second piece is the last */
                } else {
                    break;
                }
            }
            if (!chunked[i].data) {
                if (result != IO_FAILED)
                    fail_msg("%s, cut at %zu: %d", chunked[i].name, cut, result);
                assert_int_equal(ERROR_PROTOCOL, err.kind);
                continue;
            }
            if (result != IO_EOF || !str_is(buf_str(&got), chunked[i].data))
                fail_msg("%s, cut at %zu: %d %s", chunked[i].name, cut, result, err.text);
            assert_true(h1_body_may_end(&body));
            if (cut == strlen(chunked[i].text))
                assert_true(str_is(in, chunked[i].rest));
            assert_int_equal(IO_EOF, h1_body_next(&body, &in, &data, &trailers, &err));
        }
    }
}

static void body_next_bounds_trailers(void **state)
{
    scoped(h1_body_free) struct h1_body body = {.framing = H1_CHUNKED};
    scoped(http_head_free) struct http_head trailers = {0};
    scoped(buf_free) struct buf text = {0};
    struct error err = {0};
    struct str data;

    buf_append_text(&text, "0\r\nA: ");
    while (text.len < HTTP_TRAILER_BYTES_MAX + 10)
        buf_append_char(&text, 'x');
    struct str in = buf_str(&text);

    assert_int_equal(IO_FAILED, h1_body_next(&body, &in, &data, &trailers, &err));
    assert_false(h1_body_may_end(&body));
}

static void body_next_gives_trailers(void **state)
{
    scoped(h1_body_free) struct h1_body body = {.framing = H1_CHUNKED};
    scoped(http_head_free) struct http_head trailers = {0};
    struct error err = {0};
    struct str data;
    struct str in = STR("0\r\nX-Sum: 1 2\r\n\r\n");

    assert_int_equal(IO_EOF, h1_body_next(&body, &in, &data, &trailers, &err));
    assert_true(str_is(http_head_get(&trailers, "x-sum"), "1 2"));
}

static void body_of_response_follows_rfc_9112(void **state)
{
    static const struct {
        const char *method, *text;
        enum h1_framing framing;
        uint64_t left;
    } cases[] = {
        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", H1_LENGTH, 5},
        {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", H1_CHUNKED, 0},
        {"GET", "HTTP/1.1 200 OK\r\n\r\n", H1_UNTIL_CLOSE, 0},
        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", H1_NO_BODY, 0},
        {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", H1_NO_BODY, 0},
        {"GET", "HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n", H1_NO_BODY, 0},
        {"GET", "HTTP/1.1 204 X\r\n\r\n", H1_NO_BODY, 0},
        {"GET", "HTTP/1.1 100 X\r\n\r\n", H1_NO_BODY, 0},
    };

    for (size_t i = 0; i < count_of(cases); i++) {
        scoped(h1_reader_free) struct h1_reader reader = {0};
        scoped(http_head_free) struct http_head head = {0};
        struct error err = {0};
        struct str in = str_from(cases[i].text);

        assert_int_equal(IO_OK, h1_read_response(&reader, &in, &head, &err));
        struct h1_body body = h1_body_of_response(&head, str_from(cases[i].method));

        assert_int_equal(cases[i].framing, body.framing);
        assert_int_equal(cases[i].left, body.left);
    }
}

static void body_next_stops_at_the_length(void **state)
{
    scoped(h1_body_free) struct h1_body body = {.framing = H1_LENGTH, .left = 5};
    scoped(http_head_free) struct http_head trailers = {0};
    struct error err = {0};
    struct str in = STR("abc");
    struct str data;

    assert_int_equal(IO_OK, h1_body_next(&body, &in, &data, &trailers, &err));
    assert_true(str_is(data, "abc"));
    assert_int_equal(IO_AGAIN, h1_body_next(&body, &in, &data, &trailers, &err));
    assert_false(h1_body_may_end(&body));
    in = STR("deGET /");
    assert_int_equal(IO_OK, h1_body_next(&body, &in, &data, &trailers, &err));
    assert_true(str_is(data, "de"));
    assert_int_equal(IO_EOF, h1_body_next(&body, &in, &data, &trailers, &err));
    assert_true(str_is(in, "GET /"));
    assert_true(h1_body_may_end(&body));
}

static void body_next_until_close_may_end_anywhere(void **state)
{
    scoped(h1_body_free) struct h1_body body = {.framing = H1_UNTIL_CLOSE};
    scoped(http_head_free) struct http_head trailers = {0};
    struct error err = {0};
    struct str in = STR("abc");
    struct str data;

    assert_int_equal(IO_OK, h1_body_next(&body, &in, &data, &trailers, &err));
    assert_true(str_is(data, "abc"));
    assert_int_equal(IO_AGAIN, h1_body_next(&body, &in, &data, &trailers, &err));
    assert_true(h1_body_may_end(&body));
}

/* ---- Writers ---- */

static void write_request_gives_what_is_read_again(void **state)
{
    scoped(h1_reader_free) struct h1_reader reader = {0};
    scoped(http_head_free) struct http_head head = {
        .method = STR("POST"), .target = STR("/a%2F?b"), .authority = STR("c:1")};
    scoped(http_head_free) struct http_head again = {0};
    scoped(buf_free) struct buf out = {0};
    struct error err = {0};

    http_head_add(&head, "X-A", STR("1"));
    http_head_add(&head, "X-A", STR("2"));
    assert_int_equal(0, h1_write_request(&out, &head, H1_CHUNKED, H1_CLOSE, &err));
    assert_true(str_is(buf_str(&out), "POST /a%2F?b HTTP/1.1\r\nHost: c:1\r\nX-A: 1\r\nX-A: 2\r\n"
                                      "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"));
    struct str in = buf_str(&out);

    assert_int_equal(IO_OK, h1_read_request(&reader, &in, &again, &err));
    assert_int_equal(H1_CHUNKED, h1_body_of_request(&again).framing);
}

static void write_response_frames_for_old_clients(void **state)
{
    scoped(http_head_free) struct http_head head = {.status = 200};
    scoped(buf_free) struct buf out = {0};
    struct error err = {0};
    enum h1_framing framing = h1_framing_of_response(&head, STR("GET"), 10);

    assert_int_equal(H1_UNTIL_CLOSE, framing);
    assert_int_equal(-1, h1_write_response(&out, &head, framing, H1_KEEP, &err));
    assert_int_equal(0, h1_write_response(&out, &head, framing, H1_CLOSE, &err));
    assert_true(str_is(buf_str(&out), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"));
    assert_int_equal(H1_CHUNKED, h1_framing_of_response(&head, STR("GET"), 11));
    assert_int_equal(H1_NO_BODY, h1_framing_of_response(&head, STR("HEAD"), 11));
    http_head_add(&head, "Content-Length", STR("3"));
    assert_int_equal(H1_LENGTH, h1_framing_of_response(&head, STR("GET"), 10));
}

static void write_refuses_what_would_split_the_message(void **state)
{
    static const struct {
        const char *name, *value;
    } cases[] = {
        {"A", "b\r\nC: d"},
        {"A", "b\nC"},
        {"A\r\nB", "c"},
        {"A ", "b"},
        {"", "b"},
        {"A:", "b"},
        {"Host", "b"},
        {"Content-Length", "5"},
        {"Transfer-Encoding", "chunked"},
        {"A", " b"},
    };

    for (size_t i = 0; i < count_of(cases); i++) {
        scoped(http_head_free) struct http_head head = {
            .method = STR("GET"), .target = STR("/"), .authority = STR("a"), .status = 200};
        scoped(buf_free) struct buf out = {0};
        struct error err = {0};

        http_head_add(&head, cases[i].name, str_from(cases[i].value));
        assert_int_equal(-1, h1_write_request(&out, &head, H1_CHUNKED, H1_KEEP, &err));
        assert_int_equal(ERROR_INTERNAL, err.kind);
        assert_int_equal(-1, h1_write_response(&out, &head, H1_CHUNKED, H1_KEEP, &err));
        assert_int_equal(0, out.len);
    }
}

static void write_chunks_are_read_again(void **state)
{
    scoped(h1_body_free) struct h1_body body = {.framing = H1_CHUNKED};
    scoped(http_head_free) struct http_head trailers = {0};
    scoped(http_head_free) struct http_head again = {0};
    scoped(buf_free) struct buf out = {0};
    struct error err = {0};
    struct str data;

    http_head_add(&trailers, "X-Sum", STR("1"));
    http_head_add(&trailers, "Content-Length", STR("1"));
    h1_write_chunk(&out, STR("hello, this is a chunk"));
    h1_write_chunk(&out, STR(""));
    h1_write_last_chunk(&out, &trailers);
    assert_true(str_is(buf_str(&out), "16\r\nhello, this is a chunk\r\n0\r\nX-Sum: 1\r\n\r\n"));
    struct str in = buf_str(&out);

    assert_int_equal(IO_OK, h1_body_next(&body, &in, &data, &again, &err));
    assert_true(str_is(data, "hello, this is a chunk"));
    assert_int_equal(IO_EOF, h1_body_next(&body, &in, &data, &again, &err));
    assert_int_equal(1, again.field_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_request_is_strict_however_it_is_cut),
        cmocka_unit_test(read_request_fills_the_head),
        cmocka_unit_test(read_request_answers_431_beyond_the_limits),
        cmocka_unit_test(read_request_takes_no_time_when_bytes_trickle),
        cmocka_unit_test(read_remains_tells_who_sent_what_was_refused),
        cmocka_unit_test(read_remains_leaves_out_a_line_that_is_none),
        cmocka_unit_test(reader_serves_one_head_after_the_other),
        cmocka_unit_test(keeps_open_follows_version_and_connection),
        cmocka_unit_test(read_response_is_strict_however_it_is_cut),
        cmocka_unit_test(read_response_fills_the_head),
        cmocka_unit_test(body_next_decodes_chunks_however_they_are_cut),
        cmocka_unit_test(body_next_bounds_trailers),
        cmocka_unit_test(body_next_gives_trailers),
        cmocka_unit_test(body_of_response_follows_rfc_9112),
        cmocka_unit_test(body_next_stops_at_the_length),
        cmocka_unit_test(body_next_until_close_may_end_anywhere),
        cmocka_unit_test(write_request_gives_what_is_read_again),
        cmocka_unit_test(write_response_frames_for_old_clients),
        cmocka_unit_test(write_refuses_what_would_split_the_message),
        cmocka_unit_test(write_chunks_are_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
