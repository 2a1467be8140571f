/* journal.h - what one gateway process records of one session on one cluster: events with a
 * gap-free `seq`, in one chain of segments (man hoop-session). Used by one thread.
 *
 *   journal = journal_open(&config, now, err);
 *   event_begin(&line, "request", &(struct event_stamp){.seq = journal_next_seq(journal), …}); …
 *   journal_append(journal, buf_str(&line), "request", now, err);
 *   journal_commit(journal, JOURNAL_DURABLE, now, err);          only then is it forwarded
 *
 * When a call fails with ERROR_STORAGE the journal is broken: what was not durable by then is lost,
 * what was is kept and sealed with reason storage_error. journal_try_reopen() then begins the next
 * segment, whose first event is a `gap` that names the lost numbers, and the journal works again.
 * No number is used twice. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "session/keys.h"
#include "session/medium.h"
#include "session/reserve.h"

#define JOURNAL_ID_RAW_BYTES 4
#define JOURNAL_SEAL_BYTES ((uint64_t)16 << 20)
#define JOURNAL_SEAL_PLAIN_BYTES ((uint64_t)252 << 20) /* what closes it must fit below 256 MiB */
#define JOURNAL_FRAME_PLAIN_BYTES ((uint64_t)32 << 20)
#define JOURNAL_SHIP_EVERY_US ((int64_t)1800 * 1000000)

struct journal;

/* All that is pointed to is borrowed until journal_free(). 0: what man hoop-session says. */
struct journal_config {
    const char *session; /* ULID */
    const char *cluster; /* its id, or "none" */
    const struct boot *boot;
    const struct medium *medium;
    const char *spool_directory;                    /* exists */
    struct reserve *reserve;                        /* NULL: none */
    unsigned char journal_id[JOURNAL_ID_RAW_BYTES]; /* random */
    uint64_t seal_bytes, seal_plain_bytes, frame_plain_bytes;
    int64_t ship_every_us;
    /* A segment has its final name, durably: hand it to the uploader. On the journal's thread. */
    void (*sealed)(void *context, const char *path, bool is_last);
    void *context;
};

/* Makes segment 0 as a .part; its first line goes with the first commit. ERROR_STORAGE. */
must_use struct journal *journal_open(const struct journal_config *config, struct instant now,
                                      struct error *err);

/* The `seq` that the next event must carry. */
uint64_t journal_next_seq(const struct journal *journal);

/* One complete event line, LF included, that carries journal_next_seq(). It is compressed into
 * what the next commit writes; where a frame or the segment is full, it also writes and seals.
 * ERROR_STORAGE: the journal is broken, and the event lost with what was not durable.
 * ERROR_INTERNAL: longer than EVENT_LINE_BYTES_MAX; nothing happened. */
must_use int journal_append(struct journal *journal, struct str line, const char *type,
                            struct instant now, struct error *err);

enum journal_level {
    JOURNAL_WRITTEN, /* readable by others, lost with the power */
    JOURNAL_DURABLE, /* fdatasync'ed, its name too */
};

/* Brings all events that were appended to that level. Free of cost when they are there already.
 * ERROR_STORAGE: the journal is broken. */
must_use int journal_commit(struct journal *journal, enum journal_level level, struct instant now,
                            struct error *err);
/* All events below this `seq` are durable, or named by a durable `gap`. */
uint64_t journal_durable_seq(const struct journal *journal);

bool journal_is_broken(const struct journal *journal);
/* Does what is missing to work again: seals what is there, makes the next segment, durable, with
 * its gap, and fills the reserve. To be tried every second or so. ERROR_STORAGE: still no room. */
must_use int journal_try_reopen(struct journal *journal, struct instant now, struct error *err);
/* The same for session.end and journal_end() alone: lives on the room that the reserve gave. */
must_use int journal_reopen_to_end(struct journal *journal, struct instant now, struct error *err);

/* Seals by age. Every second or so. */
must_use int journal_tick(struct journal *journal, struct instant now, struct error *err);

/* The caller has appended session.end: seals, with "last":true. `reason`: end or drain. Of a broken
 * journal: journal_reopen_to_end() first. ERROR_STORAGE: when it is broken then, reopen, append
 * session.end and end again; else only its final name is missing, and the next try may do. */
must_use int journal_end(struct journal *journal, const char *reason, struct instant now,
                         struct error *err);
/* Hex, of the last index line, LF included; "" before journal_end(). */
const char *journal_last_index_sha256(const struct journal *journal);
const char *journal_id(const struct journal *journal); /* 8 hex */

/* Closes the files. What was not ended stays for recovery. */
void journal_free(struct journal **journal);

/* What `exec` prints and `verify --expect` takes (man hoop-session): SHA-256 over the hex hashes
 * of the last index lines, an LF after each, ordered by journal id. Reorders `last`. */
struct journal_last {
    const char *journal;      /* 8 hex */
    const char *index_sha256; /* 64 hex */
};
#define JOURNAL_EXPECT_BYTES 65
/* Returns `hex`. */
char *journal_expect(struct journal_last *last, size_t count, char hex[JOURNAL_EXPECT_BYTES]);
