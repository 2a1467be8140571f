/* Escaping, event lines, ULIDs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/jsondoc.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "session/event.h"
#include "session/ulid.h"

static void assert_escaped(const char *expected, struct str data, enum escape_kind kind)
{
    scoped(buf_free) struct buf out = {0};

    escape_append(&out, data, kind);
    buf_append_char(&out, '\0');
    assert_string_equal(expected, out.data);
}

static void escape_leaves_nothing_that_drives_a_terminal(void **state)
{
    assert_escaped("a\\\"b\\\\c/\\n\\u0000\\u001b[0m", str_make("a\"b\\c/\n\0\x1b[0m", 12),
                   ESCAPE_TEXT);
    assert_escaped("\\u007f\\u0080\\u009f\u00a0\u00ff", STR("\x7f\xc2\x80\xc2\x9f\u00a0\u00ff"),
                   ESCAPE_TEXT);
    assert_escaped("\\u2028\\u2029\\u202a\\u202e\\u2066\\u2069\\u200e\\u200f\\u061c",
                   STR("\u2028\u2029\u202a\u202e\u2066\u2069\u200e\u200f\u061c"), ESCAPE_TEXT);
    assert_escaped("\u2027\u202f\u2065\u206a\u200d\u061b€😀",
                   STR("\u2027\u202f\u2065\u206a\u200d\u061b€😀"), ESCAPE_TEXT);
    assert_escaped("A\\u0085\u00c3\\u007f", STR("A\x85\xc3\x7f"), ESCAPE_LATIN1);
}

/* Characters of every kind, in an order that does not repeat within a block. */
static void escape_is_the_same_for_many_as_for_each(void **state)
{
    static const char *const characters[] = {"a",    "{",    "\"",       "\\",     "\n",
                                             "\x01", "\x7f", "\xc2\x85", "\u00a0", "\u2028",
                                             "€",    "😀",    "z",        "\u061c"};
    scoped(buf_free) struct buf many = {0}, each = {0};
    uint32_t dice = 1;

    for (int i = 0; i < 6000; i++) {
        struct str next;

        dice = dice * 1664525 + 1013904223;
        next = str_from(dice >> 29 ? "a" : characters[(dice >> 16) % 14]);
        buf_append_str(&many, next);
        escape_append(&each, next, ESCAPE_TEXT);
    }
    scoped(buf_free) struct buf out = {0};

    escape_append(&out, buf_str(&many), ESCAPE_TEXT);
    assert_true(str_equal(buf_str(&each), buf_str(&out)));
    enum escape_kind kind;

    assert_int_equal(many.len, escape_run(buf_str(&many), &kind));
}

/* What the runs of `data` say, put together again by json-c: the bytes. */
static void assert_runs_spell(struct str data)
{
    scoped(buf_free) struct buf spelled = {0};
    struct str rest = data;

    while (rest.len) {
        enum escape_kind kind;
        size_t len = escape_run(rest, &kind);
        scoped(buf_free) struct buf line = {0};
        struct error err = {0};

        assert_true(len > 0 && len <= rest.len);
        event_object(&line, NULL);
        event_run(&line, str_first(rest, len), kind);
        event_object_end(&line);
        assert_true(utf8_is_valid(buf_str(&line)));
        scoped(jsondoc_free) json_object *root = jsondoc_parse(buf_str(&line), &err);
        json_object *value = jsondoc_at(root, kind == ESCAPE_TEXT ? "/text" : "/latin1");

        assert_non_null(value);
        struct str text =
            str_make(json_object_get_string(value), (size_t)json_object_get_string_len(value));

        if (kind == ESCAPE_TEXT)
            buf_append_str(&spelled, text);
        while (kind == ESCAPE_LATIN1 && text.len) {
            uint32_t code = 0;
            size_t taken = utf8_next(text, &code);

            assert_true(taken && code < 256);
            buf_append_char(&spelled, (char)code);
            text = str_skip(text, taken);
        }
        rest = str_skip(rest, len);
    }
    assert_true(str_equal(data, buf_str(&spelled)));
}

static void runs_spell_the_bytes_when_cut_anywhere(void **state)
{
    struct str text = STR("Grüße, 世界 😀\r\n\x1b[31m\u2028\xc2\x9b end");
    char binary[1024];

    for (size_t i = 0; i < sizeof binary; i++)
        binary[i] = (char)(i * 7 + i / 256);
    for (size_t cut = 0; cut <= text.len; cut++) {
        assert_runs_spell(str_first(text, cut));
        assert_runs_spell(str_skip(text, cut));
    }
    assert_runs_spell(str_make(binary, sizeof binary));
}

static void runs_spell_the_bytes_when_a_character_lies_on_the_step(void **state)
{
    char text[4200];

    for (size_t at = 4088; at < 4100; at++) {
        memset(text, 'x', sizeof text);
        memcpy(text + at, "\u2028", 3);
        assert_runs_spell(str_make(text, sizeof text));
    }
}

static void run_is_text_up_to_a_cut_character(void **state)
{
    enum escape_kind kind;

    assert_int_equal(3, escape_run(STR("abc\xe4\xb8"), &kind));
    assert_int_equal(ESCAPE_TEXT, kind);
    assert_int_equal(2, escape_run(STR("\xe4\xb8"), &kind));
    assert_int_equal(ESCAPE_LATIN1, kind);
    assert_int_equal(1, escape_run(STR("\x96xyz"), &kind));
    assert_int_equal(ESCAPE_LATIN1, kind);
    assert_int_equal(5, escape_run(STR("ab\xff\xfe\xfd"), &kind));
    assert_int_equal(ESCAPE_LATIN1, kind);
}

