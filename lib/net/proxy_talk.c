#include "net/proxy_talk.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/encode.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/secret.h"

#define ANSWER_BYTES_MAX ((size_t)16 << 10)
#define REASON_BYTES_MAX 80

enum { SOCKS = 5, NO_USER = 0, WITH_USER = 2, NO_METHOD = 0xff, CONNECT = 1 };
enum { ADDRESS_V4 = 1, ADDRESS_NAME = 3, ADDRESS_V6 = 4 };

static void put_byte(struct buf *out, unsigned byte)
{
    buf_append_char(out, (char)byte);
}

/* --- HTTP */

static void ask_http(const struct proxy_talk *talk, struct buf *out)
{
    const char *form = strchr(talk->host, ':') ? "[%s]:%u" : "%s:%u";
    scoped(buf_free) struct buf server = {0};
    scoped(secret_buf_free) struct buf pair = {.limit = 1024}, encoded = {.limit = 2048};

    buf_printf(&server, form, talk->host, talk->port);
    buf_printf(out, "CONNECT %.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: kubectl-hoop\r\n",
               STR_ARG(buf_str(&server)), STR_ARG(buf_str(&server)));
    if (talk->proxy->user && buf_reserve(&pair, 1024) && buf_reserve(&encoded, 2048)) {
        buf_append_text(&pair, talk->proxy->user);
        buf_append_char(&pair, ':');
        buf_append_text(&pair, talk->proxy->password);
        encode_base64(&encoded, buf_str(&pair));
        buf_append_text(out, "Proxy-Authorization: Basic ");
        buf_append_str(out, buf_str(&encoded));
        buf_append_text(out, "\r\n");
    }
    buf_append_text(out, "\r\n");
}

static int not_the_protocol(struct error *err)
{
    error_set(err, ERROR_PROTOCOL, "it does not answer as a proxy does");
    return error_fix(err, "check its URL: scheme and port");
}

static int refused_http(unsigned status, struct str reason, struct error *err)
{
    scoped(buf_free) struct buf shown = {0};

    for (size_t i = 0; i < reason.len && shown.len < REASON_BYTES_MAX; i++)
        if (reason.data[i] >= ' ' && reason.data[i] <= '~')
            buf_append_char(&shown, reason.data[i]);
    error_set(err, ERROR_NETWORK, "it refused with %u %.*s", status, STR_ARG(buf_str(&shown)));
    return error_fix(err, status == 407 ? "put user and password into the proxy's URL"
                                        : "let the proxy allow CONNECT to that address");
}

/* "HTTP/1.1 200 Connection established" and fields, which say nothing to us. */
static enum io read_http(struct proxy_talk *talk, struct error *err)
{
    struct str in = buf_str(&talk->in);
    ptrdiff_t end = str_find(in, STR("\r\n\r\n"));
    uint64_t status;

    if (!str_starts(in, str_first(STR("HTTP/1."), in.len)))
        return not_the_protocol(err);
    if (end < 0)
        return IO_AGAIN;
    struct str reason = str_first(in, (size_t)str_find(in, STR("\r\n")));
    struct str version = str_split(&reason, ' ');
    struct str code = str_split(&reason, ' ');

    if (version.len != sizeof "HTTP/1.1" - 1 || code.len != 3 ||
        !num_parse_u64(code, 599, &status) || status < 100)
        return not_the_protocol(err);
    if (status >= 300)
        return refused_http((unsigned)status, reason, err);
    buf_consume(&talk->in, (size_t)end + 4);
    if (status < 200) /* 1xx: the answer itself follows */
        return IO_AGAIN;
    if (talk->in.len) /* we speak first, so nobody can have said anything yet */
        return error_set(err, ERROR_PROTOCOL, "it sent more than its answer");
    return IO_OK;
}

/* --- SOCKS5 */

static void ask_method(const struct proxy_talk *talk, struct buf *out)
{
    put_byte(out, SOCKS);
    put_byte(out, talk->proxy->user ? 2 : 1);
    put_byte(out, NO_USER);
    if (talk->proxy->user)
        put_byte(out, WITH_USER);
}

static void put_text(struct buf *out, const char *text)
{
    put_byte(out, (unsigned)strlen(text)); /* at most 255, as proxy_url.c reads it */
    buf_append_text(out, text);
}

static void ask_server(struct proxy_talk *talk, struct buf *out)
{
    unsigned char address[16];

    put_byte(out, SOCKS);
    put_byte(out, CONNECT);
    put_byte(out, 0);
    if (inet_pton(AF_INET, talk->host, address) == 1) {
        put_byte(out, ADDRESS_V4);
        buf_append(out, address, 4);
    } else if (inet_pton(AF_INET6, talk->host, address) == 1) {
        put_byte(out, ADDRESS_V6);
        buf_append(out, address, 16);
    } else {
        put_byte(out, ADDRESS_NAME);
        put_text(out, talk->host);
    }
    put_byte(out, talk->port >> 8);
    put_byte(out, talk->port & 0xff);
    talk->step = PROXY_STEP_REPLY;
}

