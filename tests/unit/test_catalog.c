#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/scoped.h"
#include "upload/catalog.h"
#include "upload/verify_catalog.h"

#include "forge.h"

#define A "01JD2K9QABCDEFGHJKMNPQRST0"
#define B "01JD2K9QABCDEFGHJKMNPQRST1"
#define C "01JF0000ABCDEFGHJKMNPQRST0"
#define IN_STORE "store/v1/segments/cluster=prod/date=2026-11-22/"

static char root[] = "/tmp/test-catalog-XXXXXX";

static void put(const char *name)
{
    scoped(free_text) char *path = xasprintf("%s/%s", root, name);
    scoped(free_text) char *dir = xstrdup(path);
    struct error err = {0};

    *strrchr(dir, '/') = '\0';
    assert_int_equal(0, file_make_dirs(dir, &err));
    assert_int_equal(0, file_write(path, STR("content"), 0600, &err));
}

static struct catalog *open_both(bool spool_follows)
{
    scoped(free_text) char *store = xasprintf("file:%s/store/", root);
    scoped(free_text) char *spool = xasprintf("%s/spool", root);
    const struct catalog_places places = {store, spool, spool_follows};
    struct error err = {0};
    struct catalog *catalog = catalog_open(&places, true, &err);

    assert_non_null(catalog);
    return catalog;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    return remove(path);
}

static int setup(void **state)
{
    memcpy(root + sizeof root - 7, "XXXXXX", 6);
    if (!mkdtemp(root))
        return -1;
    put(IN_STORE A "-00000001-00000.jsonl.zst");
    put(IN_STORE A "-00000001-00001.jsonl.zst");
    put(IN_STORE A "-00000001-00001.conflict-" B ".jsonl.zst");
    put(IN_STORE B "-00000002-00000.jsonl.zst");
    put(IN_STORE "notes.txt");
    put("store/v1/digests/gateway=x/date=2026-11-22/" A "-0000000000.json");
    put("spool/" A "-00000001-00001.jsonl.zst");
    put("spool/" A "-00000001-00002.jsonl.zst.part");
    put("spool/" A "-00000003-00000.jsonl.zst.bad");
    put("spool/" C "-00000009-00000.jsonl.zst.part");
    return 0;
}

static int teardown(void **state)
{
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void open_sorts_files_into_sessions(void **state)
{
    scoped(catalog_free) struct catalog *catalog = open_both(false);

    assert_int_equal(3, catalog_count(catalog));
    const struct catalog_session *session = catalog_session(catalog, 0);
    assert_string_equal(A, session->id);
    assert_int_equal(2, session->count);
    const struct catalog_journal *journal = &session->journals[0];
    assert_string_equal("00000001", journal->id);
    assert_string_equal("prod", journal->cluster);
    assert_int_equal(5, journal->count);
    static const struct {
        uint32_t n;
        enum segment_form form;
        bool in_store;
    } want[] = {{0, SEGMENT_SEALED, true},
                {1, SEGMENT_SEALED, true},
                {1, SEGMENT_SEALED, false},
                {1, SEGMENT_CONFLICT, true},
                {2, SEGMENT_CRASHED, false}};
    for (size_t i = 0; i < journal->count; i++) {
        assert_int_equal(want[i].n, journal->segments[i].n);
        assert_int_equal((int)want[i].form, (int)journal->segments[i].form);
        assert_int_equal(want[i].in_store, journal->segments[i].in_store);
        assert_int_equal(7, journal->segments[i].bytes);
    }
    assert_string_equal("v1/segments/cluster=prod/date=2026-11-22/" A "-00000001-00000.jsonl.zst",
                        journal->segments[0].key);
    assert_int_equal((int)SEGMENT_BAD, (int)session->journals[1].segments[0].form);
}

static void open_tells_a_running_part_by_its_lock(void **state)
{
    scoped(free_text) char *path = xasprintf("%s/spool/" C "-00000009-00000.jsonl.zst.part", root);
    scoped(fd_close) int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_int_equal(0, flock(fd, LOCK_EX));
    scoped(catalog_free) struct catalog *catalog = open_both(false);
    const struct catalog_session *session = catalog_session(catalog, 2);

    assert_string_equal(C, session->id);
    assert_int_equal((int)SEGMENT_RUNNING, (int)session->journals[0].segments[0].form);
}

static void open_lets_the_spool_follow_the_store(void **state)
{
    scoped(catalog_free) struct catalog *catalog = open_both(true);

    assert_int_equal(2, catalog_count(catalog));
    assert_int_equal(1, catalog_session(catalog, 0)->count);
    assert_int_equal(5, catalog_session(catalog, 0)->journals[0].count);
}

/* In a process of a user whom permissions bind. */
static void look_beside_a_closed_directory(void)
{
    bool is_bound = getuid() != 0 || setuid(65534) == 0;
    scoped(catalog_free) struct catalog *catalog = open_both(true);
    const struct error *problem = catalog_problem(catalog);

    _exit(is_bound && catalog_count(catalog) == 2 && problem &&
                  strstr(problem->text, "cluster=closed")
              ? 0
              : 1);
}

static void open_lists_what_stands_beside_a_closed_directory(void **state)
{
    static const char *const places[] = {"",
                                         "/store",
                                         "/store/v1",
                                         "/store/v1/segments",
                                         "/store/v1/segments/cluster=prod",
                                         ("/" IN_STORE),
                                         "/spool"};
    scoped(free_text) char *closed = xasprintf("%s/store/v1/segments/cluster=closed", root);
    int status = -1;

    put("store/v1/segments/cluster=closed/date=2026-11-22/" C "-00000009-00000.jsonl.zst");
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        scoped(free_text) char *place = xasprintf("%s%s", root, places[i]);

        assert_int_equal(0, chmod(place, 0755));
    }
    assert_int_equal(0, chmod(closed, 0));
    pid_t child = fork();
    if (child == 0)
        look_beside_a_closed_directory();
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_int_equal(0, chmod(closed, 0700));
    assert_int_equal(0, status);
    scoped(catalog_free) struct catalog *again = open_both(true);
    assert_null(catalog_problem(again));
}

