/* text_changes.c - before and after of what a request changed: side by side where the terminal is
 * wide, else a line for each, as in a patch. */
#include <inttypes.h>

#include "base/num.h"
#include "base/scoped.h"
#include "base/width.h"
#include "replay/format.h"
#include "replay/text_inside.h"

#define SIDE_BY_SIDE_COLUMNS 110
#define GAP "  "
#define GAP_WIDTH 2
#define PATH_WIDTH_LEAST 12
#define VALUE_BYTES 400 /* of each value in a timeline */

/* As JSON, safe; cut in a timeline. NULL is an absent one. */
static void append_value(struct buf *out, json_object *value, bool is_whole)
{
    size_t from = out->len;

    if (!value) {
        buf_append_text(out, "(absent)");
        return;
    }
    struct str text =
        str_from(json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE));
    format_json_safe(out, text);
    if (is_whole || out->len - from <= VALUE_BYTES)
        return;
    struct str shown = width_first(str_skip(buf_str(out), from), VALUE_BYTES / 2);
    out->len = from + shown.len;
    buf_append_text(out, "... (");
    format_bytes(out, text.len);
    buf_append_char(out, ')');
}

static void write_title(struct text *text, const struct change *change, size_t indent,
                        bool is_side_by_side)
{
    uint64_t count = change->diff.count + change->diff.left_off;
    scoped(buf_free) struct buf title = {0};

    if (count)
        format_count(&title, count, "change");
    else
        buf_append_text(&title, "no change");
    buf_printf(&title, " since request %" PRIu32, change->before);
    if (count && is_side_by_side)
        buf_append_text(&title, ", before and after");
    if (change->is_dry_run)
        buf_append_text(&title, ", a dry run: nothing was stored");
    text_pad(text, indent);
    text_styled(text, STYLE_NOTE, "~ ");
    text_end_line_with(text, STYLE_NOTE, buf_str(&title), indent + 2, (struct str){0});
}

static void write_unified_line(struct text *text, const char *mark, enum style style,
                               const char *path, json_object *value, size_t indent, bool is_whole)
{
    scoped(buf_free) struct buf line = {.limit = TEXT_LINE_LIMIT};

    if (!value)
        return;
    format_safe(&line, path);
    buf_append_text(&line, ": ");
    append_value(&line, value, is_whole);
    text_pad(text, indent);
    text_styled(text, style, mark);
    text_end_line_with(text, style, buf_str(&line), indent + 4, (struct str){0});
}

static void write_unified(struct text *text, const struct diff_entry *entry, size_t indent,
                          bool is_whole)
{
    write_unified_line(text, "- ", STYLE_BAD, entry->path, entry->before, indent, is_whole);
    write_unified_line(text, "+ ", STYLE_GOOD, entry->path, entry->after, indent, is_whole);
}

struct column {
    size_t at, width;
    enum style style;
    struct buf text; /* what it still has to show starts at `shown` */
    size_t shown;
};

/* One line of a cell; false when it had nothing left. */
static bool write_piece(struct text *text, struct column *column)
{
    struct str rest = str_skip(buf_str(&column->text), column->shown);
    struct str piece = width_first(rest, column->width);

    if (!rest.len)
        return false;
    text_pad(text, column->at);
    style_text(&text->line, text->options->is_coloured, column->style, piece);
    column->shown += max_of(piece.len, (size_t)1);
    return true;
}

static void write_beside(struct text *text, struct column columns[3])
{
    bool has_more = true;

    while (has_more) {
        has_more = false;
        for (size_t i = 0; i < 3; i++)
            has_more |= write_piece(text, &columns[i]);
        if (has_more)
            text_end_line(text);
    }
}

static size_t longest_path(const struct diff *diff, size_t count)
{
    size_t longest = PATH_WIDTH_LEAST;

    for (size_t i = 0; i < count; i++) {
        scoped(buf_free) struct buf path = {.limit = TEXT_LINE_LIMIT};
        format_safe(&path, diff->entries[i].path);
        longest = max_of(longest, format_width(buf_str(&path)));
    }
    return longest;
}

static void write_side_by_side(struct text *text, const struct diff *diff, size_t count,
                               size_t indent, bool is_whole)
{
    size_t room = text->options->columns - indent - 2 * GAP_WIDTH;
    size_t path_width = min_of(longest_path(diff, count), room * 2 / 5);
    size_t value_width = (room - path_width) / 2;
    size_t before_at = indent + path_width + GAP_WIDTH;

    for (size_t i = 0; i < count; i++) {
        const struct diff_entry *entry = &diff->entries[i];
        struct column columns[3] = {
            {.at = indent, .width = path_width},
            {.at = before_at, .width = value_width, .style = STYLE_BAD},
            {.at = before_at + value_width + GAP_WIDTH, .width = value_width, .style = STYLE_GOOD},
        };
        for (size_t j = 0; j < 3; j++)
            columns[j].text.limit = TEXT_LINE_LIMIT;
        format_safe(&columns[0].text, entry->path);
        append_value(&columns[1].text, entry->before, is_whole);
        append_value(&columns[2].text, entry->after, is_whole);
        write_beside(text, columns);
        for (size_t j = 0; j < 3; j++)
            buf_free(&columns[j].text);
    }
}

void text_write_changes(struct text *text, const struct replay_request *request, size_t indent,
                        size_t most)
{
    const struct change *change = changes_of(text->options->changes, request);
    const struct diff *diff = change ? &change->diff : NULL;

    if (!change)
        return;
    bool is_side_by_side =
        text->options->columns >= SIDE_BY_SIDE_COLUMNS && indent < SIDE_BY_SIDE_COLUMNS / 2;
    write_title(text, change, indent, is_side_by_side);
    size_t count = most ? min_of(most, diff->count) : diff->count;
    uint64_t left_off = diff->count + diff->left_off - count;
    if (is_side_by_side)
        write_side_by_side(text, diff, count, indent + 2, !most);
    else
        for (size_t i = 0; i < count; i++)
            write_unified(text, &diff->entries[i], indent + 2, !most);
    if (!left_off)
        return;
    text_pad(text, indent + 2);
    buf_printf(&text->line, "and %" PRIu64 " more%s", left_off,
               most ? ", see --request " : ", not compared");
    if (most)
        buf_printf(&text->line, "%" PRIu32, request->number);
    text_end_line(text);
}
