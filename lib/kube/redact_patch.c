#include "kube/redact_patch.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/jsondoc.h"
#include "base/scoped.h"

/* The API server takes 10,000 operations; this bounds memory, which a tree needs a lot of. */
#define VALUES_MAX 200000

/* ~1 is a slash, ~0 a tilde (RFC 6901 section 4). False: longer than any name that matters. */
static bool unescape(struct str segment, char name[REDACT_KEY_MAX], size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < segment.len; i++) {
        bool is_escape = segment.data[i] == '~' && i + 1 < segment.len &&
                         (segment.data[i + 1] == '0' || segment.data[i + 1] == '1');

        if (*len == REDACT_KEY_MAX)
            return false;
        name[(*len)++] = !is_escape ? segment.data[i] : segment.data[i + 1] == '1' ? '/' : '~';
        i += is_escape;
    }
    return true;
}

enum key_class redact_path_class(struct str path)
{
    enum key_class class = KEY_PLAIN;

    if (path.len == 0)
        return KEY_PLAIN; /* the whole object */
    if (path.data[0] != '/')
        return KEY_SECRET; /* no path: what is meant cannot be known */
    for (struct str rest = str_skip(path, 1); rest.data;) {
        char name[REDACT_KEY_MAX];
        size_t len;

        if (class != KEY_PLAIN)
            return KEY_SECRET;
        if (unescape(str_split(&rest, '/'), name, &len))
            class = redact_key_class(str_make(name, len));
    }
    return class;
}

/* At least as many as there are values in it. */
static size_t count_values(struct str text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == ',' || text.data[i] == '[' || text.data[i] == '{';
    return count;
}

void redact_patch_read(struct redact_patch *patch, struct str text)
{
    struct error err = {0};

    *patch = (struct redact_patch){0};
    if (count_values(text) > VALUES_MAX)
        return;
    scoped(jsondoc_free) json_object *root = jsondoc_parse(text, &err);
    if (!json_object_is_type(root, json_type_array))
        return;
    size_t count = json_object_array_length(root);
    patch->classes = xcalloc(count + 1, 1);
    patch->count = count;
    for (size_t i = 0; i < count; i++) {
        json_object *operation = json_object_array_get_idx(root, i), *path = NULL;
        bool is_named = json_object_is_type(operation, json_type_object) &&
                        json_object_object_get_ex(operation, "path", &path) &&
                        json_object_is_type(path, json_type_string);

        patch->classes[i] =
            is_named ? (unsigned char)redact_path_class(str_make(
                           json_object_get_string(path), (size_t)json_object_get_string_len(path)))
                     : KEY_SECRET;
    }
}

enum key_class redact_patch_class(const struct redact_patch *patch, size_t operation)
{
    return operation < patch->count ? (enum key_class)patch->classes[operation] : KEY_SECRET;
}

void redact_patch_free(struct redact_patch *patch)
{
    free(patch->classes);
    *patch = (struct redact_patch){0};
}
