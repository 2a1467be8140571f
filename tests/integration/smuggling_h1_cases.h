/* smuggling_h1_cases.h - what a client may send over HTTP/1.1 to be read in two ways, and what
 * becomes of it (RFC 9112 section 11). Only for test_smuggling.c. */
#pragma once

#include "base/str.h"

#define WHO "{who}" /* Host and Authorization, as they should be */
#define POST "POST /kind/x HTTP/1.1\r\n" WHO
#define GET "GET /kind/x HTTP/1.1\r\n" WHO
#define SMUGGLED "GET /kind/smuggled HTTP/1.1\r\n" WHO "\r\n"

struct h1_case {
    const char *name;
    struct str bytes;     /* a literal: NULs may be in it */
    int status;           /* of the refusal, which closes the connection; 200: forwarded */
    const char *line;     /* forwarded: what the server sees */
    const char *body;     /* and its body */
    int after;            /* the status of what stands behind it, 0: nothing stands there */
    bool is_unrecordable; /* nobody can tell who sent it */
    bool stays_open;      /* refused, but there is no doubt about where it ends */
};

#define REFUSED(status, name, bytes)                                                               \
    {                                                                                              \
        name, STR(bytes), status                                                                   \
    }
#define UNKNOWN(status, name, bytes)                                                               \
    {                                                                                              \
        name, STR(bytes), status, .is_unrecordable = true                                          \
    }
#define UNASKED(status, name, bytes)                                                               \
    {                                                                                              \
        name, STR(bytes), status, .is_unrecordable = true, .stays_open = true                      \
    }
#define PASSED(name, line, body, bytes)                                                            \
    {                                                                                              \
        name, STR(bytes), 200, line, body                                                          \
    }
/* A clean request; what stands behind it is no body, but a request, which is refused. */
#define PASSED_THEN(after, name, line, body, bytes)                                                \
    {                                                                                              \
        name, STR(bytes), 200, line, body, after                                                   \
    }

