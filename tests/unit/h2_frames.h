/* h2_frames.h - HTTP/2 frames by hand (RFC 9113 section 4.1), for tests that must be able to send
 * what no library would. Fields are literals without Huffman codes (RFC 7541 section 6.2.2). */
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

enum frame_type {
    FRAME_DATA,
    FRAME_HEADERS,
    FRAME_PRIORITY,
    FRAME_RST_STREAM,
    FRAME_SETTINGS,
    FRAME_PUSH_PROMISE,
    FRAME_PING,
    FRAME_GOAWAY,
    FRAME_WINDOW_UPDATE,
    FRAME_CONTINUATION,
};

#define FRAME_HEAD_BYTES 9
#define FRAME_ACK 0x1
#define FRAME_END_STREAM 0x1
#define FRAME_END_HEADERS 0x4

struct frame {
    enum frame_type type;
    uint8_t flags;
    int32_t stream;
    struct str payload;
};

static inline void put_number(struct buf *out, uint64_t number, unsigned bytes)
{
    while (bytes-- > 0)
        buf_append_char(out, (char)(number >> (8 * bytes)));
}

static inline void put_frame(struct buf *out, enum frame_type type, uint8_t flags, int32_t stream,
                             struct str payload)
{
    put_number(out, payload.len, 3);
    put_number(out, type, 1);
    put_number(out, flags, 1);
    put_number(out, (uint32_t)stream, 4);
    buf_append_str(out, payload);
}

static inline void put_text(struct buf *block, struct str text)
{
    size_t rest = text.len;

    if (rest < 127) {
        put_number(block, rest, 1);
    } else {
        put_number(block, 127, 1);
        for (rest -= 127; rest >= 128; rest >>= 7)
            put_number(block, 128 | (rest & 127), 1);
        put_number(block, rest, 1);
    }
    buf_append_str(block, text);
}

static inline void put_field(struct buf *block, const char *name, const char *value)
{
    put_number(block, 0, 1);
    put_text(block, str_from(name));
    put_text(block, str_from(value));
}

/* HEADERS whose fields stand in `fields`: "name: value\n" each. */
static inline void put_headers(struct buf *out, int32_t stream, uint8_t flags, const char *fields)
{
    struct buf block = {.limit = 4 << 20};

    while (*fields) {
        const char *colon = strstr(fields + 1, ": "), *end = strchr(fields, '\n');
        char name[64] = "", value[256] = "";

        memcpy(name, fields, (size_t)(colon - fields));
        memcpy(value, colon + 2, (size_t)(end - colon - 2));
        put_field(&block, name, value);
        fields = end + 1;
    }
    put_frame(out, FRAME_HEADERS, flags | FRAME_END_HEADERS, stream, buf_str(&block));
    buf_free(&block);
}

/* A frame whose payload is one number of 32 bits: RST_STREAM, WINDOW_UPDATE. */
static inline void put_word(struct buf *out, enum frame_type type, int32_t stream, uint32_t word)
{
    struct buf payload = {0};

    put_number(&payload, word, 4);
    put_frame(out, type, 0, stream, buf_str(&payload));
    buf_free(&payload);
}

static inline void put_goaway(struct buf *out, int32_t last_stream, uint32_t code)
{
    struct buf payload = {0};

    put_number(&payload, (uint32_t)last_stream, 4);
    put_number(&payload, code, 4);
    put_frame(out, FRAME_GOAWAY, 0, 0, buf_str(&payload));
    buf_free(&payload);
}

static inline void put_setting(struct buf *out, unsigned id, uint32_t value)
{
    struct buf payload = {0};

    put_number(&payload, id, 2);
    put_number(&payload, value, 4);
    put_frame(out, FRAME_SETTINGS, 0, 0, buf_str(&payload));
    buf_free(&payload);
}

static inline uint64_t frame_number(struct str bytes, size_t at, unsigned len)
{
    uint64_t number = 0;

    for (size_t i = at; i < at + len; i++)
        number = number << 8 | (uint8_t)bytes.data[i];
    return number;
}

/* Takes the next whole frame from the front of `bytes`. */
static inline bool frame_next(struct str *bytes, struct frame *frame)
{
    if (bytes->len < FRAME_HEAD_BYTES)
        return false;
    size_t len = (size_t)frame_number(*bytes, 0, 3);

    if (bytes->len < FRAME_HEAD_BYTES + len)
        return false;
    *frame = (struct frame){
        .type = (enum frame_type)bytes->data[3],
        .flags = (uint8_t)bytes->data[4],
        .stream = (int32_t)frame_number(*bytes, 5, 4),
        .payload = str_first(str_skip(*bytes, FRAME_HEAD_BYTES), len),
    };
    *bytes = str_skip(*bytes, FRAME_HEAD_BYTES + len);
    return true;
}
