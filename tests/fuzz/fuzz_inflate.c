/* fuzz_inflate.c - byte 0: how the input is split; the rest: gzip members, or not. */
#include <assert.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/num.h"
#include "kube/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void collect(void *context, struct str plain)
{
    assert(plain.len > 0);
    buf_append_str(context, plain);
}

static enum inflate_status run(struct buf *out, struct str wire, size_t step, bool *is_complete)
{
    struct inflate *gz = inflate_new();
    enum inflate_status status = INFLATE_OK;

    for (size_t at = 0; at < wire.len && status == INFLATE_OK; at += step) {
        struct str part = str_first(str_skip(wire, at), step);

        status = inflate_add(gz, &part, collect, out);
        assert(status != INFLATE_OK || part.len == 0);
    }
    *is_complete = inflate_is_complete(gz);
    inflate_free(&gz);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = {.limit = 256 << 20}, split = {.limit = 256 << 20};
    bool is_whole, is_split;

    if (size < 2)
        return 0;
    struct str wire = str_make(data + 1, size - 1);
    enum inflate_status first = run(&whole, wire, wire.len, &is_whole);
    enum inflate_status second = run(&split, wire, data[0] + 1u, &is_split);
    if (first != INFLATE_TOO_LARGE && second != INFLATE_TOO_LARGE) {
        assert(first == second && is_whole == is_split);
        assert(str_equal(buf_str(&whole), buf_str(&split)));
    }
    buf_free(&whole);
    buf_free(&split);
    return 0;
}
