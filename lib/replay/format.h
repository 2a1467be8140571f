/* format.h - numbers and words for people; each appends to `out`. Nothing that could drive a
 * terminal gets through. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* 812 B, 3.4 KiB, 1.2 GiB */
void format_bytes(struct buf *out, uint64_t bytes);
/* 0.4 ms, 41 ms; from 1 s on as format_seconds() */
void format_millis(struct buf *out, int64_t us);
/* 0.31s, 24.8s, 1m30s, 2h05m */
void format_seconds(struct buf *out, int64_t us);
/* +0:41.2, +1:02:03.4 */
void format_offset(struct buf *out, int64_t us);
/* 1 request, 2 requests */
void format_count(struct buf *out, uint64_t count, const char *noun);

/* Controls escaped; NULL gives nothing. */
void format_safe(struct buf *out, const char *text);
/* JSON text with controls as \uXXXX, which means the same and drives no terminal; an LF stays. */
void format_json_safe(struct buf *out, struct str json);
/* As one could type it into a shell, controls escaped. */
void format_words(struct buf *out, char *const *words, size_t count);

/* Columns of a terminal; `text` went through format_safe(), and may hold styles. */
size_t format_width(struct str text);
/* Blanks until `out` is `width` columns behind `from`. */
void format_pad(struct buf *out, size_t from, size_t width);

/* JSON text with line breaks and indentation, every other byte as it was. Any bytes will do: what
 * is no JSON comes out somehow, and complete. */
void format_json(struct buf *out, struct str text);
