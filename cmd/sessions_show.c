/* sessions_show.c - kubectl hoop sessions show */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "replay/effects.h"
#include "replay/format.h"
#include "replay/timeline.h"
#include "upload/verify_catalog.h"

#include "command.h"
#include "recordings.h"
#include "sessions.h"

/* All that is known about one. */
struct shown {
    struct summary summary;
    struct verify_report report;
    struct timeline *timeline;
    struct effects effects;
};

static void shown_free(struct shown *shown)
{
    effects_free(&shown->effects);
    timeline_free(&shown->timeline);
    verify_report_free(&shown->report);
    summary_free(&shown->summary);
}

static const char *const form_words[] = {
    [SEGMENT_SEALED] = "sealed", [SEGMENT_RUNNING] = "running",   [SEGMENT_CRASHED] = "crashed",
    [SEGMENT_BAD] = "bad",       [SEGMENT_CONFLICT] = "conflict",
};

static const char *place_word(const struct catalog_segment *segment)
{
    return segment->in_store ? "store" : "spool";
}

static json_object *segments_json(const struct catalog_session *session)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < session->count; i++)
        for (size_t j = 0; j < session->journals[i].count; j++) {
            const struct catalog_segment *segment = &session->journals[i].segments[j];
            json_object *out = json_object_new_object();
            json_object_array_add(list, out);
            jsondoc_put_string(out, "journal", session->journals[i].id);
            jsondoc_put_int(out, "n", segment->n);
            jsondoc_put_string(out, "form", form_words[segment->form]);
            jsondoc_put_string(out, "place", place_word(segment));
            jsondoc_put_int(out, "bytes", (int64_t)segment->bytes);
            jsondoc_put_string(out, "key", segment->key);
        }
    return list;
}

static json_object *findings_json(const struct verify_report *report)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < report->finding_count; i++) {
        const struct finding *finding = &report->findings[i];
        json_object *out = json_object_new_object();
        json_object_array_add(list, out);
        jsondoc_put_string(out, "object", finding->object);
        jsondoc_put_string(out, "place", finding->what.place);
        jsondoc_put_string(out, "expected", finding->what.expected);
        jsondoc_put_string(out, "found", finding->what.found);
    }
    return list;
}

static json_object *effects_json(const struct effects *effects)
{
    json_object *out = json_object_new_object();

    for (int i = 0; i < EFFECT_COUNT; i++) {
        const struct effect_count *of = &effects->of[i];
        if (!of->count)
            continue;
        json_object *item =
            jsondoc_put_adopt(out, effect_name((enum effect)i), json_object_new_object());
        jsondoc_put_int(item, "count", (int64_t)of->count);
        if (of->first)
            jsondoc_put_int(item, of->is_command ? "firstCommand" : "firstRequest", of->first);
    }
    return out;
}

static void show_json(const struct shown *shown)
{
    scoped(jsondoc_free) json_object *root = json_object_new_object();
    const struct effects *effects = &shown->effects;

    jsondoc_put_string(root, "apiVersion", "kubectl-hoop/v1");
    jsondoc_put_string(root, "kind", "Session");
    jsondoc_put_adopt(root, "session", sessions_summary_json(&shown->summary));
    jsondoc_put_string(root, "verdict", verdict_word(shown->report.verdict));
    jsondoc_put_bool(root, "selfAttested", shown->report.is_self_attested);
    jsondoc_put_adopt(root, "verbs", json_object_get(effects->verbs));
    jsondoc_put_adopt(root, "resources", json_object_get(effects->resources));
    jsondoc_put_adopt(root, "statuses", json_object_get(effects->statuses));
    jsondoc_put_adopt(root, "effects", effects_json(effects));
    jsondoc_put_adopt(root, "segments", segments_json(shown->summary.session));
    jsondoc_put_adopt(root, "findings", findings_json(&shown->report));
    sessions_print_json(root);
}

