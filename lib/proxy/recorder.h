/* recorder.h - the recorder thread, and what the loop hands to it.
 *
 * The loop hands over heads, body chunks and events and gets a number; numbers of one recording
 * (one journal) rise from 1. The thread redacts, serialises, compresses, writes and syncs; all that
 * is queued is one commit. It publishes how far each recording is written and durable, and calls
 * `wake`; the loop then calls recorder_dispatch(). All functions here are for the loop thread.
 *
 * When a journal breaks (a failed write or fdatasync), no number that was not durable by then ever
 * counts as reached: recorder_dispatch() tells waiters and `progress` so, and whoever owns what
 * waits fails it. What is handed over from then on is kept; a new segment is tried every second;
 * work goes on by itself when that succeeds (recording_is_broken() turns false). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "base/error.h"
#include "base/str.h"
#include "kube/fingerprint.h"
#include "net/loop.h"
#include "session/journal.h"

struct recorder;  /* the thread */
struct recording; /* one journal, as the loop sees it */

struct recorder_config {
    void (*wake)(void *context); /* called on the recorder thread: uv_async_send */
    void *context;
    struct loop *loop;      /* what a pass of it hands over goes to the thread at its end, in one */
    bool is_strict;         /* durability: strict: every commit is synced */
    size_t queue_bytes_max; /* 0: 64 MiB; see recorder_is_full */
    const struct fingerprint_key *fingerprint_key; /* outlives the recorder */
};

must_use struct recorder *recorder_start(const struct recorder_config *config, struct error *err);
/* After every recording was closed and its `done` has come. Joins the thread. */
void recorder_stop(struct recorder **recorder);

/* To be called on the loop after `wake`: calls what waited (recorder_when_durable, recorder_close),
 * and `progress` of each recording that moved or broke. */
void recorder_dispatch(struct recorder *recorder);

/* More queued than the budget: whoever can stop reading should. */
bool recorder_is_full(const struct recorder *recorder);

/* Opens a journal and records its session.start with the fields of `session_start`. Never fails at
 * once: a journal that cannot be opened is a broken one. `sealed` of `config` is called on the
 * recorder thread. What `config` points to must live until
 * the recording is closed; its `session` and `cluster` go into every line. */
struct recording *recorder_open(struct recorder *recorder, const struct journal_config *config,
                                json_object *session_start_adopt);

/* `progress` is called by recorder_dispatch() when published numbers moved. One at a time. With
 * `broke`, all that is not durable is lost; numbers given out from that call on are good again. */
void recording_on_progress(struct recording *recording, void (*progress)(void *context, bool broke),
                           void *context);

/* The number that session.start has. */
#define RECORDING_FIRST 1

enum recording_level { RECORDING_WRITTEN, RECORDING_DURABLE };

/* Has the journal reached `number`? False for ever for what was lost. */
bool recording_has(const struct recording *recording, uint64_t number, enum recording_level level);
/* Over 100 ms at `mono_us` since the oldest byte that is written and not synced was written. */
bool recording_is_behind(const struct recording *recording, int64_t mono_us);
bool recording_is_broken(const struct recording *recording);
/* Why it broke last, for the Status; "" when it never did. */
const char *recording_problem(struct recording *recording, struct error *problem);
/* Counts a request that was refused because it could not be recorded; a `mark` says how many. */
void recorder_count_refused(struct recording *recording);

/* An event that is not part of an exchange (command.start, command.exit, mark, auth, policy…): its
 * payload follows the envelope. `command` may be empty. Returns its number. */
uint64_t recorder_event(struct recording *recording, const char *type, struct str command,
                        json_object *payload_adopt);
/* Calls done(context, lost) from recorder_dispatch() once `number` is durable, or lost; while the
 * recording is broken it is told `lost` without delay, although the event may still be written when
 * there is room: ask recording_is_broken() first. */
void recorder_when_durable(struct recording *recording, uint64_t number,
                           void (*done)(void *context, bool lost), void *context);

struct recording_counts {
    uint64_t requests;
    uint64_t commands;         /* command.start events */
    uint64_t secrets_withheld; /* values redacted, and bodies or parts withheld */
    uint64_t events;
};
/* So far, as published. */
struct recording_counts recording_counts(const struct recording *recording);

/* Ends the journal: session.end with `reason`, the counts and the fields of `session_end` (may be
 * NULL), seal. `done` comes from recorder_dispatch() with the hash of the last index line in hex,
 * or NULL when the journal could not be ended; the recording is freed after it. No exchange of it
 * may be open. `reason` is end or drain. */
void recorder_close(struct recording **recording, const char *reason,
                    json_object *session_end_adopt,
                    void (*done)(void *context, const char *index_sha256), void *context);
