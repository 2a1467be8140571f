#include "http/h2.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "http/h2_stream.h"

#define FRAME_HEAD_BYTES 9
#define BLOCK_BYTES_MAX ((size_t)1 << 20) /* of decoded fields; beyond, the connection ends */
#define SEND_BLOCK_BYTES_MAX ((size_t)512 << 10) /* nghttp2's own is 64 KiB */

/* ---- Streams ---- */

struct stream *h2_stream_any(const struct h2 *h2, int32_t id)
{
    struct stream *stream = nghttp2_session_get_stream_user_data(h2->session, id);

    if (stream || !h2->is_client)
        return stream;
    /* nghttp2 knows a request only once it begins to send it. Newest first. */
    for (stream = h2->streams; stream && stream->id > id; stream = stream->next)
        ;
    return stream && stream->id == id ? stream : NULL;
}

struct stream *h2_stream_find(const struct h2 *h2, int32_t id)
{
    struct stream *stream = h2_stream_any(h2, id);

    return stream && !stream->is_over ? stream : NULL;
}

struct stream *h2_stream_new(struct h2 *h2, int32_t id)
{
    struct stream *stream = xcalloc(1, sizeof *stream);

    stream->h2 = h2;
    stream->id = id;
    stream->next = h2->streams;
    if (h2->streams)
        h2->streams->previous = stream;
    h2->streams = stream;
    h2->stream_count++;
    return stream;
}

void h2_stream_free(struct stream *stream)
{
    struct h2 *h2 = stream->h2;

    if (stream->next)
        stream->next->previous = stream->previous;
    if (stream->previous)
        stream->previous->next = stream->next;
    else
        h2->streams = stream->next;
    h2->stream_count--;
    h2_incoming_free(&stream->incoming);
    chunk_queue_free(&stream->queue);
    http_head_delete(&stream->trailers);
    free(stream);
}

/* What the caller does not know yet: it ended, and not by a clean end or its own wish. */
static void tell_end(struct stream *stream, uint32_t code)
{
    struct h2 *h2 = stream->h2;

    if (h2->is_client) {
        if (!stream->has_ended && (!stream->is_reset_by_us || stream->is_broken))
            h2->answers.failed(h2->context, stream->id, h2_client_failure(stream, code), code);
    } else if (!stream->is_reset_by_us && !(stream->has_ended && stream->is_all_sent)) {
        h2->events.reset(h2->context, stream->id, code);
    }
}

void h2_stream_close(struct stream *stream, uint32_t code)
{
    struct h2 *h2 = stream->h2;

    stream->is_over = true;
    if (stream->is_announced) {
        tell_end(stream, code);
        h2->events.closed(h2->context, stream->id);
    }
    nghttp2_session_set_stream_user_data(h2->session, stream->id, NULL);
    h2_stream_free(stream);
}

void h2_set_stream_context(struct h2 *h2, int32_t id, void *context)
{
    struct stream *stream = h2_stream_any(h2, id);

    if (stream)
        stream->context = context;
}

void *h2_stream_context(const struct h2 *h2, int32_t id)
{
    struct stream *stream = h2_stream_any(h2, id);

    return stream ? stream->context : NULL;
}

bool h2_is_malformed(const struct h2 *h2, int32_t id)
{
    const struct stream *stream = h2_stream_any(h2, id);

    return stream && !stream->was_reset && !h2->is_lost && !h2->problem;
}

size_t h2_open_streams(const struct h2 *h2)
{
    return h2->stream_count;
}

/* ---- Ending the connection ---- */

