#include "session/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "session/event.h"

#define INDEX_START "{\"type\":\"index\",\"v\":"
#define SIGNATURE_START "{\"type\":\"signature\",\"alg\":\"Ed25519\",\"value\":\""
#define SIGNATURE_END "\"}\n"
#define OTHER_TYPES "other"

/* RFC 8878 3.1.1: magic number, then a descriptor for a single segment, a content size of four
 * bytes, no checksum, no dictionary; then the header of a last raw block. */
static const unsigned char tail_magic[5] = {0x28, 0xB5, 0x2F, 0xFD, 0xA0};

struct index_frame *index_add_frame(struct index *index)
{
    index->frames = xreallocarray(index->frames, index->frame_count + 1, sizeof index->frames[0]);
    struct index_frame *frame = &index->frames[index->frame_count++];

    *frame = (struct index_frame){0};
    return frame;
}

void index_count_event(struct index *index, struct str type, uint64_t count)
{
    size_t i = 0;

    while (i < index->count_count && !str_is(type, index->counts[i].type))
        i++;
    if (i == index->count_count && i >= INDEX_TYPES_MAX - 1 && !str_is(type, OTHER_TYPES)) {
        index_count_event(index, STR(OTHER_TYPES), count);
        return;
    }
    if (i == index->count_count) {
        snprintf(index->counts[i].type, sizeof index->counts[i].type, "%.*s", STR_ARG(type));
        index->count_count++;
    }
    index->counts[i].count += count;
}

void index_free(struct index *index)
{
    free(index->frames);
    *index = (struct index){0};
}

static void write_frame(struct buf *line, const struct index_frame *frame)
{
    event_array(line, NULL);
    event_uint(line, NULL, frame->offset);
    event_uint(line, NULL, frame->bytes);
    event_uint(line, NULL, frame->plain_offset);
    event_uint(line, NULL, frame->plain_bytes);
    event_uint(line, NULL, frame->lines);
    event_text(line, NULL, frame->time_first);
    event_text(line, NULL, frame->time_last);
    event_text(line, NULL, frame->sha256);
    event_array_end(line);
}

static void write_line(struct buf *line, const struct index *index)
{
    buf_append_text(line, INDEX_START "1");
    event_text(line, "session", index->session);
    event_text(line, "journal", index->journal);
    event_uint(line, "n", index->n);
    event_text(line, "cluster", index->cluster);
    event_text(line, "gateway", index->gateway);
    event_text(line, "previous", index->previous);
    event_uint(line, "bytes", index->bytes);
    event_uint(line, "plainBytes", index->plain_bytes);
    event_uint(line, "lines", index->lines);
    event_array(line, "seq");
    event_uint(line, NULL, index->seq_first);
    event_uint(line, NULL, index->seq_last);
    event_array_end(line);
    event_array(line, "time");
    event_text(line, NULL, index->time_first);
    event_text(line, NULL, index->time_last);
    event_array_end(line);
    event_array(line, "frames");
    for (size_t i = 0; i < index->frame_count; i++)
        write_frame(line, &index->frames[i]);
    event_array_end(line);
    event_text(line, "sha256", index->sha256);
    event_bool(line, "last", index->is_last);
    event_text(line, "reason", index->reason);
    if (index->is_recovered)
        event_bool(line, "recovered", true);
    event_object(line, "counts");
    for (size_t i = 0; i < index->count_count; i++)
        event_uint(line, index->counts[i].type, index->counts[i].count);
    event_object_end(line);
    event_object(line, "boot");
    event_text(line, "id", index->boot_id);
    event_text(line, "key", index->boot_key);
    event_text(line, "rootKey", index->root_key);
    event_text(line, "certificate", index->certificate);
    event_object_end(line);
    event_end(line);
}

static void put_le(struct buf *out, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_append_char(out, (char)(value >> (8 * i) & 0xFF));
}

static uint32_t get_le(const char *at, int bytes)
{
    uint32_t value = 0;

    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | (unsigned char)at[i];
    return value;
}

