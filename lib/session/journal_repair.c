/* What happens to the files of a journal: how a segment begins, gets its final name, and what
 * becomes of one whose file failed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "session/journal_state.h"
#include "session/medium_source.h"
#include "session/scan.h"

#define COPY_BYTES ((size_t)65536)

static char *final_path(const struct journal *journal, uint32_t n)
{
    return xasprintf("%s/%s-%s-%05u.jsonl.zst", journal->config.spool_directory,
                     journal->config.session, journal->id, n);
}

static char *part_path(const struct journal *journal, uint32_t n)
{
    return xasprintf("%s/%s-%s-%05u.jsonl.zst.part", journal->config.spool_directory,
                     journal->config.session, journal->id, n);
}

/* Under the temporary name a file is nobody's recording: recovery removes it. */
static char *temporary_path(const struct journal *journal, uint32_t n)
{
    return xasprintf("%s/.new-%s-%s-%05u", journal->config.spool_directory, journal->config.session,
                     journal->id, n);
}

/* A new file under the temporary name, in place of what an earlier try may have left. */
static int create_temporary(const struct journal *journal, const char *path)
{
    const struct medium *medium = journal->medium;
    int file = medium->create(medium->context, path);

    if (file < 0 && errno == EEXIST && medium->remove(medium->context, path) == 0)
        file = medium->create(medium->context, path);
    return file;
}

static void drop_temporary(const struct journal *journal, int file, const char *path)
{
    const struct medium *medium = journal->medium;
    int cause = errno;

    medium->close(medium->context, file);
    ignore(medium->remove(medium->context, path));
    errno = cause;
}

static struct event_head append_gap(struct buf *line, const struct journal *journal,
                                    struct instant now)
{
    struct event_head head = {0};
    uint64_t lost = journal->next_seq - journal->durable_seq;

    event_begin(line, "gap",
                &(struct event_stamp){.session = journal->config.session,
                                      .seq = journal->next_seq,
                                      .at = now,
                                      .exchange = EVENT_NO_EXCHANGE});
    if (lost) {
        event_uint(line, "from", journal->durable_seq);
        event_uint(line, "to", journal->next_seq - 1);
    }
    event_uint(line, "count", lost);
    event_text(line, "why", journal->why);
    event_end(line);
    ignore(event_parse_head(&head, buf_str(line)));
    return head;
}

static struct segment *begin_segment(struct journal *journal, bool has_gap, struct instant now)
{
    struct segment *segment = segment_new(
        &(struct segment_names){
            .session = journal->config.session,
            .journal = journal->id,
            .previous = journal->previous,
            .cluster = journal->config.cluster,
            .gateway = boot_gateway(journal->config.boot),
            .boot = boot_id(journal->config.boot),
            .n = journal->n,
        },
        now);
    scoped(buf_free) struct buf line = {0};

    if (has_gap) {
        struct event_head head = append_gap(&line, journal, now);

        segment_add(segment, buf_str(&line), &head);
    }
    return segment;
}

/* Brings `file` to the disk with what `segment` has to write, and gives it its name. */
static int place_segment(struct journal *journal, enum journal_start how, struct segment *segment,
                         int file, const char *temporary, const char *part)
{
    const struct medium *medium = journal->medium;
    struct buf *out = segment_out(segment);

    if (how != START_FIRST) {
        segment_flush(segment);
        if (medium->append(medium->context, file, out->data, out->len) < 0 ||
            medium->sync(medium->context, file) < 0)
            return -1;
        buf_clear(out);
    }
    if (how == START_ANEW)
        return medium->rename(medium->context, temporary, part);
    if (medium->link(medium->context, temporary, part) < 0)
        return -1;
    ignore(medium->remove(medium->context, temporary)); /* a second name does no harm */
    return 0;
}

int journal_start_segment(struct journal *journal, enum journal_start how, struct instant now)
{
    const struct medium *medium = journal->medium;
    bool has_gap = how == START_AFTER_LOSS || how == START_ANEW;
    scoped(free_text) char *temporary = temporary_path(journal, journal->n);
    scoped(free_text) char *part = part_path(journal, journal->n);
    int file = create_temporary(journal, temporary);

    if (file < 0)
        return -1;
    scoped(segment_free) struct segment *segment = begin_segment(journal, has_gap, now);

    if (place_segment(journal, how, segment, file, temporary, part) < 0) {
        drop_temporary(journal, file, temporary);
        return -1;
    }
    if (journal->file != MEDIUM_NO_FILE)
        medium->close(medium->context, journal->file);
    free(journal->part);
    segment_free(&journal->segment);
    journal->file = file;
    journal->part = take(part);
    journal->first_seq = journal->next_seq;
    journal->next_seq += has_gap;
    journal->written_seq = journal->durable_seq = journal->next_seq;
    journal->durable_bytes = how == START_FIRST ? 0 : segment_bytes(segment);
    journal->segment = take(segment);
    journal->is_name_durable = false;
    journal->started = now;
    return 0;
}

