/* upstream_inside.h - what the parts of an upstream share: links, calls, and what is spoken on a
 * link. Only upstream*.c include it. */
#pragma once

#include "base/buf.h"
#include "net/conn.h"
#include "proxy/upstream.h"

#define UPSTREAM_DIRECT_BYTES ((size_t)8 << 10) /* pieces from this size on are not joined */
#define UPSTREAM_JOIN_BYTES ((size_t)64 << 10)

struct upstream {
    struct loop *loop;
    struct upstream_target target;
    struct upstream_limits limits;
    const struct link_protocol *spoken; /* on the newest link; NULL: not known yet */
    struct link *links;                 /* all that have no `closed` yet */
    size_t link_count;                  /* of them, with a conn */
    struct upstream_call *calls;
    struct upstream_call *waiting, *last_waiting;
    size_t waiting_count;
    uint64_t numbers;
    struct loop_timer *patience; /* of those that wait */
    bool is_freed;               /* to be done when the last link is closed */
};

/* One connection. It lives until its conn is closed. */
struct link {
    struct link *next;
    struct upstream *upstream;
    struct conn *conn;                    /* NULL: closing */
    const struct link_protocol *protocol; /* NULL until the handshake is done */
    void *state;                          /* owned by the protocol */
    size_t calls;                         /* on it */
    bool is_reserved;                     /* for one call, an upgrade… */
    struct upstream_call *reserved;       /* …which waits for it; NULL: it is on it, or gone */
    bool is_usable;                       /* once: it said what it can take */
    bool is_shut;                         /* takes no more calls */
    struct loop_timer *idle;
    struct loop_timer *silence; /* the protocol's */
};

struct upstream_call {
    struct upstream_call *previous, *next; /* of all */
    struct upstream_call *behind;          /* of those that wait */
    struct upstream *upstream;
    struct link *link; /* NULL: it waits for one */
    const struct link *avoided;
    const struct upstream_events *events;
    void *context;
    struct loop_job job;   /* tells `ready`, or `problem`, from the loop */
    struct error *problem; /* owned; NULL: none */
    uint64_t number;
    uint64_t since_ms; /* waiting */
    unsigned tries;    /* of links */
    unsigned refusals; /* by links that went on */

    /* The request. */
    struct http_head *head; /* owned, until the answer's head; NULL: not given yet */
    struct chunk **kept;    /* owned; of a whole body, until the answer's first byte */
    size_t kept_count, kept_capacity;
    struct http_head *trailers; /* owned, or NULL */
    enum upstream_body body;
    bool is_told;           /* `ready` */
    bool is_given;          /* the head was, once */
    bool is_gone;           /* of what was given, something is not in memory any more */
    bool is_sent;           /* the head, on this link */
    bool has_request_ended; /* all of it was given */

    /* The answer. */
    bool has_answer;  /* something of it came */
    bool is_complete; /* it ended well */
    unsigned interims;
    uint64_t sent, received; /* over the wire, of earlier links */

    /* The protocol's. */
    int32_t stream;     /* h2; 0: none */
    size_t outstanding; /* h2: bytes without credit */
    bool is_stopped;    /* h1 */
};

/* What is spoken on a link. The link's own functions may be called from all of them. */
struct link_protocol {
    void (*begin)(struct link *link);
    size_t (*capacity)(const struct link *link); /* how many calls may be on it at once */
    void (*received)(struct link *link, struct str bytes);
    void (*writable)(struct link *link);
    void (*ended)(struct link *link); /* the server's side is complete */
    /* It is closed: calls of which something was sent fail now, by call_fail() or call_again(). */
    void (*lost)(struct link *link, const struct error *err);
    void (*free)(struct link *link);

    /* false: it may not be sent, and why. */
    bool (*send_head)(struct upstream_call *call, struct error *err);
    void (*send_data)(struct upstream_call *call, struct chunk *chunk);
    void (*send_end)(struct upstream_call *call, const struct http_head *trailers);
    size_t (*queued)(const struct upstream_call *call);
    size_t (*unsent)(const struct upstream_call *call);
    void (*throttle)(struct upstream_call *call, size_t held_bytes, enum upstream_flow flow);
    void (*wire)(const struct upstream_call *call, uint64_t *sent, uint64_t *received);
    /* The call leaves: what is not complete is broken off. */
    void (*leave)(struct upstream_call *call);
};

extern const struct link_protocol link_h1, link_h2;

/* ---- upstream.c ---- */

/* A link of it is gone: so is the upstream, when it was the last one and it was freed before. */
void upstream_left_by_link(struct upstream *upstream);

/* ---- upstream_link.c ---- */

const struct upstream_limits *link_limits(const struct link *link);
struct loop *link_loop(const struct link *link);
/* Dials; `alpn` is what TLS offers. */
struct link *link_dial(struct upstream *upstream, const char *alpn);
bool link_has_room(const struct link *link);
/* It has no call: it waits for one, or for its end. */
void link_rest(struct link *link);
/* At once; its calls are another matter: link_lose(). */
void link_close(struct link *link);
/* It can take calls, or others than before. */
void link_is_usable(struct link *link);
/* No new calls; it is closed when it has none. */
void link_shut(struct link *link);
/* It is over, and so are its calls. `failure` of those that were sent: UPSTREAM_RESET. */
void link_lose(struct link *link, const struct error *err);

/* ---- upstream_wait.c ---- */

/* In the order in which they were opened: one that is sent again stands before those that never
 * were. upstream_find_links() after it. */
void call_wait(struct upstream_call *call);
/* Where it waits: not any more. */
void call_unqueue(struct upstream_call *call);
void call_join(struct upstream_call *call, struct link *link);
/* Gives links to calls that wait, and makes more where there are too few. */
void upstream_find_links(struct upstream *upstream);

/* ---- upstream_call.c ---- */

/* From here on the call is not sent again; false when it was given up (too many 1xx). */
bool call_got_interim(struct upstream_call *call, struct http_head *head);
void call_got_head(struct upstream_call *call, struct http_head *head, bool is_all);
/* Both end it: the call is gone. */
void call_end(struct upstream_call *call, const struct http_head *trailers);
void call_fail(struct upstream_call *call, enum upstream_failure failure, const struct error *err);
/* Nothing can have come of it: it is sent again, or fails as UPSTREAM_UNPROCESSED. */
void call_again(struct upstream_call *call, const struct error *err);
