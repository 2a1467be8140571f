/* hash.h - SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104), by OpenSSL. */
#pragma once

#include <stddef.h>

#include "base/str.h"

#define SHA256_BYTES 32
#define SHA256_HEX_BYTES 65 /* with the NUL */

/* Running; opaque to others. `scoped(sha256_free) struct sha256 *h = sha256_new();` */
struct sha256;
struct sha256 *sha256_new(void);
void sha256_add(struct sha256 *hash, const void *data, size_t len);
/* The digest of what was added so far; adding may go on. */
void sha256_peek(const struct sha256 *hash, unsigned char digest[SHA256_BYTES]);
/* As new. */
void sha256_reset(struct sha256 *hash);
void sha256_free(struct sha256 **hash);

void sha256(struct str data, unsigned char digest[SHA256_BYTES]);
/* Lower-case hex, NUL-terminated. Returns `hex`. */
char *sha256_hex(struct str data, char hex[SHA256_HEX_BYTES]);

void hmac_sha256(struct str key, struct str data, unsigned char mac[SHA256_BYTES]);
