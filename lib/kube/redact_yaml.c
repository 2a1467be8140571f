#include "kube/redact_yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/encode.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "kube/redact_keys.h"
#include "kube/redact_pem.h"

/* What becomes of a node. */
enum fate {
    FATE_TABLE,   /* what redact_keys.h says of its members */
    FATE_MEMBERS, /* a map whose members' values are secret */
    FATE_VALUES,  /* all scalars in it, at any depth, but for keys */
    FATE_SECRET,  /* all scalars in it */
};

/* A map or list that is open. */
struct level {
    bool is_map, is_key_next;
    enum fate fate;
    enum key_class class; /* of the key that was read last */
};

struct anchor {
    char *name; /* owned */
    bool is_used;
};

struct walk {
    struct str text;
    struct fingerprint *print;
    struct redact_edits *edits;
    size_t at, characters; /* how far libyaml's marks, which count characters, are followed */
    size_t done;           /* all before is copied or edited */
    struct buf replaced;   /* a byte per scalar: 1, it was replaced */
    size_t depth;
    struct level levels[REDACT_YAML_DEPTH_MAX];
    struct anchor anchors[REDACT_YAML_ANCHORS_MAX];
    size_t anchor_count, alias_count;
};

/* ---- Edits ---- */

static void add_edit(struct walk *walk, size_t from, size_t to, char *text_adopt)
{
    struct redact_edits *edits = walk->edits;

    if (edits->count == edits->capacity) {
        edits->capacity = edits->capacity ? 2 * edits->capacity : 16;
        edits->items = xreallocarray(edits->items, edits->capacity, sizeof *edits->items);
    }
    edits->items[edits->count++] = (struct redact_edit){from, to, text_adopt};
    walk->done = to;
}

void redact_edits_free(struct redact_edits *edits)
{
    for (size_t i = 0; i < edits->count; i++)
        free(edits->items[i].text);
    free(edits->items);
    *edits = (struct redact_edits){0};
}

static char *placeholder(struct walk *walk, struct str value,
                         char text[FINGERPRINT_PLACEHOLDER_BYTES])
{
    fingerprint_begin(walk->print);
    fingerprint_add(walk->print, value);
    return fingerprint_placeholder(walk->print, text);
}

static bool is_break(char c)
{
    return c == '\n' || c == '\r';
}

/* Between scalars a '#' can only begin a comment: tags that hold one are refused. */
static void edit_comments(struct walk *walk, size_t to)
{
    for (size_t i = walk->done; i < to; i++) {
        char text[FINGERPRINT_PLACEHOLDER_BYTES];
        size_t end = i;

        if (walk->text.data[i] != '#')
            continue;
        while (end < to && !is_break(walk->text.data[end]))
            end++;
        struct str comment = str_make(walk->text.data + i + 1, end - i - 1);
        if (comment.len && walk->edits->count <= REDACT_YAML_EDITS_MAX)
            add_edit(walk, i, end, xasprintf("# %s", placeholder(walk, comment, text)));
        i = end;
    }
    walk->done = max_of(walk->done, to);
}

/* The byte at which a character stands; they are asked for in order. */
static bool find_byte(struct walk *walk, size_t character, size_t *byte)
{
    if (character < walk->characters)
        return false;
    while (walk->characters < character) {
        if (walk->at == walk->text.len)
            return false;
        do
            walk->at++;
        while (walk->at < walk->text.len &&
               ((unsigned char)walk->text.data[walk->at] & 0xc0) == 0x80);
        walk->characters++;
    }
    *byte = walk->at;
    return true;
}

/* ---- Anchors and tags ---- */

static int see_anchor(struct walk *walk, const yaml_char_t *name)
{
    if (!name)
        return 0;
    if (walk->anchor_count == REDACT_YAML_ANCHORS_MAX ||
        strlen((const char *)name) > REDACT_KEY_MAX)
        return -1;
    walk->anchors[walk->anchor_count++] = (struct anchor){.name = xstrdup((const char *)name)};
    return 0;
}

static int see_alias(struct walk *walk, const yaml_char_t *name)
{
    if (++walk->alias_count > REDACT_YAML_ALIASES_MAX)
        return -1;
    for (size_t i = walk->anchor_count; i-- > 0;)
        if (strcmp(walk->anchors[i].name, (const char *)name) == 0) {
            walk->anchors[i].is_used = true;
            return 0;
        }
    return -1;
}

