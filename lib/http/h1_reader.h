/* h1_reader.h - lib/http's own: trailers of a chunked body, for h1_body.c. As h1_read_request(),
 * with HTTP_TRAILER_BYTES_MAX and HTTP_TRAILERS_MAX. */
#pragma once

#include "http/h1.h"

must_use enum io h1_read_trailers(struct h1_reader *reader, struct str *in,
                                  struct http_head *trailers, struct error *err);
