/* The journal on a disk that tells written from synced, and fails when it is told to. */
#include "journal_kit.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/scoped.h"

static void assert_seqs(const char *expected, struct buf *plain)
{
    scoped(free_text) char *seqs = kit_seqs(buf_str(plain));

    assert_string_equal(expected, seqs);
}

static void commit_reaches_its_level_and_no_more(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *journal = kit_open(kit);
    struct error err = {0};
    scoped(buf_free) struct buf plain = {0};

    assert_int_equal(0, kit_append(kit, journal, "request", 0, &err));
    assert_int_equal(0, fake_medium_file(kit->fake, KIT_PATH(0, ".part")).len);
    assert_int_equal(0, journal_commit(journal, JOURNAL_WRITTEN, kit->now, &err));
    kit_plain(fake_medium_file(kit->fake, KIT_PATH(0, ".part")), &plain);
    assert_seqs("0 ", &plain);
    assert_int_equal(0, fake_medium_synced(kit->fake, KIT_PATH(0, ".part")).len);
    assert_int_equal(0, journal_durable_seq(journal));

    assert_int_equal(0, journal_commit(journal, JOURNAL_DURABLE, kit->now, &err));
    assert_int_equal(1, journal_durable_seq(journal));
    fake_medium_lose_power(kit->fake);
    buf_clear(&plain);
    kit_plain(fake_medium_file(kit->fake, KIT_PATH(0, ".part")), &plain);
    assert_seqs("0 ", &plain);
}

static void commit_does_nothing_when_there_is_nothing(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *journal = kit_open(kit);
    struct error err = {0};

    kit_record(kit, journal, "session.start");
    unsigned before = fake_medium_call_count(kit->fake);

    assert_int_equal(0, journal_commit(journal, JOURNAL_DURABLE, kit->now, &err));
    assert_int_equal(0, journal_commit(journal, JOURNAL_WRITTEN, kit->now, &err));
    assert_int_equal(before, fake_medium_call_count(kit->fake));
}

static void open_locks_before_it_names(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *journal = kit_open(kit);

    assert_non_null(journal);
    assert_string_equal("create .reserve\nallocate .reserve\n"
                        "create .new-" KIT_SESSION "-00c0ffee-00000\n"
                        "link " KIT_SESSION "-00c0ffee-00000.jsonl.zst.part\n"
                        "remove .new-" KIT_SESSION "-00c0ffee-00000\n",
                        fake_medium_log(kit->fake));
}

static void append_refuses_what_is_not_the_next_event(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *journal = kit_open(kit);
    scoped(buf_free) struct buf line = {0};
    struct error err = {0};

    event_begin(&line, "request",
                &(struct event_stamp){.session = KIT_SESSION, .seq = 1, .exchange = -1});
    event_end(&line);
    assert_int_equal(-1, journal_append(journal, buf_str(&line), "request", kit->now, &err));
    assert_int_equal(ERROR_INTERNAL, err.kind);
    assert_int_equal(0, journal_next_seq(journal));
    assert_false(journal_is_broken(journal));
}

static void end_seals_what_verifies(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *journal = kit_open(kit);
    scoped(tail_free) struct tail tail = {0};
    scoped(buf_free) struct buf plain = {0};

    kit_record(kit, journal, "session.start");
    assert_string_equal("", journal_last_index_sha256(journal));
    kit_end(kit, journal);
    kit_assert_sealed(kit, KIT_PATH(0, ""), &tail, &plain);
    assert_null(fake_medium_file(kit->fake, KIT_PATH(0, ".part")).data);
    assert_seqs("0 1 ", &plain);
    assert_true(tail.index.is_last);
    assert_string_equal("end", tail.index.reason);
    assert_string_equal(HASH_NONE, tail.index.previous);
    assert_string_equal("demo", tail.index.cluster);
    assert_string_equal(tail.line_sha256, journal_last_index_sha256(journal));
    assert_int_equal(3, tail.index.lines);
    fake_medium_lose_power(kit->fake);
    assert_non_null(fake_medium_file(kit->fake, KIT_PATH(0, "")).data);
}

