/* num.h - numbers: bounds, and strict parsing of decimals. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

static inline int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

#define min_of(a, b)                                                                               \
    ({                                                                                             \
        __typeof__(a) a_ = (a);                                                                    \
        __typeof__(b) b_ = (b);                                                                    \
        a_ < b_ ? a_ : b_;                                                                         \
    })
#define max_of(a, b)                                                                               \
    ({                                                                                             \
        __typeof__(a) a_ = (a);                                                                    \
        __typeof__(b) b_ = (b);                                                                    \
        a_ > b_ ? a_ : b_;                                                                         \
    })

#define count_of(array) (sizeof(array) / sizeof((array)[0]))

/* 1*DIGIT and nothing else, at most `max`; false and `value` untouched otherwise. */
bool num_parse_u64(struct str text, uint64_t max, uint64_t *value);
