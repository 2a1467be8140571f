#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/scoped.h"
#include "session/trust.h"

/* A root key, and what a verifier knows of it. */
struct root {
    EVP_PKEY *key;
    char *pem;
    char id[TRUST_KEY_ID_BYTES];
};

static void root_free(struct root *root)
{
    EVP_PKEY_free(root->key);
    free(root->pem);
}

static struct root root_new(const char *kind)
{
    bool is_ec = strcmp(kind, "EC") == 0;
    struct root root = {.key = is_ec ? EVP_EC_gen("P-256") : EVP_PKEY_Q_keygen(NULL, NULL, kind)};
    char hex[SHA256_HEX_BYTES];
    char *text;

    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(1, PEM_write_bio_PUBKEY(bio, root.key));
    long len = BIO_get_mem_data(bio, &text);
    root.pem = xstrndup(text, (size_t)len);
    BIO_free(bio);
    unsigned char *spki = NULL;
    int spki_len = i2d_PUBKEY(root.key, &spki);
    sha256_hex(str_make(spki, (size_t)spki_len), hex);
    OPENSSL_free(spki);
    memcpy(root.id, hex, sizeof root.id - 1);
    return root;
}

/* Signs a certificate for gateway eu-1; the signature is put into `signature`. */
static struct certificate certify(const struct root *root, struct buf *signature)
{
    static const char message[] = "hoop-boot-v1\neu-1\n01JD2K9QABCDEFGHJKMNPQRSTV\nTUNvdw==\n";
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char bytes[256];
    size_t len = sizeof bytes;
    const EVP_MD *digest = EVP_PKEY_is_a(root->key, "ED25519") ? NULL : EVP_sha256();

    assert_int_equal(1, EVP_DigestSignInit(context, NULL, digest, NULL, root->key));
    assert_int_equal(1, EVP_DigestSign(context, bytes, &len, (const unsigned char *)message,
                                       sizeof message - 1));
    EVP_MD_CTX_free(context);
    buf_append(signature, bytes, len);
    return (struct certificate){
        .root_key = root->id,
        .gateway = "eu-1",
        .boot = "01JD2K9QABCDEFGHJKMNPQRSTV",
        .boot_key = "TUNvdw==",
        .signature = buf_str(signature),
    };
}

static void check_accepts_what_a_trusted_key_signed(void **state)
{
    static const char *const kinds[] = {"ED25519", "EC"};

    for (int i = 0; i < 2; i++) {
        scoped(root_free) struct root root = root_new(kinds[i]);
        scoped(trust_free) struct trust *trust = trust_new();
        scoped(buf_free) struct buf signature = {0};
        struct certificate certificate = certify(&root, &signature);
        struct error err = {0};

        assert_int_equal(0, trust_add(trust, str_from(root.pem), "root.pem", &err));
        assert_int_equal(0, trust_check(trust, &certificate, "prod", &err));
        certificate.gateway = "eu-2";
        assert_int_equal(-1, trust_check(trust, &certificate, "prod", &err));
        assert_int_equal(ERROR_PROTOCOL, err.kind);
    }
}

static void check_knows_no_other_key(void **state)
{
    scoped(root_free) struct root root = root_new("ED25519");
    scoped(root_free) struct root other = root_new("ED25519");
    scoped(trust_free) struct trust *trust = trust_new();
    scoped(buf_free) struct buf signature = {0};
    struct certificate certificate = certify(&other, &signature);
    struct error err = {0};

    assert_int_equal(0, trust_add(trust, str_from(root.pem), "root.pem", &err));
    assert_int_equal(-1, trust_check(trust, &certificate, "prod", &err));
    assert_int_equal(ERROR_UNVERIFIABLE, err.kind);
    certificate.root_key = root.id; /* the forger names a key that is known */
    assert_int_equal(-1, trust_check(trust, &certificate, "prod", &err));
    assert_int_equal(ERROR_PROTOCOL, err.kind);
}

static void check_keeps_to_the_scope_of_a_key(void **state)
{
    static const struct {
        const char *scope;
        int result;
    } cases[] = {
        {"# gateway: eu-*\n", 0},
        {"# gateway: us-*\n", -1},
        {"#gateway:eu-1\r\n# clusters: dev, prod\r\n", 0},
        {"# clusters: dev,pro?\n", 0},
        {"# clusters: dev,staging\n", -1},
        {"# clusters:\n", -1},
        {"# made by hand: yes\n# gateways: us-1\n", 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scoped(root_free) struct root root = root_new("ED25519");
        scoped(trust_free) struct trust *trust = trust_new();
        scoped(buf_free) struct buf signature = {0};
        scoped(free_text) char *pem = xasprintf("%s%s", cases[i].scope, root.pem);
        struct certificate certificate = certify(&root, &signature);
        struct error err = {0};

        assert_int_equal(0, trust_add(trust, str_from(pem), "root.pem", &err));
        assert_int_equal(cases[i].result, trust_check(trust, &certificate, "prod", &err));
        assert_int_equal(cases[i].result ? ERROR_UNVERIFIABLE : ERROR_NONE, err.kind);
    }
}

static void add_refuses_what_is_no_public_key(void **state)
{
    scoped(trust_free) struct trust *trust = trust_new();
    scoped(root_free) struct root rsa = root_new("ED448");
    struct error err = {0};

    assert_int_equal(-1, trust_add(trust, STR("# gateway: x\n"), "x.pem", &err));
    assert_int_equal(ERROR_CONFIG, err.kind);
    assert_int_equal(-1, trust_add(trust, str_from(rsa.pem), "x.pem", &err));
    assert_int_equal(ERROR_CONFIG, err.kind);
    assert_int_equal(0, trust_count(trust));
}

static void add_directory_passes_over_a_bad_file(void **state)
{
    char path[] = "/tmp/test-trust-XXXXXX";
    scoped(root_free) struct root root = root_new("ED25519");
    scoped(trust_free) struct trust *trust = trust_new();
    struct error err = {0};

    assert_non_null(mkdtemp(path));
    scoped(free_text) char *good = xasprintf("%s/root.pem", path);
    scoped(free_text) char *bad = xasprintf("%s/notes", path);
    assert_int_equal(0, file_write(good, str_from(root.pem), 0600, &err));
    assert_int_equal(0, file_write(bad, STR("hello"), 0600, &err));

    assert_int_equal(1, trust_add_directory(trust, path, &err));
    assert_int_equal(1, trust_count(trust));
    assert_non_null(strstr(err.text, "notes"));

    unlink(good);
    unlink(bad);
    rmdir(path);
    assert_int_equal(0, trust_add_directory(trust, path, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_accepts_what_a_trusted_key_signed),
        cmocka_unit_test(check_knows_no_other_key),
        cmocka_unit_test(check_keeps_to_the_scope_of_a_key),
        cmocka_unit_test(add_refuses_what_is_no_public_key),
        cmocka_unit_test(add_directory_passes_over_a_bad_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
