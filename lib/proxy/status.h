/* status.h - errors of our own, as a Kubernetes client reads them: metav1.Status in the body, and
 * the same sentence as `Warning: 299`, so that kubectl prints it even where it hides the body
 * (RFC 7234 5.5; reference: k8s.io/apimachinery pkg/util/net ParseWarningHeaders). */
#pragma once

#include "base/chunk.h"
#include "http/head.h"

/* The reason words of metav1 that belong to `code`: Unauthorized, BadRequest, ServiceUnavailable…
 */
const char *status_reason(int code);

/* Fills the empty `head` and returns the body. `message` is one sentence; control bytes in it are
 * escaped. */
struct chunk *status_make(struct http_head *head, int code, const char *message);
