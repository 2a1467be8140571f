#include "session/segment_name.h"

#include "base/num.h"

#define N_DIGITS_MIN 5
#define N_DIGITS_MAX 9

/* Crockford's base 32; the first character holds only three bits of 128. */
static bool is_ulid(struct str text)
{
    if (text.len != SEGMENT_NAME_SESSION || text.data[0] < '0' || text.data[0] > '7')
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!text.data[i] || !strchr("0123456789ABCDEFGHJKMNPQRSTVWXYZ", text.data[i]))
            return false;
    return true;
}

static bool is_journal(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!text.data[i] || !strchr("0123456789abcdef", text.data[i]))
            return false;
    return text.len == SEGMENT_NAME_JOURNAL;
}

/* %05u, and no other way to write the same number. */
static bool parse_n(struct str text, uint32_t *n)
{
    uint64_t value;

    if (text.len < N_DIGITS_MIN || text.len > N_DIGITS_MAX ||
        (text.len > N_DIGITS_MIN && text.data[0] == '0') ||
        !num_parse_u64(text, UINT32_MAX, &value))
        return false;
    *n = (uint32_t)value;
    return true;
}

static bool parse_suffix(struct str text, enum segment_suffix *suffix)
{
    static const struct str zst = {".jsonl.zst", 10};
    static const struct str conflict = {".conflict-", 10};

    if (str_equal(text, zst))
        *suffix = SEGMENT_NAME_SEALED;
    else if (str_is(text, ".jsonl.zst.part"))
        *suffix = SEGMENT_NAME_PART;
    else if (str_starts(text, zst) && str_ends(text, STR(".bad")))
        *suffix = SEGMENT_NAME_BAD;
    else if (str_starts(text, conflict) &&
             text.len == conflict.len + SEGMENT_NAME_SESSION + zst.len && str_ends(text, zst) &&
             is_ulid(str_first(str_skip(text, conflict.len), SEGMENT_NAME_SESSION)))
        *suffix = SEGMENT_NAME_CONFLICT;
    else
        return false;
    return true;
}

bool segment_name_parse(struct segment_name *name, struct str text)
{
    ptrdiff_t dot = str_index(text, '.');
    struct segment_name parsed = {0};
    const size_t journal_at = SEGMENT_NAME_SESSION + 1;
    const size_t n_at = journal_at + SEGMENT_NAME_JOURNAL + 1;

    if (dot < (ptrdiff_t)n_at || text.data[journal_at - 1] != '-' || text.data[n_at - 1] != '-')
        return false;
    struct str session = str_first(text, SEGMENT_NAME_SESSION);
    struct str journal = str_first(str_skip(text, journal_at), SEGMENT_NAME_JOURNAL);
    struct str n = str_skip(str_first(text, (size_t)dot), n_at);
    if (!is_ulid(session) || !is_journal(journal) || !parse_n(n, &parsed.n) ||
        !parse_suffix(str_skip(text, (size_t)dot), &parsed.suffix))
        return false;
    memcpy(parsed.session, session.data, session.len);
    memcpy(parsed.journal, journal.data, journal.len);
    *name = parsed;
    return true;
}
