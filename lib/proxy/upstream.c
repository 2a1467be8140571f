#include "proxy/upstream.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "http/h1.h"
#include "net/dial.h"

/* kube-apiserver ends idle connections after 90 s: ours must be gone before, or a request could
 * meet that end on its way. */
#define IDLE_MS 60000
#define JOIN_BYTES ((size_t)64 << 10)
#define DIRECT_BYTES                                                                               \
    ((size_t)8 << 10) /* pieces from this size on are not joined, but passed on                    \
                       */

/* One connection. It lives until its conn is closed. */
struct link {
    struct link *next; /* of upstream->idle, or upstream->links */
    struct upstream *upstream;
    struct conn *conn; /* NULL: closing */
    struct upstream_call *call;
    struct h1_reader reader;
    struct h1_body body;
    bool is_in_body;
    bool is_reused; /* the call at hand is not its first */
    bool is_old;    /* dialled for a target that is not it any more: not used again */
    struct loop_timer *idle;
    struct buf joined; /* small pieces of a body, to be passed on together */
};

struct upstream {
    struct loop *loop;
    struct upstream_target target;
    struct link *links; /* all that have no `closed` yet */
    size_t calls;
    bool is_freed; /* to be done when the last link is closed */
};

struct upstream_call {
    struct upstream *upstream;
    struct link *link;
    const struct upstream_events *events;
    void *context;
    struct loop_job job; /* tells `ready`, or `problem`, from the loop */
    struct error problem;
    char *method;
    enum h1_framing framing;
    bool is_head_sent, has_request_ended, has_head, keeps_open, is_paused;
    uint64_t sent, received;
};

static const struct conn_events link_events;

/* ---- Links ---- */

static void link_close(struct link *link)
{
    loop_timer_stop(&link->idle);
    conn_close(&link->conn);
}

static void link_free(struct link *link)
{
    struct link **at = &link->upstream->links;

    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    loop_timer_stop(&link->idle);
    h1_reader_free(&link->reader);
    h1_body_free(&link->body);
    buf_free(&link->joined);
    free(link);
}

static void link_idled(void *context)
{
    link_close(context);
}

static void link_rest(struct link *link)
{
    if (!link->idle)
        link->idle = loop_timer_start(link->upstream->loop, IDLE_MS, link_idled, link);
}

static struct link *link_take_idle(struct upstream *upstream)
{
    for (struct link *link = upstream->links; link; link = link->next) {
        if (!link->idle || !link->conn || !conn_is_open(link->conn))
            continue;
        loop_timer_stop(&link->idle);
        link->is_reused = true;
        return link;
    }
    return NULL;
}

static struct link *link_dial(struct upstream *upstream)
{
    struct link *link = xcalloc(1, sizeof *link);
    const struct upstream_target *target = &upstream->target;

    link->upstream = upstream;
    link->next = upstream->links;
    upstream->links = link;
    link->conn = dial_start(upstream->loop,
                            &(struct dial_target){
                                .host = target->host,
                                .port = target->port,
                                .tls = target->tls,
                                .server_name = target->server_name,
                                .alpn = target->tls ? "http/1.1" : NULL,
                            },
                            &link_events, link);
    return link;
}

/* ---- Calls ---- */

static void call_free(struct upstream_call *call)
{
    loop_cancel(&call->job);
    call->upstream->calls--;
    free(call->method);
    free(call);
}

/* The link is closed, the call is over. */
static void call_fail(struct upstream_call *call, enum upstream_failure failure,
                      const struct error *err)
{
    struct link *link = call->link;

    link->call = NULL;
    link_close(link);
    call->events->failed(call->context, failure, err);
    call_free(call);
}

/* The server was tired of a kept connection before anything of this call was written to it: nothing
 * can have been processed, so a new connection is no second try. */
static bool call_moves(struct upstream_call *call)
{
    struct link *link = call->link;

    if (!link->is_reused || call->is_head_sent)
        return false;
    loop_cancel(&call->job);
    link->call = NULL;
    link_close(link);
    call->link = link_dial(call->upstream);
    call->link->call = call;
    return true;
}

static void call_run_job(void *context)
{
    struct upstream_call *call = context;

    if (!call->is_head_sent && !conn_is_open(call->link->conn) && call_moves(call))
        return;
    if (call->problem.kind) {
        struct error problem = call->problem;

        call_fail(call, UPSTREAM_BROKEN, &problem);
    } else {
        call->events->ready(call->context);
    }
}

struct upstream_call *upstream_call_open(struct upstream *upstream,
                                         const struct upstream_events *events, void *context)
{
    struct upstream_call *call = xcalloc(1, sizeof *call);

    *call = (struct upstream_call){
        .upstream = upstream,
        .events = events,
        .context = context,
        .job = {.run = call_run_job, .context = call},
    };
    upstream->calls++;
    call->link = link_take_idle(upstream);
    if (call->link)
        loop_later(upstream->loop, &call->job);
    else
        call->link = link_dial(upstream);
    call->link->call = call;
    return call;
}