void journal_push_waiting(struct journal *journal, bool is_last, const char *index_sha256)
{
    journal->waiting =
        xreallocarray(journal->waiting, journal->waiting_count + 1, sizeof journal->waiting[0]);
    journal->waiting[journal->waiting_count++] = (struct journal_waiting){
        .file = journal->file,
        .part = take(journal->part),
        .final = final_path(journal, journal->n),
        .is_last = is_last,
    };
    journal->file = MEDIUM_NO_FILE;
    segment_free(&journal->segment);
    snprintf(journal->previous, sizeof journal->previous, "%s", index_sha256);
    snprintf(journal->last_index_sha256, sizeof journal->last_index_sha256, "%s", index_sha256);
    journal->n++;
}

/* A name may have been given by a try whose sync of the directory failed. */
static int give_name(const struct journal *journal, struct journal_waiting *waiting)
{
    const struct medium *medium = journal->medium;

    if (waiting->part) {
        if (medium->rename(medium->context, waiting->part, waiting->final) < 0)
            return -1;
        free_text(&waiting->part);
    }
    return medium->sync_directory(medium->context, journal->config.spool_directory);
}

int journal_name_waiting(struct journal *journal, struct error *err)
{
    const struct medium *medium = journal->medium;

    while (journal->waiting_count) {
        struct journal_waiting *first = &journal->waiting[0];

        /* Not before the segment after it is there: the chain would seem cut. */
        if (journal->stage == STAGE_NEXT)
            return 0;
        if (give_name(journal, first) < 0)
            return error_errno(err, ERROR_STORAGE, "name %s", first->final);
        journal->is_name_durable = true;
        medium->close(medium->context, first->file);
        scoped(free_text) char *path = first->final;
        bool is_last = first->is_last;

        journal->waiting_count--;
        memmove(first, first + 1, journal->waiting_count * sizeof *first);
        if (journal->config.sealed)
            journal->config.sealed(journal->config.context, path, is_last);
    }
    return 0;
}

static bool is_disk_full(int cause)
{
    return cause == ENOSPC || cause == EDQUOT;
}

static enum journal_stage stage_after(const struct journal *journal, int cause)
{
    if (journal->stage == STAGE_NEXT) /* what broke was the segment that is not there yet */
        return STAGE_NEXT;
    if (!journal_has_durable_event(journal))
        return STAGE_ANEW;
    return is_disk_full(cause) ? STAGE_CUT : STAGE_COPY;
}

int journal_fail(struct journal *journal, const char *what, struct instant now, struct error *err)
{
    int cause = errno;
    struct error ignored = {0};

    error_errno(err, ERROR_STORAGE, "%s segment %u in %s", what, journal->n,
                journal->config.spool_directory);
    if (is_disk_full(cause))
        error_fix(err, "free space in %s", journal->config.spool_directory);
    else
        error_fix(err, "check the disk under %s", journal->config.spool_directory);
    snprintf(journal->why, sizeof journal->why, "%s: %s", what, strerror(cause));
    journal->stage = stage_after(journal, cause);
    journal->keep_bad = !is_disk_full(cause);
    segment_free(&journal->segment);
    /* What was never durable gives room now, or is lost either way. */
    if (is_disk_full(cause))
        ignore(journal_repair(journal, now, &ignored));
    return -1;
}

/* For a call that has failed in a repair. Returns -1. */
static int repair_failed(struct journal *journal, const char *what, struct error *err)
{
    journal->cause = errno;
    return error_errno(err, ERROR_STORAGE, "%s segment %u in %s", what, journal->n,
                       journal->config.spool_directory);
}

/* Writes what closes the durable prefix of the journal's file behind it in `to`. */
static int close_prefix(struct journal *journal, int to, char index_sha256[SHA256_HEX_BYTES],
                        struct error *err)
{
    const struct medium *medium = journal->medium;
    struct medium_source holder = {medium, journal->file};
    struct source source = medium_source(&holder, journal->durable_bytes);
    scoped(scan_free) struct scan scan = {0};
    scoped(buf_free) struct buf out = {0};

    if (scan_tally(&source, journal->durable_bytes, &scan, err) < 0)
        return error_wrap(err, "read segment %u again", journal->n);
    scan_close_frame(&scan, &out);
    struct index *index = tally_index(&scan.tally);

    snprintf(index->reason, sizeof index->reason, "storage_error");
    if (index_write_tail(&out, index, journal->config.boot, index_sha256, err) < 0)
        return -1;
    if (medium->append(medium->context, to, out.data, out.len) < 0 ||
        medium->sync(medium->context, to) < 0)
        return repair_failed(journal, "close", err);
    return 0;
}

