#include "proxy/client.h"

#include <stdlib.h>

#include "base/alloc.h"

/* kube-apiserver's own (k8s.io/apiserver pkg/server/secure_serving.go). */
#define CLIENT_IDLE_MS 90000
#define CLIENT_HEAD_MS 32000

#define LINGER_STEP_MS 20
#define LINGER_MS 1000 /* a client that does not end its side by then is closed upon */

/* The protocol lets go of its exchanges; once. */
static void lose(struct client *client)
{
    if (client->is_lost)
        return;
    client->is_lost = true;
    if (client->protocol)
        client->protocol->lost(client->state);
}

static void close_now(struct client *client)
{
    lose(client);
    loop_timer_stop(&client->quiet);
    loop_timer_stop(&client->linger);
    conn_close(&client->conn);
}

static void quiet(void *context)
{
    struct client *client = context;

    loop_timer_stop(&client->quiet);
    client->protocol->quiet(client->state);
}

static void watch(struct client *client, unsigned ms)
{
    client_wake(client);
    if (client->conn && !client->is_lost && !client->is_finishing)
        client->quiet = loop_timer_start(client->gateway->config.loop, ms, quiet, client);
}

void client_rest(struct client *client)
{
    unsigned ms = client->gateway->config.client_idle_ms;

    watch(client, ms ? ms : CLIENT_IDLE_MS);
}

void client_await_head(struct client *client)
{
    unsigned ms = client->gateway->config.client_head_ms;

    watch(client, ms ? ms : CLIENT_HEAD_MS);
}

void client_wake(struct client *client)
{
    loop_timer_stop(&client->quiet);
}

static void client_ready(struct conn *conn, void *context)
{
    struct client *client = context;
    bool is_h2 = strcmp(conn_alpn(conn), "h2") == 0;

    client->peer = xstrdup(conn_peer(conn));
    client->protocol = is_h2 ? &client_h2 : &client_h1;
    client->state = client->protocol->begin(client);
    client_rest(client);
    if (client->is_shut)
        client->protocol->shut(client->state);
}

static void client_data(struct conn *conn, struct str bytes, void *context)
{
    struct client *client = context;

    if (!client->is_finishing)
        client->protocol->data(client->state, bytes);
}

static void client_writable(struct conn *conn, void *context)
{
    struct client *client = context;

    if (client->protocol && !client->is_lost)
        client->protocol->writable(client->state);
}

/* A client that will send no more does not wait for answers either: kubectl was ended. But one end
 * of a stream may be ended by itself. */
static void client_ended(struct conn *conn, void *context)
{
    struct client *client = context;

    client->has_ended = true;
    if (!client->is_finishing && client->protocol && client->protocol->ended &&
        client->protocol->ended(client->state))
        return;
    lose(client);
    client_finish(client);
}

static void client_failed(struct conn *conn, const struct error *err, void *context)
{
    close_now(context);
}

static void client_closed(struct conn *conn, void *context)
{
    struct client *client = context;
    struct gateway *gateway = client->gateway;

    if (client->previous)
        client->previous->next = client->next;
    else
        gateway->clients = client->next;
    if (client->next)
        client->next->previous = client->previous;
    lose(client);
    loop_timer_stop(&client->quiet);
    loop_timer_stop(&client->linger);
    if (client->protocol)
        client->protocol->free(client->state);
    free(client->peer);
    free(client);
    gateway_go_on_draining(gateway);
}

static const struct conn_events client_events = {
    .ready = client_ready,
    .data = client_data,
    .writable = client_writable,
    .ended = client_ended,
    .failed = client_failed,
    .closed = client_closed,
};

void client_accept(struct gateway *gateway, struct conn *conn)
{
    struct client *client = xcalloc(1, sizeof *client);

    client->gateway = gateway;
    client->conn = conn;
    client->next = gateway->clients;
    if (client->next)
        client->next->previous = client;
    gateway->clients = client;
    conn_set_events(conn, &client_events, client);
}

struct client *client_next(const struct client *client)
{
    return client->next;
}

void client_shut(struct client *client)
{
    if (client->is_shut)
        return;
    client->is_shut = true;
    if (!client->protocol)
        client_finish(client);
    else if (!client->is_lost)
        client->protocol->shut(client->state);
}

static void linger(void *context)
{
    struct client *client = context;
    size_t queued = conn_queued(client->conn);

    /* Who reads slowly gets all of the last answer; a session that ends does not wait so long. */
    if (queued != client->lingered_queued && !client->gateway->is_draining)
        client->lingered_ms = 0;
    client->lingered_queued = queued;
    client->lingered_ms += LINGER_STEP_MS;
    if ((client->has_ended && queued == 0) || client->lingered_ms >= LINGER_MS)
        close_now(client);
    else
        loop_timer_again(client->linger, LINGER_STEP_MS);
}

void client_finish(struct client *client)
{
    if (client->is_finishing || !client->conn)
        return;
    client->is_finishing = true;
    client_wake(client);
    conn_resume(client->conn);
    conn_shutdown(client->conn);
    client->linger = loop_timer_start(client->gateway->config.loop, LINGER_STEP_MS, linger, client);
}

void client_abort(struct client *client)
{
    lose(client);
    client_wake(client);
    loop_timer_stop(&client->linger);
    conn_abort(&client->conn);
}
