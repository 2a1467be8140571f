/* record.h - one exchange as it is handed to the recorder: request, bodies, response, complete.
 * Order matters: request first, complete last, exactly once each. All functions are for the loop
 * thread, and return the number that gates wait for (recorder.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/chunk.h"
#include "http/head.h"
#include "kube/request_info.h"
#include "proxy/recorder.h"

enum direction { DIRECTION_REQUEST, DIRECTION_RESPONSE };

enum outcome {
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNREACHABLE,
    OUTCOME_CLIENT_GONE,
    OUTCOME_UPSTREAM_RESET,
    OUTCOME_TRUNCATED, /* the answer ended before its declared end */
    OUTCOME_GATEWAY_END,
    OUTCOME_UNKNOWN,
};

enum forwarded { FORWARDED_NONE, FORWARDED_HEAD, FORWARDED_PARTIAL, FORWARDED_ALL };

struct exchange_record; /* opaque; the recorder frees it after the complete event */

/* What the recorder answers about a request, to be read once its number is durable. Shared. */
struct receipt;
struct receipt *receipt_share(struct receipt *receipt);
void receipt_free(struct receipt **receipt);
#define AUDIT_ID_BYTES 37
/* Audit-ID of the request: a UUIDv8 of the first 16 bytes of SHA-256 over its line. */
char *receipt_audit_id(const struct receipt *receipt, char text[AUDIT_ID_BYTES]);

struct record_request {
    struct http_head *head;   /* owned; as the client sent it, the cluster's segment stripped */
    struct request_info info; /* owned */
    struct str command;       /* invocation id, or empty; copied */
    const char *user;         /* of the kubeconfig; copied */
    const char *source_ip;    /* copied */
    bool is_refused;          /* it is not going to be forwarded */
    bool is_whole;            /* `body` is all of it */
    struct chunk **body;      /* shared by the recorder, not adopted */
    size_t body_count;
};

struct exchange_record *record_new(struct recording *recording);

/* Empties what it adopts in `request`: head and info. `receipt` (may be NULL) is given a share. */
uint64_t record_request(struct exchange_record *record, struct record_request *request,
                        struct receipt **receipt);
/* A head of the answer, interim ones included. */
uint64_t record_response(struct exchange_record *record, const struct http_head *head);
/* After the answer 101, whose head this is: bodies from now on are those of a stream, opaque (we do
 * not read WebSocket or SPDY), withheld where the resource bears secrets. */
uint64_t record_stream_open(struct exchange_record *record, const struct http_head *head);
/* The next bytes of a body, as on the wire. The chunk is shared. */
uint64_t record_body(struct exchange_record *record, enum direction of, struct chunk *chunk);
/* Adds `bytes` to the chunk that record_body() was given last for the answer, where that can still
 * be done: it has room, nothing else of the exchange was handed over since, and the thread has not
 * got it. The number stays. A server's frames are small, and each event costs. */
bool record_body_extend(struct exchange_record *record, struct str bytes);
/* That body is over, or that half of the stream; `trailers` may be NULL. */
uint64_t record_body_end(struct exchange_record *record, enum direction of,
                         const struct http_head *trailers);

struct record_outcome {
    enum outcome outcome;
    enum forwarded forwarded;
    const char *reason;                 /* a sentence for people, or NULL; copied */
    uint64_t received[2], delivered[2]; /* body bytes, by direction */
    uint64_t wire[2];                   /* bytes to and from upstream, heads and framing included */
    int64_t started_mono_us, forwarded_mono_us, answered_mono_us; /* 0: never */
};

uint64_t record_complete(struct exchange_record **record, const struct record_outcome *outcome);