static void print_fact(const char *name, const char *value)
{
    scoped(buf_free) struct buf safe = {0};

    if (!value || !*value)
        return;
    format_safe(&safe, value);
    printf("%-10s %.*s\n", name, STR_ARG(buf_str(&safe)));
}

static void print_counts(const struct summary *summary, const struct effects *effects)
{
    scoped(buf_free) struct buf line = {0};

    format_count(&line, summary->commands, "command");
    buf_append_text(&line, ", ");
    format_count(&line, summary->requests, "request");
    buf_append_text(&line, ", ");
    format_count(&line, summary->events, "event");
    buf_append_text(&line, ", ");
    format_bytes(&line, effects->response_bytes);
    buf_append_text(&line, " received, ");
    format_bytes(&line, summary->bytes);
    buf_append_text(&line, " stored");
    printf("%-10s %.*s\n", "counts", STR_ARG(buf_str(&line)));
}

static void print_segments(const struct catalog_session *session)
{
    static const char *const headings[] = {"JOURNAL", ">SEGMENT", "STATE", "PLACE",
                                           ">SIZE",   "KEY",      NULL};
    scoped(table_free) struct table *table = table_new(headings);

    for (size_t i = 0; i < session->count; i++)
        for (size_t j = 0; j < session->journals[i].count; j++) {
            const struct catalog_segment *segment = &session->journals[i].segments[j];
            scoped(buf_free) struct buf size = {0};
            char n[16];
            snprintf(n, sizeof n, "%" PRIu32, segment->n);
            format_bytes(&size, segment->bytes);
            buf_append_char(&size, '\0');
            const char *const cells[] = {
                session->journals[i].id, n,         form_words[segment->form],
                place_word(segment),     size.data, segment->key};
            table_add(table, cells);
        }
    putchar('\n');
    sessions_print_table(table);
}

static void append_finding(struct buf *line, const struct finding *finding)
{
    format_safe(line, finding->object[0] ? finding->object : "session");
    if (finding->what.place[0]) {
        buf_append_text(line, ", ");
        format_safe(line, finding->what.place);
    }
    buf_append_text(line, ": expected ");
    format_safe(line, finding->what.expected);
    buf_append_text(line, ", found ");
    format_safe(line, finding->what.found);
}

/* Of verify, then of reading it. */
static void print_findings(const struct shown *shown)
{
    const struct verify_report *report = &shown->report;
    const struct timeline *timeline = shown->timeline;
    scoped(buf_free) struct buf out = {.limit = (size_t)16 << 20};

    for (size_t i = 0; i < report->finding_count; i++) {
        buf_append_text(&out, "  ");
        append_finding(&out, &report->findings[i]);
        buf_append_char(&out, '\n');
    }
    for (size_t i = 0; i < timeline->finding_count; i++) {
        buf_append_text(&out, "  ");
        format_safe(&out, timeline->findings[i]);
        buf_append_char(&out, '\n');
    }
    if (out.len)
        printf("\nfindings\n%.*s", STR_ARG(buf_str(&out)));
}

#define COUNTS_MOST 8 /* of one kind */

/* "get 12, list 3, and 2 more" */
static void print_kinds(const char *name, json_object *counts)
{
    scoped(buf_free) struct buf line = {.limit = (size_t)16 << 20};
    size_t shown = 0, total = (size_t)json_object_object_length(counts);

    if (!total)
        return;
    json_object_object_foreach(counts, kind, count)
    {
        if (shown == COUNTS_MOST)
            break;
        buf_append_text(&line, shown++ ? ", " : "");
        format_safe(&line, strcmp(kind, "-") == 0 ? "(other)" : kind);
        buf_printf(&line, " %" PRId64, json_object_get_int64(count));
    }
    if (shown < total)
        buf_printf(&line, ", and %zu more (-o json)", total - shown);
    printf("%-10s %.*s\n", name, STR_ARG(buf_str(&line)));
}

