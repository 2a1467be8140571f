#include "replay/text.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "base/width.h"
#include "replay/format.h"
#include "replay/marks.h"
#include "replay/text_inside.h"

#define WIDTH_LEAST 60
#define WIDTH_MOST 160  /* without a terminal */
#define OFFSET_WIDTH 10 /* at least */
#define METHOD_WIDTH 7
#define COMMAND_FACTS 31 /* "  exit 0    12 requests    0.31s" */
#define REQUEST_FACTS 27 /* "  200    3.4 KiB      41 ms" */
#define CHANGES_MOST 12  /* paths under a request of the timeline */

/* ---- a line ---- */

void text_end_line(struct text *text)
{
    while (text->line.len && text->line.data[text->line.len - 1] == ' ')
        text->line.len--;
    buf_append_char(&text->line, '\n');
    if (text->line.overflow)
        text->write(text->context, STR("(a line too long to show)\n"));
    else
        text->write(text->context, buf_str(&text->line));
    buf_clear(&text->line);
}

void text_pad(struct text *text, size_t column)
{
    format_pad(&text->line, 0, column);
}

void text_styled(struct text *text, enum style style, const char *safe)
{
    style_text(&text->line, text->options->is_coloured, style, str_from(safe));
}

/* Behind the last of `joints` in `piece`, unless that stands in its first third; else 0. */
static size_t last_joint(struct str piece, const char *joints)
{
    for (size_t len = piece.len; len > piece.len / 3; len--)
        if (strchr(joints, piece.data[len - 1]))
            return len;
    return 0;
}

/* The piece of `name` that goes on this line: up to a blank, or where a URI has a joint. */
static struct str next_piece(struct str name, size_t columns)
{
    struct str piece = width_first(name, max_of(columns, (size_t)2));

    if (!piece.len || piece.len == name.len)
        return piece.len ? piece : str_first(name, 1);
    size_t len = last_joint(piece, " ");
    if (!len)
        len = last_joint(piece, "/&?,;");
    return len ? str_first(piece, len) : piece;
}

/* All of `name` but what fits on the last line, which is returned. */
static struct str write_folded(struct text *text, enum style style, struct str name, size_t indent)
{
    size_t columns = text->options->columns;
    size_t at = format_width(buf_str(&text->line));

    if (indent + WIDTH_LEAST / 3 > columns)
        indent = 2; /* no room for beauty */
    while (at + format_width(name) > columns && at < columns) {
        struct str piece = next_piece(name, columns - at);
        style_text(&text->line, text->options->is_coloured, style, piece);
        text_end_line(text);
        text_pad(text, indent);
        at = indent;
        name = str_skip(name, piece.len);
    }
    return name;
}

void text_end_line_with(struct text *text, enum style style, struct str name, size_t indent,
                        struct str facts)
{
    size_t facts_width = format_width(facts);

    if (text->options->columns)
        name = write_folded(text, style, name, indent);
    style_text(&text->line, text->options->is_coloured, style, name);
    if (facts.len) {
        size_t at = text->width > facts_width ? text->width - facts_width : 0;
        if (text->options->columns && format_width(buf_str(&text->line)) > at)
            text_end_line(text);
        text_pad(text, at);
        buf_append_str(&text->line, facts);
    }
    text_end_line(text);
}

/* ---- a group, a request, a note ---- */

static void begin_row(struct text *text, int64_t time_us, const char *mark)
{
    const struct timeline *timeline = text->timeline;
    scoped(buf_free) struct buf offset = {0};

    if (time_us && time_us >= timeline->first_us)
        format_offset(&offset, time_us - timeline->first_us);
    style_text(&text->line, text->options->is_coloured, STYLE_FAINT, buf_str(&offset));
    text_pad(text, text->offset_width);
    text_styled(text, STYLE_STRONG, mark);
    text_pad(text, text->offset_width + text->number_width + 3);
}

