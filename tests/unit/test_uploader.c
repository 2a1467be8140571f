/* The uploader, and reap: from a spool on a real file system into a store that may fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/scoped.h"
#include "session/event.h"
#include "session/journal.h"
#include "store-dir/store_dir.h"
#include "upload/reap.h"
#include "upload/uploader.h"

#define SESSION "01J5ZZZZZZZZZZZZZZZZZZZZZZ"
#define NAME(journal) SESSION "-" journal "-00000.jsonl.zst"

struct fixture {
    char *root;
    struct places places;
    struct keys keys;
    struct boot *boot;
    struct store *store;
};

/* The dir store, of which the first puts fail. */
static atomic_uint failures;
static atomic_uint tries;

static void put_that_fails(struct store *store, const char *spool_path, const char *key,
                           void (*done)(void *context, enum store_put_result result,
                                        const struct error *err),
                           void *context)
{
    struct error err = {0};

    atomic_fetch_add(&tries, 1);
    if (atomic_load(&failures) == 0) {
        store_dir.put(store, spool_path, key, done, context);
        return;
    }
    atomic_fetch_sub(&failures, 1);
    error_set(&err, ERROR_STORAGE, "not now");
    done(context, STORE_PUT_FAILED, &err);
}

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof *fixture);
    struct error err = {0};

    fixture->root = xstrdup("/tmp/test_uploader.XXXXXX");
    assert_non_null(mkdtemp(fixture->root));
    fixture->places = (struct places){
        .store = xasprintf("%s/store", fixture->root),
        .spool = xasprintf("%s/spool", fixture->root),
        .keys = xasprintf("%s/keys", fixture->root),
        .trust = xasprintf("%s/trust", fixture->root),
    };
    assert_int_equal(0, places_make(&fixture->places, &err));
    assert_int_equal(0,
                     keys_load(&fixture->keys, fixture->places.keys, fixture->places.trust, &err));
    fixture->boot = boot_new(fixture->keys.root, fixture->keys.gateway, &err);
    fixture->store = store_dir.open(fixture->places.store, &err);
    assert_non_null(fixture->store);
    failures = tries = 0;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    scoped(free_text) char *command = xasprintf("rm -rf %s", fixture->root);
    int status = system(command);

    store_dir.close(&fixture->store);
    boot_free(&fixture->boot);
    keys_free(&fixture->keys);
    places_free(&fixture->places);
    free(fixture->root);
    free(fixture);
    return status;
}

static void append_event(struct journal *journal, const char *type)
{
    scoped(buf_free) struct buf line = {0};
    struct instant now = clock_now();
    struct error err = {0};

    event_begin(&line, type,
                &(struct event_stamp){.session = SESSION,
                                      .seq = journal_next_seq(journal),
                                      .at = now,
                                      .exchange = EVENT_NO_EXCHANGE});
    event_end(&line);
    assert_int_equal(0, journal_append(journal, buf_str(&line), type, now, &err));
    assert_int_equal(0, journal_commit(journal, JOURNAL_DURABLE, now, &err));
}

static struct journal *begin(struct fixture *fixture, unsigned char id, struct uploader *uploader)
{
    const struct journal_config config = {
        .session = SESSION,
        .cluster = "demo",
        .boot = fixture->boot,
        .medium = &medium_posix,
        .spool_directory = fixture->places.spool,
        .journal_id = {id, 0, 0, 0},
        .sealed = uploader ? uploader_add : NULL,
        .context = uploader,
    };
    struct error err = {0};
    struct journal *journal = journal_open(&config, clock_now(), &err);

    assert_non_null(journal);
    append_event(journal, "session.start");
    return journal;
}

static void end(struct journal *journal)
{
    struct error err = {0};

    append_event(journal, "session.end");
    assert_int_equal(0, journal_end(journal, "end", clock_now(), &err));
}

static bool is_stored(const struct fixture *fixture, const char *name)
{
    scoped(free_text) char *path =
        xasprintf("%s/v1/segments/cluster=demo/date=2024-08-23/%s", fixture->places.store, name);

    return access(path, F_OK) == 0;
}

