#include "session/event.h"

#include <math.h>

#include "base/num.h"
#include "base/scoped.h"

/* Decimal, without the cost of a format: it is done for each event. */
static void append_uint(struct buf *line, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buf_append(line, digits + at, sizeof digits - at);
}

static void append_quoted(struct buf *line, struct str text)
{
    buf_append_char(line, '"');
    escape_append_lossy(line, text);
    buf_append_char(line, '"');
}

/* A comma where something stands before, then the key, which needs no escapes. */
static void append_key(struct buf *line, const char *key)
{
    size_t len = key ? strlen(key) : 0;
    char last = line->len ? line->data[line->len - 1] : '{';
    char *start = buf_reserve(line, len + sizeof ",\"\":"), *to = start;

    if (!start)
        return;
    if (last != '{' && last != '[')
        *to++ = ',';
    if (key) {
        *to++ = '"';
        memcpy(to, key, len);
        to += len;
        *to++ = '"';
        *to++ = ':';
    }
    line->len += (size_t)(to - start);
}

void event_begin(struct buf *line, const char *type, const struct event_stamp *stamp)
{
    char time[CLOCK_TEXT_BYTES];

    buf_append_str(line, STR("{\"type\":\""));
    buf_append_text(line, type);
    buf_append_str(line, STR("\",\"time\":\""));
    buf_append_text(line, clock_format_us(stamp->at.unix_us, time));
    buf_append_str(line, STR("\",\"mono_us\":"));
    append_uint(line, (uint64_t)stamp->at.mono_us);
    buf_append_str(line, STR(",\"seq\":"));
    append_uint(line, stamp->seq);
    event_string(line, "session", str_from(stamp->session));
    if (stamp->command.len)
        event_string(line, "command", stamp->command);
    if (stamp->exchange != EVENT_NO_EXCHANGE)
        event_int(line, "exchange", stamp->exchange);
}

void event_end(struct buf *line)
{
    buf_append_text(line, "}\n");
}

void event_string(struct buf *line, const char *key, struct str value)
{
    append_key(line, key);
    append_quoted(line, value);
}

void event_text(struct buf *line, const char *key, const char *value)
{
    if (value)
        event_string(line, key, str_from(value));
}

void event_uint(struct buf *line, const char *key, uint64_t value)
{
    append_key(line, key);
    append_uint(line, value);
}