static bool all_anchors_are_used(const struct walk *walk)
{
    for (size_t i = 0; i < walk->anchor_count; i++)
        if (!walk->anchors[i].is_used)
            return false;
    return true;
}

static bool is_known_tag(const yaml_char_t *tag)
{
    static const char *const tags[] = {YAML_NULL_TAG, YAML_BOOL_TAG,  YAML_STR_TAG,
                                       YAML_INT_TAG,  YAML_FLOAT_TAG, YAML_TIMESTAMP_TAG,
                                       YAML_SEQ_TAG,  YAML_MAP_TAG,   "tag:yaml.org,2002:binary"};

    for (size_t i = 0; tag && i < count_of(tags); i++)
        if (strcmp((const char *)tag, tags[i]) == 0)
            return true;
    return !tag;
}

/* ---- Nodes ---- */

/* [-._a-zA-Z0-9]+ (Kubernetes' validation of the keys of a Secret), and what merges and patches. */
static bool is_member_name(struct str name)
{
    bool is_plain = true;

    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];

        is_plain =
            is_plain && ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                         c == '-' || c == '_' || c == '.');
    }
    return is_plain || str_is(name, "<<") || str_is(name, "$patch") || str_is(name, "$retainKeys");
}

static struct level *top(struct walk *walk)
{
    return walk->depth ? &walk->levels[walk->depth - 1] : NULL;
}

/* What becomes of a node that stands here, before its own anchor has a say. */
static enum fate fate_here(const struct level *level, bool is_map)
{
    if (!level)
        return FATE_TABLE;
    switch (level->fate) {
    case FATE_SECRET:
    case FATE_VALUES:
        return level->fate;
    case FATE_MEMBERS:
        return FATE_SECRET;
    case FATE_TABLE:
        break;
    }
    if (!level->is_map || level->class == KEY_PLAIN)
        return FATE_TABLE;
    return level->class == KEY_MAP && is_map ? FATE_MEMBERS : FATE_SECRET;
}

/* A key or a value was placed. */
static void step_on(struct walk *walk)
{
    struct level *level = top(walk);

    if (level && level->is_map)
        level->is_key_next = !level->is_key_next;
}

static bool is_null(const yaml_event_t *event)
{
    struct str text = str_make(event->data.scalar.value, event->data.scalar.length);

    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text.len == 0 || str_is(text, "~") || str_is(text, "null") || str_is(text, "Null") ||
            str_is(text, "NULL"));
}

static bool is_block(const yaml_event_t *event)
{
    return event->data.scalar.style == YAML_LITERAL_SCALAR_STYLE ||
           event->data.scalar.style == YAML_FOLDED_SCALAR_STYLE;
}

/* Is a comment in the line that begins a block scalar? */
static bool has_comment(struct str region)
{
    for (size_t i = 0; i < region.len && !is_break(region.data[i]); i++)
        if (region.data[i] == '#')
            return true;
    return false;
}

static bool is_secret_key(struct walk *walk, const yaml_event_t *event)
{
    struct level *level = top(walk);
    struct str name = str_make(event->data.scalar.value, event->data.scalar.length);

    level->class = redact_key_class(name);
    return level->fate == FATE_SECRET || (level->fate == FATE_MEMBERS && !is_member_name(name));
}

static bool is_secret_value(struct walk *walk, const yaml_event_t *event, struct str region)
{
    struct str value = str_make(event->data.scalar.value, event->data.scalar.length);

    if (event->data.scalar.anchor || event->data.scalar.tag)
        return true; /* also because a comment may stand before the scalar itself */
    if (is_null(event))
        return false;
    return fate_here(top(walk), false) != FATE_TABLE || redact_pem_is_in(value) ||
           (is_block(event) && has_comment(region));
}

static void replace_scalar(struct walk *walk, const yaml_event_t *event, size_t from, size_t to)
{
    char text[FINGERPRINT_PLACEHOLDER_BYTES];
    const char *anchor = (const char *)event->data.scalar.anchor;
    struct str value = str_make(event->data.scalar.value, event->data.scalar.length);

    placeholder(walk, value, text);
    if (is_block(event)) /* the line breaks behind it stay */
        while (to > from + 1 && (is_break(walk->text.data[to - 1]) ||
                                 walk->text.data[to - 1] == ' ' || walk->text.data[to - 1] == '\t'))
            to--;
    add_edit(walk, from, to,
             anchor ? xasprintf("&%s \"%s\"", anchor, text) : xasprintf("\"%s\"", text));
}

