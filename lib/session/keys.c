#include "session/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/scoped.h"
#include "base/secret.h"

#define KEY_FILE_BYTES_MAX 16384

struct root_key {
    EVP_PKEY *key; /* owned */
    char id[ROOT_KEY_ID_BYTES];
};

struct boot {
    EVP_PKEY *key; /* owned */
    char id[ULID_BYTES];
    char gateway[GATEWAY_NAME_BYTES];
    char root_key[ROOT_KEY_ID_BYTES];
    char *public_key;  /* owned */
    char *certificate; /* owned */
};

static void pkey_free(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
    *key = NULL;
}

static EVP_PKEY *new_pkey(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    if (!key)
        abort(); /* no randomness, or no memory */
    return key;
}

/* Base64 SPKI, and the id made of it. */
static char *public_text(EVP_PKEY *key, char id[ROOT_KEY_ID_BYTES])
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    char hex[SHA256_HEX_BYTES];
    struct buf text = {0};

    if (len <= 0)
        abort();
    sha256_hex(str_make(der, (size_t)len), hex);
    if (id)
        memcpy(id, hex, ROOT_KEY_ID_BYTES - 1);
    encode_base64(&text, str_make(der, (size_t)len));
    OPENSSL_free(der);
    return buf_take_text(&text);
}

static void sign(EVP_PKEY *key, struct str data, unsigned char signature[SIGNATURE_BYTES])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t len = SIGNATURE_BYTES;

    if (!context || EVP_DigestSignInit(context, NULL, NULL, NULL, key) != 1 ||
        EVP_DigestSign(context, signature, &len, (const unsigned char *)data.data, data.len) != 1)
        abort();
    EVP_MD_CTX_free(context);
}

static struct root_key *root_key_adopt(EVP_PKEY *key)
{
    struct root_key *root = xcalloc(1, sizeof *root);

    root->key = key;
    free(public_text(key, root->id));
    return root;
}

struct root_key *root_key_new(void)
{
    return root_key_adopt(new_pkey());
}

const char *root_key_id(const struct root_key *root)
{
    return root->id;
}

void root_key_free(struct root_key **root)
{
    if (!*root)
        return;
    pkey_free(&(*root)->key);
    free(*root);
    *root = NULL;
}

/* What `bio` holds, appended; frees it and wipes what it held. */
static void take_bio(BIO *bio, struct buf *out)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);

    if (len <= 0)
        abort();
    buf_append(out, data, (size_t)len);
    secret_wipe(data, (size_t)len);
    BIO_free(bio);
}

void root_key_public_pem(const struct root_key *root, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());

    if (!bio || PEM_write_bio_PUBKEY(bio, root->key) != 1)
        abort();
    take_bio(bio, out);
}

static void private_pem(const struct root_key *root, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());

    if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, root->key, NULL, NULL, 0, NULL, NULL) != 1)
        abort();
    ignore(buf_reserve(out, KEY_FILE_BYTES_MAX)); /* so that no copy is left behind */
    take_bio(bio, out);
}

/* A file that appears whole, or not at all: IO_OK, IO_AGAIN when one is there already. */
static enum io make_file(const char *directory, const char *path, struct str data, mode_t mode,
                         struct error *err)
{
    scoped(free_text) char *temporary = xasprintf("%s/.new.XXXXXX", directory);
    scoped(fd_close) int fd = mkostemp(temporary, O_CLOEXEC);

    if (fd < 0)
        return error_errno(err, ERROR_STORAGE, "create a file in %s", directory);
    int failed = fchmod(fd, mode) < 0 || file_write_all(fd, data.data, data.len) < 0 ||
                 fsync(fd) < 0 || link(temporary, path) < 0;
    int cause = errno;

    unlink(temporary);
    errno = cause;
    if (failed && cause == EEXIST)
        return IO_AGAIN;
    if (failed)
        return error_errno(err, ERROR_STORAGE, "create %s", path);
    return file_sync_dir(directory, err) < 0 ? IO_FAILED : IO_OK;
}

