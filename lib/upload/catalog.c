#include "upload/catalog.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/num.h"
#include "base/scoped.h"
#include "session/segment_name.h"
#include "session/ulid.h"
#include "upload/spool.h"

#define DEPTH_MAX 8 /* v1/segments/cluster=…/date=…/ and some prefix */
#define CANDIDATES_SHOWN 5

struct catalog {
    struct catalog_session *sessions; /* by id */
    size_t count;
    char *store, *spool; /* owned: its places; NULL: none */
    bool spool_follows;
    struct error problem; /* the first directory that could not be read, if any */
};

/* One file as it was found, before it is sorted into its session. */
struct found {
    struct segment_name name;
    struct catalog_segment segment;
    char *cluster; /* owned; "" in the spool */
};

struct finds {
    struct found *items;
    size_t count;
    size_t capacity;
    const char *session;        /* NULL: all; else only this one's */
    char date[ULID_DATE_BYTES]; /* and that is the day of its directories */
    struct error problem;       /* the first directory below a place that could not be read */
};

static void free_finds(struct finds *finds)
{
    for (size_t i = 0; i < finds->count; i++) {
        free(finds->items[i].segment.path);
        free(finds->items[i].cluster);
    }
    free(finds->items);
    *finds = (struct finds){0};
}

static void dir_close(DIR **dir)
{
    if (*dir)
        closedir(*dir);
    *dir = NULL;
}

static enum segment_form form_of(const struct segment_name *name, const char *path)
{
    switch (name->suffix) {
    case SEGMENT_NAME_SEALED:
        return SEGMENT_SEALED;
    case SEGMENT_NAME_PART:
        return spool_is_locked(path) == 1 ? SEGMENT_RUNNING : SEGMENT_CRASHED;
    case SEGMENT_NAME_BAD:
        return SEGMENT_BAD;
    case SEGMENT_NAME_CONFLICT:
        return SEGMENT_CONFLICT;
    }
    unreachable();
}

/* The directory `cluster=…` that the path of a file in a store goes through. */
static char *cluster_of(const char *key)
{
    struct str rest = str_from(key);

    while (rest.data) {
        struct str part = str_split(&rest, '/');

        if (rest.data && str_starts(part, STR("cluster=")))
            return str_dup(str_skip(part, strlen("cluster=")));
    }
    return xstrdup("");
}

static void keep_file(struct finds *finds, const char *path, size_t key_at, bool in_store)
{
    const char *slash = strrchr(path, '/');
    struct found found = {0};
    struct stat status;

    if (!segment_name_parse(&found.name, str_from(slash ? slash + 1 : path)) ||
        (finds->session && strcmp(found.name.session, finds->session) != 0) ||
        lstat(path, &status) < 0 || !S_ISREG(status.st_mode))
        return;
    found.segment = (struct catalog_segment){
        .n = found.name.n,
        .form = form_of(&found.name, path),
        .in_store = in_store,
        .path = xstrdup(path),
        .bytes = (uint64_t)status.st_size,
    };
    found.segment.key = found.segment.path + key_at;
    found.cluster = in_store ? cluster_of(found.segment.key) : xstrdup("");
    if (finds->count == finds->capacity) {
        finds->capacity = finds->capacity ? finds->capacity * 2 : 64;
        finds->items = xreallocarray(finds->items, finds->capacity, sizeof *finds->items);
    }
    finds->items[finds->count++] = found;
}

/* Is this the directory of a day on which the session did not begin? */
static bool is_other_day(const struct finds *finds, const char *name)
{
    return finds->session && strncmp(name, "date=", 5) == 0 && strcmp(name + 5, finds->date) != 0;
}

static void walk_below(struct finds *finds, const char *path, size_t key_at, bool in_store,
                       int depth);

static int walk(struct finds *finds, const char *path, size_t key_at, bool in_store, int depth,
                struct error *err)
{
    scoped(dir_close) DIR *dir = opendir(path);

