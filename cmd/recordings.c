#include "recordings.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/scoped.h"
#include "session/line.h"

int recordings_open(struct recordings *recordings, const struct options *options,
                    const struct option_list *keys, struct error *err)
{
    struct error passed_over = {0}; /* a file that is no key only means one key less */

    if (places_find(&recordings->places, err) < 0 ||
        settings_load(&recordings->settings, options, err) < 0)
        return -1;
    bool is_chosen = settings_store(&recordings->settings) != NULL;
    struct catalog_places places = {
        .store = recordings_store(recordings),
        .spool = recordings->places.spool,
        .spool_follows = is_chosen,
    };
    recordings->catalog = catalog_open(&places, is_chosen, err);
    if (!recordings->catalog)
        return -1;
    recordings->trust = trust_new();
    if (!keys || !keys->count) {
        if (trust_add_directory(recordings->trust, recordings->places.trust, &passed_over) < 0) {
            *err = passed_over;
            return -1;
        }
        return 0;
    }
    for (size_t i = 0; i < keys->count; i++)
        if (trust_add_file(recordings->trust, keys->items[i], err) < 0)
            return error_wrap(err, "--key");
    return 0;
}

bool recordings_say_unread(const struct recordings *recordings)
{
    const struct error *problem = catalog_problem(recordings->catalog);

    if (problem)
        log_line("what is in it is missing here: %s", problem->text);
    return problem;
}

const char *recordings_store(const struct recordings *recordings)
{
    const char *chosen = settings_store(&recordings->settings);

    return chosen ? chosen : recordings->places.store;
}

void recordings_free(struct recordings *recordings)
{
    settings_free(&recordings->settings);
    places_free(&recordings->places);
    catalog_free(&recordings->catalog);
    trust_free(&recordings->trust);
}

static bool is_damaged(const struct verify_report *verified, const struct catalog_segment *segment)
{
    for (size_t i = 0; verified && i < verified->finding_count; i++)
        if (verified->findings[i].verdict > VERDICT_INCOMPLETE &&
            strcmp(verified->findings[i].object, segment->key) == 0)
            return true;
    return false;
}

/* Where the reading of one journal stands. */
struct cursor {
    const struct catalog_journal *journal;
    const struct verify_report *verified;
    size_t segment; /* the next one to open */
    uint32_t next;  /* its n */
    struct source source;
    struct reader *reader; /* NULL: none is open */
    struct reader_line line;
    int64_t order_us; /* of `line`: its time, or the latest before it */
    bool has_line;
};

static void cursor_close(struct cursor *cursor)
{
    reader_free(&cursor->reader);
    source_close(&cursor->source);
    cursor->source = (struct source){0};
}

/* A bad or foreign file is not part of the journal, nor is the spool's copy of
 * a stored one. */
static bool is_next(const struct catalog_segment *segment, uint32_t next)
{
    return segment->form != SEGMENT_BAD && segment->form != SEGMENT_CONFLICT && segment->n >= next;
}

static enum io open_next(struct cursor *cursor, struct error *err)
{
    const struct catalog_journal *journal = cursor->journal;

    while (cursor->segment < journal->count &&
           !is_next(&journal->segments[cursor->segment], cursor->next))
        cursor->segment++;
    if (cursor->segment == journal->count)
        return IO_EOF;
    const struct catalog_segment *segment = &journal->segments[cursor->segment++];
    if (segment->n > cursor->next)
        return error_set(err, ERROR_PROTOCOL, "journal %s: segment %u is missing", journal->id,
                         cursor->next);
    if (is_damaged(cursor->verified, segment))
        return error_set(err, ERROR_PROTOCOL, "%s did not verify", segment->key);
    if (catalog_open_segment(segment, &cursor->source, err) < 0)
        return IO_FAILED;
    cursor->reader = segment->form == SEGMENT_SEALED
                         ? reader_open_sealed(&cursor->source, segment->n, err)
                         : reader_open_part(&cursor->source, segment->n, err);
    if (!cursor->reader)
        return error_wrap(err, "%s", segment->key);
    cursor->next++;
    return IO_OK;
}

