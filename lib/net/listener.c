#include "net/listener.h"

#include <assert.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "net/conn_internal.h"
#include "net/tls_stream.h"

#define BACKLOG 512

struct listener {
    struct loop *loop;
    uv_tcp_t socket;
    struct tls_server *tls; /* one of its owners; NULL: plain TCP */
    const struct listener_events *events;
    void *context;
    uint16_t port;
};

static void on_client(uv_stream_t *stream, int status)
{
    struct listener *listener = stream->data;

    if (status < 0) /* the client is gone already, or no descriptors: libuv sheds those */
        return;
    uv_tcp_t *socket = xcalloc(1, sizeof *socket);

    uv_tcp_init(loop_uv(listener->loop), socket);
    if (uv_accept(stream, (uv_stream_t *)socket) < 0) {
        socket_close(&socket);
        return;
    }
    struct tls_stream *tls = listener->tls ? tls_stream_accept(listener->tls) : NULL;
    struct conn *conn = conn_new(listener->loop, tls, "client");

    conn_limit(conn, LISTENER_HANDSHAKE_MS);
    conn_connected(conn, socket);
    listener->events->accepted(listener, conn, listener->context);
    assert(conn_has_events(conn));
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;

    tls_server_free(&listener->tls);
    free(listener);
}

static int listen_at(struct listener *listener, const char *address, uint16_t port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage storage;
    } name = {0};
    int len = sizeof name;
    int status = uv_ip4_addr(address, port, &name.v4);

    if (status < 0)
        status = uv_ip6_addr(address, port, &name.v6);
    if (status == 0)
        status = uv_tcp_bind(&listener->socket, &name.any, 0);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&listener->socket, BACKLOG, on_client);
    if (status == 0)
        status = uv_tcp_getsockname(&listener->socket, &name.any, &len);
    if (status == 0) /* the port stands at the same place in both */
        listener->port = ntohs(name.v4.sin_port);
    return status;
}

struct listener *listener_start(struct loop *loop, const char *address, uint16_t port,
                                const struct tls_server *tls, const struct listener_events *events,
                                void *context, struct error *err)
{
    struct listener *listener = xcalloc(1, sizeof *listener);

    listener->loop = loop;
    listener->tls = tls ? tls_server_share(tls) : NULL;
    listener->events = events;
    listener->context = context;
    uv_tcp_init(loop_uv(loop), &listener->socket);
    listener->socket.data = listener;
    int status = listen_at(listener, address, port);

    if (status < 0) {
        error_set(err, ERROR_NETWORK, "listen on %s port %u: %s", address, port,
                  uv_strerror(status));
        listener_stop(&listener);
        return NULL;
    }
    return listener;
}

uint16_t listener_port(const struct listener *listener)
{
    return listener->port;
}

void listener_stop(struct listener **listener)
{
    if (*listener && !uv_is_closing((uv_handle_t *)&(*listener)->socket))
        uv_close((uv_handle_t *)&(*listener)->socket, on_closed);
    *listener = NULL;
}
