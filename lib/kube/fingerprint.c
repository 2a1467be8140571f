#include "kube/fingerprint.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/hash.h"
#include "base/secret.h"

#define BLOCK_BYTES 64 /* SHA-256's, RFC 2104's B */
#define MAC_BYTES 16   /* of 32: what recordings show */

/* RFC 2104 with both keyed states made once: a value costs no key schedule and no allocation of
 * ours. */
struct fingerprint {
    EVP_MD_CTX *inner; /* after key ^ ipad, cluster, 0 */
    EVP_MD_CTX *outer; /* after key ^ opad */
    EVP_MD_CTX *running;
    EVP_MD_CTX *scratch;
    uint64_t len;
    char key_id[FINGERPRINT_KEY_ID_BYTES];
};

/* OpenSSL fails here only when memory ends. */
static void must(int ok)
{
    if (ok != 1)
        abort();
}

void fingerprint_key_set(struct fingerprint_key *key,
                         const unsigned char bytes[FINGERPRINT_KEY_BYTES])
{
    unsigned char mac[SHA256_BYTES];
    char hex[2 * 4 + 1];

    memcpy(key->bytes, bytes, sizeof key->bytes);
    hmac_sha256(str_make(bytes, FINGERPRINT_KEY_BYTES), STR("hoop-key-id"), mac);
    memcpy(key->id, encode_hex(mac, 4, hex), sizeof key->id);
}

void fingerprint_key_wipe(struct fingerprint_key *key)
{
    secret_wipe(key, sizeof *key);
}

static EVP_MD_CTX *context_new(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    if (!context)
        abort();
    return context;
}

static EVP_MD_CTX *keyed(const struct fingerprint_key *key, unsigned char pad)
{
    EVP_MD_CTX *context = context_new();
    unsigned char block[BLOCK_BYTES];

    memset(block, pad, sizeof block);
    for (size_t i = 0; i < sizeof key->bytes; i++)
        block[i] ^= key->bytes[i];
    must(EVP_DigestInit_ex(context, EVP_sha256(), NULL));
    must(EVP_DigestUpdate(context, block, sizeof block));
    secret_wipe(block, sizeof block);
    return context;
}

struct fingerprint *fingerprint_new(const struct fingerprint_key *key, struct str cluster)
{
    struct fingerprint *print = xcalloc(1, sizeof *print);

    print->inner = keyed(key, 0x36);
    print->outer = keyed(key, 0x5c);
    must(EVP_DigestUpdate(print->inner, cluster.data ? cluster.data : "", cluster.len));
    must(EVP_DigestUpdate(print->inner, "", 1));
    print->running = context_new();
    print->scratch = context_new();
    memcpy(print->key_id, key->id, sizeof print->key_id);
    fingerprint_begin(print);
    return print;
}

void fingerprint_begin(struct fingerprint *print)
{
    must(EVP_MD_CTX_copy_ex(print->running, print->inner));
    print->len = 0;
}

void fingerprint_add(struct fingerprint *print, struct str part)
{
    if (part.len == 0)
        return;
    must(EVP_DigestUpdate(print->running, part.data, part.len));
    print->len += part.len;
}

char *fingerprint_peek(struct fingerprint *print, char text[FINGERPRINT_BYTES])
{
    unsigned char digest[SHA256_BYTES];

    if (print->len < FINGERPRINT_VALUE_MIN)
        return memcpy(text, "-", 2);
    must(EVP_MD_CTX_copy_ex(print->scratch, print->running));
    must(EVP_DigestFinal_ex(print->scratch, digest, NULL));
    must(EVP_MD_CTX_copy_ex(print->scratch, print->outer));
    must(EVP_DigestUpdate(print->scratch, digest, sizeof digest));
    must(EVP_DigestFinal_ex(print->scratch, digest, NULL));
    return encode_hex(digest, MAC_BYTES, text);
}

void fingerprint_free(struct fingerprint **print)
{
    if (!*print)
        return;
    EVP_MD_CTX_free((*print)->inner); /* OpenSSL cleanses the states */
    EVP_MD_CTX_free((*print)->outer);
    EVP_MD_CTX_free((*print)->running);
    EVP_MD_CTX_free((*print)->scratch);
    free(*print);
    *print = NULL;
}

uint64_t fingerprint_bucket(uint64_t len)
{
    uint64_t bucket = 8;

    if (len == 0)
        return 0;
    while (bucket < len && bucket < UINT64_C(1) << 63)
        bucket <<= 1;
    return bucket;
}

char *fingerprint_placeholder(struct fingerprint *print, char text[FINGERPRINT_PLACEHOLDER_BYTES])
{
    char mac[FINGERPRINT_BYTES];

    snprintf(text, FINGERPRINT_PLACEHOLDER_BYTES, "redacted:v1:%s:%s:%" PRIu64, print->key_id,
             fingerprint_peek(print, mac), fingerprint_bucket(print->len));
    return text;
}
