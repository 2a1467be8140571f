#include "session/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/scoped.h"
#include "session/journal_state.h"

#define OUT_BYTES_MAX ((size_t)1 << 20) /* compressed bytes held back for a commit */

struct journal *journal_open(const struct journal_config *config, struct instant now,
                             struct error *err)
{
    if (config->reserve && reserve_fill(config->reserve, err) < 0) {
        error_fix(err, "free space in %s", config->spool_directory);
        return NULL;
    }
    struct journal *journal = xcalloc(1, sizeof *journal);

    *journal = (struct journal){
        .config = *config,
        .medium = config->medium,
        .file = MEDIUM_NO_FILE,
        .previous = HASH_NONE,
    };
    config = &journal->config;
    if (!config->seal_bytes)
        journal->config.seal_bytes = JOURNAL_SEAL_BYTES;
    if (!config->seal_plain_bytes)
        journal->config.seal_plain_bytes = JOURNAL_SEAL_PLAIN_BYTES;
    if (!config->frame_plain_bytes)
        journal->config.frame_plain_bytes = JOURNAL_FRAME_PLAIN_BYTES;
    if (!config->ship_every_us)
        journal->config.ship_every_us = JOURNAL_SHIP_EVERY_US;
    encode_hex(config->journal_id, JOURNAL_ID_RAW_BYTES, journal->id);
    if (journal_start_segment(journal, START_FIRST, now) < 0) {
        error_errno(err, ERROR_STORAGE, "begin a journal in %s", config->spool_directory);
        error_fix(err, "make room in it, or let its owner write there");
        journal_free(&journal);
    }
    return journal;
}

uint64_t journal_next_seq(const struct journal *journal)
{
    return journal->next_seq;
}

uint64_t journal_durable_seq(const struct journal *journal)
{
    return journal->durable_seq;
}

bool journal_is_broken(const struct journal *journal)
{
    return journal->stage != STAGE_OPEN && journal->stage != STAGE_ENDED;
}

const char *journal_last_index_sha256(const struct journal *journal)
{
    return journal->stage == STAGE_ENDED ? journal->last_index_sha256 : "";
}

const char *journal_id(const struct journal *journal)
{
    return journal->id;
}

static int refuse_unless_open(const struct journal *journal, struct error *err)
{
    if (journal->stage == STAGE_OPEN)
        return 0;
    if (journal->stage == STAGE_ENDED)
        return error_set(err, ERROR_INTERNAL, "the journal has ended");
    error_set(err, ERROR_STORAGE, "the journal is broken: %s", journal->why);
    return error_fix(err, "free space in %s", journal->config.spool_directory);
}

/* Without the reserve nothing may be promised: what breaks then could not be closed. */
static int require_reserve(struct journal *journal, struct instant now, struct error *err)
{
    struct reserve *reserve = journal->config.reserve;

    if (!reserve || journal->is_ending || reserve_fill(reserve, err) == 0)
        return 0;
    errno = ENOSPC;
    return journal_fail(journal, "hold back 1 MiB", now, err);
}

static int write_out(struct journal *journal, struct instant now, struct error *err)
{
    struct buf *out = segment_out(journal->segment);
    const struct medium *medium = journal->medium;

    if (out->len && medium->append(medium->context, journal->file, out->data, out->len) < 0)
        return journal_fail(journal, "write", now, err);
    buf_clear(out);
    return 0;
}

/* The length of the file counts as durable with it. */
static int sync_out(struct journal *journal, struct instant now, struct error *err)
{
    const struct medium *medium = journal->medium;

    if (medium->sync(medium->context, journal->file) < 0)
        return journal_fail(journal, "sync", now, err);
    if (!journal->is_name_durable) {
        if (medium->sync_directory(medium->context, journal->config.spool_directory) < 0)
            return journal_fail(journal, "sync the directory of", now, err);
        journal->is_name_durable = true;
    }
    journal->durable_bytes = segment_bytes(journal->segment);
    journal->durable_seq = journal->next_seq;
    return 0;
}

int journal_commit(struct journal *journal, enum journal_level level, struct instant now,
                   struct error *err)
{
    if (refuse_unless_open(journal, err) < 0)
        return -1;
    if (journal->written_seq < journal->next_seq) {
        if (require_reserve(journal, now, err) < 0)
            return -1;
        segment_flush(journal->segment);
        if (write_out(journal, now, err) < 0)
            return -1;
        journal->written_seq = journal->next_seq;
    }
    if (level == JOURNAL_DURABLE && journal->durable_seq < journal->next_seq)
        return sync_out(journal, now, err);
    return 0;
}

/* Sealing: tail, fdatasync; create n+1 with its segment line, synced (unless last); rename
 * n; fsync the directory; only then may it go to the store. */
static int seal(struct journal *journal, const char *reason, bool is_last, struct instant now,
                struct error *err)
{
    char index_sha256[SHA256_HEX_BYTES];