    if (!dir && depth > 0 && errno == ENOENT)
        return 0; /* gone meanwhile */
    if (!dir)
        return error_errno(err, ERROR_UNVERIFIABLE, "read %s", path);
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);

        if (!entry)
            return errno == 0 ? 0 : error_errno(err, ERROR_UNVERIFIABLE, "read %s", path);
        if (entry->d_name[0] == '.' || is_other_day(finds, entry->d_name))
            continue;
        scoped(free_text) char *below = xasprintf("%s/%s", path, entry->d_name);
        struct stat status;
        if (lstat(below, &status) < 0)
            continue;
        if (S_ISREG(status.st_mode))
            keep_file(finds, below, key_at, in_store);
        else if (S_ISDIR(status.st_mode) && depth < DEPTH_MAX)
            walk_below(finds, below, key_at, in_store, depth + 1);
    }
}

/* What cannot be read hides nothing but itself. */
static void walk_below(struct finds *finds, const char *path, size_t key_at, bool in_store,
                       int depth)
{
    struct error problem = {0};

    if (walk(finds, path, key_at, in_store, depth, &problem) < 0 && !finds->problem.text[0])
        finds->problem = problem;
}

static char *directory_of(const char *url, struct error *err)
{
    struct str text = str_from(url);

    if (str_starts(text, STR("file://")))
        text = str_skip(text, strlen("file://"));
    else if (str_starts(text, STR("file:")))
        text = str_skip(text, strlen("file:"));
    else if (str_find(text, STR("://")) >= 0) {
        error_set(err, ERROR_UNVERIFIABLE, "%s: this kind of store cannot be read", url);
        error_fix(err, "name a directory with --store");
        return NULL;
    }
    while (text.len > 1 && text.data[text.len - 1] == '/')
        text.len--;
    if (text.len == 0) {
        error_set(err, ERROR_USAGE, "store: no directory in '%s'", url);
        return NULL;
    }
    return str_dup(text);
}

/* Of a store only v1/segments, when it has one: digests and reviews have other names anyway. */
static int collect(struct finds *finds, const char *place, bool in_store, bool must_exist,
                   struct error *err)
{
    if (!place)
        return 0;
    scoped(free_text) char *root = directory_of(place, err);
    if (!root)
        return -1;
    if (!must_exist && access(root, F_OK) < 0 && errno == ENOENT)
        return 0;
    scoped(free_text) char *segments = xasprintf("%s/v1/segments", root);
    bool has_layout = in_store && access(segments, F_OK) == 0;
    return walk(finds, has_layout ? segments : root, strlen(root) + 1, in_store, 0, err);
}

static int compare_found(const void *one, const void *other)
{
    const struct found *a = one, *b = other;
    int order = strcmp(a->name.session, b->name.session);

    if (order == 0)
        order = strcmp(a->name.journal, b->name.journal);
    if (order == 0)
        order = (a->segment.n > b->segment.n) - (a->segment.n < b->segment.n);
    if (order == 0)
        order = (int)a->segment.form - (int)b->segment.form;
    if (order == 0)
        order = b->segment.in_store - a->segment.in_store;
    return order ? order : strcmp(a->segment.path, b->segment.path);
}

/* The first of the sorted finds from `begin` on that is of another journal (or session). */
static size_t end_of_group(const struct finds *finds, size_t begin, bool by_journal)
{
    const struct segment_name *first = &finds->items[begin].name;
    size_t end = begin;

    while (end < finds->count && strcmp(finds->items[end].name.session, first->session) == 0 &&
           (!by_journal || strcmp(finds->items[end].name.journal, first->journal) == 0))
        end++;
    return end;
}

/* Takes the paths of finds [begin, end). */
static struct catalog_journal make_journal(struct finds *finds, size_t begin, size_t end)
{
    struct catalog_journal journal = {.count = end - begin};

    memcpy(journal.id, finds->items[begin].name.journal, sizeof journal.id);
    journal.segments = xcalloc(journal.count, sizeof *journal.segments);
    for (size_t i = begin; i < end; i++) {
        struct found *found = &finds->items[i];

        journal.segments[i - begin] = found->segment;
        found->segment.path = NULL;
        if (!journal.cluster && found->cluster[0])
            journal.cluster = take(found->cluster);
    }
    if (!journal.cluster)
        journal.cluster = xstrdup("");
    return journal;
}

static bool is_in_store(const struct finds *finds, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        if (finds->items[i].segment.in_store)
            return true;
    return false;
}

