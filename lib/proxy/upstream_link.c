/* upstream_link.c - one connection to the server, from its dialling to its end. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "net/dial.h"
#include "proxy/upstream_inside.h"

static const struct conn_events events;

const struct upstream_limits *link_limits(const struct link *link)
{
    return &link->upstream->limits;
}

struct loop *link_loop(const struct link *link)
{
    return link->upstream->loop;
}

void link_close(struct link *link)
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

void link_rest(struct link *link)
{
    if (link->is_shut)
        link_close(link);
    else if (!link->idle)
        link->idle =
            loop_timer_start(link_loop(link), link_limits(link)->idle_ms, link_idled, link);
}

bool link_has_room(const struct link *link)
{
    return link->conn && !link->is_reserved && link->is_usable && !link->is_shut &&
           conn_is_open(link->conn) && link->calls < link->protocol->capacity(link);
}

struct link *link_dial(struct upstream *upstream, const char *alpn)
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
                            &events, link);
    return link;
}

void link_is_usable(struct link *link)
{
    link->is_usable = true;
    if (link->reserved)
        call_join(take(link->reserved), link);
    if (!link->calls && link->conn)
        link_rest(link);
    upstream_find_links(link->upstream);
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

/* ---- What it tells ---- */

static void on_ready(struct conn *conn, void *context)
{
    struct link *link = context;
    bool is_h2 = strcmp(conn_alpn(conn), "h2") == 0;

    link->protocol = is_h2 ? &link_h2 : &link_h1;
    if (!link->is_reserved)
        link->upstream->spoken = link->protocol;
    link->protocol->begin(link);
}

static void on_data(struct conn *conn, struct str bytes, void *context)
{
    struct link *link = context;

    link->protocol->received(link, bytes);
}

static void on_writable(struct conn *conn, void *context)
{
    struct link *link = context;

    link->protocol->writable(link);
}

static void on_ended(struct conn *conn, void *context)
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
    upstream_find_links(upstream);
}

static void on_failed(struct conn *conn, const struct error *err, void *context)
{
    struct link *link = context;

    if (link->protocol)
        link_lose(link, err);
    else
        dial_failed(link, err);
}

static void on_closed(struct conn *conn, void *context)
{
    struct link *link = context;
    struct upstream *upstream = link->upstream;

    link_free(link);
    upstream_left_by_link(upstream);
}

static const struct conn_events events = {
    .ready = on_ready,
    .data = on_data,
    .writable = on_writable,
    .ended = on_ended,
    .failed = on_failed,
    .closed = on_closed,
};
