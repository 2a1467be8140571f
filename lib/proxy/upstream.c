#include "proxy/upstream.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/secret.h"
#include "net/dial.h"
#include "proxy/upstream_inside.h"

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
    upstream_find_links(upstream);
}

static void upstream_destroy(struct upstream *upstream)
{
    upstream_target_free(&upstream->target);
    free(upstream);
}

void upstream_left_by_link(struct upstream *upstream)
{
    if (upstream->is_freed && !upstream->links)
        upstream_destroy(upstream);
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