static bool is_spooled(const struct fixture *fixture, const char *name)
{
    scoped(free_text) char *path = xasprintf("%s/%s", fixture->places.spool, name);

    return access(path, F_OK) == 0;
}

static void sealed_segments_reach_the_store(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};
    struct uploader *uploader = uploader_start(&store_dir, fixture->store, &err);
    scoped(journal_free) struct journal *journal = begin(fixture, 0xAA, uploader);

    end(journal);
    assert_int_equal(0, uploader_flush(uploader, &err));
    uploader_stop(&uploader);
    assert_true(is_stored(fixture, NAME("aa000000")));
    assert_false(is_spooled(fixture, NAME("aa000000")));
}

static void what_fails_stays_and_is_tried_again_at_a_flush(void **state)
{
    struct fixture *fixture = *state;
    struct store_type type = store_dir;
    struct error err = {0};

    type.put = put_that_fails;
    struct uploader *uploader = uploader_start(&type, fixture->store, &err);
    scoped(journal_free) struct journal *first = begin(fixture, 0xAA, uploader);
    scoped(journal_free) struct journal *second = begin(fixture, 0xBB, uploader);

    failures = 1000;
    end(first);
    end(second);
    assert_int_equal(-1, uploader_flush(uploader, &err));
    assert_non_null(strstr(err.text, "not now"));
    assert_true(is_spooled(fixture, NAME("aa000000")) || is_spooled(fixture, NAME("bb000000")));
    failures = 0;
    assert_int_equal(0, uploader_flush(uploader, &err));
    uploader_stop(&uploader);
    assert_true(is_stored(fixture, NAME("aa000000")));
    assert_true(is_stored(fixture, NAME("bb000000")));
    assert_true(tries >= 4); /* each failed, and did not */
}

/* A put that is held back until it is let go, and then fails the first times. */
static sem_t has_begun, may_go_on;

static void put_that_waits(struct store *store, const char *spool_path, const char *key,
                           void (*done)(void *context, enum store_put_result result,
                                        const struct error *err),
                           void *context)
{
    if (atomic_load(&tries) == 1) { /* the second one */
        sem_post(&has_begun);
        sem_wait(&may_go_on);
    }
    put_that_fails(store, spool_path, key, done, context);
}

static void *let_go(void *unused)
{
    sem_post(&may_go_on);
    return NULL;
}

/* A retry that runs when the flush comes may be the one that succeeds. */
static void flush_waits_for_a_retry_that_has_begun(void **state)
{
    struct fixture *fixture = *state;
    struct store_type type = store_dir;
    struct error err = {0};
    pthread_t helper;

    sem_init(&has_begun, 0, 0);
    sem_init(&may_go_on, 0, 0);
    type.put = put_that_waits;
    struct uploader *uploader = uploader_start(&type, fixture->store, &err);
    scoped(journal_free) struct journal *journal = begin(fixture, 0xAA, uploader);

    failures = 1;
    end(journal);
    sem_wait(&has_begun);
    pthread_create(&helper, NULL, let_go, NULL);
    assert_int_equal(0, uploader_flush(uploader, &err));
    pthread_join(helper, NULL);
    uploader_stop(&uploader);
    assert_true(is_stored(fixture, NAME("aa000000")));
}

static void what_another_process_has_stored_is_done(void **state)
{
    struct fixture *fixture = *state;
    struct store_type type = store_dir;
    struct reap_report report;
    struct error err = {0};

    type.put = put_that_fails;
    struct uploader *uploader = uploader_start(&type, fixture->store, &err);
    scoped(journal_free) struct journal *journal = begin(fixture, 0xAA, uploader);

    failures = 1;
    end(journal);
    assert_int_equal(0, reap(&fixture->places, &store_dir, fixture->store, NULL, &report, &err));
    assert_int_equal(1, report.stored);
    assert_int_equal(0, uploader_flush(uploader, &err));
    uploader_stop(&uploader);
}

