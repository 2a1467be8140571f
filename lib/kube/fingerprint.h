/* fingerprint.h - by which a withheld value can be recognised again, and nothing else: HMAC-SHA-256
 * under a key of this installation that never leaves the gateway, separated by cluster, its first
 * 16 bytes in hex. Values under FINGERPRINT_VALUE_MIN bytes have none: they could be guessed by
 * whoever may ask. No I/O. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define FINGERPRINT_KEY_BYTES 32
#define FINGERPRINT_KEY_ID_BYTES 9 /* 8 hex and the NUL */
#define FINGERPRINT_BYTES 33       /* 32 hex, or "-", and the NUL */
#define FINGERPRINT_VALUE_MIN 8

/* A key, and the name that recordings give it. */
struct fingerprint_key {
    unsigned char bytes[FINGERPRINT_KEY_BYTES]; /* secret */
    char id[FINGERPRINT_KEY_ID_BYTES]; /* from the key: first 8 hex of HMAC(key, "hoop-key-id") */
};

void fingerprint_key_set(struct fingerprint_key *key,
                         const unsigned char bytes[FINGERPRINT_KEY_BYTES]);
void fingerprint_key_wipe(struct fingerprint_key *key);

/* Running: HMAC(key, cluster || 0 || value), the value in any number of parts, memory constant. */
struct fingerprint;
struct fingerprint *fingerprint_new(const struct fingerprint_key *key, struct str cluster);
void fingerprint_begin(struct fingerprint *print); /* the next value */
void fingerprint_add(struct fingerprint *print, struct str part);
/* Of what was added since begin; adding may go on. Returns `text`. */
char *fingerprint_peek(struct fingerprint *print, char text[FINGERPRINT_BYTES]);
void fingerprint_free(struct fingerprint **print); /* wipes what it holds */

/* The length as recordings show it: 0, else the smallest power of two that is no less, 8 at
 * least. */
uint64_t fingerprint_bucket(uint64_t len);

#define FINGERPRINT_PLACEHOLDER_BYTES 96
/* "redacted:v1:<key id>:<fingerprint>:<bucket>" (man hoop-session) for what was added. Returns
 * `text`. */
char *fingerprint_placeholder(struct fingerprint *print, char text[FINGERPRINT_PLACEHOLDER_BYTES]);
