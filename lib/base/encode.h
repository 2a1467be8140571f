/* encode.h - hexadecimal and base64 (RFC 4648). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

/* Lower case; `text` takes 2 * len + 1 bytes. Returns `text`. */
char *encode_hex(const void *data, size_t len, char *text);
/* Of one digit, of either case; -1: it is none. */
static inline int decode_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}
/* Exactly `len` bytes from 2 * len digits of either case. */
bool decode_hex(struct str text, void *data, size_t len);

/* With padding, the standard alphabet. */
void encode_base64(struct buf *out, struct str data);
/* Strict: padding required, no white space, no stray bits. Appends to `out`. */
bool decode_base64(struct buf *out, struct str text);
/* The URL alphabet, no padding (RFC 4648 section 5). */
void encode_base64url(struct buf *out, struct str data);
bool decode_base64url(struct buf *out, struct str text); /* strict, as decode_base64() */
