#include "replay/style.h"

#include <string.h>

#include "base/num.h"

#define ESCAPE '\x1b'

/* ECMA-48 8.3.117; only the eight colours and two weights that every terminal has. */
static const char *const sequences[] = {
    [STYLE_PLAIN] = "",        [STYLE_STRONG] = "\x1b[1m", [STYLE_FAINT] = "\x1b[2m",
    [STYLE_GOOD] = "\x1b[32m", [STYLE_NOTE] = "\x1b[36m",  [STYLE_WARN] = "\x1b[33m",
    [STYLE_BAD] = "\x1b[31m",
};
#define RESET "\x1b[0m"

void style_begin(struct buf *out, bool is_coloured, enum style style)
{
    if (is_coloured)
        buf_append_text(out, sequences[style]);
}

void style_end(struct buf *out, bool is_coloured, enum style style)
{
    if (is_coloured && style != STYLE_PLAIN)
        buf_append_text(out, RESET);
}

void style_text(struct buf *out, bool is_coloured, enum style style, struct str text)
{
    style_begin(out, is_coloured, style);
    buf_append_str(out, text);
    style_end(out, is_coloured, style);
}

size_t style_length(struct str text)
{
    if (!text.len || text.data[0] != ESCAPE)
        return 0;
    ptrdiff_t end = str_index(text, 'm');
    return end < 0 ? text.len : (size_t)end + 1;
}

enum style style_of_status(int code)
{
    if (code == 0 || code >= 500)
        return STYLE_BAD;
    if (code >= 400)
        return STYLE_WARN;
    return code >= 300 ? STYLE_FAINT : STYLE_GOOD;
}

enum style style_of_method(const char *method)
{
    static const char *const reading[] = {"GET", "HEAD", "OPTIONS", "?"};

    if (method && strcmp(method, "DELETE") == 0)
        return STYLE_BAD;
    for (size_t i = 0; method && i < count_of(reading); i++)
        if (strcmp(method, reading[i]) == 0)
            return STYLE_PLAIN;
    return STYLE_NOTE;
}