static void append_group_name(struct buf *out, const struct replay_group *group)
{
    switch (group->kind) {
    case GROUP_COMMAND:
        if (group->argc)
            format_words(out, group->argv, group->argc);
        else
            buf_append_text(out, "(arguments not recorded)");
        if (group->argv_omitted > 0)
            buf_printf(out, " (and %" PRId64 " arguments more)", group->argv_omitted);
        if (group->is_outside)
            buf_append_text(out, "  (outside: another kubeconfig)");
        return;
    case GROUP_UNANNOUNCED:
        buf_append_text(out, "(a command that was not announced: ");
        break;
    case GROUP_KUBECTL:
        buf_append_text(out, "(no command) ");
        for (size_t i = 0; i < group->argc; i++)
            format_safe(out, group->argv[i]);
        buf_append_text(out, " (Kubectl-Session ");
        break;
    case GROUP_NONE:
        buf_append_text(out, "(no command");
        break;
    }
    format_safe(out, group->id);
    buf_append_char(out, ')');
}

static void append_command_facts(const struct text *text, struct buf *out,
                                 const struct replay_group *group)
{
    bool is_coloured = text->options->is_coloured;
    bool has_failed = group->signal || group->code || !group->has_exit;
    scoped(buf_free) struct buf cell = {0};
    size_t from = out->len;

    if (group->kind == GROUP_COMMAND && !group->has_exit)
        buf_append_text(&cell, "no exit");
    else if (group->signal)
        buf_printf(&cell, "signal %d", group->signal);
    else if (group->has_exit)
        buf_printf(&cell, "exit %d", group->code);
    buf_append_text(out, "  ");
    style_text(out, is_coloured, has_failed ? STYLE_BAD : STYLE_GOOD, buf_str(&cell));
    format_pad(out, from, 10);
    buf_clear(&cell);
    format_count(&cell, group->request_count, "request");
    buf_printf(out, "%12.*s", STR_ARG(buf_str(&cell)));
    buf_clear(&cell);
    if (group->duration_us >= 0)
        format_seconds(&cell, group->duration_us);
    buf_printf(out, "%9.*s", STR_ARG(buf_str(&cell)));
}

static void append_request_facts(const struct text *text, struct buf *out,
                                 const struct replay_request *request)
{
    scoped(buf_free) struct buf cell = {0};
    const struct replay_flow *flow = &request->response;

    if (request->code)
        buf_printf(&cell, "%3d", request->code);
    else
        buf_append_text(&cell, "  -");
    buf_append_text(out, "  ");
    style_text(out, text->options->is_coloured, style_of_status(request->code), buf_str(&cell));
    buf_clear(&cell);
    format_bytes(&cell, flow->received >= 0 ? (uint64_t)flow->received
                                            : flow->recorded + flow->withheld_bytes);
    buf_printf(out, "%12.*s", STR_ARG(buf_str(&cell)));
    buf_clear(&cell);
    if (request->duration_us >= 0)
        format_millis(&cell, request->duration_us);
    buf_printf(out, "%10.*s", STR_ARG(buf_str(&cell)));
}

static size_t request_indent(const struct text *text)
{
    return text->offset_width + text->number_width + 3;
}

static const char *method_of(const struct replay_request *request)
{
    return request->method ? request->method : marks_method(request->verb);
}

static void append_uri(struct buf *out, const struct replay_request *request)
{
    format_safe(out, request->uri ? request->uri : "(not recorded)");
}

static void append_note(struct buf *out, const struct replay_note *note)
{
    format_safe(out, strcmp(note->type, "stream.open") == 0 ? "stream" : note->type);
    buf_append_text(out, *note->text ? ": " : "");
    format_safe(out, note->text);
}

/* A line below a request or a command. */
static void write_below(struct text *text, enum style style, const char *mark, struct str safe)
{
    size_t indent = request_indent(text) + METHOD_WIDTH;

    text_pad(text, indent);
    text_styled(text, style, mark);
    text_end_line_with(text, style, safe, indent + 2, (struct str){0});
}