/* Ends it with a GOAWAY; for the callbacks, which return what this returns. */
static int give_up(struct h2 *h2, uint32_t code, const char *problem)
{
    if (!h2->problem) {
        h2->problem = problem;
        ignore(nghttp2_session_terminate_session(h2->session, code));
    }
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int spend(struct h2 *h2, enum h2_flood_kind kind)
{
    static const char *const problems[H2_FLOOD_KINDS] = {
        [H2_FLOOD_RESETS] = "too many streams were reset",
        [H2_FLOOD_IDLE] = "too many frames without content",
    };

    if (h2_flood_take(&h2->flood, kind))
        return 0;
    return give_up(h2, NGHTTP2_ENHANCE_YOUR_CALM, problems[kind]);
}

/* ---- What arrives ---- */

/* nghttp2 resets a stream whose DATA are not what Content-Length declared, and does not say why. */
static void note_cut(struct stream *stream, const nghttp2_frame_hd *frame)
{
    size_t len = frame->type == NGHTTP2_DATA ? frame->length : 0;

    if (frame->flags & NGHTTP2_FLAG_END_STREAM)
        stream->is_cut = stream->has_due && stream->taken + len < stream->due;
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *frame, void *user_data)
{
    struct h2 *h2 = user_data;
    struct stream *stream = frame->stream_id ? h2_stream_any(h2, frame->stream_id) : NULL;

    if (stream) {
        stream->wire_in += FRAME_HEAD_BYTES + frame->length;
        if (frame->type == NGHTTP2_DATA || frame->type == NGHTTP2_HEADERS)
            note_cut(stream, frame);
    }
    switch (frame->type) {
    case NGHTTP2_HEADERS:
        h2->block_bytes = 0;
        return 0;
    case NGHTTP2_WINDOW_UPDATE:
        return 0;
    case NGHTTP2_RST_STREAM:
        return spend(h2, H2_FLOOD_RESETS);
    case NGHTTP2_DATA:
        if (frame->length > 0 || (frame->flags & NGHTTP2_FLAG_END_STREAM))
            return 0;
        return spend(h2, H2_FLOOD_IDLE);
    default:
        return spend(h2, H2_FLOOD_IDLE);
    }
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct h2 *h2 = user_data;
    int32_t id = frame->hd.stream_id;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct stream *stream = h2_stream_new(h2, id);

    if (nghttp2_session_set_stream_user_data(session, id, stream) != 0) {
        h2_stream_free(stream);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user_data)
{
    struct h2 *h2 = user_data;
    struct stream *stream = h2_stream_find(h2, frame->hd.stream_id);
    struct str n = str_make(name, name_len), v = str_make(value, value_len);
    bool is_pseudo = name_len > 0 && name[0] == ':';

    /* A small block can spell very much, and nghttp2 goes on to decode what we no longer keep. */
    h2->block_bytes += name_len + value_len + 1;
    if (h2->block_bytes > BLOCK_BYTES_MAX)
        return give_up(h2, NGHTTP2_ENHANCE_YOUR_CALM, "a field block larger than 1 MiB");
    if (!stream)
        return 0;
    /* nghttp2 has checked this by tables of its own; what goes on to HTTP/1.1 passes ours too. */
    if (!http_is_value(v) || (!is_pseudo && !http_is_token(n))) {
        h2_stream_refuse(stream);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    bool is_head = h2->is_client ? !stream->has_head : frame->headers.cat == NGHTTP2_HCAT_REQUEST;

    h2_incoming_add(&stream->incoming, n, v, is_head ? HTTP_HEAD_BYTES_MAX : HTTP_TRAILER_BYTES_MAX,
                    is_head ? HTTP_FIELDS_MAX : HTTP_TRAILERS_MAX);
    return 0;
}

/* nghttp2 would leave out a field with a byte that may not be there; that makes a request malformed
 * (RFC 9113 8.2.1). */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_len, const uint8_t *value,
                             size_t value_len, uint8_t flags, void *user_data)
{
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* PROTOCOL_ERROR */
}

static void got_request(struct stream *stream)
{
    struct h2 *h2 = stream->h2;
    const char *problem;
    int status = h2_incoming_finish_request(&stream->incoming, &problem);
    struct h2_incoming incoming = stream->incoming;

    stream->incoming = (struct h2_incoming){0};
    stream->is_announced = true;
    stream->is_head_request = str_is(incoming.head.method, "HEAD");
    if (status == 0) {
        h2->events.request(h2->context, stream->id, &incoming.head, stream->has_ended);
    } else {
        stream->is_refused = true;
        h2->events.refused(h2->context, stream->id, &incoming.head, status, problem);
    }
    h2_incoming_free(&incoming);
}

static void got_trailers(struct stream *stream)
{
    struct h2 *h2 = stream->h2;
    struct h2_incoming incoming = stream->incoming;

    stream->incoming = (struct h2_incoming){0};
    incoming.head.version = 20;
    if (!h2_incoming_are_trailers(&incoming))
        h2_stream_refuse(stream);
    else if (!stream->is_refused)
        h2->events.ended(h2->context, stream->id,
                         incoming.head.field_count ? &incoming.head : NULL);
    h2_incoming_free(&incoming);
}

static void got_head(struct stream *stream, const nghttp2_frame *frame)
{
    if (stream->h2->is_client ? stream->has_head : frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        got_trailers(stream);
    else if (stream->h2->is_client)
        h2_client_got_head(stream);
    else
        got_request(stream);
}

/* One that belongs to the connection, or ends a stream. */
static void got_control(struct h2 *h2, const nghttp2_frame *frame)
{
    struct stream *stream;

    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        stream = h2_stream_any(h2, frame->hd.stream_id);
        if (stream)
            stream->was_reset = true; /* it is closed next */
    }
    if (!h2->is_client)
        return;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        h2_client_got_goaway(h2);
    } else if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK)) {
        h2->has_settings = true;
        h2->answers.limits(h2->context);
    }
}

