#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/num.h"
#include "base/scoped.h"
#include "kube/redact.h"
#include "kube/redact_patch.h"

#define CANARY "cAnArY-7f3b9d21e6"
#define KEPT "kept-text"
#define SECRETS "/api/v1/namespaces/default/secrets/a"
#define YAML "application/yaml"
#define PATCH "application/json-patch+json"
#define LAST "kubectl.kubernetes.io/last-applied-configuration"

struct result {
    struct buf text;
    uint64_t end;
    int pieces;
    const char *reason; /* of what is withheld, or NULL */
};

static struct fingerprint_key key;

static void see_piece(void *context, const struct redact_piece *piece)
{
    struct result *result = context;

    assert_true(piece->offset == result->end);
    assert_true(piece->data.len <= REDACT_PIECE_MAX);
    result->end += piece->covers;
    result->pieces++;
    buf_append_str(&result->text, piece->data);
    if (piece->kind == PIECE_WITHHELD)
        result->reason = piece->reason;
}

static void result_free(struct result *result)
{
    buf_free(&result->text);
}

/* Returns how many values were replaced. */
static uint64_t run(struct result *result, const char *type, struct str bytes, size_t split)
{
    struct request_info info;
    const struct redact_sink sink = {see_piece, result};

    *result = (struct result){.text.limit = 64 << 20};
    request_info_parse(&info, STR("PATCH"), STR(SECRETS));
    struct redact *redact = redact_new(&(struct redact_config){
        .info = &info,
        .direction = REDACT_REQUEST,
        .content_type = str_from(type),
        .key = &key,
        .cluster = STR("demo"),
        .is_whole = true,
    });
    request_info_free(&info);
    for (size_t at = 0; at < bytes.len;) {
        size_t len = split && at < split ? min_of(split, bytes.len) : bytes.len - at;
        char *exact = xrealloc(NULL, len); /* the sanitizer sees one byte too many */

        memcpy(exact, bytes.data + at, len);
        redact_add(redact, str_make(exact, len), &sink);
        free(exact);
        at += len;
    }
    redact_end(redact, &sink);
    assert_true(result->end == bytes.len);
    uint64_t withheld = redact_withheld(redact);
    redact_free(&redact);
    return withheld;
}

