/* verify.h - is a recorded session what its gateway recorded, all of it, and who says so
 * (man hoop-session). Nothing in the files is trusted, nothing is changed; whatever they hold,
 * no more than VERIFY_MEMORY_BYTES are taken.
 *
 *   verify = verify_new(session, trust);
 *   verify_journal(verify, "00c0ffee");
 *   verify_sealed(verify, &object, &source);      objects of one journal by n, those of the store
 *   verify_part(verify, &object, &source, true);  before those of the spool
 *   verify_finish(verify, expect, &report);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "session/index.h"
#include "session/mismatch.h"
#include "session/source.h"
#include "session/trust.h"

#define VERIFY_MEMORY_BYTES ((size_t)64 << 20)
#define VERIFY_FINDINGS_MAX 50 /* per session; the rest is counted */

/* The worst of many counts; here the better comes first. */
enum verdict {
    VERDICT_INTACT,
    VERDICT_RECOVERED,
    VERDICT_INCOMPLETE,
    VERDICT_UNVERIFIABLE,
    VERDICT_TRUNCATED,
    VERDICT_TAMPERED,
};

const char *verdict_word(enum verdict verdict); /* "INTACT" … */
int verdict_exit_status(enum verdict verdict);  /* for the exit: 0, 8, 7, 3 */

enum answer { ANSWER_HOLDS, ANSWER_FAILS, ANSWER_UNKNOWN };
const char *answer_word(enum answer answer); /* "holds" … */

struct finding {
    char *object;         /* owned: key of a file, or "" for the session */
    enum verdict verdict; /* that it leads to; INTACT: only worth knowing */
    struct mismatch what;
};

/* All zero is a valid, empty one. */
struct verify_report {
    char session[ULID_BYTES];
    enum verdict verdict;
    enum answer integrity;
    enum answer completeness;
    bool is_anchored; /* by --expect */
    bool is_self_attested;
    uint64_t events;
    uint64_t segments;                /* sealed ones */
    char root_key[ROOT_KEY_ID_BYTES]; /* of the last sealed segment, as its gateway; or "" */
    char gateway[GATEWAY_NAME_BYTES];
    char expect[SHA256_HEX_BYTES]; /* what --expect would be; "" while a journal has no end */
    struct finding *findings;      /* owned */
    size_t finding_count;
    uint64_t findings_left_off;
};

void verify_report_free(struct verify_report *report);

/* Where a finding stands that is about the root key. */
#define VERIFY_PLACE_OF_KEY "index, boot"
/* Is a key that is not trusted what stands in the way, so that another could help? */
bool verify_lacks_key(const struct verify_report *report);

/* A file that is looked at. Borrowed. */
struct verify_object {
    const char *key; /* a path: its last part is the name, `cluster=…` and `date=…` may be before */
    uint32_t n;
    bool in_store;
};

struct verify; /* opaque */

/* `trust` is borrowed. */
struct verify *verify_new(const char *session, const struct trust *trust);
void verify_free(struct verify **verify);

/* What follows belongs to this journal. */
void verify_journal(struct verify *verify, const char *journal);

void verify_sealed(struct verify *verify, const struct verify_object *object,
                   const struct source *source);
/* `is_running`: its gateway holds the lock. */
void verify_part(struct verify *verify, const struct verify_object *object,
                 const struct source *source, bool is_running);
void verify_bad(struct verify *verify, const struct verify_object *object);
void verify_conflict(struct verify *verify, const struct verify_object *object);
/* Could not be opened, for this reason. */
void verify_unreadable(struct verify *verify, const struct verify_object *object,
                       const struct error *why);

/* Ends it. `expect` is 64 hex digits that `exec` printed, or NULL. */
void verify_finish(struct verify *verify, const char *expect, struct verify_report *report);
