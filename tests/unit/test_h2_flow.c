#include "h2_peer.h"

/* A struct pair is large: one for all tests, opened by each. */
static struct pair the_pair;

static struct pair *open_pair(uint32_t client_window)
{
    pair_open(&the_pair, client_window);
    return &the_pair;
}

static int close_pair(void **state)
{
    pair_close(&the_pair);
    return 0;
}

static int32_t post(struct pair *pair, ssize_t upload)
{
    nghttp2_nv fields[] = {PSEUDO("POST", "/")};

    return ask(pair, fields, count_of(fields), upload);
}

/* ---- Uploads ---- */

static void upload_stops_at_the_stream_window_until_consumed(void **state)
{
    struct pair *pair = open_pair(1 << 20);

    pair->is_consuming = false;
    int32_t stream = post(pair, 1 << 20);
    struct seen *s = seen(pair, stream);

    pump(pair);
    assert_int_equal(H2_STREAM_WINDOW_BYTES, s->uploaded);
    h2_consume(pair->server, stream, H2_STREAM_WINDOW_BYTES);
    pump(pair);
    assert_int_equal(2 * H2_STREAM_WINDOW_BYTES, s->uploaded);
    pair->is_consuming = true;
    h2_consume(pair->server, stream, H2_STREAM_WINDOW_BYTES);
    pump(pair);
    assert_int_equal(1 << 20, s->uploaded);
    assert_true(s->has_ended);
}

static void stalled_uploads_do_not_starve_their_neighbours(void **state)
{
    struct pair *pair = open_pair(1 << 20);

    pair->is_consuming = false;
    /* Together five times the connection's window, none of it consumed. */
    for (int i = 0; i < 20; i++)
        post(pair, 1 << 20);
    pump(pair);
    for (int i = 0; i < 20; i++)
        assert_int_equal(H2_STREAM_WINDOW_BYTES, pair->seen[i].uploaded);
    int32_t stream = post(pair, 200000);

    pump(pair);
    assert_int_equal(200000, seen(pair, stream)->uploaded);
    assert_true(seen(pair, stream)->has_ended);
}

static void upload_of_a_refused_request_is_thrown_away(void **state)
{
    struct pair *pair = open_pair(1 << 20);
    nghttp2_nv fields[] = {PSEUDO("POST", "/a#b")};

    pair->is_consuming = false;
    int32_t stream = ask(pair, fields, count_of(fields), 1 << 20);

    pump(pair);
    assert_int_equal(400, seen(pair, stream)->status);
    assert_int_equal(0, seen(pair, stream)->uploaded);
    assert_int_equal(NGHTTP2_NO_ERROR, seen(pair, stream)->close_code);
    assert_true(seen(pair, stream)->is_closed);
    assert_int_equal(1, seen(pair, stream)->closes);
    assert_int_equal(0, h2_open_streams(pair->server));
}

static void answer_before_the_end_of_the_upload_stops_it(void **state)
{
    struct pair *pair = open_pair(1 << 20);

    pair->is_consuming = false;
    int32_t stream = post(pair, 1 << 20);

    pump(pair);
    respond(pair, stream, 413, false);
    give(pair, stream, 10);
    h2_end(pair->server, stream, NULL);
    pump(pair);
    struct seen *s = seen(pair, stream);

    assert_int_equal(413, s->status);
    assert_int_equal(10, s->body_bytes);
    assert_true(s->is_closed);
    assert_int_equal(NGHTTP2_NO_ERROR, s->close_code);
    assert_int_equal(0, s->resets);
    assert_int_equal(1, s->closes);
}

/* ---- Downloads ---- */

static void download_waits_for_the_window(void **state)
{
    struct pair *pair = open_pair(100000);
    int32_t stream = get(pair);
    struct seen *s = seen(pair, stream);

    pump(pair);
    respond(pair, stream, 200, false);
    give(pair, stream, 300000);
    h2_end(pair->server, stream, NULL);
    assert_int_equal(300000, h2_queued(pair->server, stream));
    pump(pair);
    assert_int_equal(100000, s->body_bytes);
    assert_int_equal(200000, h2_queued(pair->server, stream));
    assert_int_equal(0, s->writables);
    assert_false(h2_wants_send(pair->server));
    nghttp2_session_consume_stream(pair->client, stream, 100000);
    pump(pair);
    assert_int_equal(100000, h2_queued(pair->server, stream));
    nghttp2_session_consume_stream(pair->client, stream, 100000);
    pump(pair);
    assert_int_equal(1, s->writables);
    assert_int_equal(300000, s->body_bytes);
    assert_true(s->is_closed);
    assert_int_equal(0, s->resets);
}

