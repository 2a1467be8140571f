#include "session/verify_segment.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "session/line.h"
#include "session/reader.h"
#include "session/reader_sealed.h"
#include "session/sealed.h"
#include "session/segment_name.h"
#include "session/ulid.h"

#define SEGMENT_LINE_BYTES_MAX 4096

/* One segment under examination. */
struct examination {
    const struct chain *chain;
    const struct finder *finder;
    struct segment_facts *facts;
    const struct index *index;
    bool is_sound; /* nothing was found that leads to TAMPERED or UNVERIFIABLE */

    struct index seen; /* only its counts: of the events that were read */
    uint64_t next_seq;
    bool knows_seq;
    char time_first[CLOCK_TEXT_BYTES];
    char time_last[CLOCK_TEXT_BYTES];
};

static void examination_free(struct examination *examination)
{
    index_free(&examination->seen);
}

void segment_facts_free(struct segment_facts *facts)
{
    buf_free(&facts->journals);
}

static void tell(struct examination *examination, enum verdict verdict, const struct mismatch *what)
{
    if (verdict == VERDICT_TAMPERED || verdict == VERDICT_UNVERIFIABLE)
        examination->is_sound = false;
    examination->finder->found(examination->finder->context, verdict, what);
}

static void tampered(struct examination *examination, const char *place, const char *expected,
                     const char *found)
{
    struct mismatch what = {0};

    mismatch_set(&what, place, expected, "%s", found);
    tell(examination, VERDICT_TAMPERED, &what);
}

static void must_equal(struct examination *examination, const char *place, const char *expected,
                       const char *found)
{
    if (strcmp(expected, found) != 0)
        tampered(examination, place, expected, found);
}

static void must_equal_number(struct examination *examination, const char *place, uint64_t expected,
                              uint64_t found)
{
    char expected_text[24], found_text[24];

    if (expected == found)
        return;
    snprintf(expected_text, sizeof expected_text, "%" PRIu64, expected);
    snprintf(found_text, sizeof found_text, "%" PRIu64, found);
    tampered(examination, place, expected_text, found_text);
}

/* A failure below becomes a finding: what does not fit, or what cannot be read. */
static void tell_failure(struct examination *examination, const struct mismatch *what,
                         const struct error *err)
{
    struct mismatch unreadable = {0};

    if (err->kind == ERROR_PROTOCOL) {
        tell(examination, VERDICT_TAMPERED, what);
        return;
    }
    mismatch_set(&unreadable, "", "a readable file", "%s", err->text);
    tell(examination, VERDICT_UNVERIFIABLE, err->kind == ERROR_STORAGE ? &unreadable : what);
}

/* The part of a path that begins with `prefix`, up to its slash; false when there is none. */
static bool find_part(const char *key, const char *prefix, struct str *value)
{
    struct str rest = str_from(key);

    while (rest.data) {
        struct str part = str_split(&rest, '/');

        if (rest.data && str_starts(part, str_from(prefix))) {
            *value = str_skip(part, strlen(prefix));
            return true;
        }
    }
    return false;
}

static void check_place(struct examination *examination, const char *key)
{
    char date[ULID_DATE_BYTES], found[CLUSTER_ID_BYTES];
    struct str part;

    if (find_part(key, "cluster=", &part)) {
        snprintf(found, sizeof found, "%.*s", STR_ARG(part));
        if (!str_is(part, examination->index->cluster))
            tampered(examination, "key, cluster", examination->index->cluster, found);
    }
    if (find_part(key, "date=", &part)) {
        ulid_date(examination->index->session, date);
        snprintf(found, sizeof found, "%.*s", STR_ARG(part));
        if (!str_is(part, date))
            tampered(examination, "key, date", date, found);
    }
}

static void check_name(struct examination *examination, const struct verify_object *object)
{
    const struct index *index = examination->index;

    must_equal(examination, "index, session", examination->chain->session, index->session);
    must_equal(examination, "index, journal", examination->chain->journal, index->journal);
    must_equal_number(examination, "index, n", object->n, index->n);
    check_place(examination, object->key);
}