static void seal_keeps_its_order(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *journal = kit_open(kit);
    struct error err = {0};

    kit_record(kit, journal, "session.start");
    fake_medium_reset_log(kit->fake);
    kit->now.mono_us += JOURNAL_SHIP_EVERY_US;
    assert_int_equal(0, journal_tick(journal, kit->now, &err));
    assert_string_equal("append " KIT_SESSION "-00c0ffee-00000.jsonl.zst.part\n"
                        "sync " KIT_SESSION "-00c0ffee-00000.jsonl.zst.part\n"
                        "create .new-" KIT_SESSION "-00c0ffee-00001\n"
                        "append .new-" KIT_SESSION "-00c0ffee-00001\n"
                        "sync .new-" KIT_SESSION "-00c0ffee-00001\n"
                        "link " KIT_SESSION "-00c0ffee-00001.jsonl.zst.part\n"
                        "remove .new-" KIT_SESSION "-00c0ffee-00001\n"
                        "rename " KIT_SESSION "-00c0ffee-00000.jsonl.zst\n"
                        "sync_directory spool\n",
                        fake_medium_log(kit->fake));
    buf_append_char(&kit->sealed, '\0');
    assert_string_equal(KIT_SESSION "-00c0ffee-00000.jsonl.zst\n", kit->sealed.data);
}

static void tick_never_seals_a_segment_without_an_event(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *journal = kit_open(kit);
    struct error err = {0};

    kit->now.mono_us += JOURNAL_SHIP_EVERY_US;
    assert_int_equal(0, journal_tick(journal, kit->now, &err));
    kit_record(kit, journal, "session.start");
    assert_int_equal(0, journal_tick(journal, kit->now, &err));
    assert_int_equal(0, kit->sealed.len); /* its age is that of its first event */
    kit->now.mono_us += JOURNAL_SHIP_EVERY_US;
    assert_int_equal(0, journal_tick(journal, kit->now, &err));
    assert_int_equal(1, kit_count(buf_str(&kit->sealed), "\n"));
    kit->now.mono_us += JOURNAL_SHIP_EVERY_US;
    assert_int_equal(0, journal_tick(journal, kit->now, &err));
    assert_int_equal(1, kit_count(buf_str(&kit->sealed), "\n"));
}

static void segments_and_frames_are_chained_when_they_are_full(void **state)
{
    struct kit *kit = *state;
    struct error err = {0};
    char previous[SHA256_HEX_BYTES] = HASH_NONE;
    uint64_t seq = 0;

    kit->config.seal_bytes = 8000;
    kit->config.frame_plain_bytes = 9000;
    scoped(journal_free) struct journal *journal = kit_open(kit);

    for (int i = 0; i < 60; i++)
        assert_int_equal(0, kit_append(kit, journal, "request", 1000, &err));
    kit_end(kit, journal);
    bool is_last = false;
    unsigned n = 0;

    for (; !is_last; n++) {
        scoped(free_text) char *path =
            xasprintf(KIT_SPOOL "/" KIT_SESSION "-00c0ffee-%05u.jsonl.zst", n);
        scoped(tail_free) struct tail tail = {0};
        scoped(buf_free) struct buf plain = {0};

        kit_assert_sealed(kit, path, &tail, &plain);
        is_last = tail.index.is_last;
        assert_string_equal(previous, tail.index.previous);
        assert_int_equal(n, tail.index.n);
        assert_int_equal(seq, tail.index.seq_first);
        assert_string_equal(is_last ? "end" : "size", tail.index.reason);
        assert_true(is_last || tail.index.frame_count >= 2);
        memcpy(previous, tail.line_sha256, sizeof previous);
        seq = tail.index.seq_last + 1;
    }
    assert_true(n >= 3);
    assert_int_equal(61, seq);
}

static void segment_ends_before_its_plain_text_is_too_long(void **state)
{
    struct kit *kit = *state;
    struct error err = {0};
    scoped(tail_free) struct tail tail = {0};
    scoped(buf_free) struct buf plain = {0};

    kit->config.seal_plain_bytes = 5000;
    scoped(journal_free) struct journal *journal = kit_open(kit);

    for (int i = 0; i < 10; i++)
        assert_int_equal(0, kit_append(kit, journal, "request", 1000, &err));
    kit_assert_sealed(kit, KIT_PATH(0, ""), &tail, &plain);
    assert_true(plain.len <= 5000);
    assert_true(plain.len > 3500);
}

