/* upstream_call.c - one call: what is given of its request, sent and sent again, and its end. */
#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "proxy/upstream_inside.h"

/* A server that goes away says so of all that it leaves, and a busy one behind a proxy may do that
 * often; one that stays and refuses will go on doing so. */
#define TRIES_MAX 10
#define REFUSALS_MAX 3
#define INTERIMS_MAX 32 /* each is recorded: a server could fill the memory with them */

static void drop_kept(struct upstream_call *call)
{
    for (size_t i = 0; i < call->kept_count; i++)
        chunk_free(&call->kept[i]);
    call->kept_count = 0;
}

static void call_free(struct upstream_call *call)
{
    struct upstream *upstream = call->upstream;

    loop_cancel(&call->job);
    if (call->previous)
        call->previous->next = call->next;
    else
        upstream->calls = call->next;
    if (call->next)
        call->next->previous = call->previous;
    http_head_delete(&call->head);
    http_head_delete(&call->trailers);
    drop_kept(call);
    free(call->kept);
    free(call->problem);
    free(call);
}

/* Off its link, or out of the queue. */
static void call_leave(struct upstream_call *call)
{
    struct link *link = take(call->link);

    if (!link)
        return;
    link->calls--;
    if (link->conn && !link->calls)
        link_rest(link);
}

static void call_unlink(struct upstream_call *call)
{
    if (!call->link)
        return;
    upstream_call_wire(call, &call->sent, &call->received);
    call->link->protocol->leave(call);
    call_leave(call);
    call->stream = 0;
    call->outstanding = 0;
    call->is_sent = call->is_stopped = false;
}

/* The link that is being made for it is not wanted. */
static void call_unreserve(struct upstream_call *call)
{
    for (struct link *link = call->upstream->links; link; link = link->next)
        if (link->reserved == call) {
            link->reserved = NULL;
            link_close(link);
        }
}

/* Takes it away from where it is; upstream_find_links() after it. */
static void call_close(struct upstream_call *call)
{
    call_unqueue(call);
    call_unreserve(call);
    call_unlink(call);
    call_free(call);
}

void call_end(struct upstream_call *call, const struct http_head *trailers)
{
    struct upstream *upstream = call->upstream;

    call->is_complete = true;
    call->events->end(call->context, trailers);
    call_close(call);
    upstream_find_links(upstream);
}

void call_fail(struct upstream_call *call, enum upstream_failure failure, const struct error *err)
{
    struct upstream *upstream = call->upstream;

    call->events->failed(call->context, failure, err);
    call_close(call);
    upstream_find_links(upstream);
}

void call_again(struct upstream_call *call, const struct error *err)
{
    struct upstream *upstream = call->upstream;
    struct error problem = *err;

    assert(!call->has_answer);
    call->refusals += call->link && !call->link->is_shut;
    bool is_tried = call->tries >= TRIES_MAX || call->refusals >= REFUSALS_MAX;
    if (is_tried || call->is_gone || (call->link && call->link->is_reserved)) {
        if (is_tried)
            error_wrap(&problem, "tried %u times", call->tries);
        call_fail(call, call->is_given ? UPSTREAM_UNPROCESSED : UPSTREAM_UNREACHABLE, &problem);
        return;
    }
    loop_cancel(&call->job);
    call->avoided = call->link;
    call_unlink(call);
    call_wait(call);
    upstream_find_links(upstream);
}

bool call_got_interim(struct upstream_call *call, struct http_head *head)
{
    struct error err = {0};

    call->has_answer = true;
    drop_kept(call);
    if (++call->interims > INTERIMS_MAX) {
        error_set(&err, ERROR_PROTOCOL, "it sent more than %d interim responses", INTERIMS_MAX);
        call_fail(call, UPSTREAM_BROKEN, &err);
        return false;
    }
    call->events->interim(call->context, head);
    return true;
}

void call_got_head(struct upstream_call *call, struct http_head *head, bool is_all)
{
    call->has_answer = true;
    drop_kept(call);
    http_head_delete(&call->head);
    call->events->head(call->context, head, is_all);
}

/* ---- The request ---- */

/* All that was given so far; this is not the first link that gets it. */
static bool send_given(struct upstream_call *call, struct error *err)
{
    const struct link_protocol *protocol = call->link->protocol;

    if (!protocol->send_head(call, err))
        return false;
    call->is_sent = true;
    for (size_t i = 0; i < call->kept_count; i++)
        protocol->send_data(call, call->kept[i]);
    if (call->has_request_ended && call->body != UPSTREAM_NO_BODY)
        protocol->send_end(call, call->trailers);
    return true;
}

