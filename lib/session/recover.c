#include "session/recover.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "session/event.h"
#include "session/medium_source.h"
#include "session/scan.h"
#include "session/sealed.h"
#include "session/segment.h"
#include "session/segment_name.h"

/* One `.part` that is being recovered. */
struct recovery {
    const struct recover_config *config;
    const struct medium *medium;
    struct segment_name name;
    char *part, *final; /* owned paths */
    int file;           /* locked */
    uint64_t bytes;     /* its length as it was found */
    struct instant now;
};

static void recovery_free(struct recovery *recovery)
{
    if (recovery->file != MEDIUM_NO_FILE)
        recovery->medium->close(recovery->medium->context, recovery->file);
    free(recovery->part);
    free(recovery->final);
}

static int fail(const struct recovery *recovery, const char *what, struct error *err)
{
    return error_errno(err, ERROR_STORAGE, "%s %s", what, recovery->part);
}

static int sync_directory(const struct recovery *recovery, struct error *err)
{
    const struct medium *medium = recovery->medium;

    if (medium->sync_directory(medium->context, recovery->config->spool_directory) < 0)
        return fail(recovery, "sync the directory of", err);
    return 0;
}

/* It has its tail, durably: the name is all that is missing. */
static int give_name(const struct recovery *recovery, struct error *err)
{
    const struct medium *medium = recovery->medium;

    if (medium->sync(medium->context, recovery->file) < 0)
        return fail(recovery, "sync", err);
    if (medium->rename(medium->context, recovery->part, recovery->final) < 0)
        return fail(recovery, "rename", err);
    return sync_directory(recovery, err);
}

static bool is_of(const struct recovery *recovery, const struct index *index)
{
    return strcmp(index->session, recovery->name.session) == 0 &&
           strcmp(index->journal, recovery->name.journal) == 0 && index->n == recovery->name.n;
}

/* Is it sealed, and its own? A tail alone proves nothing: the power may have failed when it was on
 * the disk and what stands before it was not. IO_EOF: no. */
static enum io read_sealed(const struct recovery *recovery, const struct source *source,
                           struct sealed *sealed, struct error *err)
{
    struct mismatch mismatch = {0};

    if (sealed_read(sealed, source, &mismatch, err) == 0) {
        const struct tail *tail = &sealed->tail;

        if (!is_of(recovery, &tail->index) ||
            !signature_is_valid(tail->index.boot_key, tail->line,
                                str_make(tail->signature, sizeof tail->signature)))
            return IO_EOF;
        if (sealed_check_hash(sealed, source, &mismatch, err) == 0)
            return IO_OK;
    }
    return err->kind == ERROR_PROTOCOL ? IO_EOF : IO_FAILED;
}

/* ---- What is known, and what is not ---- */

static struct event_head append_recovered(struct buf *line, const struct recovery *recovery,
                                          uint64_t seq, const struct scan *scan, uint64_t cut)
{
    struct event_head head = {0};

    event_begin(line, "recovered",
                &(struct event_stamp){.session = recovery->name.session,
                                      .seq = seq,
                                      .at = recovery->now,
                                      .exchange = EVENT_NO_EXCHANGE});
    event_text(line, "why", "the gateway ended without ending its journal");
    if (scan && scan->tally.has_event)
        event_text(line, "lastEvent", scan->tally.index.time_last);
    event_uint(line, "keptBytes", cut);
    event_uint(line, "discardedBytes", recovery->bytes - cut);
    event_array(line, "open"); /* exchanges whose outcome is unknown */
    for (size_t i = 0; scan && i < scan->open_count; i++) {
        event_object(line, NULL);
        event_uint(line, "exchange", scan->open[i]);
        event_text(line, "outcome", "unknown");
        event_object_end(line);
    }
    event_array_end(line);
    if (scan && scan->open_omitted)
        event_uint(line, "openOmitted", scan->open_omitted);
    event_end(line);
    ignore(event_parse_head(&head, buf_str(line)));
    return head;
}

/* Ends the segment in memory: its last frame and its tail, signed by our own boot key. `before`
 * bytes stand in the file before. What no reader would take is not written: what is kept is
 * evidence. */
static int finish(const struct recovery *recovery, struct segment *segment, uint64_t before,
                  struct str recovered, const struct event_head *head, struct error *err)
{
    scoped(tail_free) struct tail tail = {0};
    struct str out;
    char line_sha256[SHA256_HEX_BYTES];

    segment_add(segment, recovered, head);
    if (segment_seal(segment, recovery->config->boot, "recovered", true, line_sha256, err) < 0)
        return -1;
    out = buf_str(segment_out(segment));
    if (tail_parse(&tail, str_skip(out, out.len - min_of(out.len, TAIL_BYTES_MAX)),
                   before + out.len, err) < 0)
        return error_wrap(err, "%s cannot be sealed as it is", recovery->part);
    return 0;
}

