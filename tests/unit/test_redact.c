#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <json-c/json.h>
#include <stdio.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "kube/redact.h"

#define CANARY "cAnArY-7f3b9d21e6"
#define PEM "-----BEGIN RSA PRIVATE KEY-----\\n" CANARY "\\n-----END RSA PRIVATE KEY-----"
#define SECRETS "/api/v1/namespaces/default/secrets"
#define LAST "kubectl.kubernetes.io/last-applied-configuration"

/* What came out of one body, and that the pieces tile it. */
struct result {
    struct buf text;
    uint64_t end, covered_bytes, withheld_bytes;
    int pieces, withheld_pieces;
    char reason[32], fingerprint[FINGERPRINT_BYTES];
    uint64_t run_offset;
};

static struct fingerprint_key key;

static void see_piece(void *context, const struct redact_piece *piece)
{
    struct result *result = context;

    assert_true(piece->offset == result->end);
    assert_true(piece->data.len <= REDACT_PIECE_MAX);
    result->end += piece->covers;
    result->pieces++;
    if (piece->kind == PIECE_BYTES) {
        buf_append_str(&result->text, piece->data);
        result->covered_bytes += piece->covers;
        return;
    }
    result->withheld_pieces++;
    result->withheld_bytes += piece->covers;
    result->run_offset = piece->run_offset;
    snprintf(result->reason, sizeof result->reason, "%s", piece->reason);
    memcpy(result->fingerprint, piece->fingerprint, sizeof result->fingerprint);
}

static void result_free(struct result *result)
{
    buf_free(&result->text);
}

struct body {
    const char *target, *type, *encoding;
    struct str bytes;
    size_t split; /* where it is cut in two; 0: not; SIZE_MAX: after every byte */
    bool is_whole;
    enum redact_direction direction;
};

/* Bytes of an exact size on the heap, so that the sanitizer sees one too many. */
static void add_exact(struct redact *redact, struct str bytes, const struct redact_sink *sink)
{
    char *exact = xrealloc(NULL, bytes.len ? bytes.len : 1);

    memcpy(exact, bytes.data, bytes.len);
    redact_add(redact, str_make(exact, bytes.len), sink);
    free(exact);
}

static uint64_t run(struct result *result, const struct body *body)
{
    struct request_info info;
    const struct redact_sink sink = {see_piece, result};

    *result = (struct result){.text.limit = 256 << 20};
    request_info_parse(&info, STR("PATCH"), str_from(body->target));
    struct redact *redact = redact_new(&(struct redact_config){
        .info = &info,
        .direction = body->direction,
        .content_type = str_from(body->type),
        .content_encoding = str_from(body->encoding),
        .key = &key,
        .cluster = STR("demo"),
        .is_whole = body->is_whole,
    });
    request_info_free(&info);

    size_t step = body->split == SIZE_MAX ? 1 : body->split ? body->split : body->bytes.len;
    for (size_t at = 0; at < body->bytes.len;) {
        size_t len = min_of(step, body->bytes.len - at);

        add_exact(redact, str_first(str_skip(body->bytes, at), len), &sink);
        if (!body->encoding && !body->is_whole) /* everything is accounted for at once */
            assert_true(result->end == at + len);
        at += len;
        if (body->split != SIZE_MAX)
            step = body->bytes.len;
    }
    redact_end(redact, &sink);
    uint64_t withheld = redact_withheld(redact);
    redact_free(&redact);
    return withheld;
}

static bool has(struct str text, struct str needle)
{
    return str_find(text, needle) >= 0;
}

/* Raw, and in the three phases that base64 can have. */
static bool leaks(struct str text)
{
    if (has(text, STR(CANARY)))
        return true;
    for (size_t phase = 0; phase < 3; phase++) {
        scoped(buf_free) struct buf plain = {0}, coded = {0};

        buf_append(&plain, "xx", phase);
        buf_append_text(&plain, CANARY);
        encode_base64(&coded, buf_str(&plain));
        /* without what the neighbours have a part in */
        size_t skip = phase ? 4 : 0;
        if (has(text, str_first(str_skip(buf_str(&coded), skip), (sizeof CANARY - 1) / 3 * 4 - 8)))
            return true;
    }
    return false;
}

