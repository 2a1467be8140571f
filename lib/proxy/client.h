/* client.h - inside the client's side: what a connection and the protocol spoken on it share. */
#pragma once

#include "net/conn.h"
#include "proxy/exchange.h"
#include "proxy/gateway_inside.h"

struct client;

/* client_h1.c, client_h2.c */
struct client_protocol {
    void *(*begin)(struct client *client);
    void (*data)(void *state, struct str bytes);
    void (*writable)(void *state);
    /* The client's side is complete. True: it reads on. NULL: none does that. */
    bool (*ended)(void *state);
    void (*quiet)(void *state); /* the time of client_rest() is over */
    void (*shut)(void *state);  /* no more requests; client_finish() when all is answered */
    void (*lost)(void *state);  /* nobody reads any more */
    void (*free)(void *state);
};

extern const struct client_protocol client_h1, client_h2;

struct client {
    struct client *previous, *next;
    struct gateway *gateway;
    struct conn *conn;                      /* NULL: closing */
    const struct client_protocol *protocol; /* NULL until the handshake is done */
    void *state;
    char *peer;
    bool is_shut;
    bool is_lost;      /* the protocol was told */
    bool is_finishing; /* what is queued is sent, then it closes */
    bool has_ended;    /* the client's own side is complete */
    struct loop_timer *quiet;
    struct loop_timer *linger;
    unsigned lingered_ms; /* since it last took something */
    size_t lingered_queued;
};

/* There is no request on it: it is told when that lasts too long. Again: from now on. */
void client_rest(struct client *client);
/* Something of a head has come: the same, for the rest of it. */
void client_await_head(struct client *client);
void client_wake(struct client *client); /* there is a request */
/* Sends what is queued, ends the stream, closes. What arrives meanwhile is thrown away. */
void client_finish(struct client *client);
/* At once, as a reset. */
void client_abort(struct client *client);