static void open_refuses_a_place_that_is_not_there(void **state)
{
    const struct catalog_places places = {"/nonexistent/store", "/nonexistent/spool", false};
    const struct catalog_places remote = {"s3://bucket", NULL, false};
    struct error err = {0};

    scoped(catalog_free) struct catalog *catalog = catalog_open(&places, false, &err);
    assert_non_null(catalog);
    assert_int_equal(0, catalog_count(catalog));
    assert_null(catalog_open(&places, true, &err));
    assert_int_equal(ERROR_UNVERIFIABLE, err.kind);
    assert_null(catalog_open(&remote, false, &err));
    assert_int_equal(ERROR_UNVERIFIABLE, err.kind);
}

static void find_resolves_names(void **state)
{
    scoped(catalog_free) struct catalog *catalog = open_both(false);
    struct error err = {0};

    assert_string_equal(A, catalog_find(catalog, A, &err)->id);
    assert_string_equal(C, catalog_find(catalog, "01jf", &err)->id);
    assert_string_equal(C, catalog_find(catalog, "@last", &err)->id);
    assert_string_equal(C, catalog_find(catalog, "@1", &err)->id);
    assert_string_equal(A, catalog_find(catalog, "@3", &err)->id);
    assert_int_equal(26, catalog_short_length(catalog));

    static const struct {
        const char *name;
        enum error_kind kind;
    } bad[] = {{"01JX", ERROR_NOT_FOUND}, {"@4", ERROR_NOT_FOUND},  {"01J", ERROR_USAGE},
               {"@0", ERROR_USAGE},       {"@first", ERROR_USAGE},  {"", ERROR_NOT_FOUND},
               {"../x", ERROR_NOT_FOUND}, {A "0", ERROR_NOT_FOUND}, {"01JD", ERROR_NOT_FOUND}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(catalog_find(catalog, bad[i].name, &err));
        assert_int_equal((int)bad[i].kind, (int)err.kind);
    }
    assert_non_null(strstr(err.text, A ", " B));
}

static void open_segment_reads_ranges(void **state)
{
    scoped(catalog_free) struct catalog *catalog = open_both(false);
    const struct catalog_segment *segment = &catalog_session(catalog, 1)->journals[0].segments[0];
    scoped(source_close) struct source source = {0};
    struct error err = {0};
    char data[4] = "";

    assert_int_equal(0, catalog_open_segment(segment, &source, &err));
    assert_int_equal(7, source.bytes);
    assert_int_equal(0, source_read(&source, 3, data, 4, &err));
    assert_memory_equal("tent", data, 4);
    assert_int_equal(-1, source_read(&source, 4, data, 4, &err));
    assert_int_equal(ERROR_STORAGE, err.kind);

    assert_int_equal(0, unlink(segment->path));
    assert_int_equal(0, symlink("/etc/passwd", segment->path));
    struct source link = {0};
    assert_int_equal(-1, catalog_open_segment(segment, &link, &err));
}

