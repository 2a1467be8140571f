/* redact_pem.h - where a private key in PEM (RFC 7468) begins in a text that comes in parts:
 * "-----BEGIN … PRIVATE KEY", anywhere; and the same in base64 where the text begins with it. No
 * I/O. */
#pragma once

#include <stdbool.h>

#include "base/str.h"

/* All zero is the start of a text. */
struct redact_pem {
    unsigned char dashes; /* of the marker, then its letters: 11 is all of it */
    unsigned char seen;   /* bytes after the marker */
    char tail[11];        /* the last ones, to be "PRIVATE KEY" */
    unsigned char coded;  /* the same in base64: of the marker; UINT8_MAX: it cannot come */
    unsigned char coded_seen;
    char coded_tail[14];
};

/* Reads the next bytes. Returns the one after the words, or NULL: they have not come yet. */
const char *redact_pem_find(struct redact_pem *pem, const char *at, const char *end);

/* Does one begin in a text that is there as a whole? */
bool redact_pem_is_in(struct str text);
