/* h2_raw.h - a client that sends the gateway of a world HTTP/2 frames by hand, whatever they are,
 * and keeps per stream what came back. h2_caller.h is the one that behaves. */
#pragma once

#include "gateway_world.h"

#define H2_RAW_STREAMS 8

struct h2_raw_answer {
    int status;       /* 0: none */
    char fields[512]; /* "name: value;" */
    char body[512];
    bool is_complete;
    uint32_t reset; /* code + 1 of RST_STREAM; 0: none */
};

struct h2_raw {
    struct world *world;
    struct conn *conn; /* NULL: closed */
    void *inflater;
    struct buf in;
    bool is_ready, has_ended;
    uint32_t goaway;     /* code + 1; 0: none */
    unsigned frames[16]; /* that came, by type */
    struct h2_raw_answer
        answers[H2_RAW_STREAMS + 1]; /* of stream 1, 3, 5…; all later ones share the last */
};

/* A field; a "{0}" in either stands for a NUL. "{bearer}" is the session's bearer. */
struct h2_raw_field {
    const char *name, *value;
};

/* Connected, with SETTINGS both ways: nothing is sent by itself any more. */
struct h2_raw *h2_raw_connect(struct world *world);
void h2_raw_free(struct h2_raw **raw);
void h2_raw_send(struct h2_raw *raw, const struct buf *frames);
/* Appends the HPACK block of fields up to one without a name. */
void h2_raw_put_block(struct world *world, struct buf *block, const struct h2_raw_field *fields);
/* HEADERS, with END_HEADERS and `flags`. */
void h2_raw_headers(struct h2_raw *raw, int32_t stream, uint8_t flags,
                    const struct h2_raw_field *fields);
void h2_raw_data(struct h2_raw *raw, int32_t stream, uint8_t flags, const char *text);
struct h2_raw_answer *h2_raw_answer(struct h2_raw *raw, int32_t stream);
