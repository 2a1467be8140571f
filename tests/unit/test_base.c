#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/utf8.h"

static void error_wrap_puts_context_before_the_cause(void **state)
{
    struct error err = {0};

    errno = ENOSPC;
    assert_int_equal(-1, error_errno(&err, ERROR_STORAGE, "seal segment %d", 3));
    assert_int_equal(-1, error_wrap(&err, "session %s", "7f3a"));
    assert_string_equal("session 7f3a: seal segment 3: No space left on device", err.text);
    assert_int_equal(ERROR_STORAGE, err.kind);
}

static void buf_overflow_sticks_and_keeps_what_was_there(void **state)
{
    scoped(buf_free) struct buf buf = {.limit = 4};

    buf_append_text(&buf, "abc");
    buf_append_text(&buf, "de");
    buf_append_text(&buf, "f");
    assert_true(buf.overflow);
    assert_true(str_is(buf_str(&buf), "abc"));
}

static void num_parse_takes_only_digits_within_the_bound(void **state)
{
    uint64_t value = 7;

    assert_false(num_parse_u64(STR(""), UINT64_MAX, &value));
    assert_false(num_parse_u64(STR("+1"), UINT64_MAX, &value));
    assert_false(num_parse_u64(STR("18446744073709551616"), UINT64_MAX, &value));
    assert_false(num_parse_u64(STR("9"), 8, &value));
    assert_int_equal(7, value);
    assert_true(num_parse_u64(STR("18446744073709551615"), UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
}

/* Days of all centuries, and the ends of what four digits can say. */
static void clock_has_the_days_of_the_c_library(void **state)
{
    const int64_t first = -62135596800, last = 253402300799, step = 86400 * 7 + 4711;
    char text[CLOCK_TEXT_BYTES], expected[CLOCK_TEXT_BYTES];

    for (int64_t second = first; second <= last; second += second < 0 ? step * 50 : step) {
        time_t seconds = (time_t)second;
        struct tm tm;
        int64_t unix_us = 0;

        gmtime_r(&seconds, &tm);
        snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02d.000001Z",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        assert_string_equal(expected, clock_format_us(second * 1000000 + 1, text));
        assert_true(clock_parse(str_from(text), &unix_us));
        assert_int_equal(second * 1000000 + 1, unix_us);
    }
    assert_string_equal("0001-01-01T00:00:00.000000Z", clock_format_us(first * 1000000, text));
    assert_string_equal("9999-12-31T23:59:59.999999Z",
                        clock_format_us(last * 1000000 + 999999, text));
    assert_string_equal("1970-01-01T00:00:00.000000Z", clock_format_us((last + 1) * 1000000, text));
}

static void clock_reads_back_what_it_formats(void **state)
{
    char text[CLOCK_TEXT_BYTES];
    int64_t unix_us = 0;

    clock_format_us(1732500000123456, text);
    assert_string_equal("2024-11-25T02:00:00.123456Z", text);
    assert_true(clock_parse(str_from(text), &unix_us));
    assert_true(unix_us == 1732500000123456);
    assert_false(clock_parse(STR("2024-11-25T02:00:00+00:00"), &unix_us));
    assert_false(clock_parse(STR("2024-13-25T02:00:00Z"), &unix_us));
}

/* RFC 4648 section 10 */
static void base64_follows_the_vectors(void **state)
{
    static const struct {
        const char *plain, *coded;
    } rows[] = {{"", ""},
                {"f", "Zg=="},
                {"fo", "Zm8="},
                {"foo", "Zm9v"},
                {"foob", "Zm9vYg=="},
                {"fooba", "Zm9vYmE="},
                {"foobar", "Zm9vYmFy"}};

    for (size_t i = 0; i < count_of(rows); i++) {
        scoped(buf_free) struct buf coded = {0}, plain = {0};

        encode_base64(&coded, str_from(rows[i].plain));
        assert_true(str_is(buf_str(&coded), rows[i].coded));
        assert_true(decode_base64(&plain, str_from(rows[i].coded)));
        assert_true(str_is(buf_str(&plain), rows[i].plain));
    }
    scoped(buf_free) struct buf out = {0};

    assert_false(decode_base64(&out, STR("Zg=")));
    assert_false(decode_base64(&out, STR("Zh==")));
    assert_false(decode_base64(&out, STR("Z g=")));
}

static void sha256_peek_does_not_end_the_hash(void **state)
{
    scoped(sha256_free) struct sha256 *hash = sha256_new();
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES], expected[SHA256_HEX_BYTES];

    sha256_add(hash, "ab", 2);
    sha256_peek(hash, digest);
    assert_string_equal(sha256_hex(STR("ab"), expected), encode_hex(digest, sizeof digest, hex));
    sha256_add(hash, "c", 1);
    sha256_peek(hash, digest);
    assert_string_equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                        encode_hex(digest, sizeof digest, hex));
}

