#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/scoped.h"
#include "session/line.h"
#include "session/segment_name.h"

static void parse_gives_the_fields_of_an_event(void **state)
{
    struct line line;
    struct error err = {0};

    assert_int_equal(0, line_parse(&line,
                                   STR("{\"type\":\"gap\",\"time\":\"2026-11-25T04:21:26.123456Z\","
                                       "\"seq\":17,\"session\":\"01J\",\"from\":12,\"to\":16,"
                                       "\"what\":{\"seq\":3,\"a\":[[],{},[1.5e3,-0,true,null]]}}"),
                                   &err));

    assert_true(str_is(line.type, "gap"));
    assert_true(str_is(line.time, "2026-11-25T04:21:26.123456Z"));
    assert_true(str_is(line.session, "01J"));
    assert_int_equal(17, line.seq);
    assert_int_equal(12, line.from);
    assert_int_equal(16, line.to);
}

static void parse_leaves_out_what_has_another_type(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"seq\":-1,\"type\":1}",
        "{\"seq\":1.0,\"type\":{\"type\":\"x\"}}",
        "{\"seq\":1e2}",
        "{\"seq\":\"1\",\"type\":[\"gap\"]}",
        "{\"seq\":1000000000000000000}",
        "{\"seq\":3,\"seq\":null,\"type\":\"gap\",\"type\":null}",
    };

    for (size_t i = 0; i < count_of(texts); i++) {
        struct line line;
        struct error err = {0};

        assert_int_equal(0, line_parse(&line, str_from(texts[i]), &err));
        assert_int_equal(-1, line.seq);
        assert_null(line.type.data);
    }
}

static void parse_refuses_what_is_no_object(void **state)
{
    static const struct str texts[] = {
        {"", 0},
        {"[]", 2},
        {"{", 1},
        {"{}{}", 4},
        {"{} ", 3},
        {"\"x\"", 3},
        {"{\"a\":}", 6},
        {"{\"a\" 1}", 7},
        {"{\"a\":1,}", 8},
        {"{a:1}", 5},
        {"{\"a\":01}", 8},
        {"{\"a\":.5}", 8},
        {"{\"a\":1.}", 8},
        {"{\"a\":+1}", 8},
        {"{\"a\":NaN}", 9},
        {"{\"a\":[1,]}", 10},
        {"{\"a\":[1}", 8},
        {"{\"a\":{]}", 8},
        {"{\"a\":\"\\x\"}", 10},
        {"{\"a\":\"\\u12g4\"}", 14},
        {"{\"a\":\"\x01\"}", 9},
        {"{\"a\":\"\0\"}", 9},
        {"{\"a\":\"\xff\"}", 9},
        {"{\"a\":\"\xed\xa0\x80\"}", 11},
        {"{\"a\":\"\\\0\"}", 10},
        {"{\t\"a\":1}", 8},
        {"{\"a\":1}\0", 8},
    };

    for (size_t i = 0; i < count_of(texts); i++) {
        struct line line = {.seq = 42};
        struct error err = {0};

        assert_int_equal(-1, line_parse(&line, texts[i], &err));
        assert_int_equal(ERROR_PROTOCOL, err.kind);
        assert_int_equal(42, line.seq);
    }
}

static void parse_bounds_nesting(void **state)
{
    for (int depth = LINE_DEPTH_MAX - 1; depth <= LINE_DEPTH_MAX; depth++) {
        scoped(buf_free) struct buf text = {0};
        struct line line;
        struct error err = {0};

        buf_append_text(&text, "{\"a\":");
        for (int i = 0; i < depth; i++)
            buf_append_char(&text, '[');
        for (int i = 0; i < depth; i++)
            buf_append_char(&text, ']');
        buf_append_char(&text, '}');
        assert_int_equal(depth < LINE_DEPTH_MAX ? 0 : -1, line_parse(&line, buf_str(&text), &err));
    }
}

static void name_parse_takes_only_the_writers_spelling(void **state)
{
    static const struct {
        const char *text;
        int suffix; /* -1: no name of a segment */
        uint32_t n;
    } names[] = {
        {"01JD2K9QABCDEFGHJKMNPQRSTV-00c0ffee-00000.jsonl.zst", SEGMENT_NAME_SEALED, 0},
        {"01JD2K9QABCDEFGHJKMNPQRSTV-00c0ffee-00017.jsonl.zst.part", SEGMENT_NAME_PART, 17},
        {"01JD2K9QABCDEFGHJKMNPQRSTV-00c0ffee-100000.jsonl.zst", SEGMENT_NAME_SEALED, 100000},
        {"01JD2K9QABCDEFGHJKMNPQRSTV-00c0ffee-00001.jsonl.zst.bad", SEGMENT_NAME_BAD, 1},
        {"01JD2K9QABCDEFGHJKMNPQRSTV-00c0ffee-00001.jsonl.zst.part.bad", SEGMENT_NAME_BAD, 1},
        {"01JD2K9QABCDEFGHJKMNPQRSTV-00c0ffee-00001.conflict-01JD2K9QABCDEFGHJKMNPQRSTV.jsonl.zst",
         SEGMENT_NAME_CONFLICT, 1},
        {"01JD2K9QABCDEFGHJKMNPQRSTV-00c0ffee-00001.conflict-x.jsonl.zst", -1, 0},
        {"01JD2K9QABCDEFGHJKMNPQRSTV-00c0ffee-0001.jsonl.zst", -1, 0},
        {"01JD2K9QABCDEFGHJKMNPQRSTV-00c0ffee-000001.jsonl.zst", -1, 0},
        {"01JD2K9QABCDEFGHJKMNPQRSTV-00C0FFEE-00001.jsonl.zst", -1, 0},
        {"81JD2K9QABCDEFGHJKMNPQRSTV-00c0ffee-00001.jsonl.zst", -1, 0},
        {"01JD2K9QABCDEFGHJKMNPQRSTU-00c0ffee-00001.jsonl.zst", -1, 0},
        {"01JD2K9QABCDEFGHJKMNPQRSTV-00c0ffee-00001.jsonl.zst.tmp", -1, 0},
        {"01JD2K9QABCDEFGHJKMNPQRSTV-00c0ffee-.jsonl.zst", -1, 0},
        {"01JD2K9QABCDEFGHJKMNPQRSTV", -1, 0},
        {"", -1, 0},
    };

    for (size_t i = 0; i < count_of(names); i++) {
        struct segment_name name = {0};
        bool is_name = segment_name_parse(&name, str_from(names[i].text));

        assert_int_equal(names[i].suffix >= 0, is_name);
        if (!is_name)
            continue;
        assert_int_equal(names[i].suffix, (int)name.suffix);
        assert_int_equal(names[i].n, name.n);
        assert_string_equal("01JD2K9QABCDEFGHJKMNPQRSTV", name.session);
        assert_string_equal("00c0ffee", name.journal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_gives_the_fields_of_an_event),
        cmocka_unit_test(parse_leaves_out_what_has_another_type),
        cmocka_unit_test(parse_refuses_what_is_no_object),
        cmocka_unit_test(parse_bounds_nesting),
        cmocka_unit_test(name_parse_takes_only_the_writers_spelling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
