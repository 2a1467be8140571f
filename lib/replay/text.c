#include "replay/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "replay/format.h"
#include "replay/marks.h"
#include "replay/note.h"

#define WIDTH_LEAST 60
#define WIDTH_MOST 160 /* without a terminal */
#define LINE_LIMIT ((size_t)16 << 20)
#define OFFSET_WIDTH 10 /* at least */
#define METHOD_WIDTH 7
#define COMMAND_FACTS 31 /* "  exit 0    12 requests    0.31s" */
#define REQUEST_FACTS 27 /* "  200    3.4 KiB      41 ms" */

struct text {
    const struct timeline *timeline;
    const struct text_options *options;
    replay_write *write;
    void *context;
    struct buf line; /* the one that is being made */
    size_t width;    /* of a line, facts included */
    size_t offset_width, number_width;
};

static void end_line(struct text *text)
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

static void field(struct text *text, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    buf_printf(&text->line, "%-9s ", name);
    format_safe(&text->line, value);
    end_line(text);
}

static void field_time(struct text *text)
{
    const struct timeline *timeline = text->timeline;
    char started[CLOCK_TEXT_BYTES];
    bool has_ended = timeline->journal_count > 0;

    if (!timeline->first_us)
        return;
    for (unsigned i = 0; i < timeline->journal_count; i++)
        has_ended &= timeline->journals[i].end != NULL;
    buf_printf(&text->line, "%-9s %.19sZ, ", "started",
               clock_format_us(timeline->first_us, started));
    buf_append_text(&text->line, has_ended ? "took " : "no end recorded, last event after ");
    format_seconds(&text->line, timeline->last_us - timeline->first_us);
    end_line(text);
}

static void field_actor(struct text *text, json_object *start)
{
    scoped(buf_free) struct buf value = {0};
    const char *name = jsondoc_string(start, "/actor/name");
    const char *issuer = jsondoc_string(start, "/actor/issuer");

    buf_append_text(&value, name ? name : "(not recorded)");
    if (issuer)
        buf_printf(&value, ", says %s", issuer);
    if (jsondoc_bool(start, "/selfAttested", false))
        buf_append_text(&value, " (self-attested)");
    buf_append_char(&value, '\0');
    field(text, "actor", value.data);
}

static void field_cluster(struct text *text, json_object *start)
{
    scoped(buf_free) struct buf value = {0};
    const char *name = jsondoc_string(start, "/cluster/name");
    const char *id = jsondoc_string(start, "/cluster/id");
    const char *server = jsondoc_string(start, "/cluster/server");
    const char *plain = jsondoc_string(start, "/cluster");

    if (!name)
        name = id ? id : plain;
    if (!name)
        return;
    buf_printf(&value, "%s%s%s", name, server ? "  " : "", server ? server : "");
    buf_append_char(&value, '\0');
    field(text, "cluster", value.data);
}

static void field_labels(struct text *text, json_object *start)
{
    json_object *labels = jsondoc_at(start, "/labels");

    if (!json_object_is_type(labels, json_type_object) || !json_object_object_length(labels))
        return;
    buf_printf(&text->line, "%-9s", "labels");
    json_object_object_foreach(labels, key, value)
    {
        scoped(free_text) char *shown = note_value(value);
        buf_append_char(&text->line, ' ');
        format_safe(&text->line, key);
        buf_append_char(&text->line, '=');
        format_safe(&text->line, shown);
    }
    end_line(text);
}

static void field_argv(struct text *text, json_object *start)
{
    size_t count = jsondoc_count(start, "/argv");
    json_object *argv = jsondoc_at(start, "/argv");

    if (!count)
        return;
    buf_printf(&text->line, "%-9s", "ran");
    for (size_t i = 0; i < count; i++) {
        scoped(free_text) char *word = note_value(json_object_array_get_idx(argv, i));
        buf_append_char(&text->line, ' ');
        format_words(&text->line, &word, 1);
    }
    end_line(text);
}

static void write_header(struct text *text)
{
    json_object *start = timeline_session_start(text->timeline);

    field(text, "session", text->timeline->session);
    field(text, "verdict", text->options->verdict);
    if (start) {
        field_actor(text, start);
        field_cluster(text, start);
        field(text, "agent", jsondoc_string(start, "/agent"));
        field(text, "title", jsondoc_string(start, "/title"));
        field_labels(text, start);
    }
    field_time(text);
    if (start)
        field_argv(text, start);
    end_line(text);
}

/* Puts `facts` at the right, on a line of their own where the text before is too long. */
static void end_line_with(struct text *text, const struct buf *facts, size_t facts_width)
{
    size_t at = text->width - facts_width;

    if (format_width(buf_str(&text->line)) > at)
        end_line(text);
    format_pad(&text->line, 0, at);
    buf_append_str(&text->line, buf_str(facts));
    end_line(text);
}

