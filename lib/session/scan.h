/* scan.h - what can be read of the data frames of a segment that was not sealed, block by block
 * (RFC 8878 3.1.1), under the limits of man hoop-session. Nothing in the bytes is trusted: what
 * no writer of ours can have written ends the readable part. */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "session/source.h"
#include "session/tally.h"

/* Where the last complete block ends after which the plain text ends in LF, within the first
 * `limit` bytes; 0 when there is none. ERROR_STORAGE: it cannot be read. */
must_use int scan_find_cut(const struct source *source, uint64_t limit, uint64_t *cut,
                           struct error *err);

#define SCAN_OPEN_MAX 1024
/* A writer of ours ends a frame at 32 MiB of plain text, of which a segment holds 256; an index of
 * many more would not fit into a tail. */
#define SCAN_FRAMES_MAX 512

/* The first `bytes` bytes, which scan_find_cut() gave, or of which it is known that they were
 * flushed. */
struct scan {
    struct tally tally; /* a frame may be open */
    char first_gateway[GATEWAY_NAME_BYTES];
    uint64_t
        open[SCAN_OPEN_MAX]; /* exchanges with an event and no `complete`, in order of arrival */
    size_t open_count;
    uint64_t open_omitted;
};

/* Fills `scan`. ERROR_PROTOCOL: the first line is not ours, the bytes do not end where a line and a
 * block do, or there are more frames than SCAN_FRAMES_MAX. ERROR_STORAGE. */
must_use int scan_tally(const struct source *source, uint64_t bytes, struct scan *scan,
                        struct error *err);
/* An empty last raw block ends the frame that is open: appends it to `out` and tallies it. */
void scan_close_frame(struct scan *scan, struct buf *out);
void scan_free(struct scan *scan);
