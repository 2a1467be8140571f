/* clock.h - the two clocks, and RFC 3339. Protocol code gets an instant as an argument. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* One moment on both clocks. */
struct instant {
    int64_t unix_us; /* CLOCK_REALTIME, microseconds since 1970, UTC */
    int64_t mono_us; /* CLOCK_BOOTTIME where there is one, microseconds since boot */
};

struct instant clock_now(void);

#define CLOCK_TEXT_BYTES 32
/* "2026-11-25T04:21:26.123456Z" (27 characters). Returns `text`. */
char *clock_format_us(int64_t unix_us, char text[CLOCK_TEXT_BYTES]);

/* RFC 3339 in UTC ("Z"), with or without a fraction of up to 9 digits. */
bool clock_parse(struct str text, int64_t *unix_us);