static void call_run_job(void *context)
{
    struct upstream_call *call = context;
    struct error err = {0};

    if (call->problem) {
        err = *call->problem;
        call_fail(call, UPSTREAM_BROKEN, &err);
    } else if (!call->is_told) {
        call->is_told = true;
        call->events->ready(call->context);
    } else if (!call->is_given || call->is_sent) {
        call->events->writable(call->context);
    } else if (!send_given(call, &err)) {
        call_fail(call, UPSTREAM_BROKEN, &err);
    } else {
        call->events->writable(call->context);
    }
}

static struct upstream_call *call_new(struct upstream *upstream,
                                      const struct upstream_events *events, void *context)
{
    struct upstream_call *call = xcalloc(1, sizeof *call);

    *call = (struct upstream_call){
        .upstream = upstream,
        .next = upstream->calls,
        .events = events,
        .context = context,
        .number = ++upstream->numbers,
        .job = {.run = call_run_job, .context = call},
    };
    if (call->next)
        call->next->previous = call;
    upstream->calls = call;
    return call;
}

struct upstream_call *upstream_call_open(struct upstream *upstream,
                                         const struct upstream_events *events, void *context)
{
    struct upstream_call *call = call_new(upstream, events, context);

    call_wait(call);
    upstream_find_links(upstream);
    return call;
}

struct upstream_call *upstream_call_open_upgrade(struct upstream *upstream,
                                                 const struct upstream_events *events,
                                                 void *context)
{
    struct upstream_call *call = call_new(upstream, events, context);
    struct link *link = link_dial(upstream, "http/1.1"); /* h2 knows no upgrade */

    link->is_reserved = true;
    link->reserved = call;
    return call;
}

void upstream_call_head_adopt(struct upstream_call *call, struct http_head *head,
                              enum upstream_body body)
{
    struct error err = {0};

    assert(call->is_told && !call->is_given);
    call->is_given = true;
    call->head = head;
    call->body = body;
    if (!call->link || send_given(call, &err))
        return;
    call->problem = xcalloc(1, sizeof err);
    *call->problem = err;
    loop_later(call->upstream->loop, &call->job);
}

/* Over h1 nothing is sent again, and nothing has to be kept. */
static void keep_data(struct upstream_call *call, struct chunk *chunk)
{
    if (call->body != UPSTREAM_WHOLE || (call->link && call->link->protocol == &link_h1)) {
        call->is_gone = true;
        return;
    }
    if (call->has_answer)
        return;
    if (call->kept_count == call->kept_capacity) {
        call->kept_capacity = call->kept_capacity ? 2 * call->kept_capacity : 4;
        call->kept = xrealloc(call->kept, call->kept_capacity * sizeof(struct chunk *));
    }
    call->kept[call->kept_count++] = chunk_share(chunk);
}

void upstream_call_data(struct upstream_call *call, struct chunk *chunk)
{
    assert(call->is_given && !call->has_request_ended);
    if (!chunk_bytes(chunk).len)
        return;
    keep_data(call, chunk);
    if (call->is_sent)
        call->link->protocol->send_data(call, chunk);
}

void upstream_call_end(struct upstream_call *call, const struct http_head *trailers)
{
    assert(call->is_given && !call->has_request_ended);
    call->has_request_ended = true;
    if (trailers) {
        call->trailers = http_head_new();
        http_head_copy(call->trailers, trailers);
    }
    if (call->is_sent && call->body != UPSTREAM_NO_BODY)
        call->link->protocol->send_end(call, trailers);
}

size_t upstream_call_queued(const struct upstream_call *call)
{
    if (!call->link || (call->is_given && !call->is_sent)) /* to be sent again, or failed */
        return UPSTREAM_QUEUED_HIGH;
    return call->link->protocol->queued(call);
}

size_t upstream_call_unsent(const struct upstream_call *call)
{
    return call->is_sent ? call->link->protocol->unsent(call) : 0;
}

void upstream_call_throttle(struct upstream_call *call, size_t held_bytes, enum upstream_flow flow)
{
    if (call->link)
        call->link->protocol->throttle(call, held_bytes, flow);
}

void upstream_call_wire(const struct upstream_call *call, uint64_t *sent, uint64_t *received)
{
    uint64_t now_sent = 0, now_received = 0;

    if (call->link)
        call->link->protocol->wire(call, &now_sent, &now_received);
    *sent = call->sent + now_sent;
    *received = call->received + now_received;
}

void upstream_call_cancel(struct upstream_call **call)
{
    struct upstream *upstream;

    if (!*call)
        return;
    upstream = (*call)->upstream;
    call_close(*call);
    *call = NULL;
    upstream_find_links(upstream);
}
