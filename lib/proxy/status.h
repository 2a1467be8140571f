/* status.h - an answer of our own: a metav1.Status with its head (kube/status.h). */
#pragma once

#include "base/chunk.h"
#include "http/head.h"

enum status_warning {
    STATUS_ONLY,         /* kubectl prints the message of the body */
    STATUS_WITH_WARNING, /* it hides the body (discovery, OpenAPI): Warning: 299 says it too */
};

/* Fills the empty `head` and returns the body. `message` is one sentence. */
struct chunk *status_make(struct http_head *head, int code, const char *message,
                          enum status_warning warning);