static int write_out(const struct recovery *recovery, int file, struct str bytes, struct error *err)
{
    const struct medium *medium = recovery->medium;

    if (bytes.len && medium->append(medium->context, file, bytes.data, bytes.len) < 0)
        return fail(recovery, "append to", err);
    return 0;
}

static int fetch_before(const struct recovery *recovery, struct index *before,
                        char line_sha256[SHA256_HEX_BYTES], struct error *err)
{
    const struct recover_config *config = recovery->config;

    if (config->fetch_index(config->context, recovery->name.session, recovery->name.journal,
                            recovery->name.n - 1, before, line_sha256, err) < 0)
        return error_wrap(err, "the segment before %s", recovery->part);
    return 0;
}

/* ---- The three ways ---- */

/* Nothing was ever forwarded: the first line goes to the disk before any request does. */
static int remove_empty(const struct recovery *recovery, struct error *err)
{
    const struct medium *medium = recovery->medium;

    if (medium->remove(medium->context, recovery->part) < 0)
        return fail(recovery, "remove", err);
    return sync_directory(recovery, err);
}

/* The end of a journal, made whole from the segment before it: segment line, `recovered`, tail. */
static struct segment *make_end(const struct recovery *recovery, uint32_t n,
                                const struct index *before, const char *previous, struct error *err)
{
    const struct segment_names names = {.session = recovery->name.session,
                                        .journal = recovery->name.journal,
                                        .previous = previous,
                                        .cluster = before->cluster,
                                        .gateway = boot_gateway(recovery->config->boot),
                                        .boot = boot_id(recovery->config->boot),
                                        .n = n};
    scoped(segment_free) struct segment *segment = segment_new(&names, recovery->now);
    scoped(buf_free) struct buf line = {0};
    struct event_head head = append_recovered(&line, recovery, before->seq_last + 1, NULL, 0);

    return finish(recovery, segment, 0, buf_str(&line), &head, err) < 0 ? NULL : take(segment);
}

/* Brings it to the disk under a temporary name, then to `path`, in place of what is there. Returns
 * its handle, locked; -1. */
static int place_end(const struct recovery *recovery, struct segment *segment, const char *path,
                     struct error *err)
{
    const struct medium *medium = recovery->medium;
    scoped(free_text) char *temporary =
        xasprintf("%s/.recover-%s-%s", recovery->config->spool_directory, recovery->name.session,
                  recovery->name.journal);
    int file = medium->create(medium->context, temporary);

    if (file < 0 && errno == EEXIST && medium->remove(medium->context, temporary) == 0)
        file = medium->create(medium->context, temporary);
    if (file < 0)
        return fail(recovery, "end the journal of", err);
    int status = write_out(recovery, file, buf_str(segment_out(segment)), err);

    if (status == 0 && medium->sync(medium->context, file) < 0)
        status = fail(recovery, "sync", err);
    if (status == 0 && medium->rename(medium->context, temporary, path) < 0)
        status = fail(recovery, "rename", err);
    if (status == 0)
        return file;
    medium->close(medium->context, file);
    return -1;
}

/* Not even its first line is whole: made again from the one before it. */
static int begin_anew(struct recovery *recovery, struct error *err)
{
    const struct medium *medium = recovery->medium;
    scoped(index_free) struct index before = {0};
    char previous[SHA256_HEX_BYTES];

    if (fetch_before(recovery, &before, previous, err) < 0)
        return -1;
    scoped(segment_free) struct segment *segment =
        make_end(recovery, recovery->name.n, &before, previous, err);
    int file = segment ? place_end(recovery, segment, recovery->part, err) : -1;

    if (file < 0)
        return -1;
    medium->close(medium->context, recovery->file);
    recovery->file = file;
    return give_name(recovery, err);
}

/* Is the segment after this one anywhere? IO_EOF: no. */
static enum io find_next(const struct recovery *recovery, const char *next, struct error *err)
{
    const struct recover_config *config = recovery->config;
    const struct medium *medium = recovery->medium;
    scoped(free_text) char *part = xasprintf("%s.part", next);
    scoped(index_free) struct index index = {0};
    char line_sha256[SHA256_HEX_BYTES];
    int is_open = medium->exists(medium->context, part);

    if (is_open < 0)
        return fail(recovery, "look for what follows", err);
    if (is_open ||
        config->fetch_index(config->context, recovery->name.session, recovery->name.journal,
                            recovery->name.n + 1, &index, line_sha256, err) == 0)
        return IO_OK;
    return err->kind == ERROR_NOT_FOUND ? IO_EOF : IO_FAILED;
}

/* It is sealed, but for its name. Its gateway may have died before the next one was there: without
 * that the chain would seem cut. */
static int name_sealed(const struct recovery *recovery, const struct sealed *sealed,
                       enum recover_outcome *outcome, struct error *err)
{
    const struct medium *medium = recovery->medium;
    const struct tail *tail = &sealed->tail;
    struct error none = {0};
    scoped(free_text) char *next =
        xasprintf("%s/%s-%s-%05u.jsonl.zst", recovery->config->spool_directory,
                  recovery->name.session, recovery->name.journal, recovery->name.n + 1);
    enum io found = tail->index.is_last ? IO_OK : find_next(recovery, next, &none);

