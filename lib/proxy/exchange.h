/* exchange.h - one request and its answer: from the client through who, record and gates to the
 * upstream, and back. The client's connection (h1 or h2) hands in what it reads and is told through
 * `client_ops` what to send. All calls on the loop thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chunk.h"
#include "http/head.h"
#include "proxy/gateway.h"
#include "proxy/record.h"

struct exchange;

/* How an answer gets to the client. After `end`, a `respond` that is all, or `abort`, the exchange
 * knows the stream no more. None of them calls back into the exchange. */
struct client_ops {
    void (*interim)(void *stream, const struct http_head *head);
    void (*respond)(void *stream, const struct http_head *head, bool is_all);
    void (*data)(void *stream, struct chunk *chunk); /* shared */
    void (*end)(void *stream, const struct http_head *trailers);
    void (*abort)(void *stream); /* never looks like a clean end */
    /* Before an answer: what this client means is in doubt, no request may follow it there. NULL:
     * its requests cannot be taken for one another. */
    void (*distrust)(void *stream);
    /* `len` bytes of the request's body were delivered: more may come. */
    void (*credit)(void *stream, size_t len);
    size_t (*queued)(const void *stream); /* bytes of answers not yet given to the kernel */
    /* Too much of the answer stands here; exchange_client_writable() follows when it does not. */
    bool (*is_full)(const void *stream);
};

struct exchange_request {
    const struct client_ops *ops;
    void *stream;
    struct http_head *head; /* adopted, emptied */
    bool has_body;
    bool is_length_known;
    uint64_t length;
    const char *peer;
    int refused_status; /* not 0: to be answered with it and `problem`, never forwarded */
    const char *problem;
};

/* Starts it. The client's side may be told of an answer before this returns; with all of it the
 * result is NULL: whatever else the client sends for it is to be thrown away. */
struct exchange *exchange_start(struct gateway *gateway, struct exchange_request *request);
void exchange_request_data(struct exchange *exchange, struct str bytes);
void exchange_request_end(struct exchange *exchange, const struct http_head *trailers);
/* Of an exchange that was answered with 101: the client has ended its side, and still reads. */
void exchange_stream_ended(struct exchange *exchange);
/* What the client sent of the request's body is none: nothing more goes upstream, and it is
 * answered with 400 where no answer has begun, else broken off. */
void exchange_request_malformed(struct exchange *exchange, const char *problem);
/* As exchange_client_gone(), because of what it sent. */
void exchange_client_malformed(struct exchange *exchange, const char *problem, size_t undelivered);
/* The client has reset the stream, or is gone. The stream is not told anything any more.
 * `undelivered` bytes of the answer's body never left. */
void exchange_client_gone(struct exchange *exchange, size_t undelivered);
/* client_ops.is_full ended. */
void exchange_client_writable(struct exchange *exchange);