static void gzip(struct buf *out, struct str plain)
{
    z_stream stream = {0};

    assert_int_equal(Z_OK, deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY));
    size_t room = deflateBound(&stream, plain.len);
    stream.next_in = (Bytef *)(uintptr_t)plain.data;
    stream.avail_in = (uInt)plain.len;
    stream.next_out = (Bytef *)buf_reserve(out, room);
    stream.avail_out = (uInt)room;
    assert_int_equal(Z_STREAM_END, deflate(&stream, Z_FINISH));
    out->len += room - stream.avail_out;
    deflateEnd(&stream);
}

/* Each place of a secret, in every shape in which the API sends it. */
static const struct {
    const char *target, *type, *text;
} secrets[] = {
    {SECRETS "/a", "application/json",
     "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"},\"data\":{"
     "\"password\":\"" CANARY "\"},\"type\":\"Opaque\"}"},
    {SECRETS "/a", "application/json;charset=utf-8",
     "{\"stringData\" : { \"a\" : \"x\\n\\\"" CANARY "\\u0041\" , \"b\":\"\" }}\n"},
    {SECRETS, "",
     "{\"data\":{\"a\":[\"" CANARY "\",{\"b\":\"" CANARY "\"}],\"c\":{\"d\":\"" CANARY "\"}}}"},
    {SECRETS, "application/json", "{\"data\":\"" CANARY "\",\"stringData\":[\"" CANARY "\"]}"},
    {SECRETS, "application/json",
     "{\"d\\u0061ta\":{\"k\":\"" CANARY "\"},\"\\u0044ATA\":{\"k\":\"" CANARY "\"}}"},
    {SECRETS, "application/json",
     "{\"data\":{\"k\":\"" CANARY "\",\"k\":\"" CANARY "\"},\"data\":{\"k\":\"" CANARY "\"}}"},
    {SECRETS, "application/json",
     "{\"kind\":\"SecretList\",\"items\":[{\"data\":{\"a\":\"" CANARY
     "\"}},{\"data\":{\"b\":\"" CANARY "\"}}]}"},
    {SECRETS "?watch=1", "application/json;stream=watch",
     "{\"type\":\"ADDED\",\"object\":{\"data\":{\"a\":\"" CANARY "\"}}}\n"
     "{\"type\":\"DELETED\",\"object\":{\"data\":{\"a\":\"" CANARY "\"}}}\n"},
    {SECRETS, "application/json;as=Table;v=v1;g=meta.k8s.io",
     "{\"kind\":\"Table\",\"rows\":[{\"cells\":[\"a\",\"Opaque\",1],\"object\":{\"metadata\":{"
     "\"annotations\":"
     "{\"" LAST "\":\"{\\\"data\\\":{\\\"k\\\":\\\"" CANARY
     "\\\"}}\\n\"}},\"data\":{\"a\":\"" CANARY "\"}}}]}"},
    {SECRETS, "application/json;as=PartialObjectMetadata",
     "{\"metadata\":{\"annotations\":{\"x\":\"y\",\"kubectl.kubernetes.io\\/"
     "last-applied-configuration\":\"" CANARY "\"}}}"},
    {SECRETS "/a", "application/merge-patch+json",
     "{\"data\":{\"a\":\"" CANARY "\",\"gone\":null}}"},
    {SECRETS "/a", "application/strategic-merge-patch+json",
     "{\"stringData\":{\"$patch\":\"replace\",\"a\":\"" CANARY "\"}}"},
    {SECRETS "/a", "application/apply-patch+yaml",
     "{\"kind\":\"Secret\",\"data\":{\"a\":\"" CANARY "\"}}"},
    {SECRETS "/a", "application/json-patch+json",
     "[{\"op\":\"add\",\"path\":\"/data/a\",\"value\":\"" CANARY
     "\"},{\"op\":\"replace\",\"path\":\"/data\",\"value\":{\"b\":[\"" CANARY "\"]}}]"},
    {"/api/v1/namespaces/default/serviceaccounts/robot/token", "application/json",
     "{\"kind\":\"TokenRequest\",\"spec\":{\"audiences\":[\"x\"]},\"status\":{\"token\":\"" CANARY
     "\"}}"},
    {"/apis/authentication.k8s.io/v1/tokenreviews", "application/json",
     "{\"kind\":\"TokenReview\",\"spec\":{\"token\":\"" CANARY
     "\"},\"status\":{\"error\":\"bad " CANARY "\"}}"},
    {SECRETS, "application/json",
     "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"Invalid value: " CANARY
     "\",\"reason\":\"Invalid\",\"details\":{\"name\":\"a\",\"causes\":[{\"message\":\"" CANARY
     "\",\"field\":\"data[a]\"}]},\"code\":422}"},
    {SECRETS, "application/json", "{\"metadata\":{\"annotations\":{\"k\":\"" PEM "\"}}}"},
    {SECRETS, "application/json",
     "{\"a\":\"x-------BEGIN EC PRIVATE\\u0020K\\u0045Y-----" CANARY
     "\\ud83d\\ude00\",\"b\":[\"" PEM "\"]}"},
    {"/apis/certificates.k8s.io/v1/certificatesigningrequests", "application/json",
     "{\"spec\":{\"request\":\"LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCg" CANARY "\",\"usages\":"
     "[\"LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQo" CANARY
     "\",\"LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVEUgS0VZLS0tLS0K" CANARY
     "\",\"LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0tCg==" CANARY "\"]}}"},
    {SECRETS, "application/json", "{\"data\":{\"\xc3\xa9\":\"\xf0\x9f\x98\x80" CANARY "\"}}"},
};