static void hundred_downloads_finish_beside_one_that_stalls(void **state)
{
    struct pair *pair = open_pair(200000);
    int32_t stalled = get(pair);

    pump(pair);
    respond(pair, stalled, 200, false);
    give(pair, stalled, 1 << 20);
    pump(pair);
    assert_int_equal(200000, seen(pair, stalled)->body_bytes);
    for (int i = 0; i < 100; i++) {
        int32_t stream = get(pair);

        pump(pair);
        respond(pair, stream, 200, false);
        give(pair, stream, 150000);
        h2_end(pair->server, stream, NULL);
    }
    pump(pair);
    for (int i = 1; i <= 100; i++) {
        assert_int_equal(150000, pair->seen[i].body_bytes);
        assert_true(pair->seen[i].is_closed);
        assert_int_equal(1, pair->seen[i].closes);
    }
    assert_int_equal(200000, seen(pair, stalled)->body_bytes);
    assert_int_equal(1, h2_open_streams(pair->server));
}

static void send_stops_at_its_maximum(void **state)
{
    struct pair *pair = open_pair(1 << 20);
    scoped(buf_free) struct buf out = {.limit = 2 << 20};
    struct error err = {0};
    int32_t stream = get(pair);

    pump(pair);
    respond(pair, stream, 200, false);
    give(pair, stream, 500000);
    assert_int_equal(0, h2_send(pair->server, &out, 100000, &err));
    assert_in_range(out.len, 100000, 100000 + 16384 + 9);
    assert_true(h2_wants_send(pair->server));
    size_t queued = h2_queued(pair->server, stream);

    assert_in_range(queued, 500000 - out.len, 400000);
    /* Nothing is lost between two calls, whatever the sizes. */
    nghttp2_session_mem_recv(pair->client, (uint8_t *)out.data, out.len);
    pair->send_max = 1000;
    pump(pair);
    assert_int_equal(500000, seen(pair, stream)->body_bytes);
}

/* A pattern that shows every byte that is lost, doubled or moved. */
static void download_keeps_every_byte_in_its_place(void **state)
{
    struct pair *pair = open_pair(1 << 20);
    int32_t stream = get(pair);
    char text[4000];

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * i / 7);
    pump(pair);
    respond(pair, stream, 200, false);
    for (size_t at = 0, step = 1; at < sizeof text; at += step, step = step % 97 + 1) {
        struct str rest = str_make(text + at, sizeof text - at);

        step = min_of(step, rest.len);
        h2_data_adopt(pair->server, stream, chunk_new(str_first(rest, step)));
        if (step % 3 == 0)
            pump(pair);
    }
    h2_end(pair->server, stream, NULL);
    pump(pair);
    assert_int_equal(sizeof text, seen(pair, stream)->body.len);
    assert_memory_equal(text, seen(pair, stream)->body.data, sizeof text);
}

/* ---- Resets ---- */

static void reset_of_the_client_is_told_once(void **state)
{
    struct pair *pair = open_pair(1000);
    int32_t stream = get(pair);
    struct seen *s = seen(pair, stream);

    pump(pair);
    respond(pair, stream, 200, false);
    give(pair, stream, 300000);
    pump(pair);
    nghttp2_submit_rst_stream(pair->client, 0, stream, NGHTTP2_CANCEL);
    pump(pair);
    assert_int_equal(1, s->resets);
    assert_int_equal(NGHTTP2_CANCEL, s->reset_code);
    assert_int_equal(1, s->closes);
    /* The number means nothing now. */
    give(pair, stream, 10);
    h2_end(pair->server, stream, NULL);
    h2_reset(pair->server, stream, H2_CANCEL);
    pump(pair);
    assert_int_equal(1, s->closes);
    assert_false(pair->has_failed);
}

