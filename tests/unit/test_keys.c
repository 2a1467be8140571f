/* Root key, boot key, fingerprint key, and the tail that they sign. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/scoped.h"
#include "session/index.h"
#include "session/keys.h"
#include "session/trust.h"

struct fixture {
    char *directory, *keys, *trust;
};

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    return remove(path);
}

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof *fixture);
    struct error err = {0};

    fixture->directory = xstrdup("/tmp/test_keys.XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    fixture->keys = xasprintf("%s/keys", fixture->directory);
    fixture->trust = xasprintf("%s/trust", fixture->directory);
    assert_int_equal(0, file_make_dirs(fixture->keys, &err));
    assert_int_equal(0, file_make_dirs(fixture->trust, &err));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    nftw(fixture->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(fixture->directory);
    free(fixture->keys);
    free(fixture->trust);
    free(fixture);
    return 0;
}

static void load_makes_keys_once(void **state)
{
    struct fixture *fixture = *state;
    scoped(keys_free) struct keys first = {0};
    scoped(keys_free) struct keys second = {0};
    struct error err = {0};
    struct stat status;
    scoped(free_text) char *path = xasprintf("%s/root.pem", fixture->keys);

    assert_int_equal(0, keys_load(&first, fixture->keys, fixture->trust, &err));
    assert_true(first.was_made);
    assert_int_equal(0, stat(path, &status));
    assert_int_equal(0600, status.st_mode & 07777);
    assert_int_equal(1, status.st_nlink); /* the temporary name is gone */
    assert_int_equal(0, keys_load(&second, fixture->keys, fixture->trust, &err));
    assert_false(second.was_made);
    assert_string_equal(root_key_id(first.root), root_key_id(second.root));
    assert_memory_equal(first.fingerprint, second.fingerprint, sizeof first.fingerprint);
    assert_int_equal(9 + 16, strlen(first.gateway));
}

static void load_makes_the_trust_file_again_when_it_is_missing(void **state)
{
    struct fixture *fixture = *state;
    scoped(keys_free) struct keys first = {0};
    scoped(keys_free) struct keys second = {0};
    struct error err = {0};

    assert_int_equal(0, keys_load(&first, fixture->keys, fixture->trust, &err));
    assert_int_equal(0, unlink(first.trust_path));
    assert_int_equal(0, keys_load(&second, fixture->keys, fixture->trust, &err));
    assert_int_equal(0, access(second.trust_path, R_OK));
}

static void load_gives_one_key_to_processes_that_race(void **state)
{
    enum { RACERS = 8 };
    struct fixture *fixture = *state;
    int ids[2];
    char seen[RACERS][ROOT_KEY_ID_BYTES];

    assert_int_equal(0, pipe(ids));
    for (int i = 0; i < RACERS; i++) {
        if (fork() == 0) {
            struct keys keys = {0};
            struct error err = {0};

            if (keys_load(&keys, fixture->keys, fixture->trust, &err) < 0)
                _exit(1);
            _exit(write(ids[1], root_key_id(keys.root), ROOT_KEY_ID_BYTES) != ROOT_KEY_ID_BYTES);
        }
    }
    for (int i = 0; i < RACERS; i++) {
        int status;

        assert_true(wait(&status) > 0);
        assert_int_equal(0, status);
        assert_int_equal(ROOT_KEY_ID_BYTES, read(ids[0], seen[i], ROOT_KEY_ID_BYTES));
        assert_string_equal(seen[0], seen[i]);
    }
    close(ids[0]);
    close(ids[1]);
}

static void load_refuses_a_key_that_others_may_read(void **state)
{
    struct fixture *fixture = *state;
    scoped(keys_free) struct keys keys = {0};
    struct error err = {0};
    scoped(free_text) char *path = xasprintf("%s/root.pem", fixture->keys);

    assert_int_equal(0, keys_load(&keys, fixture->keys, fixture->trust, &err));
    keys_free(&keys);
    assert_int_equal(0, chmod(path, 0640));
    assert_int_equal(-1, keys_load(&keys, fixture->keys, fixture->trust, &err));
    assert_int_equal(ERROR_CONFIG, err.kind);
    assert_null(keys.root);
}

