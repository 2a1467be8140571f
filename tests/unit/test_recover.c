/* What recovery makes of a segment that was left open: cut anywhere, killed anywhere. */
#include "journal_kit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/scoped.h"
#include "session/recover.h"
#include "session/scan.h"

#define PART_NAME(n) KIT_SESSION "-00c0ffee-0000" #n ".jsonl.zst.part"
#define EVENTS 9
#define FRAME_HEADER_BYTES 6 /* magic, descriptor, window */

struct before {
    const char *path; /* of the sealed segment n, in the kit's medium; NULL: there is none */
    uint32_t n;
    struct kit *kit;
};

static int fetch_before(void *context, const char *session, const char *journal, uint32_t n,
                        struct index *index, char line_sha256[SHA256_HEX_BYTES], struct error *err)
{
    struct before *before = context;
    struct tail tail = {0};

    if (!before->path || n != before->n)
        return error_set(err, ERROR_NOT_FOUND, "not there");
    struct str file = fake_medium_file(before->kit->fake, before->path);
    size_t len = min_of(file.len, TAIL_BYTES_MAX);

    if (tail_parse(&tail, str_skip(file, file.len - len), file.len, err) < 0)
        return -1;
    memcpy(line_sha256, tail.line_sha256, SHA256_HEX_BYTES);
    *index = tail.index;
    return 0;
}

static int recover_with(struct kit *kit, const char *name, struct before before,
                        enum recover_outcome *outcome, struct error *err)
{
    const struct recover_config config = {.medium = fake_medium_calls(kit->fake),
                                          .spool_directory = KIT_SPOOL,
                                          .boot = kit->boot,
                                          .fetch_index = fetch_before,
                                          .context = &before};

    before.kit = kit;
    return recover_part(&config, name, kit->now, outcome, err);
}

