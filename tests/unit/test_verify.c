#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/scoped.h"
#include "session/verify.h"

#include "forge.h"

#define KEY "v1/segments/cluster=prod/date=2026-11-22/x.jsonl.zst"

static struct root_key *root;
static struct boot *boot;
static struct trust *trust;

static int setup(void **state)
{
    scoped(buf_free) struct buf pem = {0};
    struct error err = {0};

    root = root_key_new();
    boot = boot_new(root, "eu-1", &err);
    trust = trust_new();
    root_key_public_pem(root, &pem);
    return trust_add(trust, buf_str(&pem), "root", &err);
}

static int teardown(void **state)
{
    trust_free(&trust);
    boot_free(&boot);
    root_key_free(&root);
    return 0;
}

/* A journal of three segments with five events each. */
struct journal_files {
    struct buf files[3];
    char hashes[3][SHA256_HEX_BYTES];
};

static void files_free(struct journal_files *files)
{
    for (int i = 0; i < 3; i++)
        buf_free(&files->files[i]);
}

static struct journal_files forge_journal(void)
{
    struct journal_files files = {0};

    for (uint32_t n = 0; n < 3; n++) {
        scoped(forge_free) struct forge forge = {0};

        forge_begin(&forge, boot, FORGE_SESSION, FORGE_JOURNAL, n, n ? files.hashes[n - 1] : NULL);
        for (uint64_t seq = n * 5; seq < n * 5 + 5; seq++)
            forge_event(&forge, "request", seq);
        forge_seal(&forge, boot, n == 2, n == 2 ? "end" : "size", &files.files[n], files.hashes[n]);
    }
    return files;
}

static void add(struct verify *verify, uint32_t n, const struct buf *file)
{
    const struct verify_object object = {KEY, n, true};
    struct str bytes = buf_str(file);
    struct source source = source_from_memory(&bytes);

    verify_sealed(verify, &object, &source);
}

static struct verify *begin(void)
{
    struct verify *verify = verify_new(FORGE_SESSION, trust);

    verify_journal(verify, FORGE_JOURNAL);
    return verify;
}

static void assert_verdict(enum verdict verdict, const struct verify_report *report)
{
    if (report->verdict != verdict)
        for (size_t i = 0; i < report->finding_count; i++)
            print_error("%s: expected %s, found %s\n", report->findings[i].what.place,
                        report->findings[i].what.expected, report->findings[i].what.found);
    assert_string_equal(verdict_word(verdict), verdict_word(report->verdict));
}

static void finish_says_intact_of_a_whole_session(void **state)
{
    scoped(files_free) struct journal_files files = forge_journal();
    scoped(verify_free) struct verify *verify = begin();
    scoped(verify_report_free) struct verify_report report = {0};
    char text[SHA256_HEX_BYTES + 1], expect[SHA256_HEX_BYTES];

    snprintf(text, sizeof text, "%s\n", files.hashes[2]);
    sha256_hex(str_from(text), expect);
    for (uint32_t n = 0; n < 3; n++)
        add(verify, n, &files.files[n]);
    verify_finish(verify, expect, &report);

    assert_verdict(VERDICT_INTACT, &report);
    assert_int_equal(ANSWER_HOLDS, report.integrity);
    assert_int_equal(ANSWER_HOLDS, report.completeness);
    assert_true(report.is_anchored);
    assert_false(report.is_self_attested);
    assert_int_equal(15, report.events);
    assert_int_equal(3, report.segments);
    assert_string_equal("eu-1", report.gateway);
    assert_int_equal(0, report.finding_count);
}

static void finish_says_truncated_of_each_missing_segment(void **state)
{
    scoped(files_free) struct journal_files files = forge_journal();

    for (uint32_t missing = 0; missing < 3; missing++) {
        scoped(verify_free) struct verify *verify = begin();
        scoped(verify_report_free) struct verify_report report = {0};
        char expected[32];

        for (uint32_t n = 0; n < 3; n++)
            if (n != missing)
                add(verify, n, &files.files[n]);
        verify_finish(verify, NULL, &report);
        assert_verdict(VERDICT_TRUNCATED, &report);
        assert_int_equal(1, report.finding_count);
        snprintf(expected, sizeof expected, "segment %u", missing);
        assert_string_equal(expected, report.findings[0].what.expected);
        assert_int_equal(ANSWER_HOLDS, report.integrity);
        assert_int_equal(ANSWER_FAILS, report.completeness);
    }
}

static void finish_says_tampered_of_every_changed_byte(void **state)
{
    scoped(files_free) struct journal_files files = forge_journal();
    struct buf *file = &files.files[1];

    for (size_t at = 0; at < file->len; at++) {
        scoped(verify_free) struct verify *verify = begin();
        scoped(verify_report_free) struct verify_report report = {0};
        bool is_version = memcmp(file->data + (at < 20 ? 0 : at - 4), "\"v\":", 4) == 0;

        file->data[at] ^= 1;
        for (uint32_t n = 0; n < 3; n++)
            add(verify, n, &files.files[n]);
        verify_finish(verify, NULL, &report);
        assert_verdict(is_version ? VERDICT_UNVERIFIABLE : VERDICT_TAMPERED, &report);
        file->data[at] ^= 1;
    }
}