/* Values that were replaced are strings; all else is as it was. */
static bool same_shape(json_object *before, json_object *after)
{
    const char *text =
        json_object_get_type(after) == json_type_string ? json_object_get_string(after) : "";

    if (strstr(text, "redacted:v1:"))
        return true;
    if (json_object_get_type(before) != json_object_get_type(after))
        return false;
    switch (json_object_get_type(before)) {
    case json_type_object:
        if (json_object_object_length(before) != json_object_object_length(after))
            return false;
        json_object_object_foreach(before, name, member)
        {
            json_object *other;
            if (!json_object_object_get_ex(after, name, &other) || !same_shape(member, other))
                return false;
        }
        return true;
    case json_type_array:
        if (json_object_array_length(before) != json_object_array_length(after))
            return false;
        for (size_t i = 0; i < json_object_array_length(before); i++)
            if (!same_shape(json_object_array_get_idx(before, i),
                            json_object_array_get_idx(after, i)))
                return false;
        return true;
    default:
        return json_object_equal(before, after);
    }
}

/* All documents of a stream parse, and have the shape of those that came. */
static void check_shape(struct str before, struct str after)
{
    json_tokener *a = json_tokener_new(), *b = json_tokener_new();

    while (before.len) {
        json_object *first = json_tokener_parse_ex(a, before.data, (int)before.len);
        json_object *second = json_tokener_parse_ex(b, after.data, (int)after.len);
        bool is_same = first && second && same_shape(first, second);

        before = str_trim(str_skip(before, json_tokener_get_parse_end(a)));
        after = str_trim(str_skip(after, json_tokener_get_parse_end(b)));
        json_object_put(first);
        json_object_put(second);
        assert_true(is_same);
        if (before.len && before.data[0] == '\n')
            before = str_skip(before, 1);
        if (after.len && after.data[0] == '\n')
            after = str_skip(after, 1);
    }
    assert_int_equal(0, after.len);
    json_tokener_free(a);
    json_tokener_free(b);
}

static void keep_canary_out_wherever_the_input_is_split(void **state)
{
    for (size_t i = 0; i < count_of(secrets); i++) {
        struct str text = str_from(secrets[i].text);
        scoped(result_free) struct result whole = {0};
        struct body body = {secrets[i].target, secrets[i].type, NULL, text, 0};

        assert_true(run(&whole, &body) > 0);
        if (leaks(buf_str(&whole.text)) || whole.withheld_pieces)
            fail_msg("%s\n%.*s", secrets[i].text, STR_ARG(buf_str(&whole.text)));
        check_shape(text, buf_str(&whole.text));
        for (size_t split = 1; split <= text.len; split++) {
            scoped(result_free) struct result result = {0};

            body.split = split < text.len ? split : SIZE_MAX;
            run(&result, &body);
            assert_true(str_equal(buf_str(&whole.text), buf_str(&result.text)));
            assert_int_equal(0, result.withheld_pieces);
        }
    }
}