/* ENOSPC: the segment is closed in place out of the reserve, the next one says what is missing. */
static void full_disk_leaves_a_sealed_segment_and_a_gap(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *journal = kit_open(kit);
    struct error err = {0};

    kit_record(kit, journal, "session.start");
    kit_record(kit, journal, "request");
    fake_medium_set_capacity(kit->fake, fake_medium_used(kit->fake) + 100);
    assert_int_equal(0, kit_append(kit, journal, "body", 5000, &err));
    assert_int_equal(0, kit_append(kit, journal, "body", 5000, &err));
    assert_int_equal(-1, journal_commit(journal, JOURNAL_DURABLE, kit->now, &err));
    assert_int_equal(ERROR_STORAGE, err.kind);
    assert_non_null(strstr(err.text, "No space left"));
    assert_non_null(strstr(err.fix, KIT_SPOOL));
    assert_true(journal_is_broken(journal));
    assert_false(reserve_is_full(kit->reserve));

    scoped(tail_free) struct tail tail = {0};
    scoped(buf_free) struct buf plain = {0};

    kit_assert_sealed(kit, KIT_PATH(0, ""), &tail, &plain);
    assert_string_equal("storage_error", tail.index.reason);
    assert_false(tail.index.is_last);
    assert_seqs("0 1 ", &plain);

    /* Still full: nothing is promised. */
    fake_medium_set_capacity(kit->fake, fake_medium_used(kit->fake) + 100);
    assert_int_equal(-1, journal_try_reopen(journal, kit->now, &err));
    assert_int_equal(-1, kit_append(kit, journal, "request", 0, &err));
    assert_int_equal(ERROR_STORAGE, err.kind);

    fake_medium_heal(kit->fake);
    assert_int_equal(0, journal_try_reopen(journal, kit->now, &err));
    assert_false(journal_is_broken(journal));
    kit_record(kit, journal, "request");
    kit_end(kit, journal);
    scoped(tail_free) struct tail next = {0};

    buf_clear(&plain);
    kit_assert_sealed(kit, KIT_PATH(1, ""), &next, &plain);
    assert_seqs("4-gap 5 6 ", &plain);
    assert_int_equal(1, kit_count(buf_str(&plain), "\"from\":2,\"to\":3,\"count\":2,\"why\":\""));
    assert_string_equal(tail.line_sha256, next.index.previous);
}

static void full_disk_can_still_be_ended(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *journal = kit_open(kit);
    struct error err = {0};

    kit_record(kit, journal, "session.start");
    fake_medium_set_capacity(kit->fake, fake_medium_used(kit->fake));
    assert_int_equal(0, kit_append(kit, journal, "request", 0, &err));
    assert_int_equal(-1, journal_commit(journal, JOURNAL_DURABLE, kit->now, &err));
    assert_int_equal(-1, journal_try_reopen(journal, kit->now, &err));
    assert_int_equal(0, journal_reopen_to_end(journal, kit->now, &err));
    err = (struct error){0};
    kit_end(kit, journal);
    scoped(tail_free) struct tail tail = {0};
    scoped(buf_free) struct buf plain = {0};

    kit_assert_sealed(kit, KIT_PATH(1, ""), &tail, &plain);
    assert_true(tail.index.is_last);
    assert_seqs("2-gap 3 ", &plain);
}

static void spent_reserve_stops_the_other_journals_too(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *first = kit_open(kit);
    struct error err = {0};

    kit->config.journal_id[0] = 0x11;
    scoped(journal_free) struct journal *second = kit_open(kit);

    kit_record(kit, first, "session.start");
    kit_record(kit, second, "session.start");
    fake_medium_set_capacity(kit->fake, fake_medium_used(kit->fake));
    assert_int_equal(0, kit_append(kit, first, "request", 0, &err));
    assert_int_equal(-1, journal_commit(first, JOURNAL_DURABLE, kit->now, &err));
    assert_int_equal(0, kit_append(kit, second, "request", 0, &err));
    assert_int_equal(-1, journal_commit(second, JOURNAL_DURABLE, kit->now, &err));
    fake_medium_heal(kit->fake);
    assert_int_equal(0, journal_try_reopen(second, kit->now, &err));
    assert_int_equal(0, journal_try_reopen(first, kit->now, &err));
    kit_end(kit, first);
    kit_end(kit, second);
}