static const struct h1_case h1_cases[] = {
    /* ---- Two lengths ---- */
    REFUSED(400, "CL.TE",
            POST "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX" SMUGGLED),
    REFUSED(400, "TE.CL",
            POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n12\r\n" SMUGGLED),
    REFUSED(400, "CL.0 with TE",
            POST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "0\r\n\r\n"),
    REFUSED(400, "two that differ",
            POST "Content-Length: 5\r\nContent-Length: 0\r\n\r\n"
                 "hello" SMUGGLED),
    REFUSED(400, "two that agree", POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    REFUSED(400, "a list that agrees", POST "Content-Length: 5, 5\r\n\r\nhello"),
    REFUSED(400, "a list that differs", POST "Content-Length: 1,2\r\n\r\nhi"),
    REFUSED(400, "a list with an empty end", POST "Content-Length: 5,\r\n\r\nhello"),
    /* ---- Lengths that are none ---- */
    REFUSED(400, "plus", POST "Content-Length: +5\r\n\r\nhello"),
    REFUSED(400, "minus", POST "Content-Length: -5\r\n\r\nhello"),
    REFUSED(400, "minus zero", POST "Content-Length: -0\r\n\r\n" SMUGGLED),
    REFUSED(400, "empty", POST "Content-Length: \r\n\r\nhello"),
    REFUSED(400, "empty without a blank", POST "Content-Length:\r\n\r\n" SMUGGLED),
    REFUSED(400, "hexadecimal", POST "Content-Length: 0x5\r\n\r\nhello"),
    REFUSED(400, "a unit", POST "Content-Length: 5b\r\n\r\nhello"),
    REFUSED(400, "a fraction", POST "Content-Length: 5.0\r\n\r\nhello"),
    REFUSED(400, "an exponent", POST "Content-Length: 5e0\r\n\r\nhello"),
    REFUSED(400, "a blank inside", POST "Content-Length: 5 0\r\n\r\nhello"),
    REFUSED(400, "quoted", POST "Content-Length: \"5\"\r\n\r\nhello"),
    REFUSED(400, "underscore", POST "Content-Length: 1_0\r\n\r\nhellohello"),
    REFUSED(400, "2^63", POST "Content-Length: 9223372036854775808\r\n\r\nhello"),
    REFUSED(400, "2^64", POST "Content-Length: 18446744073709551616\r\n\r\n" SMUGGLED),
    REFUSED(400, "2^64+5", POST "Content-Length: 18446744073709551621\r\n\r\nhello" SMUGGLED),
    REFUSED(400, "a NUL behind", POST "Content-Length: 5\0\r\n\r\nhello"),
    REFUSED(400, "a vertical tab before", POST "Content-Length: \v5\r\n\r\nhello"),
    REFUSED(400, "Arabic digits", POST "Content-Length: \xd9\xa5\r\n\r\nhello"),
    PASSED("zeros before", "POST /x", "hello", POST "Content-Length: 0005\r\n\r\nhello"),
    PASSED("blanks around", "POST /x", "hello", POST "Content-Length: \t 5 \t\r\n\r\nhello"),
    PASSED("another case", "POST /x", "hello", POST "cOnTeNt-LeNgTh: 5\r\n\r\nhello"),
    PASSED("a request as the body", "POST /x", "GET /smuggled HTTP/1.1\r\n\r\n",
           POST "Content-Length: 26\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
    PASSED("underscore in the name", "POST /x", "hello",
           POST "Content_Length: 0\r\nContent-Length: 5\r\n\r\nhello"),
    PASSED_THEN(400, "longer than its length", "POST /x", "hell",
                POST "Content-Length: 4\r\n\r\nhellG\r\n\r\n"),
    PASSED_THEN(400, "a body without a length", "POST /x", "", POST "\r\nhello=1\r\n\r\n"),
    PASSED_THEN(400, "GET with a body without a length", "GET /x", "", GET "\r\nhello\r\n\r\n"),
    PASSED("GET with a body", "GET /x", "hello", GET "Content-Length: 5\r\n\r\nhello"),
    PASSED("DELETE with chunks", "DELETE /x", "hello",
           "DELETE /kind/x HTTP/1.1\r\n" WHO "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
           "0\r\n\r\n"),
    /* ---- Chunks ---- */
    PASSED("chunks", "POST /x", "hello",
           POST "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
    PASSED("sizes in upper case with zeros", "POST /x", "hellohello",
           POST "Transfer-Encoding: chunked\r\n\r\n000A\r\nhellohello\r\n000\r\n\r\n"),
    PASSED("a chunk that is a request", "POST /x", "0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
           POST "Transfer-Encoding: chunked\r\n\r\n17\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n\r\n"
                "0\r\n\r\n"),
    REFUSED(400, "size with a sign",
            POST "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, "negative size", POST "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" SMUGGLED),
    REFUSED(400, "size with 0x",
            POST "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, "size with a blank behind",
            POST "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, "size with a blank before",
            POST "Transfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, "size with a tab behind",
            POST "Transfer-Encoding: chunked\r\n\r\n5\t\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, "an extension",
            POST "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, "an extension at the last",
            POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0;a\r\n\r\n"),
    REFUSED(400, "an extension with a line feed",
            POST "Transfer-Encoding: chunked\r\n\r\n5;\n\r\nhello\r\n0\r\n\r\n" SMUGGLED),
    REFUSED(400, "an extension that hides a size",
            POST "Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n4c\r\n0\r\n\r\n" SMUGGLED),
    REFUSED(400, "no size", POST "Transfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, "size that is no number",
            POST "Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, "size beyond 64 bits",
            POST "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, "size of 2^63",
            POST "Transfer-Encoding: chunked\r\n\r\n8000000000000000\r\nhello"),
    REFUSED(400, "endless zeros before",
            POST "Transfer-Encoding: chunked\r\n\r\n00000000000000005\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, "size before a bare line feed",
            POST "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"),
    REFUSED(400, "size before a bare CR",
            POST "Transfer-Encoding: chunked\r\n\r\n5\rhello\r\n0\r\n\r\n"),
    REFUSED(400, "data before a bare line feed",
            POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n"),
    REFUSED(400, "data without an end",
            POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n"),
    REFUSED(400, "data before two other bytes",
            POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n" SMUGGLED),
    REFUSED(400, "longer than its size",
            POST "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, "the last before a bare line feed",
            POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\n\n" SMUGGLED),
    REFUSED(400, "no line behind the last",
            POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nGET / HTTP/1.1\r\n\r\n"),
    REFUSED(404, "a chunk without a size to an unknown cluster",
            "POST /nowhere/x HTTP/1.1\r\n" WHO "Transfer-Encoding: chunked\r\n\r\nx\r\n" SMUGGLED),
    /* ---- Trailers ---- */
    PASSED("a trailer", "POST /x", "hello",
           POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n"),
    REFUSED(400, "Content-Length as a trailer",
            POST "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 90\r\n\r\n" SMUGGLED),
    REFUSED(400, "Transfer-Encoding as a trailer",
            POST "Transfer-Encoding: chunked\r\n\r\n0\r\nTransfer-Encoding: x\r\n\r\n" SMUGGLED),
    REFUSED(400, "Host as a trailer",
            POST "Transfer-Encoding: chunked\r\n\r\n0\r\nHost: other\r\n\r\n"),
    REFUSED(400, "Authorization as a trailer",
            POST "Transfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: Bearer x\r\n\r\n"),
    REFUSED(400, "Impersonate-User as a trailer",
            POST "Transfer-Encoding: chunked\r\n\r\n0\r\nImpersonate-User: admin\r\n\r\n"),
    REFUSED(400, "X-Remote-User as a trailer",
            POST "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Remote-User: admin\r\n\r\n"),
    REFUSED(400, "Audit-ID as a trailer",
            POST "Transfer-Encoding: chunked\r\n\r\n0\r\nAudit-ID: mine\r\n\r\n"),
    REFUSED(400, "a folded trailer",
            POST "Transfer-Encoding: chunked\r\n\r\n0\r\nx: 1\r\n y\r\n\r\n"),
    REFUSED(400, "a trailer without a colon",
            POST "Transfer-Encoding: chunked\r\n\r\n0\r\nGET / HTTP/1.1\r\n\r\n"),
    REFUSED(400, "a trailer with a bare line feed",
            POST "Transfer-Encoding: chunked\r\n\r\n0\r\nx: 1\n\r\n" SMUGGLED),
    REFUSED(400, "a trailer with a NUL",
            POST "Transfer-Encoding: chunked\r\n\r\n0\r\nx: \0\r\n\r\n"),
    /* ---- Lines and fields ---- */
    UNKNOWN(400, "bare line feeds", "GET /kind/x HTTP/1.1\nHost: x\nAuthorization: x\n\n"),
    REFUSED(400, "a bare line feed in the head", GET "X: y\nContent-Length: 5\r\n\r\nhello"),
    REFUSED(400, "a bare CR in the head", GET "X: y\rContent-Length: 5\r\n\r\nhello"),
    REFUSED(400, "CR CR LF", GET "X: y\r\r\nContent-Length: 0\r\n\r\n"),
    REFUSED(400, "a bare line feed at the end", GET "X: y\r\n\n" SMUGGLED),
    REFUSED(400, "LF CR", GET "X: y\n\r\r\n\r\n"),
    REFUSED(400, "a NUL in a value", GET "X: a\0b\r\n\r\n"),
    REFUSED(400, "a NUL in a name", GET "X\0: b\r\n\r\n"),
    REFUSED(400, "DEL in a value", GET "X: a\x7f\r\n\r\n"),
    REFUSED(400, "a vertical tab in a value", GET "X: a\vb\r\n\r\n"),
    REFUSED(400, "a form feed in a value", GET "X: a\fb\r\n\r\n"),
    REFUSED(400, "an escape in a value", GET "X: \x1b[2J\r\n\r\n"),
    REFUSED(400, "a folded field", GET "X: a\r\n b\r\n\r\n"),
    REFUSED(400, "a field folded with a tab", GET "X: a\r\n\tb\r\n\r\n"),
    REFUSED(400, "a folded first field", "GET /kind/x HTTP/1.1\r\n X: a\r\n" WHO "\r\n"),
    REFUSED(400, "a folded empty line", GET "X: a\r\n \r\n\r\n" SMUGGLED),
    REFUSED(400, "a blank before the colon", GET "X : a\r\n\r\n"),
    REFUSED(400, "a tab before the colon", GET "X\t: a\r\n\r\n"),
    REFUSED(400, "a blank before Content-Length's colon",
            POST "Content-Length : 5\r\n\r\nhello" SMUGGLED),
    REFUSED(400, "no colon", GET "X\r\n\r\n"),
    REFUSED(400, "no name", GET ": a\r\n\r\n"),
    REFUSED(400, "8 bits in a name", GET "X\xff: a\r\n\r\n"),
    REFUSED(400, "a slash in a name", GET "X/Y: a\r\n\r\n"),
    REFUSED(400, "a bracket in a name", GET "X(: a\r\n\r\n"),
    PASSED("8 bits in a value", "GET /x", "", GET "X: \xc3\xa4\xff\r\n\r\n"),
    PASSED("an empty value", "GET /x", "", GET "X:\r\n\r\n"),
    /* ---- The request line ---- */
    REFUSED(400, "HTTP/0.9", "GET /kind/x\r\n" WHO "\r\n"),
    REFUSED(400, "HTTP/0.9 with a blank", "GET /kind/x \r\n" WHO "\r\n"),
    REFUSED(505, "HTTP/1.2", "GET /kind/x HTTP/1.2\r\n" WHO "\r\n"),
    REFUSED(505, "HTTP/2.0", "GET /kind/x HTTP/2.0\r\n" WHO "\r\n"),
    REFUSED(505, "HTTP/3.0", "GET /kind/x HTTP/3.0\r\n" WHO "\r\n"),
    REFUSED(505, "HTTP/0.9 by name", "GET /kind/x HTTP/0.9\r\n" WHO "\r\n"),
    REFUSED(400, "HTTP/1.10", "GET /kind/x HTTP/1.10\r\n" WHO "\r\n"),
    REFUSED(400, "HTTP/01.1", "GET /kind/x HTTP/01.1\r\n" WHO "\r\n"),
    REFUSED(400, "HTTP/1.1 with a blank", "GET /kind/x HTTP/1.1 \r\n" WHO "\r\n"),
    REFUSED(400, "http/1.1", "GET /kind/x http/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "HTTP 1.1", "GET /kind/x HTTP 1.1\r\n" WHO "\r\n"),
    REFUSED(400, "HTTPS/1.1", "GET /kind/x HTTPS/1.1\r\n" WHO "\r\n"),
    UNKNOWN(505, "the preface of HTTP/2 inside HTTP/1.1",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" SMUGGLED),
    REFUSED(400, "two blanks", "GET  /kind/x HTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "two blanks before the version", "GET /kind/x  HTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "a tab for a blank", "GET\t/kind/x\tHTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "a blank before the method", " GET /kind/x HTTP/1.1\r\n" WHO "\r\n"),
    UNKNOWN(400, "an empty line before it", "\r\nGET /kind/x HTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "a method with a colon", "GET: /kind/x HTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "a method with CR", "GE\rT /kind/x HTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "a method with a NUL", "GET\0 /kind/x HTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "no method", " /kind/x HTTP/1.1\r\n" WHO "\r\n"),
    PASSED("a method in lower case", "get /x", "", "get /kind/x HTTP/1.1\r\n" WHO "\r\n"),
    PASSED("a method that nobody knows", "M-SEARCH /x", "",
           "M-SEARCH /kind/x HTTP/1.1\r\n" WHO "\r\n"),
    PASSED("TRACE", "TRACE /x", "", "TRACE /kind/x HTTP/1.1\r\n" WHO "\r\n"),
    PASSED("OPTIONS", "OPTIONS /x", "", "OPTIONS /kind/x HTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(501, "CONNECT", "CONNECT kind:443 HTTP/1.1\r\n" WHO "\r\n" SMUGGLED),
    REFUSED(400, "OPTIONS *", "OPTIONS * HTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "absolute form", "GET https://other/kind/x HTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "authority form", "GET kind:443 HTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "a fragment", "GET /kind/x#y HTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "8 bits in the target", "GET /kind/\xc3\xa4 HTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "a NUL in the target", "GET /kind/x\0 HTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "CR in the target", "GET /kind/x\ry HTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "a vertical tab in the target", "GET /kind/x\vy HTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "a blank in the target", "GET /kind/x y HTTP/1.1\r\n" WHO "\r\n"),
    REFUSED(400, "no slash", "GET kind/x HTTP/1.1\r\n" WHO "\r\n"),
    UNKNOWN(400, "a request line in the target",
            "GET /kind/x HTTP/1.1\r\n\r\nGET /smuggled HTTP/1.1 HTTP/1.1\r\n" WHO "\r\n"),
    PASSED("CR LF in hexadecimal", "GET /x%0d%0aGET%20/smuggled", "",
           "GET /kind/x%0d%0aGET%20/smuggled HTTP/1.1\r\n" WHO "\r\n"),
    PASSED("two slashes", "GET //other/x", "", "GET /kind//other/x HTTP/1.1\r\n" WHO "\r\n"),
    PASSED("dots", "GET /a/../../etc", "", "GET /kind/a/../../etc HTTP/1.1\r\n" WHO "\r\n"),
    /* ---- Host ---- */
    REFUSED(400, "two Hosts", GET "Host: other\r\n\r\n"),
    REFUSED(400, "two Hosts that agree", GET "Host: 127.0.0.1\r\n\r\n"),
    REFUSED(400, "no Host", "GET /kind/x HTTP/1.1\r\n{bearer}\r\n"),
    REFUSED(400, "an empty Host", "GET /kind/x HTTP/1.1\r\nHost:\r\n{bearer}\r\n"),
    REFUSED(400, "Host with a path", "GET /kind/x HTTP/1.1\r\nHost: a/b\r\n{bearer}\r\n"),
    REFUSED(400, "Host with a user", "GET /kind/x HTTP/1.1\r\nHost: u@a\r\n{bearer}\r\n"),
    REFUSED(400, "Host with a blank", "GET /kind/x HTTP/1.1\r\nHost: a b\r\n{bearer}\r\n"),
    REFUSED(400, "Host with a port that is none",
            "GET /kind/x HTTP/1.1\r\nHost: a:80b\r\n{bearer}\r\n"),
    REFUSED(400, "Host that is a list", "GET /kind/x HTTP/1.1\r\nHost: a, b c\r\n{bearer}\r\n"),
    /* ---- Who asks ---- */
    UNASKED(401, "two bearers", GET "Authorization: Bearer x\r\n\r\n"),
    UNASKED(401, "no bearer", "GET /kind/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    UNASKED(401, "no bearer and a body",
            "POST /kind/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    PASSED("X-Remote-User", "GET /x", "", GET "X-Remote-User: admin\r\n\r\n"),
    PASSED("Proxy-Authorization", "GET /x", "", GET "Proxy-Authorization: Basic eA==\r\n\r\n"),
    /* ---- Connection ---- */
    REFUSED(400, "names Content-Length",
            POST "Connection: Content-Length\r\nContent-Length: 5\r\n\r\nhello"),
    REFUSED(400, "names Transfer-Encoding",
            POST "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    REFUSED(400, "names Host", GET "Connection: close, Host\r\n\r\n"),
    REFUSED(400, "names Authorization", GET "Connection: authorization\r\n\r\n"),
    REFUSED(400, "names Audit-ID", GET "Connection: AUDIT-ID\r\n\r\n"),
    REFUSED(400, "names Impersonate-User",
            GET "Connection: keep-alive, Impersonate-User\r\nImpersonate-User: a\r\n\r\n"),
    REFUSED(400, "names Impersonate-Extra", GET "Connection: impersonate-extra-x\r\n\r\n"),
    REFUSED(400, "names X-Remote-Group", GET "Connection: x-remote-group\r\n\r\n"),
    REFUSED(400, "names Cookie", GET "Connection: cookie\r\nCookie: a=b\r\n\r\n"),
    REFUSED(400, "names it in its second line",
            GET "Connection: close\r\nConnection: authorization\r\n\r\n"),
    REFUSED(400, "is no list", GET "Connection: a b\r\n\r\n"),
    REFUSED(400, "with a control byte", GET "Connection: a\vb\r\n\r\n"),
    PASSED("names a field of its own", "GET /x", "", GET "Connection: x-own\r\nX-Own: 1\r\n\r\n"),
    PASSED("empty elements", "GET /x", "", GET "Connection: ,, keep-alive ,\r\n\r\n"),
    PASSED("TE other than trailers", "GET /x", "", GET "TE: gzip, trailers;q=0.5\r\n\r\n"),
    PASSED("TE: trailers", "GET /x", "", GET "TE: trailers\r\nConnection: TE\r\n\r\n"),
    /* ---- Upgrade ---- */
    REFUSED(400, "with a body",
            POST "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello"),
    REFUSED(400, "with chunks",
            POST "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "0\r\n\r\n"),
    PASSED("to h2c", "GET /x", "",
           GET "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
               "AAMAAABkAAQAAP__\r\n\r\n"),
    PASSED("that Connection does not name", "GET /x", "", GET "Upgrade: websocket\r\n\r\n"),
    PASSED("to two protocols", "GET /x", "",
           GET "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n"),
    PASSED("named twice", "GET /x", "",
           GET "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n"),
    /* ---- Expect ---- */
    PASSED("the body came at once", "POST /x", "hello",
           POST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"),
    PASSED("in another case", "POST /x", "hello",
           POST "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\nhello"),
    PASSED("something else", "POST /x", "hello",
           POST "Expect: x=y\r\nContent-Length: 5\r\n\r\nhello"),
    PASSED("obfuscated", "POST /x", "hello",
           POST "Expect: y 100-continue\r\nContent-Length: 5\r\n\r\nhello"),
    PASSED("without a body", "GET /x", "", GET "Expect: 100-continue\r\n\r\n"),
    /* ---- HTTP/1.0 ---- */
    PASSED("1.0", "GET /x", "", "GET /kind/x HTTP/1.0\r\n" WHO "\r\n"),
    PASSED("1.0 with keep-alive", "GET /x", "",
           "GET /kind/x HTTP/1.0\r\n" WHO "Connection: keep-alive\r\n\r\n"),
    PASSED("1.0 and what stands behind it", "POST /x", "hello",
           "POST /kind/x HTTP/1.0\r\n" WHO "Content-Length: 5\r\n\r\nhello" SMUGGLED),
    REFUSED(400, "1.0 with chunks",
            "POST /kind/x HTTP/1.0\r\n" WHO "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
};

/* Each alone before a chunked body, beside a Content-Length, and beside a plain
 * "Transfer-Encoding: chunked". Refused in all three. */
static const struct {
    const char *name;
    struct str line;
    int status; /* alone */
} codings[] = {
    {"x before", STR("Transfer-Encoding: xchunked"), 501},
    {"x behind", STR("Transfer-Encoding: chunkedx"), 501},
    {"identity", STR("Transfer-Encoding: identity"), 501},
    {"gzip", STR("Transfer-Encoding: gzip"), 501},
    {"chunked twice", STR("Transfer-Encoding: chunked, chunked"), 400},
    {"chunked, identity", STR("Transfer-Encoding: chunked, identity"), 400},
    {"identity, chunked", STR("Transfer-Encoding: identity, chunked"), 400},
    {"gzip, chunked", STR("Transfer-Encoding: gzip, chunked"), 400},
    {"a comma behind", STR("Transfer-Encoding: chunked,"), 400},
    {"a comma before", STR("Transfer-Encoding: ,chunked"), 400},
    {"a parameter", STR("Transfer-Encoding: chunked;q=1"), 400},
    {"quoted", STR("Transfer-Encoding: \"chunked\""), 400},
    {"single quotes", STR("Transfer-Encoding: 'chunked'"), 501},
    {"empty", STR("Transfer-Encoding:"), 400},
    {"a vertical tab before", STR("Transfer-Encoding: \vchunked"), 400},
    {"a vertical tab behind", STR("Transfer-Encoding: chunked\v"), 400},
    {"a form feed before", STR("Transfer-Encoding: \fchunked"), 400},
    {"a NUL behind", STR("Transfer-Encoding: chunked\0"), 400},
    {"CR behind", STR("Transfer-Encoding: chunked\r"), 400},
    {"CR before", STR("Transfer-Encoding: \rchunked"), 400},
    {"a line feed before", STR("Transfer-Encoding: \nchunked"), 400},
    {"folded", STR("Transfer-Encoding:\r\n chunked"), 400},
    {"folded with a tab", STR("Transfer-Encoding:\r\n\tchunked"), 400},
    {"a blank before the colon", STR("Transfer-Encoding : chunked"), 400},
    {"a tab before the colon", STR("Transfer-Encoding\t: chunked"), 400},
    {"a blank before the name", STR(" Transfer-Encoding: chunked"), 400},
    {"CR before the name", STR("X: y\rTransfer-Encoding: chunked"), 400},
    {"a line feed before the name", STR("X: y\nTransfer-Encoding: chunked"), 400},
    {"a NUL in the name", STR("Transfer\0-Encoding: chunked"), 400},
    {"8 bits behind", STR("Transfer-Encoding: chunked\xa0"), 400},
    {"8 bits in the name", STR("Transfer-Encoding\xa0: chunked"), 400},
    {"a long s",
     STR("Tran\xc5\xbf\x66"
         "er-Encoding: chunked"),
     400},
    {"a Kelvin sign", STR("Transfer-Encoding: chun\xe2\x84\xaa\x65\x64"), 400},
};
