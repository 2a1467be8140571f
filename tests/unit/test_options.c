#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/scoped.h"

#include "options.h"

struct flags {
    struct options options;
    const char *title;
    struct option_list labels;
    uint64_t number;
    int format;
};

static const char *const formats[] = {"text", "json", NULL};

static const struct option_spec specs[] = {
    {"title", 0, OPTION_TEXT, offsetof(struct flags, title), "TEXT", "title"},
    {"label", 'l', OPTION_LIST, offsetof(struct flags, labels), "K=V", "label"},
    {"number", 0, OPTION_NUMBER, offsetof(struct flags, number), "N", "number"},
    {"output", 'o', OPTION_CHOICE, offsetof(struct flags, format), "FORMAT", "format",
     .choices = formats},
    {0},
};

static void flags_free(struct flags *flags)
{
    options_free(&flags->options);
    free_option_list(&flags->labels);
}

static int parse(struct flags *flags, char **argv, struct error *err)
{
    static const struct usage usage = {"test [flags]", "A test.", specs, .globals = GLOBAL_CLUSTER};
    int argc = 0;

    while (argv[argc])
        argc++;
    return options_parse(&flags->options, &usage, flags, argc, argv, err);
}

#define ARGS(...)                                                                                  \
    (char *[])                                                                                     \
    {                                                                                              \
        (char *)"test", __VA_ARGS__, NULL                                                          \
    }
#define A (char *)

static void options_take_flags_anywhere_before_the_dashes(void **state)
{
    scoped(flags_free) struct flags flags = {0};
    struct error err = {0};

    assert_int_equal(
        1, parse(&flags,
                 ARGS(A "one", A "-la=1", A "--title", A "--", A "two", A "--context=c", A "-l",
                      A "b=2", A "--number", A "12", A "-q", A "--", A "kubectl", A "--title"),
                 &err));

    assert_string_equal("--", flags.title);
    assert_string_equal("c", flags.options.context);
    assert_int_equal(12, flags.number);
    assert_int_equal(2, flags.labels.count);
    assert_string_equal("b=2", flags.labels.items[1]);
    assert_true(flags.options.quiet);
    assert_int_equal(2, flags.options.operand_count);
    assert_string_equal("two", flags.options.operands[1]);
    assert_int_equal(2, flags.options.rest_count);
    assert_string_equal("--title", flags.options.rest[1]);
    assert_null(flags.options.rest[2]);
}

static void options_tell_no_dashes_from_dashes_as_a_value(void **state)
{
    scoped(flags_free) struct flags flags = {0};
    struct error err = {0};

    assert_int_equal(1, parse(&flags, ARGS(A "--title", A "--"), &err));
    assert_null(flags.options.rest);
}

static void options_refuse_with_the_flag_that_was_meant(void **state)
{
    static const struct {
        const char *argument, *text, *fix;
    } rows[] = {
        {"--tilte=x", "unknown flag: --tilte=x", "did you mean --title?"},
        {"--titl=x", "unknown flag: --titl=x", "did you mean --title?"},
        {"--quiet=1", "--quiet takes no value", ""},
        {"--title", "--title needs a value", ""},
        {"--number=-1", "--number: '-1' is not a number", ""},
        {"--number=9223372036854775808", "--number: '9223372036854775808' is not a number", ""},
        {"-oyaml", "--output: unknown value 'yaml'", "use one of: text, json"},
        {"--zzzzzz", "unknown flag: --zzzzzz", "see --help"},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        scoped(flags_free) struct flags flags = {0};
        struct error err = {0};
        assert_int_equal(-1, parse(&flags, ARGS(A rows[i].argument), &err));
        assert_int_equal(ERROR_USAGE, err.kind);
        assert_string_equal(rows[i].text, err.text);
        assert_string_equal(rows[i].fix, err.fix);
    }
}

static void options_refuse_a_global_flag_that_means_nothing_here(void **state)
{
    static const struct usage usage = {"test", "A test.", .globals = GLOBAL_STORE};
    scoped(options_free) struct options options = {0}, again = {0};
    struct error err = {0};

    assert_int_equal(
        -1, options_parse(&options, &usage, NULL, 3, ARGS(A "--store=/x", A "--context=x"), &err));
    assert_string_equal("--context=x means nothing to this command", err.text);
    assert_int_equal(-1, options_parse(&again, &usage, NULL, 3, ARGS(A "-n", A "x"), &err));
    assert_string_equal("-n means nothing to this command", err.text);
}

static void options_find_the_command_behind_global_flags(void **state)
{
    struct error err = {0};

    assert_int_equal(
        3, options_find_command(5, ARGS(A "--context", A "exec", A "replay", A "-x"), NULL, &err));
    assert_int_equal(2, options_find_command(3, ARGS(A "--context=exec", A "replay"), NULL, &err));
    assert_int_equal(2, options_find_command(2, ARGS(A "-q"), NULL, &err));
    assert_int_equal(-1, options_find_command(3, ARGS(A "-o", A "json"), NULL, &err));

    static const struct option_spec *const tables[] = {specs, NULL};
    assert_int_equal(3, options_find_command(4, ARGS(A "-o", A "json", A "list"), tables, &err));
}

static void options_expect_counts_operands(void **state)
{
    static const struct usage usage = {"test ONE", "A test.", NULL};
    struct error err = {0};
    scoped(flags_free) struct flags none = {0}, dashes = {0};

    assert_int_equal(1, parse(&none, ARGS(A "-q"), &err));
    assert_int_equal(-1, options_expect(&none.options, &usage, 1, 1, &err));
    assert_string_equal("usage: kubectl hoop test ONE", err.fix);
    assert_int_equal(0, options_expect(&none.options, &usage, 0, 1, &err));
    assert_int_equal(1, parse(&dashes, ARGS(A "one", A "--"), &err));
    assert_int_equal(-1, options_expect(&dashes.options, &usage, 1, 1, &err));
}

static void nearest_knows_swaps_and_beginnings_and_gives_up(void **state)
{
    const char *const names[] = {"exec", "sessions", "replay", "verify", NULL};

    assert_string_equal("verify", options_nearest("verfiy", names));
    assert_string_equal("sessions", options_nearest("sess", names));
    assert_string_equal("replay", options_nearest("reply", names));
    assert_null(options_nearest("delete", names));
    assert_null(options_nearest("e", names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_take_flags_anywhere_before_the_dashes),
        cmocka_unit_test(options_tell_no_dashes_from_dashes_as_a_value),
        cmocka_unit_test(options_refuse_with_the_flag_that_was_meant),
        cmocka_unit_test(options_refuse_a_global_flag_that_means_nothing_here),
        cmocka_unit_test(options_find_the_command_behind_global_flags),
        cmocka_unit_test(options_expect_counts_operands),
        cmocka_unit_test(nearest_knows_swaps_and_beginnings_and_gives_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
