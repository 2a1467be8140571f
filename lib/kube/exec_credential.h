/* exec_credential.h - what kubectl and an exec credential plugin say to each other
 * (client.authentication.k8s.io; https://kubernetes.io/docs/reference/config-api/). No I/O. */
#pragma once

#include <json-c/json.h>
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

/* Parses the value of KUBERNETES_EXEC_INFO; data == NULL: it is not set, which is v1, as our own
 * kubeconfigs have it. Versions v1 and v1beta1. ERROR_CONFIG with a fix: not JSON, not an
 * ExecCredential, or of another version, which is named. Fills `request` on success only. */
must_use int exec_credential_parse(struct exec_credential *request, struct str text,
                                   struct error *err);

/* Appends the reply in JSON, without a line end: a bearer `token` that holds until
 * `expires_unix_s`; 0: no time is stated, kubectl asks again after a 401. */
void exec_credential_write(struct buf *out, const struct exec_credential *request,
                           const char *token, int64_t expires_unix_s);

/* --- The other side: we run the plugin. */

/* Appends the value of KUBERNETES_EXEC_INFO. `cluster`: spec.cluster, borrowed, or NULL. */
void exec_credential_write_request(struct buf *out, const char *api_version, json_object *cluster);

/* What a plugin answered. All zero is a valid, empty one. */
struct exec_credential_reply {
    char *token;             /* owned, secret; NULL: none */
    char *certificate_pem;   /* owned; both or none */
    char *key_pem;           /* owned, secret */
    int64_t expires_unix_us; /* 0: not said, it holds until it is refused */
};

/* Parses what a plugin printed, asked in `api_version`. ERROR_PROTOCOL: not one JSON document, not
 * an ExecCredential of that version, neither token nor certificate and key, control characters in
 * the token, no RFC 3339 time. The text holds nothing of the answer but its version. Fills `reply`
 * on success only. */
must_use int exec_credential_parse_reply(struct exec_credential_reply *reply, struct str text,
                                         const char *api_version, struct error *err);
void exec_credential_reply_free(struct exec_credential_reply *reply); /* wipes */
