#include "replay/when.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/utf8.h"

#define SECOND_US ((int64_t)1000000)
#define DAY_US (86400 * SECOND_US)
#define AMOUNT_MAX 100000000 /* of one unit: some seconds are three years */
#define DATE_LENGTH 10       /* 2026-11-22 */
#define OFFSET_LENGTH 6      /* +01:00 */

static int64_t day_of(int64_t unix_us)
{
    int64_t into = unix_us % DAY_US;

    return unix_us - into - (into < 0 ? DAY_US : 0);
}

/* UTC; what clock_parse() takes, but no 31st of February. */
static bool parse_utc(struct str text, int64_t *unix_us)
{
    char back[CLOCK_TEXT_BYTES];
    int64_t parsed;

    if (!clock_parse(text, &parsed) ||
        strncmp(clock_format_us(parsed, back), text.data, DATE_LENGTH) != 0)
        return false;
    *unix_us = parsed;
    return true;
}

static bool parse_date(struct str text, int64_t *unix_us)
{
    char full[DATE_LENGTH + 11];

    if (text.len != DATE_LENGTH)
        return false;
    memcpy(full, text.data, DATE_LENGTH);
    memcpy(full + DATE_LENGTH, "T00:00:00Z", 11);
    return parse_utc(str_from(full), unix_us);
}

static bool parse_two(struct str text, uint64_t max, int64_t *value)
{
    uint64_t number;

    if (!num_parse_u64(str_first(text, 2), max, &number))
        return false;
    *value = (int64_t)number;
    return true;
}

/* A time with an offset from UTC: the rest is read as UTC, then moved. */
static bool parse_with_offset(struct str text, int64_t *unix_us)
{
    char utc[CLOCK_TEXT_BYTES + 8];
    int64_t hours, minutes, local;

    if (text.len < DATE_LENGTH + OFFSET_LENGTH || text.len > sizeof utc)
        return false;
    struct str offset = str_skip(text, text.len - OFFSET_LENGTH);
    char sign = offset.data[0];
    if ((sign != '+' && sign != '-') || offset.data[3] != ':' ||
        !parse_two(str_skip(offset, 1), 23, &hours) ||
        !parse_two(str_skip(offset, 4), 59, &minutes))
        return false;
    size_t len = text.len - OFFSET_LENGTH;
    memcpy(utc, text.data, len);
    utc[len] = 'Z';
    if (!parse_utc(str_make(utc, len + 1), &local))
        return false;
    int64_t moved = (hours * 3600 + minutes * 60) * SECOND_US;
    *unix_us = sign == '+' ? local - moved : local + moved;
    return true;
}

static const struct {
    char letter;
    int64_t us;
} units[] = {
    {'w', 7 * DAY_US},     {'d', DAY_US},    {'h', 3600 * SECOND_US},
    {'m', 60 * SECOND_US}, {'s', SECOND_US},
};

static bool parse_duration(struct str text, int64_t *us)
{
    int64_t total = 0;
    size_t unit = 0;

    if (!text.len)
        return false;
    while (text.len) {
        size_t digits = 0;
        uint64_t amount;
        while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
            digits++;
        if (digits == text.len || !num_parse_u64(str_first(text, digits), AMOUNT_MAX, &amount))
            return false;
        while (unit < count_of(units) && units[unit].letter != text.data[digits])
            unit++;
        if (unit == count_of(units) ||
            __builtin_mul_overflow((int64_t)amount, units[unit].us, (int64_t *)&amount) ||
            __builtin_add_overflow(total, (int64_t)amount, &total))
            return false;
        unit++;
        text = str_skip(text, digits + 1);
    }
    *us = total;
    return true;
}

static bool parse_word(struct str text, int64_t now_unix_us, int64_t *unix_us)
{
    if (str_is(text, "now"))
        *unix_us = now_unix_us;
    else if (str_is(text, "today"))
        *unix_us = day_of(now_unix_us);
    else if (str_is(text, "yesterday"))
        *unix_us = day_of(now_unix_us) - DAY_US;
    else
        return false;
    return true;
}

int when_parse(int64_t *unix_us, struct str text, int64_t now_unix_us, struct error *err)
{
    int64_t ago;

    if (parse_word(text, now_unix_us, unix_us) || parse_date(text, unix_us) ||
        parse_utc(text, unix_us) || parse_with_offset(text, unix_us))
        return 0;
    if (parse_duration(text, &ago) && ago <= now_unix_us) {
        *unix_us = now_unix_us - ago;
        return 0;
    }
    scoped(buf_free) struct buf shown = {0};
    utf8_append_safe(&shown, str_first(text, 60));
    error_set(err, ERROR_USAGE, "'%.*s' is no time", STR_ARG(buf_str(&shown)));
    return error_fix(err,
                     "2026-11-22T17:02:11Z, 2026-11-22, yesterday, or 5h30m for that long ago");
}
