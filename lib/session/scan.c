#include "session/scan.h"

#include <zstd.h>

#include "base/num.h"
#include "base/scoped.h"
#include "session/segment.h"

#define BLOCK_BYTES_MAX ((size_t)128 << 10) /* RFC 8878 3.1.1.2.4 */
#define BLOCK_HEADER_BYTES 3
#define FRAME_HEADER_BYTES 6
#define WINDOW_DESCRIPTOR_MAX ((SEGMENT_WINDOW_LOG - 10) << 3) /* 3.1.1.1.2: mantissa 0 */
#define READ_BYTES ((size_t)256 << 10)                         /* more than the largest block */

enum block_type { BLOCK_RAW, BLOCK_RLE, BLOCK_COMPRESSED, BLOCK_RESERVED };

/* What each frame of ours begins with: magic number, then a descriptor without content size,
 * checksum and dictionary. */
static const char frame_start[5] = {0x28, (char)0xB5, 0x2F, (char)0xFD, 0};

struct walker {
    const struct source *source;
    uint64_t limit;
    uint64_t offset; /* of what comes next */
    ZSTD_DCtx *zstd; /* owned */
    char *read;      /* owned, READ_BYTES: what stands in the file at read_offset */
    uint64_t read_offset;
    size_t read_len;
    char *plain; /* owned, BLOCK_BYTES_MAX */
    uint64_t plain_bytes;
    bool is_in_frame;
};

/* One block, with the frame's header when it is the first. */
struct step {
    struct str raw;
    struct str plain;
    bool ends_frame;
};

static void walker_free(struct walker *walker)
{
    ZSTD_freeDCtx(walker->zstd);
    free(walker->read);
    free(walker->plain);
}

static struct walker walker_make(const struct source *source, uint64_t limit)
{
    struct walker walker = {.source = source, .limit = limit, .zstd = ZSTD_createDCtx()};

    walker.read = malloc(READ_BYTES);
    walker.plain = malloc(BLOCK_BYTES_MAX);
    if (!walker.zstd || !walker.read || !walker.plain ||
        ZSTD_isError(ZSTD_DCtx_setParameter(walker.zstd, ZSTD_d_windowLogMax, SEGMENT_WINDOW_LOG)))
        abort();
    return walker;
}

/* Makes `len` bytes at `ahead` from the offset readable: IO_EOF when they are not there. */
static enum io look(struct walker *walker, size_t ahead, size_t len, const char **at,
                    struct error *err)
{
    uint64_t from = walker->offset + ahead;

    if (len > walker->limit || from > walker->limit - len)
        return IO_EOF;
    if (from < walker->read_offset || from + len > walker->read_offset + walker->read_len) {
        /* From the offset on, so that the whole step lies in the buffer. */
        size_t count = (size_t)min_of((uint64_t)READ_BYTES, walker->limit - walker->offset);

        walker->read_len = 0;
        if (source_read(walker->source, walker->offset, walker->read, count, err) < 0)
            return IO_FAILED;
        walker->read_offset = walker->offset;
        walker->read_len = count;
    }
    *at = walker->read + (from - walker->read_offset);
    return IO_OK;
}

static enum io read_frame_header(struct walker *walker, size_t *len, struct error *err)
{
    const char *at;

    *len = 0;
    if (walker->is_in_frame)
        return IO_OK;
    enum io status = look(walker, 0, FRAME_HEADER_BYTES, &at, err);

    if (status != IO_OK)
        return status;
    if (memcmp(at, frame_start, sizeof frame_start) != 0 ||
        (unsigned char)at[5] > WINDOW_DESCRIPTOR_MAX)
        return IO_EOF;
    *len = FRAME_HEADER_BYTES;
    return IO_OK;
}

static bool decompress(struct walker *walker, struct step *step)
{
    ZSTD_inBuffer in = {.src = step->raw.data, .size = step->raw.len};
    ZSTD_outBuffer out = {.dst = walker->plain, .size = BLOCK_BYTES_MAX};
    size_t left = 1;

    if (!walker->is_in_frame)
        ZSTD_DCtx_reset(walker->zstd, ZSTD_reset_session_only);
    for (;;) {
        size_t before = in.pos + out.pos;

        left = ZSTD_decompressStream(walker->zstd, &out, &in);
        if (ZSTD_isError(left))
            return false;
        if (left == 0 || in.pos + out.pos == before)
            break;
    }
    step->plain = str_make(walker->plain, out.pos);
    return in.pos == in.size && (left == 0) == step->ends_frame;
}

/* IO_EOF: what follows is not there in full, or is no block that we may read. */
static enum io walker_next(struct walker *walker, struct step *step, struct error *err)
{
    size_t start;
    const char *at;
    enum io status = read_frame_header(walker, &start, err);

    if (status == IO_OK)
        status = look(walker, start, BLOCK_HEADER_BYTES, &at, err);
    if (status != IO_OK)
        return status;
    unsigned header = (unsigned char)at[0] | (unsigned)(unsigned char)at[1] << 8 |
                      (unsigned)(unsigned char)at[2] << 16;
    enum block_type type = header >> 1 & 3;
    size_t size = header >> 3;

    /* zstd writes an empty block only to end a frame; zeros are what a failed power leaves. */
    if (type == BLOCK_RESERVED || size > BLOCK_BYTES_MAX || header == 0)
        return IO_EOF;
    size_t len = start + BLOCK_HEADER_BYTES + (type == BLOCK_RLE ? 1 : size);