static void lossy_is_valid_whatever_comes(void **state)
{
    scoped(buf_free) struct buf out = {0};

    escape_append_lossy(&out, STR("a\xff\xc3(\xe2\x80"));
    buf_append_char(&out, '\0');
    assert_string_equal("a\uFFFD\uFFFD(\uFFFD\uFFFD", out.data);
}

static const struct event_stamp stamp = {
    .session = "01J5ZZZZZZZZZZZZZZZZZZZZZZ",
    .seq = 42,
    .at = {.unix_us = 1700000000000001, .mono_us = 77},
    .command = {"c1", 2},
    .exchange = 3,
};

static void event_is_one_line_with_its_envelope_first(void **state)
{
    scoped(buf_free) struct buf line = {0};
    scoped(jsondoc_free) json_object *tree = json_tokener_parse(
        "{\"s\":\"\\u001b\xe2\x80\xae\",\"a\":[1,-2,null,true,{\"x\":0.5}],\"big\":"
        "18446744073709551615}");

    event_begin(&line, "request", &stamp);
    event_object(&line, "empty");
    event_object_end(&line);
    event_int(&line, "least", INT64_MIN);
    event_array(&line, "list");
    event_string(&line, NULL, STR("a"));
    event_bool(&line, NULL, false);
    event_array_end(&line);
    event_members(&line, tree);
    event_end(&line);
    buf_append_char(&line, '\0');
    assert_string_equal(
        "{\"type\":\"request\",\"time\":\"2023-11-14T22:13:20.000001Z\",\"mono_us\":77,\"seq\":42,"
        "\"session\":\"01J5ZZZZZZZZZZZZZZZZZZZZZZ\",\"command\":\"c1\",\"exchange\":3,\"empty\":{},"
        "\"least\":-9223372036854775808,\"list\":[\"a\",false],\"s\":\"\\u001b\\u202e\","
        "\"a\":[1,-2,null,true,{\"x\":0.5}],\"big\":18446744073709551615}\n",
        line.data);
}

static void head_is_read_back(void **state)
{
    scoped(buf_free) struct buf line = {0};
    struct event_head head;

    event_begin(&line, "stream.data", &stamp);
    event_end(&line);
    assert_true(event_parse_head(&head, buf_str(&line)));
    assert_true(str_is(head.type, "stream.data"));
    assert_true(str_is(head.time, "2023-11-14T22:13:20.000001Z"));
    assert_int_equal(42, head.seq);
    assert_int_equal(3, head.exchange);
}

static void head_is_refused_when_it_is_another_spelling(void **state)
{
    static const char *const lines[] = {
        "",
        "{}",
        "{\"type\":\"segment\",\"v\":1}",
        "{\"type\":\"a\",\"x\":\"\",\"time\":\"2023-11-14T22:13:20Z\",\"mono_us\":1,\"seq\":1,"
        "\"session\":\"\"}",
        "{\"type\":\"a\",\"time\":\"\",\"mono_us\":1,\"seq\":1,\"session\":\"\"}",
        "{\"type\":\"a\",\"time\":\"2023-11-14T22:13:20Z\",\"mono_us\":1,\"seq\":-1,\"session\":"
        "\"\"}",
        "{\"type\":\"a\",\"time\":\"2023-11-14T22:13:20Z\",\"mono_us\":1,\"seq\":"
        "9223372036854775808,\"session\":\"\"}",
    };
    struct event_head head;

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_false(event_parse_head(&head, str_from(lines[i])));
}

static void ulid_is_that_of_its_specification(void **state)
{
    char text[ULID_BYTES];
    unsigned char random[ULID_RANDOM_BYTES];

    memset(random, 0xFF, sizeof random);
    assert_string_equal("01ARYZ6S41ZZZZZZZZZZZZZZZZ", ulid_write(text, 1469918176385, random));
    assert_int_equal(1469918176385, ulid_unix_ms(str_from(text)));
    memset(random, 0, sizeof random);
    random[ULID_RANDOM_BYTES - 1] = 1;
    assert_string_equal("7ZZZZZZZZZ0000000000000001", ulid_write(text, (1LL << 48) - 1, random));
    assert_true(ulid_is_valid(str_from(ulid_new(text))));
    assert_false(ulid_is_valid(STR("8ZZZZZZZZZ0000000000000001")));
    assert_false(ulid_is_valid(STR("01aryz6s41zzzzzzzzzzzzzzzz")));
    assert_false(ulid_is_valid(STR("01ARYZ6S41ZZZZZZZZZZZZZZZ")));
    assert_false(ulid_is_valid(str_make("01ARYZ6S41ZZZZZZZZZZZZZZZ\0", 26)));
    assert_false(ulid_is_valid(STR("01ARYZ6S41ZZZZZZZZZZZZZZZU")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escape_leaves_nothing_that_drives_a_terminal),
        cmocka_unit_test(escape_is_the_same_for_many_as_for_each),
        cmocka_unit_test(runs_spell_the_bytes_when_cut_anywhere),
        cmocka_unit_test(runs_spell_the_bytes_when_a_character_lies_on_the_step),
        cmocka_unit_test(run_is_text_up_to_a_cut_character),
        cmocka_unit_test(lossy_is_valid_whatever_comes),
        cmocka_unit_test(event_is_one_line_with_its_envelope_first),
        cmocka_unit_test(head_is_read_back),
        cmocka_unit_test(head_is_refused_when_it_is_another_spelling),
        cmocka_unit_test(ulid_is_that_of_its_specification),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
