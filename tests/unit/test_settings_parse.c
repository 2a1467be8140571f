#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/scoped.h"

#include "settings_parse.h"

static void parse_keeps_what_is_right_beside_what_is_not(void **state)
{
    scoped(settings_file_free) struct settings_file file = {0};

    settings_parse(&file, STR("# mine\nstore: /mnt/x\n\nstoer: /y\ndurability: 'strict'\n"));

    assert_string_equal("/mnt/x", file.values[SETTING_STORE]);
    assert_int_equal(2, file.lines[SETTING_STORE]);
    assert_string_equal("strict", file.values[SETTING_DURABILITY]);
    assert_null(file.values[SETTING_HELM]);
    assert_int_equal(1, file.problem_count);
    assert_int_equal(4, file.problems[0].line);
    assert_string_equal("did you mean 'store'?", file.problems[0].fix);
}

static void parse_names_line_column_and_fix_of_each_problem(void **state)
{
    static const struct {
        struct str text;
        unsigned line, column;
        const char *what, *fix;
    } rows[] = {
        {STR("store: relative"), 1, 8, "store: 'relative' is no absolute path",
         "begin it with / or ~/"},
        {STR("store: s3://b"), 1, 8, "store: 's3://b' is no kind of store that this release has",
         "give a directory"},
        {STR("store: /x\nstore: /y"), 2, 1, "'store' stands twice, first in line 1",
         "keep one of them"},
        {STR("durability: Strict"), 1, 13, "durability: unknown value 'Strict'",
         "use one of: normal, strict"},
        {STR("on-record-failure: allow"), 1, 20, "on-record-failure: unknown value 'allow'",
         "use one of: block"},
        {STR("ship-every: 25h"), 1, 13, "ship-every: '25h' is no time from 1s to 24h",
         "write it as 90s, 30m or 1h30m"},
        {STR("kubectl:"), 1, 9, "kubectl: no value", "give one, or take the line out"},
        {STR("kubectl: ~"), 1, 10, "kubectl: no value", "give one, or take the line out"},
        {STR("helm: {a: b}"), 1, 7, "helm: a map, where one value belongs", ""},
        {STR("issuers: [a]"), 1, 1, "'issuers' is not in this release", "take it out"},
        {STR("just text"), 1, 1, "this is no map of keys and values",
         "write lines like 'durability: strict'"},
        {STR("store: /\xc3\xa4 # \xff"), 1, 13, "not UTF-8", ""},
        {STR("store: /x\n\thelm: /y"), 2, 1, "found a tab character that violates indentation", ""},
        {STR("store: &x /x"), 1, 8, "anchors and tags have no meaning here", ""},
        {STR("store: *x"), 1, 8, "aliases have no meaning here", ""},
        {STR("--- {}\n--- {}"), 2, 1, "a second document begins; only one is allowed", ""},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        scoped(settings_file_free) struct settings_file file = {0};

        settings_parse(&file, rows[i].text);

        assert_int_equal(1, file.problem_count);
        assert_string_equal(rows[i].what, file.problems[0].text);
        assert_int_equal(rows[i].line, file.problems[0].line);
        assert_int_equal(rows[i].column, file.problems[0].column);
        assert_string_equal(rows[i].fix, file.problems[0].fix);
    }
}

static void parse_counts_problems_past_the_limit(void **state)
{
    scoped(settings_file_free) struct settings_file file = {0};
    scoped(buf_free) struct buf text = {0};

    for (int i = 0; i < SETTINGS_PROBLEMS_MAX + 8; i++)
        buf_printf(&text, "unknown%d: x\n", i);
    settings_parse(&file, buf_str(&text));

    assert_int_equal(SETTINGS_PROBLEMS_MAX, file.problem_count);
    assert_int_equal(8, file.problems_left_off);
}

static void duration_takes_each_unit_once_and_in_order(void **state)
{
    assert_int_equal(90, setting_duration_s(STR("90s")));
    assert_int_equal(5400, setting_duration_s(STR("1h30m")));
    assert_int_equal(3661, setting_duration_s(STR("1h1m1s")));
    static const char *const wrong[] = {"", "90", "1m1h", "1h1h", "h", "-1s", "1.5h", "1h ", "1d"};

    for (size_t i = 0; i < count_of(wrong); i++)
        assert_int_equal(-1, setting_duration_s(str_from(wrong[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_keeps_what_is_right_beside_what_is_not),
        cmocka_unit_test(parse_names_line_column_and_fix_of_each_problem),
        cmocka_unit_test(parse_counts_problems_past_the_limit),
        cmocka_unit_test(duration_takes_each_unit_once_and_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
