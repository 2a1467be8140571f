#include "forge.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "base/encode.h"
#include "base/scoped.h"
#include "session/event.h"

#define BIG ((size_t)64 << 20)

static struct event_stamp stamp_of(struct forge *forge, uint64_t seq)
{
    forge->clock_us += 1500;
    return (struct event_stamp){
        .session = forge->index.session,
        .seq = seq,
        .at = {.unix_us = FORGE_UNIX_US + forge->clock_us, .mono_us = forge->clock_us},
        .exchange = EVENT_NO_EXCHANGE,
    };
}

void forge_begin(struct forge *forge, const struct boot *boot, const char *session,
                 const char *journal, uint32_t n, const char *previous)
{
    scoped(buf_free) struct buf line = {0};
    char time[CLOCK_TEXT_BYTES];

    *forge = (struct forge){.data.limit = BIG, .plain.limit = BIG, .clock_us = n * 60000000LL};
    struct index *index = &forge->index;
    snprintf(index->session, sizeof index->session, "%s", session);
    snprintf(index->journal, sizeof index->journal, "%s", journal);
    snprintf(index->cluster, sizeof index->cluster, "%s", FORGE_CLUSTER);
    snprintf(index->gateway, sizeof index->gateway, "%s", boot_gateway(boot));
    snprintf(index->previous, sizeof index->previous, "%s", previous ? previous : HASH_NONE);
    index->n = n;
    buf_printf(&line,
               "{\"type\":\"segment\",\"v\":1,\"session\":\"%s\",\"journal\":\"%s\",\"n\":%u,"
               "\"previous\":\"%s\",\"cluster\":\"%s\",\"gateway\":\"%s\",\"boot\":\"%s\","
               "\"time\":\"%s\"}\n",
               session, journal, n, index->previous, index->cluster, index->gateway, boot_id(boot),
               clock_format_us(FORGE_UNIX_US + forge->clock_us, time));
    forge_raw_plain(forge, buf_str(&line), 1);
    snprintf(forge->time_first, sizeof forge->time_first, "%s", time);
    snprintf(forge->time_last, sizeof forge->time_last, "%s", time);
}

void forge_free(struct forge *forge)
{
    index_free(&forge->index);
    buf_free(&forge->data);
    buf_free(&forge->plain);
}

void forge_raw_plain(struct forge *forge, struct str text, uint64_t lines)
{
    buf_append_str(&forge->plain, text);
    forge->lines += lines;
}

void forge_line(struct forge *forge, struct str text, const char *type, uint64_t seq)
{
    struct index *index = &forge->index;
    char time[CLOCK_TEXT_BYTES];

    clock_format_us(FORGE_UNIX_US + forge->clock_us, time);
    forge_raw_plain(forge, text, 1);
    index_count_event(index, str_from(type), 1);
    if (!forge->events++) {
        index->seq_first = seq;
        memcpy(index->time_first, time, sizeof time);
    }
    index->seq_last = seq;
    memcpy(index->time_last, time, sizeof time);
    memcpy(forge->time_last, time, sizeof time);
}

void forge_event(struct forge *forge, const char *type, uint64_t seq)
{
    scoped(buf_free) struct buf line = {0};
    struct event_stamp stamp = stamp_of(forge, seq);

    event_begin(&line, type, &stamp);
    event_text(&line, "requestURI", "/api/v1/namespaces/shop/pods?limit=500");
    event_uint(&line, "bytes", seq * 7919 + 13);
    event_end(&line);
    forge_line(forge, buf_str(&line), type, seq);
}

void forge_gap(struct forge *forge, uint64_t seq, int64_t from, int64_t to)
{
    scoped(buf_free) struct buf line = {0};
    struct event_stamp stamp = stamp_of(forge, seq);

    event_begin(&line, "gap", &stamp);
    event_text(&line, "what", "events");
    if (from >= 0) {
        event_int(&line, "from", from);
        event_int(&line, "to", to);
    }
    event_end(&line);
    forge_line(forge, buf_str(&line), "gap", seq);
}

void forge_session_end(struct forge *forge, uint64_t seq, const char *journals)
{
    scoped(buf_free) struct buf line = {0};
    struct event_stamp stamp = stamp_of(forge, seq);

    event_begin(&line, "session.end", &stamp);
    event_text(&line, "journals", journals);
    event_end(&line);
    forge_line(forge, buf_str(&line), "session.end", seq);
}

