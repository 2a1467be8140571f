#include "http/h2_client.h"

#include "base/num.h"
#include "base/scoped.h"
#include "http/h2_stream.h"

struct h2 *h2_client_new(const struct h2_client_events *events, void *context)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_CLIENT_STREAM_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, H2_CLIENT_FRAME_BYTES},
        /* counts 32 bytes per field */
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_BYTES_MAX + 32 * HTTP_FIELDS_MAX},
    };
    struct h2 *h2 = h2_open(true, settings, count_of(settings), H2_CLIENT_CONNECTION_WINDOW_BYTES);

    h2->answers = *events;
    h2->events = (struct h2_events){
        .data = events->data,
        .ended = events->ended,
        .closed = events->closed,
        .writable = events->writable,
    };
    h2->context = context;
    return h2;
}

/* ---- Requests ---- */

int32_t h2_request(struct h2 *h2, const struct http_head *head, bool is_whole)
{
    scoped(h2_outgoing_free) struct h2_outgoing outgoing = {0};

    if (h2->is_lost || h2->problem || !h2_outgoing_fill_request(&outgoing, head))
        return 0;
    struct stream *stream = h2_stream_new(h2, 0);
    nghttp2_data_provider provider = h2_out_provider(stream);

    stream->id = nghttp2_submit_request(h2->session, NULL, outgoing.fields, outgoing.count,
                                        is_whole ? NULL : &provider, stream);
    if (stream->id <= 0) {
        h2_stream_free(stream);
        return 0;
    }
    stream->is_announced = stream->has_begun = true;
    stream->is_whole = is_whole;
    stream->is_head_request = str_is(head->method, "HEAD");
    h2_out_note_promise(stream, head);
    return stream->id;
}

size_t h2_streams_allowed(const struct h2 *h2)
{
    if (h2->is_lost || h2->problem || !h2->has_settings || h2->was_told_to_go)
        return 0;
    return nghttp2_session_get_remote_settings(h2->session,
                                               NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

void h2_ping(struct h2 *h2)
{
    if (!h2->is_lost && !h2->problem)
        ignore(nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL));
}

void h2_stream_wire(const struct h2 *h2, int32_t id, uint64_t *sent, uint64_t *received)
{
    const struct stream *stream = h2_stream_any(h2, id);

    *sent = stream ? stream->wire_out : 0;
    *received = stream ? stream->wire_in : 0;
}

/* ---- What arrives ---- */

static void note_due(struct stream *stream, const struct http_head *head)
{
    stream->has_head = true;
    stream->has_due =
        !stream->is_head_request && head->status != 304 && http_head_length(head, &stream->due);
}

void h2_client_got_head(struct stream *stream)
{
    struct h2 *h2 = stream->h2;
    struct h2_incoming incoming = stream->incoming;

    stream->incoming = (struct h2_incoming){0};
    if (!h2_incoming_finish_response(&incoming)) {
        h2_stream_refuse(stream);
    } else if (incoming.head.status < 200) {
        stream->has_interim = true;
        h2->answers.interim(h2->context, stream->id, &incoming.head);
    } else {
        note_due(stream, &incoming.head);
        h2->answers.response(h2->context, stream->id, &incoming.head, stream->has_ended);
    }
    h2_incoming_free(&incoming);
}

/* nghttp2 will not send these any more, but would keep them while it counts too many open ones. One
 * that it has begun to send is not among them: the server may get to see it. */
static void drop_unsent(struct h2 *h2)
{
    for (struct stream *stream = h2->streams, *next; stream; stream = next) {
        next = stream->next;
        if (!nghttp2_session_find_stream(h2->session, stream->id))
            h2_stream_close(stream, NGHTTP2_REFUSED_STREAM);
    }
}

void h2_client_got_goaway(struct h2 *h2)
{
    h2->was_told_to_go = true;
    h2->answers.goaway(h2->context);
    drop_unsent(h2);
}

enum h2_failure h2_client_failure(const struct stream *stream, uint32_t code)
{
    bool is_refused =
        code == NGHTTP2_REFUSED_STREAM && (stream->was_reset || stream->h2->was_told_to_go);

    if (!stream->is_sent || (is_refused && !stream->has_head && !stream->has_interim))
        return H2_UNPROCESSED;
    if (stream->was_reset || stream->h2->is_lost || is_refused || stream->is_broken)
        return H2_BROKEN_OFF;
    return stream->is_cut ? H2_CUT : H2_MALFORMED;
}