/* A frame that nghttp2 found to be right. */
static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct h2 *h2 = user_data;
    bool is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
        got_control(h2, frame);
        return 0;
    }
    struct stream *stream = h2_stream_any(h2, frame->hd.stream_id);

    if (!stream)
        return 0;
    stream->has_ended = stream->has_ended || is_end;
    if (stream->is_over)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        got_head(stream, frame);
    else if (is_end && !stream->is_refused)
        h2->events.ended(h2->context, stream->id, NULL);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *user_data)
{
    struct h2 *h2 = user_data;
    struct stream *stream = h2_stream_find(h2, id);

    /* The connection's credit goes back now, whatever becomes of the stream. */
    if (nghttp2_session_consume_connection(session, len) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (!stream || len == 0)
        return 0;
    if (stream->is_refused)
        return nghttp2_session_consume_stream(session, id, len) == 0 ? 0
                                                                     : NGHTTP2_ERR_CALLBACK_FAILURE;
    stream->unconsumed += len;
    stream->taken += len;
    h2->events.data(h2->context, id, str_make(data, len));
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user_data)
{
    struct h2 *h2 = user_data;
    struct stream *stream = h2_stream_any(h2, id);

    if (stream)
        h2_stream_close(stream, code);
    return 0;
}

/* ---- What is sent ---- */

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t len, int flags,
                       void *user_data)
{
    struct h2 *h2 = user_data;

    if (h2->out->len >= h2->out_max)
        return NGHTTP2_ERR_WOULDBLOCK;
    buf_append(h2->out, data, len);
    return (ssize_t)len;
}

/* Never fails: nghttp2 would call it again for the same frame. h2_send() looks at h2->problem. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct h2 *h2 = user_data;
    struct stream *stream = h2_stream_any(h2, frame->hd.stream_id);
    bool is_message = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;

    if (frame->hd.type == NGHTTP2_RST_STREAM && (!stream || !stream->is_reset_by_us))
        ignore(spend(h2, H2_FLOOD_RESETS));
    if (!stream || !is_message)
        return 0;
    stream->is_sent = true;
    stream->wire_out += FRAME_HEAD_BYTES + frame->hd.length;
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    stream->is_all_sent = true;
    if (h2->is_client)
        return 0;
    /* The answer is complete and the request is not: its rest is not wanted (RFC 9113 8.1). */
    if (!stream->has_ended && !stream->is_over) {
        stream->is_reset_by_us = true;
        h2_stream_break(stream, NGHTTP2_NO_ERROR);
    }
    return 0;
}

/* ---- The connection ---- */

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *callbacks = NULL;

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        abort();
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, h2_out_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    return callbacks;
}

static nghttp2_option *make_options(void)
{
    nghttp2_option *options = NULL;

    if (nghttp2_option_new(&options) != 0)
        abort();
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_max_send_header_block_length(options, SEND_BLOCK_BYTES_MAX);
    return options;
}

struct h2 *h2_open(bool is_client, const nghttp2_settings_entry *settings, size_t count,
                   size_t window_bytes)
{
    struct h2 *h2 = xcalloc(1, sizeof *h2);
    nghttp2_session_callbacks *callbacks = make_callbacks();
    nghttp2_option *options = make_options();
    int status = is_client ? nghttp2_session_client_new2(&h2->session, callbacks, h2, options)
                           : nghttp2_session_server_new2(&h2->session, callbacks, h2, options);

    if (status != 0 ||
        nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, count) != 0 ||
        nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                              (int32_t)window_bytes) != 0)
        abort(); /* out of memory */
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(options);
    h2->is_client = is_client;
    return h2;
}

struct h2 *h2_server_new(const struct h2_events *events, void *context)
{
    /* Not among them: ENABLE_CONNECT_PROTOCOL. The API server has no RFC 8441 either. */
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW_BYTES},
        /* counts 32 bytes per field */
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_BYTES_MAX + 32 * HTTP_FIELDS_MAX},
    };
    struct h2 *h2 = h2_open(false, settings, count_of(settings), H2_CONNECTION_WINDOW_BYTES);

    h2->events = *events;
    h2->context = context;
    return h2;
}

