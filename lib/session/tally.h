/* tally.h - what the index line of a segment says, kept up while the segment grows: compressed
 * bytes and lines in, sizes, hashes, times and counts out. No I/O. */
#pragma once

#include <stdbool.h>

#include "base/hash.h"
#include "session/event.h"
#include "session/index.h"

struct tally {
    struct index index;             /* owned; all but `reason`, `last` and what the signer adds */
    struct sha256 *all;             /* owned */
    struct sha256 *frame;           /* owned */
    char started[CLOCK_TEXT_BYTES]; /* of the segment line */
    bool is_in_frame;
    bool frame_has_event;
    bool has_event;
};

void tally_begin(struct tally *tally);
/* Both belong to the frame that is open; without one they open the next. */
void tally_bytes(struct tally *tally, struct str compressed);
/* `head` NULL: a line that is no event. */
void tally_line(struct tally *tally, struct str line, const struct event_head *head);
void tally_end_frame(struct tally *tally);
/* Puts the hash of all bytes into the index, which may be written then. */
struct index *tally_index(struct tally *tally);
void tally_free(struct tally *tally);