int index_write_tail(struct buf *out, struct index *index, const struct boot *boot,
                     char line_sha256[SHA256_HEX_BYTES], struct error *err)
{
    scoped(buf_free) struct buf text = {.limit = TAIL_TEXT_BYTES_MAX};
    unsigned char signature[SIGNATURE_BYTES];

    snprintf(index->gateway, sizeof index->gateway, "%s", boot_gateway(boot));
    snprintf(index->boot_id, sizeof index->boot_id, "%s", boot_id(boot));
    snprintf(index->boot_key, sizeof index->boot_key, "%s", boot_public_key(boot));
    snprintf(index->root_key, sizeof index->root_key, "%s", boot_root_key(boot));
    snprintf(index->certificate, sizeof index->certificate, "%s", boot_certificate(boot));
    write_line(&text, index);
    if (text.overflow)
        return error_set(err, ERROR_INTERNAL, "index of %zu frames: too long", index->frame_count);
    sha256_hex(buf_str(&text), line_sha256);
    boot_sign(boot, buf_str(&text), signature);
    buf_append_text(&text, SIGNATURE_START);
    encode_base64(&text, str_make(signature, sizeof signature));
    buf_append_text(&text, SIGNATURE_END);
    if (text.overflow)
        return error_set(err, ERROR_INTERNAL, "index of %zu frames: too long", index->frame_count);
    buf_append(out, tail_magic, sizeof tail_magic);
    put_le(out, (uint32_t)text.len, 4);
    put_le(out, 1U | (uint32_t)text.len << 3, 3);
    buf_append_str(out, buf_str(&text));
    if (out->overflow)
        return error_set(err, ERROR_INTERNAL, "index: no room for it");
    return 0;
}

/* Where the last thing that looks like an index line starts; -1 for none. */
static ptrdiff_t find_index(struct str end)
{
    struct str start = STR("{\"type\":\"index\"");

    for (size_t at = end.len; at-- > 0;)
        if (end.data[at] == '{' && str_starts(str_skip(end, at), start))
            return (ptrdiff_t)at;
    return -1;
}

/* The two lines of text that the tail frame at the end holds. */
static int find_text(struct str end, struct str *text, struct error *err)
{
    ptrdiff_t at = find_index(end);

    if (at < (ptrdiff_t)TAIL_HEADER_BYTES)
        return error_set(err, ERROR_PROTOCOL, "it does not end in an index and a signature");
    const char *header = end.data + at - TAIL_HEADER_BYTES;
    struct str found = str_skip(end, (size_t)at);

    if (found.len > TAIL_TEXT_BYTES_MAX || memcmp(header, tail_magic, sizeof tail_magic) != 0 ||
        get_le(header + 5, 4) != found.len || get_le(header + 9, 3) != (1 | found.len << 3))
        return error_set(err, ERROR_PROTOCOL, "the frame around its index is not as it must be");
    *text = found;
    return 0;
}

static int parse_signature(struct tail *tail, struct str line, struct error *err)
{
    scoped(buf_free) struct buf value = {0};
    struct str start = STR(SIGNATURE_START);
    struct str end = STR(SIGNATURE_END);

    if (!str_starts(line, start) || !str_ends(line, end) || line.len < start.len + end.len)
        return error_set(err, ERROR_PROTOCOL, "its last line is no signature");
    struct str text = str_skip(str_first(line, line.len - end.len), start.len);

    if (!decode_base64(&value, text) || value.len != sizeof tail->signature)
        return error_set(err, ERROR_PROTOCOL, "its signature is not 64 bytes in base64");
    memcpy(tail->signature, value.data, value.len);
    return 0;
}

/* Reading of one index line: the first thing that does not fit is kept. */
struct reading {
    json_object *root;
    const char *wrong; /* path */
};

static void complain(struct reading *reading, const char *path)
{
    if (!reading->wrong)
        reading->wrong = path;
}

