/* verify_segment.h - one sealed segment, by itself and as the next one of its journal. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "session/verify.h"

/* Where a journal stands after the segments that were read. */
struct chain {
    const char *session;
    const char *journal;
    uint32_t next_n;
    char previous[SHA256_HEX_BYTES]; /* hash of the index line before; "": not known */
    bool knows_seq;                  /* is next_seq what must come? */
    uint64_t next_seq;
    char time_last[CLOCK_TEXT_BYTES]; /* of the last event before a `recovered` one */
};

/* What a segment turned out to be. */
struct segment_facts {
    bool has_index; /* the next three are known */
    char index_sha256[SHA256_HEX_BYTES];
    bool is_last;
    bool is_recovered;
    bool was_read; /* to its end: what follows is known */
    uint64_t events;
    uint64_t gaps;
    uint64_t degraded;
    uint64_t seq_last;
    char time_last[CLOCK_TEXT_BYTES];
    struct buf journals; /* owned: what its session.end names, each with a blank behind it */
    char crash_from[CLOCK_TEXT_BYTES]; /* nothing is proven between these two, when recovered */
    char crash_to[CLOCK_TEXT_BYTES];
    char root_key[ROOT_KEY_ID_BYTES];
    char gateway[GATEWAY_NAME_BYTES];
};

/* Who takes what was found. */
struct finder {
    void (*found)(void *context, enum verdict verdict, const struct mismatch *what);
    void *context;
};

void segment_facts_free(struct segment_facts *facts);

void verify_segment(const struct chain *chain, const struct verify_object *object,
                    const struct source *source, const struct trust *trust,
                    const struct finder *finder, struct segment_facts *facts);

/* The segment line at the start of a .part: nothing signs it, but it must fit its chain. False:
 * there is no whole line yet. `gateway` is as the line names it, or "". */
bool verify_first_line(const struct chain *chain, uint32_t n, const struct source *source,
                       const struct finder *finder, char gateway[GATEWAY_NAME_BYTES]);
