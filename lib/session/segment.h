/* segment.h - the bytes of one segment as they grow: lines in, zstd blocks and at last the tail out
 * (man hoop-session). What is in `out` is to be written at the end of the file. No I/O. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "session/tally.h"

#define SEGMENT_LEVEL 1
#define SEGMENT_WINDOW_LOG 23
#define SEGMENT_HASH_LOG 15 /* level 1 has 14; more finds little more, and misses the cache */
#define SEGMENT_PLAIN_BYTES_MAX ((uint64_t)256 << 20)

struct segment; /* opaque */

struct segment_names { /* copied */
    const char *session, *journal, *previous, *cluster, *gateway, *boot;
    uint32_t n;
};

/* One that begins: its `segment` line is in it. */
struct segment *segment_new(const struct segment_names *names, struct instant now);
/* One that goes on after what was tallied (which it takes over): a new frame, when a line comes. */
struct segment *segment_new_after_adopt(struct tally *tally);

void segment_add(struct segment *segment, struct str line, const struct event_head *head);
/* All lines so far can be read from what is in `out` then. */
void segment_flush(struct segment *segment);
void segment_end_frame(struct segment *segment);
/* Compressed bytes that are to be written; the caller clears them. */
struct buf *segment_out(struct segment *segment);

uint64_t segment_bytes(const struct segment *segment); /* that came out so far */
uint64_t segment_plain_bytes(const struct segment *segment);
uint64_t segment_frame_plain_bytes(const struct segment *segment);
bool segment_has_event(const struct segment *segment);

/* Ends the last frame and appends the tail to `out`. ERROR_INTERNAL. */
must_use int segment_seal(struct segment *segment, const struct boot *boot, const char *reason,
                          bool is_last, char line_sha256[SHA256_HEX_BYTES], struct error *err);

void segment_free(struct segment **segment);

/* Of a `segment` line (LF included or not). Fills `names` of the index: session, journal, n,
 * cluster, gateway, previous, and `time`. ERROR_PROTOCOL, ERROR_UNVERIFIABLE (version). */
must_use int segment_line_parse(struct index *index, char time[CLOCK_TEXT_BYTES], struct str line,
                                struct error *err);
