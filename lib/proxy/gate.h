/* gate.h - what waits for the journal. Each direction of each exchange has one queue; nothing is
 * sent but what gate_take() gives out, and it gives out only what the journal holds: asserted
 * there, on in release too (P1, P2). First in, first out, with one exception: a queue can be
 * dropped. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chunk.h"
#include "http/head.h"
#include "proxy/recorder.h"

enum gate_kind {
    GATE_HEAD,    /* `head` */
    GATE_INTERIM, /* `head` with a 1xx status */
    GATE_DATA,    /* `chunk` */
    GATE_END,     /* clean end of the message; `head` holds trailers, or is NULL */
    GATE_ABORT,   /* the sender broke off: never a clean end */
};

struct gate {
    enum gate_kind kind;
    const struct recording *recording; /* whose number it is */
    uint64_t number;
    struct http_head *head; /* owned, or NULL */
    struct chunk *chunk;    /* owned, or NULL */
    struct gate *next;
};

enum gate_rule {
    GATE_DURABLE, /* requests; everything under `strict` */
    GATE_WRITTEN, /* responses: written, and shut while the sync is over 100 ms behind */
};

/* All zero but `recording` and `rule` is a valid, empty one. */
struct gate_queue {
    const struct recording *recording; /* borrowed */
    enum gate_rule rule;
    struct gate *first, *last;
    size_t bytes; /* of the chunks in it */
};

void gate_push_adopt(struct gate_queue *queue, enum gate_kind kind, uint64_t number,
                     struct http_head *head, struct chunk *chunk);
/* The chunk of the last one has grown. */
void gate_note_growth(struct gate_queue *queue, size_t bytes);
/* Is there a first one, and is it open at `mono_us`? */
bool gate_is_open(const struct gate_queue *queue, int64_t mono_us);
/* The first one, which must be open (asserted). The caller frees it with gate_free(). */
struct gate *gate_take(struct gate_queue *queue, int64_t mono_us);
void gate_drop_all(struct gate_queue *queue);
void gate_free(struct gate **gate);
