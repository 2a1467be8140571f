/* What recovery makes of a segment that was left open: cut anywhere, killed anywhere. */
#include "journal_kit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "session/recover.h"

#define PART_NAME(n) KIT_SESSION "-00c0ffee-0000" #n ".jsonl.zst.part"
#define EVENTS 9

struct before {
    const char *path; /* of the sealed segment before, in the kit's medium; NULL: there is none */
    struct kit *kit;
};

static int fetch_before(void *context, const char *session, const char *journal, uint32_t n,
                        struct index *index, char line_sha256[SHA256_HEX_BYTES], struct error *err)
{
    struct before *before = context;
    struct tail tail = {0};

    if (!before->path)
        return error_set(err, ERROR_STORAGE, "not there");
    struct str file = fake_medium_file(before->kit->fake, before->path);
    size_t len = min_of(file.len, TAIL_BYTES_MAX);

    if (tail_parse(&tail, str_skip(file, file.len - len), file.len, err) < 0)
        return -1;
    memcpy(line_sha256, tail.line_sha256, SHA256_HEX_BYTES);
    *index = tail.index;
    return 0;
}

static int recover(struct kit *kit, const char *name, const char *path_before,
                   enum recover_outcome *outcome, struct error *err)
{
    struct before before = {.path = path_before, .kit = kit};
    const struct recover_config config = {.medium = fake_medium_calls(kit->fake),
                                          .spool_directory = KIT_SPOOL,
                                          .boot = kit->boot,
                                          .fetch_index = fetch_before,
                                          .context = &before};

    return recover_part(&config, name, kit->now, outcome, err);
}

/* What a gateway that was killed after EVENTS commits has left. */
static void leave_part(struct kit *kit, struct buf *bytes)
{
    struct journal *journal = kit_open(kit);

    kit_record(kit, journal, "session.start");
    for (int i = 1; i < EVENTS; i++)
        kit_record(kit, journal, "request");
    buf_append_str(bytes, fake_medium_file(kit->fake, KIT_PATH(0, ".part")));
    fake_medium_kill(kit->fake);
    journal_free(&journal);
}

/* Whole lines that any zstd reads of the first `len` bytes. */
static size_t readable_lines(struct str bytes, struct buf *plain)
{
    kit_plain(bytes, plain);
    while (plain->len && plain->data[plain->len - 1] != '\n')
        plain->len--;
    return kit_count(buf_str(plain), "\n");
}

static void put_part(struct kit *kit, struct str bytes)
{
    ignore(fake_medium_calls(kit->fake)->remove(fake_medium_calls(kit->fake)->context,
                                                KIT_PATH(0, "")));
    fake_medium_put(kit->fake, KIT_PATH(0, ".part"), bytes);
}

/* The lines that could be read, then one more that tells of the crash; no byte before is changed.
 */
static void assert_recovered(struct kit *kit, struct str left)
{
    scoped(tail_free) struct tail tail = {0};
    scoped(buf_free) struct buf expected = {.limit = 1 << 24}, plain = {.limit = 1 << 24};
    size_t lines = readable_lines(left, &expected);

    kit_assert_sealed(kit, KIT_PATH(0, ""), &tail, &plain);
    assert_true(str_starts(buf_str(&plain), buf_str(&expected)));
    assert_int_equal(lines + 1, kit_count(buf_str(&plain), "\n"));
    assert_int_equal(1, kit_count(buf_str(&plain), "\"type\":\"recovered\""));
    assert_true(tail.index.is_last && tail.index.is_recovered);
    assert_string_equal("recovered", tail.index.reason);
    assert_int_equal(lines - 1, tail.index.seq_last); /* the segment line has none */
}

static void cut_at_every_byte_keeps_each_line_that_can_be_read(void **state)
{
    struct kit *kit = *state;
    scoped(buf_free) struct buf whole = {0};

    leave_part(kit, &whole);
    for (size_t len = 0; len <= whole.len; len++) {
        scoped(buf_free) struct buf plain = {.limit = 1 << 24};
        struct str left = str_make(whole.data, len);
        enum recover_outcome outcome = RECOVER_GONE;
        struct error err = {0};

        put_part(kit, left);
        assert_int_equal(0, recover(kit, PART_NAME(0), NULL, &outcome, &err));
        assert_null(fake_medium_file(kit->fake, KIT_PATH(0, ".part")).data);
        if (readable_lines(left, &plain) == 0) {
            assert_int_equal(RECOVER_REMOVED, outcome);
            assert_null(fake_medium_file(kit->fake, KIT_PATH(0, "")).data);
        } else {
            assert_int_equal(RECOVER_SEALED, outcome);
            assert_recovered(kit, left);
        }
    }
}