void forge_compress(struct buf *out, struct str plain, int window_log, bool with_size)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    size_t bound = ZSTD_compressBound(plain.len) + 64;
    char *to = buf_reserve(out, bound);

    ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, 1);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, with_size);
    ZSTD_inBuffer in = {plain.data, plain.len, 0};
    ZSTD_outBuffer to_buffer = {to, bound, 0};
    if (with_size) {
        ZSTD_CCtx_setPledgedSrcSize(zstd, plain.len);
    } else { /* as the gateway: flushed, then ended by an empty block */
        ignore(ZSTD_compressStream2(zstd, &to_buffer, &in, ZSTD_e_flush));
    }
    size_t status = ZSTD_compressStream2(zstd, &to_buffer, &in, ZSTD_e_end);
    assert(!ZSTD_isError(status) && status == 0);
    out->len += to_buffer.pos;
    ZSTD_freeCCtx(zstd);
}

void forge_add_frame(struct forge *forge, struct str frame, uint64_t plain_bytes, uint64_t lines)
{
    struct index *index = &forge->index;
    struct index_frame *added = index_add_frame(index);

    *added = (struct index_frame){
        .offset = forge->data.len,
        .bytes = frame.len,
        .plain_offset = index->plain_bytes,
        .plain_bytes = plain_bytes,
        .lines = lines,
    };
    memcpy(added->time_first, forge->time_first, sizeof added->time_first);
    memcpy(added->time_last, forge->time_last, sizeof added->time_last);
    buf_append_str(&forge->data, frame);
    index->plain_bytes += plain_bytes;
    index->lines += lines;
    forge_refresh(forge);
}

void forge_end_frame(struct forge *forge)
{
    scoped(buf_free) struct buf frame = {.limit = BIG};

    if (forge->plain.len == 0)
        return;
    forge_compress(&frame, buf_str(&forge->plain), forge->window_log ? forge->window_log : 23,
                   false);
    forge_add_frame(forge, buf_str(&frame), forge->plain.len, forge->lines);
    buf_clear(&forge->plain);
    forge->lines = 0;
}

void forge_refresh(struct forge *forge)
{
    struct index *index = &forge->index;

    index->bytes = forge->data.len;
    sha256_hex(buf_str(&forge->data), index->sha256);
    for (size_t i = 0; i < index->frame_count; i++) {
        struct index_frame *frame = &index->frames[i];
        struct str data = str_skip(buf_str(&forge->data), frame->offset);

        sha256_hex(str_first(data, frame->bytes), frame->sha256);
    }
}

void forge_seal(struct forge *forge, const struct boot *boot, bool is_last, const char *reason,
                struct buf *out, char line_sha256[SHA256_HEX_BYTES])
{
    struct error err = {0};

    forge_end_frame(forge);
    forge->index.is_last = is_last;
    forge->index.is_recovered = strcmp(reason, "recovered") == 0;
    snprintf(forge->index.reason, sizeof forge->index.reason, "%s", reason);
    buf_append_str(out, buf_str(&forge->data));
    if (index_write_tail(out, &forge->index, boot, line_sha256, &err) < 0) {
        fprintf(stderr, "forge: %s\n", err.text);
        abort();
    }
}

void forge_part(struct forge *forge, struct buf *out)
{
    scoped(buf_free) struct buf frame = {.limit = BIG};

    buf_append_str(out, buf_str(&forge->data));
    if (forge->plain.len == 0)
        return;
    forge_compress(&frame, buf_str(&forge->plain), 23, false);
    buf_append(out, frame.data, frame.len - 3); /* without the block that ends it */
}

void forge_tail(struct buf *out, struct str lines)
{
    static const unsigned char start[] = {0x28, 0xB5, 0x2F, 0xFD, 0xA0};
    uint32_t header = 1 | (uint32_t)lines.len << 3;

    buf_append(out, start, sizeof start);
    for (int i = 0; i < 4; i++)
        buf_append_char(out, (char)(lines.len >> (8 * i) & 0xFF));
    for (int i = 0; i < 3; i++)
        buf_append_char(out, (char)(header >> (8 * i) & 0xFF));
    buf_append_str(out, lines);
}

void forge_bomb(struct buf *out, size_t blocks, char byte)
{
    /* no single segment, no content size; a window of 8 MiB */
    static const unsigned char start[] = {0x28, 0xB5, 0x2F, 0xFD, 0x00, 13 << 3};
    const uint32_t run = 1 << 1 | (uint32_t)131072 << 3;

    buf_append(out, start, sizeof start);
    for (size_t i = 0; i < blocks; i++) {
        uint32_t header = run | (i + 1 == blocks);

        for (int k = 0; k < 3; k++)
            buf_append_char(out, (char)(header >> (8 * k) & 0xFF));
        buf_append_char(out, byte);
    }
}
