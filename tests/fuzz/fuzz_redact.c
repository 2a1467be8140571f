/* fuzz_redact.c - a body of a secret-bearing resource: byte 0 chooses how it is labelled and split,
 * and whether it is read whole; the rest is the body. Where that is JSON, a canary is put under
 * `data` and `token` of every object in it, and must not come out. */
#include <assert.h>
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/scoped.h"
#include "kube/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CANARY "cAnArY-7f3b9d21e6"

static const char *const types[] = {"application/json",
                                    "application/json;stream=watch",
                                    "application/json-patch+json",
                                    "application/apply-patch+yaml",
                                    "application/vnd.kubernetes.protobuf",
                                    "text/plain",
                                    "",
                                    "x"};

struct output {
    struct buf text;
    uint64_t end;
    bool is_withheld;
};

static void see_piece(void *context, const struct redact_piece *piece)
{
    struct output *output = context;

    assert(piece->offset == output->end);
    assert(piece->data.len <= REDACT_PIECE_MAX);
    assert((piece->kind == PIECE_WITHHELD) == (piece->reason != NULL));
    output->end += piece->covers;
    output->is_withheld |= piece->kind == PIECE_WITHHELD;
    buf_append_str(&output->text, piece->data);
}

static void run(struct output *output, struct str body, const char *type, const char *encoding,
                size_t step, bool is_whole)
{
    static struct fingerprint_key key;
    struct request_info info;
    const struct redact_sink sink = {see_piece, output};

    *output = (struct output){.text.limit = 256 << 20};
    request_info_parse(&info, STR("PATCH"), STR("/api/v1/namespaces/a/secrets/b"));
    struct redact *redact =
        redact_new(&(struct redact_config){.info = &info,
                                           .direction = encoding ? REDACT_RESPONSE : REDACT_REQUEST,
                                           .content_type = str_from(type),
                                           .content_encoding = str_from(encoding),
                                           .key = &key,
                                           .cluster = STR("c"),
                                           .is_whole = is_whole});
    request_info_free(&info);
    for (size_t at = 0; at < body.len; at += step) {
        redact_add(redact, str_first(str_skip(body, at), min_of(step, body.len - at)), &sink);
        assert(encoding || is_whole || output->end == min_of(at + step, body.len));
    }
    redact_end(redact, &sink);
    redact_free(&redact);
}

static void plant(json_object *value)
{
    if (json_object_is_type(value, json_type_array))
        for (size_t i = 0; i < json_object_array_length(value); i++)
            plant(json_object_array_get_idx(value, i));
    if (!json_object_is_type(value, json_type_object))
        return;
    json_object_object_foreach(value, name, member)
    {
        (void)name;
        plant(member);
    }
    json_object *map = json_object_new_object();
    json_object_object_add(map, "k", json_object_new_string(CANARY));
    json_object_object_add(value, "data", map);
    json_object_object_add(value, "token", json_object_new_string("x" CANARY));
}

static void check_canary(struct str body, size_t step)
{
    json_tokener *tokener = json_tokener_new();
    json_object *root = json_tokener_parse_ex(tokener, body.data, (int)body.len);
    struct output output;

    if (json_object_is_type(root, json_type_object) &&
        !strstr(json_object_to_json_string(root), CANARY)) { /* the fuzzer learns it */
        plant(root);
        const char *text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN);

        run(&output, str_from(text), types[0], NULL, step, false);
        assert(str_find(buf_str(&output.text), STR(CANARY)) < 0);
        assert(str_find(buf_str(&output.text), STR("\"k\":\"redacted:v1:")) >= 0 ||
               output.is_withheld);
        buf_free(&output.text);
    }
    json_object_put(root);
    json_tokener_free(tokener);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct output whole, split;

    if (size < 1)
        return 0;
    struct str body = str_make(data + 1, size - 1);
    const char *type = types[data[0] & 7];
    size_t step = (data[0] >> 4) + 1;
    const char *encoding = data[0] & 8 ? "gzip" : NULL;
    bool is_whole = data[0] & 0x80;

    run(&whole, body, type, encoding, body.len ? body.len : 1, is_whole);
    run(&split, body, type, encoding, step, is_whole);
    assert(str_equal(buf_str(&whole.text), buf_str(&split.text)));
    assert(whole.is_withheld == split.is_withheld);
    buf_free(&whole.text);
    buf_free(&split.text);
    if (!encoding && body.len)
        check_canary(body, step);
    return 0;
}
