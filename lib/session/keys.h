/* keys.h - what signs: the root key of an installation, and the boot key of one gateway process,
 * which lives in memory alone and is certified by the root key (man hoop-session). And the key
 * of fingerprints. Ed25519 (RFC 8032), by OpenSSL. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "session/ulid.h"

#define ROOT_KEY_ID_BYTES 17 /* first 16 hex of SHA-256 of its SPKI, and the NUL */
#define SIGNATURE_BYTES 64
#define GATEWAY_NAME_BYTES 128
#define KEYS_FINGERPRINT_BYTES 32

struct root_key; /* opaque; wiped when freed */

/* What a directory of keys held, or what was made in it. */
struct keys {
    struct root_key *root;                             /* owned */
    unsigned char fingerprint[KEYS_FINGERPRINT_BYTES]; /* secret */
    char gateway[GATEWAY_NAME_BYTES];                  /* loopback-<rootKey> */
    char *trust_path;                                  /* owned; of the public half */
    bool was_made;                                     /* the root key is new: say so in one line */
};

/* Loads `directory`/root.pem (PKCS #8, 0600) and `directory`/fingerprint.key, and makes those that
 * are missing: temporary file, fsync, link(2), directory fsync; on EEXIST the existing one is used.
 * Then `trust_directory`/<gateway>.pem, the public half with `# gateway: <gateway>`, where it is
 * missing. ERROR_CONFIG: a file is there and is no such key, or others may read it; ERROR_STORAGE:
 * it cannot be written. */
must_use int keys_load(struct keys *keys, const char *directory, const char *trust_directory,
                       struct error *err);
void keys_free(struct keys *keys);

must_use struct root_key *root_key_new(void); /* in memory; for tests and tools */
const char *root_key_id(const struct root_key *root);
/* Its public half as PEM, appended. */
void root_key_public_pem(const struct root_key *root, struct buf *out);
void root_key_free(struct root_key **root);

/* The boot key of this process. */
struct boot; /* opaque */
must_use struct boot *boot_new(const struct root_key *root, const char *gateway, struct error *err);
const char *boot_id(const struct boot *boot);          /* ULID */
const char *boot_gateway(const struct boot *boot);     /* that its certificate names */
const char *boot_public_key(const struct boot *boot);  /* base64 SPKI */
const char *boot_root_key(const struct boot *boot);    /* id of the root key */
const char *boot_certificate(const struct boot *boot); /* base64 signature */
void boot_sign(const struct boot *boot, struct str data, unsigned char signature[SIGNATURE_BYTES]);
void boot_free(struct boot **boot); /* wipes it */

/* The text that a certificate signs: hoop-boot-v1\n<gateway>\n<boot>\n<key>\n. Appended. */
void certificate_text(struct buf *out, const char *gateway, const char *boot, const char *key);

/* Did the Ed25519 key `spki_base64` sign `data`? False also for a key that is none. */
bool signature_is_valid(const char *spki_base64, struct str data, struct str signature);
