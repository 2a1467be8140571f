#include "fake_medium.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/num.h"

#define FILES_MAX 4096
#define NAMES_MAX 256

struct fake_file {
    struct buf data;
    size_t synced;
    bool is_open;
};

struct fake_name {
    char *path; /* owned; NULL: free */
    int file;
};

struct fake_rule {
    char call[24];
    unsigned nth, times;
    int cause;
};

struct fake_medium {
    struct medium calls;
    struct fake_file files[FILES_MAX];
    int file_count;
    struct fake_name names[NAMES_MAX];
    struct fake_name durable[NAMES_MAX];
    struct fake_rule rule;
    uint64_t capacity;
    struct buf log;
    unsigned call_count;
};

static struct fake_name *find(struct fake_name *names, const char *path)
{
    for (size_t i = 0; i < NAMES_MAX; i++)
        if (names[i].path && strcmp(names[i].path, path) == 0)
            return &names[i];
    return NULL;
}

static int fail(int cause)
{
    errno = cause;
    return -1;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static const char *name_of(const struct fake_medium *fake, int file)
{
    for (size_t i = 0; i < NAMES_MAX; i++)
        if (fake->names[i].path && fake->names[i].file == file)
            return base_name(fake->names[i].path);
    return "-";
}

/* Notes the call; -1 when it is to fail. */
static int enter(struct fake_medium *fake, const char *call, const char *what)
{
    struct fake_rule *rule = &fake->rule;

    fake->call_count++;
    buf_printf(&fake->log, "%s %s\n", call, what);
    if (rule->times == 0 || (strcmp(rule->call, "*") != 0 && strcmp(rule->call, call) != 0))
        return 0;
    if (rule->nth > 1) {
        rule->nth--;
        return 0;
    }
    if (rule->times != UINT32_MAX)
        rule->times--;
    return fail(rule->cause);
}

uint64_t fake_medium_used(const struct fake_medium *fake)
{
    uint64_t used = 0;

    for (int file = 0; file < fake->file_count; file++) {
        bool is_named = strcmp(name_of(fake, file), "-") != 0;

        if (is_named || fake->files[file].is_open)
            used += fake->files[file].data.len;
    }
    return used;
}

static size_t room_for(const struct fake_medium *fake, size_t len)
{
    uint64_t used = fake_medium_used(fake);

    if (fake->capacity == 0)
        return len;
    return used >= fake->capacity ? 0 : min_of(len, (size_t)(fake->capacity - used));
}

static void bind(struct fake_medium *fake, const char *path, int file)
{
    struct fake_name *name = find(fake->names, path);

    for (size_t i = 0; !name && i < NAMES_MAX; i++)
        if (!fake->names[i].path)
            name = &fake->names[i];
    assert(name);
    if (!name->path)
        name->path = xstrdup(path);
    name->file = file;
}

static int new_file(struct fake_medium *fake)
{
    int file = fake->file_count++;

    assert(file < FILES_MAX);
    fake->files[file] = (struct fake_file){.data.limit = SIZE_MAX};
    return file;
}

static int fake_create(void *context, const char *path)
{
    struct fake_medium *fake = context;

    if (enter(fake, "create", base_name(path)) < 0)
        return -1;
    if (find(fake->names, path))
        return fail(EEXIST);
    int file = new_file(fake);

    fake->files[file].is_open = true;
    bind(fake, path, file);
    return file;
}

static int fake_open(void *context, const char *path)
{
    struct fake_medium *fake = context;
    struct fake_name *name = find(fake->names, path);

    if (enter(fake, "open", base_name(path)) < 0)
        return -1;
    if (!name)
        return fail(ENOENT);
    if (fake->files[name->file].is_open)
        return fail(EWOULDBLOCK);
    fake->files[name->file].is_open = true;
    return name->file;
}

static void fake_close(void *context, int file)
{
    struct fake_medium *fake = context;

    fake->files[file].is_open = false;
}

static int fake_append(void *context, int file, const void *data, size_t len)
{
    struct fake_medium *fake = context;
    struct fake_file *to = &fake->files[file];

    assert(to->is_open);
    if (enter(fake, "append", name_of(fake, file)) < 0) {
        int cause = errno;

        buf_append(&to->data, data, len / 2);
        return fail(cause);
    }
    size_t room = room_for(fake, len);

    buf_append(&to->data, data, room);
    return room < len ? fail(ENOSPC) : 0;
}

static int fake_sync(void *context, int file)
{
    struct fake_medium *fake = context;

    assert(fake->files[file].is_open);
    if (enter(fake, "sync", name_of(fake, file)) < 0)
        return -1;
    fake->files[file].synced = fake->files[file].data.len;
    return 0;
}

static int fake_truncate(void *context, int file, uint64_t bytes)
{
    struct fake_medium *fake = context;
    struct fake_file *of = &fake->files[file];

    if (enter(fake, "truncate", name_of(fake, file)) < 0)
        return -1;
    assert(of->is_open && bytes <= of->data.len);
    of->data.len = bytes;
    of->synced = min_of(of->synced, of->data.len);
    return 0;
}

static ssize_t fake_read(void *context, int file, uint64_t offset, void *data, size_t len)
{
    struct fake_medium *fake = context;
    const struct buf *from = &fake->files[file].data;

    if (enter(fake, "read", name_of(fake, file)) < 0)
        return -1;
    if (offset >= from->len)
        return 0;
    len = min_of(len, from->len - (size_t)offset);
    memcpy(data, from->data + offset, len);
    return (ssize_t)len;
}

static int64_t fake_size(void *context, int file)
{
    struct fake_medium *fake = context;

    if (enter(fake, "size", name_of(fake, file)) < 0)
        return -1;
    return (int64_t)fake->files[file].data.len;
}

static int fake_allocate(void *context, int file, uint64_t bytes)
{
    struct fake_medium *fake = context;
    struct buf *data = &fake->files[file].data;

    if (enter(fake, "allocate", name_of(fake, file)) < 0)
        return -1;
    if (room_for(fake, bytes) < bytes)
        return fail(ENOSPC);
    char *room = buf_reserve(data, bytes);

    memset(room, 0, bytes);
    data->len += bytes;
    return 0;
}

static int fake_link(void *context, const char *from, const char *to)
{
    struct fake_medium *fake = context;
    struct fake_name *name = find(fake->names, from);

    if (enter(fake, "link", base_name(to)) < 0)
        return -1;
    if (!name)
        return fail(ENOENT);
    if (find(fake->names, to))
        return fail(EEXIST);
    bind(fake, to, name->file);
    return 0;
}

static void unbind(struct fake_name *name)
{
    free(name->path);
    name->path = NULL;
}

static int fake_rename(void *context, const char *from, const char *to)
{
    struct fake_medium *fake = context;
    struct fake_name *name = find(fake->names, from);

    if (enter(fake, "rename", base_name(to)) < 0)
        return -1;
    if (!name)
        return fail(ENOENT);
    bind(fake, to, name->file);
    unbind(find(fake->names, from));
    return 0;
}

static int fake_remove(void *context, const char *path)
{
    struct fake_medium *fake = context;
    struct fake_name *name = find(fake->names, path);

    if (enter(fake, "remove", base_name(path)) < 0)
        return -1;
    if (!name)
        return fail(ENOENT);
    unbind(name);
    return 0;
}

static void copy_names(struct fake_name *to, const struct fake_name *from)
{
    for (size_t i = 0; i < NAMES_MAX; i++) {
        unbind(&to[i]);
        if (from[i].path)
            to[i] = (struct fake_name){xstrdup(from[i].path), from[i].file};
    }
}

static int fake_sync_directory(void *context, const char *path)
{
    struct fake_medium *fake = context;

    if (enter(fake, "sync_directory", base_name(path)) < 0)
        return -1;
    copy_names(fake->durable, fake->names);
    return 0;
}

static int fake_exists(void *context, const char *path)
{
    struct fake_medium *fake = context;

    if (enter(fake, "exists", base_name(path)) < 0)
        return -1;
    return find(fake->names, path) != NULL;
}

struct fake_medium *fake_medium_new(void)
{
    struct fake_medium *fake = xcalloc(1, sizeof *fake);

    fake->log.limit = SIZE_MAX;
    fake->calls = (struct medium){
        .context = fake,
        .create = fake_create,
        .open = fake_open,
        .close = fake_close,
        .append = fake_append,
        .sync = fake_sync,
        .truncate = fake_truncate,
        .read = fake_read,
        .size = fake_size,
        .allocate = fake_allocate,
        .link = fake_link,
        .rename = fake_rename,
        .remove = fake_remove,
        .sync_directory = fake_sync_directory,
        .exists = fake_exists,
    };
    return fake;
}

void fake_medium_free(struct fake_medium **address)
{
    struct fake_medium *fake = *address;

    if (!fake)
        return;
    for (int i = 0; i < fake->file_count; i++)
        buf_free(&fake->files[i].data);
    for (size_t i = 0; i < NAMES_MAX; i++) {
        unbind(&fake->names[i]);
        unbind(&fake->durable[i]);
    }
    buf_free(&fake->log);
    free(fake);
    *address = NULL;
}

const struct medium *fake_medium_calls(struct fake_medium *fake)
{
    return &fake->calls;
}

void fake_medium_fail(struct fake_medium *fake, const char *call, unsigned nth, int cause,
                      unsigned times)
{
    fake->rule = (struct fake_rule){.nth = nth, .times = times, .cause = cause};
    strncpy(fake->rule.call, call, sizeof fake->rule.call - 1);
}

void fake_medium_heal(struct fake_medium *fake)
{
    fake->rule = (struct fake_rule){0};
    fake->capacity = 0;
}

void fake_medium_set_capacity(struct fake_medium *fake, uint64_t bytes)
{
    fake->capacity = bytes;
}

const char *fake_medium_log(const struct fake_medium *fake)
{
    struct fake_medium *mutable = (struct fake_medium *)fake;

    buf_append_char(&mutable->log, '\0');
    mutable->log.len--;
    return fake->log.data;
}

void fake_medium_reset_log(struct fake_medium *fake)
{
    buf_clear(&fake->log);
}

unsigned fake_medium_call_count(const struct fake_medium *fake)
{
    return fake->call_count;
}

struct str fake_medium_file(const struct fake_medium *fake, const char *path)
{
    struct fake_name *name = find((struct fake_name *)fake->names, path);

    if (!name)
        return (struct str){0};
    struct str data = buf_str(&fake->files[name->file].data);

    return data.data ? data : STR("");
}

struct str fake_medium_synced(const struct fake_medium *fake, const char *path)
{
    struct fake_name *name = find((struct fake_name *)fake->names, path);

    return name ? str_first(fake_medium_file(fake, path), fake->files[name->file].synced)
                : (struct str){0};
}

void fake_medium_put(struct fake_medium *fake, const char *path, struct str data)
{
    int file = new_file(fake);

    buf_append_str(&fake->files[file].data, data);
    fake->files[file].synced = data.len;
    bind(fake, path, file);
    copy_names(fake->durable, fake->names);
}

const char *fake_medium_name(const struct fake_medium *fake, unsigned i)
{
    for (size_t at = 0; at < NAMES_MAX; at++)
        if (fake->names[at].path && i-- == 0)
            return fake->names[at].path;
    return NULL;
}

void fake_medium_kill(struct fake_medium *fake)
{
    for (int i = 0; i < fake->file_count; i++)
        fake->files[i].is_open = false;
}

void fake_medium_lose_power(struct fake_medium *fake)
{
    fake_medium_kill(fake);
    for (int i = 0; i < fake->file_count; i++)
        fake->files[i].data.len = fake->files[i].synced;
    copy_names(fake->names, fake->durable);
}
