/* buf.h - bytes that grow, up to a limit. Appends return nothing: past the limit `overflow`
 * sticks, nothing more is added, and it is checked once, before the bytes are used. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

#define BUF_LIMIT_DEFAULT ((size_t)1 << 20)

/* All zero is a valid, empty one with the default limit. */
struct buf {
    char *data; /* owned */
    size_t len;
    size_t capacity;
    size_t limit; /* 0: BUF_LIMIT_DEFAULT */
    bool overflow;
};

/* buf_reserve() where the room is not there yet. */
must_use char *buf_grow(struct buf *buf, size_t len);

/* Room for `len` more bytes behind the end, for a producer that writes by itself and then adds to
 * buf->len. NULL and overflow when the limit forbids it. */
must_use static inline char *buf_reserve(struct buf *buf, size_t len)
{
    size_t limit = buf->limit ? buf->limit : BUF_LIMIT_DEFAULT;

    if (buf->overflow || len > limit - buf->len || len > buf->capacity - buf->len)
        return buf_grow(buf, len);
    return buf->data + buf->len;
}

static inline void buf_append(struct buf *buf, const void *data, size_t len)
{
    char *end = len ? buf_reserve(buf, len) : NULL;

    if (!end)
        return;
    memcpy(end, data, len);
    buf->len += len;
}

void buf_printf(struct buf *buf, const char *fmt, ...) printf_like(2, 3);

static inline void buf_append_str(struct buf *buf, struct str text)
{
    buf_append(buf, text.data, text.len);
}

static inline void buf_append_text(struct buf *buf, const char *text)
{
    buf_append_str(buf, str_from(text));
}

static inline void buf_append_char(struct buf *buf, char c)
{
    buf_append(buf, &c, 1);
}

/* Drops the first `len` bytes. */
void buf_consume(struct buf *buf, size_t len);

/* Empty again, memory and limit kept, overflow cleared. */
void buf_clear(struct buf *buf);

static inline struct str buf_str(const struct buf *buf)
{
    return str_make(buf->data, buf->len);
}

/* NUL-terminates (the NUL is not counted) and gives the text away; the buffer is empty then. */
must_use char *buf_take_text(struct buf *buf);

void buf_free(struct buf *buf);
