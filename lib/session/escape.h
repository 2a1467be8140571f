/* escape.h - bytes as the inside of a JSON string (man hoop-session): what JSON demands, and
 * U+007F-U+009F, U+2028, U+2029 and the bidirectional controls, so that no line of a recording can
 * drive a terminal. Output is always valid UTF-8, at most 6 bytes for each byte of input. */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

/* What the members of an event that carry bytes are called. */
enum escape_kind {
    ESCAPE_TEXT,   /* `text`: the bytes are valid UTF-8, and stand there as text */
    ESCAPE_LATIN1, /* `latin1`: each byte stands there as U+0000-U+00FF */
};

/* How the next run of `data` goes into an event: how many bytes (0 only when there are none) and of
 * which kind. A body that was cut within a character gives `text` up to it, and its one to three
 * bytes as `latin1`: nothing waits for the next piece, and the runs concatenated are the bytes. */
size_t escape_run(struct str data, enum escape_kind *kind);

/* A run. `data` must be valid UTF-8 for ESCAPE_TEXT. */
void escape_append(struct buf *out, struct str data, enum escape_kind kind);

/* Any bytes as text: what is no UTF-8 becomes U+FFFD. For names, reasons, header values. */
void escape_append_lossy(struct buf *out, struct str data);