static void check_previous(struct examination *examination, const struct verify_object *object)
{
    const struct chain *chain = examination->chain;

    if (object->n == 0)
        must_equal(examination, "index, previous", HASH_NONE, examination->index->previous);
    else if (object->n == chain->next_n && chain->previous[0])
        must_equal(examination, "index, previous", chain->previous, examination->index->previous);
}

static void check_signature(struct examination *examination, const struct tail *tail)
{
    if (!signature_is_valid(tail->index.boot_key, tail->line,
                            str_make(tail->signature, sizeof tail->signature)))
        tampered(examination, "signature", "one by the boot key over the index line", "another");
}

static void check_trust(struct examination *examination, const struct trust *trust)
{
    const struct index *index = examination->index;
    scoped(buf_free) struct buf signature = {0};
    struct mismatch what = {0};
    struct error err = {0};

    if (!decode_base64(&signature, str_from(index->certificate))) {
        tampered(examination, "index, certificate", "base64", index->certificate);
        return;
    }
    const struct certificate certificate = {
        .root_key = index->root_key,
        .gateway = index->gateway,
        .boot = index->boot_id,
        .boot_key = index->boot_key,
        .signature = buf_str(&signature),
    };
    if (trust_check(trust, &certificate, index->cluster, &err) == 0)
        return;
    mismatch_set(&what, VERIFY_PLACE_OF_KEY, "a boot key that a trusted root key certified", "%s",
                 err.text);
    tell(examination, err.kind == ERROR_UNVERIFIABLE ? VERDICT_UNVERIFIABLE : VERDICT_TAMPERED,
         &what);
}

static void check_hash(struct examination *examination, const struct sealed *sealed,
                       const struct source *source)
{
    struct mismatch what = {0};
    struct error err = {0};

    if (sealed_check_hash(sealed, source, &what, &err) < 0)
        tell_failure(examination, &what, &err);
}

static void must_equal_member(struct examination *examination, json_object *root, const char *path,
                              const char *expected)
{
    char place[64];
    const char *found = jsondoc_string(root, path);

    snprintf(place, sizeof place, "line 1, %s", path + 1);
    must_equal(examination, place, expected, found ? found : "nothing");
}

/* Who it is of: what the index and the name say too. `index` NULL: a .part has none. */
static void check_segment_line(struct examination *examination, struct str text, uint32_t n)
{
    const struct chain *chain = examination->chain;
    const struct index *index = examination->index;
    struct error err = {0};
    scoped(jsondoc_free) json_object *root =
        text.len <= SEGMENT_LINE_BYTES_MAX ? jsondoc_parse(text, &err) : NULL;

    if (!root) {
        tampered(examination, "line 1", "a segment line", "another");
        return;
    }
    must_equal_member(examination, root, "/type", "segment");
    must_equal_number(examination, "line 1, v", 1, (uint64_t)jsondoc_int(root, "/v", -1));
    must_equal_member(examination, root, "/session", chain->session);
    must_equal_member(examination, root, "/journal", chain->journal);
    must_equal_number(examination, "line 1, n", n, (uint64_t)jsondoc_int(root, "/n", -1));
    if (index) {
        must_equal_member(examination, root, "/previous", index->previous);
        must_equal_member(examination, root, "/cluster", index->cluster);
    } else if (n == 0) {
        must_equal_member(examination, root, "/previous", HASH_NONE);
    } else if (n == chain->next_n && chain->previous[0]) {
        must_equal_member(examination, root, "/previous", chain->previous);
    }
    if (index && !examination->facts->is_recovered) { /* else another process signed it */
        must_equal_member(examination, root, "/gateway", index->gateway);
        must_equal_member(examination, root, "/boot", index->boot_id);
    }
}