static void write_notes_of(struct text *text, size_t first, const char *mark)
{
    for (size_t i = first; i; i = text->timeline->notes[i - 1].next) {
        scoped(buf_free) struct buf note = {.limit = TEXT_LINE_LIMIT};
        append_note(&note, &text->timeline->notes[i - 1]);
        write_below(text, STYLE_WARN, mark, buf_str(&note));
    }
}

static void write_view(struct text *text, const struct replay_request *request)
{
    static const char *const names[] = {"> request body", "< response body"};
    const struct exchange_view *view = bodies_of(text->options->bodies, request);

    for (size_t side = 0; view && side < 2; side++) {
        if (!view->body[side].count)
            continue;
        format_pad(&text->line, 0, request_indent(text));
        buf_append_text(&text->line, names[side]);
        buf_append_text(&text->line, ", ");
        format_bytes(&text->line, view->body[side].end);
        text_end_line(text);
        text_write_body(&view->body[side], "                ", text->write, text->context);
    }
}

static void write_marks(struct text *text, const struct replay_request *request)
{
    scoped(buf_free) struct buf marks = {0};

    marks_append(&marks, request);
    for (struct str rest = buf_str(&marks); rest.len;)
        write_below(text, STYLE_WARN, "! ", str_split(&rest, '\n'));
}

static void write_request(struct text *text, size_t index)
{
    const struct replay_request *request = &text->timeline->requests[index];
    scoped(buf_free) struct buf uri = {.limit = TEXT_LINE_LIMIT};
    scoped(buf_free) struct buf facts = {0};
    size_t indent = request_indent(text);
    char number[64];

    snprintf(number, sizeof number, "%*" PRIu32 "  ", (int)indent - 2, request->number);
    text_styled(text, STYLE_FAINT, number);
    scoped(buf_free) struct buf method = {0};
    format_safe(&method, method_of(request));
    style_text(&text->line, text->options->is_coloured, style_of_method(method_of(request)),
               buf_str(&method));
    buf_append_char(&text->line, ' ');
    text_pad(text, indent + METHOD_WIDTH);
    append_uri(&uri, request);
    append_request_facts(text, &facts, request);
    text_end_line_with(text, request->object.resource ? STYLE_PLAIN : STYLE_FAINT, buf_str(&uri),
                       indent + METHOD_WIDTH, buf_str(&facts));
    write_marks(text, request);
    write_notes_of(text, request->first_note, "! ");
    text_write_changes(text, request, indent + METHOD_WIDTH, CHANGES_MOST);
    write_view(text, request);
}

static bool wants_request(const struct text *text, const struct replay_request *request)
{
    return !text->options->filter ||
           filter_wants_request(text->options->filter, text->timeline, request);
}

static void write_group(struct text *text, size_t index)
{
    const struct replay_group *group = &text->timeline->groups[index];
    scoped(buf_free) struct buf name = {.limit = TEXT_LINE_LIMIT};
    scoped(buf_free) struct buf facts = {0};
    char mark[16] = "--";

    if (group->number)
        snprintf(mark, sizeof mark, "#%" PRIu32, group->number);
    begin_row(text, group->start_us, mark);
    append_group_name(&name, group);
    append_command_facts(text, &facts, group);
    text_end_line_with(text, STYLE_STRONG, buf_str(&name), request_indent(text), buf_str(&facts));
    write_notes_of(text, group->first_note, "= ");
    for (size_t i = 0; i < group->request_count; i++)
        if (wants_request(text, &text->timeline->requests[group->requests[i]]))
            write_request(text, group->requests[i]);
}

static void write_note(struct text *text, const struct replay_note *note)
{
    scoped(buf_free) struct buf safe = {.limit = TEXT_LINE_LIMIT};

    begin_row(text, note->time_us, "==");
    append_note(&safe, note);
    text_end_line_with(text, STYLE_WARN, buf_str(&safe), request_indent(text), (struct str){0});
}