static void keep_canary_out_of_gzip_of_any_members(void **state)
{
    for (size_t i = 0; i < count_of(secrets); i++) {
        struct str text = str_from(secrets[i].text);
        scoped(result_free) struct result plain = {0};
        struct body body = {secrets[i].target, secrets[i].type, NULL, text, 0};

        if (strstr(secrets[i].type, "patch+"))
            continue; /* only ever sent by clients, and those do not pack */
        body.direction = REDACT_RESPONSE;
        run(&plain, &body);
        body.encoding = "gzip";
        for (size_t cut = 0; cut < text.len; cut += 7) { /* two members */
            scoped(buf_free) struct buf packed = {0};
            scoped(result_free) struct result once = {0}, bytewise = {0};

            if (cut)
                gzip(&packed, str_first(text, cut));
            gzip(&packed, str_skip(text, cut));
            body.bytes = buf_str(&packed);
            body.split = 0;
            run(&once, &body);
            body.split = SIZE_MAX;
            run(&bytewise, &body);
            assert_true(str_equal(buf_str(&plain.text), buf_str(&once.text)));
            assert_true(str_equal(buf_str(&plain.text), buf_str(&bytewise.text)));
            assert_true(once.end == text.len && bytewise.end == text.len);
            assert_int_equal(0, once.withheld_pieces + bytewise.withheld_pieces);
        }
    }
}

static void replace_by_fingerprint_and_bucket(void **state)
{
    scoped(result_free) struct result result = {0};
    char print[FINGERPRINT_BYTES];
    struct fingerprint *own = fingerprint_new(&key, STR("demo"));

    fingerprint_add(own, STR("caf\xc3\xa9 \"\xf0\x9f\x98\x80\xef\xbf\xbd\n"));
    fingerprint_peek(own, print);
    fingerprint_free(&own);
    scoped(free_text) char *expected = xasprintf(
        "{\"data\":{\"a\":\"redacted:v1:%s:%s:16\",\"b\":\"redacted:v1:%s:-:8\","
        "\"c\":\"redacted:v1:%s:-:0\",\"d\":null,\"e\":\"redacted:v1:%s:-:8\"},\"f\":1.5e3}",
        key.id, print, key.id, key.id, key.id);

    assert_int_equal(
        4, run(&result, &(struct body){
                            SECRETS, "application/json", NULL,
                            STR("{\"data\":{\"a\":\"caf\\u00e9 \\\"\\ud83d\\ude00\\ud83d\\n\","
                                "\"b\":\"1234567\",\"c\":\"\",\"d\":null,\"e\":-12},\"f\":1.5e3}"),
                            0}));
    buf_append_char(&result.text, '\0');
    assert_string_equal(expected, result.text.data);
}

static void leave_all_else_byte_for_byte(void **state)
{
    static const char *const texts[] = {
        "{}",
        " { \"a\" : [ ] , \"b\":{ } }\r\n\t{\"c\":[1,-0,0.5,1E+2,true,false,null,\"\"]} ",
        "{\"metadata\":{\"name\":\"a\\u0020b\\/"
        "\",\"managedFields\":[{\"fieldsV1\":{\"f:data\":{\".\":{},\"f:x\":{}}}}]}}",
        "{\"a\":\"-----BEGIN CERTIFICATE-----\\nxyz\\n-----END CERTIFICATE-----\"}",
        "{\"a\":\"-----BEGIN PUBLIC "
        "KEY-----\",\"data\":null,\"token\":null,\"dat\":1,\"dataa\":\"x\"}",
        "{\"a\":[[[[{\"b\":[{}]}]]]],\"data\":{}}",
        "{\"request\":\"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlJ\"}",
    };

    for (size_t i = 0; i < count_of(texts); i++) {
        scoped(result_free) struct result result = {0};

        assert_int_equal(0, run(&result, &(struct body){SECRETS, "application/json", NULL,
                                                        str_from(texts[i]), SIZE_MAX}));
        assert_true(str_is(buf_str(&result.text), texts[i]));
    }
}

