/* Chunked bodies: the same data comes out wherever the bytes are cut, and what was accepted is
 * written and read again. */
#include <assert.h>
#include <stdint.h>

#include "base/scoped.h"
#include "http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum io decode(struct str text, size_t step, struct buf *out, struct http_head *trailers)
{
    scoped(h1_body_free) struct h1_body body = {.framing = H1_CHUNKED};
    struct error err = {0};
    enum io status = IO_AGAIN;

    while (status == IO_AGAIN && text.len > 0) {
        struct str in = str_first(text, step);
        struct str data;

        text = str_skip(text, in.len);
        while ((status = h1_body_next(&body, &in, &data, trailers, &err)) == IO_OK) {
            assert(data.len > 0);
            buf_append_str(out, data);
        }
        assert(status != IO_AGAIN || in.len == 0);
    }
    assert((status == IO_EOF) == h1_body_may_end(&body));
    assert((status == IO_FAILED) == (err.kind == ERROR_PROTOCOL));
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(http_head_free) struct http_head trailers = {0}, cut_trailers = {0}, again = {0};
    scoped(buf_free) struct buf out = {.limit = SIZE_MAX}, cut = {.limit = SIZE_MAX};
    size_t step = size ? 1 + data[size - 1] % 16u : 1;
    enum io status = decode(str_make(data, size), SIZE_MAX, &out, &trailers);

    assert(decode(str_make(data, size), step, &cut, &cut_trailers) == status);
    if (status != IO_EOF)
        return 0;
    assert(str_equal(buf_str(&out), buf_str(&cut)));
    scoped(buf_free) struct buf wire = {.limit = SIZE_MAX}, got = {.limit = SIZE_MAX};

    h1_write_chunk(&wire, buf_str(&out));
    h1_write_last_chunk(&wire, &trailers);
    assert(decode(buf_str(&wire), SIZE_MAX, &got, &again) == IO_EOF);
    assert(str_equal(buf_str(&out), buf_str(&got)));
    assert(again.field_count == trailers.field_count);
    return 0;
}