static void reset_of_ours_closes_without_reset(void **state)
{
    struct pair *pair = open_pair(1000);
    int32_t stream = get(pair);
    struct seen *s = seen(pair, stream);

    pump(pair);
    respond(pair, stream, 200, false);
    give(pair, stream, 300000);
    pump(pair);
    h2_reset(pair->server, stream, H2_INTERNAL_ERROR);
    assert_int_equal(0, h2_queued(pair->server, stream));
    pump(pair);
    assert_true(s->is_closed);
    assert_int_equal(NGHTTP2_INTERNAL_ERROR, s->close_code);
    assert_int_equal(1000, s->body_bytes);
    assert_int_equal(0, s->resets);
    assert_int_equal(1, s->closes);
}

static void lost_connection_ends_every_stream(void **state)
{
    struct pair *pair = open_pair(1000);
    int context = 0;

    for (int i = 0; i < 5; i++)
        h2_set_stream_context(pair->server, get(pair), &context);
    pump(pair);
    for (int i = 0; i < 5; i++)
        h2_set_stream_context(pair->server, 2 * i + 1, &context);
    assert_ptr_equal(&context, h2_stream_context(pair->server, 3));
    h2_reset(pair->server, 1, H2_CANCEL); /* not sent yet */
    h2_lost(pair->server);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(i == 0 ? 0 : 1, pair->seen[i].resets);
        assert_int_equal(1, pair->seen[i].closes);
    }
    assert_int_equal(0, h2_open_streams(pair->server));
    assert_null(h2_stream_context(pair->server, 3));
    assert_true(h2_is_finished(pair->server));
    assert_false(h2_wants_send(pair->server));
}

/* ---- Floods ---- */

/* As CVE-2023-44487: opened and taken back, over and over. */
static void rapid_reset(struct pair *pair, int count)
{
    for (int i = 0; i < count && !pair->has_failed; i++) {
        int32_t stream = get(pair);

        pump(pair);
        nghttp2_submit_rst_stream(pair->client, 0, stream, NGHTTP2_CANCEL);
        pump(pair);
    }
}

static void rapid_reset_ends_the_connection(void **state)
{
    struct pair *pair = open_pair(1000);

    rapid_reset(pair, 700);
    assert_false(pair->has_failed);
    rapid_reset(pair, 200);
    assert_true(pair->has_failed);
    assert_non_null(strstr(pair->server_error.text, "reset"));
    assert_int_equal(1, pair->goaways);
    assert_int_equal(NGHTTP2_ENHANCE_YOUR_CALM, pair->goaway_code);
    assert_true(h2_is_finished(pair->server));
    h2_lost(pair->server);
    for (int i = 0; i < STREAMS; i++)
        assert_int_equal(pair->seen[i].request.version ? 1 : 0, pair->seen[i].closes);
}

static void resets_over_time_are_no_flood(void **state)
{
    struct pair *pair = open_pair(1000);

    for (int i = 0; i < 60; i++) {
        rapid_reset(pair, 25);
        pair->mono_us += 1000000;
    }
    assert_false(pair->has_failed);
}

/* As CVE-2025-8671: the client makes us reset. */
static void provoked_resets_end_the_connection(void **state)
{
    struct pair *pair = open_pair(1000);
    nghttp2_nv fields[] = {PSEUDO("GET", "/"), NV("connection", "close")};

    for (int i = 0; i < 900 && !pair->has_failed; i++) {
        ask(pair, fields, count_of(fields), -1);
        pump(pair);
    }
    assert_true(pair->has_failed);
    assert_int_equal(NGHTTP2_ENHANCE_YOUR_CALM, pair->goaway_code);
}

static void pings_are_answered_until_they_flood(void **state)
{
    struct pair *pair = open_pair(1000);

    for (int i = 0; i < 1900; i++) {
        nghttp2_submit_ping(pair->client, 0, NULL);
        pump(pair);
    }
    assert_false(pair->has_failed);
    for (int i = 0; i < 200 && !pair->has_failed; i++) {
        nghttp2_submit_ping(pair->client, 0, NULL);
        pump(pair);
    }
    assert_true(pair->has_failed);
    assert_int_equal(NGHTTP2_ENHANCE_YOUR_CALM, pair->goaway_code);
}