static int see_scalar(struct walk *walk, const yaml_event_t *event)
{
    const struct level *level = top(walk);
    bool is_key = level && level->is_map && level->is_key_next;
    bool is_marked = event->data.scalar.anchor || event->data.scalar.tag;
    size_t from, to;

    if (walk->replaced.len == REDACT_YAML_SCALARS_MAX || (!level && !is_null(event)) ||
        (is_key && (is_marked || is_block(event))) || !is_known_tag(event->data.scalar.tag) ||
        see_anchor(walk, event->data.scalar.anchor) < 0)
        return -1;
    if (event->start_mark.index == event->end_mark.index) { /* nothing stands there */
        if (is_key)
            ignore(is_secret_key(walk, event));
        buf_append_char(&walk->replaced, 0);
        step_on(walk);
        return event->data.scalar.length ? -1 : 0;
    }
    if (!find_byte(walk, event->start_mark.index, &from) ||
        !find_byte(walk, event->end_mark.index, &to) || from < walk->done)
        return -1;
    edit_comments(walk, from);
    struct str region = str_make(walk->text.data + from, to - from);
    bool is_secret = is_key ? is_secret_key(walk, event) : is_secret_value(walk, event, region);

    if (is_secret)
        replace_scalar(walk, event, from, to);
    else
        walk->done = to;
    buf_append_char(&walk->replaced, is_secret);
    step_on(walk);
    return 0;
}

static int open_level(struct walk *walk, bool is_map, const yaml_char_t *anchor,
                      const yaml_char_t *tag)
{
    struct level *level = top(walk);
    enum fate fate = fate_here(level, is_map);

    if (walk->depth == REDACT_YAML_DEPTH_MAX || (!level && !is_map) ||
        (level && level->is_map && level->is_key_next) || !is_known_tag(tag) ||
        see_anchor(walk, anchor) < 0)
        return -1;
    if (anchor && fate != FATE_SECRET)
        fate = FATE_VALUES;
    walk->levels[walk->depth++] =
        (struct level){.is_map = is_map, .is_key_next = is_map, .fate = fate};
    return 0;
}

static int place_alias(struct walk *walk, const yaml_char_t *name)
{
    struct level *level = top(walk);

    if (!level || see_alias(walk, name) < 0)
        return -1;
    if (level->is_map && level->is_key_next)
        level->class = KEY_SECRET; /* it may be called anything */
    step_on(walk);
    return 0;
}

static int see_event(struct walk *walk, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_STREAM_START_EVENT:
        return event->data.stream_start.encoding == YAML_UTF8_ENCODING ? 0 : -1;
    case YAML_DOCUMENT_START_EVENT:
        return event->data.document_start.tag_directives.start ==
                       event->data.document_start.tag_directives.end
                   ? 0
                   : -1;
    case YAML_SCALAR_EVENT:
        return see_scalar(walk, event);
    case YAML_ALIAS_EVENT:
        return place_alias(walk, event->data.alias.anchor);
    case YAML_SEQUENCE_START_EVENT:
        return open_level(walk, false, event->data.sequence_start.anchor,
                          event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return open_level(walk, true, event->data.mapping_start.anchor,
                          event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        walk->depth--;
        step_on(walk);
        return 0;
    case YAML_STREAM_END_EVENT:
        edit_comments(walk, walk->text.len);
        return all_anchors_are_used(walk) ? 0 : -1;
    case YAML_NO_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    }
    unreachable();
}

/* ---- Reading ---- */

static void start(yaml_parser_t *parser, struct str text)
{
    if (!yaml_parser_initialize(parser))
        abort(); /* memory has ended */
    yaml_parser_set_input_string(parser, (const unsigned char *)text.data, text.len);
}

static void event_free(yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT)
        secret_wipe(event->data.scalar.value, event->data.scalar.length);
    yaml_event_delete(event);
}

