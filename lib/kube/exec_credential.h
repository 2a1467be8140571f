/* exec_credential.h - what kubectl and an exec credential plugin say to each other
 * (client.authentication.k8s.io; https://kubernetes.io/docs/reference/config-api/). No I/O. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#define EXEC_CREDENTIAL_BYTES_MAX ((size_t)1 << 20) /* CA data of a cluster can be large */

/* The request, as far as it is ours to know. All zero is a valid, empty one; nothing to free. */
struct exec_credential {
    const char *api_version; /* static text; the reply must say the same */
    bool is_interactive;     /* stdin is a terminal that may be asked */
};

/* Parses the value of KUBERNETES_EXEC_INFO; data == NULL: it is not set. Versions v1 and v1beta1.
 * ERROR_CONFIG with a fix: not set, not JSON, not an ExecCredential, or of another version, which
 * is named. Fills `request` on success only. */
must_use int exec_credential_parse(struct exec_credential *request, struct str text,
                                   struct error *err);

/* Appends the reply in JSON, without a line end: a bearer `token` that holds until
 * `expires_unix_s`; 0: no time is stated, kubectl asks again after a 401. */
void exec_credential_write(struct buf *out, const struct exec_credential *request,
                           const char *token, int64_t expires_unix_s);
