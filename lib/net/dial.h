/* dial.h - connections to others: name, address after address, TCP, TLS, in that order and all
 * inside one timeout. Keep-alive probes after 30 s of silence, no Nagle. */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/proxy_url.h"
#include "net/tls.h"

#define DIAL_TIMEOUT_MS 30000

struct dial_target {  /* all of it is copied */
    const char *host; /* a name or an address, IPv6 without brackets */
    uint16_t port;
    const struct tls_client *tls; /* NULL: plain TCP */
    const char *server_name;      /* in the certificate, and SNI unless an address; NULL: host */
    const char *alpn;             /* comma-separated, "h2,http/1.1"; NULL: none is offered */
    unsigned timeout_ms;          /* until `ready`; 0: DIAL_TIMEOUT_MS */
    /* The way there; NULL, or PROXY_NONE: directly. The server's name is looked up by the proxy. A
     * server without TLS cannot be reached through an http or https one: `failed` says so. */
    const struct proxy_url *proxy;
};

/* Never NULL, never fails by itself: what goes wrong comes as `failed`, from the loop. `events` are
 * borrowed as long as the connection lives. */
must_use struct conn *dial_start(struct loop *loop, const struct dial_target *target,
                                 const struct conn_events *events, void *context);
