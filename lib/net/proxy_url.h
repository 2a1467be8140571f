/* proxy_url.h - which proxy leads to a server: a URL, or the environment as Go's
 * golang.org/x/net/http/httpproxy reads it (kubectl does). No I/O. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum proxy_kind { PROXY_NONE, PROXY_HTTP, PROXY_HTTPS, PROXY_SOCKS5 };

/* All zero is a valid one: no proxy. */
struct proxy_url {
    enum proxy_kind kind;
    char *host; /* owned; IPv6 without brackets */
    uint16_t port;
    char *user;     /* owned; NULL: it asks for none */
    char *password; /* owned, secret; NULL as `user` */
};

/* "scheme://[user[:password]@]host[:port][/]"; http, https (both: CONNECT), socks5 and socks5h
 * (both let the proxy look names up, as Go does). ERROR_CONFIG; the text shows nothing of `text`,
 * which may hold a password. Fills `proxy` on success only. */
must_use int proxy_url_parse(struct proxy_url *proxy, struct str text, struct error *err);
void proxy_url_copy(struct proxy_url *copy, const struct proxy_url *proxy);
void proxy_url_free(struct proxy_url *proxy); /* wipes */

/* What HTTPS_PROXY (`is_tls`), else HTTP_PROXY, and NO_PROXY say for a server; the lower-case names
 * first. localhost and loopback addresses are never reached through one. PROXY_NONE: directly. */
must_use int proxy_url_from_environment(struct proxy_url *proxy, char *const *environment,
                                        bool is_tls, const char *host, uint16_t port,
                                        struct error *err);