static enum io cursor_next(struct cursor *cursor, struct error *err)
{
    enum io status = IO_OK;

    while (status == IO_OK) {
        if (!cursor->reader)
            status = open_next(cursor, err);
        if (status != IO_OK)
            break;
        status = reader_next(cursor->reader, &cursor->line, err);
        if (status == IO_OK)
            return IO_OK;
        if (status == IO_EOF) {
            cursor_close(cursor);
            status = IO_OK;
        } else {
            ignore(error_wrap(err, "%s", cursor->journal->segments[cursor->segment - 1].key));
        }
    }
    cursor_close(cursor);
    return status;
}

void recordings_read(const struct catalog_session *session, const struct verify_report *verified,
                     const struct recordings_user *user)
{
    for (size_t i = 0; i < session->count; i++) {
        struct cursor cursor = {.journal = &session->journals[i], .verified = verified};
        struct error err = {0};
        enum io status;
        while ((status = cursor_next(&cursor, &err)) == IO_OK)
            user->line(user->context, i, &cursor.line);
        if (status != IO_EOF && user->cut)
            user->cut(user->context, i, &err);
    }
}

/* A line's own time, unless it goes back. */
static void stamp(struct cursor *cursor)
{
    struct str text = cursor->line.text;
    struct line line;
    struct error err = {0};
    int64_t time_us = 0;

    if (text.len && line_parse(&line, str_first(text, text.len - 1), &err) == 0 && line.time.data &&
        clock_parse(line.time, &time_us))
        cursor->order_us = max_of(cursor->order_us, time_us);
}

static void advance(struct cursor *cursor, size_t journal, const struct recordings_user *user)
{
    struct error err = {0};
    enum io status = cursor_next(cursor, &err);

    cursor->has_line = status == IO_OK;
    if (status == IO_OK)
        stamp(cursor);
    else if (status != IO_EOF && user->cut)
        user->cut(user->context, journal, &err);
}

static struct cursor *earliest(struct cursor *cursors, size_t count)
{
    struct cursor *first = NULL;

    for (size_t i = 0; i < count; i++)
        if (cursors[i].has_line && (!first || cursors[i].order_us < first->order_us))
            first = &cursors[i];
    return first;
}

void recordings_merge(const struct catalog_session *session, const struct verify_report *verified,
                      const struct recordings_user *user)
{
    struct cursor *cursors = xcalloc(session->count + 1, sizeof *cursors);
    struct cursor *cursor;

    for (size_t i = 0; i < session->count; i++) {
        cursors[i] = (struct cursor){.journal = &session->journals[i], .verified = verified};
        advance(&cursors[i], i, user);
    }
    while ((cursor = earliest(cursors, session->count))) {
        size_t journal = (size_t)(cursor - cursors);
        user->line(user->context, journal, &cursor->line);
        advance(cursor, journal, user);
    }
    free(cursors);
}

const char *recordings_state(const struct catalog_session *session)
{
    bool is_running = false, is_crashed = false, is_bad = false, is_waiting = false;

    for (size_t i = 0; i < session->count; i++)
        for (size_t j = 0; j < session->journals[i].count; j++) {
            const struct catalog_segment *segment = &session->journals[i].segments[j];
            is_running |= segment->form == SEGMENT_RUNNING;
            is_crashed |= segment->form == SEGMENT_CRASHED;
            is_bad |= segment->form == SEGMENT_BAD || segment->form == SEGMENT_CONFLICT;
            is_waiting |= segment->form == SEGMENT_SEALED && !segment->in_store;
        }
    return is_running   ? "running"
           : is_crashed ? "crashed"
           : is_bad     ? "damaged"
           : is_waiting ? "uploading"
                        : "stored";
}
