#include "h2_peer.h"

/* A struct pair is large: one for all tests, opened by each. */
static struct pair the_pair;

static struct pair *open_pair(void)
{
    pair_open(&the_pair, 1 << 20);
    return &the_pair;
}

static int close_pair(void **state)
{
    pair_close(&the_pair);
    return 0;
}

/* ---- Requests and responses ---- */

static void answer_hello(struct pair *pair, int32_t stream)
{
    scoped(http_head_free) struct http_head head = {.status = 200, .version = 11};

    http_head_add(&head, "Content-Type", STR("text/plain"));
    http_head_add(&head, "Connection", STR("close"));
    http_head_add(&head, "Transfer-Encoding", STR("chunked"));
    h2_respond(pair->server, stream, &head, false);
    h2_data_adopt(pair->server, stream, chunk_new(STR("hel")));
    h2_data_adopt(pair->server, stream, chunk_new(STR("lo")));
    h2_end(pair->server, stream, NULL);
}

static void exchange_goes_through_however_bytes_are_cut(void **state)
{
    static const size_t steps[] = {0, 1, 2, 7};

    for (size_t i = 0; i < count_of(steps); i++) {
        struct pair *pair = open_pair();
        nghttp2_nv fields[] = {PSEUDO("GET", "/api?x"), NV("accept", "a"), NV("te", "trailers")};

        pair->on_request = answer_hello;
        int32_t stream = ask(pair, fields, count_of(fields), -1);
        struct seen *s = seen(pair, stream);

        pump_by(pair, steps[i]);

        assert_true(str_is(s->request.method, "GET"));
        assert_true(str_is(s->request.target, "/api?x"));
        assert_true(str_is(s->request.authority, "a:1"));
        assert_int_equal(20, s->request.version);
        assert_int_equal(2, s->request.field_count);
        assert_true(s->is_whole);
        assert_false(s->has_ended);
        assert_int_equal(200, s->status);
        assert_true(str_is(buf_str(&s->fields), "content-type: text/plain;"));
        assert_true(str_is(buf_str(&s->body), "hello"));
        assert_true(s->is_closed);
        assert_int_equal(0, s->close_code);
        assert_int_equal(1, s->closes);
        assert_int_equal(0, s->resets);
        assert_int_equal(0, h2_open_streams(pair->server));
        if (i + 1 < count_of(steps))
            pair_close(pair);
    }
}

static void settings_say_what_we_hold_to(void **state)
{
    struct pair *pair = open_pair();

    pump(pair);
    assert_int_equal(250, pair->max_streams);
    assert_true(pair->header_list >= 128 << 10);
    assert_int_equal(0, pair->connect_protocol);
}

static void upload_arrives_with_trailers(void **state)
{
    struct pair *pair = open_pair();
    nghttp2_nv fields[] = {PSEUDO("POST", "/")};
    nghttp2_nv trailer[] = {NV("x-sum", "1")};

    pair->upload_defers = true;
    int32_t stream = ask(pair, fields, count_of(fields), 3);
    struct seen *s = seen(pair, stream);

    pump(pair);
    assert_false(s->is_whole);
    assert_int_equal(3, s->uploaded);
    assert_false(s->has_ended);
    assert_int_equal(0, nghttp2_submit_trailer(pair->client, stream, trailer, 1));
    /* The DATA that is deferred must end first. */
    pair->upload_defers = false;
    pair->upload_has_trailers = true;
    nghttp2_session_resume_data(pair->client, stream);
    pump(pair);
    assert_true(s->has_ended);
    assert_true(str_is(http_head_get(&s->request_trailers, "x-sum"), "1"));
    respond(pair, stream, 201, true);
    pump(pair);
    assert_int_equal(201, s->status);
    assert_int_equal(1, s->closes);
    assert_int_equal(0, s->resets);
}

