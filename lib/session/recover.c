#include "session/recover.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "session/event.h"
#include "session/medium_source.h"
#include "session/scan.h"
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

/* -1: it cannot be read. 0: no tail, or not this segment's. 1: sealed. */
static int has_tail(const struct recovery *recovery, struct error *err)
{
    const struct medium *medium = recovery->medium;
    size_t len = (size_t)min_of(recovery->bytes, (uint64_t)TAIL_BYTES_MAX);
    scoped(free_text) char *end = xcalloc(len, 1);
    scoped(tail_free) struct tail tail = {0};
    struct error none = {0};
    size_t at = 0;

    while (at < len) {
        ssize_t got = medium->read(medium->context, recovery->file, recovery->bytes - len + at,
                                   end + at, len - at);

        if (got <= 0)
            return fail(recovery, "read", err);
        at += (size_t)got;
    }
    return tail_parse(&tail, str_make(end, len), recovery->bytes, &none) == 0 &&
           is_of(recovery, &tail.index);
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
    event_text(line, "why", "the gateway ended without sealing this segment");
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

/* Not even its first line is whole: made again, under a temporary name, from the one before it. */
static int begin_anew(struct recovery *recovery, struct error *err)
{
    const struct medium *medium = recovery->medium;
    scoped(index_free) struct index before = {0};
    char previous[SHA256_HEX_BYTES];

    if (fetch_before(recovery, &before, previous, err) < 0)
        return -1;
    scoped(free_text) char *temporary =
        xasprintf("%s/.recover-%s-%s-%05u", recovery->config->spool_directory,
                  recovery->name.session, recovery->name.journal, recovery->name.n);
    scoped(segment_free) struct segment *segment =
        segment_new(&(struct segment_names){.session = recovery->name.session,
                                            .journal = recovery->name.journal,
                                            .previous = previous,
                                            .cluster = before.cluster,
                                            .gateway = boot_gateway(recovery->config->boot),
                                            .boot = boot_id(recovery->config->boot),
                                            .n = recovery->name.n},
                    recovery->now);
    scoped(buf_free) struct buf line = {0};
    struct event_head head = append_recovered(&line, recovery, before.seq_last + 1, NULL, 0);

    if (finish(recovery, segment, 0, buf_str(&line), &head, err) < 0)
        return -1;
    int file = medium->create(medium->context, temporary);

    if (file < 0 && errno == EEXIST && medium->remove(medium->context, temporary) == 0)
        file = medium->create(medium->context, temporary);
    if (file < 0)
        return fail(recovery, "begin anew", err);
    int status = write_out(recovery, file, buf_str(segment_out(segment)), err);

    if (status == 0 && medium->sync(medium->context, file) < 0)
        status = fail(recovery, "sync", err);
    if (status == 0 && medium->rename(medium->context, temporary, recovery->part) < 0)
        status = fail(recovery, "rename", err);
    if (status == 0 && medium->rename(medium->context, recovery->part, recovery->final) < 0)
        status = fail(recovery, "rename", err);
    medium->close(medium->context, file);
    return status < 0 ? -1 : sync_directory(recovery, err);
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
    uint64_t cut = 0;
    int sealed = has_tail(recovery, err);

    if (sealed < 0)
        return -1;
    if (sealed) {
        *outcome = RECOVER_RENAMED;
        return give_name(recovery, err);
    }
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
