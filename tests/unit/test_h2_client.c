/* test_h2_client.c - the client's side of HTTP/2 and a server made of frames: it may send what it
 * likes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "base/num.h"
#include "base/scoped.h"
#include "h2_frames.h"
#include "http/h2_client.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define OK ":status: 200\n"
#define STREAMS 1024

struct seen {
    struct http_head head, trailers;
    int interims, heads, ends, failures, closes, writables;
    bool is_whole;
    enum h2_failure failure;
    uint32_t code;
    struct buf body; /* its beginning */
    size_t bytes;
    /* what went out */
    size_t sent_bytes, sent_headers;
    bool is_end_sent;
    uint32_t reset_code; /* +1 */
};

struct peer {
    struct h2 *h2;
    struct buf in; /* frames for the client, not given to it yet */
    struct seen seen[STREAMS];
    nghttp2_hd_inflater *inflater;
    struct buf fields; /* of the last request: "name: value;" */
    int goaways, limits, pings_sent, goaways_sent;
    bool holds; /* no stream credit */
    bool has_failed;
    struct error err;
    int64_t mono_us;
};

static struct peer the_peer;

static struct seen *seen(struct peer *peer, int32_t stream)
{
    assert_true(stream > 0 && stream / 2 < STREAMS);
    return &peer->seen[stream / 2];
}

static void on_interim(void *context, int32_t stream, struct http_head *head)
{
    seen(context, stream)->interims++;
}

static void on_response(void *context, int32_t stream, struct http_head *head, bool is_whole)
{
    struct seen *s = seen(context, stream);

    s->heads++;
    s->is_whole = is_whole;
    s->head = *head;
    *head = (struct http_head){0};
}

static void on_data(void *context, int32_t stream, struct str bytes)
{
    struct peer *peer = context;
    struct seen *s = seen(peer, stream);

    assert_true(s->heads == 1 && !s->ends && !s->failures && bytes.len > 0);
    s->bytes += bytes.len;
    if (s->body.len < 4096)
        buf_append_str(&s->body, bytes);
    if (!peer->holds)
        h2_consume(peer->h2, stream, bytes.len);
}

static void on_ended(void *context, int32_t stream, struct http_head *trailers)
{
    struct seen *s = seen(context, stream);

    assert_false(s->is_whole || s->failures);
    s->ends++;
    if (trailers) {
        s->trailers = *trailers;
        *trailers = (struct http_head){0};
    }
}

static void on_failed(void *context, int32_t stream, enum h2_failure failure, uint32_t code)
{
    struct seen *s = seen(context, stream);

    assert_false(s->ends || s->closes);
    s->failures++;
    s->failure = failure;
    s->code = code;
}

static void on_closed(void *context, int32_t stream)
{
    seen(context, stream)->closes++;
}

static void on_writable(void *context, int32_t stream)
{
    seen(context, stream)->writables++;
}

static void on_goaway(void *context)
{
    ((struct peer *)context)->goaways++;
}

static void on_limits(void *context)
{
    ((struct peer *)context)->limits++;
}

static const struct h2_client_events events = {
    .interim = on_interim,
    .response = on_response,
    .data = on_data,
    .ended = on_ended,
    .failed = on_failed,
    .closed = on_closed,
    .writable = on_writable,
    .goaway = on_goaway,
    .limits = on_limits,
};

static void note_request(struct peer *peer, struct str block)
{
    const uint8_t *at = (const uint8_t *)block.data;
    size_t left = block.len;
    int flags = 0;

    buf_clear(&peer->fields);
    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
        nghttp2_nv field;
        ssize_t used = nghttp2_hd_inflate_hd2(peer->inflater, &field, &flags, at, left, 1);

        assert_true(used >= 0);
        at += used;
        left -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            buf_printf(&peer->fields, "%.*s: %.*s;", (int)field.namelen, field.name,
                       (int)field.valuelen, field.value);
    }
    nghttp2_hd_inflate_end_headers(peer->inflater);
}

