/* journal_state.h - inside the journal: only journal*.c and its tests include it. */
#pragma once

#include "session/journal.h"
#include "session/segment.h"

enum journal_stage {
    STAGE_OPEN, /* it works */
    /* Broken, in order: what is to be done next. */
    STAGE_CUT,     /* the disk is full: cut the file to its durable length, seal it there */
    STAGE_COPY,    /* the file is bad: copy its durable prefix, seal the copy in its place */
    STAGE_ANEW,    /* no event in it was durable: make the same segment again */
    STAGE_NEXT,    /* it has its tail: make the next one */
    STAGE_RESERVE, /* that is there too: wait until the reserve can be filled */
    STAGE_ENDED,
};

/* Has its tail, durably, and waits for its final name. Stays locked until then. */
struct journal_waiting {
    int file;
    char *part, *final; /* owned */
    bool is_last;
};

struct journal {
    struct journal_config config;
    const struct medium *medium;
    char id[9];
    enum journal_stage stage;
    bool is_ending; /* reserve or not */
    bool keep_bad;  /* STAGE_ANEW: the file that is replaced is kept as .bad */
    char why[256];  /* it broke */
    int cause;      /* errno of the call that failed last in a repair; 0: no call did */

    /* The segment that is open, or that broke. */
    uint32_t n;
    char previous[SHA256_HEX_BYTES];
    int file;
    char *part;              /* owned */
    struct segment *segment; /* owned; NULL when broken */
    uint64_t first_seq;      /* next_seq when it began */
    uint64_t durable_bytes;
    bool is_name_durable;
    struct instant started; /* when its first event came */

    uint64_t next_seq;
    uint64_t written_seq; /* all below are written */
    uint64_t durable_seq; /* all below are durable */

    struct journal_waiting *waiting; /* owned, oldest first */
    size_t waiting_count;
    char last_index_sha256[SHA256_HEX_BYTES];
};

/* Sets `err` from errno, and the stage that follows from it; when the disk is full, repairs at once
 * with what the reserve gives. Returns -1. */
int journal_fail(struct journal *journal, const char *what, struct instant now, struct error *err);

/* Makes segment journal->n under a temporary name, then gives it its own: with a gap, synced, for
 * one that follows; for n = 0 nothing is written yet. -1 with errno, all as it was. */
enum journal_start { START_FIRST, START_FOLLOWING, START_AFTER_LOSS, START_ANEW };
must_use int journal_start_segment(struct journal *journal, enum journal_start how,
                                   struct instant now);

/* The current file has its tail: it waits for its name, and the next n is due. */
void journal_push_waiting(struct journal *journal, bool is_last, const char *index_sha256);
/* Gives them their names, durably, and hands them on. ERROR_STORAGE: those that are left wait. */
must_use int journal_name_waiting(struct journal *journal, struct error *err);

/* Goes as far as it can towards STAGE_RESERVE. */
must_use int journal_repair(struct journal *journal, struct instant now, struct error *err);

static inline bool journal_has_durable_event(const struct journal *journal)
{
    return journal->durable_seq > journal->first_seq;
}
