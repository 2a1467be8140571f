/* recorder_speed.c - the recorder's stages alone, on one thread, over the body in a file:
 * recorder_speed FILE. Prints one JSON object: GB/s of body (escape, json_c), of lines (zstd_*), of
 * bytes (sha256), and the CPU that a MB of body costs from bytes to what is written to the disk. */
#include <stdio.h>
#include <time.h>

#include <json-c/json.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/scoped.h"
#include "session/event.h"
#include "session/segment.h"

#define PIECE ((size_t)64 << 10) /* as chunks come */
#define MEASURE_NS 300000000

static int64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Bytes per nanosecond, which is GB per second, of `once`, which returns how many it did. */
static double speed(size_t (*once)(struct str body), struct str body)
{
    int64_t start = cpu_ns(), now;
    size_t bytes = once(body); /* warm */

    bytes = 0;
    start = cpu_ns();
    do {
        bytes += once(body);
        now = cpu_ns();
    } while (now - start < MEASURE_NS);
    return (double)bytes / (double)(now - start);
}

static struct str next_run(struct str *left, enum escape_kind *kind)
{
    struct str piece = str_first(*left, PIECE);
    struct str run = str_first(piece, escape_run(piece, kind));

    *left = str_skip(*left, run.len);
    return run;
}

static size_t escape(struct str body)
{
    static struct buf out;
    enum escape_kind kind;

    for (struct str left = body; left.len;) {
        struct str run = next_run(&left, &kind);

        buf_clear(&out);
        escape_append(&out, run, kind);
    }
    return body.len;
}

static size_t json_c(struct str body)
{
    for (struct str left = body; left.len; left = str_skip(left, PIECE)) {
        struct str piece = str_first(left, PIECE);
        json_object *text = json_object_new_string_len(piece.data, (int)piece.len);

        json_object_to_json_string_ext(text, JSON_C_TO_STRING_PLAIN);
        json_object_put(text);
    }
    return body.len;
}

static size_t hash(struct str body)
{
    unsigned char digest[SHA256_BYTES];

    sha256(body, digest);
    return body.len;
}

/* The body's lines, flushed every `group` bytes of body: the whole way but for the write. */
static size_t record(struct str body, size_t group, size_t *stored)
{
    static struct segment *segment;
    static struct buf line;
    static uint64_t seq;
    static const struct segment_names names = {
        "01J00000000000000000000000", "00000000", "", "bench", "bench",
        "01J00000000000000000000000", 0};
    size_t since = 0;
    enum escape_kind kind;

    if (!segment)
        segment = segment_new(&names, clock_now());
    for (struct str left = body; left.len;) {
        struct str run = next_run(&left, &kind);

        for (struct str part; run.len; run = str_skip(run, part.len)) {
            struct event_stamp stamp = {
                .session = names.session, .seq = seq++, .at = clock_now(), .exchange = 1};
            struct event_head head;

            part = str_first(run, group);
            buf_clear(&line);
            event_begin(&line, "body", &stamp);
            event_run(&line, part, kind);
            event_end(&line);
            event_parse_head(&head, buf_str(&line));
            segment_add(segment, buf_str(&line), &head);
            since += part.len;
            if (since >= group) {
                segment_flush(segment);
                since = 0;
            }
        }
        if (segment_frame_plain_bytes(segment) >= (uint64_t)32 << 20)
            segment_end_frame(segment);
        *stored += segment_out(segment)->len;
        buf_clear(segment_out(segment));
    }
    segment_flush(segment);
    *stored += segment_out(segment)->len;
    buf_clear(segment_out(segment));
    if (segment_plain_bytes(segment) > SEGMENT_PLAIN_BYTES_MAX / 2)
        segment_free(&segment);
    return body.len;
}

static size_t stored_4k, stored_64k, bodies_4k, bodies_64k;

static size_t record_4k(struct str body)
{
    bodies_4k += body.len;
    return record(body, (size_t)4 << 10, &stored_4k);
}

static size_t record_64k(struct str body)
{
    bodies_64k += body.len;
    return record(body, PIECE, &stored_64k);
}

int main(int argc, char **argv)
{
    scoped(buf_free) struct buf body = {.limit = (size_t)64 << 20};
    struct error err = {0};

    if (argc != 2 || file_read(argv[1], &body, &err) < 0) {
        fprintf(stderr, "usage: recorder_speed FILE %s\n", err.text);
        return 2;
    }
    struct str all = buf_str(&body);
    double fast = speed(escape, all), slow = speed(json_c, all), sha = speed(hash, all);
    double small = speed(record_4k, all), large = speed(record_64k, all);

    printf("{\"escape_gbs\":%.2f,\"json_c_gbs\":%.2f,\"sha256_gbs\":%.2f,"
           "\"record_4k_ms_per_mb\":%.2f,\"record_64k_ms_per_mb\":%.2f,"
           "\"stored_4k\":%.4f,\"stored_64k\":%.4f}\n",
           fast, slow, sha, 1e-3 / small * 1e3, 1e-3 / large * 1e3,
           (double)stored_4k / (double)bodies_4k, (double)stored_64k / (double)bodies_64k);
    return 0;
}
