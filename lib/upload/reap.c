#include "upload/reap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/scoped.h"
#include "session/recover.h"
#include "session/segment_name.h"

#define LEFTOVER_AGE_S 60 /* a gateway makes such a file, then locks it: give it the time */

struct names {
    char **items;
    size_t count;
};

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct names){0};
}

static bool keep_name(void *context, const char *name)
{
    struct names *names = context;

    names->items = xreallocarray(names->items, names->count + 1, sizeof *names->items);
    names->items[names->count++] = xstrdup(name);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted: by session, journal, n. */
static int list_spool(const struct places *places, struct names *names, struct error *err)
{
    if (spool_list(places->spool, keep_name, names, err) < 0)
        return -1;
    if (names->count)
        qsort(names->items, names->count, sizeof *names->items, by_name);
    return 0;
}

/* ---- The index of a sealed segment, in the spool or in the store ---- */

struct reaping {
    const struct places *places;
    const struct store_type *type;
    struct store *store;
    const char *session; /* NULL: all */
    struct reap_report *report;
};

/* The index is the caller's. */
static void take_index(struct sealed *sealed, struct index *index,
                       char line_sha256[SHA256_HEX_BYTES])
{
    memcpy(line_sha256, sealed->tail.line_sha256, SHA256_HEX_BYTES);
    *index = sealed->tail.index;
    sealed->tail.index = (struct index){0};
}

struct search {
    const char *name;
    char *key; /* owned */
};

static bool match_key(void *context, const struct store_object *object)
{
    struct search *search = context;
    const char *slash = strrchr(object->key, '/');

    if (strcmp(slash ? slash + 1 : object->key, search->name) != 0)
        return true;
    search->key = xstrdup(object->key);
    return false;
}

static int fetch_index(void *context, const char *session, const char *journal, uint32_t n,
                       struct index *before, char line_sha256[SHA256_HEX_BYTES], struct error *err)
{
    struct reaping *reaping = context;
    scoped(free_text) char *name = xasprintf("%s-%s-%05u.jsonl.zst", session, journal, n);
    scoped(free_text) char *path = xasprintf("%s/%s", reaping->places->spool, name);
    scoped(source_close) struct source source = {0};
    scoped(sealed_free) struct sealed sealed = {0};
    struct search search = {.name = name};
    struct mismatch mismatch = {0};

    if (access(path, F_OK) == 0) {
        if (spool_read_sealed(path, &sealed, err) < 0)
            return -1;
        take_index(&sealed, before, line_sha256);
        return 0;
    }
    if (reaping->type->list(reaping->store, "v1/segments/", match_key, &search, err) < 0)
        return -1;
    scoped(free_text) char *key = search.key;

    if (!key)
        return error_set(err, ERROR_NOT_FOUND, "%s is neither in the spool nor in the store", name);
    if (reaping->type->read(reaping->store, key, &source, err) < 0 ||
        sealed_read(&sealed, &source, &mismatch, err) < 0)
        return -1;
    take_index(&sealed, before, line_sha256);
    return 0;
}

/* ---- One file each ---- */

static void count_failure(struct reaping *reaping, const struct error *err)
{
    reaping->report->failed++;
    reaping->report->problem = *err;
}

static bool is_wanted(const struct reaping *reaping, const struct segment_name *name)
{
    return !reaping->session || strcmp(reaping->session, name->session) == 0;
}

static void count_outcome(struct reap_report *report, enum recover_outcome outcome)
{
    switch (outcome) {
    case RECOVER_RUNNING:
        report->running++;
        return;
    case RECOVER_RENAMED:
    case RECOVER_SEALED:
        report->recovered++;
        return;
    case RECOVER_REMOVED:
        report->removed++;
        return;
    case RECOVER_GONE:
        return;
    }
    unreachable();
}

static bool is_same_journal(const struct segment_name *a, const struct segment_name *b)
{
    return strcmp(a->session, b->session) == 0 && strcmp(a->journal, b->journal) == 0;
}

/* Those of a journal in the order of n, up to one that still runs or that failed: what follows
 * stands on it. */
static void recover_all(struct reaping *reaping, const struct names *names, const struct boot *boot)
{
    const struct recover_config config = {.medium = &medium_posix,
                                          .spool_directory = reaping->places->spool,
                                          .boot = boot,
                                          .fetch_index = fetch_index,
                                          .context = reaping};
    struct segment_name stopped = {0};

    for (size_t i = 0; i < names->count; i++) {
        enum recover_outcome outcome = RECOVER_GONE;
        struct segment_name name;
        struct error err = {0};

        if (!segment_name_parse(&name, str_from(names->items[i])) ||
            name.suffix != SEGMENT_NAME_PART || !is_wanted(reaping, &name) ||
            is_same_journal(&name, &stopped))
            continue;
        if (recover_part(&config, names->items[i], clock_now(), &outcome, &err) < 0) {
            count_failure(reaping, &err);
            stopped = name;
            continue;
        }
        count_outcome(reaping->report, outcome);
        if (outcome == RECOVER_RUNNING)
            stopped = name;
    }
}

struct storing {
    enum store_put_result result;
    struct error err;
};

static void on_put(void *context, enum store_put_result result, const struct error *err)
{
    struct storing *storing = context;

    storing->result = result;
    if (result == STORE_PUT_FAILED)
        storing->err = *err;
}

static void store_one(struct reaping *reaping, const char *name)
{
    scoped(free_text) char *path = xasprintf("%s/%s", reaping->places->spool, name);
    struct storing storing = {.result = STORE_PUT_FAILED};
    scoped(free_text) char *key = store_key_of_file(path, &storing.err);

    if (key)
        reaping->type->put(reaping->store, path, key, on_put, &storing);
    if (storing.result != STORE_PUT_FAILED)
        reaping->report->stored++;
    else if (access(path, F_OK) == 0 || errno != ENOENT) /* gone: its gateway was faster */
        count_failure(reaping, &storing.err);
}

/* What is sealed in the spool of a gateway that still runs is that gateway's to store; both may
 * try: the second finds it done. */
static void store_all(struct reaping *reaping, const struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        struct segment_name name;

        if (segment_name_parse(&name, str_from(names->items[i])) &&
            name.suffix == SEGMENT_NAME_SEALED && is_wanted(reaping, &name))
            store_one(reaping, names->items[i]);
    }
}

