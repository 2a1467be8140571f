#include "base/clock.h"

#include <time.h>

#ifdef CLOCK_BOOTTIME
#define MONOTONIC CLOCK_BOOTTIME
#else
#define MONOTONIC CLOCK_MONOTONIC
#endif

#define YEAR_1_UNIX_US (-62135596800 * 1000000)
#define YEAR_10000_UNIX_US (253402300800 * 1000000)

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

/* Days of the Gregorian calendar, as if it had always been; a year begins in March here, so that
 * its leap day is its last. No gmtime() and no timegm(): every line of a recording has a time, and
 * they lock and look for the time zone. */
#define DAYS_400_YEARS 146097
#define DAYS_TO_1970 719468 /* since the first of March of the year 0 */

struct date {
    int64_t year;
    int month, day; /* from 1 */
};

static int64_t days_of(struct date date)
{
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t days = (153 * ((date.month + 9) % 12) + 2) / 5 + date.day - 1;

    return year * 365 + year / 4 - year / 100 + year / 400 + days - DAYS_TO_1970;
}

static struct date date_of(int64_t days)
{
    days += DAYS_TO_1970;
    int64_t era = days / DAYS_400_YEARS, left = days % DAYS_400_YEARS;
    int64_t year = (left - left / 1460 + left / 36524 - left / (DAYS_400_YEARS - 1)) / 365;

    left -= year * 365 + year / 4 - year / 100;
    int month = (int)(5 * left + 2) / 153; /* from March */

    return (struct date){
        .year = era * 400 + year + (month >= 10),
        .month = (month + 2) % 12 + 1,
        .day = (int)left - (153 * month + 2) / 5 + 1,
    };
}

static char *put_digits(char *to, int64_t value, int count)
{
    for (int i = count; i-- > 0; value /= 10)
        to[i] = (char)('0' + value % 10);
    return to + count;
}

static char *put_time(char *to, int64_t second)
{
    to = put_digits(to, second / 3600, 2);
    *to++ = ':';
    to = put_digits(to, second / 60 % 60, 2);
    *to++ = ':';
    return put_digits(to, second % 60, 2);
}

char *clock_format_us(int64_t unix_us, char text[CLOCK_TEXT_BYTES])
{
    bool is_shown = unix_us >= YEAR_1_UNIX_US && unix_us < YEAR_10000_UNIX_US;
    int64_t us = (is_shown ? unix_us : 0) - YEAR_1_UNIX_US; /* not negative */
    int64_t seconds = us / 1000000;
    struct date date = date_of(seconds / 86400 + YEAR_1_UNIX_US / 86400000000);
    char *to = put_digits(text, date.year, 4);

    *to++ = '-';
    to = put_digits(to, date.month, 2);
    *to++ = '-';
    to = put_digits(to, date.day, 2);
    *to++ = 'T';
    to = put_time(to, seconds % 86400);
    *to++ = '.';
    to = put_digits(to, us % 1000000, 6);
    *to++ = 'Z';
    *to = '\0';
    return text;
}

static bool digits(struct str *rest, size_t count, int low, int high, int *value)
{
    int number = 0;

    if (rest->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        unsigned digit = (unsigned char)rest->data[i] - (unsigned)'0';

        if (digit > 9)
            return false;
        number = number * 10 + (int)digit;
    }
    if (number < low || number > high)
        return false;
    *value = number;
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
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    int64_t fraction = 0;

    if (!digits(&text, 4, 1, 9999, &year) || !literal(&text, '-') ||
        !digits(&text, 2, 1, 12, &month) || !literal(&text, '-') ||
        !digits(&text, 2, 1, 31, &day) || !literal(&text, 'T') || !digits(&text, 2, 0, 23, &hour) ||
        !literal(&text, ':') || !digits(&text, 2, 0, 59, &minute) || !literal(&text, ':') ||
        !digits(&text, 2, 0, 60, &second))
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
    int64_t days = days_of((struct date){year, month, day});
    *unix_us = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000000 + fraction;
    return true;
}
