#include "session/segment.h"

#include <stdlib.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/jsondoc.h"
#include "base/scoped.h"

#define OUT_BYTES_MAX ((size_t)512 << 20) /* more than a segment can come to */
#define SEGMENT_LINE_START "{\"type\":\"segment\",\"v\":"

struct segment {
    ZSTD_CCtx *zstd; /* owned */
    struct tally tally;
    struct buf out;
};

/* zstd fails here only when memory ends, or by a mistake of ours. */
static size_t must(size_t result)
{
    if (ZSTD_isError(result))
        abort();
    return result;
}

static struct segment *make(void)
{
    struct segment *segment = xcalloc(1, sizeof *segment);

    segment->zstd = ZSTD_createCCtx();
    segment->out.limit = OUT_BYTES_MAX;
    if (!segment->zstd)
        abort();
    must(ZSTD_CCtx_setParameter(segment->zstd, ZSTD_c_compressionLevel, SEGMENT_LEVEL));
    must(ZSTD_CCtx_setParameter(segment->zstd, ZSTD_c_windowLog, SEGMENT_WINDOW_LOG));
    must(ZSTD_CCtx_setParameter(segment->zstd, ZSTD_c_hashLog, SEGMENT_HASH_LOG));
    must(ZSTD_CCtx_setParameter(segment->zstd, ZSTD_c_checksumFlag, 0));
    must(ZSTD_CCtx_setParameter(segment->zstd, ZSTD_c_contentSizeFlag, 0));
    return segment;
}

static void compress(struct segment *segment, struct str plain, ZSTD_EndDirective how)
{
    ZSTD_inBuffer in = {.src = plain.data, .size = plain.len};
    size_t left;

    do {
        size_t step = ZSTD_CStreamOutSize();
        char *room = buf_reserve(&segment->out, step);

        if (!room)
            abort(); /* OUT_BYTES_MAX is out of reach */
        ZSTD_outBuffer out = {.dst = room, .size = step};

        left = must(ZSTD_compressStream2(segment->zstd, &out, &in, how));
        if (out.pos)
            tally_bytes(&segment->tally, str_make(room, out.pos));
        segment->out.len += out.pos;
    } while (how == ZSTD_e_continue ? in.pos < in.size : left != 0);
}

static void add_first_line(struct segment *segment, const struct segment_names *names,
                           struct instant now)
{
    scoped(buf_free) struct buf line = {0};
    struct tally *tally = &segment->tally;

    clock_format_us(now.unix_us, tally->started);
    buf_append_text(&line, SEGMENT_LINE_START "1");
    event_text(&line, "session", names->session);
    event_text(&line, "journal", names->journal);
    event_uint(&line, "n", names->n);
    event_text(&line, "previous", names->previous);
    event_text(&line, "cluster", names->cluster);
    event_text(&line, "gateway", names->gateway);
    event_text(&line, "boot", names->boot);
    event_text(&line, "time", tally->started);
    event_end(&line);
    segment_add(segment, buf_str(&line), NULL);
}

struct segment *segment_new(const struct segment_names *names, struct instant now)
{
    struct segment *segment = make();
    struct index *index = &segment->tally.index;

    tally_begin(&segment->tally);
    snprintf(index->session, sizeof index->session, "%s", names->session);
    snprintf(index->journal, sizeof index->journal, "%s", names->journal);
    snprintf(index->previous, sizeof index->previous, "%s", names->previous);
    snprintf(index->cluster, sizeof index->cluster, "%s", names->cluster);
    index->n = names->n;
    add_first_line(segment, names, now);
    return segment;
}

struct segment *segment_new_after_adopt(struct tally *tally)
{
    struct segment *segment = make();

    segment->tally = *tally;
    *tally = (struct tally){0};
    return segment;
}

void segment_add(struct segment *segment, struct str line, const struct event_head *head)
{
    tally_line(&segment->tally, line, head);
    compress(segment, line, ZSTD_e_continue);
}

void segment_flush(struct segment *segment)
{
    if (segment->tally.is_in_frame)
        compress(segment, STR(""), ZSTD_e_flush);
}

void segment_end_frame(struct segment *segment)
{
    if (!segment->tally.is_in_frame)
        return;
    compress(segment, STR(""), ZSTD_e_end);
    tally_end_frame(&segment->tally);
}

struct buf *segment_out(struct segment *segment)
{
    return &segment->out;
}

uint64_t segment_bytes(const struct segment *segment)
{
    return segment->tally.index.bytes;
}

uint64_t segment_plain_bytes(const struct segment *segment)
{
    return segment->tally.index.plain_bytes;
}

uint64_t segment_frame_plain_bytes(const struct segment *segment)
{
    const struct index *index = &segment->tally.index;

    return segment->tally.is_in_frame ? index->frames[index->frame_count - 1].plain_bytes : 0;
}

bool segment_has_event(const struct segment *segment)
{
    return segment->tally.has_event;
}

int segment_seal(struct segment *segment, const struct boot *boot, const char *reason, bool is_last,
                 char line_sha256[SHA256_HEX_BYTES], struct error *err)
{
    segment_end_frame(segment);
    struct index *index = tally_index(&segment->tally);

    index->is_last = is_last;
    snprintf(index->reason, sizeof index->reason, "%s", reason);
    index->is_recovered = str_is(str_from(reason), "recovered");
    return index_write_tail(&segment->out, index, boot, line_sha256, err);
}

void segment_free(struct segment **segment)
{
    if (!*segment)
        return;
    ZSTD_freeCCtx((*segment)->zstd);
    tally_free(&(*segment)->tally);
    buf_free(&(*segment)->out);
    free(*segment);
    *segment = NULL;
}

/* False when it is absent, no string, or does not fit. */
static bool read_text(json_object *root, const char *path, char *text, size_t size)
{
    const char *value = jsondoc_string(root, path);

    if (!value || strlen(value) >= size)
        return false;
    memcpy(text, value, strlen(value) + 1);
    return true;
}

int segment_line_parse(struct index *index, char time[CLOCK_TEXT_BYTES], struct str line,
                       struct error *err)
{
    struct str start = STR(SEGMENT_LINE_START);
    int64_t unix_us;

    if (!str_starts(line, start))
        return error_set(err, ERROR_PROTOCOL, "its first line is no segment line");
    if (!str_starts(str_skip(line, start.len), STR("1,")))
        return error_set(err, ERROR_UNVERIFIABLE, "it is of a version that is not known here");
    scoped(jsondoc_free) json_object *root = jsondoc_parse(line, err);

    if (!root)
        return error_wrap(err, "segment line");
    int64_t n = jsondoc_int(root, "/n", -1);

    if (n < 0 || n > UINT32_MAX ||
        !read_text(root, "/session", index->session, sizeof index->session) ||
        !read_text(root, "/journal", index->journal, sizeof index->journal) ||
        !read_text(root, "/cluster", index->cluster, sizeof index->cluster) ||
        !read_text(root, "/gateway", index->gateway, sizeof index->gateway) ||
        !read_text(root, "/previous", index->previous, sizeof index->previous) ||
        !read_text(root, "/time", time, CLOCK_TEXT_BYTES) || !clock_parse(str_from(time), &unix_us))
        return error_set(err, ERROR_PROTOCOL, "its segment line lacks a field");
    index->n = (uint32_t)n;
    return 0;
}
