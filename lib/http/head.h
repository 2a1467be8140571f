/* head.h - the head of a request or a response, or trailers: the same for HTTP/1.1 and HTTP/2.
 * All text in it lives in memory that the head owns and never moves: a str taken from it is good
 * until http_head_free(). A head may be moved by assignment. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

#define HTTP_HEAD_BYTES_MAX ((size_t)128 << 10) /* docs/limits.md */
#define HTTP_FIELDS_MAX 512
#define HTTP_TRAILER_BYTES_MAX ((size_t)16 << 10)
#define HTTP_TRAILERS_MAX 64

struct http_field {
    struct str name;  /* as it came; over h2 lower case */
    struct str value; /* without blanks around it; may be empty */
};

/* All zero is a valid, empty one. */
struct http_head {
    /* A request; empty in a response. */
    struct str method;
    struct str target; /* origin form ("/api?x"), byte for byte */
    struct str
        authority; /* Host or :authority; Host is not among the fields. HTTP/1.0: may be "" */

    int status;        /* a response; 0 in a request */
    struct str reason; /* may be empty; always so over h2 */

    int version; /* 10, 11 or 20 */

    struct http_field *fields; /* owned; in the order they came */
    size_t field_count;
    size_t field_capacity;
    struct http_block *blocks; /* owned; head.c's */
};

void http_head_free(struct http_head *head);

/* For those that pass heads on: on the heap. http_head_take() moves what `head` holds there and
 * leaves it empty. */
struct http_head *http_head_new(void);
struct http_head *http_head_take(struct http_head *head);
void http_head_delete(struct http_head **head);

/* `copy` is empty before. */
void http_head_copy(struct http_head *copy, const struct http_head *head);

/* A copy of `text` that lives as long as the head. */
struct str http_head_keep(struct http_head *head, struct str text);

/* Both copy; the first one is for names of our own. Nothing is checked here: a writer refuses
 * what may not be sent. */
void http_head_add(struct http_head *head, const char *name, struct str value);
void http_head_add_field(struct http_head *head, struct str name, struct str value);
/* Replaces all fields of that name by one, at the place of the first. */
void http_head_set(struct http_head *head, const char *name, struct str value);
/* All fields of that name; how many there were. */
size_t http_head_remove(struct http_head *head, const char *name);

/* Names are compared without regard to case. */
/* The value of the first one; data == NULL when absent. */
struct str http_head_get(const struct http_head *head, const char *name);
bool http_head_has(const struct http_head *head, const char *name);
size_t http_head_count(const struct http_head *head, const char *name);
/* Is `token` in the comma-separated list that all lines of this name make up? */
bool http_head_has_token(const struct http_head *head, const char *name, const char *token);

/* How long the body is, by Content-Length, when the head has one; false when not. Heads that were
 * parsed have at most one, and it is valid. */
bool http_head_length(const struct http_head *head, uint64_t *bytes);

/* RFC 9110 5.6.2, 5.5: tchar; and VCHAR, SP, HT, obs-text, without blanks around. */
bool http_is_token(struct str text);
bool http_is_value(struct str text);
/* Origin form: starts with a slash; no controls, blanks, '#', or bytes over 0x7e. */
bool http_is_target(struct str text);
/* uri-host [":" port], RFC 3986 3.2.2, without user information. */
bool http_is_authority(struct str text);

/* May this field stand among trailers? Not framing, routing, authentication or content fields
 * (RFC 9110 6.5.1). */
bool http_is_trailer(struct str name);
