/* timeline.h - a session as a person wants to see it: its commands in order, under each the
 * requests that it made, and all that was lost, refused or withheld. Built from the event lines of
 * its journals (man hoop-session). No I/O, and no trust in the lines: what does not fit becomes
 * a finding, and nothing is left out without one.
 *
 *   struct timeline *timeline = timeline_new(session);
 *   unsigned journal = timeline_journal(timeline, "0a1b2c3d");
 *   timeline_add(timeline, journal, line);     // each journal's lines in order
 *   timeline_finish(timeline);
 *
 * Bodies are not kept: bodies.h collects those of chosen requests in a second pass. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

#define TIMELINE_FINDINGS_MAX 200 /* more are only counted */

/* One direction of an exchange. */
struct replay_flow {
    int64_t received, delivered; /* bytes, from `complete`; -1: not known */
    uint64_t recorded;           /* decoded bytes that body events cover */
    uint64_t withheld_bytes;     /* and those that `withheld` events account for */
    uint32_t withheld;           /* events */
    uint64_t redacted;           /* placeholders that stand for secret values */
    char *reason;                /* owned: of the first `withheld`, or NULL */
};

/* What a request is about, as its objectRef says. All owned, NULL when absent. */
struct replay_object {
    char *group, *resource, *subresource, *namespace_name, *name;
};

/* A request that was open at a crash keeps its stage; `outcome` is then what `recovered` says. */
enum replay_stage { STAGE_SENT, STAGE_ANSWERED, STAGE_COMPLETE };

struct replay_request {
    uint32_t number; /* from 1, in order of time */
    unsigned journal;
    uint64_t exchange;
    uint64_t seq;
    int64_t order_us; /* what it is sorted by: its time, or the journal's latest before it */
    int64_t start_us; /* 0: not known, like all times here */
    int64_t start_mono_us;
    int64_t latency_us, duration_us; /* to the head of the answer, to the end; -1: not known */
    enum replay_stage stage;
    int code;      /* 0: no answer */
    bool is_known; /* its `request` event was seen */
    bool is_impersonated;
    /* Owned, NULL when absent. */
    char *command; /* invocation id, as the client asserted it */
    char *method, *verb, *uri, *user, *kubectl_session, *kubectl_command;
    struct replay_object object;
    char *object_ref;                   /* the same and more, JSON text */
    char *outcome, *forwarded, *reason; /* of `complete` */
    struct replay_flow request, response;
    uint32_t group;    /* index; after timeline_finish() */
    size_t first_note; /* 1 + index into notes[]; 0: none */
};

enum replay_group_kind {
    GROUP_COMMAND,     /* command.start was seen */
    GROUP_UNANNOUNCED, /* requests that name a command which never started */
    GROUP_KUBECTL,     /* no command, but one Kubectl-Session header */
    GROUP_NONE,        /* neither */
};

/* Requests that belong together. */
struct replay_group {
    enum replay_group_kind kind;
    uint32_t number; /* commands: from 1, in order of time; others 0 */
    char *id;        /* owned: invocation id or Kubectl-Session */
    unsigned journal;
    uint64_t seq;
    int64_t order_us, start_us;
    int64_t duration_us; /* -1: no exit was recorded, or no duration in it */
    bool has_exit;
    int code;   /* valid when has_exit and signal is 0 */
    int signal; /* 0: none */
    bool is_outside;
    int64_t argv_omitted; /* arguments */
    char **argv;          /* owned */
    size_t argc;
    uint32_t *requests; /* owned: indices into requests[], in order */
    size_t request_count;
    size_t first_note; /* as in replay_request */
};

/* Marks, gaps, refusals, recovery: what happened beside the requests. */
struct replay_note {
    char *type; /* owned: the event's */
    char *text; /* owned: "what: why", for people; bytes as recorded */
    unsigned journal;
    uint64_t seq;
    int64_t order_us, time_us;
    char *command;    /* owned */
    int64_t exchange; /* -1: none */
    int64_t request;  /* index; -1: belongs to no request */
    int64_t group;    /* index; -1: belongs to no group, so it stands by itself */
    size_t next;      /* the next note of the same request or group, 1 + index; 0: none */
};

/* What stands at the left margin, in order: party after party, within each by time. */
struct replay_row {
    bool is_note;
    size_t index; /* into notes[] or groups[] */
    int64_t order_us;
    unsigned party;
    unsigned journal;
    uint64_t seq;
};

/* Journals belong together only when issuer and subject agree; else each
 * party is shown apart. */
struct replay_party {
    char *issuer, *subject; /* owned; subject: of the token, else the actor's name; may be NULL */
};

struct replay_journal {
    char id[9];
    unsigned party; /* index, from the first session.start on */
    int64_t last_order_us;
    int64_t first_us, last_us;
    uint64_t next_seq;
    uint64_t events;
    json_object *start; /* owned: its session.start, or NULL */
    json_object *end;   /* owned: its session.end, or NULL */
};

struct timeline {
    char *session;
    struct replay_journal *journals;
    unsigned journal_count;
    struct replay_party *parties; /* by first appearance */
    unsigned party_count;
    struct replay_request *requests; /* in the order in which they were read */
    size_t request_count;
    uint32_t *by_number; /* by_number[n - 1]: index of request n */
    struct replay_group *groups;
    size_t group_count;
    size_t command_count;
    struct replay_note *notes;
    size_t note_count;
    struct replay_row *rows;
    size_t row_count;
    char **findings; /* bytes as recorded may be in them */
    size_t finding_count;
    uint64_t findings_omitted;
    json_object *unshown; /* {type: count} of events that have no view yet */
    json_object *index;   /* "journal/exchange" → request, "c/id" → group, "s/…" → group */
    int64_t first_us, last_us;
};

struct timeline *timeline_new(const char *session);

/* The number for timeline_add(), of a journal with this id (8 hex digits). */
unsigned timeline_journal(struct timeline *timeline, const char *id);

/* One line, with or without its LF. `segment`, `index` and `signature` lines are no events. */
void timeline_add(struct timeline *timeline, unsigned journal, struct str line);

/* Something that the caller saw, such as a verdict or a segment that cannot be read. */
void timeline_add_finding(struct timeline *timeline, const char *fmt, ...) printf_like(2, 3);

/* Links, numbers and sorts; after the last line, once. */
void timeline_finish(struct timeline *timeline);

/* NULL when there is none. */
const struct replay_request *timeline_request(const struct timeline *timeline, uint64_t number);
const struct replay_group *timeline_command(const struct timeline *timeline, uint64_t number);
/* By invocation id, as one of that journal's party; NULL when it was not seen. */
const struct replay_group *timeline_find_command(const struct timeline *timeline, unsigned journal,
                                                 const char *id);
/* By journal and exchange; -1 when there is none. */
int64_t timeline_find_exchange(const struct timeline *timeline, unsigned journal,
                               uint64_t exchange);
/* The session.start to show: the home journal's (the one with argv), else the first. NULL: none. */
json_object *timeline_session_start(const struct timeline *timeline);

void timeline_free(struct timeline **timeline);
