#include "session/escape.h"

#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/num.h"
#include "base/utf8.h"

#define STEP_BYTES ((size_t)4096) /* of input, for which room is made at once */
#define GROWTH_MAX 6              /* \u00xx for one byte */
#define BLOCK ((size_t)64)        /* of input, looked at as one: a bit each */
#define TEXT_RUN_MIN 512          /* text before the first bad byte that is worth its own event */

/* What a byte means in text: itself, or something that put_special() knows. */
enum byte_class {
    PLAIN,
    QUOTED, /* has a two-character escape, or \u00xx */
    LEAD,   /* C2, D8, E2: of controls perhaps */
};

static const unsigned char class_of[256] = {
    [0x00 ... 0x1F] = QUOTED,
    ['"'] = QUOTED,
    ['\\'] = QUOTED,
    [0x7F] = QUOTED,
    [0xC2] = LEAD,
    [0xD8] = LEAD,
    [0xE2] = LEAD,
};

static const char short_escape[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
    ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
};

#ifdef __SSE2__
static inline unsigned special_in_16(const unsigned char *at)
{
    static const char others[] = {'"', '\\', 0x7F, (char)0xC2, (char)0xD8, (char)0xE2};
    __m128i bytes = _mm_loadu_si128((const __m128i *)at);
    __m128i special = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);

    for (size_t i = 0; i < sizeof others; i++)
        special = _mm_or_si128(special, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(others[i])));
    return (unsigned)_mm_movemask_epi8(special);
}
#else
static inline unsigned special_in_16(const unsigned char *at)
{
    unsigned special = 0;

    for (unsigned i = 0; i < 16; i++)
        special |= (unsigned)(class_of[at[i]] != PLAIN) << i;
    return special;
}
#endif

/* Which of the bytes of a block are not PLAIN: bit i tells of at[i]. */
static inline uint64_t special_in(const unsigned char *at)
{
    return special_in_16(at) | (uint64_t)special_in_16(at + 16) << 16 |
           (uint64_t)special_in_16(at + 32) << 32 | (uint64_t)special_in_16(at + 48) << 48;
}

static char *put_unicode(char *out, unsigned code)
{
    static const char digits[] = "0123456789abcdef";

    *out++ = '\\';
    *out++ = 'u';
    for (int shift = 12; shift >= 0; shift -= 4)
        *out++ = digits[code >> shift & 15];
    return out;
}

static char *put_quoted(char *out, unsigned char byte)
{
    if (!short_escape[byte])
        return put_unicode(out, byte);
    *out++ = '\\';
    *out++ = short_escape[byte];
    return out;
}

/* man hoop-session: C1 controls, line and paragraph separator, and what Unicode calls
 * Bidi_Control. */
