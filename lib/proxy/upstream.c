#include "proxy/upstream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "net/dial.h"
#include "proxy/upstream_inside.h"

/* A server that goes away says so of all that it leaves, and a busy one behind a proxy may do that
 * often; one that stays and refuses will go on doing so. */
#define TRIES_MAX 10
#define REFUSALS_MAX 3
#define INTERIMS_MAX 32 /* each is recorded: a server could fill the memory with them */

#define UPSTREAM_LINKS_MAX 1024
#define UPSTREAM_STREAMS_MAX 100
#define UPSTREAM_WAIT_MS 35000 /* a dialler that fails says why, before this */
#define UPSTREAM_IDLE_MS 60000
#define UPSTREAM_SILENCE_MS 30000
#define UPSTREAM_ANSWER_MS 15000

static_assert(UPSTREAM_WAIT_MS > DIAL_TIMEOUT_MS, "who waits is told why");

/* Watches and logs stay for hours, and over h1 each has its connection: a lower cap would starve
 * what comes after them. kube-apiserver ends idle connections after 90 s: ours must be gone before,
 * or a request could meet that end on its way. PING as client-go does it. */
static const struct upstream_limits usual = {
    .links = UPSTREAM_LINKS_MAX,
    .streams = UPSTREAM_STREAMS_MAX,
    .wait_ms = UPSTREAM_WAIT_MS,
    .idle_ms = UPSTREAM_IDLE_MS,
    .silence_ms = UPSTREAM_SILENCE_MS,
    .answer_ms = UPSTREAM_ANSWER_MS,
};

struct upstream {
    struct loop *loop;
    struct upstream_target target;
    struct upstream_limits limits;
    const struct link_protocol *spoken; /* on the newest link; NULL: not known yet */
    struct link *links;                 /* all that have no `closed` yet */
    size_t link_count;                  /* of them, with a conn */
    struct upstream_call *calls;
    struct upstream_call *waiting, *last_waiting;
    size_t waiting_count;
    uint64_t numbers;
    struct loop_timer *patience; /* of those that wait */
    bool is_freed;               /* to be done when the last link is closed */
};

static const struct conn_events link_events;
static void find_links(struct upstream *upstream);
static void call_join(struct upstream_call *call, struct link *link);

/* ---- Links ---- */

const struct upstream_limits *link_limits(const struct link *link)
{
    return &link->upstream->limits;
}

struct loop *link_loop(const struct link *link)
{
    return link->upstream->loop;
}

static void link_close(struct link *link)
{
    loop_timer_stop(&link->idle);
    loop_timer_stop(&link->silence);
    link->is_shut = true;
    if (link->conn)
        link->upstream->link_count--;
    conn_close(&link->conn);
}

static void link_free(struct link *link)
{
    struct link **at = &link->upstream->links;

    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    loop_timer_stop(&link->idle);
    if (link->protocol)
        link->protocol->free(link);
    free(link);
}

static void link_idled(void *context)
{
    struct link *link = context;
    struct error err = {0};

    error_set(&err, ERROR_NETWORK, "the connection was idle");
    link_lose(link, &err);
}

static void link_rest(struct link *link)
{
    if (link->is_shut)
        link_close(link);
    else if (!link->idle)
        link->idle =
            loop_timer_start(link_loop(link), link_limits(link)->idle_ms, link_idled, link);
}

static bool link_has_room(const struct link *link)
{
    return link->conn && !link->is_reserved && link->is_usable && !link->is_shut &&
           conn_is_open(link->conn) && link->calls < link->protocol->capacity(link);
}

static struct link *link_dial(struct upstream *upstream, const char *alpn)
{
    struct link *link = xcalloc(1, sizeof *link);
    const struct upstream_target *target = &upstream->target;

    link->upstream = upstream;
    link->next = upstream->links;
    upstream->links = link;
    upstream->link_count++;
    link->conn = dial_start(upstream->loop,
                            &(struct dial_target){
                                .host = target->host,
                                .port = target->port,
                                .tls = target->tls,
                                .server_name = target->server_name,
                                .alpn = target->tls ? alpn : NULL,
                                .proxy = &target->proxy,
                            },
                            &link_events, link);
    return link;
}

void link_is_usable(struct link *link)
{
    link->is_usable = true;
    if (link->reserved)
        call_join(take(link->reserved), link);
    if (!link->calls && link->conn)
        link_rest(link);
    find_links(link->upstream);
}