void h2_free(struct h2 **h2)
{
    if (!*h2)
        return;
    assert(!(*h2)->is_busy);
    while ((*h2)->streams)
        h2_stream_free((*h2)->streams);
    nghttp2_session_del((*h2)->session);
    free(*h2);
    *h2 = NULL;
}

static int failure(const struct h2 *h2, int code, struct error *err)
{
    return error_set(err, ERROR_PROTOCOL, "HTTP/2: %s",
                     h2->problem ? h2->problem : nghttp2_strerror(code));
}

int h2_receive(struct h2 *h2, struct str bytes, int64_t mono_us, struct error *err)
{
    assert(!h2->is_busy);
    if (h2->is_lost || h2->problem)
        return failure(h2, NGHTTP2_ERR_SESSION_CLOSING, err);
    h2_flood_advance(&h2->flood, mono_us);
    h2->is_busy = true;
    ssize_t used = nghttp2_session_mem_recv(h2->session, (const uint8_t *)bytes.data, bytes.len);
    h2->is_busy = false;
    if (used >= 0)
        return 0;
    failure(h2, (int)used, err);
    give_up(h2, used == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR,
            "the connection was ended");
    return -1;
}

/* Only now, since its last stream must be the last one that the caller saw: what is above it, the
 * client asks again elsewhere. */
static void submit_goaway(struct h2 *h2)
{
    if (!h2->has_goaway)
        return;
    h2->has_goaway = false;
    if (h2->goaway_code == H2_NO_ERROR)
        ignore(nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                     nghttp2_session_get_last_proc_stream_id(h2->session),
                                     NGHTTP2_NO_ERROR, NULL, 0));
    else
        ignore(nghttp2_session_terminate_session(h2->session, h2->goaway_code));
}

int h2_send(struct h2 *h2, struct buf *out, size_t max, struct error *err)
{
    assert(!h2->is_busy);
    if (h2->is_lost)
        return failure(h2, NGHTTP2_ERR_SESSION_CLOSING, err);
    submit_goaway(h2);
    bool was_well = !h2->problem;
    size_t before;
    int status;

    h2->out = out;
    h2->out_max = out->len + max;
    h2->is_busy = true;
    do { /* it also stops when h2_out_send_data() tells it to */
        before = out->len;
        status = nghttp2_session_send(h2->session);
    } while (status == 0 && out->len > before && out->len < h2->out_max);
    bool has_failed = status != 0 || (was_well && h2->problem);

    if (has_failed) { /* the GOAWAY goes behind the frame that was under way */
        h2->out_max = SIZE_MAX;
        ignore(nghttp2_session_send(h2->session));
    }
    h2->is_busy = false;
    h2->out = NULL;
    assert(!out->overflow);
    return has_failed ? failure(h2, status, err) : 0;
}

bool h2_wants_send(const struct h2 *h2)
{
    return !h2->is_lost && (h2->has_goaway || nghttp2_session_want_write(h2->session));
}

bool h2_is_finished(const struct h2 *h2)
{
    return h2->is_lost || (!h2->has_goaway && !nghttp2_session_want_read(h2->session) &&
                           !nghttp2_session_want_write(h2->session));
}

void h2_lost(struct h2 *h2)
{
    assert(!h2->is_busy);
    h2->is_busy = h2->is_lost = true;
    for (struct stream *stream = h2->streams; stream; stream = stream->next)
        stream->is_over = true;
    while (h2->streams)
        h2_stream_close(h2->streams, NGHTTP2_CANCEL);
    h2->is_busy = false;
}

void h2_consume(struct h2 *h2, int32_t id, size_t bytes)
{
    struct stream *stream = h2_stream_find(h2, id);

    if (!stream || bytes == 0)
        return;
    assert(bytes <= stream->unconsumed);
    stream->unconsumed -= bytes;
    ignore(nghttp2_session_consume_stream(h2->session, id, bytes));
}

void h2_shutdown_notice(struct h2 *h2)
{
    if (!h2->is_lost && !h2->problem)
        ignore(nghttp2_submit_shutdown_notice(h2->session));
}

void h2_goaway(struct h2 *h2, enum h2_code code)
{
    if (h2->is_lost || h2->problem)
        return;
    h2->has_goaway = true;
    h2->goaway_code = code;
}
