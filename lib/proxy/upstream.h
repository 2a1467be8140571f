/* upstream.h - the connections of one user to one cluster, and calls over them: strict HTTP/1.1,
 * kept alive. A connection is used again only after a clean end of both messages with nothing left
 * over; a request is sent once. All calls on the loop thread. */
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
    UPSTREAM_RESET,       /* it broke off before its answer, or in it */
    UPSTREAM_TRUNCATED,   /* its answer ended before its declared end */
    UPSTREAM_BROKEN,      /* what it answers is not strict HTTP/1.1 */
};

/* None is called from inside a function of this header. After `end` or `failed` the call is over
 * and gone. */
struct upstream_events {
    void (*ready)(void *context); /* there is a connection; nothing was sent */
    void (*interim)(void *context, struct http_head *head);           /* 1xx, not 101 */
    void (*head)(void *context, struct http_head *head, bool is_all); /* is_all: `end` follows */
    void (*data)(void *context, struct str bytes);
    void (*end)(void *context, const struct http_head *trailers);
    void (*failed)(void *context, enum upstream_failure failure, const struct error *err);
    void (*writable)(void *context); /* upstream_call_queued() fell under the mark */
};

struct upstream *upstream_new(struct loop *loop, struct upstream_target *target_adopt);
const struct upstream_target *upstream_target(const struct upstream *upstream);
/* New connections go there. Calls that are open end where they are; their connections, and those
 * that are idle, are not used again. */
void upstream_set_target(struct upstream *upstream, struct upstream_target *target_adopt);
/* No call may be open. */
void upstream_free(struct upstream **upstream);

struct upstream_call *upstream_call_open(struct upstream *upstream,
                                         const struct upstream_events *events, void *context);
/* After `ready`, once. `head` has method and target as they are sent, without hop-by-hop fields;
 * Host is ours. `has_body` without a Content-Length: chunked. */
void upstream_call_head(struct upstream_call *call, const struct http_head *head, bool has_body);
void upstream_call_data(struct upstream_call *call, struct chunk *chunk); /* shared */
/* The request is complete. */
void upstream_call_end(struct upstream_call *call, const struct http_head *trailers);

#define UPSTREAM_QUEUED_HIGH ((size_t)256 << 10)
size_t upstream_call_queued(const struct upstream_call *call); /* not yet given to the kernel */
void upstream_call_pause(struct upstream_call *call);          /* of its answer */
void upstream_call_resume(struct upstream_call *call);
/* Bytes over the wire so far. */
void upstream_call_wire(const struct upstream_call *call, uint64_t *sent, uint64_t *received);
/* At once; closes the connection. */
void upstream_call_cancel(struct upstream_call **call);
