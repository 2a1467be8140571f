#include "summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsondoc.h"
#include "base/scoped.h"
#include "session/line.h"
#include "session/reader.h"
#include "session/sealed.h"
#include "session/ulid.h"

#include "recordings.h"

static void count(struct summary *summary, struct str type, uint64_t number)
{
    summary->events += number;
    if (str_is(type, "command.start"))
        summary->commands += number;
    else if (str_is(type, "request"))
        summary->requests += number;
}

static void damaged(struct summary *summary, const struct catalog_segment *segment,
                    const struct error *err)
{
    if (summary->problem[0])
        return;
    summary->state = "damaged";
    snprintf(summary->problem, sizeof summary->problem, "%s: %s", segment->key, err->text);
}

static void add_cluster(struct summary *summary, const char *cluster)
{
    if (!cluster || !*cluster)
        return;
    for (size_t i = 0; i < json_object_array_length(summary->clusters); i++)
        if (strcmp(cluster,
                   json_object_get_string(json_object_array_get_idx(summary->clusters, i))) == 0)
            return;
    json_object_array_add(summary->clusters, json_object_new_string(cluster));
}

/* The home journal of a session without a current cluster says `none`. */
static void drop_none(struct summary *summary)
{
    size_t count = json_object_array_length(summary->clusters);

    for (size_t i = 0; count > 1 && i < count; i++)
        if (strcmp("none",
                   json_object_get_string(json_object_array_get_idx(summary->clusters, i))) == 0) {
            json_object_array_del_idx(summary->clusters, i, 1);
            return;
        }
}

static void see_time(struct summary *summary, struct str time)
{
    int64_t unix_us;

    if (time.data && clock_parse(time, &unix_us) && unix_us > summary->last_unix_us)
        summary->last_unix_us = unix_us;
}

/* The first event of a journal stands in line 2 of its first segment. */
static void read_start(struct summary *summary, struct reader *reader, struct error *err)
{
    struct reader_line line;

    if (reader_next(reader, &line, err) != IO_OK)
        return;
    scoped(jsondoc_free) json_object *head = jsondoc_parse(line.text, err);
    add_cluster(summary, head ? jsondoc_string(head, "/cluster") : NULL);
    if (reader_next(reader, &line, err) != IO_OK)
        return;
    scoped(jsondoc_free) json_object *start = jsondoc_parse(line.text, err);
    const char *type = start ? jsondoc_string(start, "/type") : NULL;
    if (!type || strcmp(type, "session.start") != 0)
        return;
    const char *time = jsondoc_string(start, "/time");
    int64_t unix_us = 0;
    if (time && clock_parse(str_from(time), &unix_us) &&
        (!summary->start || unix_us < summary->started_unix_us))
        summary->started_unix_us = unix_us;
    if (summary->start && !jsondoc_at(start, "/argv"))
        return;
    jsondoc_free(&summary->start);
    summary->start = take(start);
}

static int read_sealed(struct summary *summary, const struct catalog_segment *segment,
                       const struct source *source, bool *is_last, struct error *err)
{
    scoped(sealed_free) struct sealed sealed = {0};
    struct mismatch mismatch = {0};

    if (sealed_read(&sealed, source, &mismatch, err) < 0)
        return -1;
    const struct index *index = &sealed.tail.index;
    for (size_t i = 0; i < index->count_count; i++)
        count(summary, str_from(index->counts[i].type), index->counts[i].count);
    *is_last = index->is_last;
    if (!index->is_recovered) /* it was sealed long after */
        see_time(summary, str_from(index->time_last));
    if (segment->n > 0)
        return 0;
    scoped(reader_free) struct reader *reader = reader_open_sealed(source, segment->n, err);
    if (!reader)
        return -1;
    read_start(summary, reader, err);
    return 0;
}

static int read_part(struct summary *summary, const struct catalog_segment *segment,
                     const struct source *source, struct error *err)
{
    if (segment->n == 0) {
        scoped(reader_free) struct reader *first = reader_open_part(source, segment->n, err);
        if (!first)
            return -1;
        read_start(summary, first, err);
    }
    scoped(reader_free) struct reader *reader = reader_open_part(source, segment->n, err);
    struct reader_line at;
    enum io status;
    if (!reader)
        return -1;
    while ((status = reader_next(reader, &at, err)) == IO_OK) {
        struct line line;
        struct error broken = {0};
        if (at.number > 1 && at.text.len &&
            line_parse(&line, str_first(at.text, at.text.len - 1), &broken) == 0 &&
            line.type.data && line.seq >= 0) {
            count(summary, line.type, 1);
            see_time(summary, line.time);
        }
    }
    return status == IO_EOF ? 0 : -1;
}

static void read_journal(struct summary *summary, const struct catalog_journal *journal)
{
    uint32_t next = 0;
    bool is_last = false;

    add_cluster(summary, journal->cluster);
    for (size_t i = 0; i < journal->count; i++) {
        const struct catalog_segment *segment = &journal->segments[i];
        scoped(source_close) struct source source = {0};
        struct error err = {0};
        if (segment->form == SEGMENT_BAD || segment->form == SEGMENT_CONFLICT || segment->n < next)
            continue;
        next = segment->n + 1;
        summary->bytes += segment->bytes;
        if (catalog_open_segment(segment, &source, &err) < 0 ||
            (segment->form == SEGMENT_SEALED
                 ? read_sealed(summary, segment, &source, &is_last, &err)
                 : read_part(summary, segment, &source, &err)) < 0)
            damaged(summary, segment, &err);
    }
    summary->has_end &= is_last;
}

void summary_read(struct summary *summary, const struct catalog_session *session)
{
    *summary = (struct summary){
        .session = session,
        .started_unix_us = ulid_unix_ms(str_from(session->id)) * 1000,
        .clusters = json_object_new_array(),
        .has_end = true,
        .state = recordings_state(session),
    };
    for (size_t i = 0; i < session->count; i++)
        read_journal(summary, &session->journals[i]);
    drop_none(summary);
    bool is_open = strcmp(summary->state, "running") == 0 || strcmp(summary->state, "crashed") == 0;
    if (!summary->has_end && !is_open && !summary->problem[0])
        summary->state = "incomplete";
}

void summary_free(struct summary *summary)
{
    jsondoc_free(&summary->start);
    jsondoc_free(&summary->clusters);
    *summary = (struct summary){0};
}

const char *summary_user(const struct summary *summary)
{
    return summary->start ? jsondoc_string(summary->start, "/actor/name") : NULL;
}

const char *summary_title(const struct summary *summary)
{
    return summary->start ? jsondoc_string(summary->start, "/title") : NULL;
}

const char *summary_agent(const struct summary *summary)
{
    return summary->start ? jsondoc_string(summary->start, "/agent") : NULL;
}

int64_t summary_took_us(const struct summary *summary)
{
    return summary->last_unix_us >= summary->started_unix_us
               ? summary->last_unix_us - summary->started_unix_us
               : -1;
}

char *summary_clusters(const struct summary *summary)
{
    struct buf out = {0};

    for (size_t i = 0; i < json_object_array_length(summary->clusters); i++) {
        if (i)
            buf_append_char(&out, ',');
        buf_append_text(&out,
                        json_object_get_string(json_object_array_get_idx(summary->clusters, i)));
    }
    return buf_take_text(&out);
}
