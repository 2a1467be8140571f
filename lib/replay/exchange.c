/* exchange.c - one exchange in full, and bodies: see text.h */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "replay/format.h"
#include "replay/note.h"
#include "replay/text_inside.h"

#define BODY_INDENT "    "

struct output {
    replay_write *write;
    void *context;
    bool is_coloured;
    struct buf line;
};

static void end_line(struct output *output)
{
    buf_append_char(&output->line, '\n');
    output->write(output->context, output->line.overflow ? STR("(a line too long to show)\n")
                                                         : buf_str(&output->line));
    buf_clear(&output->line);
}

static void write_lines(struct output *output, const char *indent, struct str text)
{
    for (struct str rest = text; rest.data && rest.len;) {
        struct str line = str_split(&rest, '\n');
        buf_append_text(&output->line, indent);
        utf8_append_safe(&output->line, line);
        end_line(output);
    }
}

static bool is_json(struct str text)
{
    text = str_trim(text);
    return text.len && (text.data[0] == '{' || text.data[0] == '[');
}

static void write_gap(struct output *output, const char *indent, const struct body_piece *piece)
{
    struct buf *out = &output->line;

    buf_printf(out, "%s[", indent);
    format_bytes(out, piece->covers);
    switch (piece->kind) {
    case PIECE_WITHHELD:
        buf_append_text(out, " withheld: ");
        format_safe(out, piece->reason ? piece->reason : "no reason given");
        if (piece->fingerprint) {
            buf_append_text(out, ", fingerprint ");
            format_safe(out, piece->fingerprint);
        }
        break;
    case PIECE_MISSING:
        buf_append_text(out, " not recorded");
        break;
    case PIECE_LEFT_OUT:
        buf_append_text(out, " more, see --request or -o json");
        break;
    case PIECE_BYTES:
        break;
    }
    buf_append_char(out, ']');
    end_line(output);
}

void text_write_body(const struct body *body, const char *indent, replay_write *write,
                     void *context)
{
    struct output output = {write, context, false, {.limit = (size_t)1 << 30}};
    bool is_pretty = is_json(buf_str(&body->bytes));

    for (size_t i = 0; i < body->count;) {
        const struct body_piece *piece = &body->pieces[i];
        if (piece->kind != PIECE_BYTES) {
            /* many that follow each other are told as one */
            struct body_piece all = *piece;
            while (++i < body->count && body->pieces[i].kind == all.kind &&
                   all.kind == PIECE_LEFT_OUT)
                all.covers += body->pieces[i].covers;
            write_gap(&output, indent, &all);
            continue;
        }
        size_t at = piece->at, len = 0;
        for (; i < body->count && body->pieces[i].kind == PIECE_BYTES; i++)
            len += body->pieces[i].len;
        struct str text = str_make(body->bytes.data + at, len);
        scoped(buf_free) struct buf pretty = {.limit = (size_t)1 << 30};
        if (is_pretty)
            format_json(&pretty, text);
        write_lines(&output, indent, is_pretty && !pretty.overflow ? buf_str(&pretty) : text);
    }
    if (body->is_disordered) {
        buf_printf(&output.line, "%s[recorded out of order]", indent);
        end_line(&output);
    }
    buf_free(&output.line);
}

static void write_member(struct output *output, const char *indent, const char *name,
                         json_object *value)
{
    scoped(free_text) char *text = value ? note_value(value) : NULL;

    buf_append_text(&output->line, indent);
    format_safe(&output->line, name);
    buf_append_text(&output->line, ": ");
    format_safe(&output->line, text ? text : "(value not recorded)");
    end_line(output);
}

/* [{"name": …, "value": …}], without a value where only the name is recorded. */
static void write_headers(struct output *output, json_object *headers)
{
    size_t count = jsondoc_count(headers, "");

    for (size_t i = 0; i < count; i++) {
        json_object *field = json_object_array_get_idx(headers, i);
        const char *name = jsondoc_string(field, "/name");
        if (name)
            write_member(output, BODY_INDENT, name, jsondoc_at(field, "/value"));
        else
            write_member(output, BODY_INDENT, "(a field without name)", field);
    }
}