static void what_is_gone_and_not_in_the_store_is_not_done(void **state)
{
    struct fixture *fixture = *state;
    struct store_type type = store_dir;
    struct error err = {0};
    scoped(free_text) char *path = xasprintf("%s/%s", fixture->places.spool, NAME("aa000000"));
    scoped(free_text) char *stored = xasprintf(
        "%s/v1/segments/cluster=demo/date=2024-08-23/" NAME("aa000000"), fixture->places.store);
    scoped(free_text) char *directory =
        xasprintf("%s/v1/segments/cluster=demo/date=2024-08-23", fixture->places.store);

    type.put = put_that_fails;
    struct uploader *uploader = uploader_start(&type, fixture->store, &err);
    scoped(journal_free) struct journal *journal = begin(fixture, 0xAA, uploader);

    failures = 1;
    end(journal);
    assert_int_equal(0, unlink(path));
    assert_int_equal(-1, uploader_flush(uploader, &err));
    /* Not by its name alone either. */
    assert_int_equal(0, file_make_dirs(directory, &err));
    assert_int_equal(0, file_write(stored, STR("rubbish"), 0600, &err));
    assert_int_equal(-1, uploader_flush(uploader, &err));
    uploader_stop(&uploader);
}

static void flush_says_that_something_is_left(void **state)
{
    struct fixture *fixture = *state;
    struct store_type type = store_dir;
    struct error err = {0};

    type.put = put_that_fails;
    struct uploader *uploader = uploader_start(&type, fixture->store, &err);
    scoped(journal_free) struct journal *journal = begin(fixture, 0xAA, uploader);

    failures = 1000;
    end(journal);
    assert_int_equal(-1, uploader_flush(uploader, &err));
    assert_int_equal(-1, uploader_flush(uploader, &err));
    assert_int_equal(ERROR_STORAGE, err.kind);
    uploader_stop(&uploader);
    assert_true(is_spooled(fixture, NAME("aa000000")));
}

/* A gateway that was killed: another process seals and stores what it left. */
static void reap_seals_and_stores_what_died_and_leaves_what_runs(void **state)
{
    struct fixture *fixture = *state;
    struct reap_report report;
    struct error err = {0};
    int status;
    pid_t child = fork();

    if (child == 0) {
        begin(fixture, 0xAA, NULL);
        _exit(0); /* as a kill: nothing is closed in order */
    }
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_int_equal(0, status);
    scoped(journal_free) struct journal *running = begin(fixture, 0xBB, NULL);

    assert_int_equal(0, reap(&fixture->places, &store_dir, fixture->store, NULL, &report, &err));
    assert_string_equal("", report.problem.text);
    assert_int_equal(1, report.recovered);
    assert_int_equal(1, report.running);
    assert_int_equal(1, report.stored);
    assert_true(is_stored(fixture, NAME("aa000000")));
    assert_true(is_spooled(fixture, NAME("bb000000") ".part"));
    end(running);
}

static void reap_passes_over_one_bad_file(void **state)
{
    struct fixture *fixture = *state;
    scoped(free_text) char *bad = xasprintf("%s/%s", fixture->places.spool, NAME("aa000000"));
    scoped(journal_free) struct journal *journal = begin(fixture, 0xBB, NULL);
    struct reap_report report;
    struct error err = {0};

    end(journal);
    assert_int_equal(0, file_write(bad, STR("rubbish"), 0600, &err));
    assert_int_equal(0, reap(&fixture->places, &store_dir, fixture->store, SESSION, &report, &err));
    assert_int_equal(1, report.failed);
    assert_int_equal(1, report.stored);
    assert_true(is_stored(fixture, NAME("bb000000")));
    assert_true(is_spooled(fixture, NAME("aa000000")));
}

#define with_places(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_places(sealed_segments_reach_the_store),
        with_places(what_fails_stays_and_is_tried_again_at_a_flush),
        with_places(flush_waits_for_a_retry_that_has_begun),
        with_places(what_another_process_has_stored_is_done),
        with_places(what_is_gone_and_not_in_the_store_is_not_done),
        with_places(flush_says_that_something_is_left),
        with_places(reap_seals_and_stores_what_died_and_leaves_what_runs),
        with_places(reap_passes_over_one_bad_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