static void call_write(struct upstream_call *call, struct str bytes)
{
    call->sent += bytes.len;
    if (call->link->conn)
        conn_write(call->link->conn, bytes);
}

void upstream_call_head(struct upstream_call *call, const struct http_head *head, bool has_body)
{
    scoped(buf_free) struct buf bytes = {.limit = 4 * HTTP_HEAD_BYTES_MAX};

    assert(!call->is_head_sent);
    call->is_head_sent = true;
    call->method = str_dup(head->method);
    call->framing = h1_framing_of_request(head, has_body);
    if (h1_write_request(&bytes, head, call->framing, H1_KEEP, &call->problem) < 0 ||
        bytes.overflow) {
        if (bytes.overflow)
            error_set(&call->problem, ERROR_PROTOCOL, "the request's head is too large");
        loop_later(call->upstream->loop, &call->job);
        return;
    }
    call_write(call, buf_str(&bytes));
}

void upstream_call_data(struct upstream_call *call, struct chunk *chunk)
{
    scoped(buf_free) struct buf frame = {0};
    struct str bytes = chunk_bytes(chunk);

    assert(call->is_head_sent && !call->has_request_ended);
    if (!bytes.len || !call->link->conn)
        return;
    if (call->framing == H1_CHUNKED) {
        h1_write_chunk_size(&frame, bytes.len);
        call_write(call, buf_str(&frame));
    }
    conn_write_chunk(call->link->conn, chunk);
    call->sent += bytes.len;
    if (call->framing == H1_CHUNKED) {
        buf_clear(&frame);
        h1_write_chunk_end(&frame);
        call_write(call, buf_str(&frame));
    }
}

void upstream_call_end(struct upstream_call *call, const struct http_head *trailers)
{
    scoped(buf_free) struct buf last = {0};

    assert(call->is_head_sent && !call->has_request_ended);
    call->has_request_ended = true;
    if (call->framing != H1_CHUNKED)
        return;
    h1_write_last_chunk(&last, trailers);
    call_write(call, buf_str(&last));
}

size_t upstream_call_queued(const struct upstream_call *call)
{
    return call->link->conn ? conn_queued(call->link->conn) : 0;
}

void upstream_call_pause(struct upstream_call *call)
{
    call->is_paused = true;
    if (call->link->conn)
        conn_pause(call->link->conn);
}

void upstream_call_resume(struct upstream_call *call)
{
    call->is_paused = false;
    if (call->link->conn)
        conn_resume(call->link->conn);
}

void upstream_call_wire(const struct upstream_call *call, uint64_t *sent, uint64_t *received)
{
    *sent = call->sent;
    *received = call->received;
}

void upstream_call_cancel(struct upstream_call **call)
{
    if (!*call)
        return;
    (*call)->link->call = NULL;
    link_close((*call)->link);
    call_free(*call);
    *call = NULL;
}

/* ---- What arrives ---- */

/* The answer is complete. The connection is kept only when nothing about it is in doubt. */
static void call_finish(struct link *link, const struct http_head *trailers, bool has_left_over)
{
    struct upstream_call *call = link->call;

    link->call = NULL;
    link->is_in_body = false;
    h1_body_free(&link->body);
    link->body = (struct h1_body){0};
    if (!call->keeps_open || !call->has_request_ended || has_left_over || !link->conn ||
        link->is_old) {
        link_close(link);
    } else {
        if (call->is_paused)
            conn_resume(link->conn);
        link_rest(link);
    }
    call->events->end(call->context, trailers);
    call_free(call);
}

/* False when the call is over, or was left by its owner. */
static bool read_head(struct link *link, struct str *in)
{
    struct upstream_call *call = link->call;
    scoped(http_head_free) struct http_head head = {0};
    struct error err = {0};
    enum io status = h1_read_response(&link->reader, in, &head, &err);

    if (status == IO_AGAIN)
        return false;
    if (status == IO_FAILED) {
        call_fail(call, UPSTREAM_BROKEN, &err);
        return false;
    }
    if (head.status == 101) {
        error_set(&err, ERROR_PROTOCOL, "it changed the protocol unasked");
        call_fail(call, UPSTREAM_BROKEN, &err);
        return false;
    }
    if (head.status < 200) {
        call->events->interim(call->context, &head);
        return link->call == call;
    }
    call->has_head = true;
    call->keeps_open = h1_keeps_open(&head);
    link->body = h1_body_of_response(&head, str_from(call->method));
    link->is_in_body = true;
    if (link->body.framing == H1_UNTIL_CLOSE)
        call->keeps_open = false;
    bool is_all = link->body.framing == H1_NO_BODY ||
                  (link->body.framing == H1_LENGTH && link->body.left == 0);
    call->events->head(call->context, &head, is_all);
    return link->call == call;
}

static bool pass_joined(struct link *link)
{
    struct upstream_call *call = link->call;

    if (link->joined.len) {
        call->events->data(call->context, buf_str(&link->joined));
        buf_clear(&link->joined);
    }
    return link->call == call;
}