static void pass_what_bears_no_secrets(void **state)
{
    static const char *const types[] = {"application/json",
                                        "application/yaml",
                                        "text/plain",
                                        "application/vnd.kubernetes.protobuf",
                                        "",
                                        "x"};
    struct str text = STR("{\"data\":{\"a\":\"b\"}} \x00\xff\x80 not json at all \xc3\xa9");

    for (size_t i = 0; i < count_of(types); i++) {
        for (size_t split = 0; split < 5; split++) {
            scoped(result_free) struct result result = {0};

            assert_int_equal(0, run(&result, &(struct body){"/api/v1/namespaces/a/configmaps/b",
                                                            types[i], NULL, text, split}));
            assert_true(str_equal(text, buf_str(&result.text)));
        }
    }
}

static void withhold_what_cannot_be_read(void **state)
{
    static const struct {
        const char *target, *type, *encoding, *text, *reason, *given;
    } rows[] = {
        {SECRETS, "application/vnd.kubernetes.protobuf", NULL, "k8s " CANARY, "protobuf", ""},
        {SECRETS, "application/vnd.kubernetes.protobuf;stream=watch", NULL, CANARY, "protobuf", ""},
        {SECRETS, "application/cbor", NULL, CANARY, "cbor", ""},
        {SECRETS, "application/cbor-seq", NULL, CANARY, "cbor", ""},
        {SECRETS, "application/yaml", NULL, "data:\n  a: " CANARY, "yaml", ""},
        {SECRETS, "application/apply-patch+yaml", NULL, "data:\n  a: " CANARY, "yaml", ""},
        {SECRETS, "application/apply-patch+yaml", NULL, "\"data\": {\"a\": \"" CANARY "\"}", "yaml",
         ""},
        {SECRETS, "application/apply-patch+yaml", NULL, "{\"a\": 1, data: {\"a\": \"" CANARY "\"}}",
         "broken_json", "{\"a\": 1, "},
        {SECRETS, "text/plain", NULL, CANARY, "text", ""},
        {SECRETS, "image/png", NULL, CANARY, "media_type", ""},
        {SECRETS, "application/json", "br", CANARY, "encoding", ""},
        {SECRETS, "application/json", "gzip, br", CANARY, "encoding", ""},
        {SECRETS, "application/json", "zstd", CANARY, "encoding", ""},
        {SECRETS, "application/json", "deflate", CANARY, "encoding", ""},
        {SECRETS, "application/json", "gzip", "{\"data\":{\"a\":\"" CANARY "\"}}", "encoding", ""},
        {SECRETS, "application/json", NULL, "\"" CANARY "\"", "broken_json", ""},
        {SECRETS, "application/json", NULL, "[\"" CANARY "\"]", "broken_json", ""},
        {SECRETS, "application/json", NULL, "{\"a\":x" CANARY, "broken_json", "{\"a\":"},
        {SECRETS, "application/json", NULL, "{\"a\":\"\t" CANARY, "broken_json", "{\"a\":\""},
        {SECRETS, "application/json", NULL, "{\"a\":01,\"" CANARY, "broken_json", "{\"a\":0"},
        {SECRETS, "application/json", NULL, "{}}" CANARY, "broken_json", "{}"},
        {SECRETS, "application/json", NULL, "{}\n" CANARY, "broken_json", "{}\n"},
        {SECRETS, "application/json", NULL, "{\"a\":nu" CANARY, "broken_json", "{\"a\":nu"},
        {SECRETS, "application/json", NULL, "{\"a\":[1}" CANARY, "broken_json", "{\"a\":[1"},
        {SECRETS, "application/json-patch+json", NULL, "{\"x\":\"" CANARY, "broken_json", ""},
        {"/api/v1/nodes/n/proxy/x", "application/json", NULL, "{\"x\":\"" CANARY "\"}", "proxy",
         ""},
        {"/api/v1//pods", "application/json", NULL, "{\"x\":\"" CANARY "\"}", "path", ""},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        struct str text = str_from(rows[i].text);
        char print[FINGERPRINT_BYTES];
        struct fingerprint *own = fingerprint_new(&key, STR("demo"));

        fingerprint_add(own, str_skip(text, strlen(rows[i].given)));
        fingerprint_peek(own, print);
        fingerprint_free(&own);
        for (size_t split = 0; split < text.len; split++) {
            scoped(result_free) struct result result = {0};

            assert_int_equal(1, run(&result, &(struct body){rows[i].target, rows[i].type,
                                                            rows[i].encoding, text, split}));
            assert_string_equal(rows[i].reason, result.reason);
            assert_true(str_is(buf_str(&result.text), rows[i].given));
            assert_true(result.end == text.len && result.run_offset == strlen(rows[i].given));
            assert_string_equal(print, result.fingerprint);
        }
    }
}

