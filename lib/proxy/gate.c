#include "proxy/gate.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"

void gate_push_adopt(struct gate_queue *queue, enum gate_kind kind, uint64_t number,
                     struct http_head *head, struct chunk *chunk)
{
    struct gate *gate = xcalloc(1, sizeof *gate);

    *gate = (struct gate){
        .kind = kind,
        .recording = queue->recording,
        .number = number,
        .head = head,
        .chunk = chunk,
    };
    if (queue->last)
        queue->last->next = gate;
    else
        queue->first = gate;
    queue->last = gate;
    if (chunk)
        queue->bytes += chunk_bytes(chunk).len;
}

void gate_note_growth(struct gate_queue *queue, size_t bytes)
{
    assert(queue->last && queue->last->chunk);
    queue->bytes += bytes;
}

bool gate_is_open(const struct gate_queue *queue, int64_t mono_us)
{
    const struct gate *gate = queue->first;

    if (!gate)
        return false;
    switch (queue->rule) {
    case GATE_DURABLE:
        return recording_has(gate->recording, gate->number, RECORDING_DURABLE);
    case GATE_WRITTEN:
        return recording_has(gate->recording, gate->number, RECORDING_WRITTEN) &&
               !recording_is_behind(gate->recording, mono_us);
    }
    unreachable();
}

struct gate *gate_take(struct gate_queue *queue, int64_t mono_us)
{
    assert(gate_is_open(queue, mono_us));
    struct gate *gate = queue->first;

    queue->first = gate->next;
    if (!queue->first)
        queue->last = NULL;
    gate->next = NULL;
    if (gate->chunk)
        queue->bytes -= chunk_bytes(gate->chunk).len;
    return gate;
}

void gate_drop_all(struct gate_queue *queue)
{
    while (queue->first) {
        struct gate *gate = queue->first;

        queue->first = gate->next;
        gate_free(&gate);
    }
    queue->last = NULL;
    queue->bytes = 0;
}

void gate_free(struct gate **gate)
{
    if (!*gate)
        return;
    http_head_delete(&(*gate)->head);
    chunk_free(&(*gate)->chunk);
    free(*gate);
    *gate = NULL;
}
