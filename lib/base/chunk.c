#include "base/chunk.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"

struct chunk {
    atomic_uint owners;
    size_t len, capacity;
    char data[];
};

struct chunk *chunk_new(struct str data)
{
    return chunk_new_with_room(data, data.len);
}

struct chunk *chunk_new_with_room(struct str data, size_t capacity)
{
    assert(data.len <= capacity && capacity <= CHUNK_BYTES_MAX);
    struct chunk *chunk = xrealloc(NULL, sizeof *chunk + capacity);

    atomic_init(&chunk->owners, 1);
    chunk->len = 0;
    chunk->capacity = capacity;
    ignore(chunk_append(chunk, data));
    return chunk;
}

bool chunk_append(struct chunk *chunk, struct str data)
{
    if (data.len > chunk->capacity - chunk->len)
        return false;
    if (data.len)
        memcpy(chunk->data + chunk->len, data.data, data.len);
    chunk->len += data.len;
    return true;
}

struct str chunk_bytes(const struct chunk *chunk)
{
    return str_make(chunk->data, chunk->len);
}

struct chunk *chunk_share(struct chunk *chunk)
{
    atomic_fetch_add_explicit(&chunk->owners, 1, memory_order_relaxed);
    return chunk;
}

void chunk_free(struct chunk **chunk)
{
    if (*chunk && atomic_fetch_sub_explicit(&(*chunk)->owners, 1, memory_order_acq_rel) == 1)
        free(*chunk);
    *chunk = NULL;
}
