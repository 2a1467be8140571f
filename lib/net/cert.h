/* cert.h - certificates made at start, in memory: a CA and what it signs. ECDSA on P-256 (18 us per
 * handshake; RSA-2048: 252 us), X.509 v3 (RFC 5280). Reads no clock; keys come from OpenSSL. */
#pragma once

#include <stdint.h>

#include "base/error.h"

#define CERT_BACKDATE_S 3600               /* not-before: a client's clock may be behind */
#define CERT_LIFETIME_S (365 * 24 * 3600L) /* not-after */

struct cert_ca;

/* `name` becomes the subject's common name. Valid from an hour before `now_unix_s`, for a year. */
must_use struct cert_ca *cert_make_ca(const char *name, int64_t now_unix_s, struct error *err);
/* Belongs to the CA. */
const char *cert_ca_pem(const struct cert_ca *ca);
void cert_ca_free(struct cert_ca **ca); /* wipes the key */

enum cert_use { CERT_SERVER, CERT_CLIENT };

struct cert_request {
    enum cert_use use;
    const char *common_name;
    const char *organization;  /* NULL: none; in a client's, Kubernetes reads it as the group */
    const char *const *names;  /* DNS names, IPv4 and IPv6 addresses; ends with NULL. May be NULL */
    int64_t not_before_unix_s; /* both 0: as the CA */
    int64_t not_after_unix_s;
};

/* All zero is a valid, empty one. */
struct cert {
    char *cert_pem; /* owned; the leaf alone */
    char *key_pem;  /* owned, secret; PKCS #8 */
};

/* A fresh key and a certificate for it. Fills `cert` on success only. */
must_use int cert_issue(struct cert *cert, const struct cert_ca *ca,
                        const struct cert_request *request, struct error *err);
void cert_free(struct cert *cert); /* wipes the key */

/* Of every loopback listener: 127.0.0.1, ::1, localhost. */
extern const char *const cert_loopback_names[];