/* Reads a file that its owner alone may read. IO_AGAIN: there is none. */
static enum io read_secret(const char *path, struct buf *out, struct error *err)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return errno == ENOENT ? IO_AGAIN : error_errno(err, ERROR_CONFIG, "open %s", path);
    if (status.st_uid != geteuid() || status.st_mode & 077) {
        error_set(err, ERROR_CONFIG, "%s: not its owner's alone (mode %04o)", path,
                  status.st_mode & 07777U);
        return error_fix(err, "chmod 600 %s, if nobody can have copied it", path);
    }
    ignore(buf_reserve(out, KEY_FILE_BYTES_MAX));
    out->limit = KEY_FILE_BYTES_MAX;
    return file_read(path, out, err) < 0 ? IO_FAILED : IO_OK;
}

static struct root_key *parse_root_key(struct str pem, const char *path, struct error *err)
{
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    /* An empty password: an encrypted key fails, and never asks. */
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"") : NULL;

    BIO_free(bio);
    if (key && EVP_PKEY_is_a(key, "ED25519"))
        return root_key_adopt(key);
    EVP_PKEY_free(key);
    error_set(err, ERROR_CONFIG, "%s: no Ed25519 private key in PEM form", path);
    return NULL;
}

static int make_root_key(struct keys *keys, const char *directory, const char *path,
                         struct error *err)
{
    scoped(root_key_free) struct root_key *root = root_key_new();
    scoped(secret_buf_free) struct buf pem = {0};

    private_pem(root, &pem);
    enum io status = make_file(directory, path, buf_str(&pem), 0600, err);

    if (status == IO_OK) {
        keys->root = take(root);
        keys->was_made = true;
    }
    return status == IO_FAILED ? -1 : 0;
}

static int load_root_key(struct keys *keys, const char *directory, struct error *err)
{
    scoped(free_text) char *path = xasprintf("%s/root.pem", directory);
    scoped(secret_buf_free) struct buf pem = {0};
    enum io status = read_secret(path, &pem, err);

    if (status == IO_AGAIN) {
        if (make_root_key(keys, directory, path, err) < 0)
            return -1;
        if (keys->root)
            return 0;
        status = read_secret(path, &pem, err); /* another process was first */
    }
    if (status == IO_AGAIN)
        return error_set(err, ERROR_CONFIG, "%s vanished", path);
    if (status == IO_OK)
        keys->root = parse_root_key(buf_str(&pem), path, err);
    return keys->root ? 0 : -1;
}

static int make_fingerprint_key(const char *directory, const char *path, struct error *err)
{
    unsigned char key[KEYS_FINGERPRINT_BYTES];
    char hex[2 * sizeof key + 1];

    random_bytes(key, sizeof key);
    encode_hex(key, sizeof key, hex);
    hex[2 * sizeof key] = '\n';
    enum io status = make_file(directory, path, str_make(hex, sizeof hex), 0600, err);

    secret_wipe(key, sizeof key);
    secret_wipe(hex, sizeof hex);
    return status == IO_FAILED ? -1 : 0;
}

static int load_fingerprint_key(struct keys *keys, const char *directory, struct error *err)
{
    scoped(free_text) char *path = xasprintf("%s/fingerprint.key", directory);
    scoped(secret_buf_free) struct buf hex = {0};
    enum io status = read_secret(path, &hex, err);

    if (status == IO_AGAIN && make_fingerprint_key(directory, path, err) < 0)
        return -1;
    if (status == IO_AGAIN)
        status = read_secret(path, &hex, err);
    if (status == IO_FAILED)
        return -1;
    struct str text = str_first(buf_str(&hex), 2 * sizeof keys->fingerprint);

    if (status == IO_AGAIN || !decode_hex(text, keys->fingerprint, sizeof keys->fingerprint))
        return error_set(err, ERROR_CONFIG, "%s: not 64 hex digits", path);
    return 0;
}

