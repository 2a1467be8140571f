#include "kube/yaml_tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/secret.h"

#define MERGES_MAX 8 /* maps merged into maps merged into … */

struct anchor {
    char *name; /* owned */
    struct yaml_node *node;
};

/* A node that is not complete yet. */
struct level {
    struct yaml_node *node;
    size_t capacity;
};

struct yaml_tree {
    struct yaml_node *root;
    struct yaml_node **nodes; /* all of them, owned */
    size_t node_count, node_capacity;
};

struct reading {
    struct yaml_tree *tree;
    const char *path;
    struct level levels[YAML_TREE_DEPTH_MAX];
    size_t depth;
    struct anchor *anchors;
    size_t anchor_count, alias_count;
};

static int fail_at(const struct reading *reading, size_t line, struct error *err, const char *text)
{
    return error_set(err, ERROR_CONFIG, "%s:%zu: %s", reading->path, line, text);
}

/* --- what a scalar without quotes is: go-yaml v2 resolve.go, that kubectl reads with */

static bool is_one_of(struct str text, const char *const *words)
{
    for (; *words; words++)
        if (str_is(text, *words))
            return true;
    return false;
}

static size_t digits(struct str text)
{
    size_t count = 0;

    while (count < text.len && text.data[count] >= '0' && text.data[count] <= '9')
        count++;
    return count;
}

static bool is_float(struct str text)
{
    size_t whole = digits(text);
    struct str rest = str_skip(text, whole);
    size_t fraction = 0;

    if (rest.len && rest.data[0] == '.') {
        fraction = digits(str_skip(rest, 1));
        rest = str_skip(rest, 1 + fraction);
    }
    if (whole + fraction == 0)
        return false;
    if (rest.len == 0)
        return true;
    if (rest.data[0] != 'e' && rest.data[0] != 'E')
        return false;
    rest = str_skip(rest, 1);
    if (rest.len && (rest.data[0] == '+' || rest.data[0] == '-'))
        rest = str_skip(rest, 1);
    return rest.len && digits(rest) == rest.len;
}

static bool is_based(struct str text, char letter, const char *set)
{
    if (text.len < 3 || text.data[0] != '0' || (text.data[1] | 0x20) != letter)
        return false;
    for (size_t i = 2; i < text.len; i++)
        if (!strchr(set, text.data[i]) || !text.data[i])
            return false;
    return true;
}

static bool is_number(struct str text)
{
    static const char *const words[] = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",
                                        ".INF",  "+.inf", "+.Inf", "+.INF", "-.inf",
                                        "-.Inf", "-.INF", NULL};
    char plain[64];
    size_t len = 0;

    if (is_one_of(text, words))
        return true;
    if (text.len == 0 || text.len >= sizeof plain || !strchr("+-.0123456789", text.data[0]))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '_')
            plain[len++] = text.data[i];
    struct str number = str_make(plain, len);

    if (len && (plain[0] == '+' || plain[0] == '-'))
        number = str_skip(number, 1);
    return is_float(number) || is_based(number, 'x', "0123456789abcdefABCDEF") ||
           is_based(number, 'o', "01234567") || is_based(number, 'b', "01");
}

static enum yaml_kind resolve(struct str text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const bools[] = {
        "y", "Y",  "yes", "Yes", "YES",   "true",  "True",  "TRUE", "on",  "On",  "ON", "n",
        "N", "no", "No",  "NO",  "false", "False", "FALSE", "off",  "Off", "OFF", NULL};

    if (is_one_of(text, nulls))
        return YAML_NULL;
    if (is_one_of(text, bools))
        return YAML_BOOL;
    return is_number(text) ? YAML_NUMBER : YAML_TEXT;
}

const char *yaml_kind_name(enum yaml_kind kind)
{
    switch (kind) {
    case YAML_TEXT:
        return "text";
    case YAML_NULL:
        return "nothing";
    case YAML_BOOL:
        return "a yes or no";
    case YAML_NUMBER:
        return "a number";
    case YAML_LIST:
        return "a list";
    case YAML_MAP:
        return "a map";
    }
    unreachable();
}

/* --- building */

static struct yaml_node *new_node(struct yaml_tree *tree, enum yaml_kind kind, size_t line)
{
    struct yaml_node *node = xcalloc(1, sizeof *node);

