#include "net/cert.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/scoped.h"
#include "base/secret.h"

#define SERIAL_BYTES 16 /* RFC 5280 4.1.2.2: at most 20, positive */

struct cert_ca {
    EVP_PKEY *key;
    X509 *x509;
    char *pem;
    int64_t not_before_unix_s, not_after_unix_s;
};

const char *const cert_loopback_names[] = {"127.0.0.1", "::1", "localhost", NULL};

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_x509(X509 **x509)
{
    X509_free(*x509);
}

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

static void free_alt_names(GENERAL_NAMES **names)
{
    GENERAL_NAMES_free(*names);
}

static int failed(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "make a certificate: OpenSSL refused");
}

static char *bio_text(BIO *bio)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);

    return xstrndup(data, len > 0 ? (size_t)len : 0);
}

static char *cert_pem(X509 *x509)
{
    scoped(free_bio) BIO *bio = BIO_new(BIO_s_mem());

    return bio && PEM_write_bio_X509(bio, x509) ? bio_text(bio) : NULL;
}

static char *key_pem(EVP_PKEY *key)
{
    scoped(free_bio) BIO *bio = BIO_new(BIO_s_secmem());

    return bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) ? bio_text(bio)
                                                                                     : NULL;
}

static bool set_serial(X509 *x509)
{
    unsigned char serial[SERIAL_BYTES];

    random_bytes(serial, sizeof serial);
    serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and always of the same length */
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    bool is_set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509));

    BN_free(number);
    return is_set;
}

static bool set_subject(X509 *x509, const char *organization, const char *common_name)
{
    X509_NAME *name = X509_get_subject_name(x509);

    return (!organization ||
            X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                       (const unsigned char *)organization, -1, -1, 0)) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                      -1, -1, 0);
}

static bool add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool is_added = extension && X509_add_ext(x509, extension, -1);

    X509_EXTENSION_free(extension);
    return is_added;
}

static GENERAL_NAME *alt_name(const char *name)
{
    unsigned char address[16];
    int len = inet_pton(AF_INET, name, address) == 1    ? 4
              : inet_pton(AF_INET6, name, address) == 1 ? 16
                                                        : 0;
    ASN1_STRING *value = len ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    GENERAL_NAME *general = GENERAL_NAME_new();

    if (general && value &&
        ASN1_STRING_set(value, len ? (const void *)address : name, len ? len : -1)) {
        GENERAL_NAME_set0_value(general, len ? GEN_IPADD : GEN_DNS, value);
        return general;
    }
    ASN1_STRING_free(value);
    GENERAL_NAME_free(general);
    return NULL;
}

/* Built as a structure, never as OpenSSL's configuration text: a name cannot smuggle another in. */
static bool add_names(X509 *x509, const char *const *names)
{
    scoped(free_alt_names) GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();

    for (; all && *names; names++) {
        GENERAL_NAME *name = alt_name(*names);

        if (!name || !sk_GENERAL_NAME_push(all, name)) {
            GENERAL_NAME_free(name);
            return false;
        }
    }
    return all && X509_add1_ext_i2d(x509, NID_subject_alt_name, all, 0, 0) == 1;
}

/* What every certificate has: version, serial, times, key. */
static X509 *make_x509(EVP_PKEY *key, int64_t not_before_unix_s, int64_t not_after_unix_s)
{
    scoped(free_x509) X509 *x509 = X509_new();

    if (x509 && X509_set_version(x509, X509_VERSION_3) && set_serial(x509) &&
        ASN1_TIME_set(X509_getm_notBefore(x509), not_before_unix_s) &&
        ASN1_TIME_set(X509_getm_notAfter(x509), not_after_unix_s) && X509_set_pubkey(x509, key))
        return take(x509);
    return NULL;
}

struct cert_ca *cert_make_ca(const char *name, int64_t now_unix_s, struct error *err)
{
    scoped(cert_ca_free) struct cert_ca *ca = xcalloc(1, sizeof *ca);

    ca->not_before_unix_s = now_unix_s - CERT_BACKDATE_S;
    ca->not_after_unix_s = now_unix_s + CERT_LIFETIME_S;
    ca->key = EVP_EC_gen("P-256");
    ca->x509 = ca->key ? make_x509(ca->key, ca->not_before_unix_s, ca->not_after_unix_s) : NULL;
    if (!ca->x509 || !set_subject(ca->x509, NULL, name) ||
        !X509_set_issuer_name(ca->x509, X509_get_subject_name(ca->x509)) ||
        !add_extension(ca->x509, ca->x509, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_extension(ca->x509, ca->x509, NID_key_usage,
                       "critical,keyCertSign,digitalSignature") ||
        !add_extension(ca->x509, ca->x509, NID_subject_key_identifier, "hash") ||
        !X509_sign(ca->x509, ca->key, EVP_sha256()) || !(ca->pem = cert_pem(ca->x509))) {
        ignore(failed(err));
        return NULL;
    }
    return take(ca);
}

const char *cert_ca_pem(const struct cert_ca *ca)
{
    return ca->pem;
}

void cert_ca_free(struct cert_ca **ca)
{
    if (!*ca)
        return;
    EVP_PKEY_free((*ca)->key);
    X509_free((*ca)->x509);
    free((*ca)->pem);
    free(*ca);
    *ca = NULL;
}

static bool fill(X509 *x509, const struct cert_ca *ca, const struct cert_request *request)
{
    const char *use = request->use == CERT_SERVER ? "serverAuth" : "clientAuth";

    return set_subject(x509, request->organization, request->common_name) &&
           X509_set_issuer_name(x509, X509_get_subject_name(ca->x509)) &&
           add_extension(x509, ca->x509, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x509, ca->x509, NID_key_usage, "critical,digitalSignature") &&
           add_extension(x509, ca->x509, NID_ext_key_usage, use) &&
           add_extension(x509, ca->x509, NID_authority_key_identifier, "keyid:always") &&
           (!request->names || !request->names[0] || add_names(x509, request->names)) &&
           X509_sign(x509, ca->key, EVP_sha256());
}

int cert_issue(struct cert *cert, const struct cert_ca *ca, const struct cert_request *request,
               struct error *err)
{
    bool is_dated = request->not_before_unix_s || request->not_after_unix_s;
    scoped(free_key) EVP_PKEY *key = EVP_EC_gen("P-256");
    scoped(free_x509) X509 *x509 =
        key ? make_x509(key, is_dated ? request->not_before_unix_s : ca->not_before_unix_s,
                        is_dated ? request->not_after_unix_s : ca->not_after_unix_s)
            : NULL;

    if (!x509 || !fill(x509, ca, request))
        return failed(err);
    struct cert made = {.cert_pem = cert_pem(x509), .key_pem = key_pem(key)};

    if (!made.cert_pem || !made.key_pem) {
        cert_free(&made);
        return failed(err);
    }
    *cert = made;
    return 0;
}

void cert_free(struct cert *cert)
{
    free(cert->cert_pem);
    secret_free(&cert->key_pem);
    *cert = (struct cert){0};
}
