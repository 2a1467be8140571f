/* chunk_queue.h - lib/http's own: body bytes that wait to be framed, as a queue of shared chunks.
 */
#pragma once

#include "base/buf.h"
#include "base/chunk.h"

struct chunk_link;

/* All zero is a valid, empty one. */
struct chunk_queue {
    struct chunk_link *first, *last; /* owned */
    size_t taken;                    /* of the first chunk */
    size_t bytes;                    /* left in all of them */
};

/* Takes the reference over. An empty chunk adds nothing. */
void chunk_queue_push_adopt(struct chunk_queue *queue, struct chunk *chunk);
/* Moves `len` bytes, at most all, to the end of `out`. */
void chunk_queue_take(struct chunk_queue *queue, size_t len, struct buf *out);
void chunk_queue_free(struct chunk_queue *queue);
