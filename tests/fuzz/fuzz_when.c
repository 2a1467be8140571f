/* fuzz_when.c - a moment as a person types it. What is accepted survives being written and read
 * again. */
#include <assert.h>
#include <stdint.h>

#include "base/clock.h"
#include "replay/when.h"

#define NOW_UNIX_US ((int64_t)1795579200 * 1000000) /* 2026-11-25T00:00:00Z */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    int64_t unix_us = -7, again;
    char text[CLOCK_TEXT_BYTES];

    if (when_parse(&unix_us, str_make(data, size), NOW_UNIX_US, &err) < 0) {
        assert(err.kind == ERROR_USAGE && err.fix[0] && unix_us == -7);
        return 0;
    }
    /* an offset can leave the years that have four digits */
    if (unix_us < -62135596800000000 || unix_us > 253402300799999999)
        return 0;
    clock_format_us(unix_us, text);
    assert(when_parse(&again, str_from(text), 0, &err) == 0 && again == unix_us);
    return 0;
}
