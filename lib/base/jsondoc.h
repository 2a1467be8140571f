/* jsondoc.h - reading small JSON documents by path, and writing them, over json-c.
 * Bodies never go through here: see kube/redact.h and session/escape.h. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

/* One JSON value and nothing behind it but white space, nesting <= 64, valid UTF-8.
 * ERROR_PROTOCOL otherwise. The caller owns the tree. */
must_use json_object *jsondoc_parse(struct str text, struct error *err);

/* By RFC 6901 path ("/status/token"; "" is the root). Absent, of another type, or a string with an
 * embedded NUL: NULL, or the fallback. What is returned belongs to the tree. */
const char *jsondoc_string(json_object *root, const char *path);
int64_t jsondoc_int(json_object *root, const char *path, int64_t fallback);
bool jsondoc_bool(json_object *root, const char *path, bool fallback);
/* Any value; NULL when absent (or JSON null). */
json_object *jsondoc_at(json_object *root, const char *path);
/* An array's length; 0 when absent or no array. */
size_t jsondoc_count(json_object *root, const char *path);

/* Writing: the parent owns what is put. `value` NULL puts nothing. Bytes that are no UTF-8, which
 * arguments and paths may have and JSON may not, become \xff (utf8_append_valid). */
void jsondoc_put_string(json_object *parent, const char *key, const char *value);
void jsondoc_put_str(json_object *parent, const char *key, struct str value);
void jsondoc_add_string(json_object *array, const char *value);
void jsondoc_put_int(json_object *parent, const char *key, int64_t value);
void jsondoc_put_bool(json_object *parent, const char *key, bool value);
/* Gives `child` to the parent and returns it. */
json_object *jsondoc_put_adopt(json_object *parent, const char *key, json_object *child);
/* Compact, without a newline. */
void jsondoc_write(struct buf *out, json_object *root);

void jsondoc_free(json_object **root);