static void response_ends_with_trailers_after_an_interim_one(void **state)
{
    struct pair *pair = open_pair();
    int32_t stream = get(pair);
    struct seen *s = seen(pair, stream);
    struct http_head interim = {.status = 103};
    scoped(http_head_free) struct http_head trailers = {.status = 200};

    http_head_add(&trailers, "X-Sum", STR("1 2"));
    http_head_add(&trailers, "Content-Length", STR("7"));
    pump(pair);
    h2_informational(pair->server, stream, &interim);
    pump(pair);
    assert_int_equal(103, s->informational);
    respond(pair, stream, 200, false);
    give(pair, stream, 10);
    pump(pair);
    assert_int_equal(10, s->body_bytes);
    assert_false(s->is_closed);
    h2_end(pair->server, stream, &trailers);
    pump(pair);
    assert_true(str_is(buf_str(&s->trailer), "x-sum: 1 2;"));
    assert_true(s->is_closed);
    assert_int_equal(0, s->close_code);
    assert_int_equal(0, s->resets);
}

static void cookies_are_one_field_again(void **state)
{
    struct pair *pair = open_pair();
    nghttp2_nv fields[] = {PSEUDO("GET", "/"), NV("cookie", "a=1"), NV("x", "y"),
                           NV("cookie", "b=2"), NV("cookie", "")};
    int32_t stream = ask(pair, fields, count_of(fields), -1);

    pump(pair);
    assert_int_equal(1, http_head_count(&seen(pair, stream)->request, "cookie"));
    assert_true(str_is(http_head_get(&seen(pair, stream)->request, "cookie"), "a=1; b=2"));
}

static void long_fields_arrive_and_are_sent(void **state)
{
    struct pair *pair = open_pair();
    scoped(buf_free) struct buf value = {0};
    scoped(http_head_free) struct http_head head = {.status = 200};

    while (value.len < 60000)
        buf_printf(&value, "%zx,", value.len * 2654435761u); /* hardly shrinks */
    nghttp2_nv fields[] = {PSEUDO("GET", "/"), NV("a", ""), NV("b", "")};

    for (size_t i = 4; i < 6; i++) {
        fields[i].value = (uint8_t *)value.data;
        fields[i].valuelen = value.len;
    }
    int32_t stream = ask(pair, fields, count_of(fields), -1);

    pump(pair);
    assert_int_equal(value.len, http_head_get(&seen(pair, stream)->request, "b").len);
    http_head_add(&head, "a", buf_str(&value));
    http_head_add(&head, "b", buf_str(&value));
    h2_respond(pair->server, stream, &head, true);
    pump(pair);
    assert_int_equal(200, seen(pair, stream)->status);
    assert_int_equal(0, seen(pair, stream)->close_code);
}

static void head_beyond_the_limits_is_refused_with_431(void **state)
{
    struct pair *pair = open_pair();
    static nghttp2_nv many[4 + HTTP_FIELDS_MAX + 1] = {PSEUDO("GET", "/")};
    static char value[50000];
    nghttp2_nv large[] = {PSEUDO("GET", "/"), NV("a", ""), NV("b", ""), NV("c", "")};

    for (size_t i = 4; i < count_of(many); i++)
        many[i] = (nghttp2_nv)NV("a", "b");
    memset(value, 'v', sizeof value);
    for (size_t i = 4; i < count_of(large); i++) {
        large[i].value = (uint8_t *)value;
        large[i].valuelen = sizeof value;
    }
    int32_t fits = ask(pair, many, count_of(many) - 1, -1);
    int32_t too_many = ask(pair, many, count_of(many), -1);
    int32_t too_large = ask(pair, large, count_of(large), -1);

    pump(pair);
    assert_int_equal(HTTP_FIELDS_MAX, seen(pair, fits)->request.field_count);
    assert_int_equal(431, seen(pair, too_many)->refused);
    assert_int_equal(431, seen(pair, too_many)->status);
    assert_int_equal(431, seen(pair, too_large)->refused);
    assert_int_equal(1, seen(pair, too_large)->closes);
    assert_int_equal(0, seen(pair, too_large)->resets);
    assert_false(pair->has_failed);
}

/* ---- What is refused ---- */

#define FIELDS(...) .fields = {__VA_ARGS__}

