/* What is sent on one stream. */
#include <assert.h>

#include "base/num.h"
#include "base/scoped.h"
#include "http/h2_stream.h"

#define FRAME_HEAD_BYTES 9

void h2_stream_break(struct stream *stream, uint32_t code)
{
    stream->is_over = true;
    chunk_queue_free(&stream->queue);
    ignore(nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id, code));
}

void h2_stream_refuse(struct stream *stream)
{
    stream->has_ended = false;
    h2_stream_break(stream, NGHTTP2_PROTOCOL_ERROR);
}

static int submit_trailers(struct stream *stream)
{
    scoped(h2_outgoing_free) struct h2_outgoing outgoing = {0};

    if (!h2_outgoing_fill(&outgoing, stream->trailers))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return nghttp2_submit_trailer(stream->h2->session, stream->id, outgoing.fields,
                                  outgoing.count) == 0
               ? 0
               : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* nghttp2 asks how much the next DATA frame will hold; h2_out_send_data() follows at once. */
static ssize_t read_data(nghttp2_session *session, int32_t id, uint8_t *unused, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    struct stream *stream = source->ptr;
    size_t bytes = min_of(len, stream->queue.bytes);
    bool is_last = stream->is_complete && bytes == stream->queue.bytes;

    if (stream->is_over || (bytes == 0 && !is_last))
        return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (!is_last || (stream->is_broken && bytes > 0))
        return (ssize_t)bytes;
    if (stream->is_broken) {
        stream->is_over = stream->is_reset_by_us = true;
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* RST_STREAM, INTERNAL_ERROR */
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->trailers && stream->trailers->field_count > 0) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (submit_trailers(stream) != 0) {
            stream->is_over = stream->is_reset_by_us = stream->is_broken = true;
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)bytes;
}

int h2_out_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                     size_t len, nghttp2_data_source *source, void *user_data)
{
    struct stream *stream = source->ptr;
    struct h2 *h2 = user_data;

    assert(frame->data.padlen == 0); /* we never ask for any */
    buf_append(h2->out, head, FRAME_HEAD_BYTES);
    chunk_queue_take(&stream->queue, len, h2->out);
    if (stream->was_above && stream->queue.bytes <= H2_QUEUE_LOW) {
        stream->was_above = false;
        h2->events.writable(h2->context, stream->id);
    }
    return h2->out->len >= h2->out_max ? NGHTTP2_ERR_PAUSE : 0;
}

nghttp2_data_provider h2_out_provider(struct stream *stream)
{
    return (nghttp2_data_provider){.source.ptr = stream, .read_callback = read_data};
}

void h2_informational(struct h2 *h2, int32_t id, const struct http_head *head)
{
    scoped(h2_outgoing_free) struct h2_outgoing outgoing = {0};
    struct stream *stream = h2_stream_find(h2, id);

    if (!stream || stream->has_begun)
        return;
    if (head->status < 100 || head->status > 199 || head->status == 101 ||
        !h2_outgoing_fill(&outgoing, head))
        return; /* a client can do without it */
    ignore(nghttp2_submit_headers(h2->session, NGHTTP2_FLAG_NONE, id, NULL, outgoing.fields,
                                  outgoing.count, NULL));
}

void h2_out_note_promise(struct stream *stream, const struct http_head *head)
{
    bool is_none = head->status && (stream->is_head_request || head->status == 304);

    stream->has_promise = !is_none && http_head_length(head, &stream->promised);
}

void h2_respond(struct h2 *h2, int32_t id, const struct http_head *head, bool is_whole)
{
    scoped(h2_outgoing_free) struct h2_outgoing outgoing = {0};
    struct stream *stream = h2_stream_find(h2, id);
    nghttp2_data_provider provider = h2_out_provider(stream);

    if (!stream)
        return;
    assert(!stream->has_begun && head->status >= 200);
    stream->has_begun = true;
    stream->is_whole = is_whole;
    h2_out_note_promise(stream, head);
    if (!h2_outgoing_fill(&outgoing, head) ||
        (is_whole && stream->has_promise && stream->promised > 0) ||
        nghttp2_submit_response(h2->session, id, outgoing.fields, outgoing.count,
                                is_whole ? NULL : &provider) != 0)
        h2_reset(h2, id, H2_INTERNAL_ERROR);
}

void h2_data_adopt(struct h2 *h2, int32_t id, struct chunk *chunk)
{
    struct stream *stream = h2_stream_find(h2, id);
    size_t len = chunk_bytes(chunk).len;

    if (!stream || stream->is_complete) {
        chunk_free(&chunk);
        return;
    }
    assert(stream->has_begun && !stream->is_whole);
    if (stream->has_promise && len > stream->promised - stream->given) {
        chunk_free(&chunk);
        stream->is_complete = stream->is_broken = true;
    } else {
        stream->given += len;
        chunk_queue_push_adopt(&stream->queue, chunk);
        if (stream->queue.bytes > H2_QUEUE_LOW)
            stream->was_above = true;
    }
    ignore(nghttp2_session_resume_data(h2->session, id));
}

void h2_end(struct h2 *h2, int32_t id, const struct http_head *trailers)
{
    struct stream *stream = h2_stream_find(h2, id);

    if (!stream || stream->is_complete || stream->is_whole)
        return;
    assert(stream->has_begun);
    stream->is_complete = true;
    stream->is_broken = stream->has_promise && stream->given != stream->promised;
    if (trailers) {
        stream->trailers = http_head_new();
        http_head_copy(stream->trailers, trailers);
        stream->trailers->status = 0;
    }
    ignore(nghttp2_session_resume_data(h2->session, id));
}

void h2_reset(struct h2 *h2, int32_t id, enum h2_code code)
{
    struct stream *stream = h2_stream_find(h2, id);

    if (!stream)
        return;
    stream->is_reset_by_us = true;
    h2_stream_break(stream, code);
}

size_t h2_queued(const struct h2 *h2, int32_t id)
{
    const struct stream *stream = h2_stream_find(h2, id);

    return stream ? stream->queue.bytes : 0;
}