    *outcome = found == IO_EOF ? RECOVER_SEALED : RECOVER_RENAMED;
    if (found == IO_FAILED) {
        *err = none;
        return -1;
    }
    if (found == IO_EOF) {
        scoped(segment_free) struct segment *segment =
            make_end(recovery, recovery->name.n + 1, &tail->index, tail->line_sha256, err);
        int file = segment ? place_end(recovery, segment, next, err) : -1;

        if (file < 0)
            return -1;
        medium->close(medium->context, file);
    }
    return give_name(recovery, err);
}

/* The `seq` after the last kept one. */
static int next_seq(const struct recovery *recovery, const struct scan *scan, uint64_t *seq,
                    struct error *err)
{
    scoped(index_free) struct index before = {0};
    char previous[SHA256_HEX_BYTES];

    if (scan->tally.has_event) {
        *seq = scan->tally.index.seq_last + 1;
        return 0;
    }
    if (recovery->name.n == 0) {
        *seq = 0;
        return 0;
    }
    if (fetch_before(recovery, &before, previous, err) < 0)
        return -1;
    *seq = before.seq_last + 1;
    return 0;
}

static int cut_and_seal(struct recovery *recovery, const struct source *source, uint64_t cut,
                        struct error *err)
{
    const struct medium *medium = recovery->medium;
    scoped(scan_free) struct scan scan = {0};
    scoped(buf_free) struct buf closing = {0}, line = {0};
    uint64_t seq;

    if (scan_tally(source, cut, &scan, err) < 0)
        return error_wrap(err, "%s", recovery->part);
    if (!is_of(recovery, &scan.tally.index))
        return error_set(err, ERROR_PROTOCOL, "%s: what it holds is another segment",
                         recovery->part);
    if (next_seq(recovery, &scan, &seq, err) < 0)
        return -1;
    struct event_head head = append_recovered(&line, recovery, seq, &scan, cut);

    scan_close_frame(&scan, &closing);
    scoped(segment_free) struct segment *segment = segment_new_after_adopt(&scan.tally);

    if (finish(recovery, segment, cut + closing.len, buf_str(&line), &head, err) < 0)
        return -1;
    if (medium->truncate(medium->context, recovery->file, cut) < 0)
        return fail(recovery, "cut", err);
    if (write_out(recovery, recovery->file, buf_str(&closing), err) < 0 ||
        write_out(recovery, recovery->file, buf_str(segment_out(segment)), err) < 0)
        return -1;
    return give_name(recovery, err);
}

static int recover_file(struct recovery *recovery, enum recover_outcome *outcome, struct error *err)
{
    struct medium_source holder = {.medium = recovery->medium, .file = recovery->file};
    struct source source = medium_source(&holder, recovery->bytes);
    scoped(sealed_free) struct sealed sealed = {0};
    struct error none = {0};
    uint64_t cut = 0;
    enum io status = read_sealed(recovery, &source, &sealed, &none);

    if (status == IO_FAILED)
        *err = none;
    if (status != IO_EOF)
        return status == IO_FAILED ? -1 : name_sealed(recovery, &sealed, outcome, err);
    if (scan_find_cut(&source, recovery->bytes, &cut, err) < 0)
        return -1;
    if (cut == 0) {
        *outcome = recovery->name.n == 0 ? RECOVER_REMOVED : RECOVER_SEALED;
        return recovery->name.n == 0 ? remove_empty(recovery, err) : begin_anew(recovery, err);
    }
    *outcome = RECOVER_SEALED;
    return cut_and_seal(recovery, &source, cut, err);
}

int recover_part(const struct recover_config *config, const char *name, struct instant now,
                 enum recover_outcome *outcome, struct error *err)
{
    scoped(recovery_free) struct recovery recovery = {
        .config = config, .medium = config->medium, .file = MEDIUM_NO_FILE, .now = now};

    if (!segment_name_parse(&recovery.name, str_from(name)) ||
        recovery.name.suffix != SEGMENT_NAME_PART)
        return error_set(err, ERROR_PROTOCOL, "%s: not the name of an open segment", name);
    recovery.part = xasprintf("%s/%s", config->spool_directory, name);
    recovery.final = xstrndup(recovery.part, strlen(recovery.part) - strlen(".part"));
    recovery.file = config->medium->open(config->medium->context, recovery.part);
    if (recovery.file < 0) {
        recovery.file = MEDIUM_NO_FILE;
        if (errno != EWOULDBLOCK && errno != ENOENT)
            return fail(&recovery, "open", err);
        *outcome = errno == ENOENT ? RECOVER_GONE : RECOVER_RUNNING;
        return 0;
    }
    int64_t bytes = config->medium->size(config->medium->context, recovery.file);

    if (bytes < 0)
        return fail(&recovery, "read", err);
    recovery.bytes = (uint64_t)bytes;
    return recover_file(&recovery, outcome, err);
}