static void nothing_durable_is_begun_anew(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *journal = kit_open(kit);
    struct error err = {0};
    scoped(tail_free) struct tail tail = {0};
    scoped(buf_free) struct buf plain = {0};

    assert_int_equal(0, kit_append(kit, journal, "session.start", 0, &err));
    fake_medium_fail(kit->fake, "sync", 1, ENOSPC, 1);
    assert_int_equal(-1, journal_commit(journal, JOURNAL_DURABLE, kit->now, &err));
    assert_int_equal(0, journal_try_reopen(journal, kit->now, &err));
    kit_record(kit, journal, "session.start");
    kit_end(kit, journal);
    kit_assert_sealed(kit, KIT_PATH(0, ""), &tail, &plain);
    assert_seqs("1-gap 2 3 ", &plain);
    assert_int_equal(0, tail.index.n);
    assert_string_equal(HASH_NONE, tail.index.previous);
}

/* EIO: the file is never written again; its durable prefix is sealed as a copy. */
static void assert_bad_file_is_copied(struct kit *kit, const char *call, unsigned nth)
{
    scoped(journal_free) struct journal *journal = kit_open(kit);
    struct error err = {0};

    kit_record(kit, journal, "session.start");
    kit_record(kit, journal, "request");
    assert_int_equal(0, kit_append(kit, journal, "body", 3000, &err));
    fake_medium_fail(kit->fake, call, nth, EIO, 1);
    assert_int_equal(-1, journal_commit(journal, JOURNAL_DURABLE, kit->now, &err));
    assert_int_equal(ERROR_STORAGE, err.kind);
    size_t bad_bytes = fake_medium_file(kit->fake, KIT_PATH(0, ".part")).len;

    fake_medium_reset_log(kit->fake);
    assert_int_equal(0, journal_try_reopen(journal, kit->now, &err));
    assert_null(strstr(fake_medium_log(kit->fake), "append " KIT_SESSION "-00c0ffee-00000."));
    assert_null(strstr(fake_medium_log(kit->fake), "sync " KIT_SESSION "-00c0ffee-00000."));
    assert_int_equal(bad_bytes, fake_medium_file(kit->fake, KIT_PATH(0, ".part.bad")).len);
    kit_record(kit, journal, "request");
    kit_end(kit, journal);

    scoped(tail_free) struct tail tail = {0};
    scoped(tail_free) struct tail next = {0};
    scoped(buf_free) struct buf plain = {0};

    kit_assert_sealed(kit, KIT_PATH(0, ""), &tail, &plain);
    assert_string_equal("storage_error", tail.index.reason);
    assert_seqs("0 1 ", &plain);
    buf_clear(&plain);
    kit_assert_sealed(kit, KIT_PATH(1, ""), &next, &plain);
    assert_seqs("3-gap 4 5 ", &plain);
    assert_int_equal(1, kit_count(buf_str(&plain), "\"from\":2,\"to\":2,"));
    assert_string_equal(tail.line_sha256, next.index.previous);
}

static void bad_write_is_copied(void **state)
{
    assert_bad_file_is_copied(*state, "append", 1);
}

static void bad_sync_is_copied(void **state)
{
    assert_bad_file_is_copied(*state, "sync", 1);
}

static void bad_copy_waits_for_room(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *journal = kit_open(kit);
    struct error err = {0};

    kit_record(kit, journal, "session.start");
    assert_int_equal(0, kit_append(kit, journal, "body", 3000, &err));
    fake_medium_fail(kit->fake, "sync", 1, EIO, 1);
    assert_int_equal(-1, journal_commit(journal, JOURNAL_DURABLE, kit->now, &err));
    for (unsigned i = 0; i < 3; i++) {
        fake_medium_fail(kit->fake, i ? "append" : "create", 1, ENOSPC, UINT32_MAX);
        assert_int_equal(-1, journal_try_reopen(journal, kit->now, &err));
        assert_true(journal_is_broken(journal));
    }
    fake_medium_heal(kit->fake);
    assert_int_equal(0, journal_try_reopen(journal, kit->now, &err));
    kit_end(kit, journal);
    scoped(tail_free) struct tail tail = {0};
    scoped(buf_free) struct buf plain = {0};

    kit_assert_sealed(kit, KIT_PATH(0, ""), &tail, &plain);
    assert_seqs("0 ", &plain);
}

