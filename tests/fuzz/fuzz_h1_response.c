/* Response heads: what is accepted is written and read again as the same. The first byte chooses
 * the method that was asked. */
#include <assert.h>
#include <stdint.h>

#include "base/scoped.h"
#include "http/h1.h"
#include "http/hop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct http_head *head, struct str method)
{
    scoped(h1_reader_free) struct h1_reader reader = {0};
    scoped(http_head_free) struct http_head copy = {0}, again = {0};
    scoped(buf_free) struct buf out = {0};
    struct error err = {0};

    http_head_copy(&copy, head);
    if (hop_strip(&copy, &err) < 0)
        return;
    enum h1_framing framing = h1_framing_of_response(&copy, method, 11);

    if (http_head_has(&copy, "host"))
        return; /* no field of a response: not written */
    assert(h1_write_response(&out, &copy, framing, H1_KEEP, &err) == 0);
    struct str in = buf_str(&out);

    if (h1_read_response(&reader, &in, &again, &err) != IO_OK) {
        assert(out.len > HTTP_HEAD_BYTES_MAX || copy.field_count + 1 > HTTP_FIELDS_MAX);
        return;
    }
    assert(in.len == 0 && again.status == copy.status);
    assert(h1_body_of_response(&again, method).framing == framing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(h1_reader_free) struct h1_reader reader = {0};
    scoped(http_head_free) struct http_head head = {0};
    struct error err = {0};
    struct str method = size && data[0] % 2 ? STR("GET") : STR("HEAD");
    struct str in = str_skip(str_make(data, size), 1);
    enum io status = h1_read_response(&reader, &in, &head, &err);

    if (status == IO_FAILED)
        assert(err.kind == ERROR_PROTOCOL && head.version == 0 && !head.blocks);
    if (status == IO_OK)
        check_again(&head, method);
    return 0;
}
