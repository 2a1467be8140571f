/* hop.h - what belongs to one connection and is not passed on (RFC 9110 7.6.1). Needed for both
 * directions, on every message that is not an upgrade. */
#pragma once

#include "base/error.h"
#include "http/head.h"

/* Removes the fields that Connection names, then Connection itself, Proxy-Connection, Keep-Alive,
 * Proxy-Authenticate, Proxy-Authorization, TE (of which `trailers` is kept), Trailer,
 * Transfer-Encoding, Upgrade and HTTP2-Settings. What the connection needs to know (h1_keeps_open,
 * hop_is_upgrade, how the body is framed) must have been read before.
 *
 * ERROR_PROTOCOL, and nothing removed: Connection is no list of tokens, or names a field that says
 * who is asking, how long the message is, or what is recorded of it. A client's request is then
 * answered with 400, an upstream's response becomes a 502. */
must_use int hop_strip(struct http_head *head, struct error *err);

/* Does it ask for another protocol on this connection: Upgrade, and Connection names it? */
bool hop_is_upgrade(const struct http_head *head);
