#include "session/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/num.h"
#include "base/scoped.h"
#include "session/sealed.h"
#include "session/verify_segment.h"

#define NAMED_BYTES_MAX ((size_t)1 << 20)

struct verify {
    char session[ULID_BYTES];
    const struct trust *trust;
    struct verify_report report;
    bool is_unknown; /* something could not be verified */

    /* of the journal that is being looked at */
    bool in_journal;
    char journal[JOURNAL_ID_BYTES];
    struct chain chain;
    const char *object; /* key of the file that is being looked at; borrowed */
    bool has_sealed;
    uint32_t sealed_n;     /* the last sealed one */
    uint64_t sealed_bytes; /* its length */
    bool is_sealed_last;   /* and it says that it is the last */
    bool is_open;          /* a .part, or a .bad in its place, was there */
    bool is_end_unknown;   /* the last file could not be read: is it the last? */

    /* over all journals */
    struct sha256 *last_hashes; /* what --expect is made of */
    bool lacks_last;            /* one has no end */
    struct buf named, seen;     /* ids, each with a blank behind it: by a session.end, and here */
    size_t journals;
};

const char *verdict_word(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_INTACT:
        return "INTACT";
    case VERDICT_RECOVERED:
        return "RECOVERED";
    case VERDICT_INCOMPLETE:
        return "INCOMPLETE";
    case VERDICT_UNVERIFIABLE:
        return "UNVERIFIABLE";
    case VERDICT_TRUNCATED:
        return "TRUNCATED";
    case VERDICT_TAMPERED:
        return "TAMPERED";
    }
    unreachable();
}

int verdict_exit_status(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_INTACT:
        return 0;
    case VERDICT_RECOVERED:
    case VERDICT_INCOMPLETE:
        return 8;
    case VERDICT_UNVERIFIABLE:
        return 7;
    case VERDICT_TRUNCATED:
    case VERDICT_TAMPERED:
        return 3;
    }
    unreachable();
}

const char *answer_word(enum answer answer)
{
    switch (answer) {
    case ANSWER_HOLDS:
        return "holds";
    case ANSWER_FAILS:
        return "fails";
    case ANSWER_UNKNOWN:
        return "unknown";
    }
    unreachable();
}

bool verify_lacks_key(const struct verify_report *report)
{
    for (size_t i = 0; i < report->finding_count; i++)
        if (report->findings[i].verdict == VERDICT_UNVERIFIABLE &&
            strcmp(report->findings[i].what.place, VERIFY_PLACE_OF_KEY) == 0)
            return true;
    return false;
}

void verify_report_free(struct verify_report *report)
{
    for (size_t i = 0; i < report->finding_count; i++)
        free(report->findings[i].object);
    free(report->findings);
    *report = (struct verify_report){0};
}

struct verify *verify_new(const char *session, const struct trust *trust)
{
    struct verify *verify = xcalloc(1, sizeof *verify);

    snprintf(verify->session, sizeof verify->session, "%s", session);
    memcpy(verify->report.session, verify->session, sizeof verify->session);
    verify->trust = trust;
    verify->last_hashes = sha256_new();
    verify->named.limit = verify->seen.limit = NAMED_BYTES_MAX;
    return verify;
}

void verify_free(struct verify **verify)
{
    if (!*verify)
        return;
    verify_report_free(&(*verify)->report);
    sha256_free(&(*verify)->last_hashes);
    buf_free(&(*verify)->named);
    buf_free(&(*verify)->seen);
    free(*verify);
    *verify = NULL;
}

/* Something that counts, or is only worth knowing, about the object at hand. */
static void keep_finding(void *context, enum verdict verdict, const struct mismatch *what)
{
    struct verify *verify = context;
    struct verify_report *report = &verify->report;

    report->verdict = max_of(report->verdict, verdict);
    verify->is_unknown |= verdict == VERDICT_UNVERIFIABLE;
    if (report->finding_count == VERIFY_FINDINGS_MAX) {
        report->findings_left_off++;
        return;
    }
    report->findings =
        xreallocarray(report->findings, report->finding_count + 1, sizeof *report->findings);
    report->findings[report->finding_count++] = (struct finding){
        .object = xstrdup(verify->object ? verify->object : ""),
        .verdict = verdict,
        .what = *what,
    };
}

static void find(struct verify *verify, enum verdict verdict, const char *place,
                 const char *expected, const char *found)
{
    struct mismatch what = {0};

    mismatch_set(&what, place, expected, "%s", found);
    keep_finding(verify, verdict, &what);
}

static struct finder finder_of(struct verify *verify)
{
    return (struct finder){.found = keep_finding, .context = verify};
}