/* Raw frames, behind a preface: `count` times `frame`, without reading any answer. */
static bool survives(struct str frame, int count)
{
    struct h2 *server = h2_server_new(&peer_events, NULL);
    struct error err = {0};
    struct str preface = STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0");
    bool is_well = h2_receive(server, preface, 1, &err) == 0;

    assert_true(is_well);
    for (int i = 0; i < count && is_well; i++)
        is_well = h2_receive(server, frame, 1, &err) == 0;
    scoped(buf_free) struct buf out = {0};

    if (is_well) {
        assert_int_equal(0, h2_send(server, &out, 1 << 18, &err));
        assert_false(h2_is_finished(server));
    } else {
        assert_int_equal(ERROR_PROTOCOL, err.kind);
    }
    h2_lost(server);
    h2_free(&server);
    return is_well;
}

static void frames_without_content_are_bounded(void **state)
{
    static const struct str frames[] = {
        {"\0\0\0\4\0\0\0\0\0", 9},            /* SETTINGS */
        {"\0\0\5\2\0\0\0\0\1\0\0\0\0\1", 14}, /* PRIORITY */
        {"\0\0\10\6\0\0\0\0\0abcdefgh", 17},  /* PING */
    };

    for (size_t i = 0; i < count_of(frames); i++) {
        assert_true(survives(frames[i], 100));
        if (survives(frames[i], 3000))
            fail_msg("frame %zu", i);
    }
}

static void continuations_are_bounded(void **state)
{
    /* HEADERS without END_HEADERS, then empty CONTINUATIONs (CVE-2024-28182). */
    struct h2 *server = h2_server_new(&peer_events, NULL);
    struct error err = {0};
    int count = 0;

    assert_int_equal(0, h2_receive(server,
                                   STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
                                       "\0\0\1\1\0\0\0\0\1\x82"),
                                   1, &err));
    while (count < 3000 && h2_receive(server, STR("\0\0\0\x09\0\0\0\0\1"), 1, &err) == 0)
        count++;
    assert_in_range(count, 1, 2100);
    h2_free(&server);
}

static void block_that_spells_too_much_ends_the_connection(void **state)
{
    struct pair *pair = open_pair(1000);
    static char value[3000]; /* enters the table of 4096, then costs a byte */
    static nghttp2_nv fields[4 + 400] = {PSEUDO("GET", "/")};

    memset(value, 'v', sizeof value);
    for (size_t i = 4; i < count_of(fields); i++)
        fields[i] = (nghttp2_nv){.name = (uint8_t *)"a",
                                 .namelen = 1,
                                 .value = (uint8_t *)value,
                                 .valuelen = sizeof value};
    ask(pair, fields, count_of(fields), -1);
    pump(pair);
    assert_true(pair->has_failed);
    assert_int_equal(NGHTTP2_ENHANCE_YOUR_CALM, pair->goaway_code);
}

static void more_streams_than_allowed_are_refused(void **state)
{
    struct pair *pair = open_pair(1000);

    /* Before the client has seen our SETTINGS. */
    for (int i = 0; i < H2_STREAMS_MAX + 10; i++)
        get(pair);
    pump(pair);
    for (int i = 0; i < H2_STREAMS_MAX; i++)
        assert_int_equal(20, pair->seen[i].request.version);
    for (int i = H2_STREAMS_MAX; i < H2_STREAMS_MAX + 10; i++)
        assert_int_equal(0, pair->seen[i].request.version);
    assert_int_equal(H2_STREAMS_MAX, h2_open_streams(pair->server));
}

static void garbage_is_an_error(void **state)
{
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    };

    for (size_t i = 0; i < count_of(texts); i++) {
        struct h2 *server = h2_server_new(&peer_events, NULL);
        scoped(buf_free) struct buf out = {0};
        struct error err = {0};
        int status = h2_receive(server, str_from(texts[i]), 1, &err);

        assert_int_equal(status < 0 ? ERROR_PROTOCOL : ERROR_NONE, err.kind);
        ignore(h2_send(server, &out, 1 << 16, &err));
        assert_true(h2_is_finished(server));
        assert_true(out.len > 0);
        h2_free(&server);
    }
}

/* ---- The end ---- */