void link_shut(struct link *link)
{
    link->is_shut = true;
    if (!link->calls)
        link_close(link);
}

/* Of those on the link, any one. */
static struct upstream_call *link_any_call(struct link *link)
{
    struct upstream_call *call = link->calls ? link->upstream->calls : NULL;

    while (call && call->link != link)
        call = call->next;
    return call;
}

void link_lose(struct link *link, const struct error *err)
{
    struct error cause = *err;
    struct upstream_call *call;

    link_close(link);
    if (link->protocol)
        link->protocol->lost(link, &cause);
    while ((call = link_any_call(link)))
        call_again(call, &cause); /* nothing of it was sent */
}

/* ---- Calls and their links ---- */

static void call_wait(struct upstream_call *call);

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

static void call_unqueue(struct upstream_call *call)
{
    struct upstream *upstream = call->upstream;
    struct upstream_call **at = &upstream->waiting, *before = NULL;

    if (call->link)
        return;
    while (*at && *at != call) {
        before = *at;
        at = &before->behind;
    }
    if (!*at)
        return;
    *at = call->behind;
    if (upstream->last_waiting == call)
        upstream->last_waiting = before;
    call->behind = NULL;
    upstream->waiting_count--;
    if (!upstream->waiting)
        loop_timer_stop(&upstream->patience);
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

/* Takes it away from where it is; find_links() after it. */
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
    find_links(upstream);
}

