#include "net/tls_error.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#include "base/num.h"
#include "base/str.h"

#define NAMES_SHOWN_MAX 6

static void note_date(char *text, size_t size, const ASN1_TIME *date)
{
    struct tm tm = {0};

    if (ASN1_TIME_to_tm(date, &tm))
        strftime(text, size, "%Y-%m-%d", &tm);
}

/* "a, b, 10.0.0.1": subjectAltName only, as Go reads it. A name that could not be a host's is left
 * out: it would go to a terminal. */
static void note_names(char *text, size_t size, X509 *x509)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    size_t len = 0;

    text[0] = '\0';
    for (int i = 0, shown = 0; i < sk_GENERAL_NAME_num(names) && shown < NAMES_SHOWN_MAX; i++) {
        int type = 0;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        char name[INET6_ADDRSTRLEN + 64] = "";

        if (type == GEN_DNS && ASN1_STRING_length(value) < (int)sizeof name)
            snprintf(name, sizeof name, "%.*s", ASN1_STRING_length(value),
                     (const char *)ASN1_STRING_get0_data(value));
        else if (type == GEN_IPADD)
            inet_ntop(ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6,
                      ASN1_STRING_get0_data(value), name, sizeof name);
        if (!name[0] || name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789.:-*_")])
            continue;
        int added = snprintf(text + len, size - len, "%s%s", len ? ", " : "", name);

        if (added < 0 || (size_t)added >= size - len) {
            text[len] = '\0'; /* no half name */
            break;
        }
        len += (size_t)added;
        shown++;
    }
    GENERAL_NAMES_free(names);
}

void tls_refusal_note(struct tls_refusal *refusal, X509_STORE_CTX *store)
{
    X509 *x509 = X509_STORE_CTX_get_current_cert(store);

    if (refusal->code) /* the first error decides */
        return;
    refusal->code = X509_STORE_CTX_get_error(store);
    refusal->depth = X509_STORE_CTX_get_error_depth(store);
    if (!x509)
        return;
    if (refusal->code == X509_V_ERR_CERT_HAS_EXPIRED)
        note_date(refusal->date, sizeof refusal->date, X509_get0_notAfter(x509));
    if (refusal->code == X509_V_ERR_CERT_NOT_YET_VALID)
        note_date(refusal->date, sizeof refusal->date, X509_get0_notBefore(x509));
    if (refusal->depth == 0)
        note_names(refusal->names, sizeof refusal->names, x509);
}

static int set_wrong_name(struct error *err, const struct tls_blame *blame)
{
    if (blame->refusal->names[0])
        error_set(err, ERROR_CONFIG, "the server's certificate is for %s, not for %s",
                  blame->refusal->names, blame->server_name);
    else
        error_set(err, ERROR_CONFIG, "the server's certificate is not for %s", blame->server_name);
    return error_fix(err, "use a name that is in the certificate, or set tls-server-name");
}

static int set_unknown_ca(struct error *err, const struct tls_blame *blame)
{
    if (!blame->server_name)
        return error_set(err, ERROR_CONFIG, "the client's certificate is not signed by our CA");
    if (blame->has_own_ca) {
        error_set(err, ERROR_CONFIG,
                  "the server's certificate is not signed by the CA that is configured for it");
        return error_fix(err, "check certificate-authority or certificate-authority-data of the "
                              "cluster; it may have been created anew");
    }
    error_set(err, ERROR_CONFIG,
              "the server's certificate is not signed by a CA that this system trusts");
    return error_fix(err, "set certificate-authority or certificate-authority-data of the cluster");
}

