#include "net/proxy_url.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/secret.h"

#define HOST_BYTES_MAX 255
#define USER_BYTES_MAX 255 /* RFC 1929: a length is one byte */

static const struct {
    struct str scheme;
    enum proxy_kind kind;
    uint16_t port;
} schemes[] = {
    {{"http", 4}, PROXY_HTTP, 80},
    {{"https", 5}, PROXY_HTTPS, 443},
    {{"socks5", 6}, PROXY_SOCKS5, 1080},
    {{"socks5h", 7}, PROXY_SOCKS5, 1080},
};

static int refuse(struct error *err, const char *why)
{
    error_set(err, ERROR_CONFIG, "the proxy's URL %s", why);
    return error_fix(err, "write it as http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT");
}

/* Percent-decoded; NULL: a bad escape, a NUL, or too long. */
static char *decode(struct str text)
{
    scoped(secret_free) char *out = xcalloc(text.len + 1, 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (c == '%') {
            int high = i + 1 < text.len ? decode_hex_digit(text.data[i + 1]) : -1;
            int low = i + 2 < text.len ? decode_hex_digit(text.data[i + 2]) : -1;

            if (high < 0 || low < 0)
                return NULL;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0' || len == USER_BYTES_MAX)
            return NULL;
        out[len++] = c;
    }
    return take(out);
}

static ptrdiff_t last_index(struct str text, char c)
{
    for (size_t i = text.len; i > 0; i--)
        if (text.data[i - 1] == c)
            return (ptrdiff_t)i - 1;
    return -1;
}

/* "host", "host:1", "[::1]:1" */
static bool split_host(struct str text, struct str *host, struct str *port)
{
    ptrdiff_t colon = last_index(text, ':');
    ptrdiff_t bracket = text.len && text.data[0] == '[' ? last_index(text, ']') : -1;

    *port = (struct str){0};
    if (bracket > 0) {
        *host = str_make(text.data + 1, (size_t)bracket - 1);
        if ((size_t)bracket + 1 < text.len) {
            if (text.data[bracket + 1] != ':')
                return false;
            *port = str_skip(text, (size_t)bracket + 2);
        }
    } else {
        *host = colon < 0 ? text : str_first(text, (size_t)colon);
        *port = colon < 0 ? *port : str_skip(text, (size_t)colon + 1);
        if (str_index(*host, ':') >= 0)
            return false;
    }
    return host->len > 0 && host->len <= HOST_BYTES_MAX;
}

/* It becomes part of a line of HTTP. */
static bool is_host(struct str host)
{
    for (size_t i = 0; i < host.len; i++)
        if (host.data[i] <= ' ' || host.data[i] > '~' || strchr("/?#@[]%\\\"<>", host.data[i]))
            return false;
    return true;
}

static int read_user(struct proxy_url *proxy, struct str text, struct error *err)
{
    struct str password = text;
    struct str user = str_split(&password, ':');

    proxy->user = decode(user);
    proxy->password = decode(password);
    return proxy->user && proxy->password ? 0 : refuse(err, "has a user that cannot be read");
}

int proxy_url_parse(struct proxy_url *proxy, struct str text, struct error *err)
{
    scoped(proxy_url_free) struct proxy_url made = {0};
    ptrdiff_t end = str_find(text, STR("://"));
    struct str host, port;
    uint64_t number = 0;

    for (size_t i = 0; end > 0 && i < count_of(schemes); i++)
        if (str_equal_nocase(str_first(text, (size_t)end), schemes[i].scheme)) {
            made.kind = schemes[i].kind;
            number = schemes[i].port;
        }
    if (made.kind == PROXY_NONE)
        return refuse(err, "is not of http, https or socks5");
    struct str rest = str_skip(text, (size_t)end + 3);
    struct str authority = rest;

    for (size_t i = 0; i < rest.len; i++)
        if (strchr("/?#", rest.data[i])) { /* what follows means nothing to a proxy */
            authority = str_first(rest, i);
            break;
        }
    ptrdiff_t at = last_index(authority, '@');

    if (at >= 0 && read_user(&made, str_first(authority, (size_t)at), err) < 0)
        return -1;
    authority = str_skip(authority, (size_t)(at + 1));
    if (!split_host(authority, &host, &port) || !is_host(host))
        return refuse(err, "has no host name or address that can be used");
    if (port.len && (!num_parse_u64(port, 65535, &number) || number == 0))
        return refuse(err, "has a port that is none");
    made.host = str_dup(host);
    made.port = (uint16_t)number;
    *proxy = made;
    made = (struct proxy_url){0};
    return 0;
}

void proxy_url_copy(struct proxy_url *copy, const struct proxy_url *proxy)
{
    *copy = (struct proxy_url){
        .kind = proxy->kind,
        .host = proxy->host ? xstrdup(proxy->host) : NULL,
        .port = proxy->port,
        .user = proxy->user ? xstrdup(proxy->user) : NULL,
        .password = proxy->password ? xstrdup(proxy->password) : NULL,
    };
}

void proxy_url_free(struct proxy_url *proxy)
{
    free(proxy->host);
    free(proxy->user);
    secret_free(&proxy->password);
    *proxy = (struct proxy_url){0};
}

/* --- the environment */

struct address {
    int family; /* AF_UNSPEC: it is a name */
    unsigned char bytes[16];
    unsigned bits; /* 32, 128 */
};

static struct address read_address(struct str text)
{
    struct address address = {.family = AF_UNSPEC};
    char copy[INET6_ADDRSTRLEN];

    if (text.len == 0 || text.len >= sizeof copy)
        return address;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, address.bytes) == 1) {
        address.family = AF_INET;
        address.bits = 32;
    } else if (inet_pton(AF_INET6, copy, address.bytes) == 1) {
        address.family = AF_INET6;
        address.bits = 128;
    }
    return address;
}

