/* hop.h - what belongs to one connection and is not passed on (RFC 9110 7.6.1). Needed for both
 * directions, on every message. */
#pragma once

#include "base/error.h"
#include "http/head.h"

/* Removes the fields that Connection names, then Connection itself, Proxy-Connection, Keep-Alive,
 * Proxy-Authenticate, Proxy-Authorization, TE (of which `trailers` is kept), Trailer,
 * Transfer-Encoding, Upgrade and HTTP2-Settings. What the connection needs to know (h1_keeps_open,
 * hop_upgrade, how the body is framed) must have been read before.
 *
 * ERROR_PROTOCOL, and nothing removed: Connection is no list of tokens, or names a field that says
 * who is asking, how long the message is, or what is recorded of it. A client's request is then
 * answered with 400, an upstream's response becomes a 502. */
must_use int hop_strip(struct http_head *head, struct error *err);

/* The protocol that a head asks for, or changes to, on this connection: "websocket" or "SPDY/3.1",
 * which Kubernetes knows, as the head spells it; empty when there is none. A request of HTTP/1.0
 * has none, nor has one that names several, or others: RFC 9110 7.8 lets a server ignore it. */
struct str hop_upgrade(const struct http_head *head);

/* As hop_strip(), for a head that has an upgrade: Connection and Upgrade stand there again, and say
 * that and nothing else. */
must_use int hop_strip_upgrade(struct http_head *head, struct error *err);