/* `path_before`: of segment 0, when that is sealed. */
static int recover(struct kit *kit, const char *name, const char *path_before,
                   enum recover_outcome *outcome, struct error *err)
{
    return recover_with(kit, name, (struct before){.path = path_before}, outcome, err);
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

/* The tail is on the disk, but not all that stands before it: the power failed within the seal. */
static void tail_over_other_bytes_is_cut_off(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *journal = kit_open(kit);
    scoped(buf_free) struct buf sealed = {0};
    scoped(tail_free) struct tail tail = {0};
    scoped(buf_free) struct buf plain = {.limit = 1 << 24};
    enum recover_outcome outcome = RECOVER_GONE;
    struct error err = {0};

    kit_record(kit, journal, "session.start");
    kit_record(kit, journal, "request");
    size_t durable = fake_medium_synced(kit->fake, KIT_PATH(0, ".part")).len;

    kit_end(kit, journal);
    buf_append_str(&sealed, fake_medium_file(kit->fake, KIT_PATH(0, "")));
    memset(sealed.data + durable, 0, 20);
    put_part(kit, buf_str(&sealed));
    assert_int_equal(0, recover(kit, PART_NAME(0), NULL, &outcome, &err));
    assert_int_equal(RECOVER_SEALED, outcome);
    kit_assert_sealed(kit, KIT_PATH(0, ""), &tail, &plain);
    scoped(free_text) char *seqs = kit_seqs(buf_str(&plain));

    assert_string_equal("0 1 2-recovered ", seqs);
}

/* A file system may give the length of what was written, and zeros for the bytes. */
static void zeros_are_cut_off(void **state)
{
    struct kit *kit = *state;
    scoped(buf_free) struct buf whole = {0};
    char zeros[300] = {0};
    enum recover_outcome outcome = RECOVER_GONE;
    struct error err = {0};

    leave_part(kit, &whole);
    size_t kept = whole.len;

    buf_append(&whole, zeros, sizeof zeros);
    put_part(kit, buf_str(&whole));
    assert_int_equal(0, recover(kit, PART_NAME(0), NULL, &outcome, &err));
    scoped(tail_free) struct tail tail = {0};
    scoped(buf_free) struct buf plain = {.limit = 1 << 24};

    kit_assert_sealed(kit, KIT_PATH(0, ""), &tail, &plain);
    assert_int_equal(kept + 3, tail.index.frames[0].bytes); /* and the block that ends it */
    assert_int_equal(1, kit_count(buf_str(&plain), "\"discardedBytes\":300"));
}

/* A segment that ends with `frames` frames in all, of which all but the first hold nothing. */
static void append_empty_frames(struct buf *part, size_t frames)
{
    char header[FRAME_HEADER_BYTES];

    memcpy(header, part->data, sizeof header);
    buf_append(part, "\x01\0\0", 3);
    for (size_t i = 1; i < frames; i++) {
        buf_append(part, header, sizeof header);
        buf_append(part, "\x01\0\0", 3);
    }
}

/* Nothing of ours has so many; each would cost memory, and their index would not fit. */
static void frames_have_a_limit(void **state)
{
    struct kit *kit = *state;
    scoped(buf_free) struct buf part = {0}, most = {0}, over = {0};
    enum recover_outcome outcome = RECOVER_GONE;
    struct error err = {0};

    leave_part(kit, &part);
    buf_append_str(&most, buf_str(&part));
    append_empty_frames(&most, SCAN_FRAMES_MAX);
    put_part(kit, buf_str(&most));
    assert_int_equal(0, recover(kit, PART_NAME(0), NULL, &outcome, &err));
    assert_int_equal(RECOVER_SEALED, outcome);
    assert_recovered(kit, buf_str(&most));

    buf_append_str(&over, buf_str(&part));
    append_empty_frames(&over, SCAN_FRAMES_MAX + 1);
    put_part(kit, buf_str(&over));
    assert_int_equal(-1, recover(kit, PART_NAME(0), NULL, &outcome, &err));
    assert_int_equal(ERROR_PROTOCOL, err.kind);
    assert_true(fake_medium_file(kit->fake, KIT_PATH(0, ".part")).len == over.len);
}

/* Killed between the tail of a segment and the birth of the next: `first` is left as a .part. */
static void leave_sealed_without_next(struct kit *kit, struct buf *first)
{
    struct journal *journal = kit_open(kit);
    struct error err = {0};

    kit_record(kit, journal, "session.start");
    kit_record(kit, journal, "request");
    kit->now.mono_us += JOURNAL_SHIP_EVERY_US;
    fake_medium_fail(kit->fake, "create", 1, EIO, 1);
    assert_int_equal(-1, journal_tick(journal, kit->now, &err));
    buf_append_str(first, fake_medium_file(kit->fake, KIT_PATH(0, ".part")));
    fake_medium_kill(kit->fake);
    journal_free(&journal);
}

static void assert_chain_ends(struct kit *kit, struct str first)
{
    scoped(tail_free) struct tail before = {0};
    scoped(tail_free) struct tail tail = {0};
    scoped(buf_free) struct buf plain = {.limit = 1 << 24};

    assert_true(str_equal(first, fake_medium_file(kit->fake, KIT_PATH(0, ""))));
    kit_assert_sealed(kit, KIT_PATH(0, ""), &before, &plain);
    buf_clear(&plain);
    kit_assert_sealed(kit, KIT_PATH(1, ""), &tail, &plain);
    assert_false(before.index.is_last);
    assert_true(tail.index.is_last && tail.index.is_recovered);
    assert_string_equal(before.line_sha256, tail.index.previous);
    scoped(free_text) char *seqs = kit_seqs(buf_str(&plain));

    assert_string_equal("2-recovered ", seqs);
}

static void chain_is_ended_when_the_next_segment_was_never_born(void **state)
{
    struct kit *kit = *state;
    scoped(buf_free) struct buf first = {0};
    enum recover_outcome outcome = RECOVER_GONE;
    struct error err = {0};
    bool was_killed = true;

    leave_sealed_without_next(kit, &first);
    for (unsigned nth = 1; was_killed; nth++) {
        const struct medium *medium = fake_medium_calls(kit->fake);

        ignore(medium->remove(medium->context, KIT_PATH(1, "")));
        put_part(kit, buf_str(&first));
        fake_medium_fail(kit->fake, "*", nth, EIO, 1000);
        was_killed = recover(kit, PART_NAME(0), NULL, &outcome, &err) < 0;
        fake_medium_heal(kit->fake);
        fake_medium_kill(kit->fake);
        /* The name of the first never comes before that of the last. */
        if (fake_medium_file(kit->fake, KIT_PATH(0, "")).data)
            assert_non_null(fake_medium_file(kit->fake, KIT_PATH(1, "")).data);
        struct before next = {.path = KIT_PATH(1, ""), .n = 1};

        if (!fake_medium_file(kit->fake, KIT_PATH(1, "")).data)
            next.path = NULL;
        assert_int_equal(0, recover_with(kit, PART_NAME(0), next, &outcome, &err));
        assert_chain_ends(kit, buf_str(&first));
    }
}

static void chain_is_not_ended_when_it_cannot_be_told_whether_it_goes_on(void **state)
{
    struct kit *kit = *state;
    scoped(buf_free) struct buf first = {0};
    enum recover_outcome outcome = RECOVER_GONE;
    struct error err = {0};

    leave_sealed_without_next(kit, &first);
    fake_medium_fail(kit->fake, "exists", 1, EIO, 1);
    assert_int_equal(-1, recover(kit, PART_NAME(0), NULL, &outcome, &err));
    assert_non_null(fake_medium_file(kit->fake, KIT_PATH(0, ".part")).data);
    fake_medium_put(kit->fake, KIT_PATH(1, ".part"), STR(""));
    assert_int_equal(0, recover(kit, PART_NAME(0), NULL, &outcome, &err));
    assert_int_equal(RECOVER_RENAMED, outcome);
    assert_null(fake_medium_file(kit->fake, KIT_PATH(1, "")).data);
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
        with_kit(tail_over_other_bytes_is_cut_off),
        with_kit(zeros_are_cut_off),
        with_kit(frames_have_a_limit),
        with_kit(chain_is_ended_when_the_next_segment_was_never_born),
        with_kit(chain_is_not_ended_when_it_cannot_be_told_whether_it_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
