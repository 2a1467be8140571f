/* utf8.h - UTF-8 as RFC 3629 has it (no surrogates, no overlong forms, <= U+10FFFF), and text that
 * cannot drive a terminal. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* How many bytes the valid code point at the start takes (1..4) and which it is; 0 when there is
 * none: invalid, or cut at the end (see utf8_is_cut). */
size_t utf8_next(struct str text, uint32_t *code);

/* Does `text` hold only a valid beginning of one code point whose rest may follow? */
bool utf8_is_cut(struct str text);

bool utf8_is_valid(struct str text);

/* Appends `text` as valid UTF-8: bytes that are none as \xff, all else as it is. */
void utf8_append_valid(struct buf *out, struct str text);

/* U+0000-U+001F, U+007F-U+009F, U+2028, U+2029, bidirectional and zero-width controls: what may
 * drive, or lie to, a terminal. */
bool utf8_is_control(uint32_t code);

/* Appends `text` for people: controls and bytes that are no UTF-8 as \x1b, \u202e; a backslash as
 * it is. */
void utf8_append_safe(struct buf *out, struct str text);