static void note_frame(struct peer *peer, const struct frame *frame)
{
    struct seen *s = frame->stream ? seen(peer, frame->stream) : NULL;

    if (frame->type == FRAME_DATA)
        s->sent_bytes += frame->payload.len;
    if (frame->type == FRAME_HEADERS) {
        s->sent_headers++;
        note_request(peer, frame->payload);
    }
    if (frame->type == FRAME_DATA || frame->type == FRAME_HEADERS)
        s->is_end_sent = s->is_end_sent || (frame->flags & FRAME_END_STREAM);
    if (frame->type == FRAME_RST_STREAM)
        s->reset_code = (uint32_t)frame_number(frame->payload, 0, 4) + 1;
    if (frame->type == FRAME_PING && !(frame->flags & FRAME_ACK))
        peer->pings_sent++;
    if (frame->type == FRAME_GOAWAY)
        peer->goaways_sent++;
}

/* Gives the client all that waits, in pieces of `step` bytes, and looks at what it sends. */
static void pump_by(struct peer *peer, size_t step)
{
    scoped(buf_free) struct buf out = {.limit = 16 << 20};
    struct str in = buf_str(&peer->in);
    struct frame frame;

    while (in.len && !peer->has_failed) {
        struct str piece = str_first(in, step);

        in = str_skip(in, piece.len);
        peer->has_failed = h2_receive(peer->h2, piece, peer->mono_us, &peer->err) < 0;
    }
    buf_clear(&peer->in);
    if (h2_send(peer->h2, &out, 8 << 20, &peer->err) < 0)
        peer->has_failed = true;
    struct str sent = buf_str(&out);
    if (str_equal(str_first(sent, sizeof PREFACE - 1), STR(PREFACE)))
        sent = str_skip(sent, sizeof PREFACE - 1);
    while (frame_next(&sent, &frame))
        note_frame(peer, &frame);
    assert_int_equal(0, sent.len);
}

static void pump(struct peer *peer)
{
    pump_by(peer, SIZE_MAX);
}

/* Connected, and the server has sent its SETTINGS. */
static int open_peer(void **state)
{
    struct peer *peer = *state = &the_peer;

    *peer = (struct peer){.in = {.limit = 64 << 20}};
    for (size_t i = 0; i < STREAMS; i++)
        peer->seen[i].body.limit = SIZE_MAX;
    assert_int_equal(0, nghttp2_hd_inflate_new(&peer->inflater));
    peer->h2 = h2_client_new(&events, peer);
    assert_int_equal(0, h2_streams_allowed(peer->h2));
    put_setting(&peer->in, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100);
    put_frame(&peer->in, FRAME_SETTINGS, FRAME_ACK, 0, STR(""));
    pump(peer);
    assert_int_equal(100, h2_streams_allowed(peer->h2));
    return 0;
}

static int close_peer(void **state)
{
    struct peer *peer = *state;

    h2_lost(peer->h2);
    assert_int_equal(0, h2_open_streams(peer->h2));
    h2_free(&peer->h2);
    nghttp2_hd_inflate_del(peer->inflater);
    buf_free(&peer->in);
    buf_free(&peer->fields);
    for (size_t i = 0; i < STREAMS; i++) {
        http_head_free(&peer->seen[i].head);
        http_head_free(&peer->seen[i].trailers);
        buf_free(&peer->seen[i].body);
    }
    return 0;
}

static int32_t ask(struct peer *peer, const char *method, bool is_whole)
{
    scoped(http_head_free) struct http_head head = {
        .method = str_from(method), .target = STR("/api?x"), .authority = STR("a:1")};

    http_head_add(&head, "X-Kept", STR("1"));
    http_head_add(&head, "Connection", STR("x-kept"));
    http_head_add(&head, "TE", STR("trailers"));
    int32_t stream = h2_request(peer->h2, &head, is_whole);

    assert_true(stream > 0);
    return stream;
}

/* A request that has been sent. */
static int32_t get(struct peer *peer)
{
    int32_t stream = ask(peer, "GET", true);

    pump(peer);
    assert_int_equal(1, seen(peer, stream)->sent_headers);
    return stream;
}

static void answer(struct peer *peer, int32_t stream, const char *fields, const char *body)
{
    put_headers(&peer->in, stream, body ? 0 : FRAME_END_STREAM, fields);
    if (body)
        put_frame(&peer->in, FRAME_DATA, FRAME_END_STREAM, stream, str_from(body));
}