/* Each keeps KEPT as often as it has it, and loses CANARY. */
static const char *const secrets[] = {
    "kind: Secret # " KEPT "-no, a comment " CANARY "\nstringData:\n  password: " CANARY "\n",
    "apiVersion: v1\nkind: " KEPT "\ndata: {password: " CANARY ", 'b': \"" CANARY
    "\", c: ~, d: null}\nlabels: {a: " KEPT "}\n",
    "data:\n  cert: |\n    -- " CANARY "\n    " CANARY "\n  other: >-\n    " CANARY
    "\n\n\nmetadata:\n  name: " KEPT "\n",
    "data:\n  cert: |+2 # " CANARY "\n    -- " CANARY "\n\nname: " KEPT "\n",
    "note: | # " CANARY "\n  text\nname: " KEPT "\n",
    "data:\n- " CANARY "\n- {a: " CANARY "}\nname: " KEPT "\n",
    "data: " CANARY "\nname: '" KEPT "'\n",
    "data: plain " CANARY "\n  goes on " CANARY "\n# " CANARY "\nname: " KEPT "\n",
    "\"d\\x61ta\": {a: " CANARY "}\nDATA: {b: " CANARY "}\nStringData: {c: '" CANARY "'}\n",
    "? data\n: ? password\n  : " CANARY "\nname: " KEPT "\n",
    "x: &a {password: " CANARY "}\ndata: *a\nname: " KEPT "\n",
    "x: &a {password: " CANARY "}\ndata: {<<: *a, b: " CANARY "}\nname: " KEPT "\n",
    "<<: &a {data: {password: " CANARY "}}\nb: *a\nname: " KEPT "\n",
    "data: {a: &a " CANARY "}\nmetadata: {labels: {a: *a, b: " KEPT "}}\n",
    "x: &a # " CANARY "\n  y: " CANARY "\nz: *a\nname: " KEPT "\n",
    "x: &key data\n*key : {a: " CANARY "}\nname: " KEPT "\n",
    "data: {a: !!str " CANARY ", b: !!binary " CANARY "}\nname: " KEPT "\n",
    "x: !!str # " CANARY "\n  text\nname: " KEPT "\n",
    "data: {password:" CANARY "}\nname: " KEPT "\n",
    "data: {a: {" CANARY ": x}}\nname: " KEPT "\n",
    "metadata:\n  annotations:\n    " LAST ": |\n      {\"data\":{\"a\":\"" CANARY
    "\"}}\n    note: " KEPT "\n",
    "metadata: {annotations: {" LAST ": '{\"data\":{\"a\":\"" CANARY "\"}}', n: " KEPT "}}\n",
    "items:\n- kind: Secret\n  data: {a: " CANARY "}\n- stringData:\n    b: " CANARY
    "\n  name: " KEPT "\n",
    "---\ndata: {a: " CANARY "}\n--- # " CANARY "\ndata: {a: " CANARY "}\n...\n---\nname: " KEPT
    "\n",
    "%YAML 1.1 # " CANARY "\n---\ndata: {a: " CANARY "}\nname: " KEPT "\n... # " CANARY "\n",
    "spec: {token: " CANARY "}\nstatus: {error: " CANARY ", message: " CANARY ", n: " KEPT "}\n",
    "a: |\n  -----BEGIN RSA PRIVATE KEY-----\n  " CANARY
    "\n  -----END RSA PRIVATE KEY-----\nname: " KEPT "\n",
    "request: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCg" CANARY "\nname: " KEPT "\n",
    "data:\r\n  a: " CANARY "\r\n  # " CANARY "\r\nname: " KEPT "\r\n",
    "name: \xe2\x82\xac" KEPT "\ndata: {\"\xf0\x9f\x98\x80\": \xc3\xa9" CANARY " }\n\xc3\xa9: " KEPT
    "\n",
    "{\"kind\": \"" KEPT "\", 'data': {a: \"" CANARY "\"}}",
    "{\"kind\": \"" KEPT "\", \"data\": {\"a\": \"" CANARY "\"}}", /* JSON, as kubectl sends it */
    "{\"kind\": \"" KEPT "\", \"data\": {\"a\": \"" CANARY "\"}}\n---\ndata: {a: " CANARY "}\n",
    "#" CANARY "\n\n#" CANARY,
};

static int count(struct str text, const char *what)
{
    int found = 0;

    for (ptrdiff_t at; (at = str_find(text, str_from(what))) >= 0; found++)
        text = str_skip(text, (size_t)at + 1);
    return found;
}

static void keep_canary_out_of_yaml_wherever_it_is_split(void **state)
{
    for (size_t i = 0; i < count_of(secrets); i++) {
        struct str text = str_from(secrets[i]);
        scoped(result_free) struct result whole = {0};
        int kept = count(text, KEPT) - count(text, KEPT "-no");

        assert_true(run(&whole, YAML, text, 0) > 0);
        if (whole.reason || count(buf_str(&whole.text), CANARY) ||
            kept != count(buf_str(&whole.text), KEPT))
            fail_msg("%s\n%s\n%.*s", whole.reason, secrets[i], STR_ARG(buf_str(&whole.text)));
        for (size_t split = 1; split < text.len; split++) {
            scoped(result_free) struct result result = {0};

            run(&result, YAML, text, split);
            assert_true(str_equal(buf_str(&whole.text), buf_str(&result.text)));
        }
        /* what was cut keeps it out as well */
        for (size_t len = 1; len < text.len; len++) {
            scoped(result_free) struct result result = {0};

            run(&result, YAML, str_first(text, len), 0);
            assert_int_equal(0, count(buf_str(&result.text), CANARY));
        }
    }
}