/* A hole in `seq` is legal only where the first event after it is a gap that names exactly it. */
static void check_seq(struct examination *examination, const struct line *line, const char *place)
{
    uint64_t seq = (uint64_t)line->seq;
    bool is_gap = str_is(line->type, "gap");
    char expected[64];

    if (line->seq < 0) {
        tampered(examination, place, "an event with a seq", "none");
        return;
    }
    bool names_hole =
        is_gap && line->from >= 0 && line->to >= line->from && (uint64_t)line->to + 1 == seq;
    bool fits = !examination->knows_seq || seq == examination->next_seq
                    ? !is_gap || line->from < 0
                    : names_hole && (uint64_t)line->from == examination->next_seq;
    if (!examination->knows_seq && names_hole)
        fits = true; /* the segment before it is not there to compare with */
    if (!fits) {
        char found[96];

        snprintf(expected, sizeof expected, "seq %" PRIu64 ", or a gap from it",
                 examination->next_seq);
        snprintf(found, sizeof found, "%.*s with seq %" PRIu64 ", from %" PRId64 ", to %" PRId64,
                 (int)min_of(line->type.len, (size_t)24), line->type.data, seq, line->from,
                 line->to);
        tampered(examination, place, expected, found);
    }
    examination->knows_seq = true;
    examination->next_seq = seq + 1;
}

static void keep_text(char *to, size_t bytes, struct str text)
{
    snprintf(to, bytes, "%.*s", STR_ARG(text));
}

static bool is_journal_id(struct str id)
{
    for (size_t i = 0; i < id.len; i++)
        if (decode_hex_digit(id.data[i]) < 0)
            return false;
    return id.len == JOURNAL_ID_BYTES - 1;
}

static void keep_journals(struct segment_facts *facts, struct str named)
{
    while (named.data) {
        struct str id = str_split(&named, ' ');

        if (!is_journal_id(id))
            continue;
        buf_append_str(&facts->journals, id);
        buf_append_char(&facts->journals, ' ');
    }
}

static void count_event(struct examination *examination, const struct line *line)
{
    struct segment_facts *facts = examination->facts;

    index_count_event(&examination->seen, line->type, 1);
    if (str_is(line->type, "gap"))
        facts->gaps++;
    if (str_is(line->type, "degraded"))
        facts->degraded++;
    if (str_is(line->type, "session.end") && !facts->journals.len)
        keep_journals(facts, line->journals);
    if (str_is(line->type, "recovered") && !facts->crash_to[0]) {
        const char *before = facts->events ? examination->time_last : examination->chain->time_last;

        keep_text(facts->crash_from, sizeof facts->crash_from, str_from(before));
        keep_text(facts->crash_to, sizeof facts->crash_to, line->time);
    }
    if (!facts->events++)
        keep_text(examination->time_first, sizeof examination->time_first, line->time);
    keep_text(examination->time_last, sizeof examination->time_last, line->time);
}

/* False when the rest of the segment is not worth reading. */
static bool check_event(struct examination *examination, const struct reader_line *read)
{
    struct line line;
    struct error err = {0};
    char place[80];

    snprintf(place, sizeof place, "line %" PRIu64 ", plain byte %" PRIu64, read->number,
             read->plain_offset);
    if (line_parse(&line, str_first(read->text, read->text.len - 1), &err) < 0) {
        tampered(examination, place, "one JSON object", err.text);
        return false;
    }
    if (!line.type.data || !line.time.data || !str_is(line.session, examination->chain->session)) {
        tampered(examination, place, "an event of this session", "another line");
        return false;
    }
    check_seq(examination, &line, place);
    count_event(examination, &line);
    return examination->is_sound;
}

static uint64_t count_of_type(const struct index *index, const char *type)
{
    uint64_t count = 0;

    for (size_t i = 0; i < index->count_count; i++)
        if (strcmp(index->counts[i].type, type) == 0)
            count += index->counts[i].count;
    return count;
}

/* Of all types that `one` has, seen and index must have counted as many. */
static void compare_counts(struct examination *examination, const struct index *one)
{
    for (size_t i = 0; i < one->count_count && examination->is_sound; i++) {
        const char *type = one->counts[i].type;
        char place[64];

        snprintf(place, sizeof place, "index, counts, %s", type);
        must_equal_number(examination, place, count_of_type(&examination->seen, type),
                          count_of_type(examination->index, type));
    }
}

