#include "base/utf8.h"

/* The length that a first byte promises, 0 when it can be none. */
static size_t promised(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first <= 0xDF)
        return 2;
    if (first >= 0xE0 && first <= 0xEF)
        return 3;
    if (first >= 0xF0 && first <= 0xF4)
        return 4;
    return 0;
}

/* RFC 3629 section 4: the second byte's range depends on the first. */
static bool second_fits(unsigned char first, unsigned char second)
{
    unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;

    return second >= low && second <= high;
}

/* How many of the first `len` bytes go together as far as they are there. */
static bool fits(const unsigned char *at, size_t len)
{
    for (size_t i = 1; i < len; i++)
        if (i == 1 ? !second_fits(at[0], at[1]) : (at[i] & 0xC0) != 0x80)
            return false;
    return true;
}

size_t utf8_next(struct str text, uint32_t *code)
{
    const unsigned char *at = (const unsigned char *)text.data;

    if (text.len == 0)
        return 0;
    size_t len = promised(at[0]);

    if (len == 0 || len > text.len || !fits(at, len))
        return 0;
    uint32_t value = len == 1 ? at[0] : at[0] & (0xFFU >> (len + 1));

    for (size_t i = 1; i < len; i++)
        value = value << 6 | (at[i] & 0x3F);
    *code = value;
    return len;
}

bool utf8_is_cut(struct str text)
{
    const unsigned char *at = (const unsigned char *)text.data;

    return text.len && text.len < promised(at[0]) && fits(at, text.len);
}

bool utf8_is_valid(struct str text)
{
    uint32_t code;

    while (text.len) {
        size_t len = (unsigned char)text.data[0] < 0x80 ? 1 : utf8_next(text, &code);

        if (len == 0)
            return false;
        text = str_skip(text, len);
    }
    return true;
}

void utf8_append_valid(struct buf *out, struct str text)
{
    while (text.len) {
        uint32_t code;
        size_t len = utf8_next(text, &code);

        if (len)
            buf_append(out, text.data, len);
        else
            buf_printf(out, "\\x%02x", (unsigned char)text.data[0]);
        text = str_skip(text, len ? len : 1);
    }
}

bool utf8_is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code <= 0x9F) || (code >= 0x200B && code <= 0x200F) ||
           (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x2069) ||
           code == 0x061C || code == 0xFEFF;
}

void utf8_append_safe(struct buf *out, struct str text)
{
    while (text.len) {
        uint32_t code = 0;
        size_t len = utf8_next(text, &code);

        if (len == 0)
            buf_printf(out, "\\x%02x", (unsigned char)text.data[0]);
        else if (!utf8_is_control(code))
            buf_append(out, text.data, len);
        else
            buf_printf(out, code < 0x100 ? "\\x%02x" : "\\u%04x", code);
        text = str_skip(text, len ? len : 1);
    }
}