static void leave_all_else_in_yaml_byte_for_byte(void **state)
{
    scoped(result_free) struct result result = {0};
    struct fingerprint *print = fingerprint_new(&key, STR("demo"));
    char value[FINGERPRINT_PLACEHOLDER_BYTES], comment[FINGERPRINT_PLACEHOLDER_BYTES];

    fingerprint_add(print, STR("two\nlines\n"));
    fingerprint_placeholder(print, value);
    fingerprint_begin(print);
    fingerprint_add(print, STR(" why it is so"));
    fingerprint_placeholder(print, comment);
    fingerprint_free(&print);
    scoped(free_text) char *expected = xasprintf("kind:   Secret  # %s\n"
                                                 "data:\n"
                                                 "    a: \"%s\"\n\n"
                                                 "    b:\n"
                                                 "metadata: {'name' : \"x\" , n: [ 1,2 ] }\n",
                                                 comment, value);

    assert_int_equal(2, run(&result, YAML,
                            STR("kind:   Secret  # why it is so\n"
                                "data:\n"
                                "    a: |\n"
                                "        two\n"
                                "        lines\n\n"
                                "    b:\n"
                                "metadata: {'name' : \"x\" , n: [ 1,2 ] }\n"),
                            0));
    buf_append_char(&result.text, '\0');
    assert_string_equal(expected, result.text.data);
}

static void withhold_yaml_that_is_not_understood(void **state)
{
    static const char *const texts[] = {
        CANARY,
        "- " CANARY,
        "a: &" CANARY "\n",
        "a: *" CANARY "\n",
        "a: !" CANARY " x\n",
        "a: !<tag:" CANARY "#x> x\n",
        "%TAG ! tag:" CANARY ",2000:\n---\na: x\n",
        "%" CANARY "\n---\na: x\n",
        "a: &b x\nc: *" CANARY "\n",
        "!!binary ZGF0YQ==: {a: " CANARY "}\n",
        "&a data: {a: " CANARY "}\nb: *a\n",
        "? [data]\n: " CANARY "\n",
        "? {data: x}\n: " CANARY "\n",
        "? |\n  data\n: {a: " CANARY "}\n",
        "a: 'x" CANARY,
        "a: [" CANARY,
        "a: {data: {b: " CANARY "}}}\n",
        "\xef\xbb\xbf"
        "data: {a: " CANARY "}\n",
        "a: b\x01" CANARY "\n",
        "a: b\xff" CANARY "\n",
        "\ta: " CANARY "\n",
        "data: {a: x}\n---\n" CANARY "\n",
        "a: &a [*a, " CANARY "]\nb: !x y\n",
    };

    for (size_t i = 0; i < count_of(texts); i++) {
        scoped(result_free) struct result result = {0};

        assert_int_equal(1, run(&result, YAML, str_from(texts[i]), 0));
        if (result.text.len || !result.reason || strcmp(result.reason, "yaml") != 0)
            fail_msg("%s\n%.*s", texts[i], STR_ARG(buf_str(&result.text)));
    }
}

