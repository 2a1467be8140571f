/* tls_error.h - what OpenSSL says about a failed connection, as a sentence that a person can act
 * on. Inside lib/net. */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/error.h"

/* What the verification found, kept while the certificate is at hand. */
struct tls_refusal {
    int code;        /* X509_V_ERR_…; 0: the certificate was accepted */
    int depth;       /* 0: the peer's own */
    char date[16];   /* 2026-11-25, where the error is about time */
    char names[200]; /* what the peer's certificate is for */
};

/* Fills `refusal` from inside a verify callback that was called with an error. */
void tls_refusal_note(struct tls_refusal *refusal, X509_STORE_CTX *store);

struct tls_blame {
    const struct tls_refusal *refusal;
    const char *server_name; /* that was asked for; NULL: we are the server */
    bool has_own_ca;         /* a CA was given, the system's roots were not used */
};

/* From OpenSSL's error queue of this thread, which is empty afterwards. Returns -1. ERROR_CONFIG
 * with a fix: certificates, names, protocols that do not fit; ERROR_NETWORK: the rest. */
int tls_error_set(struct error *err, const struct tls_blame *blame);
