/* sessions_list.c - kubectl hoop sessions list */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/jsondoc.h"
#include "base/log.h"
#include "base/num.h"
#include "base/scoped.h"
#include "replay/format.h"
#include "replay/timeline.h"

#include "command.h"
#include "display.h"
#include "recordings.h"
#include "sessions.h"

enum sort { SORT_STARTED, SORT_COMMANDS, SORT_REQUESTS, SORT_SIZE, SORT_TOOK };
const char *const sessions_sort_choices[] = {"started", "commands", "requests",
                                             "size",    "took",     NULL};

/* What is asked for: of the session itself, and of its requests and commands. */
struct wanted {
    const struct sessions_flags *flags;
    struct replay_filter filter; /* of requests: without times */
    int64_t since_us, until_us;  /* of the session's start; 0: not asked for */
};

struct list {
    struct summary *summaries; /* owned, those that are wanted */
    size_t count;
    size_t total; /* before the limit */
};

static void list_free(struct list *list)
{
    for (size_t i = 0; i < list->count; i++)
        summary_free(&list->summaries[i]);
    free(list->summaries);
}

static void wanted_free(struct wanted *wanted)
{
    filter_free(&wanted->filter);
}

static int read_wanted(struct wanted *wanted, const struct sessions_flags *flags, struct error *err)
{
    wanted->flags = flags;
    if (filter_flags_read(&flags->filter, &wanted->filter, err) < 0)
        return -1;
    wanted->since_us = wanted->filter.since_us;
    wanted->until_us = wanted->filter.until_us;
    wanted->filter.since_us = wanted->filter.until_us = 0;
    for (size_t i = 0; i < flags->labels.count; i++)
        if (!strchr(flags->labels.items[i], '=')) {
            error_set(err, ERROR_USAGE, "--label: '%s' is no label", flags->labels.items[i]);
            return error_fix(err, "such as team=shop");
        }
    return 0;
}

/* ---- which ones ---- */

static bool is_or_unasked(const char *asked, const char *found)
{
    return !asked || (found && strcmp(asked, found) == 0);
}

static bool has_cluster(const struct summary *summary, const char *cluster)
{
    if (!cluster)
        return true;
    for (size_t i = 0; i < json_object_array_length(summary->clusters); i++)
        if (strcmp(cluster,
                   json_object_get_string(json_object_array_get_idx(summary->clusters, i))) == 0)
            return true;
    return false;
}

static bool has_label(const struct summary *summary, const char *label)
{
    json_object *labels = summary->start ? jsondoc_at(summary->start, "/labels") : NULL;
    struct str value = str_from(label);
    struct str key = str_split(&value, '=');

    if (!json_object_is_type(labels, json_type_object))
        return false;
    json_object_object_foreach(labels, name, found)
    {
        if (str_is(key, name) && json_object_is_type(found, json_type_string) &&
            str_is(value, json_object_get_string(found)))
            return true;
    }
    return false;
}

static bool wants_summary(const struct wanted *wanted, const struct summary *summary)
{
    const struct sessions_flags *flags = wanted->flags;

    if (wanted->since_us && summary->started_unix_us < wanted->since_us)
        return false;
    if (wanted->until_us && summary->started_unix_us >= wanted->until_us)
        return false;
    for (size_t i = 0; i < flags->labels.count; i++)
        if (!has_label(summary, flags->labels.items[i]))
            return false;
    return is_or_unasked(flags->agent, summary_agent(summary)) &&
           is_or_unasked(flags->user, summary_user(summary)) &&
           is_or_unasked(flags->state, summary->state) && has_cluster(summary, flags->cluster);
}

static void add_line(void *context, size_t journal, const struct reader_line *line)
{
    timeline_add(context, (unsigned)journal, line->text);
}

