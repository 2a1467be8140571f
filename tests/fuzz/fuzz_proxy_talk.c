/* What a proxy answers: the first byte says which kind it is, the second how it comes in pieces. */
#include <assert.h>
#include <stdint.h>

#include "base/scoped.h"
#include "net/proxy_talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const urls[] = {"http://p", "https://u:w@p", "socks5://p", "socks5://u:w@p"};
    scoped(proxy_url_free) struct proxy_url proxy = {0};
    scoped(proxy_talk_free) struct proxy_talk talk = {0};
    scoped(buf_free) struct buf out = {0};
    struct error err = {0};
    enum io status = IO_AGAIN;

    if (size < 2)
        return 0;
    struct str left = str_make(data + 2, size - 2);

    assert(proxy_url_parse(&proxy, str_from(urls[data[0] % 4]), &err) == 0);
    proxy_talk_begin(&talk, &proxy, data[0] & 4 ? "10.0.0.1" : "api.example", 6443, &out);
    while (status == IO_AGAIN && left.len) {
        struct str piece = str_first(left, 1 + data[1] % 64);

        left = str_skip(left, piece.len);
        status = proxy_talk_read(&talk, piece, &out, &err);
    }
    assert(status != IO_EOF && !out.overflow);
    assert((status == IO_FAILED) == (err.kind != ERROR_NONE));
    return 0;
}