static void read_text(struct reading *reading, json_object *from, const char *path, char *text,
                      size_t size)
{
    const char *value = jsondoc_string(from, path);

    if (!value || strlen(value) >= size)
        complain(reading, path);
    else
        memcpy(text, value, strlen(value) + 1);
}

static void read_hash(struct reading *reading, json_object *from, const char *path,
                      char text[SHA256_HEX_BYTES])
{
    read_text(reading, from, path, text, SHA256_HEX_BYTES);
    if (strspn(text, "0123456789abcdef") != SHA256_HEX_BYTES - 1)
        complain(reading, path);
}

static uint64_t read_number(struct reading *reading, json_object *from, const char *path)
{
    int64_t value = jsondoc_int(from, path, -1);

    if (value < 0 || value == INT64_MAX) /* json-c holds what is too large at the limit */
        complain(reading, path);
    return value < 0 ? 0 : (uint64_t)value;
}

static void read_time(struct reading *reading, json_object *from, const char *path,
                      char text[CLOCK_TEXT_BYTES])
{
    int64_t unix_us;

    read_text(reading, from, path, text, CLOCK_TEXT_BYTES);
    if (!clock_parse(str_from(text), &unix_us))
        complain(reading, path);
}

static void read_frames(struct reading *reading, struct index *index)
{
    json_object *frames = jsondoc_at(reading->root, "/frames");
    uint64_t bytes = 0;
    uint64_t plain_bytes = 0;
    uint64_t lines = 0;

    for (size_t i = 0; i < jsondoc_count(reading->root, "/frames") && !reading->wrong; i++) {
        json_object *from = json_object_array_get_idx(frames, i);
        struct index_frame *frame = index_add_frame(index);

        frame->offset = read_number(reading, from, "/0");
        frame->bytes = read_number(reading, from, "/1");
        frame->plain_offset = read_number(reading, from, "/2");
        frame->plain_bytes = read_number(reading, from, "/3");
        frame->lines = read_number(reading, from, "/4");
        read_time(reading, from, "/5", frame->time_first);
        read_time(reading, from, "/6", frame->time_last);
        read_hash(reading, from, "/7", frame->sha256);
        if (jsondoc_count(from, "") != 8 || frame->bytes == 0 || frame->offset != bytes ||
            frame->plain_offset != plain_bytes || frame->bytes > index->bytes - bytes ||
            frame->plain_bytes > index->plain_bytes - plain_bytes ||
            frame->lines > index->lines - lines)
            complain(reading, "/frames");
        bytes += frame->bytes;
        plain_bytes += frame->plain_bytes;
        lines += frame->lines;
    }
    if (bytes != index->bytes || plain_bytes != index->plain_bytes || lines != index->lines ||
        index->frame_count == 0)
        complain(reading, "/frames");
}

static void read_counts(struct reading *reading, struct index *index)
{
    json_object *counts = jsondoc_at(reading->root, "/counts");

    if (!json_object_is_type(counts, json_type_object) ||
        json_object_object_length(counts) > INDEX_TYPES_MAX) {
        complain(reading, "/counts");
        return;
    }
    json_object_object_foreach(counts, type, value)
    {
        struct index_count *count = &index->counts[index->count_count++];

        if (strlen(type) >= sizeof count->type)
            complain(reading, "/counts");
        snprintf(count->type, sizeof count->type, "%s", type);
        count->count = read_number(reading, value, "");
    }
}

static void read_pair(struct reading *reading, const char *path)
{
    if (jsondoc_count(reading->root, path) != 2)
        complain(reading, path);
}