static bool is_loopback(const struct address *address)
{
    static const unsigned char v6[16] = {[15] = 1};

    return address->family == AF_INET
               ? address->bytes[0] == 127
               : address->family == AF_INET6 && memcmp(address->bytes, v6, sizeof v6) == 0;
}

static bool is_in(const struct address *address, const struct address *net, unsigned bits)
{
    if (address->family != net->family)
        return false;
    for (unsigned i = 0; i < bits; i++)
        if ((address->bytes[i / 8] ^ net->bytes[i / 8]) & (0x80 >> i % 8))
            return false;
    return true;
}

/* "10.0.0.0/8" */
static bool is_in_range(const struct address *address, struct str entry)
{
    struct str bits = entry;
    struct address net = read_address(str_split(&bits, '/'));
    uint64_t count;

    return bits.data && net.family != AF_UNSPEC && num_parse_u64(bits, net.bits, &count) &&
           is_in(address, &net, (unsigned)count);
}

static bool ends_nocase(struct str text, struct str end)
{
    return text.len >= end.len && str_equal_nocase(str_skip(text, text.len - end.len), end);
}

/* "a.com" is itself and all below, ".a.com" and "*.a.com" only what is below. */
static bool is_domain_of(struct str host, struct str domain)
{
    if (str_starts(domain, STR("*.")))
        domain = str_skip(domain, 1);
    if (domain.data[0] == '.')
        return ends_nocase(host, domain);
    return str_equal_nocase(host, domain) ||
           (ends_nocase(host, domain) && host.data[host.len - domain.len - 1] == '.');
}

static bool matches(struct str entry, struct str host, uint16_t port)
{
    struct address address = read_address(host);
    struct str name = entry, port_text = {0};
    uint64_t number = port;

    if (str_is(entry, "*") || is_in_range(&address, entry))
        return true;
    struct address whole = read_address(entry); /* "::1" has colons and no port */

    if (whole.family == AF_UNSPEC && !split_host(entry, &name, &port_text))
        return false;
    if (port_text.len && (!num_parse_u64(port_text, 65535, &number) || number != port))
        return false;
    struct address exact = read_address(name);

    if (address.family != AF_UNSPEC || exact.family != AF_UNSPEC)
        return address.family != AF_UNSPEC && is_in(&address, &exact, address.bits);
    return is_domain_of(host, name);
}

static const char *variable(char *const *environment, const char *lower, const char *upper)
{
    const char *names[] = {lower, upper};

    for (size_t i = 0; i < count_of(names); i++) {
        size_t len = strlen(names[i]);

        for (char *const *at = environment; at && *at; at++)
            if (strncmp(*at, names[i], len) == 0 && (*at)[len] == '=' && (*at)[len + 1])
                return *at + len + 1;
    }
    return NULL;
}

static bool is_excepted(const char *list, struct str host, uint16_t port)
{
    struct str rest = str_from(list);
    struct address address = read_address(host);

    if (str_is(host, "localhost") || is_loopback(&address))
        return true;
    while (rest.data) {
        struct str entry = str_trim(str_split(&rest, ','));

        if (entry.len && matches(entry, host, port))
            return true;
    }
    return false;
}

int proxy_url_from_environment(struct proxy_url *proxy, char *const *environment, bool is_tls,
                               const char *host, uint16_t port, struct error *err)
{
    const char *url = is_tls ? variable(environment, "https_proxy", "HTTPS_PROXY")
                             : variable(environment, "http_proxy", "HTTP_PROXY");

    *proxy = (struct proxy_url){0};
    if (!url || is_excepted(variable(environment, "no_proxy", "NO_PROXY"), str_from(host), port))
        return 0;
    scoped(secret_free) char *with_scheme = strstr(url, "://") ? NULL : xasprintf("http://%s", url);

    if (proxy_url_parse(proxy, str_from(with_scheme ? with_scheme : url), err) < 0)
        return error_wrap(err, is_tls ? "HTTPS_PROXY" : "HTTP_PROXY");
    return 0;
}
