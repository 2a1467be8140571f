/* tls.h - what many TLS connections share: our certificate (server), whom we trust and who we are
 * (client). TLS 1.2 and 1.3 (RFC 5246, 8446), ALPN (RFC 7301). Verification follows Go's
 * crypto/x509, so that what kubectl accepts is accepted: every certificate of the CA bundle is an
 * anchor, names come from subjectAltName only. A context may be freed while connections made with
 * it are open. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct tls_server;
struct tls_client;

struct tls_server_config {
    const char *cert_pem; /* the chain, leaf first */
    const char *key_pem;
    /* What we offer, best first, comma-separated: "h2,http/1.1". NULL: no ALPN. A client that
     * offers nothing is served ("" then); one that offers only other protocols is refused. */
    const char *alpn;
    const char *client_ca_pem; /* NULL: clients show no certificate; else they must */
};

/* ERROR_CONFIG: bad PEM, or the key belongs to another certificate. */
must_use struct tls_server *tls_server_new(const struct tls_server_config *config,
                                           struct error *err);
void tls_server_free(struct tls_server **server);

struct tls_client_config {
    const char *ca_pem;   /* NULL: the system's roots */
    const char *cert_pem; /* NULL: no client certificate; the chain, leaf first */
    const char *key_pem;  /* of cert_pem; not encrypted */
    bool is_insecure;     /* whoever answers is believed */
};

/* ERROR_CONFIG: bad PEM, no certificate in it, an encrypted key, or the key belongs to another
 * certificate. The text never holds any of it. */
must_use struct tls_client *tls_client_new(const struct tls_client_config *config,
                                           struct error *err);
void tls_client_free(struct tls_client **client);
