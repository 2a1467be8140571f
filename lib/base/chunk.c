#include "base/chunk.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"

struct chunk {
    atomic_uint owners;
    size_t len;
    char data[];
};

struct chunk *chunk_new(struct str data)
{
    assert(data.len <= CHUNK_BYTES_MAX);
    struct chunk *chunk = xrealloc(NULL, sizeof *chunk + data.len);

    atomic_init(&chunk->owners, 1);
    chunk->len = data.len;
    if (data.len)
        memcpy(chunk->data, data.data, data.len);
    return chunk;
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
