#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/num.h"
#include "replay/when.h"

#define NOW "2026-11-25T09:30:00.5Z"

static int64_t unix_us(const char *text)
{
    int64_t parsed;

    assert_true(clock_parse(str_from(text), &parsed));
    return parsed;
}

static void when_reads_what_people_type(void **state)
{
    static const struct {
        const char *text, *means;
    } rows[] = {
        {"2026-11-22T17:02:11Z", "2026-11-22T17:02:11Z"},
        {"2026-11-22T17:02:11.25Z", "2026-11-22T17:02:11.25Z"},
        {"2026-11-22T17:02:11+01:00", "2026-11-22T16:02:11Z"},
        {"2026-11-22T17:02:11.5-05:30", "2026-11-22T22:32:11.5Z"},
        {"2026-11-22", "2026-11-22T00:00:00Z"},
        {"2024-02-29", "2024-02-29T00:00:00Z"},
        {"now", NOW},
        {"today", "2026-11-25T00:00:00Z"},
        {"yesterday", "2026-11-24T00:00:00Z"},
        {"30s", "2026-11-25T09:29:30.5Z"},
        {"5h30m", "2026-11-25T04:00:00.5Z"},
        {"1w2d", "2026-11-16T09:30:00.5Z"},
        {"90m", "2026-11-25T08:00:00.5Z"},
        {"0s", NOW},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        struct error err = {0};
        int64_t parsed = 0;
        if (when_parse(&parsed, str_from(rows[i].text), unix_us(NOW), &err) < 0)
            fail_msg("%s: %s", rows[i].text, err.text);
        if (parsed != unix_us(rows[i].means))
            fail_msg("%s is not %s", rows[i].text, rows[i].means);
    }
}

static void when_refuses_what_could_mean_something_else(void **state)
{
    static const char *const rows[] = {
        "",
        " now",
        "now ",
        "Yesterday",
        "tomorrow",
        "5",
        "h",
        "5 h",
        "5h 30m",
        "30m5h",
        "5h5h",
        "-5h",
        "1.5h",
        "5hours",
        "5ms",
        "99999999999s",
        "99999999w",
        "2026-02-30",
        "2026-13-01",
        "2026-1-1",
        "26-11-22",
        "2026-11-22 10",
        "2026-11-22T10",
        "2026-11-22T10:00:00",
        "20261122",
        "1795579200",
        "2026-11-22Z",
        "2026-11-22T17:02:11+0100",
        "+1h",
        "5h30",
        "2026-02-30T00:00:00Z",
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        struct error err = {0};
        int64_t parsed = -7;
        if (when_parse(&parsed, str_from(rows[i]), unix_us(NOW), &err) == 0)
            fail_msg("'%s' was taken for a time", rows[i]);
        assert_int_equal(-7, parsed);
        assert_int_equal(ERROR_USAGE, err.kind);
        assert_string_equal(
            "2026-11-22T17:02:11Z, 2026-11-22, yesterday, or 5h30m for that long ago", err.fix);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(when_reads_what_people_type),
        cmocka_unit_test(when_refuses_what_could_mean_something_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
