/* fuzz_request_info.c - a request line without its version: METHOD, blank, target. */
#include <assert.h>
#include <stdint.h>

#include "kube/redact_argv.h"
#include "kube/request_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str target = str_make(data, size);
    struct str method = str_split(&target, ' ');
    struct request_info info;
    struct buf out = {.limit = 64 << 20};

    request_info_parse(&info, method, target);
    assert(info.is_canonical || (info.is_secret_bearing && info.is_opaque));
    assert(!info.is_opaque || info.is_secret_bearing);
    assert(info.is_resource || (info.resource.len == 0 && !info.is_watch));
    assert(info.path.len <= target.len);
    /* one decoding is all: what is canonical names what it says */
    if (str_find(info.path, STR("/secrets/")) >= 0 &&
        str_starts(info.path, STR("/api/v1/secrets/")))
        assert(info.is_secret_bearing);
    request_info_free(&info);

    redact_target(&out, target);
    buf_free(&out);
    return 0;
}
