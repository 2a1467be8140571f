#include "store-dir/store_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/scoped.h"
#include "session/ulid.h"

#define STEP_BYTES ((size_t)256 * 1024)
#define DEPTH_MAX 8 /* of directories below the store; keys have 4 */

static const char sealed_suffix[] = ".jsonl.zst";

struct store {
    char *root;
};

static struct store *store_dir_open(const char *url, struct error *err)
{
    struct str path = str_from(url);

    if (str_starts(path, STR("file://")))
        path = str_skip(path, strlen("file://"));
    else if (str_starts(path, STR("file:")))
        path = str_skip(path, strlen("file:"));
    while (path.len > 1 && path.data[path.len - 1] == '/')
        path.len--;
    if (path.len == 0) {
        error_set(err, ERROR_CONFIG, "store '%s': no directory in it", url);
        error_fix(err, "give a path, or file:///path");
        return NULL;
    }
    struct store *store = xcalloc(1, sizeof *store);

    store->root = str_dup(path);
    return store;
}

static void store_dir_close(struct store **owner)
{
    if (*owner)
        free((*owner)->root);
    free(*owner);
    *owner = NULL;
}

/* ---- put ---- */

struct content {
    uint64_t bytes;
    unsigned char sha256[SHA256_BYTES];
};

static bool is_same(const struct content *a, const struct content *b)
{
    return a->bytes == b->bytes && memcmp(a->sha256, b->sha256, sizeof a->sha256) == 0;
}