static int make_trust_file(struct keys *keys, const char *directory, struct error *err)
{
    scoped(buf_free) struct buf text = {0};

    keys->trust_path = xasprintf("%s/%s.pem", directory, keys->gateway);
    if (access(keys->trust_path, F_OK) == 0)
        return 0;
    buf_printf(&text, "# gateway: %s\n", keys->gateway);
    root_key_public_pem(keys->root, &text);
    return make_file(directory, keys->trust_path, buf_str(&text), 0644, err) == IO_FAILED ? -1 : 0;
}

int keys_load(struct keys *keys, const char *directory, const char *trust_directory,
              struct error *err)
{
    scoped(keys_free) struct keys loaded = {0};

    if (load_root_key(&loaded, directory, err) < 0 ||
        load_fingerprint_key(&loaded, directory, err) < 0)
        return error_wrap(err, "signing key");
    snprintf(loaded.gateway, sizeof loaded.gateway, "loopback-%s", root_key_id(loaded.root));
    if (make_trust_file(&loaded, trust_directory, err) < 0)
        return error_wrap(err, "trusted key");
    *keys = loaded;
    loaded = (struct keys){0};
    return 0;
}

void keys_free(struct keys *keys)
{
    root_key_free(&keys->root);
    free(keys->trust_path);
    secret_wipe(keys, sizeof *keys);
}

void certificate_text(struct buf *out, const char *gateway, const char *boot, const char *key)
{
    buf_printf(out, "hoop-boot-v1\n%s\n%s\n%s\n", gateway, boot, key);
}

struct boot *boot_new(const struct root_key *root, const char *gateway, struct error *err)
{
    scoped(buf_free) struct buf text = {0};
    struct buf encoded = {0};
    unsigned char signature[SIGNATURE_BYTES];

    if (gateway[0] == '\0' || strlen(gateway) >= GATEWAY_NAME_BYTES || strchr(gateway, '\n')) {
        error_set(err, ERROR_CONFIG, "gateway name: empty, too long, or more than one line");
        return NULL;
    }
    struct boot *boot = xcalloc(1, sizeof *boot);

    boot->key = new_pkey();
    ulid_new(boot->id);
    snprintf(boot->gateway, sizeof boot->gateway, "%s", gateway);
    memcpy(boot->root_key, root->id, sizeof boot->root_key);
    boot->public_key = public_text(boot->key, NULL);
    certificate_text(&text, boot->gateway, boot->id, boot->public_key);
    sign(root->key, buf_str(&text), signature);
    encode_base64(&encoded, str_make(signature, sizeof signature));
    boot->certificate = buf_take_text(&encoded);
    return boot;
}

const char *boot_id(const struct boot *boot)
{
    return boot->id;
}

const char *boot_gateway(const struct boot *boot)
{
    return boot->gateway;
}

const char *boot_public_key(const struct boot *boot)
{
    return boot->public_key;
}

const char *boot_root_key(const struct boot *boot)
{
    return boot->root_key;
}

const char *boot_certificate(const struct boot *boot)
{
    return boot->certificate;
}

void boot_sign(const struct boot *boot, struct str data, unsigned char signature[SIGNATURE_BYTES])
{
    sign(boot->key, data, signature);
}

void boot_free(struct boot **boot)
{
    if (!*boot)
        return;
    pkey_free(&(*boot)->key);
    free((*boot)->public_key);
    free((*boot)->certificate);
    free(*boot);
    *boot = NULL;
}

bool signature_is_valid(const char *spki_base64, struct str data, struct str signature)
{
    scoped(buf_free) struct buf der = {0};

    if (!decode_base64(&der, str_from(spki_base64)) || der.overflow)
        return false;
    const unsigned char *at = (const unsigned char *)der.data;
    scoped(pkey_free) EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)der.len);

    if (!key || at != (const unsigned char *)der.data + der.len || !EVP_PKEY_is_a(key, "ED25519"))
        return false;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_valid = context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                    EVP_DigestVerify(context, (const unsigned char *)signature.data, signature.len,
                                     (const unsigned char *)data.data, data.len) == 1;

    EVP_MD_CTX_free(context);
    return is_valid;
}
