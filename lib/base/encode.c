#include "base/encode.h"

#include <stdint.h>

static const char hex_digits[] = "0123456789abcdef";
static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *encode_hex(const void *data, size_t len, char *text)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < len; i++) {
        text[2 * i] = hex_digits[bytes[i] >> 4];
        text[2 * i + 1] = hex_digits[bytes[i] & 15];
    }
    text[2 * len] = '\0';
    return text;
}

bool decode_hex(struct str text, void *data, size_t len)
{
    unsigned char *bytes = data;

    if (text.len != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++) {
        int high = decode_hex_digit(text.data[2 * i]);
        int low = decode_hex_digit(text.data[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static void encode_with(struct buf *out, struct str data, const char *alphabet, bool pad)
{
    const unsigned char *in = (const unsigned char *)data.data;

    for (size_t i = 0; i < data.len; i += 3) {
        size_t left = data.len - i;
        uint32_t group = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                         (left > 2 ? in[i + 2] : 0);
        char four[4] = {alphabet[group >> 18], alphabet[group >> 12 & 63],
                        left > 1 ? alphabet[group >> 6 & 63] : '=',
                        left > 2 ? alphabet[group & 63] : '='};

        buf_append(out, four, pad || left > 2 ? 4 : left + 1);
    }
}

/* `text` without its padding. */
static bool decode_with(struct buf *out, struct str text, const char *alphabet)
{
    uint32_t bits = 0;
    unsigned count = 0;

    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const char *at = text.data[i] ? memchr(alphabet, text.data[i], 64) : NULL;

        if (!at)
            return false;
        bits = bits << 6 | (uint32_t)(at - alphabet);
        count += 6;
        if (count >= 8) {
            count -= 8;
            buf_append_char(out, (char)(bits >> count));
            bits &= (1U << count) - 1;
        }
    }
    return bits == 0 && !out->overflow;
}

bool decode_base64(struct buf *out, struct str text)
{
    if (text.len % 4 != 0)
        return false;
    for (int i = 0; i < 2 && text.len && text.data[text.len - 1] == '='; i++)
        text.len--;
    return decode_with(out, text, standard);
}

bool decode_base64url(struct buf *out, struct str text)
{
    return decode_with(out, text, url_safe);
}

void encode_base64(struct buf *out, struct str data)
{
    encode_with(out, data, standard, true);
}

void encode_base64url(struct buf *out, struct str data)
{
    encode_with(out, data, url_safe, false);
}