/* The journal is over: did it reach its end? */
static void end_journal(struct verify *verify)
{
    if (!verify->in_journal)
        return;
    verify->in_journal = false;
    verify->object = NULL;
    if (verify->is_sealed_last && verify->has_sealed) {
        sha256_add(verify->last_hashes, verify->chain.previous, SHA256_HEX_BYTES - 1);
        sha256_add(verify->last_hashes, "\n", 1);
        return;
    }
    verify->lacks_last = true;
    if (!verify->is_open && !verify->is_end_unknown) {
        char place[64], expected[64];

        snprintf(place, sizeof place, "journal %s", verify->journal);
        snprintf(expected, sizeof expected, "segment %" PRIu32, verify->chain.next_n);
        find(verify, VERDICT_TRUNCATED, place, expected, "no such file");
    }
}

void verify_journal(struct verify *verify, const char *journal)
{
    end_journal(verify);
    snprintf(verify->journal, sizeof verify->journal, "%s", journal);
    verify->chain = (struct chain){
        .session = verify->session,
        .journal = verify->journal,
        .knows_seq = true,
    };
    buf_printf(&verify->seen, "%s ", verify->journal);
    verify->in_journal = true;
    verify->has_sealed = false;
    verify->is_sealed_last = verify->is_open = verify->is_end_unknown = false;
    verify->journals++;
}

/* The object at hand is there: what is missing before it? */
static void take_place(struct verify *verify, uint32_t n)
{
    uint32_t next = verify->chain.next_n;

    if (verify->is_sealed_last && verify->has_sealed && n > verify->sealed_n) {
        char found[32];

        snprintf(found, sizeof found, "segment %" PRIu32, n);
        find(verify, VERDICT_TAMPERED, "", "nothing behind the last segment", found);
    }
    if (n > next) {
        const char *object = verify->object;
        char place[64], expected[64];

        snprintf(place, sizeof place, "journal %s", verify->journal);
        if (n - next > 1)
            snprintf(expected, sizeof expected, "segments %" PRIu32 " to %" PRIu32, next, n - 1);
        else
            snprintf(expected, sizeof expected, "segment %" PRIu32, next);
        verify->object = NULL;
        find(verify, VERDICT_TRUNCATED, place, expected, "no such file");
        verify->object = object;
    }
}

/* What is known of the chain behind the object at hand. */
static void step(struct verify *verify, uint32_t n, const struct segment_facts *facts)
{
    struct chain *chain = &verify->chain;

    chain->next_n = n + 1;
    chain->previous[0] = '\0';
    chain->knows_seq = false;
    chain->time_last[0] = '\0';
    if (!facts)
        return;
    if (facts->has_index)
        memcpy(chain->previous, facts->index_sha256, sizeof chain->previous);
    if (facts->was_read) {
        chain->knows_seq = true;
        chain->next_seq = facts->seq_last + 1;
        memcpy(chain->time_last, facts->time_last, sizeof chain->time_last);
    }
}

static void find_count(struct verify *verify, uint64_t count, const char *expected,
                       const char *what)
{
    char found[64];

    if (count == 0)
        return;
    snprintf(found, sizeof found, "%" PRIu64 " `%s`", count, what);
    find(verify, VERDICT_INCOMPLETE, "", expected, found);
}

static void find_recovered(struct verify *verify, const struct segment_facts *facts)
{
    char found[128];

    if (!facts->is_recovered)
        return;
    snprintf(found, sizeof found, "a crash: nothing is proven between %s and %s",
             facts->crash_from[0] ? facts->crash_from : "the beginning",
             facts->crash_to[0] ? facts->crash_to : "the recovery");
    find(verify, VERDICT_RECOVERED, "", "an end by the gateway itself", found);
}

/* The same segment in store and spool: it is on its way. Different ones under one name are not. */
static void compare_copies(struct verify *verify, const struct verify_object *object,
                           const struct source *source)
{
    scoped(sealed_free) struct sealed sealed = {0};
    struct mismatch what = {0};
    struct error err = {0};

    if (sealed_read(&sealed, source, &what, &err) == 0 && source->bytes == verify->sealed_bytes &&
        strcmp(sealed.tail.line_sha256, verify->chain.previous) == 0 &&
        sealed_check_hash(&sealed, source, &what, &err) == 0)
        return;
    find(verify, VERDICT_TAMPERED, "", "the same bytes as under this name elsewhere", "others");
}

/* In loopback, gateway and caller are one. Of an open segment this is only
 * what it says, but nobody gains by saying so. */
static void see_gateway(struct verify *verify, const char *gateway)
{
    verify->report.is_self_attested |= strncmp(gateway, "loopback-", 9) == 0;
}

void verify_sealed(struct verify *verify, const struct verify_object *object,
                   const struct source *source)
{
    const struct finder finder = finder_of(verify);
    scoped(segment_facts_free) struct segment_facts facts = {0};

    verify->object = object->key;
    if (verify->has_sealed && verify->sealed_n == object->n) {
        compare_copies(verify, object, source);
        return;
    }
    take_place(verify, object->n);
    verify_segment(&verify->chain, object, source, verify->trust, &finder, &facts);
    if (!object->in_store)
        find(verify, VERDICT_INCOMPLETE, "", "a segment in the store",
             "one that waits in the spool");
    find_count(verify, facts.gaps, "no loss", "gap");
    find_count(verify, facts.degraded, "recording at full strength", "degraded");
    find_recovered(verify, &facts);
    step(verify, object->n, &facts);
    if (facts.was_read)
        buf_append_str(&verify->named, buf_str(&facts.journals));
    verify->has_sealed = true;
    verify->sealed_n = object->n;
    verify->sealed_bytes = source->bytes;
    verify->is_sealed_last = facts.is_last;
    verify->is_end_unknown = !facts.has_index;
    verify->report.segments++;
    verify->report.events += facts.events;
    if (facts.has_index) {
        memcpy(verify->report.root_key, facts.root_key, sizeof facts.root_key);
        memcpy(verify->report.gateway, facts.gateway, sizeof facts.gateway);
        see_gateway(verify, facts.gateway);
    }
}

