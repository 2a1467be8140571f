#include "kube/query.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/error.h"

char *query_decode(struct str text)
{
    char *copy = xcalloc(1, text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        bool is_escape = text.data[i] == '%' && i + 2 < text.len &&
                         decode_hex_digit(text.data[i + 1]) >= 0 &&
                         decode_hex_digit(text.data[i + 2]) >= 0;

        copy[len++] = text.data[i] == '+' ? ' ' : text.data[i];
        if (is_escape) {
            copy[len - 1] = (char)(decode_hex_digit(text.data[i + 1]) << 4 |
                                   decode_hex_digit(text.data[i + 2]));
            i += 2;
        }
    }
    return copy;
}

bool query_name_is(struct str pair, const char *name)
{
    char *decoded = query_decode(str_split(&pair, '='));
    bool is_same = strcmp(decoded, name) == 0;

    free(decoded);
    return is_same;
}

char *query_value(struct str target, const char *name)
{
    ignore(str_split(&target, '?'));
    while (target.data) {
        struct str pair = str_split(&target, '&');

        if (!query_name_is(pair, name))
            continue;
        ignore(str_split(&pair, '='));
        return query_decode(pair);
    }
    return NULL;
}