static void jsondoc_writes_what_can_be_parsed(void **state)
{
    struct error err = {0};
    scoped(jsondoc_free) json_object *root = json_object_new_object();
    scoped(buf_free) struct buf text = {0};

    jsondoc_put_string(root, "path", "caf\xe9/\xc3\xa9");
    json_object *argv = jsondoc_put_adopt(root, "argv", json_object_new_array());
    jsondoc_add_string(argv, "\xff\\");
    jsondoc_add_string(argv, "");
    jsondoc_write(&text, root);
    scoped(jsondoc_free) json_object *again = jsondoc_parse(buf_str(&text), &err);

    assert_non_null(again);
    assert_string_equal("caf\\xe9/\xc3\xa9", jsondoc_string(again, "/path"));
    assert_string_equal("\\xff\\", jsondoc_string(again, "/argv/0"));
    assert_string_equal("", jsondoc_string(again, "/argv/1"));
}

static void jsondoc_refuses_what_follows_the_value(void **state)
{
    struct error err = {0};

    assert_null(jsondoc_parse(STR("{} x"), &err));
    assert_int_equal(ERROR_PROTOCOL, err.kind);
    assert_null(jsondoc_parse(STR("{\"a\":"), &err));
    scoped(jsondoc_free) json_object *root =
        jsondoc_parse(STR("{\"a\":{\"b\":\"c\\u0000\"},\"n\":7}\n"), &err);

    assert_non_null(root);
    assert_null(jsondoc_string(root, "/a/b")); /* embedded NUL */
    assert_int_equal(7, jsondoc_int(root, "/n", 0));
    assert_int_equal(1, jsondoc_int(root, "/a", 1));
}

static void utf8_refuses_overlong_surrogate_and_beyond(void **state)
{
    assert_true(utf8_is_valid(STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")));
    assert_false(utf8_is_valid(STR("\xc0\x80")));
    assert_false(utf8_is_valid(STR("\xed\xa0\x80")));
    assert_false(utf8_is_valid(STR("\xf4\x90\x80\x80")));
    assert_true(utf8_is_cut(STR("\xe2\x82")));
    assert_false(utf8_is_cut(STR("\xe2\x02")));
}

static void utf8_safe_text_cannot_drive_a_terminal(void **state)
{
    scoped(buf_free) struct buf out = {0};

    utf8_append_safe(&out, STR("a\x1b[31m\xe2\x80\xae\xff\n"));
    assert_true(str_is(buf_str(&out), "a\\x1b[31m\\u202e\\xff\\x0a"));
}

static void str_split_ends_after_the_last_part(void **state)
{
    struct str rest = STR("a,,b,");
    int parts = 0;

    while (rest.data) {
        str_split(&rest, ',');
        parts++;
    }
    assert_int_equal(4, parts);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_wrap_puts_context_before_the_cause),
        cmocka_unit_test(buf_overflow_sticks_and_keeps_what_was_there),
        cmocka_unit_test(num_parse_takes_only_digits_within_the_bound),
        cmocka_unit_test(clock_has_the_days_of_the_c_library),
        cmocka_unit_test(clock_reads_back_what_it_formats),
        cmocka_unit_test(base64_follows_the_vectors),
        cmocka_unit_test(sha256_peek_does_not_end_the_hash),
        cmocka_unit_test(jsondoc_writes_what_can_be_parsed),
        cmocka_unit_test(jsondoc_refuses_what_follows_the_value),
        cmocka_unit_test(utf8_refuses_overlong_surrogate_and_beyond),
        cmocka_unit_test(utf8_safe_text_cannot_drive_a_terminal),
        cmocka_unit_test(str_split_ends_after_the_last_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
