/* gateway_inside.h - what the parts of a gateway share. Only gateway*.c, client*.c and exchange*.c
 * include it. */
#pragma once

#include "net/conn.h"
#include "net/listener.h"
#include "net/loop.h"
#include "proxy/exchange.h"
#include "proxy/gate.h"
#include "proxy/gateway.h"
#include "proxy/status.h"
#include "proxy/upstream.h"

/* A recording that this gateway uses, as the context of its progress. */
struct gateway_recording {
    struct gateway_recording *next;
    struct gateway *gateway;
    struct recording *recording;
};

/* The connections of one user to one cluster. */
struct gateway_upstream {
    struct gateway_upstream *next;
    char *cluster;
    unsigned user;
    struct upstream *upstream;
};

struct exchange {
    struct exchange *previous, *next; /* of the gateway's open, or dead, ones */
    struct gateway *gateway;

    const struct client_ops *ops; /* NULL: the client is through, or gone */
    void *stream;

    struct recording *recording;    /* NULL until it is known */
    struct exchange_record *record; /* from the request event on */
    struct receipt *receipt;
    struct gate_queue request, response;
    uint64_t last_number; /* of what was recorded last */

    struct upstream *upstream;
    struct upstream_credential credential; /* once has_credential, until it is sent */
    struct upstream_wait credential_wait;
    struct upstream_call *call;
    char *cluster;
    unsigned user;
    char *source_ip;
    char *invocation;         /* "" when unlinked */
    struct http_head *head;   /* as it is going to be sent, without who and Audit-ID */
    struct request_info info; /* until it is recorded */
    bool is_long_running;
    char *client_audit_id; /* the client's own, or NULL */

    bool is_head;               /* the method is HEAD: no answer has a body */
    char *upgrade;              /* the protocol that is asked for; NULL: none */
    bool is_stream;             /* and 101 came: bytes both ways, until one side ends */
    struct loop_timer *linger;  /* of a stream whose client has ended its side */
    uint64_t lingered_at;       /* bytes of the answer by then */
    bool has_body, is_whole;    /* of the request */
    struct buf whole;           /* is_whole: its body, until it is recorded; owned */
    struct http_head *trailers; /* of the request, until they are lined up; owned */
    bool has_request_ended;     /* the client said all */
    bool is_request_over;       /* nothing more of it goes upstream */
    bool has_credential;        /* to show upstream */
    size_t uncredited;          /* of it, given upstream without credit for the client */
    bool is_ready;              /* the call has a connection */
    size_t unsent_bytes;        /* its part of the gateway's */
    size_t whole_bytes;         /* likewise */
    bool is_paused;             /* the call */
    bool has_response;          /* its head has come, or is our own */
    bool is_head_all;           /* and there is no body */
    uint64_t answer_bytes;      /* of its body, where the head said so; else 0 */
    bool is_answered;           /* the client was given a response's head */
    bool is_done;
    enum status_warning warning; /* of answers of ours */

    struct record_outcome outcome;
    char *reason; /* for people; owned, or NULL */
};

struct gateway {
    struct gateway_config config;
    char *session;
    struct bearer_memo bearer_memo;
    struct tls_server *tls;
    struct listener *listener;
    struct gateway_recording *recordings;
    struct gateway_upstream *upstreams;
    struct client *clients;
    struct exchange *exchanges; /* open */
    struct exchange *dead;      /* to be freed when nobody is inside them */
    struct loop_job sweep;
    struct gateway_counts counts;
    size_t whole_bytes;        /* reserved for bodies of requests that are read whole */
    size_t unsent_bytes;       /* of answers in memory, over all exchanges */
    struct loop_timer *budget; /* looks whether those that a budget stopped may go on */
    struct loop_timer *idle;
    bool is_draining, is_over;
    struct loop_timer *drain_timer;
    void (*drained)(void *context);
    void *drained_context;
};

/* The recording for a cluster ("": home), whose progress reaches this gateway's exchanges. */
struct recording *gateway_recording(struct gateway *gateway, struct str cluster);
/* The connections to it; NULL with ERROR_CONFIG. */
must_use struct upstream *gateway_upstream(struct gateway *gateway, struct str cluster,
                                           unsigned user, struct error *err);
/* May a request whose body is read whole take so much memory? Then it has, until it is finished. */
bool gateway_reserve_whole(struct gateway *gateway, size_t bytes);
/* Must an exchange that holds so much of its answer stop reading? It is pumped again later. */
bool gateway_is_over_budget(struct gateway *gateway, size_t unsent_bytes);
/* Moves it among the dead, which are freed from the loop. */
void gateway_bury(struct gateway *gateway, struct exchange *exchange);

/* ---- exchange.c, for the gateway and exchange_admit.c ---- */

/* Sends what the journal holds by now, both ways. (exchange_relay.c) */
void exchange_pump(struct exchange *exchange);
/* What is not durable is lost. */
void exchange_journal_broke(struct exchange *exchange);
/* The gateway ends: it is broken off and recorded as gateway_end. */
void exchange_break_off(struct exchange *exchange);
void exchange_free(struct exchange **exchange);
/* Records the request, with all of its body or none, and lines up its head. */
void exchange_commit_request(struct exchange *exchange);
/* An answer of ours: recorded where the request was, else given at once. */
void exchange_answer(struct exchange *exchange, int code, const char *message);
/* 503, at once; the client that was given a part already is reset. Then it is done. */
void exchange_answer_unrecorded(struct exchange *exchange, const struct error *problem);
/* It ends as it is; a recorded one gets its complete event. */
void exchange_finish(struct exchange *exchange, enum outcome outcome);

/* For complete events. */
void exchange_set_reason(struct exchange *exchange, const char *text);
/* The client sees that it broke off. */
void exchange_abort_client(struct exchange *exchange);

/* ---- exchange_stream.c: after 101 ---- */

/* Records and lines up the answer `head`; from here on bodies are a stream. ERROR_PROTOCOL: it
 * changes to what was not asked for. */
must_use int exchange_open_stream(struct exchange *exchange, struct http_head *head,
                                  struct error *err);

/* ---- exchange_admit.c ---- */

/* Who asks, and for what: false when it was refused (and answered, and perhaps is done). */
bool exchange_admit(struct exchange *exchange, struct exchange_request *request);
/* Gets what the request shows upstream. IO_AGAIN: it is being fetched, the exchange is pumped when
 * it is there. The upstream has the identity that goes with it then. */
must_use enum io exchange_authorize(struct exchange *exchange, struct error *err);
/* Upstream answered 401: what the request showed does not hold any more. */
void exchange_credential_refused(struct exchange *exchange);

/* ---- client.c: one connection of a client, whatever it speaks ---- */

struct client;
/* An accepted connection; the client owns it from here on. */
void client_accept(struct gateway *gateway, struct conn *conn);
/* No more requests on it; it closes when it has answered those it has. */
void client_shut(struct client *client);
struct client *client_next(const struct client *client);
/* Does what a draining gateway can do next. */
void gateway_go_on_draining(struct gateway *gateway);
