/* h1.h - HTTP/1.1 (RFC 9112), strict: bytes in, bytes out. What two parsers could read in two ways
 * is refused; both directions are. No I/O; what is read is never scanned twice. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "http/head.h"

/* ---- Heads in ---- */

/* Collects a head. All zero is a valid one, between messages; one per direction of a connection. */
struct h1_reader {
    struct buf bytes; /* owned: the head so far */
    size_t scanned;   /* of them, up to here no line end is missing */
    int status;       /* after IO_FAILED, for a request: what to answer before closing: 400, 431
                         (larger than HTTP_HEAD_BYTES_MAX or HTTP_FIELDS_MAX), 501, 505 */
};

/* Take their bytes from the front of `in`.
 * IO_OK: `head`, which was empty, is filled; `in` begins with the body.
 * IO_AGAIN: all was taken, the head goes on.
 * IO_FAILED: not HTTP/1.1 as it should be; `head` is empty; after the answer the connection must be
 * closed. What did arrive is in reader->bytes. ERROR_PROTOCOL.
 * A request has exactly one Host (1.0: at most one), at most one Content-Length or one
 * "Transfer-Encoding: chunked" (1.0: none), never both, and a target in origin form. */
must_use enum io h1_read_request(struct h1_reader *reader, struct str *in, struct http_head *head,
                                 struct error *err);
/* After IO_FAILED, what can be told of the request, for a record of it: method and target where
 * they are what they should be, else empty, and the lines before the first empty one that are
 * fields. `head`, which was empty, is not to be forwarded. */
void h1_read_remains(const struct h1_reader *reader, struct http_head *head);
/* Also 1xx responses, each by itself. */
must_use enum io h1_read_response(struct h1_reader *reader, struct str *in, struct http_head *head,
                                  struct error *err);
/* Has something of a head arrived? When the stream ends then, it was cut. */
bool h1_reader_has_begun(const struct h1_reader *reader);
void h1_reader_free(struct h1_reader *reader);

/* May another message follow on this connection, as far as this head tells? Only 1.1, and no
 * "Connection: close". Ask before hop_strip(). */
bool h1_keeps_open(const struct http_head *head);

/* ---- Bodies in ---- */

enum h1_framing {
    H1_NO_BODY,
    H1_LENGTH,
    H1_CHUNKED,
    H1_UNTIL_CLOSE, /* responses only */
};

/* Where a body is. All zero is one that is complete. */
struct h1_body {
    enum h1_framing framing;
    uint64_t left;             /* of the length, or of this chunk */
    int state;                 /* h1_body.c's */
    int digits;                /* of the chunk's size so far */
    struct h1_reader trailers; /* owned */
};

/* For a head that h1_read_… gave, before hop_strip(). A 101 has no body: HTTP ends there. */
struct h1_body h1_body_of_request(const struct http_head *head);
struct h1_body h1_body_of_response(const struct http_head *head, struct str request_method);

/* IO_OK: `data` is the next piece, at least a byte, borrowed from `in`, whose rest follows.
 * IO_AGAIN: all of `in` was taken. IO_EOF: complete; `in` begins with the next message, and
 * `trailers`, which was empty, holds what a chunked body ended with.
 * IO_FAILED: the framing is broken (ERROR_PROTOCOL): a request is answered with 400 or its response
 * cut off, and the connection closed. Chunk sizes are 1-15 hex digits, without extensions.
 * A sender may make chunks of one byte: join pieces before making something dear of each. */
must_use enum io h1_body_next(struct h1_body *body, struct str *in, struct str *data,
                              struct http_head *trailers, struct error *err);
/* When the stream ends now, is that the end of the body, or was it cut? */
bool h1_body_may_end(const struct h1_body *body);
void h1_body_free(struct h1_body *body);

/* ---- Out ---- */

/* How a message that came without h1 framing (over h2, or after hop_strip) is framed here: by its
 * Content-Length, else as chunks, or until close for a client of HTTP/1.0. */
enum h1_framing h1_framing_of_request(const struct http_head *head, bool has_body);
enum h1_framing h1_framing_of_response(const struct http_head *head, struct str request_method,
                                       int client_version);

enum h1_after { H1_KEEP, H1_CLOSE /* "Connection: close" is added */ };

/* Append the head with its framing; the fields hold none but Content-Length. Host is written first,
 * from `authority`. H1_UNTIL_CLOSE needs H1_CLOSE. ERROR_INTERNAL, nothing appended: a line that
 * may not be sent (a line feed in a value…), or Content-Length beside chunks. */
must_use int h1_write_request(struct buf *out, const struct http_head *head,
                              enum h1_framing framing, enum h1_after after, struct error *err);
/* `reason` empty: the usual one for the status. 1xx: H1_NO_BODY. */
must_use int h1_write_response(struct buf *out, const struct http_head *head,
                               enum h1_framing framing, enum h1_after after, struct error *err);

/* One chunk: its size line, the data, a line end. Nothing for empty data, which would end the
 * body. Or the parts apart, for who sends the data without copying it here. */
void h1_write_chunk(struct buf *out, struct str data);
void h1_write_chunk_size(struct buf *out, size_t len);
void h1_write_chunk_end(struct buf *out);
/* Ends a chunked body; `trailers` may be NULL. Of them, only what may be one is written. */
void h1_write_last_chunk(struct buf *out, const struct http_head *trailers);