/* ---- Requests and responses ---- */

static void request_and_response_cross_however_bytes_are_cut(void **state)
{
    struct peer *peer = *state;
    static const size_t steps[] = {SIZE_MAX, 1, 7};

    for (size_t i = 0; i < count_of(steps); i++) {
        int32_t stream = get(peer);
        struct seen *s = seen(peer, stream);

        assert_string_equal(":method: GET;:scheme: https;:authority: a:1;:path: /api?x;"
                            "x-kept: 1;te: trailers;",
                            (buf_append_char(&peer->fields, 0), peer->fields.data));
        assert_true(s->is_end_sent);
        answer(peer, stream, OK "content-type: text/plain\ncontent-length: 5\n", "hello");
        pump_by(peer, steps[i]);
        assert_int_equal(200, s->head.status);
        assert_int_equal(20, s->head.version);
        assert_int_equal(2, s->head.field_count);
        assert_true(str_is(buf_str(&s->body), "hello"));
        assert_int_equal(1, s->ends);
        assert_int_equal(0, s->failures);
        assert_int_equal(1, s->closes);
    }
}

static void answer_without_body_is_whole(void **state)
{
    struct peer *peer = *state;
    int32_t get_stream = get(peer), head_stream = ask(peer, "HEAD", true);

    pump(peer);
    answer(peer, get_stream, ":status: 304\ncontent-length: 7\n", NULL);
    answer(peer, head_stream, OK "content-length: 7\n", NULL);
    pump(peer);
    assert_int_equal(304, seen(peer, get_stream)->head.status);
    assert_true(seen(peer, get_stream)->is_whole && seen(peer, head_stream)->is_whole);
    assert_int_equal(0, seen(peer, get_stream)->failures + seen(peer, head_stream)->failures);
    assert_int_equal(1, seen(peer, head_stream)->closes);
}

static void interims_and_trailers_arrive(void **state)
{
    struct peer *peer = *state;
    int32_t stream = get(peer);
    struct seen *s = seen(peer, stream);

    put_headers(&peer->in, stream, 0, ":status: 100\n");
    put_headers(&peer->in, stream, 0, ":status: 103\nlink: x\n");
    put_headers(&peer->in, stream, 0, OK);
    put_frame(&peer->in, FRAME_DATA, 0, stream, STR("abc"));
    put_headers(&peer->in, stream, FRAME_END_STREAM, "x-sum: 3\n");
    pump(peer);
    assert_int_equal(2, s->interims);
    assert_int_equal(200, s->head.status);
    assert_true(str_is(http_head_get(&s->trailers, "x-sum"), "3"));
    assert_int_equal(1, s->ends);
    assert_int_equal(1, s->closes);
}

static void upload_goes_out_with_its_trailers_by_the_servers_window(void **state)
{
    struct peer *peer = *state;
    static const char block[CHUNK_BYTES_MAX];
    scoped(http_head_free) struct http_head trailers = {0};
    int32_t stream = ask(peer, "POST", false);
    struct seen *s = seen(peer, stream);

    http_head_add(&trailers, "X-Sum", STR("9"));
    for (int i = 0; i < 4; i++)
        h2_data_adopt(peer->h2, stream, chunk_new(str_make(block, sizeof block)));
    h2_end(peer->h2, stream, &trailers);
    pump(peer);
    assert_int_equal(65535, s->sent_bytes);
    assert_false(s->is_end_sent);
    assert_int_equal(4 * sizeof block - 65535, h2_queued(peer->h2, stream));
    put_word(&peer->in, FRAME_WINDOW_UPDATE, 0, 1 << 20);
    put_word(&peer->in, FRAME_WINDOW_UPDATE, stream, 1 << 20);
    pump(peer);
    assert_int_equal(4 * sizeof block, s->sent_bytes);
    assert_int_equal(1, s->writables);
    assert_true(s->is_end_sent);
    assert_true(str_find(buf_str(&peer->fields), STR("x-sum: 9;")) >= 0);
    answer(peer, stream, ":status: 201\n", NULL);
    pump(peer);
    assert_int_equal(201, s->head.status);
    assert_int_equal(1, s->closes);
}