static const struct {
    const char *name;
    int status; /* 0: reset with PROTOCOL_ERROR, never announced */
    nghttp2_nv fields[8];
} malformed[] = {
    {"no method", 0, FIELDS(NV(":scheme", "https"), NV(":path", "/"), NV(":authority", "a"))},
    {"no scheme", 0, FIELDS(NV(":method", "GET"), NV(":path", "/"), NV(":authority", "a"))},
    {"no path", 0, FIELDS(NV(":method", "GET"), NV(":scheme", "https"), NV(":authority", "a"))},
    {"empty path", 0,
     FIELDS(NV(":method", "GET"), NV(":scheme", "https"), NV(":path", ""), NV(":authority", "a"))},
    {"no authority", 0, FIELDS(NV(":method", "GET"), NV(":scheme", "https"), NV(":path", "/"))},
    {"method twice", 0, FIELDS(PSEUDO("GET", "/"), NV(":method", "GET"))},
    {"path twice", 0, FIELDS(PSEUDO("GET", "/"), NV(":path", "/b"))},
    {"unknown pseudo", 0, FIELDS(PSEUDO("GET", "/"), NV(":foo", "b"))},
    {"status", 0, FIELDS(PSEUDO("GET", "/"), NV(":status", "200"))},
    {"protocol", 0, FIELDS(PSEUDO("CONNECT", "/"), NV(":protocol", "websocket"))},
    {"pseudo behind a field", 0,
     FIELDS(NV(":method", "GET"), NV(":scheme", "https"), NV(":authority", "a"), NV("a", "b"),
            NV(":path", "/"))},
    {"connection", 0, FIELDS(PSEUDO("GET", "/"), NV("connection", "close"))},
    {"keep-alive", 0, FIELDS(PSEUDO("GET", "/"), NV("keep-alive", "1"))},
    {"proxy-connection", 0, FIELDS(PSEUDO("GET", "/"), NV("proxy-connection", "1"))},
    {"transfer-encoding", 0, FIELDS(PSEUDO("GET", "/"), NV("transfer-encoding", "chunked"))},
    {"upgrade", 0, FIELDS(PSEUDO("GET", "/"), NV("upgrade", "SPDY/3.1"))},
    {"te gzip", 0, FIELDS(PSEUDO("GET", "/"), NV("te", "gzip"))},
    {"line end in a value", 0, FIELDS(PSEUDO("GET", "/"), NV("a", "b\r\nc: d"))},
    {"line feed in a value", 0, FIELDS(PSEUDO("GET", "/"), NV("a", "b\nc"))},
    {"nul in a value", 0, FIELDS(PSEUDO("GET", "/"), NV("a", "b\0c"))},
    {"blank before a value", 0, FIELDS(PSEUDO("GET", "/"), NV("a", " b"))},
    {"blank behind a value", 0, FIELDS(PSEUDO("GET", "/"), NV("a", "b "))},
    {"control in a value", 0, FIELDS(PSEUDO("GET", "/"), NV("a", "b\1"))},
    {"colon in a name", 0, FIELDS(PSEUDO("GET", "/"), NV("a:b", "c"))},
    {"blank in a name", 0, FIELDS(PSEUDO("GET", "/"), NV("a ", "c"))},
    {"empty name", 0, FIELDS(PSEUDO("GET", "/"), NV("", "c"))},
    {"blank in the path", 0, FIELDS(PSEUDO("GET", "/a b"))},
    {"line end in the path", 0, FIELDS(PSEUDO("GET", "/a\r\nb"))},
    {"blank in the method", 0, FIELDS(PSEUDO("G T", "/"))},
    {"relative path", 0, FIELDS(PSEUDO("GET", "a"))},
    {"length twice", 0,
     FIELDS(PSEUDO("POST", "/"), NV("content-length", "0"), NV("content-length", "0"))},
    {"negative length", 0, FIELDS(PSEUDO("POST", "/"), NV("content-length", "-1"))},
    {"length 2^63", 0, FIELDS(PSEUDO("POST", "/"), NV("content-length", "9223372036854775808"))},
    {"length without data", 0, FIELDS(PSEUDO("POST", "/"), NV("content-length", "3"))},
    {"host twice", 0, FIELDS(PSEUDO("GET", "/"), NV("host", "a:1"), NV("host", "a:1"))},
    {"another host", 400, FIELDS(PSEUDO("GET", "/"), NV("host", "b"))},
    {"user in the authority", 400,
     FIELDS(NV(":method", "GET"), NV(":scheme", "https"), NV(":path", "/"),
            NV(":authority", "u@a"))},
    {"8-bit path", 400, FIELDS(PSEUDO("GET", "/\xc3\xa4"))},
    {"fragment", 400, FIELDS(PSEUDO("GET", "/a#b"))},
    {"asterisk", 400, FIELDS(PSEUDO("OPTIONS", "*"))},
    {"connect", 501, FIELDS(NV(":method", "CONNECT"), NV(":authority", "a:443"))},
};