static void withhold_yaml_past_its_bounds(void **state)
{
    scoped(buf_free) struct buf deep = {0}, many = {0}, anchors = {0}, aliases = {0},
                                large = {.limit = 8 << 20};
    scoped(result_free) struct result result = {0};

    for (int i = 0; i < 100; i++)
        buf_append_text(&deep, "{a: ");
    run(&result, YAML, buf_str(&deep), 0);
    assert_string_equal("yaml", result.reason);
    result_free(&result);

    buf_append_text(&many, "data: {");
    for (int i = 0; i < 20001; i++)
        buf_append_text(&many, "a: b,");
    buf_append_text(&many, "}");
    run(&result, YAML, buf_str(&many), 0);
    assert_string_equal("yaml", result.reason);
    result_free(&result);

    buf_clear(&many);
    buf_append_text(&many, "x: [");
    for (int i = 0; i < 100001; i++)
        buf_append_text(&many, "a,");
    buf_append_text(&many, "]");
    run(&result, YAML, buf_str(&many), 0);
    assert_string_equal("yaml", result.reason);
    result_free(&result);

    for (int i = 0; i < 300; i++)
        buf_printf(&anchors, "a%d: &b%d x\n", i, i);
    run(&result, YAML, buf_str(&anchors), 0);
    assert_string_equal("yaml", result.reason);
    result_free(&result);

    buf_append_text(&aliases, "a: &a x\nb: [");
    for (int i = 0; i < 1001; i++)
        buf_append_text(&aliases, "*a ,");
    buf_append_text(&aliases, "]\n");
    run(&result, YAML, buf_str(&aliases), 0);
    assert_string_equal("yaml", result.reason);
    result_free(&result);

    buf_append_text(&large, "data: {a: " CANARY "}\n");
    while (large.len <= REDACT_WHOLE_MAX)
        buf_append_text(&large,
                        "x: 0123456789012345678901234567890123456789012345678901234567890\n");
    run(&result, YAML, buf_str(&large), 1 << 20);
    assert_string_equal("too_large", result.reason);
    assert_int_equal(0, result.text.len);
    result_free(&result);

    large.len = 2 << 20;
    while (large.data[large.len - 1] != '\n')
        large.len--;
    assert_int_equal(1, run(&result, YAML, buf_str(&large), 1 << 20));
    assert_null(result.reason);
    assert_true(result.pieces > 16 && result.text.len > (2 << 20) - 100);
}

static void classify_paths(void **state)
{
    static const struct {
        const char *path;
        enum key_class class;
    } rows[] = {
        {"", KEY_PLAIN},
        {"/", KEY_PLAIN},
        {"/metadata/labels/a", KEY_PLAIN},
        {"/metadata/annotations", KEY_PLAIN},
        {"/data", KEY_MAP},
        {"/stringData", KEY_MAP},
        {"/DATA", KEY_MAP},
        {"/data/", KEY_SECRET},
        {"/data/a", KEY_SECRET},
        {"/data/a/b", KEY_SECRET},
        {"/data/tls.crt", KEY_SECRET},
        {"/items/0/data/a", KEY_SECRET},
        {"/items/0/data", KEY_MAP},
        {"/items/-", KEY_PLAIN},
        {"/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration", KEY_SECRET},
        {"/metadata/annotations/kubectl.kubernetes.io~01last-applied-configuration", KEY_PLAIN},
        {"/metadata/annotations/kapp.k14s.io~1original", KEY_SECRET},
        {"/status/token", KEY_SECRET},
        {"data/a", KEY_SECRET},
        {"/a~0b~2~", KEY_PLAIN},
    };

    for (size_t i = 0; i < count_of(rows); i++)
        assert_int_equal(rows[i].class, redact_path_class(str_from(rows[i].path)));
}