static void answer_may_be_complete_before_the_request(void **state)
{
    struct peer *peer = *state;
    int32_t stream = ask(peer, "POST", false);
    struct seen *s = seen(peer, stream);

    pump(peer);
    answer(peer, stream, ":status: 413\n", "no");
    put_word(&peer->in, FRAME_RST_STREAM, stream, NGHTTP2_NO_ERROR);
    h2_data_adopt(peer->h2, stream, chunk_new(STR("late")));
    pump(peer);
    assert_int_equal(1, s->ends);
    assert_int_equal(0, s->failures);
    assert_int_equal(1, s->closes);
}

static void stream_credit_is_given_only_for_what_was_consumed(void **state)
{
    struct peer *peer = *state;
    static const char block[16384];
    int32_t stream = get(peer), other = get(peer);
    struct seen *s = seen(peer, stream);

    peer->holds = true;
    put_headers(&peer->in, stream, 0, OK);
    for (size_t i = 0; i < H2_CLIENT_STREAM_WINDOW_BYTES / sizeof block; i++)
        put_frame(&peer->in, FRAME_DATA, 0, stream, str_make(block, sizeof block));
    pump(peer);
    assert_int_equal(H2_CLIENT_STREAM_WINDOW_BYTES, s->bytes);
    peer->holds = false;
    answer(peer, other, OK, "x"); /* the neighbour goes on */
    put_frame(&peer->in, FRAME_DATA, 0, stream, STR("one byte too many"));
    pump(peer);
    assert_int_equal(1, seen(peer, other)->ends);
    put_frame(&peer->in, FRAME_DATA, 0, stream, STR("and more"));
    pump(peer);
    assert_true(s->bytes <= H2_CLIENT_STREAM_WINDOW_BYTES + 17); /* what nghttp2 had begun */
    assert_int_equal(NGHTTP2_FLOW_CONTROL_ERROR + 1, s->reset_code);
    assert_int_equal(H2_MALFORMED, s->failure);
    assert_false(peer->has_failed);
}

/* ---- What fails, and how ---- */

static void length_that_is_a_lie_never_ends_clean(void **state)
{
    struct peer *peer = *state;
    static const struct {
        const char *head, *body;
        enum h2_failure failure;
        int heads;
    } cases[] = {
        {OK "content-length: 6\n", "hello", H2_CUT, 1},
        {OK "content-length: 4\n", "hello", H2_MALFORMED, 1},
        {OK "content-length: 6\n", "", H2_CUT, 1},
        {OK "content-length: 6\n", NULL, H2_MALFORMED, 0},
        {OK "content-length: 5x\n", "hello", H2_MALFORMED, 0},
        {OK "content-length: 5\ncontent-length: 6\n", "hello", H2_MALFORMED, 0},
    };

    for (size_t i = 0; i < count_of(cases); i++) {
        int32_t stream = get(peer);
        struct seen *s = seen(peer, stream);

        answer(peer, stream, cases[i].head, cases[i].body);
        pump(peer);
        assert_int_equal(0, s->ends);
        assert_int_equal(cases[i].heads, s->heads);
        assert_int_equal(1, s->failures);
        assert_int_equal(cases[i].failure, s->failure);
        assert_int_equal(1, s->closes);
    }
    assert_false(peer->has_failed);
}

static void body_that_is_cut_before_trailers_is_cut(void **state)
{
    struct peer *peer = *state;
    int32_t stream = get(peer);

    put_headers(&peer->in, stream, 0, OK "content-length: 4\n");
    put_frame(&peer->in, FRAME_DATA, 0, stream, STR("abc"));
    put_headers(&peer->in, stream, FRAME_END_STREAM, "x-sum: 3\n");
    pump(peer);
    assert_int_equal(0, seen(peer, stream)->ends);
    assert_int_equal(H2_CUT, seen(peer, stream)->failure);
}

