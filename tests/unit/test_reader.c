#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/scoped.h"
#include "session/reader.h"

#include "forge.h"

static struct root_key *root;
static struct boot *boot;

static int setup(void **state)
{
    struct error err = {0};

    root = root_key_new();
    boot = boot_new(root, "eu-1", &err);
    return boot ? 0 : -1;
}

static int teardown(void **state)
{
    boot_free(&boot);
    root_key_free(&root);
    return 0;
}

/* Three frames with ten events each, and what they hold as text. */
static void forge_segment(struct forge *forge, struct buf *plain)
{
    forge_begin(forge, boot, FORGE_SESSION, FORGE_JOURNAL, 3, NULL);
    for (uint64_t seq = 0; seq < 30; seq++) {
        forge_event(forge, "request", seq);
        if (seq % 10 == 9) {
            buf_append_str(plain, buf_str(&forge->plain));
            forge_end_frame(forge);
        }
    }
}

/* All lines, put together; checks what each says of its place. */
static enum io read_all(struct reader *reader, struct buf *plain, struct error *err)
{
    struct reader_line line;
    uint64_t number = 0;
    enum io status;

    while ((status = reader_next(reader, &line, err)) == IO_OK) {
        assert_int_equal(plain->len, line.plain_offset);
        assert_int_equal(++number, line.number);
        assert_int_equal(3, line.segment);
        assert_int_equal('\n', line.text.data[line.text.len - 1]);
        buf_append_str(plain, line.text);
    }
    return status;
}

static void assert_same(struct buf *expected, struct buf *found)
{
    assert_int_equal(expected->len, found->len);
    assert_memory_equal(expected->data, found->data, found->len);
}

static void next_gives_all_lines_of_a_sealed_segment(void **state)
{
    scoped(forge_free) struct forge forge = {0};
    scoped(buf_free) struct buf plain = {0}, found = {0}, file = {0};
    char hash[SHA256_HEX_BYTES];
    struct error err = {0};

    forge_segment(&forge, &plain);
    forge_seal(&forge, boot, true, "end", &file, hash);
    struct str bytes = buf_str(&file);
    struct source source = source_from_memory(&bytes);
    scoped(reader_free) struct reader *reader = reader_open_sealed(&source, 3, &err);
    assert_non_null(reader);
    assert_int_equal(IO_EOF, read_all(reader, &found, &err));
    assert_same(&plain, &found);
}

static void open_refuses_a_changed_byte_before_any_line(void **state)
{
    scoped(forge_free) struct forge forge = {0};
    scoped(buf_free) struct buf plain = {0}, file = {0};
    char hash[SHA256_HEX_BYTES];

    forge_segment(&forge, &plain);
    forge_seal(&forge, boot, true, "end", &file, hash);
    struct str bytes = buf_str(&file);
    struct source source = source_from_memory(&bytes);
    for (size_t at = 0; at < forge.data.len; at += 37) {
        struct error err = {0};

        file.data[at] ^= 0x10;
        assert_null(reader_open_sealed(&source, 3, &err));
        assert_int_equal(ERROR_PROTOCOL, err.kind);
        file.data[at] ^= 0x10;
    }
}

static void part_gives_whole_lines_wherever_it_is_cut(void **state)
{
    scoped(forge_free) struct forge forge = {0};
    scoped(buf_free) struct buf plain = {0}, file = {0};

    forge_segment(&forge, &plain);
    forge_event(&forge, "request", 30);
    buf_append_str(&plain, buf_str(&forge.plain));
    forge_part(&forge, &file);
    for (size_t len = 0; len <= file.len; len++) {
        scoped(buf_free) struct buf found = {0};
        struct str bytes = str_make(file.data, len);
        struct source source = source_from_memory(&bytes);
        struct error err = {0};
        scoped(reader_free) struct reader *reader = reader_open_part(&source, 3, &err);

        assert_int_equal(IO_EOF, read_all(reader, &found, &err));
        assert_true(found.len <= plain.len);
        assert_true(found.len == 0 || memcmp(plain.data, found.data, found.len) == 0);
        if (len == file.len)
            assert_int_equal(plain.len, found.len);
        else if (len >= forge.index.frames[2].offset)
            assert_true(found.len >= forge.index.frames[2].plain_offset);
    }
}

