#include "replay/json.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/jsondoc.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "replay/format.h"
#include "replay/marks.h"

struct writer {
    const struct timeline *timeline;
    const struct json_options *options;
    replay_write *write;
    void *context;
};

static void put_time(json_object *parent, const char *key, int64_t unix_us)
{
    char text[CLOCK_TEXT_BYTES];

    if (unix_us)
        jsondoc_put_string(parent, key, clock_format_us(unix_us, text));
}

static void put_millis(json_object *parent, const char *key, int64_t us)
{
    char text[32];

    if (us < 0)
        return;
    snprintf(text, sizeof text, "%.3f", (double)us / 1e3);
    jsondoc_put_adopt(parent, key, json_object_new_double_s((double)us / 1e3, text));
}

static void put_flow(json_object *parent, const char *key, const struct replay_flow *flow)
{
    json_object *out = jsondoc_put_adopt(parent, key, json_object_new_object());

    if (flow->received >= 0)
        jsondoc_put_int(out, "received", flow->received);
    if (flow->delivered >= 0)
        jsondoc_put_int(out, "delivered", flow->delivered);
    jsondoc_put_int(out, "recorded", (int64_t)flow->recorded);
    if (flow->withheld)
        jsondoc_put_int(out, "withheld", (int64_t)flow->withheld_bytes);
    jsondoc_put_string(out, "withheldReason", flow->reason);
    if (flow->redacted)
        jsondoc_put_int(out, "secretValuesWithheld", (int64_t)flow->redacted);
}

/* Bytes as U+0000 to U+00FF, as the recording has them. */
static void put_latin1(json_object *parent, struct str bytes)
{
    scoped(buf_free) struct buf text = {.limit = 2 * bytes.len + 1};

    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        if (c < 0x80) {
            buf_append_char(&text, (char)c);
        } else {
            buf_append_char(&text, (char)(0xC0 | c >> 6));
            buf_append_char(&text, (char)(0x80 | (c & 0x3F)));
        }
    }
    jsondoc_put_str(parent, "latin1", buf_str(&text));
}

static void put_piece(json_object *list, const struct body_piece *piece)
{
    static const char *const words[] = {
        [PIECE_BYTES] = "recorded",
        [PIECE_WITHHELD] = "withheld",
        [PIECE_MISSING] = "not recorded",
        [PIECE_LEFT_OUT] = "left out",
    };
    json_object *out = json_object_new_object();

    json_object_array_add(list, out);
    jsondoc_put_string(out, "what", words[piece->kind]);
    jsondoc_put_int(out, "offset", (int64_t)piece->offset);
    jsondoc_put_int(out, "bytes", (int64_t)piece->covers);
    jsondoc_put_string(out, "reason", piece->reason);
    jsondoc_put_string(out, "fingerprint", piece->fingerprint);
}

static void put_body(json_object *parent, const char *key, const struct body *body)
{
    if (!body->count)
        return;
    json_object *out = jsondoc_put_adopt(parent, key, json_object_new_object());
    jsondoc_put_int(out, "bytes", (int64_t)body->end);
    if (utf8_is_valid(buf_str(&body->bytes)))
        jsondoc_put_str(out, "text", buf_str(&body->bytes));
    else
        put_latin1(out, buf_str(&body->bytes));
    json_object *missing = json_object_new_array();
    for (size_t i = 0; i < body->count; i++)
        if (body->pieces[i].kind != PIECE_BYTES)
            put_piece(missing, &body->pieces[i]);
    if (json_object_array_length(missing))
        jsondoc_put_adopt(out, "missing", missing);
    else
        json_object_put(missing);
    if (body->is_disordered)
        jsondoc_put_bool(out, "outOfOrder", true);
}

static json_object *note_json(const struct replay_note *note)
{
    json_object *out = json_object_new_object();

    put_time(out, "time", note->time_us);
    jsondoc_put_string(out, "type", note->type);
    jsondoc_put_string(out, "text", note->text);
    return out;
}

static void put_notes(const struct writer *writer, json_object *parent, size_t first)
{
    json_object *list = first ? jsondoc_put_adopt(parent, "notes", json_object_new_array()) : NULL;

    for (size_t i = first; i; i = writer->timeline->notes[i - 1].next)
        json_object_array_add(list, note_json(&writer->timeline->notes[i - 1]));
}

static void put_marks(json_object *parent, const struct replay_request *request)
{
    scoped(buf_free) struct buf marks = {0};

    marks_append(&marks, request);
    if (!marks.len)
        return;
    json_object *list = jsondoc_put_adopt(parent, "marks", json_object_new_array());
    for (struct str rest = buf_str(&marks); rest.data && rest.len;) {
        struct str mark = str_split(&rest, '\n');
        json_object_array_add(list, json_object_new_string_len(mark.data, (int)mark.len));
    }
}

