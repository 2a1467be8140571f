#include "http/chunk_queue.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"

struct chunk_link {
    struct chunk_link *next;
    struct chunk *chunk; /* owned */
};

void chunk_queue_push_adopt(struct chunk_queue *queue, struct chunk *chunk)
{
    size_t len = chunk_bytes(chunk).len;

    if (len == 0) {
        chunk_free(&chunk);
        return;
    }
    struct chunk_link *link = xcalloc(1, sizeof *link);

    link->chunk = chunk;
    if (queue->last)
        queue->last->next = link;
    else
        queue->first = link;
    queue->last = link;
    queue->bytes += len;
}

static void drop_first(struct chunk_queue *queue)
{
    struct chunk_link *link = queue->first;

    queue->first = link->next;
    if (!queue->first)
        queue->last = NULL;
    queue->taken = 0;
    chunk_free(&link->chunk);
    free(link);
}

void chunk_queue_take(struct chunk_queue *queue, size_t len, struct buf *out)
{
    assert(len <= queue->bytes);
    while (len > 0) {
        struct str rest = str_skip(chunk_bytes(queue->first->chunk), queue->taken);
        struct str piece = str_first(rest, len);

        buf_append_str(out, piece);
        queue->taken += piece.len;
        queue->bytes -= piece.len;
        len -= piece.len;
        if (piece.len == rest.len)
            drop_first(queue);
    }
}

void chunk_queue_free(struct chunk_queue *queue)
{
    while (queue->first)
        drop_first(queue);
    *queue = (struct chunk_queue){0};
}