void verify_part(struct verify *verify, const struct verify_object *object,
                 const struct source *source, bool is_running)
{
    const struct finder finder = finder_of(verify);

    verify->object = object->key;
    verify->is_open = true;
    if (verify->has_sealed && verify->sealed_n == object->n) {
        find(verify, VERDICT_INCOMPLETE, "", "one file of this segment", "an open one too");
        return;
    }
    take_place(verify, object->n);
    char gateway[GATEWAY_NAME_BYTES];
    bool has_begun = verify_first_line(&verify->chain, object->n, source, &finder, gateway);
    see_gateway(verify, gateway);
    find(verify, VERDICT_INCOMPLETE, "", "a sealed segment",
         is_running  ? "one that its gateway is still writing"
         : has_begun ? "one that a crash left open"
                     : "one that a crash left empty");
    step(verify, object->n, NULL);
}

void verify_bad(struct verify *verify, const struct verify_object *object)
{
    bool is_replaced = verify->has_sealed && verify->sealed_n == object->n;

    verify->object = object->key;
    if (!is_replaced) {
        take_place(verify, object->n);
        step(verify, object->n, NULL);
        verify->is_open = true;
    }
    find(verify, is_replaced ? VERDICT_INTACT : VERDICT_INCOMPLETE, "",
         "no file kept after a failed write",
         is_replaced ? "one; what was durable of it is sealed"
                     : "one of which nothing is sealed yet");
}

void verify_conflict(struct verify *verify, const struct verify_object *object)
{
    verify->object = object->key;
    find(verify, VERDICT_INTACT, "", "one object of this name",
         "a foreign one: it is not read, and proves nothing");
}

void verify_unreadable(struct verify *verify, const struct verify_object *object,
                       const struct error *why)
{
    verify->object = object->key;
    if (verify->has_sealed && verify->sealed_n == object->n)
        return; /* a second copy that has gone meanwhile */
    take_place(verify, object->n);
    find(verify, VERDICT_UNVERIFIABLE, "", "a readable file", why->text);
    step(verify, object->n, NULL);
    verify->is_end_unknown = true;
}

static void compare_expected(struct verify *verify, const char *expect)
{
    struct verify_report *report = &verify->report;

    if (!expect)
        return;
    if (!report->expect[0])
        find(verify, VERDICT_INCOMPLETE, "", "the end that --expect names", "no end yet");
    else if (strcasecmp(expect, report->expect) != 0)
        find(verify, VERDICT_TAMPERED, "last segments", expect, report->expect);
    else
        report->is_anchored = true;
}

/* A journal that another one's end names, and of which there is no file. */
static void find_missing_journals(struct verify *verify)
{
    struct str named = buf_str(&verify->named);

    while (named.len) {
        struct str id = str_first(named, JOURNAL_ID_BYTES); /* with the blank */
        char place[64];

        named = str_skip(named, JOURNAL_ID_BYTES);
        if (str_find(buf_str(&verify->seen), id) >= 0)
            continue;
        buf_append_str(&verify->seen, id); /* told once */
        snprintf(place, sizeof place, "journal %.*s", JOURNAL_ID_BYTES - 1, id.data);
        find(verify, VERDICT_TRUNCATED, place, "the journal that the end of another names",
             "no file of it");
        verify->lacks_last = true;
    }
}

void verify_finish(struct verify *verify, const char *expect, struct verify_report *report)
{
    unsigned char digest[SHA256_BYTES];

    end_journal(verify);
    verify->object = NULL;
    find_missing_journals(verify);
    if (verify->journals && !verify->lacks_last) {
        sha256_peek(verify->last_hashes, digest);
        encode_hex(digest, sizeof digest, verify->report.expect);
    }
    compare_expected(verify, expect);
    enum verdict verdict = verify->report.verdict;
    verify->report.integrity = verdict == VERDICT_TAMPERED ? ANSWER_FAILS
                               : verify->is_unknown        ? ANSWER_UNKNOWN
                                                           : ANSWER_HOLDS;
    verify->report.completeness = verdict == VERDICT_INTACT ? ANSWER_HOLDS
                                  : verdict == VERDICT_TAMPERED || verdict == VERDICT_UNVERIFIABLE
                                      ? ANSWER_UNKNOWN
                                      : ANSWER_FAILS;
    *report = verify->report;
    verify->report = (struct verify_report){0};
}
