/* reader.h - the lines of one segment (man hoop-session), sealed or still open, read under
 * limits. Nothing in the bytes is trusted: whatever they hold, a reader ends with IO_EOF or with
 * IO_FAILED, and never takes more than READER_MEMORY_BYTES.
 *
 *   struct reader *reader = reader_open_sealed(&source, n, err);
 *   while ((status = reader_next(reader, &line, err)) == IO_OK) …
 *
 * It checks what can be checked without keys: the tail, its length, SHA-256 over the compressed
 * bytes before any of them is decompressed (and once more while they are), the frames. Signature,
 * name, chain and `seq` are the business of verify.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "session/source.h"

#define READER_PLAIN_BYTES_MAX ((uint64_t)256 << 20)
#define READER_LINE_BYTES_MAX ((size_t)1 << 20) /* LF included */
#define READER_WINDOW_LOG_MAX 23
#define READER_MEMORY_BYTES ((size_t)32 << 20)

struct reader; /* opaque */

struct reader_line {
    struct str text;       /* LF included; valid until the next call */
    uint32_t segment;      /* the n that was given */
    uint64_t number;       /* in the segment, from 1; number 1 is its `segment` line */
    uint64_t plain_offset; /* of its first byte in the segment's plain text */
};

/* A sealed segment. `source` is borrowed until reader_free(). ERROR_PROTOCOL when tail, length or
 * hash do not fit, ERROR_UNVERIFIABLE for another version of the format, ERROR_STORAGE when it
 * cannot be read. */
must_use struct reader *reader_open_sealed(const struct source *source, uint32_t n,
                                           struct error *err);

/* A `.part`: all complete lines of its readable prefix, up to where it was cut; an index line, when
 * the tail was already written, ends it. Its bytes may grow meanwhile; what was there at the
 * opening (source->bytes) is read. */
must_use struct reader *reader_open_part(const struct source *source, uint32_t n,
                                         struct error *err);

/* The next line. IO_EOF after the last; for a sealed segment only when everything fitted.
 * IO_FAILED: ERROR_PROTOCOL or ERROR_STORAGE, again at each further call. The lines are not
 * checked for JSON here. */
must_use enum io reader_next(struct reader *reader, struct reader_line *line, struct error *err);

/* After IO_EOF of a `.part`: did bytes remain that gave no complete line? */
bool reader_was_cut(const struct reader *reader);

void reader_free(struct reader **reader);
