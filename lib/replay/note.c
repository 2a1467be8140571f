#include "replay/note.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"

static const char *const envelope[] = {"type",    "time",    "mono_us", "seq",
                                       "session", "command", "exchange"};

/* Members that speak for themselves, in this order; the others follow with their names. */
static const char *const spoken[] = {"what", "decision", "kind", "text", "rule", "reason", "why"};

static bool is_one_of(const char *key, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(key, names[i]) == 0)
            return true;
    return false;
}

/* Longer than a line of the recording can make it, so that nothing is cut. */
#define TEXT_LIMIT ((size_t)8 << 20)

char *note_value(json_object *value)
{
    if (json_object_is_type(value, json_type_string)) {
        const char *text = json_object_get_string(value);
        if (strlen(text) == (size_t)json_object_get_string_len(value))
            return xstrdup(text);
    }
    return xstrdup(json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void append_value(struct buf *out, json_object *value)
{
    scoped(free_text) char *text = note_value(value);

    buf_append_text(out, text);
}

static void append_spoken(struct buf *out, json_object *event)
{
    for (size_t i = 0; i < count_of(spoken); i++) {
        json_object *value = NULL;
        if (!json_object_object_get_ex(event, spoken[i], &value) || !value)
            continue;
        if (out->len)
            buf_append_text(out, ", ");
        append_value(out, value);
    }
}

static void append_members(struct buf *out, json_object *event)
{
    json_object_object_foreach(event, key, value)
    {
        if (is_one_of(key, envelope, count_of(envelope)) ||
            is_one_of(key, spoken, count_of(spoken)))
            continue;
        buf_printf(out, "%s%s ", out->len ? ", " : "", key);
        append_value(out, value);
    }
}

static void append_gap(struct buf *out, json_object *event)
{
    int64_t from = jsondoc_int(event, "/from", -1), to = jsondoc_int(event, "/to", -1);
    const char *why = jsondoc_string(event, "/why");
    int64_t count = jsondoc_int(event, "/count", -1);

    if (from >= 0 && to >= from)
        buf_printf(out, "%" PRId64 " events lost (seq %" PRId64 " to %" PRId64 ")", to - from + 1,
                   from, to);
    else if (count >= 0)
        buf_printf(out, "%" PRId64 " events lost", count);
    else
        buf_append_text(out, "something was lost");
    if (why)
        buf_printf(out, ": %s", why);
}

/* What runs there, and what is spoken on the connection. */
static void append_stream(struct buf *out, json_object *event)
{
    json_object *argv = jsondoc_at(event, "/argv");
    const char *container = jsondoc_string(event, "/container");
    const char *protocol = jsondoc_string(event, "/protocol");
    const char *subprotocol = jsondoc_string(event, "/subprotocol");
    size_t count = jsondoc_count(event, "/argv");

    for (size_t i = 0; i < count; i++) {
        buf_append_text(out, i ? " " : "runs ");
        append_value(out, json_object_array_get_idx(argv, i));
    }
    if (container)
        buf_printf(out, "%sin container %s", out->len ? " " : "", container);
    buf_printf(out, "%sover %s", out->len ? ", " : "", protocol ? protocol : "?");
    if (subprotocol)
        buf_printf(out, " (%s)", subprotocol);
}

static bool is_quiet(const char *type, json_object *event)
{
    static const char *const accepted[] = {"accepted", "ok", "allow", "allowed"};
    const char *word = jsondoc_string(event, strcmp(type, "auth") == 0 ? "/outcome" : "/decision");

    if (strcmp(type, "auth") != 0 && strcmp(type, "policy") != 0)
        return false;
    return word && is_one_of(word, accepted, count_of(accepted));
}

char *note_text(const char *type, json_object *event)
{
    struct buf out = {.limit = TEXT_LIMIT};

    if (is_quiet(type, event))
        return NULL;
    if (strcmp(type, "gap") == 0) {
        append_gap(&out, event);
        return buf_take_text(&out);
    }
    if (strcmp(type, "stream.open") == 0) {
        append_stream(&out, event);
        return buf_take_text(&out);
    }
    append_spoken(&out, event);
    append_members(&out, event);
    return buf_take_text(&out);
}

int64_t note_count_bytes(json_object *root)
{
    json_object *text = jsondoc_at(root, "/text");
    json_object *value = text ? text : jsondoc_at(root, "/latin1");

    if (!json_object_is_type(value, json_type_string))
        return 0;
    size_t len = (size_t)json_object_get_string_len(value), count = 0;
    const char *bytes = json_object_get_string(value);

    for (size_t i = 0; i < len; i++) /* a byte is one character of latin1, of one byte or two */
        count += text || ((unsigned char)bytes[i] & 0xC0) != 0x80;
    return (int64_t)count;
}