static void load_refuses_what_is_no_key(void **state)
{
    struct fixture *fixture = *state;
    scoped(keys_free) struct keys keys = {0};
    struct error err = {0};
    scoped(free_text) char *path = xasprintf("%s/root.pem", fixture->keys);

    assert_int_equal(0, file_write(path, STR("rubbish\n"), 0600, &err));
    assert_int_equal(-1, keys_load(&keys, fixture->keys, fixture->trust, &err));
    assert_int_equal(ERROR_CONFIG, err.kind);
}

static void certificate_is_one_that_the_trust_file_proves(void **state)
{
    struct fixture *fixture = *state;
    scoped(keys_free) struct keys keys = {0};
    scoped(trust_free) struct trust *trust = trust_new();
    scoped(buf_free) struct buf signature = {0};
    struct error err = {0};

    assert_int_equal(0, keys_load(&keys, fixture->keys, fixture->trust, &err));
    scoped(boot_free) struct boot *boot = boot_new(keys.root, keys.gateway, &err);

    assert_non_null(boot);
    assert_int_equal(0, trust_add_directory(trust, fixture->trust, &err));
    assert_true(decode_base64(&signature, str_from(boot_certificate(boot))));
    struct certificate certificate = {
        .root_key = boot_root_key(boot),
        .gateway = boot_gateway(boot),
        .boot = boot_id(boot),
        .boot_key = boot_public_key(boot),
        .signature = buf_str(&signature),
    };

    assert_int_equal(0, trust_check(trust, &certificate, "demo", &err));
    certificate.gateway = "loopback-other";
    assert_int_equal(-1, trust_check(trust, &certificate, "demo", &err));
}

/* What the tail tests sign. */
static struct boot *make_boot(void)
{
    struct error err = {0};
    scoped(root_key_free) struct root_key *root = root_key_new();

    return boot_new(root, "loopback-test", &err);
}

static void fill(struct index *index)
{
    *index = (struct index){.n = 7,
                            .bytes = 300,
                            .plain_bytes = 900,
                            .lines = 9,
                            .seq_first = 3,
                            .seq_last = 10,
                            .is_last = true,
                            .is_recovered = true};
    snprintf(index->session, sizeof index->session, "01ARYZ6S41ZZZZZZZZZZZZZZZZ");
    snprintf(index->journal, sizeof index->journal, "0123abcd");
    snprintf(index->cluster, sizeof index->cluster, "demo");
    snprintf(index->previous, sizeof index->previous, HASH_NONE);
    snprintf(index->sha256, sizeof index->sha256, HASH_NONE);
    snprintf(index->reason, sizeof index->reason, "recovered");
    snprintf(index->time_first, sizeof index->time_first, "2023-11-14T22:13:20.000001Z");
    snprintf(index->time_last, sizeof index->time_last, "2023-11-14T22:13:20.000001Z");
    for (int i = 0; i < 2; i++) {
        struct index_frame *frame = index_add_frame(index);

        frame->offset = i ? 100 : 0;
        frame->bytes = i ? 200 : 100;
        frame->plain_offset = i ? 400 : 0;
        frame->plain_bytes = i ? 500 : 400;
        frame->lines = i ? 5 : 4;
        memcpy(frame->time_first, index->time_first, sizeof frame->time_first);
        memcpy(frame->time_last, index->time_first, sizeof frame->time_last);
        memcpy(frame->sha256, HASH_NONE, sizeof frame->sha256);
    }
    index_count_event(index, STR("request"), 6);
    index_count_event(index, STR("complete"), 2);
}