static void malformed_heads_are_reset(void **state)
{
    struct peer *peer = *state;
    static const char *const heads[] = {
        "content-type: x\n",               /* no status */
        ":status: 99\n",                   /* two digits */
        ":status: 600\n",                  /* no class of responses */
        ":status: 101\n",                  /* HTTP/2 has no upgrade */
        ":status: 200\n:status: 200\n",    /* twice */
        ":status: 200\n:method: GET\n",    /* a request's */
        "a: b\n:status: 200\n",            /* not first */
        OK "connection: close\n",          /* of HTTP/1.1 */
        OK "transfer-encoding: chunked\n", /* of HTTP/1.1 */
        OK "upgrade: x\n",                 /* of HTTP/1.1 */
        OK "Content-Type: x\n",            /* upper case */
        OK "a b: c\n",                     /* no token */
        OK "a: b\rc\n",                    /* no value */
    };

    for (size_t i = 0; i < count_of(heads); i++) {
        int32_t stream = get(peer);
        struct seen *s = seen(peer, stream);

        answer(peer, stream, heads[i], "hello");
        pump(peer);
        if (s->heads + s->ends || s->failure != H2_MALFORMED || s->failures != 1)
            fail_msg("head %zu was taken", i);
        assert_int_equal(NGHTTP2_PROTOCOL_ERROR + 1, s->reset_code);
    }
    assert_false(peer->has_failed);
}

static void bad_trailers_and_interims_without_end_are_reset(void **state)
{
    struct peer *peer = *state;
    int32_t framing = get(peer), status = get(peer), whole = get(peer), large = get(peer);

    put_headers(&peer->in, framing, 0, OK);
    put_headers(&peer->in, framing, FRAME_END_STREAM, "content-length: 0\n");
    put_headers(&peer->in, status, 0, OK);
    put_headers(&peer->in, status, FRAME_END_STREAM, ":status: 200\n");
    put_headers(&peer->in, whole, FRAME_END_STREAM, ":status: 100\n");
    put_headers(&peer->in, large, FRAME_END_STREAM, ":status: 600\n");
    pump(peer);
    assert_int_equal(H2_MALFORMED, seen(peer, framing)->failure);
    assert_int_equal(H2_MALFORMED, seen(peer, status)->failure);
    assert_int_equal(H2_MALFORMED, seen(peer, whole)->failure);
    assert_int_equal(H2_MALFORMED, seen(peer, large)->failure);
    assert_int_equal(0, seen(peer, framing)->ends + seen(peer, status)->ends);
}

static void head_beyond_the_limits_is_reset(void **state)
{
    struct peer *peer = *state;
    scoped(buf_free) struct buf block = {.limit = 1 << 20};
    int32_t stream = get(peer);

    put_field(&block, ":status", "200");
    for (int i = 0; i <= HTTP_FIELDS_MAX; i++)
        put_field(&block, "a", "b");
    put_frame(&peer->in, FRAME_HEADERS, FRAME_END_HEADERS, stream, buf_str(&block));
    pump(peer);
    assert_int_equal(0, seen(peer, stream)->heads);
    assert_int_equal(H2_MALFORMED, seen(peer, stream)->failure);
    assert_false(peer->has_failed);
}

static void refused_stream_is_unprocessed_only_before_an_answer(void **state)
{
    struct peer *peer = *state;
    int32_t refused = get(peer), interim = get(peer), answered = get(peer), other = get(peer);

    put_word(&peer->in, FRAME_RST_STREAM, refused, NGHTTP2_REFUSED_STREAM);
    put_headers(&peer->in, interim, 0, ":status: 100\n");
    put_word(&peer->in, FRAME_RST_STREAM, interim, NGHTTP2_REFUSED_STREAM);
    put_headers(&peer->in, answered, 0, OK);
    put_word(&peer->in, FRAME_RST_STREAM, answered, NGHTTP2_REFUSED_STREAM);
    put_word(&peer->in, FRAME_RST_STREAM, other, NGHTTP2_INTERNAL_ERROR);
    pump(peer);
    assert_int_equal(1, seen(peer, refused)->failures);
    assert_int_equal(H2_UNPROCESSED, seen(peer, refused)->failure);
    assert_int_equal(H2_BROKEN_OFF, seen(peer, interim)->failure);
    assert_int_equal(H2_BROKEN_OFF, seen(peer, answered)->failure);
    assert_int_equal(H2_BROKEN_OFF, seen(peer, other)->failure);
    assert_int_equal(NGHTTP2_INTERNAL_ERROR, seen(peer, other)->code);
}