static void move_to_store(const char *name)
{
    scoped(free_text) char *from = xasprintf("%s/spool/%s", root, name);
    scoped(free_text) char *to = xasprintf("%s/" IN_STORE "%s", root, name);

    assert_int_equal(0, rename(from, to));
}

static void relist_sees_what_has_moved_of_one_session(void **state)
{
    scoped(catalog_free) struct catalog *catalog = open_both(false);
    struct error err = {0};

    move_to_store(C "-00000009-00000.jsonl.zst.part");
    scoped(catalog_free) struct catalog *again = catalog_relist(catalog, A, &err);
    assert_non_null(again);
    assert_int_equal(1, catalog_count(again));
    assert_string_equal(A, catalog_session(again, 0)->id);
    assert_int_equal(2, catalog_session(again, 0)->count);
    scoped(catalog_free) struct catalog *none = catalog_relist(catalog, C, &err);
    assert_int_equal(0, catalog_count(none)); /* not the directory of its day */
}

/* Two segments: one in the store, the last still in the spool. */
static void put_honest_session(struct trust *trust)
{
    static const char *const places[] = {IN_STORE, "spool/"};
    scoped(root_key_free) struct root_key *key = root_key_new();
    scoped(buf_free) struct buf pem = {0};
    struct error err = {0};
    scoped(boot_free) struct boot *boot = boot_new(key, "eu-1", &err);
    char hash[SHA256_HEX_BYTES] = "";

    root_key_public_pem(key, &pem);
    assert_int_equal(0, trust_add(trust, buf_str(&pem), "root", &err));
    for (uint32_t n = 0; n < 2; n++) {
        scoped(forge_free) struct forge forge = {0};
        scoped(buf_free) struct buf file = {0};
        scoped(free_text) char *path = xasprintf(
            "%s/%s" FORGE_SESSION "-" FORGE_JOURNAL "-%05u.jsonl.zst", root, places[n], n);

        forge_begin(&forge, boot, FORGE_SESSION, FORGE_JOURNAL, n, n ? hash : NULL);
        forge_event(&forge, "request", n);
        forge_seal(&forge, boot, n == 1, "end", &file, hash);
        assert_int_equal(0, file_write(path, buf_str(&file), 0600, &err));
    }
}

static void verify_looks_again_before_it_says_that_files_are_missing(void **state)
{
    scoped(trust_free) struct trust *trust = trust_new();
    scoped(verify_report_free) struct verify_report waiting = {0}, moved = {0}, gone = {0};
    scoped(free_text) char *last =
        xasprintf("%s/" IN_STORE FORGE_SESSION "-" FORGE_JOURNAL "-00001.jsonl.zst", root);
    struct error err = {0};

    put_honest_session(trust);
    scoped(catalog_free) struct catalog *catalog = open_both(false);
    const struct catalog_session *session = catalog_find(catalog, FORGE_SESSION, &err);

    catalog_verify(catalog, session, trust, NULL, &waiting);
    assert_string_equal("INCOMPLETE", verdict_word(waiting.verdict));
    move_to_store(FORGE_SESSION "-" FORGE_JOURNAL "-00001.jsonl.zst");
    catalog_verify(catalog, session, trust, NULL, &moved);
    assert_string_equal("INTACT", verdict_word(moved.verdict));
    assert_int_equal(0, unlink(last));
    catalog_verify(catalog, session, trust, NULL, &gone);
    assert_string_equal("TRUNCATED", verdict_word(gone.verdict));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(open_sorts_files_into_sessions),
        TEST(open_tells_a_running_part_by_its_lock),
        TEST(open_lets_the_spool_follow_the_store),
        TEST(open_lists_what_stands_beside_a_closed_directory),
        TEST(open_refuses_a_place_that_is_not_there),
        TEST(find_resolves_names),
        TEST(open_segment_reads_ranges),
        TEST(relist_sees_what_has_moved_of_one_session),
        TEST(verify_looks_again_before_it_says_that_files_are_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