static void put_changes(json_object *parent, const struct change *change)
{
    if (!change)
        return;
    json_object *out = jsondoc_put_adopt(parent, "changes", json_object_new_object());
    jsondoc_put_int(out, "since", change->before);
    if (change->is_dry_run)
        jsondoc_put_bool(out, "dryRun", true);
    json_object *items = jsondoc_put_adopt(out, "items", json_object_new_array());
    for (size_t i = 0; i < change->diff.count; i++) {
        const struct diff_entry *entry = &change->diff.entries[i];
        json_object *item = json_object_new_object();
        json_object_array_add(items, item);
        jsondoc_put_string(item, "path", entry->path);
        if (entry->before)
            jsondoc_put_adopt(item, "before", json_object_get(entry->before));
        if (entry->after)
            jsondoc_put_adopt(item, "after", json_object_get(entry->after));
    }
    if (change->diff.left_off)
        jsondoc_put_int(out, "leftOff", (int64_t)change->diff.left_off);
}

static json_object *request_json(const struct writer *writer, size_t index)
{
    const struct replay_request *request = &writer->timeline->requests[index];
    const struct exchange_view *view = bodies_of(writer->options->bodies, request);
    json_object *out = json_object_new_object();
    struct error err = {0};

    jsondoc_put_int(out, "number", request->number);
    jsondoc_put_string(out, "journal", writer->timeline->journals[request->journal].id);
    jsondoc_put_int(out, "exchange", (int64_t)request->exchange);
    put_time(out, "start", request->start_us);
    jsondoc_put_string(out, "verb", request->verb);
    jsondoc_put_string(out, "method", request->method);
    jsondoc_put_string(out, "requestURI", request->uri);
    if (request->object_ref)
        jsondoc_put_adopt(out, "objectRef", jsondoc_parse(str_from(request->object_ref), &err));
    jsondoc_put_string(out, "user", request->user);
    jsondoc_put_string(out, "kubectlSession", request->kubectl_session);
    jsondoc_put_string(out, "kubectlCommand", request->kubectl_command);
    if (request->code)
        jsondoc_put_int(out, "status", request->code);
    jsondoc_put_string(out, "outcome", request->outcome);
    jsondoc_put_string(out, "forwarded", request->forwarded);
    jsondoc_put_string(out, "reason", request->reason);
    put_millis(out, "latencyMs", request->latency_us);
    put_millis(out, "durationMs", request->duration_us);
    put_flow(out, "requestBytes", &request->request);
    put_flow(out, "responseBytes", &request->response);
    put_marks(out, request);
    put_notes(writer, out, request->first_note);
    put_changes(out, changes_of(writer->options->changes, request));
    if (view) {
        put_body(out, "requestBody", &view->body[SIDE_REQUEST]);
        put_body(out, "responseBody", &view->body[SIDE_RESPONSE]);
    }
    return out;
}

static void write_safe(const struct writer *writer, struct str json)
{
    scoped(buf_free) struct buf safe = {.limit = 6 * json.len + 1};

    format_json_safe(&safe, json);
    writer->write(writer->context, buf_str(&safe));
}

static struct str json_text(json_object *value)
{
    size_t len = 0;
    const char *text =
        json_object_to_json_string_length(value, JSON_C_TO_STRING_NOSLASHESCAPE, &len);

    return str_make(text, len);
}

static void write_json(const struct writer *writer, json_object *value)
{
    write_safe(writer, json_text(value));
}

static void write_text(const struct writer *writer, const char *text)
{
    writer->write(writer->context, str_from(text));
}

static json_object *group_json(const struct writer *writer, size_t index)
{
    const struct replay_group *group = &writer->timeline->groups[index];
    json_object *out = json_object_new_object();

    if (group->number)
        jsondoc_put_int(out, "number", group->number);
    jsondoc_put_string(out, group->kind == GROUP_KUBECTL ? "kubectlSession" : "id", group->id);
    put_time(out, "start", group->start_us);
    if (group->kind == GROUP_COMMAND) {
        json_object *argv = jsondoc_put_adopt(out, "argv", json_object_new_array());
        for (size_t i = 0; i < group->argc; i++)
            json_object_array_add(argv, json_object_new_string(group->argv[i]));
        if (group->argv_omitted > 0)
            jsondoc_put_int(out, "argvOmitted", group->argv_omitted);
        jsondoc_put_bool(out, "outside", group->is_outside);
    } else if (group->argc) {
        jsondoc_put_string(out, "kubectlCommand", group->argv[0]);
    }
    if (group->has_exit) {
        json_object *end = jsondoc_put_adopt(out, "exit", json_object_new_object());
        if (group->signal)
            jsondoc_put_int(end, "signal", group->signal);
        else
            jsondoc_put_int(end, "code", group->code);
    }
    put_millis(out, "durationMs", group->duration_us);
    put_notes(writer, out, group->first_note);
    return out;
}

static bool wants_request(const struct writer *writer, size_t index)
{
    const struct timeline *timeline = writer->timeline;

    return !writer->options->filter ||
           filter_wants_request(writer->options->filter, timeline, &timeline->requests[index]);
}