static int repair_cut(struct journal *journal, struct error *err)
{
    const struct medium *medium = journal->medium;
    char index_sha256[SHA256_HEX_BYTES];

    if (medium->truncate(medium->context, journal->file, journal->durable_bytes) < 0)
        ignore(repair_failed(journal, "cut", err));
    else if (close_prefix(journal, journal->file, index_sha256, err) == 0) {
        journal_push_waiting(journal, false, index_sha256);
        journal->stage = STAGE_NEXT;
        return 0;
    }
    if (!is_disk_full(journal->cause)) /* then never again on that file */
        journal->stage = STAGE_COPY;
    return -1;
}

static int copy_prefix(struct journal *journal, int to, struct error *err)
{
    const struct medium *medium = journal->medium;
    char step[COPY_BYTES];

    for (uint64_t at = 0; at < journal->durable_bytes;) {
        uint64_t left = journal->durable_bytes - at;
        ssize_t count = medium->read(medium->context, journal->file, at, step,
                                     left < sizeof step ? left : sizeof step);

        if (count == 0)
            errno = EIO; /* it has become shorter */
        if (count <= 0 || medium->append(medium->context, to, step, (size_t)count) < 0)
            return repair_failed(journal, "copy", err);
        at += (uint64_t)count;
    }
    return 0;
}

/* The file stays under the name ….bad beside its own, until another takes that. */
static int keep_bad(struct journal *journal, struct error *err)
{
    const struct medium *medium = journal->medium;
    scoped(free_text) char *bad = NULL;

    for (unsigned i = 0; i < 100; i++) {
        free_text(&bad);
        bad =
            i == 0 ? xasprintf("%s.bad", journal->part) : xasprintf("%s.%u.bad", journal->part, i);
        if (medium->link(medium->context, journal->part, bad) == 0)
            return 0;
        if (errno == ENOENT) /* it was deleted: there is nothing to keep */
            return 0;
        if (errno != EEXIST)
            break;
    }
    return repair_failed(journal, "keep the bad file of", err);
}

static int repair_copy(struct journal *journal, struct error *err)
{
    const struct medium *medium = journal->medium;
    scoped(free_text) char *temporary = temporary_path(journal, journal->n);
    char index_sha256[SHA256_HEX_BYTES];
    int file = create_temporary(journal, temporary);

    if (file < 0)
        return repair_failed(journal, "copy", err);
    if (copy_prefix(journal, file, err) < 0 || close_prefix(journal, file, index_sha256, err) < 0 ||
        keep_bad(journal, err) < 0) {
        drop_temporary(journal, file, temporary);
        return -1;
    }
    if (medium->rename(medium->context, temporary, journal->part) < 0) {
        ignore(repair_failed(journal, "replace", err));
        drop_temporary(journal, file, temporary);
        return -1;
    }
    medium->close(medium->context, journal->file);
    journal->file = file;
    journal_push_waiting(journal, false, index_sha256);
    journal->stage = STAGE_NEXT;
    return 0;
}

static int repair_start(struct journal *journal, enum journal_start how, struct instant now,
                        struct error *err)
{
    const struct medium *medium = journal->medium;

    if (how == START_ANEW && journal->keep_bad && keep_bad(journal, err) < 0)
        return -1;
    if (how == START_ANEW && !journal->keep_bad)
        ignore(medium->truncate(medium->context, journal->file, journal->durable_bytes));
    if (journal_start_segment(journal, how, now) < 0)
        return repair_failed(journal, "begin", err);
    journal->stage = STAGE_RESERVE;
    struct error ignored = {0};

    ignore(journal_name_waiting(journal, &ignored)); /* the next tick tries again */
    return 0;
}

/* One step. */
static int repair_once(struct journal *journal, struct instant now, struct error *err)
{
    switch (journal->stage) {
    case STAGE_CUT:
        return repair_cut(journal, err);
    case STAGE_COPY:
        return repair_copy(journal, err);
    case STAGE_ANEW:
        return repair_start(journal, START_ANEW, now, err);
    case STAGE_NEXT:
        return repair_start(journal, START_AFTER_LOSS, now, err);
    case STAGE_OPEN:
    case STAGE_RESERVE:
    case STAGE_ENDED:
        return 0;
    }
    unreachable();
}

int journal_repair(struct journal *journal, struct instant now, struct error *err)
{
    while (journal_is_broken(journal) && journal->stage != STAGE_RESERVE) {
        journal->cause = 0;
        if (repair_once(journal, now, err) == 0)
            continue;
        struct reserve *reserve = journal->config.reserve;

        if (!is_disk_full(journal->cause) || !reserve || !reserve_is_full(reserve))
            return error_fix(err, "free space in %s", journal->config.spool_directory);
        reserve_spend(reserve);
    }
    return 0;
}
