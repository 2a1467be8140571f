/* h2_fields.h - lib/http's own: between the fields of HTTP/2 and a head. Pseudo fields and their
 * order have been checked by nghttp2; here stand the rules that both versions share. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "http/head.h"

/* A head that is being received. All zero is a valid, empty one. */
struct h2_incoming {
    struct http_head head; /* owned */
    size_t bytes;          /* of all fields, also of those that were not kept */
    bool is_too_large;     /* beyond the limits; what came after is not kept */
};

/* One field, pseudo or not. `bytes_max` and `fields_max`: beyond, is_too_large. */
void h2_incoming_add(struct h2_incoming *incoming, struct str name, struct str value,
                     size_t bytes_max, size_t fields_max);
/* The request's head is complete. 0, or the status to answer with, and why in `problem`. */
int h2_incoming_finish_request(struct h2_incoming *incoming, const char **problem);
/* The response's head is complete, interim or final: false when it is not one that HTTP allows. */
bool h2_incoming_finish_response(struct h2_incoming *incoming);
/* May all of these stand among trailers? */
bool h2_incoming_are_trailers(const struct h2_incoming *incoming);
void h2_incoming_free(struct h2_incoming *incoming);

/* Fields for nghttp2, which copies them; names in lower case. */
struct h2_outgoing {
    nghttp2_nv *fields; /* owned */
    size_t count;
    struct http_head names; /* owned: the lower-case names */
};

/* A response's status and fields without those that HTTP/2 forbids; with `head` of trailers (status
 * 0) the fields that may be trailers. False when one may not be sent. */
bool h2_outgoing_fill(struct h2_outgoing *outgoing, const struct http_head *head);
/* A request: pseudo fields for https, and fields without those that HTTP/2 forbids. */
bool h2_outgoing_fill_request(struct h2_outgoing *outgoing, const struct http_head *head);
void h2_outgoing_free(struct h2_outgoing *outgoing);