/* `{…,"requests":[…]}`, request by request, so that only one of them is a tree at a time. */
static void write_group(const struct writer *writer, size_t index)
{
    const struct replay_group *group = &writer->timeline->groups[index];
    scoped(jsondoc_free) json_object *head = group_json(writer, index);
    struct str text = json_text(head);

    write_safe(writer, str_first(text, text.len - 1)); /* without its `}` */
    write_text(writer, text.len > 2 ? ",\"requests\":[" : "\"requests\":[");
    bool is_first = true;
    for (size_t i = 0; i < group->request_count; i++) {
        if (!wants_request(writer, group->requests[i]))
            continue;
        scoped(jsondoc_free) json_object *request = request_json(writer, group->requests[i]);
        if (!is_first)
            write_text(writer, ",");
        is_first = false;
        write_json(writer, request);
    }
    write_text(writer, "]}");
}

static void write_groups(const struct writer *writer, bool commands)
{
    bool is_first = true;

    for (size_t i = 0; i < writer->timeline->row_count; i++) {
        const struct replay_row *row = &writer->timeline->rows[i];
        if (row->is_note)
            continue;
        const struct replay_group *group = &writer->timeline->groups[row->index];
        if ((group->kind == GROUP_COMMAND) != commands)
            continue;
        if (writer->options->command && group->number != writer->options->command)
            continue;
        if (writer->options->filter &&
            !filter_wants_group(writer->options->filter, writer->timeline, group))
            continue;
        if (!is_first)
            write_text(writer, ",\n");
        is_first = false;
        write_group(writer, row->index);
    }
}

static void copy_member(json_object *out, json_object *from, const char *key)
{
    json_object *value = NULL;

    if (from && json_object_object_get_ex(from, key, &value) && value)
        jsondoc_put_adopt(out, key, json_object_get(value));
}

static json_object *session_json(const struct writer *writer)
{
    static const char *const keys[] = {"actor", "selfAttested", "cluster", "agent",
                                       "title", "labels",       "argv",    "onRecordFailure"};
    const struct timeline *timeline = writer->timeline;
    json_object *start = timeline_session_start(timeline);
    json_object *out = json_object_new_object();

    jsondoc_put_string(out, "id", timeline->session);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        copy_member(out, start, keys[i]);
    put_time(out, "start", timeline->first_us);
    put_time(out, "last", timeline->last_us);
    json_object *journals = jsondoc_put_adopt(out, "journals", json_object_new_array());
    for (unsigned i = 0; i < timeline->journal_count; i++) {
        const struct replay_journal *journal = &timeline->journals[i];
        json_object *item = json_object_new_object();
        json_object_array_add(journals, item);
        jsondoc_put_string(item, "id", journal->id);
        copy_member(item, journal->start, "cluster");
        jsondoc_put_int(item, "events", (int64_t)journal->events);
        jsondoc_put_bool(item, "ended", journal->end != NULL);
    }
    return out;
}

static json_object *notes_json(const struct writer *writer)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < writer->timeline->row_count; i++) {
        const struct replay_row *row = &writer->timeline->rows[i];
        const struct replay_note *note = &writer->timeline->notes[row->index];
        if (row->is_note && (!writer->options->filter ||
                             filter_wants_note(writer->options->filter, writer->timeline, note)))
            json_object_array_add(list, note_json(note));
    }
    return list;
}

static json_object *findings_json(const struct writer *writer)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < writer->timeline->finding_count; i++) {
        scoped(buf_free) struct buf safe = {0}; /* a cut text may be no UTF-8 */
        format_safe(&safe, writer->timeline->findings[i]);
        json_object_array_add(list, json_object_new_string_len(safe.data, (int)safe.len));
    }
    return list;
}

void json_write_timeline(const struct timeline *timeline, const struct json_options *options,
                         replay_write *write, void *context)
{
    const struct writer writer = {timeline, options, write, context};
    scoped(jsondoc_free) json_object *session = session_json(&writer);
    scoped(jsondoc_free) json_object *notes = notes_json(&writer);
    scoped(jsondoc_free) json_object *findings = findings_json(&writer);

    write_text(&writer, "{\"apiVersion\":\"kubectl-hoop/v1\",\"kind\":\"Replay\",\n\"session\":");
    write_json(&writer, session);
    if (options->verdict) {
        write_text(&writer, ",\n\"verdict\":");
        write_json(&writer, options->verdict);
    }
    if (options->filter && filter_is_set(options->filter)) {
        scoped(jsondoc_free) json_object *shown = json_object_new_object();
        jsondoc_put_int(shown, "requests", (int64_t)filter_count(options->filter, timeline));
        jsondoc_put_int(shown, "of", (int64_t)timeline->request_count);
        write_text(&writer, ",\n\"shown\":");
        write_json(&writer, shown);
    }
    write_text(&writer, ",\n\"commands\":[");
    write_groups(&writer, true);
    write_text(&writer, "],\n\"unlinked\":[");
    write_groups(&writer, false);
    write_text(&writer, "],\n\"notes\":");
    write_json(&writer, notes);
    write_text(&writer, ",\n\"findings\":");
    write_json(&writer, findings);
    write_text(&writer, "}\n");
}