static void begin_row(struct text *text, int64_t time_us, const char *mark)
{
    const struct timeline *timeline = text->timeline;

    if (time_us && time_us >= timeline->first_us)
        format_offset(&text->line, time_us - timeline->first_us);
    format_pad(&text->line, 0, text->offset_width);
    buf_append_text(&text->line, mark);
    format_pad(&text->line, 0, text->offset_width + text->number_width + 3);
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

static void append_command_facts(struct buf *out, const struct replay_group *group)
{
    scoped(buf_free) struct buf cell = {0};
    size_t from = out->len;

    buf_append_text(out, "  ");
    if (group->kind == GROUP_COMMAND && !group->has_exit)
        buf_append_text(out, "no exit");
    else if (group->signal)
        buf_printf(out, "signal %d", group->signal);
    else if (group->has_exit)
        buf_printf(out, "exit %d", group->code);
    format_pad(out, from, 10);
    format_count(&cell, group->request_count, "request");
    buf_printf(out, "%12.*s", STR_ARG(buf_str(&cell)));
    buf_clear(&cell);
    if (group->duration_us >= 0)
        format_seconds(&cell, group->duration_us);
    buf_printf(out, "%9.*s", STR_ARG(buf_str(&cell)));
}

static void append_request_facts(struct buf *out, const struct replay_request *request)
{
    scoped(buf_free) struct buf cell = {0};
    const struct replay_flow *flow = &request->response;

    if (request->code)
        buf_printf(out, "  %3d", request->code);
    else
        buf_append_text(out, "    -");
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

static void append_request_name(struct text *text, struct buf *out,
                                const struct replay_request *request)
{
    size_t from = out->len;

    buf_printf(out, "%*" PRIu32 "  ", (int)request_indent(text) - 2, request->number);
    format_safe(out, request->method ? request->method : marks_method(request->verb));
    format_pad(out, from, request_indent(text) + METHOD_WIDTH);
    format_safe(out, request->uri ? request->uri : "(not recorded)");
}

static void append_note(struct buf *out, const struct replay_note *note)
{
    format_safe(out, note->type);
    buf_append_text(out, *note->text ? ": " : "");
    format_safe(out, note->text);
}

static void write_notes_of(struct text *text, size_t first, const char *mark)
{
    for (size_t i = first; i; i = text->timeline->notes[i - 1].next) {
        const struct replay_note *note = &text->timeline->notes[i - 1];
        format_pad(&text->line, 0, request_indent(text) + METHOD_WIDTH);
        buf_append_text(&text->line, mark);
        append_note(&text->line, note);
        end_line(text);
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
        end_line(text);
        text_write_body(&view->body[side], "                ", text->write, text->context);
    }
}

static void write_request(struct text *text, size_t index)
{
    const struct replay_request *request = &text->timeline->requests[index];
    scoped(buf_free) struct buf facts = {0};
    scoped(buf_free) struct buf marks = {0};

    append_request_name(text, &text->line, request);
    append_request_facts(&facts, request);
    end_line_with(text, &facts, REQUEST_FACTS);
    marks_append(&marks, request);
    for (struct str rest = buf_str(&marks); rest.len;) {
        struct str mark = str_split(&rest, '\n');
        format_pad(&text->line, 0, request_indent(text) + METHOD_WIDTH);
        buf_printf(&text->line, "! %.*s", STR_ARG(mark));
        end_line(text);
    }
    write_notes_of(text, request->first_note, "! ");
    write_view(text, request);
}

static void write_group(struct text *text, size_t index)
{
    const struct replay_group *group = &text->timeline->groups[index];
    scoped(buf_free) struct buf facts = {0};
    char mark[16] = "--";

    if (group->number)
        snprintf(mark, sizeof mark, "#%" PRIu32, group->number);
    begin_row(text, group->start_us, mark);
    append_group_name(&text->line, group);
    append_command_facts(&facts, group);
    end_line_with(text, &facts, COMMAND_FACTS);
    write_notes_of(text, group->first_note, "= ");
    for (size_t i = 0; i < group->request_count; i++)
        write_request(text, group->requests[i]);
}

static void write_note(struct text *text, const struct replay_note *note)
{
    begin_row(text, note->time_us, "==");
    append_note(&text->line, note);
    end_line(text);
}

static bool is_asked_for(const struct text *text, const struct replay_row *row)
{
    uint64_t command = text->options->command;

    return !command || (!row->is_note && text->timeline->groups[row->index].number == command);
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
    for (size_t i = 0; i < timeline->group_count; i++) {
        scoped(buf_free) struct buf name = {.limit = LINE_LIMIT};
        append_group_name(&name, &timeline->groups[i]);
        need = max_of(need, request_indent(text) + format_width(buf_str(&name)) + COMMAND_FACTS);
    }
    for (size_t i = 0; i < timeline->request_count && need < most; i++) {
        scoped(buf_free) struct buf name = {.limit = LINE_LIMIT};
        append_request_name(text, &name, &timeline->requests[i]);
        need = max_of(need, format_width(buf_str(&name)) + REQUEST_FACTS);
    }
    text->width =
        (size_t)clamp((int64_t)need, WIDTH_LEAST, (int64_t)max_of(most, (size_t)WIDTH_LEAST));
}

static void write_findings(struct text *text)
{
    const struct timeline *timeline = text->timeline;

    if (!timeline->finding_count)
        return;
    end_line(text);
    buf_append_text(&text->line, "findings");
    end_line(text);
    for (size_t i = 0; i < timeline->finding_count; i++) {
        buf_append_text(&text->line, "  ");
        format_safe(&text->line, timeline->findings[i]);
        end_line(text);
    }
    if (timeline->findings_omitted) {
        buf_printf(&text->line, "  and %" PRIu64 " more", timeline->findings_omitted);
        end_line(text);
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
        .line = {.limit = LINE_LIMIT},
    };

    measure(&text);
    write_header(&text);
    for (size_t i = 0; i < timeline->row_count; i++) {
        const struct replay_row *row = &timeline->rows[i];
        if (!is_asked_for(&text, row))
            continue;
        if (row->is_note)
            write_note(&text, &timeline->notes[row->index]);
        else
            write_group(&text, row->index);
    }
    write_findings(&text);
    buf_free(&text.line);
}
