#include "base/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/encode.h"

struct sha256 {
    EVP_MD_CTX *context;
};

/* OpenSSL fails here only when memory ends. */
static void must(int ok)
{
    if (ok != 1)
        abort();
}

static EVP_MD *fetched;

static void fetch(void)
{
    fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!fetched)
        abort();
}

/* Looked for once: EVP_sha256() would be looked for at each use, under locks. */
static const EVP_MD *algorithm(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, fetch);
    return fetched;
}

struct sha256 *sha256_new(void)
{
    struct sha256 *hash = xcalloc(1, sizeof *hash);

    hash->context = EVP_MD_CTX_new();
    if (!hash->context)
        abort();
    sha256_reset(hash);
    return hash;
}

void sha256_add(struct sha256 *hash, const void *data, size_t len)
{
    must(EVP_DigestUpdate(hash->context, data, len));
}

void sha256_peek(const struct sha256 *hash, unsigned char digest[SHA256_BYTES])
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new();

    must(copy && EVP_MD_CTX_copy_ex(copy, hash->context));
    must(EVP_DigestFinal_ex(copy, digest, NULL));
    EVP_MD_CTX_free(copy);
}

void sha256_reset(struct sha256 *hash)
{
    must(EVP_DigestInit_ex(hash->context, algorithm(), NULL));
}

void sha256_free(struct sha256 **hash)
{
    if (*hash)
        EVP_MD_CTX_free((*hash)->context);
    free(*hash);
    *hash = NULL;
}

void sha256(struct str data, unsigned char digest[SHA256_BYTES])
{
    must(EVP_Digest(data.data, data.len, digest, NULL, algorithm(), NULL));
}

char *sha256_hex(struct str data, char hex[SHA256_HEX_BYTES])
{
    unsigned char digest[SHA256_BYTES];

    sha256(data, digest);
    return encode_hex(digest, sizeof digest, hex);
}

void hmac_sha256(struct str key, struct str data, unsigned char mac[SHA256_BYTES])
{
    if (!HMAC(EVP_sha256(), key.data ? key.data : "", (int)key.len,
              (const unsigned char *)(data.data ? data.data : ""), data.len, mac, NULL))
        abort();
}