static void part_ends_before_its_tail(void **state)
{
    scoped(forge_free) struct forge forge = {0};
    scoped(buf_free) struct buf plain = {0}, found = {0}, file = {0};
    char hash[SHA256_HEX_BYTES];
    struct error err = {0};

    forge_segment(&forge, &plain);
    forge_seal(&forge, boot, true, "end", &file, hash);
    struct str bytes = buf_str(&file);
    struct source source = source_from_memory(&bytes);
    scoped(reader_free) struct reader *reader = reader_open_part(&source, 3, &err);
    assert_int_equal(IO_EOF, read_all(reader, &found, &err));
    assert_same(&plain, &found);
    assert_false(reader_was_cut(reader));
}

static void next_takes_a_line_of_exactly_the_limit(void **state)
{
    for (size_t over = 0; over <= 1; over++) {
        scoped(forge_free) struct forge forge = {0};
        scoped(buf_free) struct buf line = {.limit = 8 << 20}, file = {.limit = 8 << 20};
        char hash[SHA256_HEX_BYTES];
        struct error err = {0};
        struct reader_line read;

        forge_begin(&forge, boot, FORGE_SESSION, FORGE_JOURNAL, 0, NULL);
        while (line.len < READER_LINE_BYTES_MAX - 1 + over)
            buf_append_char(&line, "abcdefgh"[line.len * line.len % 7]);
        buf_append_char(&line, '\n');
        forge_line(&forge, buf_str(&line), "x", 0);
        forge_event(&forge, "request", 1);
        forge_seal(&forge, boot, true, "end", &file, hash);
        struct str bytes = buf_str(&file);
        struct source source = source_from_memory(&bytes);
        scoped(reader_free) struct reader *reader = reader_open_sealed(&source, 0, &err);
        assert_int_equal(IO_OK, reader_next(reader, &read, &err));
        assert_int_equal(over ? IO_FAILED : IO_OK, reader_next(reader, &read, &err));
        if (over) {
            assert_int_equal(IO_FAILED, reader_next(reader, &read, &err));
            assert_int_equal(ERROR_PROTOCOL, err.kind);
            continue;
        }
        assert_int_equal(READER_LINE_BYTES_MAX, read.text.len);
        assert_int_equal(IO_OK, reader_next(reader, &read, &err));
        assert_int_equal(IO_EOF, reader_next(reader, &read, &err));
    }
}

/* What changes between the check of the hash and the reading. */
struct changing {
    struct str bytes;
    size_t reads, from;
};

static ssize_t read_changing(void *context, uint64_t offset, void *data, size_t len,
                             struct error *err)
{
    struct changing *changing = context;

    if (offset >= changing->bytes.len)
        return 0;
    size_t count = changing->bytes.len - (size_t)offset;
    count = count < len ? count : len;
    memcpy(data, changing->bytes.data + offset, count);
    if (changing->reads++ >= changing->from)
        ((char *)data)[count / 2] ^= 1;
    return (ssize_t)count;
}

static void next_notices_bytes_that_change_meanwhile(void **state)
{
    scoped(forge_free) struct forge forge = {0};
    scoped(buf_free) struct buf plain = {0}, found = {0}, file = {0};
    char hash[SHA256_HEX_BYTES];
    struct error err = {0};

    forge_segment(&forge, &plain);
    forge_seal(&forge, boot, true, "end", &file, hash);
    struct changing changing = {.bytes = buf_str(&file), .from = 2}; /* tail, hash; then lines */
    struct source source = {.read = read_changing, .context = &changing, .bytes = file.len};
    scoped(reader_free) struct reader *reader = reader_open_sealed(&source, 3, &err);
    assert_non_null(reader);
    assert_int_equal(IO_FAILED, read_all(reader, &found, &err));
    assert_int_equal(ERROR_PROTOCOL, err.kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_gives_all_lines_of_a_sealed_segment),
        cmocka_unit_test(open_refuses_a_changed_byte_before_any_line),
        cmocka_unit_test(part_gives_whole_lines_wherever_it_is_cut),
        cmocka_unit_test(part_ends_before_its_tail),
        cmocka_unit_test(next_takes_a_line_of_exactly_the_limit),
        cmocka_unit_test(next_notices_bytes_that_change_meanwhile),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
