#include "replay/format.h"

#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"
#include "base/width.h"
#include "replay/style.h"

#define DEPTH_MAX 40 /* deeper is not indented further */

void format_bytes(struct buf *out, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;

    if (bytes < 1024) {
        buf_printf(out, "%" PRIu64 " B", bytes);
        return;
    }
    for (value /= 1024; value >= 1023.95; unit++)
        value /= 1024;
    buf_printf(out, "%.1f %s", value, units[unit]);
}

void format_millis(struct buf *out, int64_t us)
{
    if (us >= 1000000)
        format_seconds(out, us);
    else if (us < 1000)
        buf_printf(out, "%.1f ms", (double)us / 1e3);
    else
        buf_printf(out, "%" PRId64 " ms", (us + 500) / 1000);
}

void format_seconds(struct buf *out, int64_t us)
{
    int64_t seconds = us / 1000000;

    if (us < 10000000)
        buf_printf(out, "%.2fs", (double)us / 1e6);
    else if (seconds < 60)
        buf_printf(out, "%.1fs", (double)us / 1e6);
    else if (seconds < 3600)
        buf_printf(out, "%" PRId64 "m%02" PRId64 "s", seconds / 60, seconds % 60);
    else
        buf_printf(out, "%" PRId64 "h%02" PRId64 "m", seconds / 3600, seconds / 60 % 60);
}

void format_offset(struct buf *out, int64_t us)
{
    int64_t tenths = us / 100000, minutes = tenths / 600;

    if (minutes >= 60)
        buf_printf(out, "+%" PRId64 ":%02" PRId64, minutes / 60, minutes % 60);
    else
        buf_printf(out, "+%" PRId64, minutes);
    buf_printf(out, ":%02" PRId64 ".%" PRId64, tenths / 10 % 60, tenths % 10);
}

void format_count(struct buf *out, uint64_t count, const char *noun)
{
    buf_printf(out, "%" PRIu64 " %s%s", count, noun, count == 1 ? "" : "s");
}

void format_safe(struct buf *out, const char *text)
{
    utf8_append_safe(out, str_from(text));
}

void format_json_safe(struct buf *out, struct str json)
{
    uint32_t code = 0;

    for (size_t step; json.len; json = str_skip(json, step)) {
        size_t len = utf8_next(json, &code);
        step = len ? len : 1;
        if (!len)
            utf8_append_safe(out, str_first(json, 1));
        else if (code != '\n' && utf8_is_control(code) && code > 0xFFFF)
            buf_printf(out, "\\u%04x\\u%04x", (unsigned)(0xD7C0 + (code >> 10)),
                       (unsigned)(0xDC00 | (code & 0x3FF)));
        else if (code != '\n' && utf8_is_control(code))
            buf_printf(out, "\\u%04x", (unsigned)code);
        else
            buf_append_str(out, str_first(json, len));
    }
}

static bool is_plain_word(const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "_@%+=:,./-";

    return *word && word[strspn(word, plain)] == '\0';
}

static void append_quoted(struct buf *out, const char *word)
{
    buf_append_char(out, '\'');
    for (const char *quote; (quote = strchr(word, '\'')); word = quote + 1) {
        utf8_append_safe(out, str_make(word, (size_t)(quote - word)));
        buf_append_text(out, "'\\''");
    }
    format_safe(out, word);
    buf_append_char(out, '\'');
}

void format_words(struct buf *out, char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_append_char(out, ' ');
        if (is_plain_word(words[i]))
            buf_append_text(out, words[i]);
        else
            append_quoted(out, words[i]);
    }
}

size_t format_width(struct str text)
{
    size_t width = 0;

    while (text.len) {
        ptrdiff_t escape = str_index(text, '\x1b');
        struct str plain = escape < 0 ? text : str_first(text, (size_t)escape);
        width += width_text(plain);
        text = str_skip(text, plain.len);
        text = str_skip(text, style_length(text));
    }
    return width;
}

void format_pad(struct buf *out, size_t from, size_t width)
{
    for (size_t now = format_width(str_skip(buf_str(out), from)); now < width; now++)
        buf_append_char(out, ' ');
}

static void break_line(struct buf *out, size_t depth)
{
    buf_append_char(out, '\n');
    for (size_t i = 0; i < depth && i < DEPTH_MAX; i++)
        buf_append_text(out, "  ");
}

/* The string that begins at text[0], its quotes included. */
static size_t string_length(struct str text)
{
    size_t i = 1;

    while (i < text.len && text.data[i] != '"')
        i += text.data[i] == '\\' ? 2 : 1;
    return i < text.len ? i + 1 : text.len;
}

void format_json(struct buf *out, struct str text)
{
    size_t depth = 0;

    while (text.len) {
        char c = text.data[0], next = text.len > 1 ? text.data[1] : '\0';
        size_t step = c == '"' ? string_length(text) : 1;

        if (c == '}' || c == ']') {
            depth -= depth > 0;
            break_line(out, depth);
        }
        buf_append_str(out, str_first(text, step));
        if ((c == '{' && next == '}') || (c == '[' && next == ']')) {
            buf_append_char(out, next);
            step = 2;
        } else if (c == '{' || c == '[') {
            break_line(out, ++depth);
        } else if (c == ',') {
            break_line(out, depth);
        } else if (c == ':') {
            buf_append_char(out, ' ');
        }
        text = str_skip(text, step);
    }
}
