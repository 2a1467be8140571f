#include "http/chars.h"

#include "base/num.h"

#define T CHAR_TOKEN
#define V CHAR_VALUE
#define R CHAR_TARGET
#define A CHAR_AUTHORITY

/* What is not named here (controls, DEL) belongs nowhere. */
static const unsigned char classes[256] = {
    ['\t'] = V,
    [' '] = V,
    ['!'] = T | V | R | A,
    ['"'] = V | R,
    ['#'] = T | V,
    ['$'] = T | V | R | A,
    ['%'] = T | V | R | A,
    ['&'] = T | V | R | A,
    ['\''] = T | V | R | A,
    ['('] = V | R | A,
    [')'] = V | R | A,
    ['*'] = T | V | R | A,
    ['+'] = T | V | R | A,
    [','] = V | R | A,
    ['-'] = T | V | R | A,
    ['.'] = T | V | R | A,
    ['/'] = V | R,
    ['0' ... '9'] = T | V | R | A,
    [':'] = V | R | A,
    [';'] = V | R | A,
    ['<'] = V | R,
    ['='] = V | R | A,
    ['>'] = V | R,
    ['?'] = V | R,
    ['@'] = V | R,
    ['A' ... 'Z'] = T | V | R | A,
    ['['] = V | R | A,
    ['\\'] = V | R,
    [']'] = V | R | A,
    ['^'] = T | V | R,
    ['_'] = T | V | R | A,
    ['`'] = T | V | R,
    ['a' ... 'z'] = T | V | R | A,
    ['{'] = V | R,
    ['|'] = T | V | R,
    ['}'] = V | R,
    ['~'] = T | V | R | A,
    [0x80 ... 0xff] = V,
};

bool chars_are(struct str text, enum char_class class)
{
    for (size_t i = 0; i < text.len; i++)
        if (!(classes[(unsigned char)text.data[i]] & class))
            return false;
    return true;
}

bool http_is_token(struct str text)
{
    return text.len > 0 && chars_are(text, CHAR_TOKEN);
}

bool http_is_value(struct str text)
{
    return chars_are(text, CHAR_VALUE) && str_trim(text).len == text.len;
}

bool http_is_target(struct str text)
{
    return text.len > 0 && text.data[0] == '/' && chars_are(text, CHAR_TARGET);
}

bool http_is_authority(struct str text)
{
    struct str host = text;
    uint64_t port;

    if (text.len == 0 || !chars_are(text, CHAR_AUTHORITY))
        return false;
    if (text.data[0] == '[') { /* IP-literal */
        ptrdiff_t end = str_index(text, ']');

        if (end < 2)
            return false;
        host = str_make(text.data + 1, (size_t)end - 1);
        text = str_skip(text, (size_t)end + 1);
        if (text.len > 0 && text.data[0] != ':')
            return false;
    } else {
        ptrdiff_t colon = str_index(text, ':');

        host = str_first(text, colon < 0 ? text.len : (size_t)colon);
        text = str_skip(text, host.len);
        if (str_index(host, ']') >= 0)
            return false;
    }
    if (host.len == 0 || str_index(host, '[') >= 0)
        return false;
    /* "host:" is allowed (RFC 3986 3.2.3) */
    return text.len <= 1 || num_parse_u64(str_skip(text, 1), 65535, &port);
}

bool http_is_trailer(struct str name)
{
    static const char *const unfit[] = {
        "age",
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "date",
        "expect",
        "expires",
        "host",
        "if-match",
        "if-none-match",
        "keep-alive",
        "location",
        "max-forwards",
        "pragma",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "range",
        "retry-after",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "vary",
        "warning",
        "www-authenticate",
        "audit-id",
    };

    for (size_t i = 0; i < count_of(unfit); i++)
        if (str_equal_nocase(name, str_from(unfit[i])))
            return false;
    return !http_is_identity(name);
}

bool http_is_identity(struct str name)
{
    static const char *const prefixes[] = {"impersonate-", "x-remote-"};

    for (size_t i = 0; i < count_of(prefixes); i++)
        if (str_equal_nocase(str_first(name, strlen(prefixes[i])), str_from(prefixes[i])))
            return true;
    return false;
}