static void goaway_lets_open_streams_finish(void **state)
{
    struct pair *pair = open_pair(1000);
    int32_t first = get(pair);

    pump(pair);
    h2_shutdown_notice(pair->server);
    pump(pair);
    assert_int_equal(1, pair->goaways);
    assert_int_equal(NGHTTP2_NO_ERROR, pair->goaway_code);
    assert_int_equal(INT32_MAX, pair->goaway_last);
    h2_goaway(pair->server, H2_NO_ERROR);
    pump(pair);
    assert_int_equal(2, pair->goaways);
    assert_int_equal(first, pair->goaway_last);
    assert_false(h2_is_finished(pair->server));
    respond(pair, first, 200, false);
    give(pair, first, 500);
    h2_end(pair->server, first, NULL);
    pump(pair);
    assert_int_equal(500, seen(pair, first)->body_bytes);
    assert_int_equal(0, seen(pair, first)->close_code);
    assert_true(h2_is_finished(pair->server));
}

/* To the server, without letting it send. */
static void deliver_requests(struct pair *pair)
{
    const uint8_t *data;
    ssize_t len;

    while ((len = nghttp2_session_mem_send(pair->client, &data)) > 0)
        assert_true(to_server(pair, str_make(data, (size_t)len), 0));
}

static void goaway_names_the_last_request_that_was_seen(void **state)
{
    struct pair *pair = open_pair(1000);
    scoped(buf_free) struct buf out = {0};
    struct error err = {0};

    get(pair);
    pump(pair);
    h2_goaway(pair->server, H2_NO_ERROR);
    int32_t seen_before = get(pair);

    deliver_requests(pair); /* the GOAWAY is not sent yet */
    assert_int_equal(20, seen(pair, seen_before)->request.version);
    assert_int_equal(0, h2_send(pair->server, &out, 1 << 18, &err));
    int32_t late = get(pair); /* the client has not read it yet */

    deliver_requests(pair);
    nghttp2_session_mem_recv(pair->client, (uint8_t *)out.data, out.len);
    pump(pair);
    assert_int_equal(0, seen(pair, late)->request.version);
    assert_int_equal(seen_before, pair->goaway_last);
    assert_int_equal(2, h2_open_streams(pair->server));
    assert_int_equal(0, seen(pair, seen_before)->closes);
    assert_false(pair->has_failed);
}

static void goaway_with_an_error_ends_all(void **state)
{
    struct pair *pair = open_pair(1000);
    int32_t first = get(pair);

    pump(pair);
    h2_goaway(pair->server, H2_ENHANCE_YOUR_CALM);
    pump(pair);
    assert_int_equal(NGHTTP2_ENHANCE_YOUR_CALM, pair->goaway_code);
    assert_true(h2_is_finished(pair->server));
    h2_lost(pair->server);
    assert_int_equal(1, seen(pair, first)->resets);
    assert_int_equal(1, seen(pair, first)->closes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, close_pair)
    const struct CMUnitTest tests[] = {
        TEST(upload_stops_at_the_stream_window_until_consumed),
        TEST(stalled_uploads_do_not_starve_their_neighbours),
        TEST(upload_of_a_refused_request_is_thrown_away),
        TEST(answer_before_the_end_of_the_upload_stops_it),
        TEST(download_waits_for_the_window),
        TEST(hundred_downloads_finish_beside_one_that_stalls),
        TEST(send_stops_at_its_maximum),
        TEST(download_keeps_every_byte_in_its_place),
        TEST(reset_of_the_client_is_told_once),
        TEST(reset_of_ours_closes_without_reset),
        TEST(lost_connection_ends_every_stream),
        TEST(rapid_reset_ends_the_connection),
        TEST(resets_over_time_are_no_flood),
        TEST(provoked_resets_end_the_connection),
        TEST(pings_are_answered_until_they_flood),
        cmocka_unit_test(frames_without_content_are_bounded),
        cmocka_unit_test(continuations_are_bounded),
        TEST(block_that_spells_too_much_ends_the_connection),
        TEST(more_streams_than_allowed_are_refused),
        cmocka_unit_test(garbage_is_an_error),
        TEST(goaway_lets_open_streams_finish),
        TEST(goaway_names_the_last_request_that_was_seen),
        TEST(goaway_with_an_error_ends_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