    if (tree->node_count == tree->node_capacity) {
        tree->node_capacity = tree->node_capacity ? 2 * tree->node_capacity : 64;
        tree->nodes = xreallocarray(tree->nodes, tree->node_capacity, sizeof *tree->nodes);
    }
    tree->nodes[tree->node_count++] = node;
    node->kind = kind;
    node->line = (unsigned)line;
    return node;
}

static const struct yaml_node *find_key(const struct yaml_node *map, struct str key)
{
    for (size_t i = 0; i + 1 < map->count; i += 2)
        if (str_equal(map->items[i]->text, key))
            return map->items[i + 1];
    return NULL;
}

static int check_key(const struct reading *reading, const struct yaml_node *map,
                     const struct yaml_node *key, struct error *err)
{
    if (key->kind == YAML_LIST || key->kind == YAML_MAP)
        return fail_at(reading, key->line, err, "a key must be text");
    if (map->count >= 2 * YAML_TREE_KEYS_MAX)
        return fail_at(reading, key->line, err, "too many keys in one map");
    if (!find_key(map, key->text))
        return 0;
    return error_set(err, ERROR_CONFIG, "%s:%u: \"%.*s\" stands twice in the same map",
                     reading->path, key->line, (int)min_of(key->text.len, (size_t)64),
                     key->text.data);
}

/* Puts a node that is complete, or begins, into the one that is open. */
static int place(struct reading *reading, struct yaml_node *node, struct error *err)
{
    if (reading->depth == 0) {
        reading->tree->root = node;
        return 0;
    }
    struct level *level = &reading->levels[reading->depth - 1];
    struct yaml_node *parent = level->node;

    if (parent->kind == YAML_MAP && parent->count % 2 == 0 &&
        check_key(reading, parent, node, err) < 0)
        return -1;
    if (parent->count == level->capacity) {
        level->capacity = level->capacity ? 2 * level->capacity : 8;
        parent->items = xreallocarray(parent->items, level->capacity, sizeof *parent->items);
    }
    parent->items[parent->count++] = node;
    return 0;
}

/* More than there may be aliases cannot all be of use: the first ones are kept. */
static void set_anchor(struct reading *reading, const yaml_char_t *name, struct yaml_node *node)
{
    if (!name || reading->anchor_count == YAML_TREE_ALIASES_MAX)
        return;
    reading->anchors =
        xreallocarray(reading->anchors, reading->anchor_count + 1, sizeof *reading->anchors);
    reading->anchors[reading->anchor_count++] =
        (struct anchor){.name = xstrdup((const char *)name), .node = node};
}

/* Only what is complete can be meant: a node inside itself would have no end. */
static int place_alias(struct reading *reading, const char *name, size_t line, struct error *err)
{
    if (++reading->alias_count > YAML_TREE_ALIASES_MAX)
        return fail_at(reading, line, err, "too many aliases");
    for (size_t i = reading->anchor_count; i-- > 0;) {
        struct yaml_node *node = reading->anchors[i].node;

        if (strcmp(reading->anchors[i].name, name) != 0)
            continue;
        for (size_t open = 0; open < reading->depth; open++)
            if (reading->levels[open].node == node)
                return fail_at(reading, line, err, "an alias of what it stands in");
        return place(reading, node, err);
    }
    return fail_at(reading, line, err, "an alias of nothing");
}

static int place_scalar(struct reading *reading, const yaml_event_t *event, struct error *err)
{
    struct str text = str_make(event->data.scalar.value, event->data.scalar.length);
    const char *tag = (const char *)event->data.scalar.tag;
    bool is_text = !event->data.scalar.plain_implicit;
    size_t line = event->start_mark.line + 1;

    if (tag && strcmp(tag, YAML_STR_TAG) != 0)
        return fail_at(reading, line, err, "a tag that has no meaning here");
    if (memchr(text.data, '\0', text.len))
        return fail_at(reading, line, err, "a NUL character in a text");
    struct yaml_node *node = new_node(reading->tree, is_text ? YAML_TEXT : resolve(text), line);

    node->text = str_make(xstrndup(text.data, text.len), text.len);
    set_anchor(reading, event->data.scalar.anchor, node);
    return place(reading, node, err);
}