static void malformed_requests_stay_alone(void **state)
{
    struct pair *pair = open_pair();

    for (size_t i = 0; i < count_of(malformed); i++) {
        size_t count = 0;

        while (count < count_of(malformed[i].fields) && malformed[i].fields[count].name)
            count++;
        int32_t stream = ask(pair, malformed[i].fields, count, -1);
        struct seen *s = seen(pair, stream);

        pump(pair);
        if (pair->has_failed || !s->is_closed || s->request.version)
            fail_msg("%s: %s", malformed[i].name, pair->server_error.text);
        if (malformed[i].status) {
            if (malformed[i].status != s->refused || s->status != s->refused)
                fail_msg("%s: %d, code %u", malformed[i].name, s->refused, s->close_code);
        } else if (s->close_code != NGHTTP2_PROTOCOL_ERROR || s->closes || s->refused) {
            fail_msg("%s: code %u, refused %d", malformed[i].name, s->close_code, s->refused);
        }
        assert_int_equal(0, h2_open_streams(pair->server));
    }
    /* The connection has come to no harm. */
    pair->on_request = answer_hello;
    int32_t stream = get(pair);

    pump(pair);
    assert_int_equal(200, seen(pair, stream)->status);
}

static void host_stands_for_authority(void **state)
{
    struct pair *pair = open_pair();
    nghttp2_nv fields[] = {NV(":method", "GET"), NV(":scheme", "https"), NV(":path", "/"),
                           NV("host", "b:2")};
    nghttp2_nv both[] = {PSEUDO("GET", "/"), NV("host", "A:1")};
    int32_t one = ask(pair, fields, count_of(fields), -1);
    int32_t two = ask(pair, both, count_of(both), -1);

    pump(pair);
    assert_true(str_is(seen(pair, one)->request.authority, "b:2"));
    assert_int_equal(0, seen(pair, one)->request.field_count);
    assert_true(str_is(seen(pair, two)->request.authority, "a:1"));
    assert_int_equal(0, seen(pair, two)->request.field_count);
}

static void upload_that_is_not_its_length_is_reset(void **state)
{
    static const ssize_t lengths[] = {2, 4};

    for (size_t i = 0; i < count_of(lengths); i++) {
        struct pair *pair = open_pair();
        nghttp2_nv fields[] = {PSEUDO("POST", "/"), NV("content-length", "3")};
        int32_t stream = ask(pair, fields, count_of(fields), lengths[i]);
        struct seen *s = seen(pair, stream);

        pump(pair);
        assert_int_equal(1, s->resets);
        assert_int_equal(1, s->closes);
        assert_false(s->has_ended);
        assert_int_equal(NGHTTP2_PROTOCOL_ERROR, s->close_code);
        if (i == 0)
            pair_close(pair);
    }
}