/* Reads all of the session, as far as that can be read. */
static bool wants_content(const struct wanted *wanted, const struct catalog_session *session)
{
    if (!filter_is_set(&wanted->filter))
        return true;
    scoped(timeline_free) struct timeline *timeline = timeline_new(session->id);
    for (size_t i = 0; i < session->count; i++)
        ignore(timeline_journal(timeline, session->journals[i].id));
    recordings_read(session, NULL,
                    &(struct recordings_user){.line = add_line, .context = timeline});
    timeline_finish(timeline);
    for (size_t i = 0; i < timeline->group_count; i++)
        if (filter_wants_group(&wanted->filter, timeline, &timeline->groups[i]))
            return true;
    return false;
}

/* ---- in which order ---- */

static uint64_t sort_value(const struct summary *summary, enum sort sort)
{
    switch (sort) {
    case SORT_STARTED:
        return (uint64_t)max_of(summary->started_unix_us, (int64_t)0);
    case SORT_COMMANDS:
        return summary->commands;
    case SORT_REQUESTS:
        return summary->requests;
    case SORT_SIZE:
        return summary->bytes;
    case SORT_TOOK:
        return (uint64_t)(summary_took_us(summary) + 1);
    }
    unreachable();
}

/* The largest first; among equals the newest, which is what its id says. */
static int compare(const void *a, const void *b, void *context)
{
    const struct summary *x = a, *y = b;
    enum sort sort = *(const enum sort *)context;
    uint64_t of_x = sort_value(x, sort), of_y = sort_value(y, sort);

    if (of_x != of_y)
        return of_x > of_y ? -1 : 1;
    return -strcmp(x->session->id, y->session->id);
}

static void read_list(struct list *list, const struct wanted *wanted, const struct catalog *catalog)
{
    enum sort sort = (enum sort)wanted->flags->sort_by;
    uint64_t limit = wanted->flags->limit;

    list->summaries = xcalloc(catalog_count(catalog) + 1, sizeof *list->summaries);
    for (size_t i = catalog_count(catalog); i > 0; i--) {
        struct summary *summary = &list->summaries[list->count];
        const struct catalog_session *session = catalog_session(catalog, i - 1);
        summary_read(summary, session);
        if (wants_summary(wanted, summary) && wants_content(wanted, session))
            list->count++;
        else
            summary_free(summary);
    }
    qsort_r(list->summaries, list->count, sizeof *list->summaries, compare, &sort);
    list->total = list->count;
    while (limit && list->count > limit)
        summary_free(&list->summaries[--list->count]);
}

/* ---- how they are shown ---- */

static const char *const headings[] = {"SESSION", "STARTED", "AGENT", "USER",  "CLUSTER",
                                       ">CMDS",   ">REQS",   "STATE", "TITLE", NULL};
static const char *const wide_headings[] = {"SESSION", "STARTED", ">TOOK", "AGENT", "USER",
                                            "CLUSTER", ">CMDS",   ">REQS", ">SIZE", "STATE",
                                            "LABELS",  "TITLE",   NULL};

static char *labels_text(const struct summary *summary)
{
    json_object *labels = summary->start ? jsondoc_at(summary->start, "/labels") : NULL;
    struct buf out = {0};

    if (json_object_is_type(labels, json_type_object)) {
        json_object_object_foreach(labels, key, value)
        {
            buf_printf(&out, "%s%s=%s", out.len ? "," : "", key, json_object_get_string(value));
        }
    }
    return buf_take_text(&out);
}

