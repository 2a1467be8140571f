#include "session/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/scoped.h"
#include "session/reader_sealed.h"

#define IN_BYTES ((size_t)64 << 10)
#define PLAIN_BYTES (READER_LINE_BYTES_MAX + ((size_t)256 << 10))

/* RFC 8878 section 3.1.1. A skippable frame has another one, and no place here. */
static const unsigned char frame_magic[] = {0x28, 0xB5, 0x2F, 0xFD};

struct reader {
    const struct source *source;
    uint32_t n;
    const struct index *index; /* NULL: a .part */
    struct sealed sealed;      /* where reader_open_sealed() read it */
    struct mismatch mismatch;
    struct error failure; /* sticks */
    bool has_ended;
    bool was_cut;

    uint64_t end;    /* of the data frames */
    uint64_t offset; /* of the next byte to read from the source */
    unsigned char *in;
    size_t in_at, in_len;

    ZSTD_DCtx *zstd;
    struct sha256 *whole; /* of all data bytes, and of those of this frame */
    struct sha256 *part;
    size_t frame;          /* which one */
    uint64_t frame_offset; /* where it began, in the data and in the plain text */
    uint64_t frame_plain;
    uint64_t frame_lines;
    bool in_frame;
    bool holds_more; /* the decoder had more text than there was room for */

    char *plain; /* [begin, scanned) holds no LF; [scanned, plain_end) is new */
    size_t begin, scanned, plain_end;
    uint64_t plain_total; /* decompressed so far */
    uint64_t plain_given; /* of it, given out as lines */
    uint64_t lines_given;
    char last_byte;
};

static struct reader *reader_new(const struct source *source, uint32_t n, uint64_t end)
{
    struct reader *reader = xcalloc(1, sizeof *reader);

    reader->source = source;
    reader->n = n;
    reader->end = end;
    reader->in = xcalloc(1, IN_BYTES);
    reader->plain = xcalloc(1, PLAIN_BYTES);
    reader->zstd = ZSTD_createDCtx();
    if (!reader->zstd)
        abort(); /* as all allocation here */
    ZSTD_DCtx_setParameter(reader->zstd, ZSTD_d_windowLogMax, READER_WINDOW_LOG_MAX);
    reader->whole = sha256_new();
    reader->part = sha256_new();
    return reader;
}

struct reader *reader_open_index(const struct source *source, const struct index *index)
{
    struct reader *reader = reader_new(source, index->n, index->bytes);

    reader->index = index;
    return reader;
}

struct reader *reader_open_part(const struct source *source, uint32_t n, struct error *err)
{
    return reader_new(source, n, source->bytes);
}

struct reader *reader_open_sealed(const struct source *source, uint32_t n, struct error *err)
{
    struct mismatch mismatch = {0};
    struct sealed sealed = {0};

    if (sealed_read(&sealed, source, &mismatch, err) < 0)
        return NULL;
    if (sealed_check_hash(&sealed, source, &mismatch, err) < 0) {
        sealed_free(&sealed);
        return NULL;
    }
    struct reader *reader = reader_new(source, n, sealed.tail.index.bytes);
    reader->sealed = sealed;
    reader->index = &reader->sealed.tail.index;
    return reader;
}

void reader_free(struct reader **reader)
{
    if (!*reader)
        return;
    sealed_free(&(*reader)->sealed);
    ZSTD_freeDCtx((*reader)->zstd);
    sha256_free(&(*reader)->whole);
    sha256_free(&(*reader)->part);
    free((*reader)->in);
    free((*reader)->plain);
    free(*reader);
    *reader = NULL;
}

bool reader_was_cut(const struct reader *reader)
{
    return reader->was_cut;
}

const struct mismatch *reader_mismatch(const struct reader *reader)
{
    return &reader->mismatch;
}

/* Ends with a finding at the frame that is being read. */
static enum io fail_frame(struct reader *reader, const char *expected, const char *found)
{
    char place[64];

    snprintf(place, sizeof place, "frame %zu at byte %" PRIu64, reader->frame,
             reader->frame_offset);
    mismatch_set(&reader->mismatch, place, expected, "%s", found);
    ignore(mismatch_error(&reader->mismatch, &reader->failure));
    return IO_FAILED;
}

static enum io fail_number(struct reader *reader, const char *what, uint64_t expected,
                           uint64_t found)
{
    char expected_text[64], found_text[64];

    snprintf(expected_text, sizeof expected_text, "%" PRIu64 " %s", expected, what);
    snprintf(found_text, sizeof found_text, "%" PRIu64, found);
    return fail_frame(reader, expected_text, found_text);
}

/* A .part just ends where it no longer makes sense: a crash may cut anywhere. */
static enum io end_part(struct reader *reader)
{
    reader->was_cut = true;
    reader->has_ended = true;
    return IO_EOF;
}

