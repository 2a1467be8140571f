/* chunk.h - a reference-counted piece of a body that recorder and sender share: read-only once
 * another thread has a share. The count is atomic, so the two may be in different threads. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

#define CHUNK_BYTES_MAX 65536

struct chunk; /* opaque */

/* A copy of `data` (<= CHUNK_BYTES_MAX bytes), with one owner. */
struct chunk *chunk_new(struct str data);
/* With room for more, `capacity` in all (<= CHUNK_BYTES_MAX). */
struct chunk *chunk_new_with_room(struct str data, size_t capacity);
/* Adds `data`, if there is room for all of it. Only while no other thread has a share. */
bool chunk_append(struct chunk *chunk, struct str data);
struct str chunk_bytes(const struct chunk *chunk);
/* One more owner; returns `chunk`. */
struct chunk *chunk_share(struct chunk *chunk);
/* One owner fewer; the last one frees it. */
void chunk_free(struct chunk **chunk);