static void add_row(struct table *table, const struct summary *summary, size_t short_length,
                    bool is_wide)
{
    char id[sizeof summary->session->id], started[CLOCK_TEXT_BYTES], commands[24], requests[24];
    scoped(free_text) char *clusters = summary_clusters(summary);
    scoped(free_text) char *labels = labels_text(summary);
    scoped(buf_free) struct buf took = {0};
    scoped(buf_free) struct buf size = {0};

    snprintf(id, sizeof id, "%.*s", (int)short_length, summary->session->id);
    snprintf(commands, sizeof commands, "%" PRIu64, summary->commands);
    snprintf(requests, sizeof requests, "%" PRIu64, summary->requests);
    sessions_time(summary->started_unix_us, started);
    if (summary_took_us(summary) >= 0)
        format_seconds(&took, summary_took_us(summary));
    buf_append_char(&took, '\0');
    format_bytes(&size, summary->bytes);
    buf_append_char(&size, '\0');
    const char *const cells[] = {
        id,       started,  summary_agent(summary), summary_user(summary), clusters,
        commands, requests, summary->state,         summary_title(summary)};
    const char *const wide_cells[] = {id,
                                      started,
                                      took.data,
                                      summary_agent(summary),
                                      summary_user(summary),
                                      clusters,
                                      commands,
                                      requests,
                                      size.data,
                                      summary->state,
                                      labels,
                                      summary_title(summary)};
    table_add(table, is_wide ? wide_cells : cells);
}

static void print_list_table(const struct list *list, const struct sessions_flags *flags,
                             size_t short_length)
{
    bool is_wide = flags->format == FORMAT_WIDE;
    scoped(table_free) struct table *table = table_new(is_wide ? wide_headings : headings);

    for (size_t i = 0; i < list->count; i++)
        add_row(table, &list->summaries[i], short_length, is_wide);
    if (!flags->no_headers) {
        sessions_print_table(table);
        return;
    }
    scoped(buf_free) struct buf rows = {.limit = (size_t)1 << 30};
    table_write_rows(table, &rows);
    display_write(NULL, buf_str(&rows));
}

static void print_list_json(const struct list *list)
{
    scoped(jsondoc_free) json_object *root = json_object_new_object();

    jsondoc_put_string(root, "apiVersion", "kubectl-hoop/v1");
    jsondoc_put_string(root, "kind", "SessionList");
    json_object *items = jsondoc_put_adopt(root, "items", json_object_new_array());
    for (size_t i = 0; i < list->count; i++)
        json_object_array_add(items, sessions_summary_json(&list->summaries[i]));
    sessions_print_json(root);
}

static void print_list_jsonl(const struct list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        scoped(jsondoc_free) json_object *item = sessions_summary_json(&list->summaries[i]);
        sessions_print_json(item);
    }
}

static void print_list(const struct list *list, const struct sessions_flags *flags,
                       size_t short_length)
{
    switch ((enum sessions_format)flags->format) {
    case FORMAT_TABLE:
    case FORMAT_WIDE:
        print_list_table(list, flags, short_length);
        return;
    case FORMAT_JSON:
        print_list_json(list);
        return;
    case FORMAT_JSONL:
        print_list_jsonl(list);
        return;
    case FORMAT_NAME:
        for (size_t i = 0; i < list->count; i++)
            printf("session/%s\n", list->summaries[i].session->id);
        return;
    }
}

/* What standard output does not say. */
static void say(const struct list *list, size_t recorded)
{
    if (!recorded)
        log_line("no sessions yet; record one: kubectl hoop exec -- kubectl get pods");
    else if (!list->count)
        log_line("none of %zu session%s is like that", recorded, recorded == 1 ? "" : "s");
    else if (list->count < list->total)
        log_line("%zu of %zu sessions shown", list->count, list->total);
}

int sessions_list(const struct sessions_flags *flags, struct error *err)
{
    scoped(recordings_free) struct recordings recordings = {0};
    scoped(wanted_free) struct wanted wanted = {0};
    scoped(list_free) struct list list = {0};

    if (read_wanted(&wanted, flags, err) < 0 ||
        recordings_open(&recordings, &flags->options, NULL, err) < 0)
        return -1;
    read_list(&list, &wanted, recordings.catalog);
    print_list(&list, flags, catalog_short_length(recordings.catalog));
    fflush(stdout);
    ignore(recordings_say_unread(&recordings));
    if (!flags->options.quiet)
        say(&list, catalog_count(recordings.catalog));
    return EXIT_OK;
}