/* All that the event says, but for its envelope and what the title has said. */
static void write_event(struct output *output, json_object *event)
{
    static const char *const known[] = {"type",    "time",     "mono_us", "seq",    "session",
                                        "command", "exchange", "headers", "method", "requestURI"};

    json_object_object_foreach(event, key, value)
    {
        size_t i = 0;
        while (i < count_of(known) && strcmp(known[i], key) != 0)
            i++;
        if (i == count_of(known))
            write_member(output, "  ", key, value);
    }
    json_object *headers = jsondoc_at(event, "/headers");
    if (!json_object_is_type(headers, json_type_array)) {
        if (headers)
            write_member(output, "  ", "headers", headers);
        return;
    }
    buf_append_text(&output->line, "  headers:");
    end_line(output);
    write_headers(output, headers);
}

static void write_side(struct output *output, const struct exchange_view *view, enum body_side side)
{
    const struct body *body = &view->body[side];

    if (view->events[side])
        write_event(output, view->events[side]);
    if (!body->count)
        return;
    buf_append_text(&output->line, "  body, ");
    format_bytes(&output->line, body->end);
    buf_append_char(&output->line, ':');
    end_line(output);
    text_write_body(body, BODY_INDENT, output->write, output->context);
}

static void write_exchange_changes(const struct timeline *timeline,
                                   const struct replay_request *request,
                                   const struct text_options *options, replay_write *write,
                                   void *context)
{
    struct text text = {
        .timeline = timeline,
        .options = options,
        .write = write,
        .context = context,
        .line = {.limit = TEXT_LINE_LIMIT},
        .width = options->columns,
    };

    text_write_changes(&text, request, 0, 0);
    buf_free(&text.line);
}

static void write_styled(struct output *output, enum style style, const char *text)
{
    scoped(buf_free) struct buf safe = {.limit = TEXT_LINE_LIMIT};

    format_safe(&safe, text);
    style_text(&output->line, output->is_coloured, style, buf_str(&safe));
}

static void write_title(struct output *output, const struct timeline *timeline,
                        const struct replay_request *request)
{
    buf_printf(&output->line, "request %" PRIu32 " (exchange %" PRIu64 " of journal %s",
               request->number, request->exchange, timeline->journals[request->journal].id);
    if (request->command) {
        buf_append_text(&output->line, ", command ");
        format_safe(&output->line, request->command);
    }
    buf_append_char(&output->line, ')');
    end_line(output);
}

void text_write_exchange(const struct timeline *timeline, const struct replay_request *request,
                         const struct text_options *options, replay_write *write, void *context)
{
    struct output output = {write, context, options->is_coloured, {.limit = (size_t)16 << 20}};
    const struct exchange_view *view = bodies_of(options->bodies, request);
    char code[16] = "no answer";

    write_title(&output, timeline, request);
    buf_append_text(&output.line, "> ");
    write_styled(&output, style_of_method(request->method),
                 request->method ? request->method : "?");
    buf_append_char(&output.line, ' ');
    write_styled(&output, STYLE_STRONG, request->uri ? request->uri : "(not recorded)");
    end_line(&output);
    if (view)
        write_side(&output, view, SIDE_REQUEST);
    if (request->code)
        snprintf(code, sizeof code, "%d", request->code);
    buf_append_text(&output.line, "< ");
    write_styled(&output, style_of_status(request->code), code);
    end_line(&output);
    if (view)
        write_side(&output, view, SIDE_RESPONSE);
    if (view && view->events[3]) {
        buf_append_text(&output.line, "stream, whose bytes are the bodies above:");
        end_line(&output);
        write_event(&output, view->events[3]);
        if (view->events[4])
            write_event(&output, view->events[4]);
    }
    buf_append_text(&output.line, "end: ");
    format_safe(&output.line, request->outcome ? request->outcome : "not recorded");
    end_line(&output);
    if (view && view->events[2])
        write_event(&output, view->events[2]);
    buf_free(&output.line);
    write_exchange_changes(timeline, request, options, write, context);
}
