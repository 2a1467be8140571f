/* bodies.h - what went through chosen exchanges, collected in a second pass over the lines once the
 * timeline is finished. Bodies are put together from `text` and `latin1` by offset; what was
 * withheld, lost, or left out by a limit here stays visible as a piece of its own. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "replay/timeline.h"

#define VIEW_EVENTS 5

enum body_side { SIDE_REQUEST, SIDE_RESPONSE };

enum piece_kind {
    PIECE_BYTES,    /* recorded */
    PIECE_WITHHELD, /* redaction could not read it */
    PIECE_MISSING,  /* no event covers it */
    PIECE_LEFT_OUT, /* recorded, but over the limit of this view */
};

struct body_piece {
    enum piece_kind kind;
    uint64_t offset; /* in the decoded body */
    uint64_t covers; /* how much of it */
    size_t at, len;  /* PIECE_BYTES: in body->bytes; shorter than `covers` inside a secret value */
    char *reason;    /* owned, PIECE_WITHHELD */
    char *fingerprint; /* owned, PIECE_WITHHELD */
};

struct body {
    struct buf bytes;
    struct body_piece *pieces; /* owned, by the order of recording */
    size_t count;
    uint64_t end;       /* behind the last byte that is accounted for */
    bool is_disordered; /* an offset went back */
};

struct exchange_view {
    struct body body[2]; /* by body_side */
    /* Owned: request, response, complete, stream.open, stream.close; NULL when absent, or when not
     * one request is asked for: those of a hundred thousand take gigabytes. */
    json_object *events[VIEW_EVENTS];
};

struct bodies; /* opaque */

/* Of request `number`, or of all with 0. At most `each` bytes of a body are kept, and `total` of
 * all; the timeline is borrowed. */
struct bodies *bodies_new(const struct timeline *timeline, uint32_t number, size_t each,
                          size_t total);

/* Of those that `wants` says yes to; it is asked at each of their lines. */
typedef bool bodies_wants(void *context, const struct replay_request *request);
struct bodies *bodies_new_for(const struct timeline *timeline, bodies_wants *wants, void *context,
                              size_t each, size_t total);

/* The request whose end this line is, when it is one of those that are collected; else NULL. */
const struct replay_request *bodies_add(struct bodies *bodies, unsigned journal, struct str line);

/* Forgets what was collected for it: room for others. */
void bodies_drop(struct bodies *bodies, const struct replay_request *request);

/* NULL when nothing was collected for it. */
const struct exchange_view *bodies_of(const struct bodies *bodies,
                                      const struct replay_request *request);

void bodies_free(struct bodies **bodies);