static const char *const patches[] = {
    "[{\"op\":\"add\",\"path\":\"/data/a\",\"value\":\"" CANARY "\"},"
    "{\"op\":\"add\",\"path\":\"/metadata/labels/x\",\"value\":\"" KEPT "\"}]",
    "[{\"value\":\"" CANARY "\",\"path\":\"/data/a\",\"op\":\"test\"},"
    "{\"value\":\"" KEPT "\",\"path\":\"/type\",\"op\":\"test\"}]",
    "[{\"op\":\"replace\",\"path\":\"/data\",\"value\":{\"a\":\"" CANARY "\"}}]",
    "[{\"op\":\"replace\",\"path\":\"/data\",\"value\":[\"" CANARY "\"]}]",
    "[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"kind\":\"" KEPT "\",\"data\":{\"a\":\"" CANARY
    "\"}}}]",
    "[{\"op\":\"replace\",\"path\":\"\\/d\\u0061ta/a\",\"value\":\"" CANARY "\"}]",
    "[{\"op\":\"add\",\"path\":\"/metadata/annotations\",\"value\":{\"a\":\"" KEPT "\",\"" LAST
    "\":\"" CANARY "\"}}]",
    "[{\"op\":\"add\",\"path\":\"/metadata/annotations/kubectl.kubernetes.io~1last-applied-"
    "configuration\",\"value\":\"" CANARY "\"}]",
    "[{\"op\":\"add\",\"path\":\"/x\",\"value\":\"" KEPT
    "\",\"path\":\"/data/a\",\"value\":\"" CANARY "\"}]",
    "[{\"op\":\"copy\",\"from\":\"/data/a\",\"path\":\"/data/b\"},{\"op\":\"move\",\"from\":\"/"
    "data/" KEPT "\",\"path\":\"/data/c\"},{\"op\":\"remove\",\"path\":\"/data/" KEPT "\"}]",
    "[{\"op\":\"add\",\"path\":\"/items/0/stringData\",\"value\":{\"a\":\"" CANARY "\"}}]",
    "[{\"op\":\"add\",\"value\":\"" CANARY "\"}]",
    "[{\"op\":\"add\",\"path\":\"/x\",\"other\":\"" CANARY "\",\"Value\":\"" CANARY "\"}]",
    "[{\"op\":\"add\",\"path\":[\"/x\"],\"value\":\"" CANARY "\"}]",
    "[{\"op\":\"add\",\"path\":\"/x\",\"value\":\"-----BEGIN PRIVATE KEY-----\\n" CANARY "\"}]",
    "[{\"op\":\"add\",\"path\":\"/x\",\"value\":\"" CANARY "\"},]",
    "[{\"op\":\"add\",\"path\":\"/x\",\"value\":\"" CANARY "\"}x" CANARY,
    "[7,{\"op\":\"add\",\"path\":\"/data/a\",\"value\":{\"data\":1,\"v\":\"" CANARY "\"}},\"" KEPT
    "\"]",
};

static void keep_canary_out_of_json_patches(void **state)
{
    for (size_t i = 0; i < count_of(patches); i++) {
        struct str text = str_from(patches[i]);
        scoped(result_free) struct result whole = {0};
        bool has_secret = count(text, CANARY) > 0;
        int kept = i == 8 ? 0 : count(text, KEPT); /* a name twice: the last path holds for all */

        assert_true((run(&whole, PATCH, text, 0) > 0) == has_secret);
        if (count(buf_str(&whole.text), CANARY) || kept != count(buf_str(&whole.text), KEPT))
            fail_msg("%s\n%.*s", patches[i], STR_ARG(buf_str(&whole.text)));
        for (size_t split = 1; split < text.len; split++) {
            scoped(result_free) struct result result = {0}, cut = {0};

            run(&result, PATCH, text, split);
            assert_true(str_equal(buf_str(&whole.text), buf_str(&result.text)));
            run(&cut, PATCH, str_first(text, split), 0);
            assert_int_equal(0, count(buf_str(&cut.text), CANARY));
        }
    }
}

static void take_all_values_of_a_json_patch_past_its_bound(void **state)
{
    scoped(buf_free) struct buf text = {.limit = 2 << 20};
    scoped(result_free) struct result result = {0};

    buf_append_text(&text, "[{\"op\":\"add\",\"path\":\"/x\",\"value\":[");
    for (int i = 0; i < 200000; i++)
        buf_append_text(&text, "1,");
    buf_append_text(&text, "\"" CANARY "\"]}]");
    assert_int_equal(1, run(&result, PATCH, buf_str(&text), 0));
    assert_int_equal(0, count(buf_str(&result.text), CANARY));
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
        cmocka_unit_test(keep_canary_out_of_yaml_wherever_it_is_split),
        cmocka_unit_test(leave_all_else_in_yaml_byte_for_byte),
        cmocka_unit_test(withhold_yaml_that_is_not_understood),
        cmocka_unit_test(withhold_yaml_past_its_bounds),
        cmocka_unit_test(classify_paths),
        cmocka_unit_test(keep_canary_out_of_json_patches),
        cmocka_unit_test(take_all_values_of_a_json_patch_past_its_bound),
    };

    return cmocka_run_group_tests(tests, set_key, NULL);
}
