/* forge.h - makes segments for tests, line by line and frame by frame, as the gateway would, or as
 * nobody should. The index is kept in step; a test that wants it to lie changes it before the
 * sealing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "session/index.h"
#include "session/keys.h"

/* 2026-11-22T17:02:11Z, as a ULID has it. */
#define FORGE_SESSION "01M823AJHRABCDEFGHJKMNPQRS"
#define FORGE_OTHER_SESSION "01M823AJHRABCDEFGHJKMNPQRT"
#define FORGE_JOURNAL "00c0ffee"
#define FORGE_CLUSTER "prod"
#define FORGE_UNIX_US ((int64_t)1795366931 * 1000000)

struct forge {
    struct index index;
    struct buf data;                                                /* whole frames */
    struct buf plain;                                               /* of the frame that is open */
    char time_first[CLOCK_TEXT_BYTES], time_last[CLOCK_TEXT_BYTES]; /* of its events */
    uint64_t lines;                                                 /* in it */
    uint64_t events;                                                /* in the segment */
    int64_t clock_us;
    int window_log; /* 0: 23 */
};

/* A segment and its first line. `previous` NULL: 64 zeros. */
void forge_begin(struct forge *forge, const struct boot *boot, const char *session,
                 const char *journal, uint32_t n, const char *previous);
void forge_free(struct forge *forge);

/* One event with that seq; of type gap with from and to when `from` >= 0. */
void forge_event(struct forge *forge, const char *type, uint64_t seq);
void forge_gap(struct forge *forge, uint64_t seq, int64_t from, int64_t to);
/* One that names `journals`; NULL: none. */
void forge_session_end(struct forge *forge, uint64_t seq, const char *journals);
/* Any bytes as a line (its LF included), counted as an event of that type and seq. */
void forge_line(struct forge *forge, struct str text, const char *type, uint64_t seq);
/* Bytes into the plain text, and lines that they are, uncounted otherwise. */
void forge_raw_plain(struct forge *forge, struct str text, uint64_t lines);

/* Ends the open frame, if there is anything in it. */
void forge_end_frame(struct forge *forge);
/* A ready-made frame that is said to hold `plain_bytes` and `lines`. */
void forge_add_frame(struct forge *forge, struct str frame, uint64_t plain_bytes, uint64_t lines);
/* Recomputes hashes and sums of the index over what is there now. */
void forge_refresh(struct forge *forge);

/* Ends the frame, appends data and signed tail to `out`. */
void forge_seal(struct forge *forge, const struct boot *boot, bool is_last, const char *reason,
                struct buf *out, char line_sha256[SHA256_HEX_BYTES]);
/* What a .part holds: the data so far, the open frame flushed. */
void forge_part(struct forge *forge, struct buf *out);

/* A tail of any two lines, unsigned: as forge_seal() makes it of honest ones. */
void forge_tail(struct buf *out, struct str lines);

/* One zstd frame; `with_size`: its header tells the content size. */
void forge_compress(struct buf *out, struct str plain, int window_log, bool with_size);
/* A frame of `blocks` run-length blocks of 128 KiB, 4 bytes each. */
void forge_bomb(struct buf *out, size_t blocks, char byte);
