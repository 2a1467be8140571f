#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/scoped.h"
#include "net/proxy_talk.h"
#include "net/proxy_url.h"

static void parse_reads_what_go_reads(void **state)
{
    static const struct {
        const char *text;
        enum proxy_kind kind;
        const char *host;
        unsigned port;
        const char *user, *password;
    } rows[] = {
        {"http://p", PROXY_HTTP, "p", 80, NULL, NULL},
        {"HTTP://p:3128/", PROXY_HTTP, "p", 3128, NULL, NULL},
        {"https://p", PROXY_HTTPS, "p", 443, NULL, NULL},
        {"socks5://p", PROXY_SOCKS5, "p", 1080, NULL, NULL},
        {"socks5h://[::1]:9", PROXY_SOCKS5, "::1", 9, NULL, NULL},
        {"http://a%40b:p%3aw:x@h:1?q", PROXY_HTTP, "h", 1, "a@b", "p:w:x"},
        {"http://a@h", PROXY_HTTP, "h", 80, "a", ""},
        {"http://h:", PROXY_HTTP, "h", 80, NULL, NULL},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        scoped(proxy_url_free) struct proxy_url proxy = {0};
        struct error err = {0};

        if (proxy_url_parse(&proxy, str_from(rows[i].text), &err) < 0)
            fail_msg("%s: %s", rows[i].text, err.text);
        assert_int_equal(rows[i].kind, proxy.kind);
        assert_string_equal(rows[i].host, proxy.host);
        assert_int_equal(rows[i].port, proxy.port);
        assert_string_equal(rows[i].user ? rows[i].user : "-", proxy.user ? proxy.user : "-");
        assert_string_equal(rows[i].password ? rows[i].password : "-",
                            proxy.password ? proxy.password : "-");
    }
}

static void parse_refuses_without_showing_it(void **state)
{
    static const char *const texts[] = {
        "",
        "secret",
        "ftp://secret@h",
        "http://",
        "http://u:secret@",
        "http://u:secret%@h",
        "http://u:secret%00@h",
        "http://u:secret@h:0",
        "http://u:secret@h:65536",
        "http://u:secret@h h",
        "http://u:secret@a:b:c",
        "http://u:secret@[::1",
        "http://u:secret@[::1]x",
    };

    for (size_t i = 0; i < count_of(texts); i++) {
        struct proxy_url proxy = {0};
        struct error err = {0};

        if (proxy_url_parse(&proxy, str_from(texts[i]), &err) == 0)
            fail_msg("%s", texts[i]);
        assert_int_equal(ERROR_CONFIG, err.kind);
        assert_true(err.fix[0]);
        assert_null(strstr(err.text, "secret"));
        assert_null(proxy.host);
    }
}

