/* status.h - an error of our own, as Kubernetes clients read it: a metav1.Status for the body
 * (k8s.io/apimachinery pkg/apis/meta/v1), and the same sentence as the value of a Warning field, so
 * that kubectl prints it even where it hides the body (discovery, OpenAPI). */
#pragma once

#include "base/buf.h"
#include "base/str.h"

/* All but `code` may be empty. */
struct kube_status {
    int code;           /* the HTTP status too */
    const char *reason; /* NULL: kube_status_reason(code) */
    struct str message; /* one sentence; controls and bytes that are no UTF-8 are escaped */
    struct str kind;    /* details: the resource, as kubectl shows it ("pods")… */
    struct str group;   /* … its API group… */
    struct str name;    /* … and its name */
};

/* The StatusReason that belongs to an HTTP status: "Forbidden", "ServiceUnavailable"… */
const char *kube_status_reason(int code);

/* Appends the Status in JSON and a line end. */
void kube_status_write(struct buf *out, const struct kube_status *status);

/* Appends `299 - "message"` (RFC 7234 5.5): what client-go's ParseWarningHeaders reads. At most
 * KUBE_WARNING_BYTES_MAX of the message, cut between characters. */
#define KUBE_WARNING_BYTES_MAX 1024
void kube_status_warning(struct buf *out, struct str message);
