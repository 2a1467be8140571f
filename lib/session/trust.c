#include "session/trust.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/scoped.h"

#define KEY_FILE_BYTES_MAX 16384
#define KEYS_MAX 1024

struct trusted_key {
    char id[TRUST_KEY_ID_BYTES];
    EVP_PKEY *key;  /* owned */
    char *gateway;  /* owned glob; NULL: all */
    char *clusters; /* owned globs, comma-separated; NULL: all */
};

struct trust {
    struct trusted_key *keys; /* owned */
    size_t count;
};

struct trust *trust_new(void)
{
    return xcalloc(1, sizeof(struct trust));
}

static void free_key(struct trusted_key *key)
{
    EVP_PKEY_free(key->key);
    free(key->gateway);
    free(key->clusters);
    *key = (struct trusted_key){0};
}

void trust_free(struct trust **trust)
{
    if (!*trust)
        return;
    for (size_t i = 0; i < (*trust)->count; i++)
        free_key(&(*trust)->keys[i]);
    free((*trust)->keys);
    free(*trust);
    *trust = NULL;
}

size_t trust_count(const struct trust *trust)
{
    return trust->count;
}

static void pkey_free(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
    *key = NULL;
}

static EVP_PKEY *read_public_key(struct str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    return key;
}

static bool is_usable(EVP_PKEY *key)
{
    char group[32] = "";

    if (EVP_PKEY_is_a(key, "ED25519"))
        return true;
    return EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static bool key_id(EVP_PKEY *key, char id[TRUST_KEY_ID_BYTES])
{
    unsigned char *spki = NULL;
    int len = i2d_PUBKEY(key, &spki);
    char hex[SHA256_HEX_BYTES];

    if (len <= 0)
        return false;
    sha256_hex(str_make(spki, (size_t)len), hex);
    OPENSSL_free(spki);
    memcpy(id, hex, TRUST_KEY_ID_BYTES - 1);
    id[TRUST_KEY_ID_BYTES - 1] = '\0';
    return true;
}

/* The value of a `# name: value` line before the key; NULL when there is none. */
static char *read_scope(struct str pem, const char *name)
{
    struct str rest = pem;

    while (rest.data) {
        struct str line = str_trim(str_split(&rest, '\n'));

        if (str_starts(line, STR("-----BEGIN ")))
            return NULL;
        if (!str_starts(line, STR("#")))
            continue;
        struct str value = str_skip(line, 1);
        struct str key = str_trim(str_split(&value, ':'));
        if (value.data && str_is(key, name)) {
            value = str_trim(value);
            if (str_ends(value, STR("\r")))
                value.len--;
            return str_dup(value);
        }
    }
    return NULL;
}

int trust_add(struct trust *trust, struct str pem, const char *name, struct error *err)
{
    scoped(pkey_free) EVP_PKEY *key = pem.len <= KEY_FILE_BYTES_MAX ? read_public_key(pem) : NULL;
    struct trusted_key added = {0};

    if (!key || !key_id(key, added.id)) {
        error_set(err, ERROR_CONFIG, "%s: no public key in it", name);
        return error_fix(err, "it must hold '-----BEGIN PUBLIC KEY-----' (PEM)");
    }
    if (!is_usable(key))
        return error_set(err, ERROR_CONFIG, "%s: neither an Ed25519 nor a P-256 key", name);
    if (trust->count == KEYS_MAX)
        return error_set(err, ERROR_CONFIG, "%s: more than %d trusted keys", name, KEYS_MAX);
    added.key = take(key);
    added.gateway = read_scope(pem, "gateway");
    added.clusters = read_scope(pem, "clusters");
    trust->keys = xreallocarray(trust->keys, trust->count + 1, sizeof *trust->keys);
    trust->keys[trust->count++] = added;
    return 0;
}

int trust_add_file(struct trust *trust, const char *path, struct error *err)
{
    scoped(buf_free) struct buf pem = {.limit = KEY_FILE_BYTES_MAX};

    if (file_read(path, &pem, err) < 0)
        return error_wrap(err, "trusted key");
    return trust_add(trust, buf_str(&pem), path, err);
}

static void dir_close(DIR **dir)
{
    if (*dir)
        closedir(*dir);
    *dir = NULL;
}

int trust_add_directory(struct trust *trust, const char *path, struct error *err)
{
    scoped(dir_close) DIR *dir = opendir(path);
    int passed_over = 0;

    if (!dir && errno == ENOENT)
        return 0;
    if (!dir)
        return error_errno(err, ERROR_CONFIG, "trust directory %s", path);
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);

        if (!entry && errno != 0)
            return error_errno(err, ERROR_CONFIG, "trust directory %s", path);
        if (!entry)
            return passed_over;
        if (entry->d_name[0] == '.')
            continue;
        scoped(free_text) char *file = xasprintf("%s/%s", path, entry->d_name);
        if (trust_add_file(trust, file, err) < 0)
            passed_over++;
    }
}

static bool one_matches(const char *globs, const char *name)
{
    struct str rest = str_from(globs);

    while (rest.data) {
        scoped(free_text) char *glob = str_dup(str_trim(str_split(&rest, ',')));

        if (fnmatch(glob, name, 0) == 0)
            return true;
    }
    return false;
}

static bool holds_for(const struct trusted_key *key, const char *gateway, const char *cluster)
{
    return (!key->gateway || fnmatch(key->gateway, gateway, 0) == 0) &&
           (!key->clusters || one_matches(key->clusters, cluster));
}

static void buf_printf_certificate(struct buf *message, const struct certificate *certificate)
{
    buf_printf(message, "hoop-boot-v1\n%s\n%s\n%s\n", certificate->gateway, certificate->boot,
               certificate->boot_key);
}

static bool has_signed(EVP_PKEY *key, struct str message, struct str signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    /* Ed25519 hashes by itself, and takes no digest */
    const EVP_MD *digest = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
    bool fits = context && EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1 &&
                EVP_DigestVerify(context, (const unsigned char *)signature.data, signature.len,
                                 (const unsigned char *)message.data, message.len) == 1;

    EVP_MD_CTX_free(context);
    return fits;
}

int trust_check(const struct trust *trust, const struct certificate *certificate,
                const char *cluster, struct error *err)
{
    scoped(buf_free) struct buf message = {0};
    const struct trusted_key *known = NULL;

    buf_printf_certificate(&message, certificate);
    for (size_t i = 0; i < trust->count; i++) {
        const struct trusted_key *key = &trust->keys[i];

        if (strcmp(key->id, certificate->root_key) != 0)
            continue;
        known = key;
        if (!holds_for(key, certificate->gateway, cluster))
            continue;
        if (message.overflow || !has_signed(key->key, buf_str(&message), certificate->signature))
            return error_set(err, ERROR_PROTOCOL, "root key %s did not certify this boot key",
                             certificate->root_key);
        return 0;
    }
    if (!known)
        return error_set(err, ERROR_UNVERIFIABLE, "root key %s is not trusted",
                         certificate->root_key);
    return error_set(err, ERROR_UNVERIFIABLE,
                     "root key %s is not trusted for gateway %s, cluster %s", certificate->root_key,
                     certificate->gateway, cluster);
}