static void finish_says_tampered_of_another_end_than_expected(void **state)
{
    scoped(files_free) struct journal_files files = forge_journal();
    scoped(verify_free) struct verify *verify = begin();
    scoped(verify_report_free) struct verify_report report = {0};

    for (uint32_t n = 0; n < 3; n++)
        add(verify, n, &files.files[n]);
    verify_finish(verify, HASH_NONE, &report);
    assert_verdict(VERDICT_TAMPERED, &report);
    assert_false(report.is_anchored);
}

/* One segment whose events are the caller's. */
static enum verdict verdict_of(struct forge *forge)
{
    scoped(buf_free) struct buf file = {.limit = 64 << 20};
    scoped(verify_free) struct verify *verify = begin();
    scoped(verify_report_free) struct verify_report report = {0};
    char hash[SHA256_HEX_BYTES];

    forge_seal(forge, boot, true, "end", &file, hash);
    add(verify, 0, &file);
    verify_finish(verify, NULL, &report);
    forge_free(forge);
    return report.verdict;
}

static void finish_takes_holes_only_where_a_gap_names_them(void **state)
{
    static const struct {
        uint64_t seq;
        int64_t from, to;
        enum verdict verdict;
    } cases[] = {
        {6, 2, 5, VERDICT_INCOMPLETE}, {2, -1, -1, VERDICT_INCOMPLETE},
        {6, -1, -1, VERDICT_TAMPERED}, {6, 3, 5, VERDICT_TAMPERED},
        {6, 2, 4, VERDICT_TAMPERED},   {6, 2, 6, VERDICT_TAMPERED},
        {2, 2, 2, VERDICT_TAMPERED},   {6, 1, 5, VERDICT_TAMPERED},
        {1, -1, -1, VERDICT_TAMPERED},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct forge forge;

        forge_begin(&forge, boot, FORGE_SESSION, FORGE_JOURNAL, 0, NULL);
        forge_event(&forge, "session.start", 0);
        forge_event(&forge, "request", 1);
        forge_gap(&forge, cases[i].seq, cases[i].from, cases[i].to);
        forge_event(&forge, "request", cases[i].seq + 1);
        assert_string_equal(verdict_word(cases[i].verdict), verdict_word(verdict_of(&forge)));
    }
}

static void finish_says_truncated_of_a_journal_that_another_names(void **state)
{
    static const struct {
        const char *journals;
        enum verdict verdict;
    } cases[] = {
        {"", VERDICT_INTACT},
        {FORGE_JOURNAL, VERDICT_INTACT},
        {FORGE_JOURNAL " 0badcafe", VERDICT_TRUNCATED},
        {"0badcafe " FORGE_JOURNAL " 0badcafe", VERDICT_TRUNCATED},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct forge forge;

        forge_begin(&forge, boot, FORGE_SESSION, FORGE_JOURNAL, 0, NULL);
        forge_event(&forge, "session.start", 0);
        forge_session_end(&forge, 1, cases[i].journals);
        assert_string_equal(verdict_word(cases[i].verdict), verdict_word(verdict_of(&forge)));
    }
}

static void finish_says_tampered_of_a_hole_without_a_gap(void **state)
{
    struct forge forge;

    forge_begin(&forge, boot, FORGE_SESSION, FORGE_JOURNAL, 0, NULL);
    forge_event(&forge, "session.start", 0);
    forge_event(&forge, "request", 2);
    assert_int_equal(VERDICT_TAMPERED, verdict_of(&forge));
}

static void finish_stops_at_a_bomb(void **state)
{
    struct forge forge;
    scoped(buf_free) struct buf bomb = {.limit = 4 << 20};

    forge_begin(&forge, boot, FORGE_SESSION, FORGE_JOURNAL, 0, NULL);
    forge_event(&forge, "session.start", 0);
    forge_end_frame(&forge);
    forge_bomb(&bomb, 262144, ' ');
    forge_add_frame(&forge, buf_str(&bomb), (uint64_t)262144 << 17, 1);
    assert_int_equal(VERDICT_TAMPERED, verdict_of(&forge));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finish_says_intact_of_a_whole_session),
        cmocka_unit_test(finish_says_truncated_of_each_missing_segment),
        cmocka_unit_test(finish_says_tampered_of_every_changed_byte),
        cmocka_unit_test(finish_says_tampered_of_another_end_than_expected),
        cmocka_unit_test(finish_takes_holes_only_where_a_gap_names_them),
        cmocka_unit_test(finish_says_truncated_of_a_journal_that_another_names),
        cmocka_unit_test(finish_says_tampered_of_a_hole_without_a_gap),
        cmocka_unit_test(finish_stops_at_a_bomb),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