static bool must_escape(uint32_t code)
{
    return (code >= 0x80 && code <= 0x9F) || code == 0x061C || code == 0x200E || code == 0x200F ||
           (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

/* One character that begins with a LEAD byte; how many bytes it takes. */
static size_t put_character(char **out, const unsigned char *at, size_t left)
{
    uint32_t code = 0;
    size_t len = utf8_next(str_make(at, left), &code);

    if (len == 0) { /* the caller broke the promise */
        memcpy(*out, "\xEF\xBF\xBD", 3);
        *out += 3;
        return 1;
    }
    if (must_escape(code)) {
        *out = put_unicode(*out, code);
    } else {
        memcpy(*out, at, len);
        *out += len;
    }
    return len;
}

/* A byte that is not PLAIN, and what belongs to it; how many bytes it takes. */
static inline size_t put_special(char **out, const unsigned char *at, size_t left)
{
    if (class_of[*at] == LEAD)
        return put_character(out, at, left);
    *out = put_quoted(*out, *at);
    return 1;
}

/* At most BLOCK bytes; as many are read, and written, whatever `len` is: that needs no branch. */
static inline char *put_run(char *out, const unsigned char *at, size_t len)
{
    memcpy(out, at, 16);
    if (len > 16)
        memcpy(out + 16, at + 16, BLOCK - 16);
    return out + len;
}

/* A quote comes every few bytes of JSON, where no branch can be foretold: so the bytes that are not
 * PLAIN are found for a whole block first, and the runs between them copied. Reads two blocks. */
static size_t put_block(char **to, const unsigned char *at, size_t left)
{
    uint64_t special = special_in(at);
    size_t done = 0;
    char *out = *to;

    for (; special; special &= special - 1) {
        size_t next = (size_t)__builtin_ctzll(special);

        out = put_run(out, at + done, next - done);
        done = next + put_special(&out, at + next, left - next);
    }
    if (done < BLOCK) {
        out = put_run(out, at + done, BLOCK - done);
        done = BLOCK;
    }
    *to = out;
    return done;
}

/* Some STEP_BYTES of valid text; how many were taken. Room is there. */
static size_t put_text(char **to, const unsigned char *at, size_t left)
{
    size_t step = min_of(left, STEP_BYTES);
    size_t i = 0;
    char *out = *to;

    while (i < step)
        if (left - i >= 2 * BLOCK)
            i += put_block(&out, at + i, left - i);
        else if (class_of[at[i]] == PLAIN)
            *out++ = (char)at[i++];
        else
            i += put_special(&out, at + i, left - i);
    *to = out;
    return i;
}

static size_t put_latin1(char **to, const unsigned char *at, size_t left)
{
    size_t step = min_of(left, STEP_BYTES);
    char *out = *to;

    for (size_t i = 0; i < step; i++) {
        unsigned char byte = at[i];

        if (byte < 0x80 && class_of[byte] == PLAIN) {
            *out++ = (char)byte;
        } else if (byte < 0x80) {
            out = put_quoted(out, byte);
        } else if (byte < 0xA0) {
            out = put_unicode(out, byte);
        } else {
            *out++ = (char)(0xC0 | byte >> 6);
            *out++ = (char)(0x80 | (byte & 0x3F));
        }
    }
    *to = out;
    return step;
}

void escape_append(struct buf *out, struct str data, enum escape_kind kind)
{
    while (data.len) {
        /* A block may reach over the end of the step, and a character over that of the block. */
        size_t step = min_of(data.len, STEP_BYTES + BLOCK + 3);
        char *start = buf_reserve(out, step * GROWTH_MAX + BLOCK);
        char *end = start;

        if (!start)
            return;
        const unsigned char *at = (const unsigned char *)data.data;
        size_t taken =
            kind == ESCAPE_TEXT ? put_text(&end, at, data.len) : put_latin1(&end, at, data.len);

        out->len += (size_t)(end - start);
        data = str_skip(data, taken);
    }
}

/* A block of them. */
static bool is_ascii(const unsigned char *at)
{
    uint64_t words[BLOCK / 8], all = 0;

    memcpy(words, at, BLOCK);
    for (size_t i = 0; i < BLOCK / 8; i++)
        all |= words[i];
    return !(all & 0x8080808080808080);
}

/* How much of the start is valid UTF-8. */
static size_t valid_prefix(struct str data)
{
    const unsigned char *at = (const unsigned char *)data.data;
    size_t i = 0;

    for (;;) {
        uint64_t eight;

        while (i + BLOCK <= data.len && is_ascii(at + i))
            i += BLOCK;
        for (; i + sizeof eight <= data.len; i += sizeof eight) {
            memcpy(&eight, at + i, sizeof eight);
            if (eight & 0x8080808080808080)
                break;
        }
        while (i < data.len && at[i] < 0x80 && i % sizeof eight)
            i++;
        if (i == data.len)
            return i;
        if (at[i] < 0x80) {
            i++;
            continue;
        }
        uint32_t code;
        size_t len = utf8_next(str_skip(data, i), &code);

        if (len == 0)
            return i;
        i += len;
    }
}

size_t escape_run(struct str data, enum escape_kind *kind)
{
    size_t valid = valid_prefix(data);
    struct str rest = str_skip(data, valid);

    *kind = ESCAPE_TEXT;
    if (rest.len == 0 || valid >= TEXT_RUN_MIN || (valid && utf8_is_cut(rest)))
        return valid;
    *kind = ESCAPE_LATIN1;
    if (valid)
        return data.len;
    /* The end of a character whose start was in the piece before? */
    size_t tail = 0;

    while (tail < data.len && tail < 3 && ((unsigned char)data.data[tail] & 0xC0) == 0x80)
        tail++;
    if (tail && tail < data.len && valid_prefix(str_skip(data, tail)) > 0)
        return tail;
    return data.len;
}

#ifdef __SSE2__
static inline bool is_plain_16(const unsigned char *at)
{
    return !special_in_16(at) && !_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)at));
}
#else
static inline bool is_plain_16(const unsigned char *at)
{
    for (size_t i = 0; i < 16; i++)
        if (at[i] >= 0x80 || class_of[at[i]] != PLAIN)
            return false;
    return true;
}
#endif

/* How much of the start stands for itself. */
static size_t plain_prefix(struct str data)
{
    const unsigned char *at = (const unsigned char *)data.data;
    size_t i = 0;

    while (i + 16 <= data.len && is_plain_16(at + i))
        i += 16;
    while (i < data.len && at[i] < 0x80 && class_of[at[i]] == PLAIN)
        i++;
    return i;
}

void escape_append_lossy(struct buf *out, struct str data)
{
    size_t plain = plain_prefix(data); /* names and values: nearly always all of it */

    buf_append_str(out, str_first(data, plain));
    data = str_skip(data, plain);
    while (data.len) {
        size_t valid = valid_prefix(data);

        escape_append(out, str_first(data, valid), ESCAPE_TEXT);
        data = str_skip(data, valid);
        if (data.len == 0)
            return;
        buf_append_text(out, "\xEF\xBF\xBD");
        data = str_skip(data, 1);
    }
}
