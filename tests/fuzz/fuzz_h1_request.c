/* Request heads: what is accepted is written and read again as the same; where the bytes are cut
 * makes no difference. */
#include <assert.h>
#include <stdint.h>

#include "base/scoped.h"
#include "http/h1.h"
#include "http/hop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum io read_in_steps(struct h1_reader *reader, struct str text, size_t step,
                             struct http_head *head, size_t *used, struct error *err)
{
    size_t total = text.len;
    enum io status = IO_AGAIN;

    while (status == IO_AGAIN && text.len > 0) {
        struct str piece = str_first(text, step);
        size_t given = piece.len;

        status = h1_read_request(reader, &piece, head, err);
        assert(status != IO_AGAIN || piece.len == 0);
        text = str_skip(text, given - piece.len);
    }
    *used = total - text.len;
    return status;
}

static void check_again(const struct http_head *head)
{
    scoped(h1_reader_free) struct h1_reader reader = {0};
    scoped(http_head_free) struct http_head copy = {0}, again = {0};
    scoped(buf_free) struct buf out = {0};
    struct error err = {0};
    enum h1_framing framing = h1_body_of_request(head).framing;

    http_head_copy(&copy, head);
    if (hop_strip(&copy, &err) < 0)
        return;
    if (copy.authority.len == 0)
        copy.authority = STR("a"); /* HTTP/1.0 without Host */
    assert(h1_write_request(&out, &copy, framing, H1_KEEP, &err) == 0);
    struct str in = buf_str(&out);

    if (h1_read_request(&reader, &in, &again, &err) != IO_OK) {
        assert(out.len > HTTP_HEAD_BYTES_MAX || copy.field_count + 2 > HTTP_FIELDS_MAX);
        return;
    }
    assert(in.len == 0 && str_equal(again.target, copy.target));
    assert(str_equal(again.method, copy.method) && str_equal(again.authority, copy.authority));
    assert(h1_body_of_request(&again).framing == framing);
    assert(again.field_count == copy.field_count + (framing == H1_CHUNKED));
    for (size_t i = 0; i < copy.field_count; i++)
        assert(str_equal(again.fields[i].name, copy.fields[i].name) &&
               str_equal(again.fields[i].value, copy.fields[i].value));
}

static void check_remains(const struct h1_reader *reader)
{
    scoped(http_head_free) struct http_head remains = {0};

    h1_read_remains(reader, &remains);
    assert(!remains.method.len || http_is_token(remains.method));
    assert(!remains.target.len || http_is_target(remains.target));
    assert(remains.field_count <= HTTP_FIELDS_MAX && !http_head_has(&remains, "host"));
    for (size_t i = 0; i < remains.field_count; i++)
        assert(http_is_token(remains.fields[i].name) && http_is_value(remains.fields[i].value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(h1_reader_free) struct h1_reader whole = {0}, cut = {0};
    scoped(http_head_free) struct http_head head = {0}, again = {0};
    struct error err = {0}, cut_err = {0};
    size_t used, cut_used;
    size_t step = size ? 1 + data[size - 1] % 64u : 1;
    enum io status = read_in_steps(&whole, str_make(data, size), SIZE_MAX, &head, &used, &err);
    enum io cut_status =
        read_in_steps(&cut, str_make(data, size), step, &again, &cut_used, &cut_err);

    assert(status == cut_status && (status == IO_FAILED) == (err.kind == ERROR_PROTOCOL));
    if (status == IO_FAILED) {
        assert(whole.status == cut.status && head.version == 0 && !head.blocks);
        check_remains(&whole);
        return 0;
    }
    if (status == IO_OK) {
        assert(used == cut_used && head.field_count == again.field_count);
        check_again(&head);
    }
    return 0;
}