static int walk_all(struct walk *walk)
{
    yaml_parser_t parser;
    int status = 0;

    start(&parser, walk->text);
    for (bool is_end = false; !is_end && status == 0;) {
        yaml_event_t event = {0};

        status = yaml_parser_parse(&parser, &event) ? see_event(walk, &event) : -1;
        if (walk->edits->count > REDACT_YAML_EDITS_MAX)
            status = -1;
        is_end = event.type == YAML_STREAM_END_EVENT;
        event_free(&event);
    }
    yaml_parser_delete(&parser);
    return status;
}

static void apply(struct buf *out, struct str text, const struct redact_edits *edits)
{
    size_t done = 0;

    for (size_t i = 0; i < edits->count; i++) {
        const struct redact_edit *edit = &edits->items[i];

        buf_append(out, text.data + done, edit->from - done);
        buf_append_text(out, edit->text);
        done = edit->to;
    }
    buf_append_str(out, str_skip(text, done));
}

static bool is_same_text(const yaml_char_t *a, const yaml_char_t *b)
{
    return a && b ? strcmp((const char *)a, (const char *)b) == 0 : a == b;
}

/* `is_replaced`: of a scalar. */
static bool is_same_event(const yaml_event_t *a, const yaml_event_t *b, bool is_replaced)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case YAML_SCALAR_EVENT:
        if (!is_same_text(a->data.scalar.anchor, b->data.scalar.anchor))
            return false;
        if (is_replaced)
            return str_starts(str_make(b->data.scalar.value, b->data.scalar.length),
                              STR("redacted:v1:"));
        return a->data.scalar.style == b->data.scalar.style &&
               str_equal(str_make(a->data.scalar.value, a->data.scalar.length),
                         str_make(b->data.scalar.value, b->data.scalar.length));
    case YAML_ALIAS_EVENT:
        return is_same_text(a->data.alias.anchor, b->data.alias.anchor);
    case YAML_SEQUENCE_START_EVENT:
        return is_same_text(a->data.sequence_start.anchor, b->data.sequence_start.anchor);
    case YAML_MAPPING_START_EVENT:
        return is_same_text(a->data.mapping_start.anchor, b->data.mapping_start.anchor);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return true;
    }
    unreachable();
}

/* Does what came out mean what came in? libyaml's marks are trusted no further. */
static bool is_same(struct str before, struct str after, struct str replaced)
{
    yaml_parser_t first, second;
    bool is_equal = true;

    start(&first, before);
    start(&second, after);
    for (bool is_end = false; !is_end && is_equal;) {
        yaml_event_t a = {0}, b = {0};

        is_equal = yaml_parser_parse(&first, &a) && yaml_parser_parse(&second, &b);
        bool is_scalar = a.type == YAML_SCALAR_EVENT;
        bool is_replaced = is_scalar && replaced.len && replaced.data[0];

        is_equal = is_equal && (!is_scalar || replaced.len) && is_same_event(&a, &b, is_replaced);
        if (is_scalar && replaced.len)
            replaced = str_skip(replaced, 1);
        is_end = a.type == YAML_STREAM_END_EVENT;
        event_free(&a);
        event_free(&b);
    }
    yaml_parser_delete(&first);
    yaml_parser_delete(&second);
    return is_equal;
}

static bool has_bom(struct str text)
{
    return str_starts(text, STR("\xef\xbb\xbf")) || str_starts(text, STR("\xff\xfe")) ||
           str_starts(text, STR("\xfe\xff"));
}

int redact_yaml(struct redact_edits *edits, struct str text, struct fingerprint *print)
{
    scoped(buf_free) struct buf out = {.limit = SIZE_MAX};
    struct walk *walk = xcalloc(1, sizeof *walk);

    *walk = (struct walk){.text = text, .print = print, .edits = edits, .replaced.limit = SIZE_MAX};
    *edits = (struct redact_edits){0};
    int status = text.len == 0 || has_bom(text) ? -1 : walk_all(walk);

    if (status == 0) {
        apply(&out, text, edits);
        status = is_same(text, buf_str(&out), buf_str(&walk->replaced)) ? 0 : -1;
    }
    for (size_t i = 0; i < walk->anchor_count; i++)
        free(walk->anchors[i].name);
    buf_free(&walk->replaced);
    free(walk);
    if (status < 0)
        redact_edits_free(edits);
    return status;
}
