/* redact.h - what may be recorded of a body. A filter that sees the bytes of one direction of one
 * exchange in the order in which they cross, and gives out pieces for the recording. No I/O; memory
 * does not depend on the body, but where one is read whole.
 *
 * The content encoding comes off first (gzip, several members too). Then one of four readings:
 *   pass      the resource bears no secrets: all bytes as they are
 *   json      it does, and the body is JSON, one value or many (watch): byte for byte as it came,
 *             but for the values of data.*, stringData.*, binaryData.*, token, message, error and
 *             the annotations that hold the object once more (last-applied-configuration), at any
 *             depth, however their keys are escaped; each is the string of
 *             fingerprint_placeholder() instead (null stays: it deletes). In a string with
 *             "-----BEGIN … PRIVATE KEY", or one that begins with that in base64, all
 *             that follows those words is replaced.
 *   whole     the same of a request in YAML (redact_yaml.h), and of a JSON patch, where paths say
 *             what is secret (redact_patch.h): kept until its end, then given out. Where it does
 *             not come whole, each value of a patch is secret, and YAML that is not JSON is
 *   withhold  it cannot be read: given out by length and fingerprint alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "kube/fingerprint.h"
#include "kube/request_info.h"

struct redact;

enum redact_direction { REDACT_REQUEST, REDACT_RESPONSE };

/* Read by redact_new() alone; nothing in it is kept, but `key`. */
struct redact_config {
    const struct request_info *info;
    enum redact_direction direction;
    struct str content_type;     /* the header's value; empty: none, which is JSON to Kubernetes */
    struct str content_encoding; /* the header's value; empty: none */
    const struct fingerprint_key *key;
    struct str cluster; /* its id */
    /* Nothing of the body goes on before redact_end(): it may be kept until then, as far as it has
     * at most REDACT_WHOLE_MAX bytes. */
    bool is_whole;
};

#define REDACT_WHOLE_MAX (((size_t)3 << 20) + ((size_t)64 << 10))

enum redact_piece_kind { PIECE_BYTES, PIECE_WITHHELD };

/* One `body` or `withheld` event. Pieces tile the decoded body: each starts where the one before
 * ended. */
struct redact_piece {
    enum redact_piece_kind kind;
    uint64_t offset; /* in the decoded body */
    uint64_t covers; /* decoded bytes that this accounts for */
    /* PIECE_BYTES: at most REDACT_PIECE_MAX bytes, valid during the call; fewer than `covers`, even
     * none, while a value is withheld, and more where a placeholder is longer than its value. */
    struct str data;
    /* PIECE_WITHHELD, no data. A long run comes in several pieces; `fingerprint` covers it from
     * `run_offset` to the end of this piece, so the last one's is that of the whole run. Where
     * bytes are not even decoded (too_large, broken_gzip), covers and fingerprint count wire bytes.
     */
    const char *reason; /* a constant: protobuf cbor yaml text media_type encoding proxy path
                           broken_json too_deep too_large broken_gzip truncated */
    uint64_t run_offset;
    char fingerprint[FINGERPRINT_BYTES];
};

#define REDACT_PIECE_MAX ((size_t)128 << 10)

struct redact_sink {
    void (*piece)(void *context, const struct redact_piece *piece);
    void *context;
};

struct redact *redact_new(const struct redact_config *config);

/* The next bytes as they crossed. On return all of them are accounted for: given out, or counted in
 * `covers`; those of a body that is read whole, after redact_end(). */
void redact_add(struct redact *redact, struct str wire_bytes, const struct redact_sink *sink);
/* The body is over, or was cut. */
void redact_end(struct redact *redact, const struct redact_sink *sink);

/* How many values were replaced and runs withheld so far. */
uint64_t redact_withheld(const struct redact *redact);
/* The encoding that was taken off ("gzip"), or is still on, in what is given out; "" for none. */
const char *redact_encoding(const struct redact *redact);

void redact_free(struct redact **redact); /* wipes what it holds */

/* Is this request body one that is read whole before it is forwarded (at most 3 MiB + 64 KiB, else
 * 413): YAML or a JSON patch on a secret-bearing resource? */
bool redact_needs_whole(const struct request_info *info, struct str content_type);
