/* str.h - borrowed bytes, no NUL: for all that comes off the wire or out of a file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *data;
    size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
/* For printf: "%.*s", STR_ARG(text) */
#define STR_ARG(text) (int)(text).len, (text).data ? (text).data : ""

static inline struct str str_make(const void *data, size_t len)
{
    return (struct str){data, len};
}

/* NULL gives an empty one. */
static inline struct str str_from(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline bool str_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool str_is(struct str a, const char *text)
{
    return str_equal(a, str_from(text));
}

/* ASCII case only, whatever the locale; for texts of one length. */
bool str_same_letters(struct str a, struct str b);

static inline bool str_equal_nocase(struct str a, struct str b)
{
    return a.len == b.len && str_same_letters(a, b);
}

bool str_ends(struct str text, struct str suffix);

/* From `from` on; beyond the end: empty. */
static inline struct str str_skip(struct str text, size_t from)
{
    if (from > text.len)
        from = text.len;
    return (struct str){from ? text.data + from : text.data, text.len - from}; /* NULL + 0 */
}

static inline struct str str_first(struct str text, size_t len)
{
    return (struct str){text.data, len < text.len ? len : text.len};
}

static inline bool str_starts(struct str text, struct str prefix)
{
    return text.len >= prefix.len && str_equal(str_first(text, prefix.len), prefix);
}

/* The index of the first one, or -1. */
ptrdiff_t str_index(struct str text, char c);
ptrdiff_t str_find(struct str text, struct str needle);

/* Cuts off and returns what stands before the first `separator`, which is dropped; without one,
 * all of it. `rest` is left with data == NULL when nothing follows, not even an empty part:
 *   while (rest.data) { part = str_split(&rest, ','); … } */
struct str str_split(struct str *rest, char separator);

/* Without blanks and tabs around it. */
struct str str_trim(struct str text);

/* A NUL-terminated copy, owned by the caller. */
char *str_dup(struct str text);
