/* trust.h - the root keys that a verifier believes (man hoop-session). A trusted key is a PEM
 * public key file, Ed25519 or ECDSA P-256, with optional lines before it:
 *
 *     # gateway: GLOB          the gateways that it may certify
 *     # clusters: GLOB,GLOB    the clusters whose sessions it may sign
 *
 * Without them it holds for all. A glob is that of fnmatch(3) without flags. */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "base/str.h"

#define TRUST_KEY_ID_BYTES 17 /* 16 hex digits of SHA-256 of the SPKI, and a NUL */

struct trust; /* opaque */

struct trust *trust_new(void);
void trust_free(struct trust **trust);

/* One key; `name` is for messages. ERROR_CONFIG when it is none. */
must_use int trust_add(struct trust *trust, struct str pem, const char *name, struct error *err);
must_use int trust_add_file(struct trust *trust, const char *path, struct error *err);

/* All files whose names do not begin with a dot. One that holds no key is passed over; `err` then
 * tells of the last such one, and the result is how many there were. A directory that does not
 * exist is empty; one that cannot be read: -1, ERROR_CONFIG. */
must_use int trust_add_directory(struct trust *trust, const char *path, struct error *err);

size_t trust_count(const struct trust *trust);

/* What a boot key's certificate says (man hoop-session). Borrowed, NUL-terminated. */
struct certificate {
    const char *root_key; /* id of the key that signed it */
    const char *gateway;
    const char *boot;     /* ULID of the gateway process */
    const char *boot_key; /* base64 SPKI */
    struct str signature; /* raw Ed25519, or DER ECDSA */
};

/* ERROR_UNVERIFIABLE: the root key is not known, or not trusted for this gateway and cluster.
 * ERROR_PROTOCOL: it is, but did not sign this. */
must_use int trust_check(const struct trust *trust, const struct certificate *certificate,
                         const char *cluster, struct error *err);