static void print_effects(const struct effects *effects)
{
    static const char *const headings[] = {">COUNT", "WORTH A LOOK", "FIRST", NULL};
    scoped(table_free) struct table *table = table_new(headings);
    bool has_some = false;

    for (int i = 0; i < EFFECT_COUNT; i++) {
        const struct effect_count *of = &effects->of[i];
        char count[24], first[32] = "";
        if (!of->count)
            continue;
        has_some = true;
        snprintf(count, sizeof count, "%" PRIu64, of->count);
        if (of->first)
            snprintf(first, sizeof first, of->is_command ? "--cmd %" PRIu32 : "--request %" PRIu32,
                     of->first);
        const char *const cells[] = {count, effect_text((enum effect)i), first};
        table_add(table, cells);
    }
    if (has_some)
        putchar('\n');
    sessions_print_table(table);
}

static void print_times(const struct summary *summary)
{
    char started[CLOCK_TEXT_BYTES];
    scoped(buf_free) struct buf line = {0};

    buf_append_text(&line, sessions_time(summary->started_unix_us, started));
    if (summary_took_us(summary) >= 0) {
        buf_append_text(&line, summary->has_end ? ", took " : ", last event after ");
        format_seconds(&line, summary_took_us(summary));
    }
    printf("%-10s %.*s\n", "started", STR_ARG(buf_str(&line)));
}

static void show_text(const struct shown *shown)
{
    const struct summary *summary = &shown->summary;
    const struct verify_report *report = &shown->report;
    scoped(free_text) char *clusters = summary_clusters(summary);

    print_fact("session", summary->session->id);
    printf("%-10s %s%s\n", "verdict", verdict_word(report->verdict),
           report->is_self_attested ? ", self-attested" : "");
    print_fact("state", summary->state);
    print_fact("problem", summary->problem);
    print_fact("user", summary_user(summary));
    print_fact("agent", summary_agent(summary));
    print_fact("cluster", clusters);
    print_fact("title", summary_title(summary));
    print_times(summary);
    print_counts(summary, &shown->effects);
    print_kinds("verbs", shown->effects.verbs);
    print_kinds("resources", shown->effects.resources);
    print_kinds("statuses", shown->effects.statuses);
    print_fact("gateway", report->gateway);
    print_fact("key", report->root_key);
    print_fact("expect", report->expect);
    print_effects(&shown->effects);
    print_segments(summary->session);
    print_findings(shown);
}

static void add_line(void *context, size_t journal, const struct reader_line *line)
{
    timeline_add(context, (unsigned)journal, line->text);
}

static void add_cut(void *context, size_t journal, const struct error *err)
{
    timeline_add_finding(context, "not read from here on: %s", err->text);
}

static void read_shown(struct shown *shown, const struct catalog_session *session)
{
    summary_read(&shown->summary, session);
    shown->timeline = timeline_new(session->id);
    for (size_t i = 0; i < session->count; i++)
        ignore(timeline_journal(shown->timeline, session->journals[i].id));
    recordings_read(session, &shown->report,
                    &(struct recordings_user){add_line, add_cut, shown->timeline});
    timeline_finish(shown->timeline);
    effects_read(&shown->effects, shown->timeline);
}

int sessions_show(const struct sessions_flags *flags, struct error *err)
{
    scoped(recordings_free) struct recordings recordings = {0};
    scoped(shown_free) struct shown shown = {0};

    if (recordings_open(&recordings, &flags->options, &flags->keys, err) < 0)
        return -1;
    ignore(recordings_say_unread(&recordings));
    const struct catalog_session *session =
        catalog_find(recordings.catalog, flags->options.operands[0], err);
    if (!session)
        return -1;
    catalog_verify(recordings.catalog, session, recordings.trust, NULL, &shown.report);
    read_shown(&shown, session);
    if (flags->format == FORMAT_JSON || flags->format == FORMAT_JSONL)
        show_json(&shown);
    else if (flags->format == FORMAT_NAME)
        printf("session/%s\n", session->id);
    else
        show_text(&shown);
    return EXIT_OK;
}
