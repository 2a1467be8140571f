#include "base/jsondoc.h"

#include <limits.h>

#include "base/scoped.h"
#include "base/utf8.h"

#define DEPTH_MAX 64

static void free_tokener(struct json_tokener **tokener)
{
    if (*tokener)
        json_tokener_free(*tokener);
}

json_object *jsondoc_parse(struct str text, struct error *err)
{
    __attribute__((cleanup(free_tokener))) struct json_tokener *tokener =
        json_tokener_new_ex(DEPTH_MAX);

    if (text.len == 0 || text.len > INT_MAX - 1) {
        error_set(err, ERROR_PROTOCOL, "JSON: %s", text.len ? "too long" : "empty");
        return NULL;
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8 |
                                        JSON_TOKENER_ALLOW_TRAILING_CHARS);
    json_object *root = json_tokener_parse_ex(tokener, text.data, (int)text.len);
    enum json_tokener_error status = json_tokener_get_error(tokener);

    /* A bare number only ends with the text: give the parser the NUL that ends it. */
    if (status == json_tokener_continue) {
        root = json_tokener_parse_ex(tokener, "", 1);
        status = json_tokener_get_error(tokener);
    }
    if (status != json_tokener_success) {
        error_set(err, ERROR_PROTOCOL, "JSON: %s at byte %zu", json_tokener_error_desc(status),
                  json_tokener_get_parse_end(tokener));
        return NULL;
    }
    for (size_t i = json_tokener_get_parse_end(tokener); i < text.len; i++) {
        if (!memchr(" \t\r\n", text.data[i], 4)) {
            error_set(err, ERROR_PROTOCOL, "JSON: something follows at byte %zu", i);
            json_object_put(root);
            return NULL;
        }
    }
    if (!root)
        error_set(err, ERROR_PROTOCOL, "JSON: null");
    return root;
}

json_object *jsondoc_at(json_object *root, const char *path)
{
    json_object *found = NULL;

    if (!root)
        return NULL;
    if (path[0] == '\0')
        return root;
    return json_pointer_get(root, path, &found) == 0 ? found : NULL;
}

const char *jsondoc_string(json_object *root, const char *path)
{
    json_object *value = jsondoc_at(root, path);

    if (!json_object_is_type(value, json_type_string))
        return NULL;
    const char *text = json_object_get_string(value);

    return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

int64_t jsondoc_int(json_object *root, const char *path, int64_t fallback)
{
    json_object *value = jsondoc_at(root, path);

    return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : fallback;
}

bool jsondoc_bool(json_object *root, const char *path, bool fallback)
{
    json_object *value = jsondoc_at(root, path);

    return json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value)
                                                         : fallback;
}

size_t jsondoc_count(json_object *root, const char *path)
{
    json_object *value = jsondoc_at(root, path);

    return json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
}

static json_object *new_string(struct str value)
{
    if (utf8_is_valid(value))
        return json_object_new_string_len(value.data ? value.data : "", (int)value.len);
    scoped(buf_free) struct buf valid = {.limit = INT_MAX};

    utf8_append_valid(&valid, value);
    return json_object_new_string_len(valid.data, (int)valid.len);
}

void jsondoc_put_string(json_object *parent, const char *key, const char *value)
{
    if (value)
        jsondoc_put_str(parent, key, str_from(value));
}

void jsondoc_put_str(json_object *parent, const char *key, struct str value)
{
    json_object_object_add(parent, key, new_string(value));
}

void jsondoc_add_string(json_object *array, const char *value)
{
    json_object_array_add(array, new_string(str_from(value)));
}

void jsondoc_put_int(json_object *parent, const char *key, int64_t value)
{
    json_object_object_add(parent, key, json_object_new_int64(value));
}

void jsondoc_put_bool(json_object *parent, const char *key, bool value)
{
    json_object_object_add(parent, key, json_object_new_boolean(value));
}

json_object *jsondoc_put_adopt(json_object *parent, const char *key, json_object *child)
{
    json_object_object_add(parent, key, child);
    return child;
}

void jsondoc_write(struct buf *out, json_object *root)
{
    size_t len = 0;
    const char *text = json_object_to_json_string_length(
        root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

    buf_append(out, text, len);
}

void jsondoc_free(json_object **root)
{
    if (*root)
        json_object_put(*root);
    *root = NULL;
}