/* A name that cannot be given stops nothing, and is given later. */
static void failed_rename_is_tried_again(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *journal = kit_open(kit);
    struct error err = {0};

    kit_record(kit, journal, "session.start");
    kit->now.mono_us += JOURNAL_SHIP_EVERY_US;
    fake_medium_fail(kit->fake, "rename", 1, EIO, 1);
    assert_int_equal(0, journal_tick(journal, kit->now, &err));
    assert_int_equal(0, kit->sealed.len);
    kit_record(kit, journal, "request");
    assert_int_equal(0, journal_tick(journal, kit->now, &err));
    assert_true(kit->sealed.len > 0);
    kit_end(kit, journal);
}

/* No events were lost when the next segment could not be made: the gap names none. */
static void next_segment_has_a_gap_without_numbers_when_none_were_lost(void **state)
{
    struct kit *kit = *state;
    scoped(journal_free) struct journal *journal = kit_open(kit);
    struct error err = {0};

    kit_record(kit, journal, "session.start");
    kit->now.mono_us += JOURNAL_SHIP_EVERY_US;
    fake_medium_fail(kit->fake, "create", 1, EIO, 1);
    assert_int_equal(-1, journal_tick(journal, kit->now, &err));
    assert_true(journal_is_broken(journal));
    /* The chain would seem cut: it keeps the name of an open one. */
    assert_null(fake_medium_file(kit->fake, KIT_PATH(0, "")).data);
    assert_int_equal(0, journal_try_reopen(journal, kit->now, &err));
    kit_end(kit, journal);
    scoped(tail_free) struct tail tail = {0};
    scoped(buf_free) struct buf plain = {0};

    kit_assert_sealed(kit, KIT_PATH(0, ""), &tail, &plain);
    assert_string_equal("age", tail.index.reason);
    tail_free(&tail);
    buf_clear(&plain);
    kit_assert_sealed(kit, KIT_PATH(1, ""), &tail, &plain);
    assert_seqs("1-gap 2 ", &plain);
    assert_int_equal(0, kit_count(buf_str(&plain), "\"from\""));
}

/* Each call fails once, with each cause: whatever happens, in the end every number is there once,
 * or is named by a gap, what was durable is there, and the chain holds. */
