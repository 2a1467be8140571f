#include "recordings.h"

#include <string.h>

#include "base/scoped.h"

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

static int read_segment(const struct catalog_segment *segment,
                        void (*use)(void *context, const struct reader_line *line), void *context,
                        struct error *err)
{
    scoped(source_close) struct source source = {0};
    scoped(reader_free) struct reader *reader = NULL;
    struct reader_line line;
    enum io status;

    if (catalog_open_segment(segment, &source, err) < 0)
        return -1;
    reader = segment->form == SEGMENT_SEALED ? reader_open_sealed(&source, segment->n, err)
                                             : reader_open_part(&source, segment->n, err);
    if (!reader)
        return -1;
    while ((status = reader_next(reader, &line, err)) == IO_OK)
        use(context, &line);
    return status == IO_EOF ? 0 : -1;
}

/* A bad or foreign file is not part of the journal, nor is the spool's copy of
 * a stored one. */
static bool is_next(const struct catalog_segment *segment, uint32_t next)
{
    return segment->form != SEGMENT_BAD && segment->form != SEGMENT_CONFLICT && segment->n >= next;
}

int recordings_read(const struct catalog_journal *journal, const struct verify_report *verified,
                    void (*use)(void *context, const struct reader_line *line), void *context,
                    struct error *err)
{
    uint32_t next = 0;

    for (size_t i = 0; i < journal->count; i++) {
        const struct catalog_segment *segment = &journal->segments[i];
        if (!is_next(segment, next))
            continue;
        if (segment->n > next)
            return error_set(err, ERROR_PROTOCOL, "journal %s: segment %u is missing", journal->id,
                             next);
        if (is_damaged(verified, segment))
            return error_set(err, ERROR_PROTOCOL, "%s did not verify", segment->key);
        if (read_segment(segment, use, context, err) < 0)
            return error_wrap(err, "%s", segment->key);
        next++;
    }
    return 0;
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