static void account_for_a_value_that_never_ends(void **state)
{
    scoped(result_free) struct result result = {0};
    size_t len = 24 << 20;
    char *text = xcalloc(1, len + 16);

    memcpy(text, "{\"data\":{\"k\":\"", 14);
    memset(text + 14, 'x', len);
    assert_int_equal(1, run(&result, &(struct body){SECRETS, "application/json", NULL,
                                                    str_make(text, 14 + len), 1 << 20}));
    free(text);
    assert_true(result.end == 14 + len);
    assert_true(result.text.len < 128);
    assert_true(str_ends(buf_str(&result.text), STR(":33554432\"")));
}

static void cut_pieces_that_are_full(void **state)
{
    scoped(buf_free) struct buf text = {.limit = 8 << 20};
    scoped(result_free) struct result secret = {0}, plain = {0};
    struct body body = {SECRETS, "application/json", NULL, {0}, 0};

    buf_append_text(&text, "{\"data\":{\"\":1");
    for (int i = 0; i < 100000; i++) /* what grows most */
        buf_append_text(&text, ",\"\":1");
    buf_append_text(&text, "},\"x\":\"");
    for (int i = 0; i < 200000; i++)
        buf_append_text(&text, "\xe2\x82\xac");
    buf_append_text(&text, "\"}");
    body.bytes = buf_str(&text);
    assert_int_equal(100001, run(&secret, &body));
    assert_true(secret.end == text.len);
    assert_true(secret.pieces > 30);
    body.target = "/api/v1/pods";
    run(&plain, &body);
    assert_true(str_equal(buf_str(&text), buf_str(&plain.text)));
}

static void withhold_what_is_nested_too_deep(void **state)
{
    scoped(result_free) struct result result = {0};
    char text[4096];

    memset(text, '[', sizeof text);
    memcpy(text, "{\"a\":", 5);
    run(&result, &(struct body){SECRETS, "application/json", NULL, str_make(text, sizeof text), 7});
    assert_string_equal("too_deep", result.reason);
    assert_true(result.end == sizeof text);
}

static void withhold_gzip_that_is_broken_cut_or_a_bomb(void **state)
{
    scoped(buf_free) struct buf packed = {.limit = 64 << 20}, bomb = {.limit = 64 << 20};
    struct body body = {"/api/v1/pods", "application/json", "gzip", {0}, 0};
    scoped(result_free) struct result cut = {0}, broken = {0}, large = {0}, none = {0};

    gzip(&packed, STR("{\"kind\":\"PodList\",\"items\":[]}"));
    body.bytes = str_first(buf_str(&packed), packed.len - 3);
    run(&cut, &body);
    assert_string_equal("truncated", cut.reason);
    assert_true(str_is(buf_str(&cut.text), "{\"kind\":\"PodList\",\"items\":[]}"));

    buf_append_text(&packed, "no gzip");
    body.bytes = buf_str(&packed);
    run(&broken, &body);
    assert_string_equal("broken_gzip", broken.reason);
    assert_true(str_is(buf_str(&broken.text), "{\"kind\":\"PodList\",\"items\":[]}"));

    size_t len = 32 << 20;
    char *zeros = xcalloc(1, len);
    gzip(&bomb, str_make(zeros, len));
    free(zeros);
    body.bytes = buf_str(&bomb);
    run(&large, &body);
    assert_string_equal("too_large", large.reason);
    assert_true(large.covered_bytes < len);

    body.bytes = (struct str){0};
    run(&none, &body);
    assert_int_equal(0, none.pieces);
}