    status = look(walker, 0, len, &at, err);
    if (status != IO_OK)
        return status;
    *step = (struct step){.raw = str_make(at, len), .ends_frame = header & 1};
    if (!decompress(walker, step) ||
        step->plain.len > SEGMENT_PLAIN_BYTES_MAX - walker->plain_bytes)
        return IO_EOF;
    walker->plain_bytes += step->plain.len;
    walker->is_in_frame = !step->ends_frame;
    walker->offset += len;
    return IO_OK;
}

/* Length of the line that is open after `plain`, when it was `before`; too long: the limit + 1. */
static size_t open_line(size_t before, struct str plain)
{
    size_t longest = before;
    size_t len = before;

    while (plain.len) {
        ptrdiff_t lf = str_index(plain, '\n');
        size_t part = lf < 0 ? plain.len : (size_t)lf + 1;

        len += part;
        longest = max_of(longest, len);
        if (lf >= 0)
            len = 0;
        plain = str_skip(plain, part);
    }
    return longest > EVENT_LINE_BYTES_MAX ? EVENT_LINE_BYTES_MAX + 1 : len;
}

int scan_find_cut(const struct source *source, uint64_t limit, uint64_t *cut, struct error *err)
{
    scoped(walker_free) struct walker walker = walker_make(source, limit);
    struct step step;
    enum io status;
    size_t open = 0;
    uint64_t found = 0;

    while ((status = walker_next(&walker, &step, err)) == IO_OK) {
        open = open_line(open, step.plain);
        if (open > EVENT_LINE_BYTES_MAX || (step.ends_frame && open > 0))
            break; /* a frame of ours ends with a line */
        if (open == 0 && walker.plain_bytes > 0)
            found = walker.offset;
    }
    if (status == IO_FAILED)
        return -1;
    *cut = found;
    return 0;
}

static void note_exchange(struct scan *scan, const struct event_head *head)
{
    if (head->exchange == EVENT_NO_EXCHANGE)
        return;
    uint64_t exchange = (uint64_t)head->exchange;
    bool is_over = str_is(head->type, "complete");
    size_t i = scan->open_count;

    while (i > 0 && scan->open[i - 1] != exchange)
        i--;
    if (i > 0 && is_over)
        memmove(&scan->open[i - 1], &scan->open[i],
                (--scan->open_count - (i - 1)) * sizeof scan->open[0]);
    if (i > 0 || is_over)
        return;
    if (scan->open_count == SCAN_OPEN_MAX)
        scan->open_omitted++;
    else
        scan->open[scan->open_count++] = exchange;
}

static int take_line(struct scan *scan, struct str line, struct error *err)
{
    struct index *index = &scan->tally.index;
    struct event_head head;

    if (index->lines == 0) {
        if (segment_line_parse(index, scan->tally.started, line, err) < 0)
            return -1;
        memcpy(scan->first_gateway, index->gateway, sizeof scan->first_gateway);
        tally_line(&scan->tally, line, NULL);
        return 0;
    }
    bool is_event = event_parse_head(&head, line);

    tally_line(&scan->tally, line, is_event ? &head : NULL);
    if (is_event)
        note_exchange(scan, &head);
    return 0;
}

/* Lines of a block; what is left of the last one waits in `line`. */
static int take_plain(struct scan *scan, struct buf *line, struct str plain, struct error *err)
{
    while (plain.len) {
        ptrdiff_t lf = str_index(plain, '\n');
        struct str part = str_first(plain, lf < 0 ? plain.len : (size_t)lf + 1);

        plain = str_skip(plain, part.len);
        if (lf >= 0 && line->len == 0) {
            if (take_line(scan, part, err) < 0)
                return -1;
            continue;
        }
        buf_append_str(line, part);
        if (line->overflow)
            return error_set(err, ERROR_PROTOCOL, "a line of over 1 MiB");
        if (lf >= 0) {
            if (take_line(scan, buf_str(line), err) < 0)
                return -1;
            buf_clear(line);
        }
    }
    return 0;
}

int scan_tally(const struct source *source, uint64_t bytes, struct scan *scan, struct error *err)
{
    scoped(walker_free) struct walker walker = walker_make(source, bytes);
    scoped(buf_free) struct buf line = {.limit = EVENT_LINE_BYTES_MAX};
    scoped(scan_free) struct scan found = {0};
    struct step step;
    enum io status;

    tally_begin(&found.tally);
    while ((status = walker_next(&walker, &step, err)) == IO_OK) {
        if (!found.tally.is_in_frame && found.tally.index.frame_count == SCAN_FRAMES_MAX)
            return error_set(err, ERROR_PROTOCOL, "over %d frames", SCAN_FRAMES_MAX);
        tally_bytes(&found.tally, step.raw);
        if (take_plain(&found, &line, step.plain, err) < 0)
            return -1;
        if (step.ends_frame)
            tally_end_frame(&found.tally);
    }
    if (status == IO_FAILED)
        return -1;
    if (walker.offset != bytes || line.len > 0 || found.tally.index.lines == 0)
        return error_set(err, ERROR_PROTOCOL, "no line and block ends at byte %llu",
                         (unsigned long long)bytes);
    *scan = found;
    found = (struct scan){0};
    return 0;
}

void scan_close_frame(struct scan *scan, struct buf *out)
{
    struct str empty_last_block = str_make("\x01\0\0", BLOCK_HEADER_BYTES);

    if (!scan->tally.is_in_frame)
        return;
    buf_append_str(out, empty_last_block);
    tally_bytes(&scan->tally, empty_last_block);
    tally_end_frame(&scan->tally);
}

void scan_free(struct scan *scan)
{
    tally_free(&scan->tally);
    *scan = (struct scan){0};
}