static void any_call_may_fail(void **state)
{
    static const int causes[] = {ENOSPC, EIO};
    struct kit *kit = *state;
    unsigned tried = 0;

    for (size_t c = 0; c < 2; c++) {
        for (unsigned nth = 1; nth < 60; nth++, tried++) {
            void *fresh = NULL;

            kit_set_up(&fresh);
            kit = fresh;
            kit->config.seal_bytes = 4000;
            scoped(journal_free) struct journal *journal = kit_open(kit);
            struct error err = {0};
            scoped(buf_free) struct buf durable = {0};

            fake_medium_fail(kit->fake, "*", nth, causes[c], 1);
            for (int i = 0; i < 12; i++) {
                uint64_t seq = journal_next_seq(journal);

                if (kit_append(kit, journal, "request", 1000, &err) == 0 &&
                    journal_commit(journal, i % 3 ? JOURNAL_DURABLE : JOURNAL_WRITTEN, kit->now,
                                   &err) == 0 &&
                    i % 3)
                    buf_printf(&durable, " %llu ", (unsigned long long)seq);
                ignore(journal_tick(journal, kit->now, &err));
                if (journal_is_broken(journal))
                    ignore(journal_try_reopen(journal, kit->now, &err));
            }
            while (journal_last_index_sha256(journal)[0] == '\0') {
                ignore(journal_reopen_to_end(journal, kit->now, &err));
                ignore(kit_append(kit, journal, "session.end", 0, &err));
                ignore(journal_end(journal, "end", kit->now, &err));
            }
            ignore(journal_end(journal, "end", kit->now, &err));

            scoped(buf_free) struct buf all = {.limit = 1 << 22};
            char previous[SHA256_HEX_BYTES] = HASH_NONE;
            bool is_last = false;

            for (unsigned n = 0; !is_last; n++) {
                char path[128];
                scoped(tail_free) struct tail tail = {0};
                scoped(buf_free) struct buf plain = {0};

                snprintf(path, sizeof path, "%s/%s-00c0ffee-%05u.jsonl.zst", KIT_SPOOL, KIT_SESSION,
                         n);
                kit_assert_sealed(kit, path, &tail, &plain);
                assert_string_equal(previous, tail.index.previous);
                memcpy(previous, tail.line_sha256, sizeof previous);
                is_last = tail.index.is_last;
                buf_append_str(&all, buf_str(&plain));
            }
            assert_string_equal(previous, journal_last_index_sha256(journal));
            scoped(free_text) char *seqs = kit_seqs(buf_str(&all));
            scoped(free_text) char *padded = NULL;

            assert_true(asprintf(&padded, " %s", seqs) > 0);
            for (struct str rest = buf_str(&durable); rest.len;) {
                char seq[32];
                struct str part =
                    str_first(rest, (size_t)str_find(str_skip(rest, 1), STR(" ")) + 2);

                snprintf(seq, sizeof seq, "%.*s", STR_ARG(part));
                assert_non_null(strstr(padded, seq));
                rest = str_skip(rest, part.len);
            }
            uint64_t expected = 0;

            for (struct str rest = buf_str(&all); rest.len;) {
                struct str line = str_first(rest, (size_t)str_index(rest, '\n') + 1);
                struct event_head head;

                rest = str_skip(rest, line.len);
                if (!event_parse_head(&head, line))
                    continue;
                if (head.seq != expected) {
                    char from[64];

                    assert_true(str_is(head.type, "gap"));
                    snprintf(from, sizeof from, "\"from\":%llu,\"to\":%llu,",
                             (unsigned long long)expected, (unsigned long long)head.seq - 1);
                    assert_true(str_find(line, str_from(from)) >= 0);
                }
                expected = head.seq + 1;
            }
            journal_free(&journal);
            kit_tear_down(&fresh);
        }
    }
    assert_int_equal(118, tried);
}

static void expect_is_over_the_hashes_in_the_order_of_journals(void **state)
{
    struct journal_last last[] = {{"beef0000", "bb"}, {"00c0ffee", "aa"}};
    char hex[JOURNAL_EXPECT_BYTES];
    char expected[SHA256_HEX_BYTES];

    assert_string_equal(sha256_hex(STR("aa\nbb\n"), expected), journal_expect(last, 2, hex));
}

#define with_kit(test) cmocka_unit_test_setup_teardown(test, kit_set_up, kit_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_kit(commit_reaches_its_level_and_no_more),
        with_kit(commit_does_nothing_when_there_is_nothing),
        with_kit(open_locks_before_it_names),
        with_kit(append_refuses_what_is_not_the_next_event),
        with_kit(end_seals_what_verifies),
        with_kit(seal_keeps_its_order),
        with_kit(tick_never_seals_a_segment_without_an_event),
        with_kit(segments_and_frames_are_chained_when_they_are_full),
        with_kit(segment_ends_before_its_plain_text_is_too_long),
        with_kit(full_disk_leaves_a_sealed_segment_and_a_gap),
        with_kit(full_disk_can_still_be_ended),
        with_kit(spent_reserve_stops_the_other_journals_too),
        with_kit(nothing_durable_is_begun_anew),
        with_kit(bad_write_is_copied),
        with_kit(bad_sync_is_copied),
        with_kit(bad_copy_waits_for_room),
        with_kit(failed_rename_is_tried_again),
        with_kit(next_segment_has_a_gap_without_numbers_when_none_were_lost),
        with_kit(any_call_may_fail),
        cmocka_unit_test(expect_is_over_the_hashes_in_the_order_of_journals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
