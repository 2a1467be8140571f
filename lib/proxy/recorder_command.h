/* recorder_command.h - inside the recorder: what the loop puts into its queue, and the two sides of
 * a recording. Only recorder*.c and record*.c include it. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/chunk.h"
#include "base/clock.h"
#include "proxy/record.h"
#include "proxy/recorder.h"

enum command_kind {
    COMMAND_OPEN,
    COMMAND_EVENT,
    COMMAND_REQUEST,
    COMMAND_RESPONSE,
    COMMAND_STREAM_OPEN,
    COMMAND_BODY,
    COMMAND_BODY_END,
    COMMAND_COMPLETE,
    COMMAND_ACKNOWLEDGE,
    COMMAND_CLOSE,
};

struct command {
    struct command *next;
    struct recording *recording;
    enum command_kind kind;
    uint64_t number;
    bool needs_durable;
    struct instant at; /* when the loop handed it over: the time of its event */
    size_t bytes;      /* that it keeps in memory */

    char *type;           /* EVENT; CLOSE: the reason */
    json_object *payload; /* EVENT, CLOSE: members of the event */
    char *invocation;     /* EVENT */
    struct exchange_record *record;
    enum direction of;         /* BODY, BODY_END */
    struct http_head *head;    /* REQUEST, RESPONSE, STREAM_OPEN; BODY_END: trailers */
    struct request_info *info; /* REQUEST */
    char *user, *source_ip;    /* REQUEST */
    bool is_refused, is_whole; /* REQUEST */
    struct chunk **chunks;     /* REQUEST, BODY */
    size_t chunk_count;
    struct receipt *receipt;        /* REQUEST */
    struct record_outcome *outcome; /* COMPLETE; its reason is owned too */
};

struct command *command_new(struct recording *recording, enum command_kind kind);
void command_free(struct command **command);

struct command_list {
    struct command *first, *last;
    size_t bytes;
};

void command_list_push_adopt(struct command_list *list, struct command *command);
struct command *command_list_pop(struct command_list *list);
/* All of `from`, in order, behind what is in `list`. */
void command_list_append(struct command_list *list, struct command_list *from);
void command_list_clear(struct command_list *list);

struct waiter {
    struct waiter *next;
    uint64_t number;
    bool is_lost; /* nobody waits for a disk to recover */
    void (*done)(void *context, bool lost);
    void *context;
};

struct recording {
    struct recorder *recorder;
    const struct journal_config *config;

    /* the loop's side */
    struct recording *next;
    uint64_t last_number, last_exchange;
    uint64_t lost_after, lost_to; /* numbers in (lost_after, lost_to] never reached it */
    unsigned acknowledged;        /* breaks that the loop knows of */
    uint64_t seen_written, seen_durable;
    bool seen_open;
    bool must_look; /* somebody waits for what may be there already */
    struct waiter *waiters, **waiters_end;
    void (*progress)(void *context, bool broke);
    void *progress_context;
    void (*closed)(void *context, const char *index_sha256);
    void *closed_context;

    /* published by the recorder, read by the loop */
    _Atomic uint64_t written, durable;
    _Atomic int64_t unsynced_since_us; /* 0: nothing is unsynced */
    atomic_uint breaks;
    atomic_bool is_open;
    atomic_bool is_ended;
    _Atomic uint64_t refused; /* counted by the loop */
    _Atomic uint64_t requests, commands, secrets, events;
    char *index_sha256;   /* valid once is_ended */
    struct error problem; /* under recorder->lock */

    /* the recorder's side */
    struct journal *journal;
    json_object *start; /* session.start, until it is durable */
    bool start_is_unsynced;
    bool is_acknowledged; /* broken, and the loop has failed what waited */
    bool is_touched;      /* since the last commit */
    bool wants_written;   /* somebody waits for no more than the write */
    bool wants_durable;
    uint64_t group_number;    /* the last number in the group at hand */
    struct command_list held; /* broken: to be done once it is open again */
    int64_t retry_mono_us;
    unsigned tries_at_end;
    uint64_t told_refused;
    struct buf line; /* the event at hand */
};

struct recorder {
    struct recorder_config config;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct command_list pending; /* the loop's, until it hands them over */
    uint64_t handed_over;        /* how often it did */
    struct loop_job hand_over;
    struct command_list queue;    /* under lock */
    struct command_list done;     /* under lock: to be freed by the loop, which made them */
    struct command_list finished; /* the recorder's, until they are done */
    bool is_stopping;             /* under lock */
    atomic_size_t queued_bytes;
    struct recording *recordings; /* the loop's list */
    struct recording **active;    /* the recorder's list */
    size_t active_count;
};

/* Numbers it and puts it into the queue. */
uint64_t recorder_put(struct command *command_adopt);
/* One that was put, and is not handed over, holds so many bytes more. */
void recorder_note_growth(struct command *command, size_t bytes);

/* On the recorder thread: appends the events of one command to the journal. ERROR_STORAGE when the
 * journal broke meanwhile. (record_lines.c) */
must_use int record_write(struct recording *recording, struct command *command, struct error *err);
must_use int record_write_event(struct recording *recording, const char *type,
                                const char *invocation, const struct instant *at,
                                json_object *payload, struct error *err);
/* Receipts are made by record_request() and filled by the recorder. */
void receipt_fill(struct receipt *receipt, const unsigned char sha256[32]);

/* What the recorder keeps of an exchange: made by the loop, then its own. */
struct redact;
struct exchange_record {
    struct recording *recording;
    uint64_t number;
    bool has_request;          /* the loop's, like the next two */
    struct command *open_body; /* see record_body_extend(); there only while … */
    uint64_t open_until;       /* … the recorder's handed_over is this */
    struct str invocation;     /* "" when unlinked; owned */
    struct request_info info;  /* the recorder's from REQUEST on, like all below */
    struct redact *redact[2];
    uint64_t end[2];               /* of the decoded body, as far as it is recorded */
    struct http_head *trailers[2]; /* owned */
    uint64_t withheld[2];
    struct buf target;    /* of a request for an upgrade: what exec was asked to do */
    bool is_stream;       /* 101 was answered */
    const char *ended_by; /* the side of a stream that ended first; NULL: none yet */
};
/* Frees what the recorder keeps of an exchange. */
void record_forget(struct exchange_record **record);