static enum io broken(struct reader *reader, const char *expected, const char *found)
{
    return reader->index ? fail_frame(reader, expected, found) : end_part(reader);
}

/* How many bytes may be taken at once: of a sealed segment none that belong to the next frame. */
static uint64_t bytes_left(const struct reader *reader)
{
    if (!reader->index)
        return reader->end - reader->offset;
    if (reader->frame >= reader->index->frame_count)
        return 0;
    const struct index_frame *frame = &reader->index->frames[reader->frame];
    return frame->offset + frame->bytes - reader->offset;
}

static enum io fill_in(struct reader *reader)
{
    size_t len = (size_t)min_of(bytes_left(reader), (uint64_t)IN_BYTES);

    if (len == 0)
        return IO_EOF;
    if (source_read(reader->source, reader->offset, reader->in, len, &reader->failure) < 0)
        return IO_FAILED;
    reader->in_at = 0;
    reader->in_len = len;
    reader->offset += len;
    return IO_OK;
}

/* A new frame: its first bytes must be in `in`, and be those of one. */
static enum io begin_frame(struct reader *reader)
{
    reader->frame_offset = reader->offset - (reader->in_len - reader->in_at);
    reader->frame_plain = reader->plain_total;
    reader->frame_lines = 0;
    size_t left = reader->in_len - reader->in_at;
    if (left < sizeof frame_magic && reader->offset < reader->end && !reader->index) {
        memmove(reader->in, reader->in + reader->in_at, left);
        size_t more = (size_t)min_of(reader->end - reader->offset, (uint64_t)IN_BYTES - left);
        if (source_read(reader->source, reader->offset, reader->in + left, more, &reader->failure) <
            0)
            return IO_FAILED;
        reader->offset += more;
        reader->in_at = 0;
        reader->in_len = left = left + more;
    }
    if (left < sizeof frame_magic ||
        memcmp(reader->in + reader->in_at, frame_magic, sizeof frame_magic) != 0)
        return broken(reader, "a zstd frame", "other bytes");
    ZSTD_DCtx_reset(reader->zstd, ZSTD_reset_session_only);
    sha256_reset(reader->part);
    reader->in_frame = true;
    return IO_OK;
}

static enum io check_frame_hash(struct reader *reader, const struct index_frame *frame)
{
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    sha256_peek(reader->part, digest);
    encode_hex(digest, sizeof digest, hex);
    return strcmp(hex, frame->sha256) == 0 ? IO_OK : fail_frame(reader, frame->sha256, hex);
}

/* The frame is whole: is it what the index says? Lines never cross from one into the next. */
static enum io end_frame(struct reader *reader)
{
    reader->in_frame = false;
    reader->holds_more = false;
    if (reader->index) {
        const struct index_frame *frame = &reader->index->frames[reader->frame];
        uint64_t bytes = reader->offset - (reader->in_len - reader->in_at) - reader->frame_offset;
        uint64_t plain = reader->plain_total - reader->frame_plain;

        if (bytes != frame->bytes)
            return fail_number(reader, "bytes", frame->bytes, bytes);
        if (plain != frame->plain_bytes)
            return fail_number(reader, "plain bytes", frame->plain_bytes, plain);
        if (reader->last_byte != '\n' && plain > 0)
            return fail_frame(reader, "a LF at its end", "none");
        if (reader->frame_lines != frame->lines)
            return fail_number(reader, "lines", frame->lines, reader->frame_lines);
        if (check_frame_hash(reader, frame) != IO_OK)
            return IO_FAILED;
    }
    reader->frame++;
    return IO_OK;
}

/* All frames are read: the same bytes as when their hash was checked? */
static enum io end_data(struct reader *reader)
{
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    reader->has_ended = true;
    sha256_peek(reader->whole, digest);
    encode_hex(digest, sizeof digest, hex);
    if (strcmp(hex, reader->index->sha256) == 0)
        return IO_EOF;
    mismatch_set(&reader->mismatch, "data frames", reader->index->sha256, "%s", hex);
    ignore(mismatch_error(&reader->mismatch, &reader->failure));
    return IO_FAILED;
}

static void count_plain(struct reader *reader, const char *data, size_t len)
{
    reader->plain_total += len;
    if (len > 0)
        reader->last_byte = data[len - 1];
    for (const char *at = data; (at = memchr(at, '\n', (size_t)(data + len - at))) != NULL; at++)
        reader->frame_lines++;
}