static int read_content(const char *path, struct content *content, struct error *err)
{
    scoped(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    scoped(free_text) char *step = xrealloc(NULL, STEP_BYTES);
    scoped(sha256_free) struct sha256 *hash = sha256_new();
    ssize_t got;

    if (fd < 0)
        return error_errno(err, ERROR_STORAGE, "open %s", path);
    content->bytes = 0;
    while ((got = read(fd, step, STEP_BYTES)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(err, ERROR_STORAGE, "read %s", path);
        sha256_add(hash, step, (size_t)got);
        content->bytes += (uint64_t)got;
    }
    sha256_peek(hash, content->sha256);
    return 0;
}

/* Each new directory is synced in its parent, so that the name lasts. */
static int make_parents(const char *path, struct error *err)
{
    scoped(free_text) char *part = xstrdup(path);

    for (char *at = strchr(part + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (mkdir(part, 0700) == 0) {
            scoped(free_text) char *parent = xstrdup(part);
            char *slash = strrchr(parent, '/');

            if (slash)
                slash[slash == parent] = '\0';
            if (file_sync_dir(slash ? parent : ".", err) < 0)
                return -1;
        } else if (errno != EEXIST) {
            return error_errno(err, ERROR_STORAGE, "create directory %s", part);
        }
        *at = '/';
    }
    return 0;
}

/* What was found there may be in memory only: its writer may have died before its sync. */
static int sync_file(const char *path, struct error *err)
{
    scoped(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    return fd < 0 || fsync(fd) < 0 ? error_errno(err, ERROR_STORAGE, "sync %s", path) : 0;
}

static int copy_bytes(int from, int to)
{
    scoped(free_text) char *step = xrealloc(NULL, STEP_BYTES);
    ssize_t got;

    while ((got = read(from, step, STEP_BYTES)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || file_write_all(to, step, (size_t)got) < 0)
            return -1;
    }
    return fdatasync(to);
}

/* Another file system: a copy under a name that no reader takes for a segment, then its own. */
static int link_copy(const char *from, const char *to)
{
    char id[ULID_BYTES];
    scoped(free_text) char *temporary = xasprintf("%s.%s.tmp", to, ulid_new(id));
    scoped(fd_close) int source = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    scoped(fd_close) int copy = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int status = source < 0 || copy < 0 || copy_bytes(source, copy) < 0 ? -1 : link(temporary, to);
    int cause = errno;

    if (copy >= 0)
        unlink(temporary);
    errno = cause;
    return status;
}

static int link_or_copy(const char *from, const char *to)
{
    if (link(from, to) == 0)
        return 0;
    /* EPERM, EOPNOTSUPP: a file system without links. */
    if (errno != EXDEV && errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK)
        return -1;
    return link_copy(from, to);
}

static char *conflict_path(const char *path)
{
    char id[ULID_BYTES];
    struct str stem = str_from(path);

    if (str_ends(stem, str_from(sealed_suffix)))
        stem.len -= sizeof sealed_suffix - 1;
    return xasprintf("%.*s.conflict-%s%s", STR_ARG(stem), ulid_new(id), sealed_suffix);
}

/* Puts the file there, proves by reading it again that it is, and only then takes it out of the
 * spool (P4). */
static enum store_put_result put(struct store *store, const char *spool_path, const char *key,
                                 struct error *err)
{
    scoped(free_text) char *path = xasprintf("%s/%s", store->root, key);
    enum store_put_result result = STORE_PUT_DONE;
    struct content ours, theirs;

    if (read_content(spool_path, &ours, err) < 0 || make_parents(path, err) < 0)
        return STORE_PUT_FAILED;
    if (link_or_copy(spool_path, path) < 0) {
        if (errno != EEXIST) {
            error_errno(err, ERROR_STORAGE, "store %s", path);
            return STORE_PUT_FAILED;
        }
        if (read_content(path, &theirs, err) < 0)
            return STORE_PUT_FAILED;
        if (is_same(&ours, &theirs)) {
            if (sync_file(path, err) < 0)
                return STORE_PUT_FAILED;
        } else {
            char *aside = conflict_path(path);

            free(path);
            path = aside;
            result = STORE_PUT_CONFLICT;
            if (link_or_copy(spool_path, path) < 0) {
                error_errno(err, ERROR_STORAGE, "store %s", path);
                return STORE_PUT_FAILED;
            }
        }
    }
    scoped(free_text) char *directory = xstrdup(path);

    *strrchr(directory, '/') = '\0';
    if (file_sync_dir(directory, err) < 0 || read_content(path, &theirs, err) < 0)
        return STORE_PUT_FAILED;
    if (!is_same(&ours, &theirs)) {
        error_set(err, ERROR_STORAGE, "store %s: what was read back is not what was written", path);
        return STORE_PUT_FAILED;
    }
    if (unlink(spool_path) < 0) {
        error_errno(err, ERROR_STORAGE, "remove %s", spool_path);
        return STORE_PUT_FAILED;
    }
    if (result == STORE_PUT_CONFLICT)
        error_set(err, ERROR_STORAGE, "store: other bytes have the name %s; kept as %s", key, path);
    return result;
}

static void store_dir_put(struct store *store, const char *spool_path, const char *key,
                          void (*done)(void *context, enum store_put_result result,
                                       const struct error *err),
                          void *context)
{
    struct error err = {0};
    enum store_put_result result = put(store, spool_path, key, &err);

    done(context, result, &err);
}

/* ---- list and read ---- */

struct walk {
    const struct store *store;
    const char *prefix;
    bool (*each)(void *context, const struct store_object *object);
    void *context;
    bool has_stopped;
};

static bool may_lead_to(const char *key, const char *prefix)
{
    size_t len = strlen(key);

    return strncmp(key, prefix, len < strlen(prefix) ? len : strlen(prefix)) == 0;
}

static int walk_directory(struct walk *walk, const char *key, unsigned depth, struct error *err);

static int walk_entry(struct walk *walk, const char *key, unsigned depth, struct error *err)
{
    scoped(free_text) char *path = xasprintf("%s/%s", walk->store->root, key);
    struct stat status;

    if (!may_lead_to(key, walk->prefix) || lstat(path, &status) < 0)
        return 0;
    if (S_ISDIR(status.st_mode))
        return depth < DEPTH_MAX ? walk_directory(walk, key, depth + 1, err) : 0;
    if (S_ISREG(status.st_mode) && str_starts(str_from(key), str_from(walk->prefix)))
        walk->has_stopped =
            !walk->each(walk->context, &(struct store_object){key, (uint64_t)status.st_size});
    return 0;
}

static void directory_close(DIR **directory)
{
    if (*directory)
        closedir(*directory);
    *directory = NULL;
}

static int walk_directory(struct walk *walk, const char *key, unsigned depth, struct error *err)
{
    scoped(free_text) char *path =
        key[0] ? xasprintf("%s/%s", walk->store->root, key) : xstrdup(walk->store->root);
    scoped(directory_close) DIR *directory = opendir(path);

    if (!directory)
        return depth == 0 && errno == ENOENT
                   ? 0
                   : error_errno(err, ERROR_UNVERIFIABLE, "read %s", path);
    for (;;) {
        errno = 0;
        struct dirent *entry = walk->has_stopped ? NULL : readdir(directory);

        if (!entry)
            return errno == 0 ? 0 : error_errno(err, ERROR_UNVERIFIABLE, "read %s", path);
        if (entry->d_name[0] == '.')
            continue;
        scoped(free_text) char *below =
            key[0] ? xasprintf("%s/%s", key, entry->d_name) : xstrdup(entry->d_name);

        if (walk_entry(walk, below, depth, err) < 0)
            return -1;
    }
}

static int store_dir_list(struct store *store, const char *prefix,
                          bool (*each)(void *context, const struct store_object *object),
                          void *context, struct error *err)
{
    struct walk walk = {.store = store, .prefix = prefix, .each = each, .context = context};

    return walk_directory(&walk, "", 0, err);
}

static ssize_t file_read_at(void *context, uint64_t offset, void *data, size_t len,
                            struct error *err)
{
    ssize_t got;

    while ((got = pread(*(int *)context, data, len, (off_t)offset)) < 0 && errno == EINTR)
        ;
    return got < 0 ? error_errno(err, ERROR_STORAGE, "read") : got;
}

static void file_close_source(void *context)
{
    close(*(int *)context);
    free(context);
}

static int store_dir_read(struct store *store, const char *key, struct source *source,
                          struct error *err)
{
    scoped(free_text) char *path = xasprintf("%s/%s", store->root, key);
    scoped(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return error_errno(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_STORAGE, "open %s", path);
    int *held = xcalloc(1, sizeof *held);

    *held = fd_take(&fd);
    *source = (struct source){.read = file_read_at,
                              .close = file_close_source,
                              .context = held,
                              .bytes = (uint64_t)status.st_size};
    return 0;
}

const struct store_type store_dir = {
    .scheme = "file",
    .open = store_dir_open,
    .put = store_dir_put,
    .list = store_dir_list,
    .read = store_dir_read,
    .close = store_dir_close,
};
