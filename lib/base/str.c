#include "base/str.h"

#include "base/alloc.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_same_letters(struct str a, struct str b)
{
    for (size_t i = 0; i < a.len; i++)
        if (a.data[i] != b.data[i] && lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

bool str_ends(struct str text, struct str suffix)
{
    return text.len >= suffix.len && str_equal(str_skip(text, text.len - suffix.len), suffix);
}

ptrdiff_t str_index(struct str text, char c)
{
    const char *at = text.len ? memchr(text.data, c, text.len) : NULL;

    return at ? at - text.data : -1;
}

ptrdiff_t str_find(struct str text, struct str needle)
{
    if (needle.len == 0)
        return 0;
    const char *at = text.len ? memmem(text.data, text.len, needle.data, needle.len) : NULL;

    return at ? at - text.data : -1;
}

struct str str_split(struct str *rest, char separator)
{
    ptrdiff_t at = str_index(*rest, separator);
    struct str part = *rest;

    if (at < 0) {
        *rest = (struct str){NULL, 0};
        return part;
    }
    *rest = str_skip(*rest, (size_t)at + 1);
    return str_first(part, (size_t)at);
}

struct str str_trim(struct str text)
{
    while (text.len && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = str_skip(text, 1);
    while (text.len && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

char *str_dup(struct str text)
{
    return xstrndup(text.data ? text.data : "", text.len);
}