static void needs_whole_names_yaml_and_json_patch_of_secrets(void **state)
{
    static const struct {
        const char *target, *type;
        bool is_needed;
    } rows[] = {
        {SECRETS "/a", "application/json-patch+json", true},
        {SECRETS "/a", "application/apply-patch+yaml; charset=utf-8", true},
        {SECRETS "/a", "application/YAML", true},
        {SECRETS "/a", "application/json", false},
        {SECRETS "/a", "", false},
        {"/api/v1/namespaces/a/pods/b", "application/json-patch+json", false},
        {"/api/v1/nodes/n/proxy/x", "application/yaml", false},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        struct request_info info;

        request_info_parse(&info, STR("PATCH"), str_from(rows[i].target));
        assert_int_equal(rows[i].is_needed, redact_needs_whole(&info, str_from(rows[i].type)));
        request_info_free(&info);
    }
}

static void fingerprint_tells_clusters_and_keys_apart(void **state)
{
    struct fingerprint_key other;
    unsigned char bytes[FINGERPRINT_KEY_BYTES] = {1, 2, 3};
    char a[FINGERPRINT_BYTES], b[FINGERPRINT_BYTES], c[FINGERPRINT_BYTES], d[FINGERPRINT_BYTES];

    fingerprint_key_set(&other, bytes);
    struct fingerprint *prints[] = {fingerprint_new(&key, STR("demo")),
                                    fingerprint_new(&key, STR("demo2")),
                                    fingerprint_new(&other, STR("demo"))};
    for (size_t i = 0; i < count_of(prints); i++) {
        fingerprint_add(prints[i], STR("pass"));
        assert_string_equal("-", fingerprint_peek(prints[i], a));
        fingerprint_add(prints[i], STR("word"));
    }
    fingerprint_peek(prints[0], a);
    fingerprint_peek(prints[1], b);
    fingerprint_peek(prints[2], c);
    assert_string_not_equal(a, b);
    assert_string_not_equal(a, c);
    fingerprint_begin(prints[0]);
    fingerprint_add(prints[0], STR("password"));
    assert_string_equal(a, fingerprint_peek(prints[0], d));

    /* HMAC-SHA-256(key 00…1f, "demo" 0 "password") as Python's hmac gives it */
    assert_string_equal("a8ff3176937660f51237b8424021ab3d", a);
    for (size_t i = 0; i < count_of(prints); i++)
        fingerprint_free(&prints[i]);
    assert_int_equal(0, fingerprint_bucket(0));
    assert_int_equal(8, fingerprint_bucket(1));
    assert_int_equal(8, fingerprint_bucket(8));
    assert_int_equal(16, fingerprint_bucket(9));
    assert_int_equal(4096, fingerprint_bucket(4096));
}

static int set_key(void **state)
{
    unsigned char bytes[FINGERPRINT_KEY_BYTES];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    fingerprint_key_set(&key, bytes);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keep_canary_out_wherever_the_input_is_split),
        cmocka_unit_test(keep_canary_out_of_gzip_of_any_members),
        cmocka_unit_test(replace_by_fingerprint_and_bucket),
        cmocka_unit_test(leave_all_else_byte_for_byte),
        cmocka_unit_test(pass_what_bears_no_secrets),
        cmocka_unit_test(withhold_what_cannot_be_read),
        cmocka_unit_test(account_for_a_value_that_never_ends),
        cmocka_unit_test(cut_pieces_that_are_full),
        cmocka_unit_test(withhold_what_is_nested_too_deep),
        cmocka_unit_test(withhold_gzip_that_is_broken_cut_or_a_bomb),
        cmocka_unit_test(needs_whole_names_yaml_and_json_patch_of_secrets),
        cmocka_unit_test(fingerprint_tells_clusters_and_keys_apart),
    };

    return cmocka_run_group_tests(tests, set_key, NULL);
}
