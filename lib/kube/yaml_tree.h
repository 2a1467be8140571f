/* yaml_tree.h - one YAML 1.1 document as a tree, by libyaml's events; JSON is a subset of it. For
 * files that people write: every node knows its line. Bounded: nesting, number of nodes, aliases
 * (shared, never copied, never into themselves). No I/O. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"

#define YAML_TREE_DEPTH_MAX 32
#define YAML_TREE_NODES_MAX 200000
#define YAML_TREE_ALIASES_MAX 1000
#define YAML_TREE_KEYS_MAX 1000 /* of one map; lists may be longer */

enum yaml_kind { YAML_TEXT, YAML_NULL, YAML_BOOL, YAML_NUMBER, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind; /* a scalar without quotes is resolved as Go's YAML does: no is a bool */
    unsigned line;       /* from 1 */
    struct str text;     /* of a scalar, as it stands there; owned, NUL-terminated behind */
    struct yaml_node **items; /* of a list; of a map: key, value, key, value… */
    size_t count;             /* of items */
};

struct yaml_tree; /* owns its nodes */

/* ERROR_CONFIG, "path:line: …": not YAML, more than one document, a key twice or that is no
 * scalar, past a bound. A text without a document gives a tree whose root is NULL. */
must_use struct yaml_tree *yaml_tree_parse(const char *path, struct str text, struct error *err);
const struct yaml_node *yaml_tree_root(const struct yaml_tree *tree);
void yaml_tree_free(struct yaml_tree **tree); /* wipes: there may be secrets in it */

/* The value of `key` in a map, also by a merge key (<<); NULL when absent or null, or `map` is
 * NULL or no map. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/* "text", "a list"… for messages. */
const char *yaml_kind_name(enum yaml_kind kind);
