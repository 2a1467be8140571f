/* proxy_talk.h - how a proxy is asked for the way to a server: HTTP CONNECT (RFC 9110 9.3.6) or
 * SOCKS5 (RFC 1928, with the user of RFC 1929). Bytes in, bytes out; no I/O. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "net/proxy_url.h"

enum proxy_step { PROXY_STEP_CONNECT, PROXY_STEP_METHOD, PROXY_STEP_USER, PROXY_STEP_REPLY };

struct proxy_talk {
    const struct proxy_url *proxy; /* borrowed, as `host` */
    const char *host;              /* of the server; IPv6 without brackets */
    uint16_t port;
    enum proxy_step step;
    struct buf in; /* what is not a whole answer yet */
};

/* Appends what is sent first. */
void proxy_talk_begin(struct proxy_talk *talk, const struct proxy_url *proxy, const char *host,
                      uint16_t port, struct buf *out);
/* What arrived. IO_AGAIN: `out` is to be sent, the answer is not complete. IO_OK: the way is open.
 * IO_FAILED: ERROR_NETWORK, the proxy refused, with its reason and a fix; ERROR_PROTOCOL: it does
 * not speak this protocol, or says more than was asked. */
must_use enum io proxy_talk_read(struct proxy_talk *talk, struct str bytes, struct buf *out,
                                 struct error *err);
void proxy_talk_free(struct proxy_talk *talk);
