/* What a server may send over HTTP/2 to a client that has asked: GET, HEAD, and two uploads. Every
 * stream is closed exactly once, after an end or a failure unless it was reset by us; nothing comes
 * after an end. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/scoped.h"
#include "http/h2_client.h"

#define REQUESTS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    bool is_open, has_head, has_ended, has_failed, was_reset;
    size_t bytes;
};

struct peer {
    struct h2 *h2;
    struct seen seen[REQUESTS]; /* by stream / 2 */
};

static struct seen *seen(struct peer *peer, int32_t stream)
{
    assert(stream > 0 && stream % 2 == 1 && stream / 2 < REQUESTS);
    struct seen *s = &peer->seen[stream / 2];

    assert(s->is_open && !s->has_ended && !s->has_failed && !s->was_reset);
    return s;
}

static void check_fields(const struct http_head *head)
{
    assert(head->field_count <= HTTP_FIELDS_MAX);
    for (size_t i = 0; i < head->field_count; i++)
        assert(http_is_token(head->fields[i].name) && http_is_value(head->fields[i].value));
}

static void on_interim(void *context, int32_t stream, struct http_head *head)
{
    assert(!seen(context, stream)->has_head);
    assert(head->status >= 100 && head->status < 200 && head->status != 101);
    check_fields(head);
}

static void on_response(void *context, int32_t stream, struct http_head *head, bool is_whole)
{
    struct peer *peer = context;
    struct seen *s = seen(peer, stream);

    assert(!s->has_head && head->status >= 200 && head->status <= 599);
    check_fields(head);
    s->has_head = true;
    s->has_ended = is_whole;
    if (head->status == 299) {
        h2_reset(peer->h2, stream, H2_CANCEL);
        s->was_reset = true;
    }
}

static void on_data(void *context, int32_t stream, struct str bytes)
{
    struct peer *peer = context;
    struct seen *s = seen(peer, stream);

    assert(s->has_head && bytes.len > 0);
    s->bytes += bytes.len;
    if (stream % 4 == 1)
        h2_consume(peer->h2, stream, bytes.len);
}

static void on_ended(void *context, int32_t stream, struct http_head *trailers)
{
    struct seen *s = seen(context, stream);

    assert(s->has_head);
    s->has_ended = true;
    for (size_t i = 0; trailers && i < trailers->field_count; i++)
        assert(http_is_trailer(trailers->fields[i].name));
}

static void on_failed(void *context, int32_t stream, enum h2_failure failure, uint32_t code)
{
    struct seen *s = seen(context, stream);

    assert(failure != H2_UNPROCESSED || !s->has_head);
    s->has_failed = true;
}

static void on_closed(void *context, int32_t stream)
{
    struct peer *peer = context;
    struct seen *s = &peer->seen[stream / 2];

    assert(s->is_open && (s->has_ended || s->has_failed || s->was_reset));
    s->is_open = false;
}

static void on_writable(void *context, int32_t stream)
{
}

static void on_change(void *context)
{
}

static const struct h2_client_events events = {
    .interim = on_interim,
    .response = on_response,
    .data = on_data,
    .ended = on_ended,
    .failed = on_failed,
    .closed = on_closed,
    .writable = on_writable,
    .goaway = on_change,
    .limits = on_change,
};

static void ask_all(struct peer *peer)
{
    static const char *const methods[REQUESTS] = {"GET", "HEAD", "POST", "PATCH"};
    static const char block[40000];

    for (size_t i = 0; i < REQUESTS; i++) {
        struct http_head head = {
            .method = str_from(methods[i]), .target = STR("/"), .authority = STR("a")};
        int32_t stream = h2_request(peer->h2, &head, i < 2);

        assert(stream == (int32_t)(2 * i + 1));
        peer->seen[i].is_open = true;
        if (i < 2)
            continue;
        h2_data_adopt(peer->h2, stream, chunk_new(str_make(block, sizeof block)));
        h2_data_adopt(peer->h2, stream, chunk_new(str_make(block, sizeof block)));
        h2_end(peer->h2, stream, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct peer peer = {0};
    struct str rest = str_make(data, size);
    struct error err = {0};

    peer.h2 = h2_client_new(&events, &peer);
    ask_all(&peer);
    for (bool is_well = true; is_well;) {
        scoped(buf_free) struct buf out = {.limit = 4 << 20};
        struct str piece = str_first(rest, 1000);

        is_well = h2_send(peer.h2, &out, 100000, &err) == 0 && piece.len > 0 &&
                  !h2_is_finished(peer.h2) && h2_receive(peer.h2, piece, 1, &err) == 0;
        rest = str_skip(rest, piece.len);
    }
    h2_lost(peer.h2);
    assert(h2_open_streams(peer.h2) == 0);
    for (size_t i = 0; i < REQUESTS; i++)
        assert(!peer.seen[i].is_open);
    h2_free(&peer.h2);
    return 0;
}