static struct catalog_session make_session(struct finds *finds, size_t begin, size_t end,
                                           bool spool_follows)
{
    struct catalog_session session = {0};

    memcpy(session.id, finds->items[begin].name.session, sizeof session.id);
    for (size_t at = begin; at < end;) {
        size_t next = end_of_group(finds, at, true);

        if (!spool_follows || is_in_store(finds, at, next)) {
            session.journals =
                xreallocarray(session.journals, session.count + 1, sizeof *session.journals);
            session.journals[session.count++] = make_journal(finds, at, next);
        }
        at = next;
    }
    return session;
}

static struct catalog *sort_finds(struct finds *finds, bool spool_follows)
{
    struct catalog *catalog = xcalloc(1, sizeof *catalog);

    if (finds->count)
        qsort(finds->items, finds->count, sizeof *finds->items, compare_found);
    for (size_t at = 0; at < finds->count;) {
        size_t next = end_of_group(finds, at, false);
        struct catalog_session session = make_session(finds, at, next, spool_follows);

        if (session.count) {
            catalog->sessions =
                xreallocarray(catalog->sessions, catalog->count + 1, sizeof *catalog->sessions);
            catalog->sessions[catalog->count++] = session;
        }
        at = next;
    }
    return catalog;
}

static struct catalog *list(struct finds *finds, const struct catalog_places *places,
                            bool must_exist, struct error *err)
{
    /* The spool first: what moves to the store meanwhile is then seen twice, not never. */
    if (collect(finds, places->spool, false, false, err) < 0)
        return error_wrap(err, "spool"), NULL;
    if (collect(finds, places->store, true, must_exist, err) < 0)
        return error_wrap(err, "store"), NULL;
    struct catalog *catalog = sort_finds(finds, places->spool_follows);
    catalog->store = places->store ? xstrdup(places->store) : NULL;
    catalog->spool = places->spool ? xstrdup(places->spool) : NULL;
    catalog->spool_follows = places->spool_follows;
    catalog->problem = finds->problem;
    return catalog;
}

struct catalog *catalog_open(const struct catalog_places *places, bool must_exist,
                             struct error *err)
{
    scoped(free_finds) struct finds finds = {0};

    return list(&finds, places, must_exist, err);
}

struct catalog *catalog_relist(const struct catalog *catalog, const char *session,
                               struct error *err)
{
    const struct catalog_places places = {catalog->store, catalog->spool, catalog->spool_follows};
    scoped(free_finds) struct finds finds = {.session = session};

    ulid_date(session, finds.date);
    return list(&finds, &places, false, err);
}

static void free_session(struct catalog_session *session)
{
    for (size_t i = 0; i < session->count; i++) {
        struct catalog_journal *journal = &session->journals[i];

        for (size_t k = 0; k < journal->count; k++)
            free(journal->segments[k].path);
        free(journal->segments);
        free(journal->cluster);
    }
    free(session->journals);
}

void catalog_free(struct catalog **catalog)
{
    if (!*catalog)
        return;
    for (size_t i = 0; i < (*catalog)->count; i++)
        free_session(&(*catalog)->sessions[i]);
    free((*catalog)->sessions);
    free((*catalog)->store);
    free((*catalog)->spool);
    free(*catalog);
    *catalog = NULL;
}

const struct error *catalog_problem(const struct catalog *catalog)
{
    return catalog->problem.text[0] ? &catalog->problem : NULL;
}

size_t catalog_count(const struct catalog *catalog)
{
    return catalog->count;
}

const struct catalog_session *catalog_session(const struct catalog *catalog, size_t i)
{
    return i < catalog->count ? &catalog->sessions[i] : NULL;
}

static const struct catalog_session *find_by_age(const struct catalog *catalog, struct str age,
                                                 struct error *err)
{
    uint64_t back = 1;

    if (!str_is(age, "last") && (!num_parse_u64(age, UINT32_MAX, &back) || back == 0)) {
        error_set(err, ERROR_USAGE, "'@%.*s' names no session", STR_ARG(age));
        error_fix(err, "use '@last', or '@2' for the one before it");
        return NULL;
    }
    if (!catalog->count) {
        error_set(err, ERROR_NOT_FOUND, "no session '@%.*s': there are none yet", STR_ARG(age));
        error_fix(err, "record one: kubectl hoop exec -- kubectl get pods");
        return NULL;
    }
    if (back > catalog->count) {
        error_set(err, ERROR_NOT_FOUND, "no session '@%.*s': there %s %zu", STR_ARG(age),
                  catalog->count == 1 ? "is" : "are", catalog->count);
        error_fix(err, "'kubectl hoop sessions list' lists them");
        return NULL;
    }
    return &catalog->sessions[catalog->count - back];
}

