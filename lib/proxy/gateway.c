#include "proxy/gateway.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/platform.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "proxy/gateway_inside.h"

#define UNSENT_BYTES_MAX ((size_t)64 << 20)
#define WHOLE_BUDGET_BYTES ((size_t)64 << 20)
#define UNSENT_BYTES_FREE ((size_t)16 << 10) /* an answer may always hold so much */
#define BUDGET_LOOK_MS 20
#define IDLE_MS 2000

/* ---- Exchanges ---- */

static void unlink_exchange(struct exchange **list, struct exchange *exchange)
{
    if (exchange->previous)
        exchange->previous->next = exchange->next;
    else
        *list = exchange->next;
    if (exchange->next)
        exchange->next->previous = exchange->previous;
    exchange->previous = exchange->next = NULL;
}

/* What a busy time took is given back: many a client leaves a gateway that stays for hours. */
static void be_idle(void *context)
{
    struct gateway *gateway = context;

    loop_timer_stop(&gateway->idle);
    if (!gateway->exchanges)
        platform_trim_heap();
}

static void sweep(void *context)
{
    struct gateway *gateway = context;

    while (gateway->dead) {
        struct exchange *exchange = gateway->dead;

        unlink_exchange(&gateway->dead, exchange);
        exchange_free(&exchange);
    }
    if (!gateway->exchanges && !gateway->idle && !gateway->is_draining)
        gateway->idle = loop_timer_start(gateway->config.loop, IDLE_MS, be_idle, gateway);
    gateway_go_on_draining(gateway);
}

void gateway_bury(struct gateway *gateway, struct exchange *exchange)
{
    unlink_exchange(&gateway->exchanges, exchange);
    exchange->next = gateway->dead;
    if (exchange->next)
        exchange->next->previous = exchange;
    gateway->dead = exchange;
    gateway->counts.open--;
    if (exchange->outcome.forwarded != FORWARDED_NONE)
        gateway->counts.forwarded++;
    loop_later(gateway->config.loop, &gateway->sweep);
}

/* Calls `each` for all open ones (of a recording, or with NULL of all); they may end meanwhile. */
static void for_exchanges(struct gateway *gateway, const struct recording *recording,
                          void (*each)(struct exchange *exchange))
{
    for (struct exchange *exchange = gateway->exchanges, *next; exchange; exchange = next) {
        next = exchange->next; /* ending one ends no other */
        if (!recording || exchange->recording == recording)
            each(exchange);
    }
}

/* ---- Budgets: what the recorder has queued, and what clients have not taken
 * yet. They bound memory, never the record: reading stops, nothing is dropped. ---- */

static void budget_is_due(void *context)
{
    struct gateway *gateway = context;

    loop_timer_stop(&gateway->budget);
    for_exchanges(gateway, NULL, exchange_pump); /* starts it again where need be */
}

bool gateway_reserve_whole(struct gateway *gateway, size_t bytes)
{
    if (bytes > WHOLE_BUDGET_BYTES - gateway->whole_bytes)
        return false;
    gateway->whole_bytes += bytes;
    return true;
}

bool gateway_is_over_budget(struct gateway *gateway, size_t unsent_bytes)
{
    bool is_over = recorder_is_full(gateway->config.recorder) ||
                   (gateway->unsent_bytes > UNSENT_BYTES_MAX && unsent_bytes > UNSENT_BYTES_FREE);

    if (is_over && !gateway->budget)
        gateway->budget =
            loop_timer_start(gateway->config.loop, BUDGET_LOOK_MS, budget_is_due, gateway);
    return is_over;
}

/* ---- Recordings and upstreams ---- */

static void recording_progressed(void *context, bool broke)
{
    struct gateway_recording *own = context;
    struct gateway *gateway = own->gateway;

    if (broke)
        for_exchanges(gateway, own->recording, exchange_journal_broke);
    for_exchanges(gateway, own->recording, exchange_pump);
}

struct recording *gateway_recording(struct gateway *gateway, struct str cluster)
{
    struct recording *recording = gateway->config.recording_for(gateway->config.context, cluster);
    struct gateway_recording *own = gateway->recordings;

    assert(recording);
    while (own && own->recording != recording)
        own = own->next;
    if (own)
        return recording;
    own = xcalloc(1, sizeof *own);
    *own = (struct gateway_recording){
        .next = gateway->recordings, .gateway = gateway, .recording = recording};
    gateway->recordings = own;
    recording_on_progress(recording, recording_progressed, own);
    return recording;
}

struct upstream *gateway_upstream(struct gateway *gateway, struct str cluster, unsigned user,
                                  struct error *err)
{
    scoped(upstream_target_free) struct upstream_target target = {0};

