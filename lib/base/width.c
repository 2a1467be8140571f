#include "base/width.h"

#include <stdbool.h>

#include "base/num.h"
#include "base/utf8.h"
#include "base/width_ranges.h"

#define FIRST_NOT_ONE 0x300 /* no code point below it has a width other than 1 */

static bool is_in(const struct code_range *ranges, size_t count, uint32_t code)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && code >= ranges[low].first;
}

unsigned width_of(uint32_t code)
{
    if (code < FIRST_NOT_ONE)
        return 1;
    if (is_in(empty_ranges, count_of(empty_ranges), code))
        return 0;
    return is_in(wide_ranges, count_of(wide_ranges), code) ? 2 : 1;
}

/* The code point at the start, or one byte that is none: its length, and its columns. */
static size_t step(struct str text, unsigned *columns)
{
    uint32_t code = 0;
    size_t len = (unsigned char)text.data[0] < 0x80 ? 1 : utf8_next(text, &code);

    *columns = len > 1 ? width_of(code) : 1;
    return len ? len : 1;
}

size_t width_text(struct str text)
{
    size_t width = 0;

    while (text.len) {
        unsigned columns;
        text = str_skip(text, step(text, &columns));
        width += columns;
    }
    return width;
}

struct str width_first(struct str text, size_t columns)
{
    struct str rest = text;

    while (rest.len) {
        unsigned width;
        size_t len = step(rest, &width);
        if (width > columns)
            break;
        columns -= width;
        rest = str_skip(rest, len);
    }
    return str_first(text, text.len - rest.len);
}
