/* h2_flood.h - lib/http's own: how much work without use a peer may make. Each kind of it has a
 * bucket that fills with time; a connection whose bucket is empty is ended. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum h2_flood_kind {
    H2_FLOOD_RESETS, /* streams that came to nothing, by whoever reset them (CVE-2023-44487,
                        CVE-2025-8671) */
    H2_FLOOD_IDLE,   /* PING, SETTINGS, PRIORITY, CONTINUATION, empty DATA (CVE-2019-9512…); not
                        frames of unknown type, which nghttp2 skips without a word */
    H2_FLOOD_KINDS,
};

/* All zero is a valid one, full at the first h2_flood_advance(). */
struct h2_flood {
    bool has_begun;
    int64_t mono_us;
    int64_t left_milli[H2_FLOOD_KINDS]; /* thousandths of an allowed frame */
};

void h2_flood_advance(struct h2_flood *flood, int64_t mono_us);
/* Takes one; false when there was none left. */
bool h2_flood_take(struct h2_flood *flood, enum h2_flood_kind kind);