static void goaway_leaves_what_it_names_and_refuses_the_rest(void **state)
{
    struct peer *peer = *state;
    int32_t kept = get(peer), beyond = get(peer), unsent = ask(peer, "GET", true);

    put_goaway(&peer->in, kept, NGHTTP2_NO_ERROR);
    pump(peer);
    assert_int_equal(1, peer->goaways);
    assert_int_equal(0, h2_streams_allowed(peer->h2));
    assert_int_equal(0, seen(peer, kept)->failures);
    assert_int_equal(H2_UNPROCESSED, seen(peer, beyond)->failure);
    assert_int_equal(1, seen(peer, beyond)->failures);
    assert_int_equal(H2_UNPROCESSED, seen(peer, unsent)->failure);
    assert_int_equal(0, seen(peer, unsent)->sent_headers);
    answer(peer, kept, OK, "x");
    pump(peer);
    assert_int_equal(1, seen(peer, kept)->ends);
    assert_true(h2_is_finished(peer->h2));
}

static void connection_that_is_lost_breaks_off_what_was_sent(void **state)
{
    struct peer *peer = *state;
    int32_t sent = get(peer), unsent = ask(peer, "GET", true);

    h2_lost(peer->h2);
    assert_int_equal(H2_BROKEN_OFF, seen(peer, sent)->failure);
    assert_int_equal(H2_UNPROCESSED, seen(peer, unsent)->failure);
    assert_int_equal(1, seen(peer, sent)->closes);
    assert_int_equal(0, h2_request(peer->h2, &(struct http_head){.method = STR("GET")}, true));
}

static void streams_beyond_the_servers_limit_wait(void **state)
{
    struct peer *peer = *state;

    put_setting(&peer->in, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1);
    pump(peer);
    assert_int_equal(1, h2_streams_allowed(peer->h2));
    int32_t first = get(peer), second = ask(peer, "GET", true), third = ask(peer, "GET", true);

    h2_reset(peer->h2, third, H2_CANCEL); /* never begun */
    pump(peer);
    assert_int_equal(0, seen(peer, second)->sent_headers);
    answer(peer, first, OK, "x");
    pump(peer);
    pump(peer);
    assert_int_equal(1, seen(peer, second)->sent_headers);
    assert_int_equal(0, seen(peer, third)->sent_headers);
    put_goaway(&peer->in, second, NGHTTP2_NO_ERROR);
    pump(peer);
    assert_int_equal(0, seen(peer, second)->failures);
    assert_int_equal(0, seen(peer, third)->failures);
    assert_int_equal(1, seen(peer, third)->closes);
}

static void our_reset_is_sent_and_not_told(void **state)
{
    struct peer *peer = *state;
    int32_t stream = get(peer);

    put_headers(&peer->in, stream, 0, OK);
    pump(peer);
    h2_reset(peer->h2, stream, H2_CANCEL);
    put_frame(&peer->in, FRAME_DATA, 0, stream, STR("late"));
    pump(peer);
    assert_int_equal(NGHTTP2_CANCEL + 1, seen(peer, stream)->reset_code);
    assert_int_equal(0, seen(peer, stream)->bytes);
    assert_int_equal(0, seen(peer, stream)->failures);
    assert_int_equal(1, seen(peer, stream)->closes);
}

static void wire_counts_frames(void **state)
{
    struct peer *peer = *state;
    int32_t stream = ask(peer, "POST", false);
    uint64_t sent, received;

    h2_data_adopt(peer->h2, stream, chunk_new(STR("12345")));
    pump(peer);
    put_headers(&peer->in, stream, 0, OK);
    pump(peer);
    h2_stream_wire(peer->h2, stream, &sent, &received);
    assert_true(sent > 9 + 5 + 9 + 10 && sent < 100);
    put_headers(&peer->in, stream, 0, OK);
    assert_int_equal(peer->in.len, 0 + 9 + 1 + 1 + 7 + 1 + 3);
    assert_int_equal(peer->in.len, received);
    buf_clear(&peer->in);
}

/* ---- A hostile server: bounded, and the connection ends ---- */

