/* bearer.h - what a client of the loopback gateway shows:
 * khoop1.<session>.<user>.<invocation>.<mac>. `user` is the number of the
 * kubeconfig's user entry, `invocation` the id of the command, or "-". The MAC is base64url of
 * HMAC-SHA-256 over all before its dot. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "http/head.h"

#define BEARER_KEY_BYTES 32
#define BEARER_BYTES_MAX 256

struct bearer {
    unsigned user;
    struct str invocation; /* borrowed from the checked text; empty when there is none */
};

/* Owned by the caller, secret. `invocation` may be empty. */
must_use char *bearer_make(const unsigned char key[BEARER_KEY_BYTES], const char *session,
                           unsigned user, struct str invocation);

/* `authorization` is the value of that header. In constant time as to the MAC. ERROR_AUTH: absent,
 * another scheme, malformed, of another session, or a MAC that does not fit; `bearer` is untouched
 * then, and the text says nothing of what was shown. */
must_use int bearer_check(struct bearer *bearer, struct str authorization,
                          const unsigned char key[BEARER_KEY_BYTES], const char *session,
                          struct error *err);

/* The last one that was accepted, all zero before: a client shows the same with each request, and a
 * MAC costs more than all else that is done about a head. Of one key and session; `text` is secret.
 */
struct bearer_memo {
    char text[BEARER_BYTES_MAX];
    size_t len;
    struct bearer bearer; /* its invocation points into `text` */
};

/* bearer_check(), which is not done again for the same text. What is remembered is compared in
 * constant time as well; a refusal changes nothing. */
must_use int bearer_check_again(struct bearer_memo *memo, struct bearer *bearer,
                                struct str authorization, const unsigned char key[BEARER_KEY_BYTES],
                                const char *session, struct error *err);

/* The bearer of a WebSocket client that cannot set Authorization: the subprotocol
 * base64url.bearer.authorization.k8s.io.<base64url of it> (k8s.io/apiserver
 * pkg/authentication/request/websocket). All such are taken out of Sec-WebSocket-Protocol, whatever
 * comes of it. Appends "Bearer <it>" to `authorization`, nothing where there is none. ERROR_AUTH:
 * there are several, it is no base64url, or there is no other subprotocol beside it. */
must_use int bearer_take_subprotocol(struct http_head *head, struct buf *authorization,
                                     struct error *err);