/* "0A1B, 0A1C, … (7 sessions)" */
static void set_ambiguous(const struct catalog *catalog, size_t first, size_t end, const char *name,
                          struct error *err)
{
    scoped(buf_free) struct buf ids = {0};

    for (size_t i = first; i < end && i - first < CANDIDATES_SHOWN; i++)
        buf_printf(&ids, "%s%s", i == first ? "" : ", ", catalog->sessions[i].id);
    if (end - first > CANDIDATES_SHOWN)
        buf_append_text(&ids, ", …");
    error_set(err, ERROR_NOT_FOUND, "'%s' names %zu sessions: %.*s", name, end - first,
              STR_ARG(buf_str(&ids)));
    error_fix(err, "give more characters of the one that you mean");
}

static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.data[i]))
            return false;
    return name.len > 0 && name.len <= SEGMENT_NAME_SESSION;
}

const struct catalog_session *catalog_find(const struct catalog *catalog, const char *name,
                                           struct error *err)
{
    struct str text = str_from(name);
    char wanted[SEGMENT_NAME_SESSION + 1] = "";
    size_t first = 0;

    if (str_starts(text, STR("@")))
        return find_by_age(catalog, str_skip(text, 1), err);
    if (!is_name(text)) {
        error_set(err, ERROR_NOT_FOUND, "no session '%s'", name);
        error_fix(err, "'kubectl hoop sessions list' lists them");
        return NULL;
    }
    if (text.len < CATALOG_PREFIX_MIN) {
        error_set(err, ERROR_USAGE, "'%s' is too short for a session: give at least %d characters",
                  name, CATALOG_PREFIX_MIN);
        return NULL;
    }
    for (size_t i = 0; i < text.len; i++)
        wanted[i] = (char)toupper((unsigned char)text.data[i]);
    while (first < catalog->count && strncmp(catalog->sessions[first].id, wanted, text.len) < 0)
        first++;
    size_t end = first;
    while (end < catalog->count && strncmp(catalog->sessions[end].id, wanted, text.len) == 0)
        end++;
    if (end - first == 1)
        return &catalog->sessions[first];
    if (end == first) {
        error_set(err, ERROR_NOT_FOUND, "no session '%s'", name);
        error_fix(err, "'kubectl hoop sessions list' lists them");
    } else {
        set_ambiguous(catalog, first, end, name, err);
    }
    return NULL;
}

size_t catalog_short_length(const struct catalog *catalog)
{
    size_t length = CATALOG_SHORT_MIN;

    for (size_t i = 1; i < catalog->count; i++) {
        const char *one = catalog->sessions[i - 1].id, *next = catalog->sessions[i].id;
        size_t same = 0;

        while (one[same] && one[same] == next[same])
            same++;
        length = max_of(length, same + 1);
    }
    return min_of(length, (size_t)SEGMENT_NAME_SESSION);
}

static ssize_t read_file(void *context, uint64_t offset, void *data, size_t len, struct error *err)
{
    int fd = (int)(intptr_t)context;
    ssize_t count;

    do
        count = pread(fd, data, len, (off_t)offset);
    while (count < 0 && errno == EINTR);
    return count < 0 ? error_errno(err, ERROR_STORAGE, "read") : count;
}

static void close_file(void *context)
{
    close((int)(intptr_t)context);
}

int catalog_open_segment(const struct catalog_segment *segment, struct source *source,
                         struct error *err)
{
    struct stat status;
    /* neither a link, nor a pipe put in its place, may make us wait or go elsewhere */
    scoped(fd_close) int fd =
        open(segment->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, &status) < 0)
        return error_errno(err, ERROR_STORAGE, "open %s", segment->key);
    if (!S_ISREG(status.st_mode))
        return error_set(err, ERROR_STORAGE, "%s is no regular file", segment->key);
    *source = (struct source){
        .read = read_file,
        .close = close_file,
        .context = (void *)(intptr_t)fd_take(&fd),
        .bytes = (uint64_t)status.st_size,
    };
    return 0;
}