/* In the order of the line. */
static void read_index(struct reading *reading, struct index *index)
{
    json_object *root = reading->root;

    read_text(reading, root, "/session", index->session, sizeof index->session);
    read_text(reading, root, "/journal", index->journal, sizeof index->journal);
    uint64_t n = read_number(reading, root, "/n");

    if (n > UINT32_MAX)
        complain(reading, "/n");
    index->n = (uint32_t)n;
    read_text(reading, root, "/cluster", index->cluster, sizeof index->cluster);
    read_text(reading, root, "/gateway", index->gateway, sizeof index->gateway);
    read_hash(reading, root, "/previous", index->previous);
    index->bytes = read_number(reading, root, "/bytes");
    index->plain_bytes = read_number(reading, root, "/plainBytes");
    index->lines = read_number(reading, root, "/lines");
    read_pair(reading, "/seq");
    index->seq_first = read_number(reading, root, "/seq/0");
    index->seq_last = read_number(reading, root, "/seq/1");
    if (index->seq_first > index->seq_last)
        complain(reading, "/seq");
    read_pair(reading, "/time");
    read_time(reading, root, "/time/0", index->time_first);
    read_time(reading, root, "/time/1", index->time_last);
    read_frames(reading, index);
    read_hash(reading, root, "/sha256", index->sha256);
    if (!json_object_is_type(jsondoc_at(root, "/last"), json_type_boolean))
        complain(reading, "/last");
    index->is_last = jsondoc_bool(root, "/last", false);
    read_text(reading, root, "/reason", index->reason, sizeof index->reason);
    index->is_recovered = jsondoc_bool(root, "/recovered", false);
    read_counts(reading, index);
    read_text(reading, root, "/boot/id", index->boot_id, sizeof index->boot_id);
    read_text(reading, root, "/boot/key", index->boot_key, sizeof index->boot_key);
    read_text(reading, root, "/boot/rootKey", index->root_key, sizeof index->root_key);
    read_text(reading, root, "/boot/certificate", index->certificate, sizeof index->certificate);
}

static size_t count_digits(struct str text)
{
    size_t len = 0;

    while (len < text.len && text.data[len] >= '0' && text.data[len] <= '9')
        len++;
    return len;
}

static int parse_index(struct index *index, struct str line, struct error *err)
{
    struct str start = STR(INDEX_START);

    if (!str_starts(line, start))
        return error_set(err, ERROR_PROTOCOL, "its index is not as it must be");
    struct str version = str_skip(line, start.len);

    version.len = count_digits(version);
    if (version.len == 0 || !str_starts(str_skip(line, start.len + version.len), STR(",")))
        return error_set(err, ERROR_PROTOCOL, "its index is not as it must be");
    if (!str_is(version, "1")) {
        error_set(err, ERROR_UNVERIFIABLE, "its index is of a version that is not known here");
        return error_fix(err, "use a newer kubectl-hoop");
    }
    scoped(jsondoc_free) json_object *root = jsondoc_parse(line, err);

    if (!root)
        return error_wrap(err, "index");
    struct reading reading = {.root = root};

    read_index(&reading, index);
    if (reading.wrong)
        return error_set(err, ERROR_PROTOCOL, "index: %s is absent or wrong", reading.wrong);
    return 0;
}

int tail_parse(struct tail *tail, struct str end, uint64_t file_bytes, struct error *err)
{
    scoped(tail_free) struct tail found = {0};
    struct str text;

    if (find_text(end, &text, err) < 0)
        return -1;
    ptrdiff_t lf = str_index(text, '\n');

    if (lf < 0)
        return error_set(err, ERROR_PROTOCOL, "its index has no end");
    found.line = str_first(text, (size_t)lf + 1);
    if (parse_signature(&found, str_skip(text, found.line.len), err) < 0 ||
        parse_index(&found.index, str_first(text, (size_t)lf), err) < 0)
        return -1;
    uint64_t after = TAIL_HEADER_BYTES + text.len;

    if (file_bytes < after || found.index.bytes != file_bytes - after)
        return error_set(err, ERROR_PROTOCOL, "its length is not what its index says");
    sha256_hex(found.line, found.line_sha256);
    *tail = found;
    found.index = (struct index){0};
    return 0;
}

void tail_free(struct tail *tail)
{
    index_free(&tail->index);
    *tail = (struct tail){0};
}