static void identity_among_trailers_is_reset(void **state)
{
    struct pair *pair = open_pair();
    nghttp2_nv fields[] = {PSEUDO("POST", "/")};
    nghttp2_nv trailer[] = {NV("x-remote-user", "root")};
    int32_t stream = ask(pair, fields, count_of(fields), 3);
    struct seen *s = seen(pair, stream);

    /* Before END_STREAM of the DATA goes out. */
    pair->upload_defers = true;
    pump(pair);
    assert_int_equal(0, nghttp2_submit_headers(pair->client, NGHTTP2_FLAG_END_STREAM, stream, NULL,
                                               trailer, 1, NULL));
    pump(pair);
    assert_false(s->has_ended);
    assert_int_equal(1, s->resets);
    assert_int_equal(NGHTTP2_PROTOCOL_ERROR, s->close_code);
}

static void response_that_may_not_be_sent_is_reset(void **state)
{
    static const char *const values[] = {"b\r\nc: d", "b\nc", " b", "\x01"};

    for (size_t i = 0; i < count_of(values); i++) {
        struct pair *pair = open_pair();
        int32_t stream = get(pair);
        scoped(http_head_free) struct http_head head = {.status = 200};

        pump(pair);
        http_head_add(&head, "a", str_from(values[i]));
        h2_respond(pair->server, stream, &head, true);
        pump(pair);
        assert_int_equal(0, seen(pair, stream)->status);
        assert_int_equal(NGHTTP2_INTERNAL_ERROR, seen(pair, stream)->close_code);
        assert_int_equal(0, seen(pair, stream)->resets);
        assert_int_equal(1, seen(pair, stream)->closes);
        if (i + 1 < count_of(values))
            pair_close(pair);
    }
}

static void response_that_is_not_its_length_never_looks_whole(void **state)
{
    static const size_t lengths[] = {0, 9, 11, 10};

    for (size_t i = 0; i < count_of(lengths); i++) {
        struct pair *pair = open_pair();
        int32_t stream = get(pair);
        scoped(http_head_free) struct http_head head = {.status = 200};

        pump(pair);
        http_head_add(&head, "Content-Length", STR("10"));
        h2_respond(pair->server, stream, &head, false);
        give(pair, stream, lengths[i]);
        pump(pair);
        h2_end(pair->server, stream, NULL);
        pump(pair);
        assert_true(seen(pair, stream)->is_closed);
        assert_int_equal(lengths[i] == 10 ? 0 : NGHTTP2_INTERNAL_ERROR,
                         seen(pair, stream)->close_code);
        assert_int_equal(lengths[i] <= 10 ? lengths[i] : 0, seen(pair, stream)->body_bytes);
        assert_int_equal(1, seen(pair, stream)->closes);
        if (i + 1 < count_of(lengths))
            pair_close(pair);
    }
}

static void head_request_may_promise_a_length(void **state)
{
    struct pair *pair = open_pair();
    nghttp2_nv fields[] = {PSEUDO("HEAD", "/")};
    int32_t stream = ask(pair, fields, count_of(fields), -1);
    scoped(http_head_free) struct http_head head = {.status = 200};

    pump(pair);
    http_head_add(&head, "Content-Length", STR("10"));
    h2_respond(pair->server, stream, &head, true);
    pump(pair);
    assert_int_equal(0, seen(pair, stream)->close_code);
    assert_true(str_is(buf_str(&seen(pair, stream)->fields), "content-length: 10;"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, close_pair)
    const struct CMUnitTest tests[] = {
        TEST(exchange_goes_through_however_bytes_are_cut),
        TEST(settings_say_what_we_hold_to),
        TEST(upload_arrives_with_trailers),
        TEST(response_ends_with_trailers_after_an_interim_one),
        TEST(cookies_are_one_field_again),
        TEST(long_fields_arrive_and_are_sent),
        TEST(head_beyond_the_limits_is_refused_with_431),
        TEST(malformed_requests_stay_alone),
        TEST(host_stands_for_authority),
        TEST(upload_that_is_not_its_length_is_reset),
        TEST(identity_among_trailers_is_reset),
        TEST(response_that_may_not_be_sent_is_reset),
        TEST(response_that_is_not_its_length_never_looks_whole),
        TEST(head_request_may_promise_a_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
