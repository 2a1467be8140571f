/* fuzz_redact_patch.c - a JSON patch as a client may send it. Where it is one, a canary is the
 * value of an operation on /data behind it, and must not come out, whatever stands before. */
#include <assert.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/scoped.h"
#include "kube/redact.h"
#include "kube/redact_patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CANARY "cAnArY-7f3b9d21e6"

static void see_piece(void *context, const struct redact_piece *piece)
{
    buf_append_str(context, piece->data);
}

static void run(struct buf *out, struct str body)
{
    static struct fingerprint_key key;
    struct request_info info;
    const struct redact_sink sink = {see_piece, out};

    request_info_parse(&info, STR("PATCH"), STR("/api/v1/namespaces/a/secrets/b"));
    struct redact *redact =
        redact_new(&(struct redact_config){.info = &info,
                                           .direction = REDACT_REQUEST,
                                           .content_type = STR("application/json-patch+json"),
                                           .key = &key,
                                           .cluster = STR("c"),
                                           .is_whole = true});
    request_info_free(&info);
    redact_add(redact, body, &sink);
    redact_end(redact, &sink);
    redact_free(&redact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const ends[] = {
        "{\"op\":\"add\",\"path\":\"/data/a\",\"value\":\"" CANARY "\"}]",
        "{\"value\":{\"a\":\"" CANARY "\"},\"op\":\"add\",\"path\":\"/stringData\"}]",
        "{\"value\":\"" CANARY "\"}]",
        "{\"path\":\"/d\\u0061ta/x\",\"value\":[{\"b\":\"" CANARY "\"}]}]",
    };
    struct str body = str_make(data, size);
    struct redact_patch patch = {0};

    redact_patch_read(&patch, body);
    size_t count = patch.count;
    redact_patch_free(&patch);
    ptrdiff_t last = -1;
    for (size_t i = 0; i < size; i++)
        last = data[i] == ']' ? (ptrdiff_t)i : last;
    if (last < 0 || str_find(body, STR("cAnArY")) >= 0)
        return 0;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        scoped(buf_free) struct buf text = {.limit = 8 << 20}, out = {.limit = 64 << 20};

        buf_append_str(&text, str_first(body, (size_t)last));
        buf_append_text(&text, count ? "," : "");
        buf_append_text(&text, ends[i]);
        redact_patch_read(&patch, buf_str(&text));
        if (patch.count == count + 1) { /* it is the next operation of a patch */
            run(&out, buf_str(&text));
            assert(str_find(buf_str(&out), STR(CANARY)) < 0);
        }
        redact_patch_free(&patch);
    }
    return 0;
}