/* The `at`th byte of what arrived. */
static unsigned byte_at(const struct proxy_talk *talk, size_t at)
{
    return (unsigned char)talk->in.data[at];
}

static enum io read_method(struct proxy_talk *talk, struct buf *out, struct error *err)
{
    if (talk->in.len < 2)
        return IO_AGAIN;
    unsigned version = byte_at(talk, 0), method = byte_at(talk, 1);

    buf_consume(&talk->in, 2);
    if (version != SOCKS)
        return not_the_protocol(err);
    if (method == NO_METHOD || (method == WITH_USER && !talk->proxy->user)) {
        error_set(err, ERROR_NETWORK, "it wants to know who asks");
        return error_fix(err, "put user and password into the proxy's URL");
    }
    if (method == NO_USER) {
        ask_server(talk, out);
    } else if (method == WITH_USER) {
        put_byte(out, 1); /* RFC 1929: the version of this part */
        put_text(out, talk->proxy->user);
        put_text(out, talk->proxy->password);
        talk->step = PROXY_STEP_USER;
    } else {
        return not_the_protocol(err);
    }
    return IO_AGAIN;
}

static enum io read_user(struct proxy_talk *talk, struct buf *out, struct error *err)
{
    if (talk->in.len < 2)
        return IO_AGAIN;
    unsigned status = byte_at(talk, 1);

    buf_consume(&talk->in, 2);
    if (status != 0) {
        error_set(err, ERROR_NETWORK, "it refused the user");
        return error_fix(err, "correct user and password in the proxy's URL");
    }
    ask_server(talk, out);
    return IO_AGAIN;
}

static int refused_socks(unsigned reply, struct error *err)
{
    static const char *const reasons[] = {
        [1] = "a failure of its own", [2] = "its rules forbid that address",
        [3] = "network unreachable",  [4] = "host unreachable",
        [5] = "connection refused",   [6] = "it took too long",
        [7] = "it cannot do CONNECT", [8] = "it cannot do this kind of address",
    };
    const char *reason = reply < count_of(reasons) ? reasons[reply] : NULL;

    error_set(err, ERROR_NETWORK, "it refused: %s", reason ? reason : "no reason known");
    return error_fix(err, "check that the proxy can and may reach the server");
}

static enum io read_reply(struct proxy_talk *talk, struct error *err)
{
    if (talk->in.len < 5)
        return IO_AGAIN;
    unsigned type = byte_at(talk, 3);
    size_t len = type == ADDRESS_V4     ? 4
                 : type == ADDRESS_V6   ? 16
                 : type == ADDRESS_NAME ? 1 + (size_t)byte_at(talk, 4)
                                        : 0;

    if (byte_at(talk, 0) != SOCKS)
        return not_the_protocol(err);
    if (byte_at(talk, 1) != 0)
        return refused_socks(byte_at(talk, 1), err);
    if (len == 0)
        return not_the_protocol(err);
    if (talk->in.len < 4 + len + 2)
        return IO_AGAIN;
    if (talk->in.len > 4 + len + 2)
        return error_set(err, ERROR_PROTOCOL, "it sent more than its answer");
    return IO_OK;
}

/* --- both */

void proxy_talk_begin(struct proxy_talk *talk, const struct proxy_url *proxy, const char *host,
                      uint16_t port, struct buf *out)
{
    bool is_socks = proxy->kind == PROXY_SOCKS5;

    *talk = (struct proxy_talk){.proxy = proxy,
                                .host = host,
                                .port = port,
                                .step = is_socks ? PROXY_STEP_METHOD : PROXY_STEP_CONNECT,
                                .in = {.limit = ANSWER_BYTES_MAX}};
    if (is_socks)
        ask_method(talk, out);
    else
        ask_http(talk, out);
}

enum io proxy_talk_read(struct proxy_talk *talk, struct str bytes, struct buf *out,
                        struct error *err)
{
    size_t before;
    enum io status = IO_AGAIN;

    if (bytes.len > ANSWER_BYTES_MAX - talk->in.len)
        return not_the_protocol(err);
    buf_append_str(&talk->in, bytes);
    do { /* an answer may have brought the next one with it */
        before = talk->in.len;
        switch (talk->step) {
        case PROXY_STEP_CONNECT:
            status = read_http(talk, err);
            break;
        case PROXY_STEP_METHOD:
            status = read_method(talk, out, err);
            break;
        case PROXY_STEP_USER:
            status = read_user(talk, out, err);
            break;
        case PROXY_STEP_REPLY:
            status = read_reply(talk, err);
            break;
        }
    } while (status == IO_AGAIN && talk->in.len && talk->in.len < before);
    return status;
}

void proxy_talk_free(struct proxy_talk *talk)
{
    buf_free(&talk->in);
}
