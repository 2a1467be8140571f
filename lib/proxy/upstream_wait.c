/* upstream_wait.c - calls that wait for a link, and the links that are made for them. */
#include "proxy/upstream_inside.h"

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

void call_wait(struct upstream_call *call)
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

void call_unqueue(struct upstream_call *call)
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

void call_join(struct upstream_call *call, struct link *link)
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

void upstream_find_links(struct upstream *upstream)
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