/* All lines were read: do the sums of the index hold? */
static void check_sums(struct examination *examination, uint64_t seq_first)
{
    const struct index *index = examination->index;

    must_equal_number(examination, "index, seq, first", seq_first, index->seq_first);
    must_equal_number(examination, "index, seq, last", examination->next_seq - 1, index->seq_last);
    must_equal(examination, "index, time, first", examination->time_first, index->time_first);
    must_equal(examination, "index, time, last", examination->time_last, index->time_last);
    compare_counts(examination, index);
    compare_counts(examination, &examination->seen);
}

static void check_lines(struct examination *examination, const struct source *source)
{
    scoped(reader_free) struct reader *reader = reader_open_index(source, examination->index);
    struct reader_line line;
    struct error err = {0};
    enum io status;
    uint64_t seq_first = 0;

    while ((status = reader_next(reader, &line, &err)) == IO_OK) {
        if (line.number == 1)
            check_segment_line(examination, line.text, examination->index->n);
        else if (!check_event(examination, &line))
            return;
        if (line.number == 2)
            seq_first = examination->next_seq - 1;
    }
    if (status == IO_FAILED) {
        tell_failure(examination, reader_mismatch(reader), &err);
        return;
    }
    if (examination->facts->events == 0) {
        tampered(examination, "data frames", "at least one event", "none");
        return;
    }
    check_sums(examination, seq_first);
    if (examination->is_sound) {
        examination->facts->was_read = true;
        examination->facts->seq_last = examination->next_seq - 1;
    }
}

static void keep_facts(struct segment_facts *facts, const struct tail *tail)
{
    const struct index *index = &tail->index;

    facts->has_index = true;
    facts->is_last = index->is_last;
    facts->is_recovered = index->is_recovered || strcmp(index->reason, "recovered") == 0;
    memcpy(facts->index_sha256, tail->line_sha256, sizeof facts->index_sha256);
    keep_text(facts->root_key, sizeof facts->root_key, str_from(index->root_key));
    keep_text(facts->gateway, sizeof facts->gateway, str_from(index->gateway));
}

void verify_segment(const struct chain *chain, const struct verify_object *object,
                    const struct source *source, const struct trust *trust,
                    const struct finder *finder, struct segment_facts *facts)
{
    scoped(examination_free) struct examination examination = {
        .chain = chain, .finder = finder, .facts = facts, .is_sound = true};
    scoped(sealed_free) struct sealed sealed = {0};
    struct mismatch what = {0};
    struct error err = {0};

    *facts = (struct segment_facts){0};
    if (sealed_read(&sealed, source, &what, &err) < 0) {
        tell_failure(&examination, &what, &err);
        return;
    }
    keep_facts(facts, &sealed.tail);
    examination.index = &sealed.tail.index;
    check_name(&examination, object);
    check_previous(&examination, object);
    check_signature(&examination, &sealed.tail);
    check_hash(&examination, &sealed, source);
    check_trust(&examination, trust);
    if (!examination.is_sound)
        return; /* nothing is decompressed that its gateway did not sign */
    examination.knows_seq = object->n == 0 || (object->n == chain->next_n && chain->knows_seq);
    examination.next_seq = object->n == 0 ? 0 : chain->next_seq;
    check_lines(&examination, source);
    if (facts->was_read)
        keep_text(facts->time_last, sizeof facts->time_last, str_from(examination.time_last));
}

bool verify_first_line(const struct chain *chain, uint32_t n, const struct source *source,
                       const struct finder *finder, char gateway[GATEWAY_NAME_BYTES])
{
    struct segment_facts facts = {0};
    struct examination examination = {
        .chain = chain, .finder = finder, .facts = &facts, .is_sound = true};
    struct reader_line line;
    struct error err = {0};
    scoped(reader_free) struct reader *reader = reader_open_part(source, n, &err);

    gateway[0] = '\0';
    if (!reader || reader_next(reader, &line, &err) != IO_OK)
        return false;
    check_segment_line(&examination, line.text, n);
    scoped(jsondoc_free) json_object *root =
        line.text.len <= SEGMENT_LINE_BYTES_MAX ? jsondoc_parse(line.text, &err) : NULL;
    const char *name = root ? jsondoc_string(root, "/gateway") : NULL;
    snprintf(gateway, GATEWAY_NAME_BYTES, "%s", name ? name : "");
    return true;
}
