/* marks.h - what stands out about one request. */
#pragma once

#include "base/buf.h"
#include "replay/timeline.h"

/* Appends lines, controls escaped, an LF between two: secret values withheld, refused, client gone,
 * truncated, no end recorded, … Nothing for a call that went as it should. */
void marks_append(struct buf *out, const struct replay_request *request);

/* The HTTP method that a Kubernetes verb came from (`list` → GET); "?" when it is not known. */
const char *marks_method(const char *verb);
