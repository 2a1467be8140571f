/* ulid.h - ULIDs (github.com/ulid/spec): 48 bits of milliseconds and 80 random ones, 26 characters
 * of Crockford's base 32, in upper case; they sort by time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define ULID_CHARACTERS 26
#define ULID_BYTES 27 /* with the NUL */
#define ULID_RANDOM_BYTES 10

/* Returns `text`. */
char *ulid_write(char text[ULID_BYTES], int64_t unix_ms,
                 const unsigned char random[ULID_RANDOM_BYTES]);
/* Of this moment, with the kernel's randomness. Returns `text`. */
char *ulid_new(char text[ULID_BYTES]);

/* Exactly 26 upper-case characters, and no more than 48 bits of time. */
bool ulid_is_valid(struct str text);
/* When it was made; -1 when it is not valid. */
int64_t ulid_unix_ms(struct str text);
/* The day that it was made, in UTC, as directories are named after it: "2026-11-22"; that of 1970
 * when it is not valid. Returns `date`. */
#define ULID_DATE_BYTES 11
char *ulid_date(const char *text, char date[ULID_DATE_BYTES]);