void event_int(struct buf *line, const char *key, int64_t value)
{
    append_key(line, key);
    if (value < 0)
        buf_append_char(line, '-');
    append_uint(line, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void event_bool(struct buf *line, const char *key, bool value)
{
    append_key(line, key);
    buf_append_text(line, value ? "true" : "false");
}

void event_null(struct buf *line, const char *key)
{
    append_key(line, key);
    buf_append_text(line, "null");
}

void event_object(struct buf *line, const char *key)
{
    append_key(line, key);
    buf_append_char(line, '{');
}

void event_object_end(struct buf *line)
{
    buf_append_char(line, '}');
}

void event_array(struct buf *line, const char *key)
{
    append_key(line, key);
    buf_append_char(line, '[');
}

void event_array_end(struct buf *line)
{
    buf_append_char(line, ']');
}

void event_run(struct buf *line, struct str run, enum escape_kind kind)
{
    append_key(line, kind == ESCAPE_TEXT ? "text" : "latin1");
    buf_append_char(line, '"');
    escape_append(line, run, kind);
    buf_append_char(line, '"');
}

static void append_double(struct buf *line, const char *key, double value)
{
    if (!isfinite(value)) { /* JSON has no word for it */
        event_null(line, key);
        return;
    }
    append_key(line, key);
    buf_printf(line, "%.17g", value);
}

static void append_integer(struct buf *line, const char *key, json_object *value)
{
    if (json_object_get_int64(value) < 0)
        event_int(line, key, json_object_get_int64(value));
    else
        event_uint(line, key, json_object_get_uint64(value));
}

static void append_json_array(struct buf *line, const char *key, json_object *value)
{
    event_array(line, key);
    for (size_t i = 0; i < json_object_array_length(value); i++)
        event_json(line, NULL, json_object_array_get_idx(value, i));
    event_array_end(line);
}

static void append_json_object(struct buf *line, const char *key, json_object *value)
{
    event_object(line, key);
    event_members(line, value);
    event_object_end(line);
}

void event_json(struct buf *line, const char *key, json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_null:
        event_null(line, key);
        return;
    case json_type_boolean:
        event_bool(line, key, json_object_get_boolean(value));
        return;
    case json_type_double:
        append_double(line, key, json_object_get_double(value));
        return;
    case json_type_int:
        append_integer(line, key, value);
        return;
    case json_type_string:
        event_string(
            line, key,
            str_make(json_object_get_string(value), (size_t)json_object_get_string_len(value)));
        return;
    case json_type_array:
        append_json_array(line, key, value);
        return;
    case json_type_object:
        append_json_object(line, key, value);
        return;
    }
    unreachable();
}

void event_members(struct buf *line, json_object *object)
{
    if (!object)
        return;
    json_object_object_foreach(object, key, value)
    {
        scoped(buf_free) struct buf name = {0}; /* perhaps not of ours */

        escape_append_lossy(&name, str_from(key));
        buf_append_char(&name, '\0');
        if (name.overflow)
            line->overflow = true;
        else
            event_json(line, name.data, value);
    }
}

/* The text before the next quote, which must be the begin of `end`; that is taken off too. Data
 * NULL when it is not. */
static struct str until(struct str *line, struct str end)
{
    ptrdiff_t at = str_index(*line, '"');
    struct str found = {0};

    if (at < 0 || !str_starts(str_skip(*line, (size_t)at), end))
        return found;
    found = str_first(*line, (size_t)at);
    *line = str_skip(*line, (size_t)at + end.len);
    return found;
}

static size_t digits_at(struct str text)
{
    size_t len = 0;

    while (len < text.len && text.data[len] >= '0' && text.data[len] <= '9')
        len++;
    return len;
}

static bool take_number(struct str *line, uint64_t *value)
{
    size_t len = digits_at(*line);

    if (!num_parse_u64(str_first(*line, len), INT64_MAX, value))
        return false;
    *line = str_skip(*line, len);
    return true;
}

static bool take_literal(struct str *line, struct str literal)
{
    if (!str_starts(*line, literal))
        return false;
    *line = str_skip(*line, literal.len);
    return true;
}

/* Lower-case words with dots: what stands in an index as it is. */
static bool is_type(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!(text.data[i] >= 'a' && text.data[i] <= 'z') && text.data[i] != '.')
            return false;
    return text.len > 0 && text.len < EVENT_TYPE_BYTES;
}

static bool is_time(struct str text)
{
    int64_t unix_us;

    return text.len < CLOCK_TEXT_BYTES && clock_parse(text, &unix_us);
}

bool event_parse_head(struct event_head *head, struct str line)
{
    struct event_head found = {.exchange = EVENT_NO_EXCHANGE};
    uint64_t number;

    line = str_first(line, 512); /* the envelope is at the start */
    if (!take_literal(&line, STR("{\"type\":\"")))
        return false;
    found.type = until(&line, STR("\",\"time\":\""));
    found.time = until(&line, STR("\",\"mono_us\":"));
    if (!is_type(found.type) || !is_time(found.time) || !take_number(&line, &number) ||
        !take_literal(&line, STR(",\"seq\":")) || !take_number(&line, &found.seq) ||
        !take_literal(&line, STR(",\"session\":\"")))
        return false;
    until(&line, STR("\""));
    if (take_literal(&line, STR(",\"command\":\"")))
        until(&line, STR("\""));
    if (take_literal(&line, STR(",\"exchange\":")) && take_number(&line, &number))
        found.exchange = (int64_t)number;
    *head = found;
    return true;
}