/* The table of golang.org/x/net/http/httpproxy's own tests, as far as it is about servers. */
static void environment_says_what_go_makes_of_it(void **state)
{
    static const struct {
        const char *proxy, *except;
        bool is_tls;
        const char *host;
        unsigned port;
        const char *expected; /* host of the proxy; NULL: none */
    } rows[] = {
        {"HTTPS_PROXY=http://p:1", "", true, "api.example", 443, "p"},
        {"https_proxy=p:1", "", true, "api.example", 443, "p"},
        {"HTTPS_PROXY=http://p:1", "", false, "api.example", 80, NULL},
        {"HTTP_PROXY=http://p:1", "", false, "api.example", 80, "p"},
        {"HTTP_PROXY=http://p:1", "", true, "api.example", 443, NULL},
        {"HTTPS_PROXY=", "", true, "api.example", 443, NULL},
        {"HTTPS_PROXY=http://p", "", true, "localhost", 443, NULL},
        {"HTTPS_PROXY=http://p", "", true, "127.9.9.9", 443, NULL},
        {"HTTPS_PROXY=http://p", "", true, "::1", 443, NULL},
        {"HTTPS_PROXY=http://p", "NO_PROXY=*", true, "a.b", 443, NULL},
        {"HTTPS_PROXY=http://p", "NO_PROXY=b", true, "a.b", 443, NULL},
        {"HTTPS_PROXY=http://p", "NO_PROXY=B", true, "b", 443, NULL},
        {"HTTPS_PROXY=http://p", "NO_PROXY=.b", true, "b", 443, "p"},
        {"HTTPS_PROXY=http://p", "NO_PROXY=.b", true, "a.b", 443, NULL},
        {"HTTPS_PROXY=http://p", "NO_PROXY=*.b", true, "b", 443, "p"},
        {"HTTPS_PROXY=http://p", "NO_PROXY=*.b", true, "a.b", 443, NULL},
        {"HTTPS_PROXY=http://p", "NO_PROXY=b", true, "ab", 443, "p"},
        {"HTTPS_PROXY=http://p", "no_proxy=x, b:6443", true, "b", 6443, NULL},
        {"HTTPS_PROXY=http://p", "no_proxy=x, b:6443", true, "b", 443, "p"},
        {"HTTPS_PROXY=http://p", "NO_PROXY=10.0.0.0/8", true, "10.9.8.7", 443, NULL},
        {"HTTPS_PROXY=http://p", "NO_PROXY=10.0.0.0/8", true, "11.9.8.7", 443, "p"},
        {"HTTPS_PROXY=http://p", "NO_PROXY=fd00::/8", true, "fd12::1", 443, NULL},
        {"HTTPS_PROXY=http://p", "NO_PROXY=10.0.0.1:443", true, "10.0.0.1", 443, NULL},
        {"HTTPS_PROXY=http://p", "NO_PROXY=10.0.0.1:80", true, "10.0.0.1", 443, "p"},
        {"HTTPS_PROXY=http://p", "NO_PROXY=[fd00::1]:443", true, "fd00::1", 443, NULL},
        {"HTTPS_PROXY=http://p", "NO_PROXY=fd00::1", true, "fd00::1", 443, NULL},
        {"HTTPS_PROXY=http://p", "NO_PROXY=0.0.1", true, "10.0.0.1", 443, "p"},
        {"HTTPS_PROXY=http://p", "NO_PROXY=,:443,/,[", true, "a.b", 443, "p"},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        char *environment[] = {(char *)rows[i].proxy, (char *)rows[i].except, NULL};
        scoped(proxy_url_free) struct proxy_url proxy = {0};
        struct error err = {0};

        assert_int_equal(0, proxy_url_from_environment(&proxy, environment, rows[i].is_tls,
                                                       rows[i].host, (uint16_t)rows[i].port, &err));
        const char *found = proxy.kind == PROXY_NONE ? NULL : proxy.host;

        if (!found != !rows[i].expected || (found && strcmp(found, rows[i].expected) != 0))
            fail_msg("row %zu: %s", i, found ? found : "none");
    }
}

static void environment_with_a_bad_url_is_an_error(void **state)
{
    char *environment[] = {"HTTPS_PROXY=ftp://secret@x", NULL};
    struct proxy_url proxy = {0};
    struct error err = {0};

    assert_int_equal(-1, proxy_url_from_environment(&proxy, environment, true, "a.b", 443, &err));
    assert_string_equal("HTTPS_PROXY: the proxy's URL is not of http, https or socks5", err.text);
}

/* In a table: a literal with its NULs. */
#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

/* --- talking to it */

/* Feeds `answers`, a byte at a time or all at once, and returns how that ended. */
static enum io talk(const char *url, const char *host, struct str answers, size_t step,
                    struct buf *sent, struct error *err)
{
    scoped(proxy_url_free) struct proxy_url proxy = {0};
    scoped(proxy_talk_free) struct proxy_talk talk = {0};
    enum io status = IO_AGAIN;

    assert_int_equal(0, proxy_url_parse(&proxy, str_from(url), err));
    proxy_talk_begin(&talk, &proxy, host, 6443, sent);
    while (status == IO_AGAIN && answers.len) {
        struct str piece = str_first(answers, step);

        answers = str_skip(answers, piece.len);
        status = proxy_talk_read(&talk, piece, sent, err);
    }
    return status;
}

