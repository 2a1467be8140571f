/* status.h - an answer of our own: a metav1.Status with its head (kube/status.h). */
#pragma once

#include "base/chunk.h"
#include "http/head.h"

/* Fills the empty `head` and returns the body. `message` is one sentence. */
struct chunk *status_make(struct http_head *head, int code, const char *message);
