#include "session/tally.h"

#include "base/encode.h"
#include "base/num.h"

void tally_begin(struct tally *tally)
{
    *tally = (struct tally){.all = sha256_new(), .frame = sha256_new()};
}

static void peek_hex(const struct sha256 *hash, char hex[SHA256_HEX_BYTES])
{
    unsigned char digest[SHA256_BYTES];

    sha256_peek(hash, digest);
    encode_hex(digest, sizeof digest, hex);
}

static void copy_time(char to[CLOCK_TEXT_BYTES], struct str time)
{
    size_t len = min_of(time.len, (size_t)CLOCK_TEXT_BYTES - 1);

    memcpy(to, time.data, len);
    to[len] = '\0';
}

static struct index_frame *frame_of(struct tally *tally)
{
    struct index *index = &tally->index;

    if (tally->is_in_frame)
        return &index->frames[index->frame_count - 1];
    struct index_frame *frame = index_add_frame(index);

    frame->offset = index->bytes;
    frame->plain_offset = index->plain_bytes;
    tally->is_in_frame = true;
    tally->frame_has_event = false;
    sha256_reset(tally->frame);
    return frame;
}

void tally_bytes(struct tally *tally, struct str compressed)
{
    struct index_frame *frame = frame_of(tally);

    sha256_add(tally->all, compressed.data, compressed.len);
    sha256_add(tally->frame, compressed.data, compressed.len);
    frame->bytes += compressed.len;
    tally->index.bytes += compressed.len;
}

static void add_event(struct tally *tally, struct index_frame *frame, const struct event_head *head)
{
    struct index *index = &tally->index;

    if (!tally->has_event) {
        index->seq_first = head->seq;
        copy_time(index->time_first, head->time);
    }
    if (!tally->frame_has_event)
        copy_time(frame->time_first, head->time);
    copy_time(index->time_last, head->time);
    copy_time(frame->time_last, head->time);
    index->seq_last = max_of(index->seq_last, head->seq);
    index_count_event(index, head->type, 1);
    tally->has_event = tally->frame_has_event = true;
}

void tally_line(struct tally *tally, struct str line, const struct event_head *head)
{
    struct index_frame *frame = frame_of(tally);

    frame->plain_bytes += line.len;
    frame->lines++;
    tally->index.plain_bytes += line.len;
    tally->index.lines++;
    if (head)
        add_event(tally, frame, head);
}

void tally_end_frame(struct tally *tally)
{
    struct index_frame *frame = frame_of(tally);

    if (!tally->frame_has_event) {
        copy_time(frame->time_first, str_from(tally->started));
        copy_time(frame->time_last, str_from(tally->started));
    }
    peek_hex(tally->frame, frame->sha256);
    tally->is_in_frame = false;
}

struct index *tally_index(struct tally *tally)
{
    peek_hex(tally->all, tally->index.sha256);
    return &tally->index;
}

void tally_free(struct tally *tally)
{
    index_free(&tally->index);
    sha256_free(&tally->all);
    sha256_free(&tally->frame);
    *tally = (struct tally){0};
}