static int set_refusal(struct error *err, const struct tls_blame *blame)
{
    const struct tls_refusal *refusal = blame->refusal;
    const char *whose = blame->server_name ? "server" : "client";
    const char *of_ca = refusal->depth > 0 ? " CA" : "";

    switch (refusal->code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        error_set(err, ERROR_CONFIG, "the certificate of the %s%s expired on %s", whose, of_ca,
                  refusal->date);
        return error_fix(err, "renew it there, or set this machine's clock");
    case X509_V_ERR_CERT_NOT_YET_VALID:
        error_set(err, ERROR_CONFIG, "the certificate of the %s%s is not valid before %s", whose,
                  of_ca, refusal->date);
        return error_fix(err, "set this machine's clock, or the server's");
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return set_wrong_name(err, blame);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return set_unknown_ca(err, blame);
    }
    error_set(err, ERROR_CONFIG, "the certificate of the %s%s is not accepted: %s", whose, of_ca,
              X509_verify_cert_error_string(refusal->code));
    return error_fix(err, "renew it there");
}

/* What the other side, or OpenSSL on ours, gives as its reason. */
struct reason {
    int code;
    const char *as_client, *as_server, *fix;
};

#define FIX_CLIENT_CERT "check client-certificate and client-key of the user, they may have expired"

static const struct reason reasons[] = {
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "the server does not know the CA of our client certificate",
     "the client does not trust our certificate", FIX_CLIENT_CERT},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "the server says that our client certificate expired",
     "the client says that our certificate expired", FIX_CLIENT_CERT},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the server refuses our client certificate",
     "the client refuses our certificate", FIX_CLIENT_CERT},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the server refuses our client certificate",
     "the client refuses our certificate", FIX_CLIENT_CERT},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, "the server refuses our client certificate",
     "the client refuses our certificate", FIX_CLIENT_CERT},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, "the server says that our certificate was revoked",
     "the client says that our certificate was revoked", FIX_CLIENT_CERT},
    {SSL_R_TLSV1_ALERT_ACCESS_DENIED, "the server refuses our client certificate",
     "the client refuses our certificate", FIX_CLIENT_CERT},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, "the server wants a client certificate",
     "the client wants a certificate", "set client-certificate and client-key of the user"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the server showed no certificate",
     "the client showed no certificate", ""},
    {SSL_R_WRONG_VERSION_NUMBER, "the server does not speak TLS", "the client does not speak TLS",
     "the address may need http:// instead of https://, or another port"},
    {SSL_R_PACKET_LENGTH_TOO_LONG, "the server does not speak TLS", "the client does not speak TLS",
     "the address may need http:// instead of https://, or another port"},
    {SSL_R_HTTP_REQUEST, "the server does not speak TLS", "the client speaks HTTP without TLS",
     "the address needs https:// instead of http://"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "the server does not speak TLS 1.2 or newer",
     "the client does not speak TLS 1.2 or newer", "a newer version is needed there"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "the server refuses TLS 1.2 and 1.3",
     "the client refuses TLS 1.2 and 1.3", ""},
    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, "the server refused the TLS handshake",
     "the client refused the TLS handshake", "it may want a client certificate, or other ciphers"},
    {SSL_R_TLSV1_UNRECOGNIZED_NAME, "the server does not know the name that was asked for",
     "the client asked for an unknown name", "set tls-server-name"},
    {SSL_R_NO_SHARED_CIPHER, "no cipher in common", "no cipher in common", ""},
    {SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL, "no application protocol in common",
     "no application protocol in common", ""},
};

int tls_error_set(struct error *err, const struct tls_blame *blame)
{
    unsigned long code = ERR_peek_last_error();
    const char *what = ERR_reason_error_string(code);

    ERR_clear_error();
    if (blame->refusal->code)
        return set_refusal(err, blame);
    for (size_t i = 0; ERR_GET_LIB(code) == ERR_LIB_SSL && i < count_of(reasons); i++) {
        const struct reason *reason = &reasons[i];

        if (reason->code != ERR_GET_REASON(code))
            continue;
        error_set(err, ERROR_CONFIG, "%s",
                  blame->server_name ? reason->as_client : reason->as_server);
        return blame->server_name && reason->fix[0] ? error_fix(err, "%s", reason->fix) : -1;
    }
    return error_set(err, ERROR_NETWORK, "TLS: %s", what ? what : "the connection was cut");
}