    for (struct gateway_upstream *known = gateway->upstreams; known; known = known->next)
        if (known->user == user && str_is(cluster, known->cluster))
            return known->upstream;
    if (gateway->config.upstream->resolve(gateway->config.upstream_self, cluster, user, &target,
                                          err) < 0)
        return NULL;
    struct gateway_upstream *made = xcalloc(1, sizeof *made);
    *made = (struct gateway_upstream){
        .next = gateway->upstreams,
        .cluster = str_dup(cluster),
        .user = user,
        .upstream = upstream_new(gateway->config.loop, &target, NULL),
    };
    gateway->upstreams = made;
    return made->upstream;
}

/* ---- Its life ---- */

static void accepted(struct listener *listener, struct conn *conn, void *context)
{
    client_accept(context, conn);
}

static const struct listener_events listener_events = {.accepted = accepted};

static int listen_somewhere(struct gateway *gateway, struct error *err)
{
    const struct gateway_config *config = &gateway->config;

    for (size_t i = 0; i <= config->port_count && !gateway->listener; i++) {
        uint16_t port = i < config->port_count ? config->ports[i] : 0;

        *err = (struct error){0};
        gateway->listener = listener_start(config->loop, "127.0.0.1", port, gateway->tls,
                                           &listener_events, gateway, err);
    }
    return gateway->listener ? 0 : error_wrap(err, "listen on loopback");
}

struct gateway *gateway_start(const struct gateway_config *config, struct error *err)
{
    struct gateway *gateway = xcalloc(1, sizeof *gateway);

    platform_keep_heap();
    gateway->config = *config;
    gateway->session = xstrdup(config->session);
    gateway->sweep = (struct loop_job){.run = sweep, .context = gateway};
    gateway->tls = tls_server_new(&(struct tls_server_config){.cert_pem = config->certificate_pem,
                                                              .key_pem = config->key_pem,
                                                              .alpn = "h2,http/1.1"},
                                  err);
    if (gateway->tls && listen_somewhere(gateway, err) == 0)
        return gateway;
    gateway->is_over = true;
    gateway_free(&gateway);
    return NULL;
}

uint16_t gateway_port(const struct gateway *gateway)
{
    return listener_port(gateway->listener);
}

struct gateway_counts gateway_counts(const struct gateway *gateway)
{
    return gateway->counts;
}

/* ---- The end ---- */

static bool has_short_calls(const struct gateway *gateway)
{
    for (const struct exchange *exchange = gateway->exchanges; exchange; exchange = exchange->next)
        if (!exchange->is_long_running)
            return true;
    return false;
}

static void be_over(struct gateway *gateway)
{
    void (*drained)(void *context) = take(gateway->drained);

    loop_timer_stop(&gateway->drain_timer);
    loop_timer_stop(&gateway->budget);
    loop_timer_stop(&gateway->idle);
    gateway->is_over = true;
    if (drained)
        drained(gateway->drained_context);
}

void gateway_go_on_draining(struct gateway *gateway)
{
    if (!gateway->is_draining || gateway->is_over)
        return;
    /* A watch would outlast any time: it is not waited for. */
    if (gateway->exchanges && !has_short_calls(gateway))
        for_exchanges(gateway, NULL, exchange_break_off);
    if (!gateway->exchanges && !gateway->dead && !gateway->clients)
        be_over(gateway);
}

static void drain_ends(void *context)
{
    for_exchanges(((struct gateway *)context), NULL, exchange_break_off);
}

static void shut_clients(struct gateway *gateway)
{
    for (struct client *client = gateway->clients, *next; client; client = next) {
        next = client_next(client); /* freed from the loop, never in here */
        client_shut(client);
    }
}

void gateway_drain(struct gateway *gateway, unsigned grace_ms, void (*done)(void *context),
                   void *context)
{
    assert(!gateway->is_draining);
    gateway->is_draining = true;
    gateway->drained = done;
    gateway->drained_context = context;
    listener_stop(&gateway->listener);
    shut_clients(gateway);
    gateway->drain_timer = loop_timer_start(gateway->config.loop, grace_ms, drain_ends, gateway);
    loop_later(gateway->config.loop, &gateway->sweep);
}

void gateway_free(struct gateway **gateway)
{
    struct gateway *g = *gateway;

    if (!g)
        return;
    assert(g->is_over && !g->exchanges && !g->clients);
    loop_cancel(&g->sweep);
    while (g->recordings) {
        struct gateway_recording *own = g->recordings;

        g->recordings = own->next;
        recording_on_progress(own->recording, NULL, NULL);
        free(own);
    }
    while (g->upstreams) {
        struct gateway_upstream *own = g->upstreams;

        g->upstreams = own->next;
        upstream_free(&own->upstream);
        free(own->cluster);
        free(own);
    }
    listener_stop(&g->listener);
    tls_server_free(&g->tls);
    secret_wipe(g->config.bearer_key, sizeof g->config.bearer_key);
    secret_wipe(&g->bearer_memo, sizeof g->bearer_memo);
    free(g->session);
    free(g);
    *gateway = NULL;
}
