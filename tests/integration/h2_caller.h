/* h2_caller.h - a client that speaks HTTP/2 to the gateway of a world, by nghttp2's client side,
 * and keeps per stream what came back. */
#pragma once

#include "gateway_world.h"

#define H2_CALLER_STREAMS 256

struct h2_answer {
    int32_t id;
    int status;     /* 0: none yet */
    size_t bytes;   /* of the body */
    char body[256]; /* its first bytes */
    bool is_complete;
    bool is_closed;
    uint32_t reset_code; /* valid when closed and not complete */
};

struct h2_caller;

/* `window`: of each stream, in bytes; nothing is given back while `holds` is set for it. */
struct h2_caller *h2_caller_connect(struct world *world, uint32_t window);
void h2_caller_free(struct h2_caller **peer);

/* Sends a request; its body, when there is one, with h2_caller_data(). Returns its stream. */
int32_t h2_caller_request(struct h2_caller *peer, const char *method, const char *path,
                          const char *content_length, bool has_body);
void h2_caller_data(struct h2_caller *peer, int32_t stream, const char *text, bool is_last);
/* The last of the body, and a trailer "name: 1". */
void h2_caller_trailer(struct h2_caller *peer, int32_t stream, const char *text, const char *name);
void h2_caller_reset(struct h2_caller *peer, int32_t stream);
/* Takes no more of this stream: its window runs empty. */
void h2_caller_hold(struct h2_caller *peer, int32_t stream, bool is_held);
const struct h2_answer *h2_caller_answer(const struct h2_caller *peer, int32_t stream);
bool h2_caller_was_told_to_go(const struct h2_caller *peer);