/* ---- the timeline ---- */

static bool is_asked_for(const struct text *text, const struct replay_row *row)
{
    const struct timeline *timeline = text->timeline;
    const struct replay_filter *filter = text->options->filter;
    uint64_t command = text->options->command;

    if (command && (row->is_note || timeline->groups[row->index].number != command))
        return false;
    if (!filter)
        return true;
    return row->is_note ? filter_wants_note(filter, timeline, &timeline->notes[row->index])
                        : filter_wants_group(filter, timeline, &timeline->groups[row->index]);
}

static size_t longest_offset(const struct timeline *timeline)
{
    scoped(buf_free) struct buf last = {0};
    int64_t last_us = timeline->last_us;

    for (size_t i = 0; i < timeline->note_count; i++)
        last_us = max_of(last_us, timeline->notes[i].time_us);
    format_offset(&last, last_us - timeline->first_us);
    return max_of((size_t)OFFSET_WIDTH, last.len + 2);
}

/* As wide as the longest line needs, and as there is room for. */
static void measure(struct text *text)
{
    const struct timeline *timeline = text->timeline;
    size_t most = text->options->columns ? text->options->columns : WIDTH_MOST;
    size_t need = WIDTH_LEAST;
    char digits[24];
    size_t numbers = max_of(timeline->command_count, timeline->request_count / 10);

    text->offset_width = longest_offset(timeline);
    text->number_width = (size_t)snprintf(digits, sizeof digits, "#%zu", numbers);
    for (size_t i = 0; i < timeline->group_count && need < most; i++) {
        scoped(buf_free) struct buf name = {.limit = TEXT_LINE_LIMIT};
        append_group_name(&name, &timeline->groups[i]);
        need = max_of(need, request_indent(text) + format_width(buf_str(&name)) + COMMAND_FACTS);
    }
    for (size_t i = 0; i < timeline->request_count && need < most; i++) {
        scoped(buf_free) struct buf uri = {.limit = TEXT_LINE_LIMIT};
        append_uri(&uri, &timeline->requests[i]);
        need = max_of(need, request_indent(text) + METHOD_WIDTH + format_width(buf_str(&uri)) +
                                REQUEST_FACTS);
    }
    text->width = min_of(need, most);
}

static void write_findings(struct text *text)
{
    const struct timeline *timeline = text->timeline;

    if (!timeline->finding_count)
        return;
    text_end_line(text);
    text_styled(text, STYLE_BAD, "findings");
    text_end_line(text);
    for (size_t i = 0; i < timeline->finding_count; i++) {
        scoped(buf_free) struct buf safe = {.limit = TEXT_LINE_LIMIT};
        text_pad(text, 2);
        format_safe(&safe, timeline->findings[i]);
        text_end_line_with(text, STYLE_PLAIN, buf_str(&safe), 4, (struct str){0});
    }
    if (timeline->findings_omitted) {
        buf_printf(&text->line, "  and %" PRIu64 " more", timeline->findings_omitted);
        text_end_line(text);
    }
}

void text_write_timeline(const struct timeline *timeline, const struct text_options *options,
                         replay_write *write, void *context)
{
    struct text text = {
        .timeline = timeline,
        .options = options,
        .write = write,
        .context = context,
        .line = {.limit = TEXT_LINE_LIMIT},
    };
    unsigned party = UINT_MAX; /* the one that is being shown */

    measure(&text);
    text_write_header(&text);
    for (size_t i = 0; i < timeline->row_count; i++) {
        const struct replay_row *row = &timeline->rows[i];
        if (!is_asked_for(&text, row))
            continue;
        if (timeline->party_count > 1 && row->party != party)
            text_write_party(&text, row->party);
        party = row->party;
        if (row->is_note)
            write_note(&text, &timeline->notes[row->index]);
        else
            write_group(&text, row->index);
    }
    write_findings(&text);
    buf_free(&text.line);
}