/* Makes room behind the line that is being put together. */
static size_t make_room(struct reader *reader)
{
    if (PLAIN_BYTES - reader->plain_end < PLAIN_BYTES / 8 && reader->begin > 0) {
        memmove(reader->plain, reader->plain + reader->begin, reader->plain_end - reader->begin);
        reader->plain_end -= reader->begin;
        reader->scanned -= reader->begin;
        reader->begin = 0;
    }
    return PLAIN_BYTES - reader->plain_end;
}

/* One step of the decoder, with input there and room for output. */
static enum io inflate_some(struct reader *reader)
{
    ZSTD_inBuffer in = {reader->in, reader->in_len, reader->in_at};
    ZSTD_outBuffer out = {reader->plain, PLAIN_BYTES, reader->plain_end};
    size_t status = ZSTD_decompressStream(reader->zstd, &out, &in);

    sha256_add(reader->whole, reader->in + reader->in_at, in.pos - reader->in_at);
    sha256_add(reader->part, reader->in + reader->in_at, in.pos - reader->in_at);
    reader->in_at = in.pos;
    count_plain(reader, reader->plain + reader->plain_end, out.pos - reader->plain_end);
    reader->plain_end = out.pos;
    reader->holds_more = out.pos == out.size;
    if (ZSTD_isError(status))
        return broken(reader, "a zstd frame within the limits", ZSTD_getErrorName(status));
    if (reader->plain_total > READER_PLAIN_BYTES_MAX)
        return broken(reader, "at most 256 MiB of plain text", "more");
    if (reader->index && reader->plain_total - reader->frame_plain >
                             reader->index->frames[reader->frame].plain_bytes)
        return fail_number(reader, "plain bytes", reader->index->frames[reader->frame].plain_bytes,
                           reader->plain_total - reader->frame_plain);
    return status == 0 ? end_frame(reader) : IO_OK;
}

static enum io end_of_input(struct reader *reader)
{
    if (reader->in_frame)
        return broken(reader, "the end of a zstd frame", "none within its bytes");
    if (reader->index)
        return end_data(reader);
    reader->has_ended = true;
    return IO_EOF;
}

/* More plain text, or the end. */
static enum io read_more(struct reader *reader)
{
    if (reader->in_at == reader->in_len && !reader->holds_more) {
        enum io status = fill_in(reader);

        if (status != IO_OK)
            return status == IO_EOF ? end_of_input(reader) : status;
    }
    if (!reader->in_frame) {
        enum io status = begin_frame(reader);

        if (status != IO_OK)
            return status;
    }
    ignore(make_room(reader));
    return inflate_some(reader);
}

/* The tail of a .part that was about to be renamed. */
static bool is_index_line(const struct reader *reader, struct str text)
{
    return !reader->index && str_starts(text, STR("{\"type\":\"index\","));
}

/* Cuts the next line off, when it is whole. */
static bool next_line(struct reader *reader, struct reader_line *line)
{
    const char *from = reader->plain + reader->scanned;
    const char *lf = memchr(from, '\n', reader->plain_end - reader->scanned);

    if (!lf) {
        reader->scanned = reader->plain_end;
        return false;
    }
    size_t len = (size_t)(lf + 1 - (reader->plain + reader->begin));
    *line = (struct reader_line){
        .text = str_make(reader->plain + reader->begin, len),
        .segment = reader->n,
        .number = reader->lines_given + 1,
        .plain_offset = reader->plain_given,
    };
    reader->begin += len;
    reader->scanned = reader->begin;
    reader->plain_given += len;
    reader->lines_given++;
    return true;
}

static enum io line_too_long(struct reader *reader)
{
    char place[32];

    if (!reader->index)
        return end_part(reader);
    snprintf(place, sizeof place, "line %" PRIu64, reader->lines_given + 1);
    mismatch_set(&reader->mismatch, place, "at most 1 MiB", "more");
    ignore(mismatch_error(&reader->mismatch, &reader->failure));
    return IO_FAILED;
}

static enum io read_line(struct reader *reader, struct reader_line *line)
{
    for (;;) {
        if (next_line(reader, line)) {
            if (line->text.len > READER_LINE_BYTES_MAX)
                return line_too_long(reader);
            if (!is_index_line(reader, line->text))
                return IO_OK;
            reader->has_ended = true;
            return IO_EOF;
        }
        if (reader->plain_end - reader->begin >= READER_LINE_BYTES_MAX)
            return line_too_long(reader);
        if (reader->has_ended) {
            reader->was_cut |= reader->plain_end > reader->begin;
            return IO_EOF;
        }
        enum io status = read_more(reader);
        if (status == IO_FAILED)
            return status;
    }
}

enum io reader_next(struct reader *reader, struct reader_line *line, struct error *err)
{
    enum io status = reader->failure.kind ? IO_FAILED : read_line(reader, line);

    if (status == IO_FAILED)
        *err = reader->failure;
    return status;
}