static bool pass_data(struct link *link, struct str data)
{
    struct upstream_call *call = link->call;

    if (data.len < DIRECT_BYTES && link->joined.len + data.len <= JOIN_BYTES) {
        buf_append_str(&link->joined, data);
        return true;
    }
    if (!pass_joined(link))
        return false;
    call->events->data(call->context, data);
    return link->call == call;
}

static bool read_body(struct link *link, struct str *in)
{
    struct str data = {0};
    scoped(http_head_free) struct http_head trailers = {0};
    struct error err = {0};

    switch (h1_body_next(&link->body, in, &data, &trailers, &err)) {
    case IO_OK:
        return pass_data(link, data);
    case IO_AGAIN:
        pass_joined(link);
        return false;
    case IO_EOF:
        if (pass_joined(link))
            call_finish(link, trailers.field_count ? &trailers : NULL, in->len > 0);
        return false;
    case IO_FAILED:
        if (pass_joined(link))
            call_fail(link->call, UPSTREAM_BROKEN, &err);
        return false;
    }
    unreachable();
}

static void link_data(struct conn *conn, struct str bytes, void *context)
{
    struct link *link = context;

    if (!link->call) { /* unasked: whose answer would that be? */
        link_close(link);
        return;
    }
    link->call->received += bytes.len;
    if (!link->call->is_head_sent) {
        struct error err = {0};

        error_set(&err, ERROR_PROTOCOL, "it answered before it was asked");
        call_fail(link->call, UPSTREAM_BROKEN, &err);
        return;
    }
    while (link->is_in_body ? read_body(link, &bytes) : read_head(link, &bytes))
        ;
}

static void link_ready(struct conn *conn, void *context)
{
    struct link *link = context;

    if (link->call)
        link->call->events->ready(link->call->context);
    else
        link_close(link);
}

static void link_writable(struct conn *conn, void *context)
{
    struct link *link = context;

    if (link->call)
        link->call->events->writable(link->call->context);
}

/* Its stream is complete: that may be the end of an answer, or come too early. */
static void link_ended(struct conn *conn, void *context)
{
    struct link *link = context;
    struct upstream_call *call = link->call;
    struct error err = {0};

    if (!call) {
        link_close(link);
    } else if (call_moves(call)) {
        return;
    } else if (!link->is_in_body) {
        error_set(&err, ERROR_NETWORK, "it closed the connection");
        call_fail(call, UPSTREAM_RESET, &err);
    } else if (h1_body_may_end(&link->body)) {
        call_finish(link, NULL, false);
    } else {
        error_set(&err, ERROR_NETWORK, "its answer ended before its declared end");
        call_fail(call, UPSTREAM_TRUNCATED, &err);
    }
}

static void link_failed(struct conn *conn, const struct error *err, void *context)
{
    struct link *link = context;
    struct upstream_call *call = link->call;

    if (call && call_moves(call))
        return;
    if (call)
        call_fail(call, call->is_head_sent ? UPSTREAM_RESET : UPSTREAM_UNREACHABLE, err);
    else
        link_close(link);
}

static void upstream_destroy(struct upstream *upstream)
{
    upstream_target_free(&upstream->target);
    free(upstream);
}

static void link_closed(struct conn *conn, void *context)
{
    struct link *link = context;
    struct upstream *upstream = link->upstream;

    link_free(link);
    if (upstream->is_freed && !upstream->links)
        upstream_destroy(upstream);
}

static const struct conn_events link_events = {
    .ready = link_ready,
    .data = link_data,
    .writable = link_writable,
    .ended = link_ended,
    .failed = link_failed,
    .closed = link_closed,
};

/* ---- The upstream ---- */

struct upstream *upstream_new(struct loop *loop, struct upstream_target *target)
{
    struct upstream *upstream = xcalloc(1, sizeof *upstream);

    upstream->loop = loop;
    upstream->target = *target;
    *target = (struct upstream_target){0};
    return upstream;
}

const struct upstream_target *upstream_target(const struct upstream *upstream)
{
    return &upstream->target;
}

void upstream_set_target(struct upstream *upstream, struct upstream_target *target)
{
    upstream_target_free(&upstream->target);
    upstream->target = *target;
    *target = (struct upstream_target){0};
    for (struct link *link = upstream->links; link; link = link->next) {
        link->is_old = true;
        if (link->idle)
            link_close(link);
    }
}

void upstream_free(struct upstream **upstream)
{
    struct upstream *u = *upstream;

    if (!u)
        return;
    assert(!u->calls);
    *upstream = NULL;
    u->is_freed = true;
    if (!u->links)
        upstream_destroy(u);
    else
        for (struct link *link = u->links; link; link = link->next)
            link_close(link);
}

void upstream_target_free(struct upstream_target *target)
{
    free(target->host);
    free(target->authority);
    free(target->path_prefix);
    free(target->server_name);
    tls_client_free(&target->tls);
    free(target->user_name);
    *target = (struct upstream_target){0};
}

void upstream_credential_free(struct upstream_credential *credential)
{
    secret_buf_free(&credential->authorization);
    *credential = (struct upstream_credential){0};
}