void call_fail(struct upstream_call *call, enum upstream_failure failure, const struct error *err)
{
    struct upstream *upstream = call->upstream;

    call->events->failed(call->context, failure, err);
    call_close(call);
    find_links(upstream);
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
    find_links(upstream);
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

/* ---- Waiting for a link ---- */

/* An error for those that waited too long. */
static void explain_wait(const struct upstream *upstream, struct error *err)
{
    if (upstream->link_count >= upstream->limits.links)
        error_set(err, ERROR_NETWORK, "all %u connections to it are in use",
                  upstream->limits.links);
    else
        error_set(err, ERROR_NETWORK, "no connection to it could take the call for %u s",
                  upstream->limits.wait_ms / 1000);
}

/* Who waits longest; one that has to be sent again stands before those that wait longer. */
static struct upstream_call *longest_waiting(const struct upstream *upstream)
{
    struct upstream_call *longest = upstream->waiting;

    for (struct upstream_call *call = longest; call; call = call->behind)
        if (call->since_ms < longest->since_ms)
            longest = call;
    return longest;
}

static void patience_ends(void *context)
{
    struct upstream *upstream = context;
    uint64_t now_ms = loop_now_ms(upstream->loop), wait_ms = upstream->limits.wait_ms;
    struct upstream_call *call;
    struct error err = {0};

    loop_timer_stop(&upstream->patience);
    explain_wait(upstream, &err);
    while ((call = longest_waiting(upstream)) && now_ms - call->since_ms >= wait_ms)
        call_fail(call, UPSTREAM_UNREACHABLE, &err);
    if (call && !upstream->patience)
        upstream->patience = loop_timer_start(upstream->loop, call->since_ms + wait_ms - now_ms,
                                              patience_ends, upstream);
}

/* In the order in which they were opened: one that is sent again stands before those that never
 * were. */
static void call_wait(struct upstream_call *call)
{
    struct upstream *upstream = call->upstream;
    struct upstream_call **at = &upstream->waiting, *last = upstream->last_waiting;

    call->since_ms = loop_now_ms(upstream->loop);
    if (last && last->number < call->number)
        at = &last->behind;
    while (*at && (*at)->number < call->number)
        at = &(*at)->behind;
    call->behind = *at;
    *at = call;
    if (!call->behind)
        upstream->last_waiting = call;
    upstream->waiting_count++;
    if (!upstream->patience)
        upstream->patience =
            loop_timer_start(upstream->loop, upstream->limits.wait_ms, patience_ends, upstream);
}

static void call_join(struct upstream_call *call, struct link *link)
{
    call_unqueue(call);
    loop_timer_stop(&link->idle);
    call->link = link;
    call->tries++;
    link->calls++;
    loop_later(call->upstream->loop, &call->job);
}

static struct link *find_link(const struct upstream_call *call)
{
    struct link *link = call->upstream->links;

    while (link && (link == call->avoided || !link_has_room(link)))
        link = link->next;
    return link;
}

/* It may still say that it takes calls. */
static bool link_is_coming(const struct link *link)
{
    return link->conn && !link->is_shut && !link->is_reserved &&
           (!link->is_usable || link->protocol->capacity(link) == 0);
}

/* Over h1 each call that waits wants one of its own; over h2, or when it is not known yet, all of
 * them wait for the next one. */
static void dial_more(struct upstream *upstream)
{
    size_t coming = 0;
    size_t wanted =
        upstream->spoken == &link_h1 ? upstream->waiting_count : (upstream->waiting_count > 0);

    for (const struct link *link = upstream->links; link; link = link->next)
        coming += link_is_coming(link);
    while (coming < wanted && upstream->link_count < upstream->limits.links) {
        link_dial(upstream, "h2,http/1.1");
        coming++;
    }
}

static void find_links(struct upstream *upstream)
{
    struct upstream_call *call, *next;

    for (call = upstream->waiting; call; call = next) {
        struct link *link = find_link(call);

        next = call->behind;
        if (link)
            call_join(call, link);
        else if (!call->avoided)
            break; /* there is none for those behind it either */
    }
    dial_more(upstream);
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
    find_links(upstream);
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
    find_links(upstream);
}

/* ---- What a connection tells ---- */

static void link_ready(struct conn *conn, void *context)
{
    struct link *link = context;
    bool is_h2 = strcmp(conn_alpn(conn), "h2") == 0;

    link->protocol = is_h2 ? &link_h2 : &link_h1;
    if (!link->is_reserved)
        link->upstream->spoken = link->protocol;
    link->protocol->begin(link);
}

static void link_data(struct conn *conn, struct str bytes, void *context)
{
    struct link *link = context;

    link->protocol->received(link, bytes);
}

static void link_writable(struct conn *conn, void *context)
{
    struct link *link = context;

    link->protocol->writable(link);
}

static void link_ended(struct conn *conn, void *context)
{
    struct link *link = context;

    link->protocol->ended(link);
}

/* No connection came of it. Over h1 there was one for each that waits, else one for them all. */
static void dial_failed(struct link *link, const struct error *err)
{
    struct upstream *upstream = link->upstream;
    bool is_for_one = upstream->spoken == &link_h1;
    uint64_t last = upstream->numbers;

    link_close(link);
    if (link->is_reserved) {
        call_fail(take(link->reserved), UPSTREAM_UNREACHABLE, err);
        return;
    }
    while (upstream->waiting && upstream->waiting->number <= last) {
        call_fail(upstream->waiting, UPSTREAM_UNREACHABLE, err);
        if (is_for_one)
            break;
    }
    find_links(upstream);
}

static void link_failed(struct conn *conn, const struct error *err, void *context)
{
    struct link *link = context;

    if (link->protocol)
        link_lose(link, err);
    else
        dial_failed(link, err);
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

static void set_limit(unsigned *limit, unsigned usual_one)
{
    if (!*limit)
        *limit = usual_one;
}

struct upstream *upstream_new(struct loop *loop, struct upstream_target *target,
                              const struct upstream_limits *limits)
{
    struct upstream *upstream = xcalloc(1, sizeof *upstream);
    struct upstream_limits *own = &upstream->limits;

    upstream->loop = loop;
    upstream->target = *target;
    *target = (struct upstream_target){0};
    if (limits)
        *own = *limits;
    set_limit(&own->links, usual.links);
    set_limit(&own->streams, usual.streams);
    set_limit(&own->wait_ms, usual.wait_ms);
    set_limit(&own->idle_ms, usual.idle_ms);
    set_limit(&own->silence_ms, usual.silence_ms);
    set_limit(&own->answer_ms, usual.answer_ms);
    if (!upstream->target.tls)
        upstream->spoken = &link_h1;
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
    for (struct link *link = upstream->links; link; link = link->next)
        if (!link->reserved)
            link_shut(link);
    find_links(upstream);
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
    proxy_url_free(&target->proxy);
    free(target->user_name);
    *target = (struct upstream_target){0};
}

void upstream_credential_free(struct upstream_credential *credential)
{
    secret_buf_free(&credential->authorization);
    *credential = (struct upstream_credential){0};
}
