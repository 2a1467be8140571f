/* upstream.h - the connections of one user to one cluster, and calls over them: HTTP/2 where ALPN
 * gives it, else strict HTTP/1.1. Over h2 many calls share a connection, and there is another one
 * when the server allows no more, or says that it goes away. Over h1 a connection carries one call
 * at a time, and the next one only after a clean end of both messages with nothing left over.
 *
 * A call is sent again, on another connection, only where nothing can have come of it: none of it
 * was sent; or the server said so (REFUSED_STREAM, GOAWAY), no byte of an answer came, and all of
 * it is still in memory. Over h1 a call of which a byte was sent is never sent again.
 *
 * All calls on the loop thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/chunk.h"
#include "http/head.h"
#include "net/loop.h"
#include "proxy/upstream_type.h"

struct upstream;
struct upstream_call;

enum upstream_failure {
    UPSTREAM_UNREACHABLE, /* no connection; nothing was sent */
    UPSTREAM_UNPROCESSED, /* sent, and surely nothing came of it: the server refused it */
    UPSTREAM_RESET,       /* it broke off before its answer, or in it */
    UPSTREAM_TRUNCATED,   /* its answer ended before its declared end */
    UPSTREAM_BROKEN,      /* what it answers is not HTTP as it should be */
};

/* None is called from inside a function of this header. After `end` or `failed` the call is over
 * and gone. */
struct upstream_events {
    void (*ready)(void *context); /* there is a connection; nothing was sent. Once */
    void (*interim)(void *context, struct http_head *head);           /* 1xx, not 101 */
    void (*head)(void *context, struct http_head *head, bool is_all); /* is_all: `end` follows */
    void (*data)(void *context, struct str bytes);
    void (*end)(void *context, const struct http_head *trailers);
    void (*failed)(void *context, enum upstream_failure failure, const struct error *err);
    void (*writable)(void *context); /* upstream_call_queued() fell under the mark */
};

/* 0: the usual. */
struct upstream_limits {
    unsigned links;      /* connections at once; beyond, calls wait */
    unsigned streams;    /* calls on one of h2, when the server allows so many */
    unsigned wait_ms;    /* for a connection, then UPSTREAM_UNREACHABLE */
    unsigned idle_ms;    /* then a connection without a call is closed */
    unsigned silence_ms; /* of an h2 connection with calls: then it is asked (PING)… */
    unsigned answer_ms;  /* …and given up when it does not answer */
};

/* `limits` is copied; NULL: all of them the usual. */
struct upstream *upstream_new(struct loop *loop, struct upstream_target *target_adopt,
                              const struct upstream_limits *limits);
const struct upstream_target *upstream_target(const struct upstream *upstream);
/* New connections go there. Calls that are open end where they are; their connections, and those
 * that are idle, are not used again. */
void upstream_set_target(struct upstream *upstream, struct upstream_target *target_adopt);
/* No call may be open. */
void upstream_free(struct upstream **upstream);

struct upstream_call *upstream_call_open(struct upstream *upstream,
                                         const struct upstream_events *events, void *context);

/* For a request with Upgrade: HTTP/1.1 on a connection of its own, UPSTREAM_UPGRADE. Answered with
 * 101, which comes as `head`, both ways are bytes: upstream_call_data() sends them as they are,
 * upstream_call_end() ends our side, `end` says that the server has ended its own. */
struct upstream_call *upstream_call_open_upgrade(struct upstream *upstream,
                                                 const struct upstream_events *events,
                                                 void *context);

enum upstream_body {
    UPSTREAM_NO_BODY,
    UPSTREAM_WHOLE,    /* the caller has all of it: it is kept until it cannot be needed again */
    UPSTREAM_STREAMED, /* once a byte of it is given, it is not sent again */
    UPSTREAM_UPGRADE,  /* none; what is given after 101 is no body */
};

/* After `ready`, once. The head has method and target as they are sent, without hop-by-hop fields;
 * Host is ours. A body without a Content-Length is sent in chunks over h1. */
void upstream_call_head_adopt(struct upstream_call *call, struct http_head *head,
                              enum upstream_body body);
void upstream_call_data(struct upstream_call *call, struct chunk *chunk); /* shared */
/* The request is complete. */
void upstream_call_end(struct upstream_call *call, const struct http_head *trailers);

/* While this many bytes of the request wait, or there is no connection, nothing more should be
 * given; `writable` tells when to go on. */
#define UPSTREAM_QUEUED_HIGH ((size_t)256 << 10)
size_t upstream_call_queued(const struct upstream_call *call);

/* Of the request, bytes that the server has given no credit for: who sent them should get none
 * either. `writable` comes before they are few. */
size_t upstream_call_unsent(const struct upstream_call *call);

enum upstream_flow { UPSTREAM_GO, UPSTREAM_STOP };

/* Of the answer, `held_bytes` are still in memory: over h2 the server is given credit for all but
 * those, over h1 its socket is read. UPSTREAM_STOP: no credit, the socket is not read. */
void upstream_call_throttle(struct upstream_call *call, size_t held_bytes, enum upstream_flow flow);
/* Bytes over the wire so far, all tries together. */
void upstream_call_wire(const struct upstream_call *call, uint64_t *sent, uint64_t *received);
/* At once; over h1 it closes the connection, over h2 it resets the stream. */
void upstream_call_cancel(struct upstream_call **call);