/* Temporary names and reserves of gateways that are gone. */
static void remove_leftovers(const struct places *places, const struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        struct str name = str_from(names->items[i]);
        scoped(free_text) char *path = xasprintf("%s/%s", places->spool, names->items[i]);
        struct stat status;

        if (!str_starts(name, STR(".new-")) && !str_starts(name, STR(".recover-")) &&
            !str_starts(name, STR(".reserve-")))
            continue;
        if (lstat(path, &status) == 0 && time(NULL) - status.st_mtime >= LEFTOVER_AGE_S &&
            spool_is_locked(path) == 0)
            unlink(path);
    }
}

int reap(const struct places *places, const struct store_type *type, struct store *store,
         const char *session, struct reap_report *report, struct error *err)
{
    struct reaping reaping = {
        .places = places, .type = type, .store = store, .session = session, .report = report};
    scoped(keys_free) struct keys keys = {0};
    scoped(boot_free) struct boot *boot = NULL;
    scoped(names_free) struct names before = {0}, after = {0};

    *report = (struct reap_report){0};
    if (places_make(places, err) < 0 || keys_load(&keys, places->keys, places->trust, err) < 0)
        return -1;
    boot = boot_new(keys.root, keys.gateway, err);
    if (!boot || list_spool(places, &before, err) < 0)
        return -1;
    recover_all(&reaping, &before, boot);
    if (list_spool(places, &after, err) < 0)
        return -1;
    store_all(&reaping, &after);
    remove_leftovers(places, &after);
    return 0;
}
