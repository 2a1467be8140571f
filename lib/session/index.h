/* index.h - the tail frame of a segment: one raw zstd block that holds the index line and the
 * signature line as plain text (man hoop-session). No I/O. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "session/keys.h"
#include "session/ulid.h"

#define TAIL_HEADER_BYTES ((size_t)12)
#define TAIL_TEXT_BYTES_MAX ((size_t)128 << 10) /* both lines */
#define TAIL_BYTES_MAX (TAIL_HEADER_BYTES + TAIL_TEXT_BYTES_MAX)
#define INDEX_TYPES_MAX 64
#define JOURNAL_ID_BYTES 9    /* 8 hex and the NUL */
#define CLUSTER_ID_BYTES 64   /* 63 characters and the NUL */
#define INDEX_REASON_BYTES 16 /* end, size, age, drain, storage_error, recovered */
#define HASH_NONE "0000000000000000000000000000000000000000000000000000000000000000"

struct index_frame {
    uint64_t offset, bytes;             /* in the file */
    uint64_t plain_offset, plain_bytes; /* in its plain text */
    uint64_t lines;
    /* Of its first and last event; of the segment line when it has no event. */
    char time_first[CLOCK_TEXT_BYTES], time_last[CLOCK_TEXT_BYTES];
    char sha256[SHA256_HEX_BYTES]; /* of its compressed bytes */
};

struct index_count {
    char type[32];
    uint64_t count;
};

/* What an index line says. All zero is a valid, empty one. */
struct index {
    char session[ULID_BYTES];
    char journal[JOURNAL_ID_BYTES];
    uint32_t n;
    char cluster[CLUSTER_ID_BYTES];
    char gateway[GATEWAY_NAME_BYTES]; /* of who signed it, as the certificate names it */
    char previous[SHA256_HEX_BYTES];  /* of the index line before, LF included */
    uint64_t bytes;                   /* of all data frames */
    uint64_t plain_bytes, lines;      /* the segment line counts */
    uint64_t seq_first, seq_last;     /* of its events: at least one */
    char time_first[CLOCK_TEXT_BYTES], time_last[CLOCK_TEXT_BYTES];
    struct index_frame *frames; /* owned */
    size_t frame_count;
    char sha256[SHA256_HEX_BYTES]; /* of `bytes` */
    bool is_last;
    char reason[INDEX_REASON_BYTES];
    bool is_recovered;                          /* "recovered":true */
    struct index_count counts[INDEX_TYPES_MAX]; /* events by type; types beyond are in "other" */
    size_t count_count;
    char boot_id[ULID_BYTES];
    char boot_key[128]; /* base64 SPKI */
    char root_key[ROOT_KEY_ID_BYTES];
    char certificate[256]; /* base64 */
};

struct index_frame *index_add_frame(struct index *index); /* zeroed, at the end */
void index_count_event(struct index *index, struct str type, uint64_t count);
void index_free(struct index *index);

/* Appends the tail frame, signed by `boot`, whose names it also puts into `index`; `line_sha256`
 * gets the hash of the index line, LF included. ERROR_INTERNAL when it is too long. */
must_use int index_write_tail(struct buf *out, struct index *index, const struct boot *boot,
                              char line_sha256[SHA256_HEX_BYTES], struct error *err);

/* A tail as it was found. */
struct tail {
    struct index index; /* owned: tail_free() */
    struct str line;    /* the index line, LF included, in what was parsed */
    char line_sha256[SHA256_HEX_BYTES];
    unsigned char signature[SIGNATURE_BYTES];
};

/* Parses the tail that ends a file of `file_bytes`, of which `end` is the last min(file_bytes,
 * TAIL_BYTES_MAX) bytes. Checks form alone: the frame's header, both lines, types and ranges of all
 * fields, that frames tile [0, bytes), and that the file's length is exactly what it says.
 * ERROR_PROTOCOL: it is none, ERROR_UNVERIFIABLE: of another version. The signature is not checked:
 * signature_is_valid(tail->index.boot_key, tail->line, …), the certificate by trust.h. */
must_use int tail_parse(struct tail *tail, struct str end, uint64_t file_bytes, struct error *err);
void tail_free(struct tail *tail);
