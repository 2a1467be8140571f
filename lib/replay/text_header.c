/* text_header.c - what stands on top of a timeline: see text.h */
#include <string.h>

#include "base/clock.h"
#include "base/jsondoc.h"
#include "base/scoped.h"
#include "replay/format.h"
#include "replay/note.h"
#include "replay/text_inside.h"

#define VALUE_COLUMN 10

static void begin_field(struct text *text, const char *name)
{
    text_styled(text, STYLE_FAINT, name);
    text_pad(text, VALUE_COLUMN);
}

static void end_field(struct text *text, enum style style, const struct buf *value)
{
    text_end_line_with(text, style, buf_str(value), VALUE_COLUMN, (struct str){0});
}

static void field(struct text *text, const char *name, enum style style, const char *value)
{
    scoped(buf_free) struct buf safe = {.limit = TEXT_LINE_LIMIT};

    if (!value || !*value)
        return;
    begin_field(text, name);
    format_safe(&safe, value);
    end_field(text, style, &safe);
}

static void field_verdict(struct text *text)
{
    const char *verdict = text->options->verdict;
    enum style style =
        !verdict                             ? STYLE_PLAIN
        : strncmp(verdict, "INTACT", 6) == 0 ? STYLE_GOOD
        : strncmp(verdict, "INCOMPLETE", 10) == 0 || strncmp(verdict, "RECOVERED", 9) == 0
            ? STYLE_WARN
            : STYLE_BAD;

    field(text, "verdict", style, verdict);
}

static void field_time(struct text *text)
{
    const struct timeline *timeline = text->timeline;
    scoped(buf_free) struct buf value = {0};
    char started[CLOCK_TEXT_BYTES];
    bool has_ended = timeline->journal_count > 0;

    if (!timeline->first_us)
        return;
    for (unsigned i = 0; i < timeline->journal_count; i++)
        has_ended &= timeline->journals[i].end != NULL;
    begin_field(text, "started");
    buf_printf(&value, "%.19sZ, %s", clock_format_us(timeline->first_us, started),
               has_ended ? "took " : "no end recorded, last event after ");
    format_seconds(&value, timeline->last_us - timeline->first_us);
    end_field(text, STYLE_PLAIN, &value);
}

static char *actor_text(json_object *start)
{
    struct buf value = {0};
    const char *name = jsondoc_string(start, "/actor/name");
    const char *issuer = jsondoc_string(start, "/actor/issuer");

    buf_append_text(&value, name ? name : "(not recorded)");
    if (issuer)
        buf_printf(&value, ", says %s", issuer);
    if (jsondoc_bool(start, "/selfAttested", false))
        buf_append_text(&value, " (self-attested)");
    return buf_take_text(&value);
}

static char *cluster_text(json_object *start)
{
    struct buf value = {0};
    const char *name = jsondoc_string(start, "/cluster/name");
    const char *id = jsondoc_string(start, "/cluster/id");
    const char *server = jsondoc_string(start, "/cluster/server");

    if (!name)
        name = id ? id : jsondoc_string(start, "/cluster");
    if (name)
        buf_printf(&value, "%s%s%s", name, server ? "  " : "", server ? server : "");
    return buf_take_text(&value);
}

/* One line for each cluster that was talked to; the home journal's first. */
static void field_clusters(struct text *text)
{
    const struct timeline *timeline = text->timeline;
    json_object *home = timeline_session_start(timeline);
    scoped(free_text) char *first = home ? cluster_text(home) : NULL;
    bool has_others = false;

    for (unsigned i = 0; i < timeline->journal_count; i++)
        has_others |= timeline->journals[i].start && timeline->journals[i].start != home;
    if (first && !(has_others && strcmp(first, "none") == 0))
        field(text, "cluster", STYLE_PLAIN, first);
    for (unsigned i = 0; i < timeline->journal_count; i++) {
        json_object *start = timeline->journals[i].start;
        scoped(free_text) char *other = start && start != home ? cluster_text(start) : NULL;
        if (other && (!first || strcmp(other, first) != 0))
            field(text, "cluster", STYLE_PLAIN, other);
    }
}

static void field_labels(struct text *text, json_object *start)
{
    json_object *labels = jsondoc_at(start, "/labels");
    scoped(buf_free) struct buf value = {.limit = TEXT_LINE_LIMIT};

    if (!json_object_is_type(labels, json_type_object) || !json_object_object_length(labels))
        return;
    json_object_object_foreach(labels, key, label)
    {
        scoped(free_text) char *shown = note_value(label);
        if (value.len)
            buf_append_char(&value, ' ');
        format_safe(&value, key);
        buf_append_char(&value, '=');
        format_safe(&value, shown);
    }
    begin_field(text, "labels");
    end_field(text, STYLE_PLAIN, &value);
}

static void field_argv(struct text *text, json_object *start)
{
    size_t count = jsondoc_count(start, "/argv");
    json_object *argv = jsondoc_at(start, "/argv");
    scoped(buf_free) struct buf value = {.limit = TEXT_LINE_LIMIT};

    if (!count)
        return;
    for (size_t i = 0; i < count; i++) {
        scoped(free_text) char *word = note_value(json_object_array_get_idx(argv, i));
        if (i)
            buf_append_char(&value, ' ');
        format_words(&value, &word, 1);
    }
    begin_field(text, "ran");
    end_field(text, STYLE_PLAIN, &value);
}

static void field_filter(struct text *text)
{
    const struct replay_filter *filter = text->options->filter;
    scoped(buf_free) struct buf value = {0};

    if (!filter || !filter_is_set(filter))
        return;
    buf_printf(&value, "%zu of ", filter_count(filter, text->timeline));
    format_count(&value, text->timeline->request_count, "request");
    buf_append_text(&value, ": the others are left out");
    begin_field(text, "shown");
    end_field(text, STYLE_WARN, &value);
}

void text_write_header(struct text *text)
{
    json_object *start = timeline_session_start(text->timeline);
    scoped(free_text) char *actor = start ? actor_text(start) : NULL;

    field(text, "session", STYLE_STRONG, text->timeline->session);
    field_verdict(text);
    if (text->timeline->party_count < 2)
        field(text, "actor", STYLE_PLAIN, actor);
    field_clusters(text);
    if (start) {
        field(text, "agent", STYLE_PLAIN, jsondoc_string(start, "/agent"));
        field(text, "title", STYLE_PLAIN, jsondoc_string(start, "/title"));
        field_labels(text, start);
    }
    field_time(text);
    if (start)
        field_argv(text, start);
    field_filter(text);
    text_end_line(text);
}

void text_write_party(struct text *text, unsigned party)
{
    const struct timeline *timeline = text->timeline;
    scoped(buf_free) struct buf journals = {.limit = TEXT_LINE_LIMIT};
    scoped(free_text) char *actor = NULL;

    for (unsigned i = 0; i < timeline->journal_count; i++) {
        const struct replay_journal *journal = &timeline->journals[i];
        if (journal->party != party)
            continue;
        buf_printf(&journals, "%s%s", journals.len ? ", " : "", journal->id);
        if (!actor && journal->start)
            actor = actor_text(journal->start);
    }
    if (party)
        text_end_line(text);
    buf_append_char(&journals, '\0');
    field(text, "actor", STYLE_STRONG, actor ? actor : "(not recorded)");
    field(text, "journals", STYLE_PLAIN, journals.data);
    text_end_line(text);
}