    if (segment_seal(journal->segment, journal->config.boot, reason, is_last, index_sha256, err) <
        0)
        return -1;
    if (write_out(journal, now, err) < 0)
        return -1;
    journal->written_seq = journal->next_seq;
    if (sync_out(journal, now, err) < 0)
        return -1;
    journal_push_waiting(journal, is_last, index_sha256);
    if (is_last) {
        journal->stage = STAGE_ENDED;
        return journal_name_waiting(journal, err);
    }
    if (journal_start_segment(journal, START_FOLLOWING, now) < 0) {
        journal->stage = STAGE_NEXT;
        return journal_fail(journal, "begin the segment after", now, err);
    }
    struct error ignored = {0};

    /* All that counts is durable under one name or the other; the next tick tries again. */
    ignore(journal_name_waiting(journal, &ignored));
    return 0;
}

static bool is_full(const struct journal *journal, struct str next)
{
    const struct segment *segment = journal->segment;

    return segment_has_event(segment) &&
           (segment_bytes(segment) >= journal->config.seal_bytes ||
            segment_plain_bytes(segment) + next.len > journal->config.seal_plain_bytes);
}

int journal_append(struct journal *journal, struct str line, const char *type, struct instant now,
                   struct error *err)
{
    struct event_head head;

    if (line.len > EVENT_LINE_BYTES_MAX)
        return error_set(err, ERROR_INTERNAL, "an event of %zu bytes", line.len);
    if (!event_parse_head(&head, line) || head.seq != journal->next_seq ||
        !str_is(head.type, type) || str_index(line, '\n') != (ptrdiff_t)line.len - 1)
        return error_set(err, ERROR_INTERNAL, "no event line, or not the next one");
    if (refuse_unless_open(journal, err) < 0)
        return -1;
    if (is_full(journal, line) && seal(journal, "size", false, now, err) < 0)
        return -1;
    if (!segment_has_event(journal->segment))
        journal->started = now; /* its age is that of its first event */
    segment_add(journal->segment, line, &head);
    journal->next_seq++;
    if (segment_frame_plain_bytes(journal->segment) >= journal->config.frame_plain_bytes)
        segment_end_frame(journal->segment);
    if (segment_out(journal->segment)->len >= OUT_BYTES_MAX)
        return write_out(journal, now, err);
    return 0;
}

int journal_try_reopen(struct journal *journal, struct instant now, struct error *err)
{
    if (!journal_is_broken(journal))
        return 0;
    if (journal_repair(journal, now, err) < 0)
        return -1;
    if (journal->config.reserve && reserve_fill(journal->config.reserve, err) < 0)
        return error_fix(err, "free space in %s", journal->config.spool_directory);
    journal->stage = STAGE_OPEN;
    return 0;
}

int journal_reopen_to_end(struct journal *journal, struct instant now, struct error *err)
{
    journal->is_ending = true;
    if (!journal_is_broken(journal))
        return 0;
    if (journal_repair(journal, now, err) < 0)
        return -1;
    journal->stage = STAGE_OPEN;
    return 0;
}

int journal_tick(struct journal *journal, struct instant now, struct error *err)
{
    if (journal_name_waiting(journal, err) < 0)
        return -1;
    if (journal->stage != STAGE_OPEN || !segment_has_event(journal->segment) ||
        now.mono_us - journal->started.mono_us < journal->config.ship_every_us)
        return 0;
    return seal(journal, "age", false, now, err);
}

int journal_end(struct journal *journal, const char *reason, struct instant now, struct error *err)
{
    if (journal->stage == STAGE_ENDED)
        return journal_name_waiting(journal, err);
    if (refuse_unless_open(journal, err) < 0)
        return -1;
    if (!segment_has_event(journal->segment))
        return error_set(err, ERROR_INTERNAL, "a journal ends with session.end");
    return seal(journal, reason, true, now, err);
}

void journal_free(struct journal **address)
{
    struct journal *journal = *address;

    if (!journal)
        return;
    const struct medium *medium = journal->medium;

    for (size_t i = 0; i < journal->waiting_count; i++) {
        medium->close(medium->context, journal->waiting[i].file);
        free(journal->waiting[i].part);
        free(journal->waiting[i].final);
    }
    free(journal->waiting);
    if (journal->file != MEDIUM_NO_FILE)
        medium->close(medium->context, journal->file);
    free(journal->part);
    segment_free(&journal->segment);
    free(journal);
    *address = NULL;
}

static int by_journal(const void *a, const void *b)
{
    return strcmp(((const struct journal_last *)a)->journal,
                  ((const struct journal_last *)b)->journal);
}

char *journal_expect(struct journal_last *last, size_t count, char hex[JOURNAL_EXPECT_BYTES])
{
    scoped(buf_free) struct buf text = {.limit = SIZE_MAX};

    qsort(last, count, sizeof *last, by_journal);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s\n", last[i].index_sha256);
    return sha256_hex(buf_str(&text), hex);
}
