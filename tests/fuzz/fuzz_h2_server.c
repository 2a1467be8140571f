/* What a client may send over HTTP/2, behind the preface. Every request is answered, with a body
 * whose size its own number decides; every stream is closed exactly once. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "http/h2.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct peer {
    struct h2 *h2;
    size_t open;
};

/* Per stream; freed by closed(). */
struct seen {
    bool has_ended, was_reset;
    size_t bytes;
};

static struct seen *open_stream(struct peer *peer, int32_t stream)
{
    struct seen *seen = xcalloc(1, sizeof *seen);

    assert(!h2_stream_context(peer->h2, stream));
    h2_set_stream_context(peer->h2, stream, seen);
    peer->open++;
    return seen;
}

static void on_request(void *context, int32_t stream, struct http_head *head, bool is_whole)
{
    struct peer *peer = context;
    struct http_head answer = {.status = 200};
    static const char text[5000];

    int32_t number = stream / 2;

    open_stream(peer, stream)->has_ended = is_whole;
    assert(http_is_token(head->method) && http_is_target(head->target));
    assert(http_is_authority(head->authority) && head->field_count <= HTTP_FIELDS_MAX);
    for (size_t i = 0; i < head->field_count; i++)
        assert(http_is_token(head->fields[i].name) && http_is_value(head->fields[i].value));
    if (number % 5 == 4)
        return;
    h2_respond(peer->h2, stream, &answer, number % 3 == 0);
    if (number % 3 == 0)
        return;
    h2_data_adopt(peer->h2, stream, chunk_new(str_make(text, (size_t)number * 1000 % sizeof text)));
    if (number % 7 == 0)
        h2_reset(peer->h2, stream, H2_CANCEL);
    h2_end(peer->h2, stream, number % 2 ? head : NULL);
}

static void on_refused(void *context, int32_t stream, struct http_head *head, int status,
                       const char *problem)
{
    struct peer *peer = context;
    struct http_head answer = {.status = status};

    open_stream(peer, stream)->has_ended = true;
    assert(problem);
    h2_respond(peer->h2, stream, &answer, true);
}

static void on_data(void *context, int32_t stream, struct str bytes)
{
    struct peer *peer = context;
    struct seen *seen = h2_stream_context(peer->h2, stream);

    assert(seen && !seen->has_ended && !seen->was_reset && bytes.len > 0);
    seen->bytes += bytes.len;
    assert(seen->bytes <= H2_STREAM_WINDOW_BYTES || stream / 2 % 2);
    if (stream / 2 % 2)
        h2_consume(peer->h2, stream, bytes.len);
}

static void on_ended(void *context, int32_t stream, struct http_head *trailers)
{
    struct peer *peer = context;
    struct seen *seen = h2_stream_context(peer->h2, stream);

    assert(seen && !seen->has_ended && !seen->was_reset);
    seen->has_ended = true;
    for (size_t i = 0; trailers && i < trailers->field_count; i++)
        assert(http_is_trailer(trailers->fields[i].name));
}

static void on_reset(void *context, int32_t stream, uint32_t code)
{
    struct peer *peer = context;
    struct seen *seen = h2_stream_context(peer->h2, stream);

    assert(seen && !seen->was_reset);
    seen->was_reset = true;
}

static void on_closed(void *context, int32_t stream)
{
    struct peer *peer = context;

    free(h2_stream_context(peer->h2, stream));
    h2_set_stream_context(peer->h2, stream, NULL);
    peer->open--;
}

static void on_writable(void *context, int32_t stream)
{
}

static const struct h2_events events = {on_request, on_refused, on_data,    on_ended,
                                        on_reset,   on_closed,  on_writable};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct peer peer = {0};
    struct str rest = str_make(data, size);
    struct error err = {0};
    bool is_well = true;

    peer.h2 = h2_server_new(&events, &peer);
    is_well = h2_receive(peer.h2, STR(PREFACE), 1, &err) == 0;
    assert(is_well);
    while (is_well && rest.len > 0 && !h2_is_finished(peer.h2)) {
        scoped(buf_free) struct buf out = {.limit = 4 << 20};
        struct str piece = str_first(rest, 1000);

        rest = str_skip(rest, piece.len);
        is_well =
            h2_receive(peer.h2, piece, 1, &err) == 0 && h2_send(peer.h2, &out, 100000, &err) == 0;
        assert(is_well || err.kind == ERROR_PROTOCOL);
    }
    h2_lost(peer.h2);
    assert(peer.open == 0 && h2_open_streams(peer.h2) == 0);
    h2_free(&peer.h2);
    return 0;
}