static void tail_is_read_back(void **state)
{
    scoped(boot_free) struct boot *boot = make_boot();
    scoped(index_free) struct index index = {0};
    scoped(tail_free) struct tail tail = {0};
    scoped(buf_free) struct buf bytes = {0};
    char hash[SHA256_HEX_BYTES];
    struct error err = {0};

    fill(&index);
    assert_int_equal(0, index_write_tail(&bytes, &index, boot, hash, &err));
    assert_int_equal(0, tail_parse(&tail, buf_str(&bytes), 300 + bytes.len, &err));
    assert_string_equal(hash, tail.line_sha256);
    assert_int_equal(7, tail.index.n);
    assert_int_equal(2, tail.index.frame_count);
    assert_int_equal(500, tail.index.frames[1].plain_bytes);
    assert_true(tail.index.is_last && tail.index.is_recovered);
    assert_int_equal(2, tail.index.count_count);
    assert_string_equal("request", tail.index.counts[0].type);
    assert_true(signature_is_valid(tail.index.boot_key, tail.line,
                                   str_make(tail.signature, SIGNATURE_BYTES)));
    assert_false(signature_is_valid(tail.index.boot_key, str_skip(tail.line, 1),
                                    str_make(tail.signature, SIGNATURE_BYTES)));
}

static void tail_is_refused_when_one_byte_less_or_more_stands_around_it(void **state)
{
    scoped(boot_free) struct boot *boot = make_boot();
    scoped(index_free) struct index index = {0};
    scoped(tail_free) struct tail tail = {0};
    scoped(buf_free) struct buf bytes = {0};
    char hash[SHA256_HEX_BYTES];
    struct error err = {0};

    fill(&index);
    assert_int_equal(0, index_write_tail(&bytes, &index, boot, hash, &err));
    struct str all = buf_str(&bytes);

    assert_int_equal(-1, tail_parse(&tail, all, 299 + all.len, &err));
    assert_int_equal(-1, tail_parse(&tail, all, 301 + all.len, &err));
    assert_int_equal(-1, tail_parse(&tail, str_skip(all, 1), 300 + all.len, &err));
    assert_int_equal(-1, tail_parse(&tail, str_first(all, all.len - 1), 299 + all.len, &err));
    buf_append_char(&bytes, '\n');
    assert_int_equal(-1, tail_parse(&tail, buf_str(&bytes), 300 + bytes.len, &err));
    assert_null(tail.index.frames);
}

static void tail_is_refused_when_frames_do_not_tile(void **state)
{
    scoped(boot_free) struct boot *boot = make_boot();

    for (int kind = 0; kind < 6; kind++) {
        scoped(index_free) struct index index = {0};
        scoped(tail_free) struct tail tail = {0};
        scoped(buf_free) struct buf bytes = {0};
        char hash[SHA256_HEX_BYTES];
        struct error err = {0};

        fill(&index);
        uint64_t *fields[] = {&index.frames[1].offset,      &index.frames[0].bytes,
                              &index.frames[1].plain_bytes, &index.frames[1].plain_offset,
                              &index.frames[0].lines,       &index.plain_bytes};

        ++*fields[kind];
        assert_int_equal(0, index_write_tail(&bytes, &index, boot, hash, &err));
        assert_int_equal(-1, tail_parse(&tail, buf_str(&bytes), 300 + bytes.len, &err));
        assert_int_equal(ERROR_PROTOCOL, err.kind);
    }
}

static void counts_beyond_the_table_are_other(void **state)
{
    scoped(index_free) struct index index = {0};
    uint64_t total = 0;

    for (int i = 0; i < 200; i++) {
        char type[16];

        snprintf(type, sizeof type, "t%d", i);
        index_count_event(&index, str_from(type), 1);
    }
    for (size_t i = 0; i < index.count_count; i++)
        total += index.counts[i].count;
    assert_int_equal(INDEX_TYPES_MAX, index.count_count);
    assert_string_equal("other", index.counts[INDEX_TYPES_MAX - 1].type);
    assert_int_equal(200, total);
}

#define with_directory(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_directory(load_makes_keys_once),
        with_directory(load_makes_the_trust_file_again_when_it_is_missing),
        with_directory(load_gives_one_key_to_processes_that_race),
        with_directory(load_refuses_a_key_that_others_may_read),
        with_directory(load_refuses_what_is_no_key),
        with_directory(certificate_is_one_that_the_trust_file_proves),
        cmocka_unit_test(tail_is_read_back),
        cmocka_unit_test(tail_is_refused_when_one_byte_less_or_more_stands_around_it),
        cmocka_unit_test(tail_is_refused_when_frames_do_not_tile),
        cmocka_unit_test(counts_beyond_the_table_are_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
