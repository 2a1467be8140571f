#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/width.h"

static void width_counts_columns(void **state)
{
    static const struct {
        const char *text;
        size_t columns;
    } rows[] = {
        {"", 0},
        {"kubectl", 7},
        {"Gr\xc3\xbc\xc3\x9f", 4},
        {"e\xcc\x81", 1},                            /* e, combining acute accent */
        {"\xe6\x97\xa5\xe6\x9c\xac", 4},             /* Japan */
        {"\xed\x95\x9c", 2},                         /* a Hangul syllable */
        {"\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", 2}, /* the same, in its letters */
        {"\xf0\x9f\x9a\x80", 2},                     /* a rocket */
        {"\xef\xbc\xa1", 2},                         /* a full width A */
        {"\xef\xbd\xb1", 1},                         /* a half width katakana a */
        {"\xe2\x94\x82", 1},                         /* a box drawing line */
        {"\xd7\xa9\xd6\xb8", 1},                     /* Hebrew shin, qamats */
        {"\xf3\xa0\x81\x81", 0},                     /* a tag */
        {"\xff\xfe", 2},                             /* bytes that are no text */
    };

    for (size_t i = 0; i < count_of(rows); i++)
        if (width_text(str_from(rows[i].text)) != rows[i].columns)
            fail_msg("row %zu: %zu columns", i, width_text(str_from(rows[i].text)));
}

static void width_first_cuts_between_characters(void **state)
{
    struct str text = STR("a\xe6\x97\xa5"
                          "e\xcc\x81z");

    assert_int_equal(0, width_first(text, 0).len);
    assert_int_equal(1, width_first(text, 1).len);
    assert_int_equal(1, width_first(text, 2).len); /* half of a wide one is none */
    assert_int_equal(4, width_first(text, 3).len);
    assert_int_equal(7, width_first(text, 4).len); /* with its accent */
    assert_int_equal(text.len, width_first(text, 50).len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(width_counts_columns),
        cmocka_unit_test(width_first_cuts_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
