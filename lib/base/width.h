/* width.h - how many columns of a terminal a text takes. By a table of our own (width_ranges.h),
 * not by the C library's: what a person sees must not depend on the locale. */
#pragma once

#include <stdint.h>

#include "base/str.h"

/* 0 for what combines with the code point before it, 2 for wide ones (East Asian, emoji), else 1.
 */
unsigned width_of(uint32_t code);

/* Of valid UTF-8 without controls (utf8_append_safe). Of bytes that are none, each is one column.
 */
size_t width_text(struct str text);

/* The longest beginning of `text` that takes at most `columns`, combining marks with what they
 * combine with. */
struct str width_first(struct str text, size_t columns);