static void flood(struct peer *peer, void (*each)(struct peer *peer, int32_t stream),
                  int32_t stream)
{
    for (int i = 0; i < 5000 && !peer->has_failed; i++) {
        each(peer, stream);
        if (i % 50 == 49)
            pump(peer);
    }
    assert_true(peer->has_failed);
    assert_int_equal(ERROR_PROTOCOL, peer->err.kind);
    assert_true(peer->goaways_sent > 0);
    h2_lost(peer->h2);
    if (stream)
        assert_int_equal(H2_BROKEN_OFF, seen(peer, stream)->failure);
}

static void send_ping(struct peer *peer, int32_t stream)
{
    put_frame(&peer->in, FRAME_PING, 0, 0, STR("12345678"));
}

static void send_settings(struct peer *peer, int32_t stream)
{
    put_setting(&peer->in, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100);
}

static void send_empty_data(struct peer *peer, int32_t stream)
{
    put_frame(&peer->in, FRAME_DATA, 0, stream, STR(""));
}

static void send_reset(struct peer *peer, int32_t stream)
{
    int32_t refused = ask(peer, "GET", true);

    pump(peer);
    put_word(&peer->in, FRAME_RST_STREAM, refused, NGHTTP2_REFUSED_STREAM);
}

static void floods_end_the_connection(void **state)
{
    static void (*const kinds[])(struct peer *, int32_t) = {send_ping, send_settings,
                                                            send_empty_data, send_reset};

    for (size_t i = 0; i < count_of(kinds); i++) {
        struct peer *peer = *state;
        int32_t stream = kinds[i] == send_reset ? 0 : get(peer);

        if (stream)
            put_headers(&peer->in, stream, 0, OK);
        flood(peer, kinds[i], stream);
        close_peer(state);
        open_peer(state);
    }
}

static void endless_field_blocks_end_the_connection(void **state)
{
    struct peer *peer = *state;
    scoped(buf_free) struct buf block = {.limit = 1 << 20};
    int32_t stream = get(peer);

    put_headers(&peer->in, stream, 0, ":status: 200\n");
    peer->in.data[4] = 0; /* no END_HEADERS */
    while (block.len < 15000)
        put_field(&block, "a", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    for (int i = 0; i < 200 && !peer->has_failed; i++) {
        put_frame(&peer->in, FRAME_CONTINUATION, 0, stream, buf_str(&block));
        pump(peer);
    }
    assert_true(peer->has_failed);
    assert_int_equal(0, seen(peer, stream)->heads);
}

static void push_ends_the_connection(void **state)
{
    struct peer *peer = *state;
    int32_t stream = get(peer);

    put_frame(&peer->in, FRAME_PUSH_PROMISE, FRAME_END_HEADERS, stream,
              str_make("\0\0\0\2\x82", 5));
    pump(peer);
    assert_true(peer->has_failed || h2_is_finished(peer->h2));
}

static void ping_goes_out(void **state)
{
    struct peer *peer = *state;

    h2_ping(peer->h2);
    pump(peer);
    assert_int_equal(1, peer->pings_sent);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_peer, close_peer)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(request_and_response_cross_however_bytes_are_cut),
        TEST(answer_without_body_is_whole),
        TEST(interims_and_trailers_arrive),
        TEST(upload_goes_out_with_its_trailers_by_the_servers_window),
        TEST(answer_may_be_complete_before_the_request),
        TEST(stream_credit_is_given_only_for_what_was_consumed),
        TEST(length_that_is_a_lie_never_ends_clean),
        TEST(body_that_is_cut_before_trailers_is_cut),
        TEST(malformed_heads_are_reset),
        TEST(bad_trailers_and_interims_without_end_are_reset),
        TEST(head_beyond_the_limits_is_reset),
        TEST(refused_stream_is_unprocessed_only_before_an_answer),
        TEST(goaway_leaves_what_it_names_and_refuses_the_rest),
        TEST(connection_that_is_lost_breaks_off_what_was_sent),
        TEST(streams_beyond_the_servers_limit_wait),
        TEST(our_reset_is_sent_and_not_told),
        TEST(wire_counts_frames),
        TEST(floods_end_the_connection),
        TEST(endless_field_blocks_end_the_connection),
        TEST(push_ends_the_connection),
        TEST(ping_goes_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
