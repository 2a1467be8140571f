#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

#define CAPACITY_FIRST 256

char *buf_grow(struct buf *buf, size_t len)
{
    size_t limit = buf->limit ? buf->limit : BUF_LIMIT_DEFAULT;

    if (buf->overflow || len > limit - buf->len) {
        buf->overflow = true;
        return NULL;
    }
    if (len > buf->capacity - buf->len) {
        size_t capacity = buf->capacity ? buf->capacity : CAPACITY_FIRST;

        while (capacity - buf->len < len)
            capacity *= 2;
        buf->data = xrealloc(buf->data, capacity);
        buf->capacity = capacity;
    }
    return buf->data + buf->len;
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0)
        abort();
    buf_append(buf, text, (size_t)len);
    free(text);
}

void buf_consume(struct buf *buf, size_t len)
{
    if (len >= buf->len) {
        buf->len = 0;
        return;
    }
    memmove(buf->data, buf->data + len, buf->len - len);
    buf->len -= len;
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->overflow = false;
}

char *buf_take_text(struct buf *buf)
{
    char *text = xstrndup(buf->data ? buf->data : "", buf->len);

    buf_free(buf);
    return text;
}

void buf_free(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){.limit = buf->limit};
}
