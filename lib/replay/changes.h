/* changes.h - before and after of the objects that a session changed, as far as the recording holds
 * both: what a write answered, against what an earlier read or write of the same object did.
 * Collected in a second pass over the lines, once the timeline is finished:
 *
 *   struct changes *changes = changes_new(timeline, DIFF_WITHOUT_NOISE);
 *   if (changes_are_possible(changes))
 *       … changes_add(changes, journal, line);     // each journal's lines in order
 *
 * Of each object that is written only the last state is kept, and of bodies no more than
 * CHANGES_BYTES: what is longer is not compared. Redacted values differ by their fingerprints.
 * Bodies that are no JSON (protobuf) are not compared. */
#pragma once

#include <stdbool.h>

#include "base/str.h"
#include "replay/diff.h"
#include "replay/timeline.h"

#define CHANGES_BYTES ((size_t)64 << 20)

struct change {
    uint32_t before;  /* number of the request whose answer is compared with */
    bool is_dry_run;  /* nothing was stored */
    struct diff diff; /* empty: the write changed nothing (but noise) */
};

struct changes; /* opaque */

/* The timeline is borrowed. */
struct changes *changes_new(const struct timeline *timeline, enum diff_noise noise);
/* False: nothing was written, the second pass can be spared. */
bool changes_are_possible(const struct changes *changes);
void changes_add(struct changes *changes, unsigned journal, struct str line);

/* NULL: it wrote nothing, or nothing to compare with is recorded. */
const struct change *changes_of(const struct changes *changes,
                                const struct replay_request *request);
void changes_free(struct changes **changes);
