#include "replay/diff.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/num.h"
#include "base/scoped.h"

#define PATH_LIMIT ((size_t)1 << 20)

/* As they come out of append_key(). */
static const char *const noisy[] = {
    "metadata.managedFields",
    "metadata.resourceVersion",
    "metadata.generation",
    "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]",
};

struct walk {
    struct diff *diff;
    enum diff_noise noise;
    struct buf path;
};

static void differ(struct walk *walk, json_object *before, json_object *after);

static bool is_noise(const struct walk *walk)
{
    struct str path = buf_str(&walk->path);

    for (size_t i = 0; walk->noise == DIFF_WITHOUT_NOISE && i < count_of(noisy); i++)
        if (str_is(path, noisy[i]))
            return true;
    return false;
}

static void add_entry(struct walk *walk, json_object *before, json_object *after)
{
    struct diff *diff = walk->diff;

    if (diff->count == DIFF_ENTRIES_MAX) {
        diff->left_off++;
        return;
    }
    diff->entries = xreallocarray(diff->entries, diff->count + 1, sizeof *diff->entries);
    diff->entries[diff->count++] = (struct diff_entry){
        .path = str_dup(buf_str(&walk->path)),
        .before = json_object_get(before),
        .after = json_object_get(after),
    };
}

static void append_key(struct buf *path, const char *key)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

    if (!*key || key[strspn(key, plain)])
        buf_printf(path, "[%s]", key);
    else
        buf_printf(path, "%s%s", path->len ? "." : "", key);
}

static json_object *member(json_object *object, const char *key)
{
    json_object *value = NULL;

    return json_object_object_get_ex(object, key, &value) ? value : NULL;
}

static void differ_at(struct walk *walk, size_t path_length, json_object *before,
                      json_object *after)
{
    differ(walk, before, after);
    walk->path.len = path_length;
}

static void differ_members(struct walk *walk, json_object *before, json_object *after)
{
    size_t path_length = walk->path.len;

    json_object_object_foreach(before, key, value)
    {
        append_key(&walk->path, key);
        differ_at(walk, path_length, value, member(after, key));
    }
    json_object_object_foreach(after, new_key, new_value)
    {
        if (json_object_object_get_ex(before, new_key, NULL))
            continue;
        append_key(&walk->path, new_key);
        differ_at(walk, path_length, NULL, new_value);
    }
}

static const char *text_member(json_object *item, const char *key)
{
    json_object *value = json_object_is_type(item, json_type_object) ? member(item, key) : NULL;

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

static json_object *find_item(json_object *list, const char *key, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *item = json_object_array_get_idx(list, i);
        const char *its = text_member(item, key);
        if (its && strcmp(its, name) == 0)
            return item;
    }
    return NULL;
}

/* Has each item a text under `key` that no other has? */
static bool is_keyed_by(json_object *list, const char *key)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *item = json_object_array_get_idx(list, i);
        const char *name = text_member(item, key);
        if (!name || find_item(list, key, name) != item)
            return false;
    }
    return true;
}

static const char *key_of(json_object *before, json_object *after)
{
    static const char *const keys[] = {"name", "type"};

    for (size_t i = 0; i < count_of(keys); i++)
        if (is_keyed_by(before, keys[i]) && is_keyed_by(after, keys[i]))
            return keys[i];
    return NULL;
}

static void differ_keyed(struct walk *walk, const char *key, json_object *before,
                         json_object *after)
{
    size_t path_length = walk->path.len;

    for (size_t i = 0; i < json_object_array_length(before); i++) {
        json_object *item = json_object_array_get_idx(before, i);
        const char *name = text_member(item, key);
        buf_printf(&walk->path, "[%s]", name);
        differ_at(walk, path_length, item, find_item(after, key, name));
    }
    for (size_t i = 0; i < json_object_array_length(after); i++) {
        json_object *item = json_object_array_get_idx(after, i);
        const char *name = text_member(item, key);
        if (find_item(before, key, name))
            continue;
        buf_printf(&walk->path, "[%s]", name);
        differ_at(walk, path_length, NULL, item);
    }
}

static void differ_items(struct walk *walk, json_object *before, json_object *after)
{
    size_t path_length = walk->path.len;
    size_t old = json_object_array_length(before), new = json_object_array_length(after);
    const char *key = max_of(old, new) <= DIFF_ENTRIES_MAX ? key_of(before, after) : NULL;

    if (key) {
        differ_keyed(walk, key, before, after);
        return;
    }
    for (size_t i = 0; i < max_of(old, new); i++) {
        buf_printf(&walk->path, "[%zu]", i);
        differ_at(walk, path_length, i < old ? json_object_array_get_idx(before, i) : NULL,
                  i < new ? json_object_array_get_idx(after, i) : NULL);
    }
}

static void differ(struct walk *walk, json_object *before, json_object *after)
{
    if (json_object_equal(before, after))
        return;
    if (is_noise(walk)) {
        walk->diff->noise++;
        return;
    }
    json_type type = json_object_get_type(before);
    if (type == json_type_object && json_object_is_type(after, type))
        differ_members(walk, before, after);
    else if (type == json_type_array && json_object_is_type(after, type))
        differ_items(walk, before, after);
    else
        add_entry(walk, before, after);
}

void diff_objects(struct diff *diff, json_object *before, json_object *after, enum diff_noise noise)
{
    struct walk walk = {.diff = diff, .noise = noise, .path = {.limit = PATH_LIMIT}};

    differ(&walk, before, after);
    buf_free(&walk.path);
}

void diff_free(struct diff *diff)
{
    for (size_t i = 0; i < diff->count; i++) {
        free(diff->entries[i].path);
        json_object_put(diff->entries[i].before);
        json_object_put(diff->entries[i].after);
    }
    free(diff->entries);
    *diff = (struct diff){0};
}
