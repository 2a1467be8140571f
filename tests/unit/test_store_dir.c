/* The dir store and the POSIX medium, in a directory of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/scoped.h"
#include "session/source.h"
#include "store-dir/store_dir.h"
#include "upload/catalog.h"
#include "upload/spool.h"

#define KEY "v1/segments/cluster=c/date=2026-11-25/x-00000.jsonl.zst"

struct fixture {
    char root[64];
    char *spooled; /* a file that holds "segment" */
    char *stored;  /* where KEY is */
    struct store *store;
    enum store_put_result result;
};

/* In place of the C library's: how often a file or directory was synced; a directory that breaks.
 */
static unsigned syncs;
static int entries_until_broken = -1; /* < 0: never */

int fsync(int fd)
{
    syncs++;
    return (int)syscall(SYS_fsync, fd);
}

struct dirent *readdir(DIR *directory)
{
    static struct dirent *(*real)(DIR * directory);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "readdir");
    if (entries_until_broken == 0) {
        errno = EIO;
        return NULL;
    }
    if (entries_until_broken > 0)
        entries_until_broken--;
    return real(directory);
}

static int setup(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof *fixture);
    struct error err = {0};
    scoped(free_text) char *url = NULL;

    snprintf(fixture->root, sizeof fixture->root, "/tmp/khoop-test-XXXXXX");
    if (!mkdtemp(fixture->root))
        return -1;
    fixture->spooled = xasprintf("%s/spooled", fixture->root);
    fixture->stored = xasprintf("%s/store/%s", fixture->root, KEY);
    url = xasprintf("file://%s/store", fixture->root);
    fixture->store = store_dir.open(url, &err);
    *state = fixture;
    return file_write(fixture->spooled, STR("segment"), 0600, &err);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    scoped(free_text) char *command = xasprintf("rm -rf %s", fixture->root);

    store_dir.close(&fixture->store);
    int status = system(command);

    free(fixture->spooled);
    free(fixture->stored);
    free(fixture);
    return status;
}

static void on_put(void *context, enum store_put_result result, const struct error *err)
{
    ((struct fixture *)context)->result = result;
}

static void assert_holds(const char *path, const char *text)
{
    scoped(buf_free) struct buf held = {0};
    struct error err = {0};

    assert_int_equal(0, file_read(path, &held, &err));
    assert_true(str_is(buf_str(&held), text));
}

static void put_moves_the_file_out_of_the_spool(void **state)
{
    struct fixture *fixture = *state;

    store_dir.put(fixture->store, fixture->spooled, KEY, on_put, fixture);
    assert_int_equal(STORE_PUT_DONE, fixture->result);
    assert_holds(fixture->stored, "segment");
    assert_int_equal(-1, access(fixture->spooled, F_OK));
}

static void put_again_is_done_when_the_bytes_are_the_same(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    store_dir.put(fixture->store, fixture->spooled, KEY, on_put, fixture);
    assert_int_equal(0, file_write(fixture->spooled, STR("segment"), 0600, &err));
    store_dir.put(fixture->store, fixture->spooled, KEY, on_put, fixture);
    assert_int_equal(STORE_PUT_DONE, fixture->result);
    assert_int_equal(-1, access(fixture->spooled, F_OK));
}

/* Whoever put it there may have died before it was on disk. */
static void put_syncs_what_is_already_there(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    store_dir.put(fixture->store, fixture->spooled, KEY, on_put, fixture);
    assert_int_equal(0, file_write(fixture->spooled, STR("segment"), 0600, &err));
    syncs = 0;
    store_dir.put(fixture->store, fixture->spooled, KEY, on_put, fixture);
    assert_int_equal(STORE_PUT_DONE, fixture->result);
    assert_int_equal(2, syncs); /* the file and its directory */
}

static bool count_all(void *context, const struct store_object *object)
{
    (*(int *)context)++;
    return true;
}

static void list_fails_when_a_directory_breaks(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};
    int count = 0;

    store_dir.put(fixture->store, fixture->spooled, KEY, on_put, fixture);
    assert_int_equal(0, store_dir.list(fixture->store, "v1/", count_all, &count, &err));
    assert_int_equal(1, count);
    for (int entries = 0; entries < 10; entries += 3) {
        entries_until_broken = entries;
        int status = store_dir.list(fixture->store, "v1/", count_all, &count, &err);

        entries_until_broken = -1;
        assert_int_equal(-1, status);
        assert_int_equal(ERROR_UNVERIFIABLE, err.kind);
    }
}