static int open_level(struct reading *reading, enum yaml_kind kind, const yaml_char_t *anchor,
                      size_t line, struct error *err)
{
    if (reading->depth == YAML_TREE_DEPTH_MAX)
        return fail_at(reading, line, err, "nested too deep");
    struct yaml_node *node = new_node(reading->tree, kind, line);

    set_anchor(reading, anchor, node);
    if (place(reading, node, err) < 0)
        return -1;
    reading->levels[reading->depth++] = (struct level){.node = node};
    return 0;
}

static int use_event(struct reading *reading, const yaml_event_t *event, struct error *err)
{
    size_t line = event->start_mark.line + 1;

    if (reading->tree->node_count >= YAML_TREE_NODES_MAX)
        return fail_at(reading, line, err, "too large");
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (reading->tree->root)
            return fail_at(reading, line, err, "a second document begins; only one is allowed");
        return 0;
    case YAML_ALIAS_EVENT:
        return place_alias(reading, (const char *)event->data.alias.anchor, line, err);
    case YAML_SCALAR_EVENT:
        return place_scalar(reading, event, err);
    case YAML_SEQUENCE_START_EVENT:
        return open_level(reading, YAML_LIST, event->data.sequence_start.anchor, line, err);
    case YAML_MAPPING_START_EVENT:
        return open_level(reading, YAML_MAP, event->data.mapping_start.anchor, line, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        reading->depth--;
        return 0;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    }
    unreachable();
}

static int read_all(struct reading *reading, yaml_parser_t *parser, struct error *err)
{
    for (bool is_end = false; !is_end;) {
        yaml_event_t event;

        if (!yaml_parser_parse(parser, &event)) {
            size_t line = parser->problem_mark.line + 1;

            return fail_at(reading, line, err, parser->problem ? parser->problem : "not YAML");
        }
        is_end = event.type == YAML_STREAM_END_EVENT;
        int status = use_event(reading, &event, err);

        if (event.type == YAML_SCALAR_EVENT)
            secret_wipe(event.data.scalar.value, event.data.scalar.length);
        yaml_event_delete(&event);
        if (status < 0)
            return -1;
    }
    return 0;
}

struct yaml_tree *yaml_tree_parse(const char *path, struct str text, struct error *err)
{
    scoped(yaml_tree_free) struct yaml_tree *tree = xcalloc(1, sizeof *tree);
    struct reading reading = {.tree = tree, .path = path};
    yaml_parser_t parser;

    if (!yaml_parser_initialize(&parser)) {
        error_set(err, ERROR_INTERNAL, "YAML: memory ended");
        return NULL;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.data ? text.data : ""),
                                 text.len);
    int status = read_all(&reading, &parser, err);

    yaml_parser_delete(&parser);
    for (size_t i = 0; i < reading.anchor_count; i++)
        free(reading.anchors[i].name);
    free(reading.anchors);
    return status < 0 ? NULL : take(tree);
}

const struct yaml_node *yaml_tree_root(const struct yaml_tree *tree)
{
    return tree->root;
}

void yaml_tree_free(struct yaml_tree **tree)
{
    if (!*tree)
        return;
    for (size_t i = 0; i < (*tree)->node_count; i++) {
        struct yaml_node *node = (*tree)->nodes[i];
        char *text = (char *)node->text.data; /* ours since place_scalar() */

        secret_free(&text);
        free(node->items);
        free(node);
    }
    free((*tree)->nodes);
    free(*tree);
    *tree = NULL;
}

/* --- reading */

static const struct yaml_node *get(const struct yaml_node *map, struct str key, unsigned merges)
{
    if (!map || map->kind != YAML_MAP || merges > MERGES_MAX)
        return NULL;
    const struct yaml_node *value = find_key(map, key);

    if (value)
        return value;
    const struct yaml_node *merged = find_key(map, STR("<<"));

    if (merged && merged->kind == YAML_LIST)
        for (size_t i = 0; i < merged->count && !value; i++)
            value = merged->items[i]->kind == YAML_MAP ? find_key(merged->items[i], key) : NULL;
    else
        value = get(merged, key, merges + 1);
    return value;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *value = get(map, str_from(key), 0);

    return value && value->kind != YAML_NULL ? value : NULL;
}
