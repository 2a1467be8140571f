#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#include "base/num.h"

#ifdef CLOCK_BOOTTIME
#define MONOTONIC CLOCK_BOOTTIME
#else
#define MONOTONIC CLOCK_MONOTONIC
#endif

static int64_t read_us(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct instant clock_now(void)
{
    return (struct instant){.unix_us = read_us(CLOCK_REALTIME), .mono_us = read_us(MONOTONIC)};
}

char *clock_format_us(int64_t unix_us, char text[CLOCK_TEXT_BYTES])
{
    int64_t fraction = unix_us % 1000000;
    time_t seconds = (time_t)(unix_us / 1000000);
    struct tm tm;

    if (fraction < 0) {
        fraction += 1000000;
        seconds--;
    }
    if (!gmtime_r(&seconds, &tm) || tm.tm_year > 8099 || tm.tm_year < -1900) {
        snprintf(text, CLOCK_TEXT_BYTES, "1970-01-01T00:00:00.000000Z");
        return text;
    }
    /* strftime()'s %Y has three digits in the year 999 */
    int len = snprintf(text, CLOCK_TEXT_BYTES, "%04d", tm.tm_year + 1900);
    strftime(text + len, CLOCK_TEXT_BYTES - (size_t)len, "-%m-%dT%H:%M:%S", &tm);
    snprintf(text + 19, CLOCK_TEXT_BYTES - 19, ".%06dZ", (int)fraction);
    return text;
}

static bool digits(struct str *rest, size_t count, int low, int high, int *value)
{
    uint64_t number;

    if (rest->len < count || !num_parse_u64(str_first(*rest, count), 9999, &number))
        return false;
    if ((int)number < low || (int)number > high)
        return false;
    *value = (int)number;
    *rest = str_skip(*rest, count);
    return true;
}

static bool literal(struct str *rest, char c)
{
    if (rest->len == 0 || rest->data[0] != c)
        return false;
    *rest = str_skip(*rest, 1);
    return true;
}

bool clock_parse(struct str text, int64_t *unix_us)
{
    struct tm tm = {0};
    int year = 0, month = 0;
    int64_t fraction = 0;

    if (!digits(&text, 4, 1, 9999, &year) || !literal(&text, '-') ||
        !digits(&text, 2, 1, 12, &month) || !literal(&text, '-') ||
        !digits(&text, 2, 1, 31, &tm.tm_mday) || !literal(&text, 'T') ||
        !digits(&text, 2, 0, 23, &tm.tm_hour) || !literal(&text, ':') ||
        !digits(&text, 2, 0, 59, &tm.tm_min) || !literal(&text, ':') ||
        !digits(&text, 2, 0, 60, &tm.tm_sec))
        return false;
    if (literal(&text, '.')) {
        size_t count = 0;
        int64_t scale = 100000;

        for (; text.len && text.data[0] >= '0' && text.data[0] <= '9'; count++) {
            fraction += (text.data[0] - '0') * scale;
            scale /= 10;
            text = str_skip(text, 1);
        }
        if (count == 0 || count > 9)
            return false;
    }
    if (!literal(&text, 'Z') || text.len)
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    *unix_us = (int64_t)timegm(&tm) * 1000000 + fraction;
    return true;
}