static void talk_opens_the_way(void **state)
{
    static const struct {
        const char *url, *host;
        struct str answers, sent;
    } rows[] = {
        {"http://p", "api.example", BYTES("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"),
         BYTES("CONNECT api.example:6443 HTTP/1.1\r\nHost: api.example:6443\r\n"
               "User-Agent: kubectl-hoop\r\n\r\n")},
        {"https://u:w@p", "fd00::1", BYTES("HTTP/1.0 100 a\r\n\r\nHTTP/1.0 204\r\n\r\n"),
         BYTES("CONNECT [fd00::1]:6443 HTTP/1.1\r\nHost: [fd00::1]:6443\r\nUser-Agent: "
               "kubectl-hoop\r\n"
               "Proxy-Authorization: Basic dTp3\r\n\r\n")},
        {"socks5://p", "a.b", BYTES("\5\0\5\0\0\1\1\2\3\4\0\1"),
         BYTES("\5\1\0\5\1\0\3\3a.b\x19\x2b")},
        {"socks5://p", "10.0.0.1", BYTES("\5\0\5\0\0\3\2xy\0\1"),
         BYTES("\5\1\0\5\1\0\1\x0a\0\0\1\x19\x2b")},
        {"socks5://us:pwd@p", "a.b", BYTES("\5\2\1\0\5\0\0\1\1\2\3\4\0\1"),
         BYTES("\5\2\0\2\1\2us\3pwd\5\1\0\3\3a.b\x19\x2b")},
    };

    for (size_t i = 0; i < count_of(rows); i++)
        for (size_t step = 1; step <= 64; step += 63) {
            scoped(buf_free) struct buf sent = {0};
            struct error err = {0};

            if (talk(rows[i].url, rows[i].host, rows[i].answers, step, &sent, &err) != IO_OK)
                fail_msg("row %zu, step %zu: %s", i, step, err.text);
            if (!str_equal(rows[i].sent, buf_str(&sent)))
                fail_msg("row %zu: %.*s", i, STR_ARG(buf_str(&sent)));
        }
}

static void talk_says_why_it_was_refused(void **state)
{
    static const struct {
        const char *url;
        struct str answers;
        const char *error;
        enum error_kind kind;
    } rows[] = {
        {"http://p", BYTES("HTTP/1.1 407 Auth\x1b[1m Required\r\nA: b\r\n\r\nbody"),
         "it refused with 407 Auth[1m Required", ERROR_NETWORK},
        {"http://p", BYTES("HTTP/1.1 200\r\n\r\nx"), "it sent more than its answer",
         ERROR_PROTOCOL},
        {"http://p", BYTES("SSH-2.0"), "it does not answer as a proxy does", ERROR_PROTOCOL},
        {"http://p", BYTES("HTTP/1.1 2000 x\r\n\r\n"), "does not answer as a proxy",
         ERROR_PROTOCOL},
        {"socks5://p", BYTES("\5\2"), "it wants to know who asks", ERROR_NETWORK},
        {"socks5://p", BYTES("\5\xff"), "it wants to know who asks", ERROR_NETWORK},
        {"socks5://u:w@p", BYTES("\5\2\1\1"), "it refused the user", ERROR_NETWORK},
        {"socks5://p", BYTES("HTTP/1.1 400"), "does not answer as a proxy", ERROR_PROTOCOL},
        {"socks5://p", BYTES("\5\0\5\5\0\1\0\0\0\0\0\0"), "connection refused", ERROR_NETWORK},
        {"socks5://p", BYTES("\5\0\5\x63\0\1\0\0\0\0\0\0"), "no reason known", ERROR_NETWORK},
        {"socks5://p", BYTES("\5\0\5\0\0\1\0\0\0\0\0\0x"), "more than its answer", ERROR_PROTOCOL},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        scoped(buf_free) struct buf sent = {0};
        struct error err = {0};

        if (talk(rows[i].url, "h", rows[i].answers, 64, &sent, &err) != IO_FAILED ||
            !strstr(err.text, rows[i].error))
            fail_msg("row %zu: %s", i, err.text);
        assert_int_equal(rows[i].kind, err.kind);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_reads_what_go_reads),
        cmocka_unit_test(parse_refuses_without_showing_it),
        cmocka_unit_test(environment_says_what_go_makes_of_it),
        cmocka_unit_test(environment_with_a_bad_url_is_an_error),
        cmocka_unit_test(talk_opens_the_way),
        cmocka_unit_test(talk_says_why_it_was_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