static void killed_at_every_call_it_can_be_run_again(void **state)
{
    struct kit *kit = *state;
    scoped(buf_free) struct buf whole = {0};
    enum recover_outcome outcome = RECOVER_GONE;
    bool was_killed = true;

    leave_part(kit, &whole);
    struct str left = str_make(whole.data, whole.len - 7);

    for (unsigned nth = 1; was_killed; nth++) {
        scoped(buf_free) struct buf expected = {.limit = 1 << 24}, plain = {.limit = 1 << 24};
        scoped(tail_free) struct tail tail = {0};
        struct error err = {0};

        put_part(kit, left);
        /* A failing append has written half of its bytes: a kill in the middle of it. */
        fake_medium_fail(kit->fake, "*", nth, EIO, 1000);
        was_killed = recover(kit, PART_NAME(0), NULL, &outcome, &err) < 0;
        fake_medium_heal(kit->fake);
        fake_medium_kill(kit->fake);
        assert_int_equal(0, recover(kit, PART_NAME(0), NULL, &outcome, &err));
        readable_lines(left, &expected);
        kit_assert_sealed(kit, KIT_PATH(0, ""), &tail, &plain);
        assert_true(str_starts(buf_str(&plain), buf_str(&expected)));
        assert_true(kit_count(buf_str(&plain), "\"type\":\"recovered\"") >= 1);
        assert_true(tail.index.is_last);
    }
}

static void what_has_its_tail_only_gets_its_name(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *journal = kit_open(kit);
    scoped(buf_free) struct buf sealed = {0};
    enum recover_outcome outcome = RECOVER_GONE;
    struct error err = {0};

    kit_record(kit, journal, "session.start");
    kit_end(kit, journal);
    buf_append_str(&sealed, fake_medium_file(kit->fake, KIT_PATH(0, "")));
    put_part(kit, buf_str(&sealed));
    assert_int_equal(0, recover(kit, PART_NAME(0), NULL, &outcome, &err));
    assert_int_equal(RECOVER_RENAMED, outcome);
    assert_true(str_equal(buf_str(&sealed), fake_medium_file(kit->fake, KIT_PATH(0, ""))));
}

static void what_runs_is_left_alone(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *journal = kit_open(kit);
    scoped(buf_free) struct buf before = {0};
    enum recover_outcome outcome = RECOVER_GONE;
    struct error err = {0};

    kit_record(kit, journal, "session.start");
    buf_append_str(&before, fake_medium_file(kit->fake, KIT_PATH(0, ".part")));
    assert_int_equal(0, recover(kit, PART_NAME(0), NULL, &outcome, &err));
    assert_int_equal(RECOVER_RUNNING, outcome);
    assert_true(str_equal(buf_str(&before), fake_medium_file(kit->fake, KIT_PATH(0, ".part"))));
}

static void exchanges_without_an_end_are_named(void **state)
{
    struct kit *kit = *state;
    scoped(buf_free) struct buf left = {0}, plain = {.limit = 1 << 24};
    scoped(tail_free) struct tail tail = {0};
    struct journal *journal = kit_open(kit);
    enum recover_outcome outcome = RECOVER_GONE;
    struct error err = {0};

    kit_record(kit, journal, "session.start");
    assert_int_equal(0, kit_append_exchange(kit, journal, "request", 1));
    assert_int_equal(0, kit_append_exchange(kit, journal, "request", 2));
    assert_int_equal(0, kit_append_exchange(kit, journal, "complete", 1));
    assert_int_equal(0, journal_commit(journal, JOURNAL_DURABLE, kit->now, &err));
    buf_append_str(&left, fake_medium_file(kit->fake, KIT_PATH(0, ".part")));
    fake_medium_kill(kit->fake);
    journal_free(&journal);
    put_part(kit, buf_str(&left));
    assert_int_equal(0, recover(kit, PART_NAME(0), NULL, &outcome, &err));
    kit_assert_sealed(kit, KIT_PATH(0, ""), &tail, &plain);
    assert_int_equal(
        1, kit_count(buf_str(&plain), "\"open\":[{\"exchange\":2,\"outcome\":\"unknown\"}]"));
}

/* Cut within its first line: made again from the segment before it. */
static void second_segment_without_a_line_is_begun_anew(void **state)
{
    struct kit *kit = *state;
    scoped(tail_free) struct tail first = {0}, second = {0};
    scoped(buf_free) struct buf plain = {.limit = 1 << 24};
    enum recover_outcome outcome = RECOVER_GONE;
    struct error err = {0};

    kit->config.seal_bytes = 1;
    struct journal *journal = kit_open(kit);

    kit_record(kit, journal, "session.start");
    kit_record(kit, journal, "request");
    fake_medium_kill(kit->fake);
    journal_free(&journal);
    kit_assert_sealed(kit, KIT_PATH(0, ""), &first, &plain);
    fake_medium_put(kit->fake, KIT_PATH(1, ".part"), STR("\x28\xb5\x2f\xfd"));
    assert_int_equal(-1, recover(kit, PART_NAME(1), NULL, &outcome, &err));
    assert_int_equal(0, recover(kit, PART_NAME(1), KIT_PATH(0, ""), &outcome, &err));
    assert_int_equal(RECOVER_SEALED, outcome);
    buf_clear(&plain);
    kit_assert_sealed(kit, KIT_PATH(1, ""), &second, &plain);
    assert_string_equal(first.line_sha256, second.index.previous);
    assert_int_equal(first.index.seq_last + 1, second.index.seq_first);
    assert_true(second.index.is_last);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define with_kit(test) cmocka_unit_test_setup_teardown(test, kit_set_up, kit_tear_down)
        with_kit(cut_at_every_byte_keeps_each_line_that_can_be_read),
        with_kit(killed_at_every_call_it_can_be_run_again),
        with_kit(what_has_its_tail_only_gets_its_name),
        with_kit(what_runs_is_left_alone),
        with_kit(exchanges_without_an_end_are_named),
        with_kit(second_segment_without_a_line_is_begun_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
