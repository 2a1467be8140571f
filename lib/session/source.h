/* source.h - bytes that can be read from any place: a file, an object in a store, memory. Readers
 * of segments take one, so that they do no I/O of their own. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"

/* All zero is a valid, empty one. */
struct source {
    /* Reads up to `len` bytes at `offset`; how many, 0 only at or behind the end; -1 with `err`. */
    ssize_t (*read)(void *context, uint64_t offset, void *data, size_t len, struct error *err);
    void (*close)(void *context); /* NULL: nothing to close */
    void *context;
    uint64_t bytes; /* its length when it was opened */
};

/* Borrows `data`. */
struct source source_from_memory(const struct str *data);

/* Exactly `len` bytes from `offset`. ERROR_STORAGE when they cannot be read, or are not there. */
must_use int source_read(const struct source *source, uint64_t offset, void *data, size_t len,
                         struct error *err);

void source_close(struct source *source);