static void catalog_fails_when_a_directory_breaks(void **state)
{
    struct fixture *fixture = *state;
    scoped(free_text) char *path = xasprintf("%s/store", fixture->root);
    const struct catalog_places places = {.store = path};
    struct error err = {0};

    store_dir.put(fixture->store, fixture->spooled, KEY, on_put, fixture);
    entries_until_broken = 4;
    struct catalog *catalog = catalog_open(&places, false, &err);

    entries_until_broken = -1;
    assert_null(catalog);
    assert_int_equal(ERROR_UNVERIFIABLE, err.kind);
}

static bool count_conflicts(void *context, const struct store_object *object)
{
    if (strstr(object->key, ".conflict-"))
        (*(int *)context)++;
    return true;
}

static void put_keeps_both_when_other_bytes_have_the_name(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};
    int conflicts = 0;

    store_dir.put(fixture->store, fixture->spooled, KEY, on_put, fixture);
    assert_int_equal(0, file_write(fixture->spooled, STR("another"), 0600, &err));
    store_dir.put(fixture->store, fixture->spooled, KEY, on_put, fixture);
    assert_int_equal(STORE_PUT_CONFLICT, fixture->result);
    assert_holds(fixture->stored, "segment");
    assert_int_equal(0, store_dir.list(fixture->store, "v1/segments/cluster=c/", count_conflicts,
                                       &conflicts, &err));
    assert_int_equal(1, conflicts);
}

static void put_that_fails_leaves_the_spool_as_it_was(void **state)
{
    struct fixture *fixture = *state;
    scoped(free_text) char *in_the_way = xasprintf("%s/store", fixture->root);
    struct error err = {0};

    assert_int_equal(0, file_write(in_the_way, STR("a file"), 0600, &err));
    store_dir.put(fixture->store, fixture->spooled, KEY, on_put, fixture);
    assert_int_equal(STORE_PUT_FAILED, fixture->result);
    assert_holds(fixture->spooled, "segment");
}

static void read_gives_ranges(void **state)
{
    struct fixture *fixture = *state;
    struct source source = {0};
    struct error err = {0};
    char part[3];

    store_dir.put(fixture->store, fixture->spooled, KEY, on_put, fixture);
    assert_int_equal(0, store_dir.read(fixture->store, KEY, &source, &err));
    assert_int_equal(7, source.bytes);
    assert_int_equal(0, source_read(&source, 4, part, 3, &err));
    assert_memory_equal("ent", part, 3);
    assert_int_equal(-1, source_read(&source, 5, part, 3, &err));
    source_close(&source);
    assert_int_equal(-1, store_dir.read(fixture->store, "v1/none", &source, &err));
    assert_int_equal(ERROR_NOT_FOUND, err.kind);
}

static void open_tells_a_running_gateway_from_a_dead_one(void **state)
{
    struct fixture *fixture = *state;
    scoped(free_text) char *path = xasprintf("%s/x.part", fixture->root);
    int file = medium_posix.create(NULL, path);

    assert_true(file >= 0);
    assert_int_equal(-1, medium_posix.create(NULL, path));
    assert_int_equal(EEXIST, errno);
    assert_int_equal(1, spool_is_locked(path));
    assert_int_equal(-1, medium_posix.open(NULL, path));
    assert_int_equal(EWOULDBLOCK, errno);
    medium_posix.close(NULL, file);
    assert_int_equal(0, spool_is_locked(path));
    file = medium_posix.open(NULL, path);
    assert_true(file >= 0);
    medium_posix.close(NULL, file);
}

static void append_goes_to_the_end_after_truncation(void **state)
{
    struct fixture *fixture = *state;
    scoped(free_text) char *path = xasprintf("%s/x.part", fixture->root);
    int file = medium_posix.create(NULL, path);

    assert_int_equal(0, medium_posix.append(NULL, file, "abcdef", 6));
    assert_int_equal(0, medium_posix.truncate(NULL, file, 2));
    assert_int_equal(0, medium_posix.append(NULL, file, "X", 1));
    assert_int_equal(0, medium_posix.sync(NULL, file));
    assert_int_equal(3, medium_posix.size(NULL, file));
    medium_posix.close(NULL, file);
    assert_holds(path, "abX");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(put_moves_the_file_out_of_the_spool, setup, teardown),
        cmocka_unit_test_setup_teardown(put_again_is_done_when_the_bytes_are_the_same, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(put_syncs_what_is_already_there, setup, teardown),
        cmocka_unit_test_setup_teardown(list_fails_when_a_directory_breaks, setup, teardown),
        cmocka_unit_test_setup_teardown(catalog_fails_when_a_directory_breaks, setup, teardown),
        cmocka_unit_test_setup_teardown(put_keeps_both_when_other_bytes_have_the_name, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(put_that_fails_leaves_the_spool_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(read_gives_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(open_tells_a_running_gateway_from_a_dead_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(append_goes_to_the_end_after_truncation, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
