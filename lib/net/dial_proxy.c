#include "net/dial_proxy.h"

#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "net/conn_internal.h"
#include "net/proxy_talk.h"

/* A connection to the proxy, until the way is open. Then its socket becomes that of the connection
 * that was wanted; with TLS to the proxy there is a pair of sockets between the two, whose far end
 * this serves for as long as they live: a second TLS inside the first needs no code of its own. */
struct way {
    struct loop *loop;
    struct conn *wanted; /* NULL: it is connected, closed or failed */
    struct conn *proxy;  /* NULL: closing */
    struct conn *far;    /* of the pair; NULL: none, or closing */
    unsigned conns;      /* `proxy` and `far`, as long as they are not closed */
    struct proxy_url url;
    struct proxy_talk talk;
    char *host; /* owned; of the server */
    uint16_t port;
    struct loop_job refuse_job;
};

static void close_both(struct way *way)
{
    conn_close(&way->proxy);
    conn_close(&way->far);
}

static void on_closed(struct conn *conn, void *context)
{
    struct way *way = context;

    if (--way->conns > 0)
        return;
    proxy_talk_free(&way->talk);
    proxy_url_free(&way->url);
    free(way->host);
    free(way);
}

static void fail(struct way *way, const struct error *err)
{
    struct conn *wanted = take(way->wanted);
    struct error text = *err;

    close_both(way);
    error_wrap(&text, "through the proxy %s:%u", way->url.host, way->url.port);
    if (wanted)
        conn_fail(wanted, &text);
}

/* ---- Between the pair and the proxy ---- */

static void far_data(struct conn *conn, struct str bytes, void *context)
{
    struct way *way = context;

    if (!way->proxy)
        return;
    conn_write(way->proxy, bytes);
    if (conn_is_full(way->proxy))
        conn_pause(conn);
}

static void far_writable(struct conn *conn, void *context)
{
    struct way *way = context;

    if (way->proxy)
        conn_resume(way->proxy);
}

/* The wanted connection is closed. */
static void far_ended(struct conn *conn, void *context)
{
    close_both(context);
}

static void far_failed(struct conn *conn, const struct error *err, void *context)
{
    close_both(context);
}

static const struct conn_events far_events = {
    .data = far_data,
    .writable = far_writable,
    .ended = far_ended,
    .failed = far_failed,
    .closed = on_closed,
};

/* The end of what the proxy has to say; inside is TLS, which knows whether that was all. */
static void passing_ended(struct conn *conn, void *context)
{
    struct way *way = context;

    if (way->far)
        conn_shutdown(way->far);
}

static void passing_failed(struct conn *conn, const struct error *err, void *context)
{
    close_both(context);
}

static void passing_data(struct conn *conn, struct str bytes, void *context)
{
    struct way *way = context;

    if (!way->far)
        return;
    conn_write(way->far, bytes);
    if (conn_is_full(way->far))
        conn_pause(conn);
}

static void passing_writable(struct conn *conn, void *context)
{
    struct way *way = context;

    if (way->far)
        conn_resume(way->far);
}

static const struct conn_events passing_events = {
    .data = passing_data,
    .writable = passing_writable,
    .ended = passing_ended,
    .failed = passing_failed,
    .closed = on_closed,
};

static uv_tcp_t *wrap(struct loop *loop, int fd)
{
    uv_tcp_t *socket = xcalloc(1, sizeof *socket);

    uv_tcp_init(loop_uv(loop), socket);
    if (uv_tcp_open(socket, fd) < 0) {
        close(fd);
        socket_close(&socket);
    }
    return socket;
}

static void put_between(struct way *way)
{
    int pair[2];
    struct error err = {0};

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        error_errno(&err, ERROR_NETWORK, "a pair of sockets");
        fail(way, &err);
        return;
    }
    uv_tcp_t *near = wrap(way->loop, pair[0]);
    uv_tcp_t *far = wrap(way->loop, pair[1]);

    if (!near || !far) {
        socket_close(&near);
        socket_close(&far);
        error_set(&err, ERROR_NETWORK, "a pair of sockets cannot be used");
        fail(way, &err);
        return;
    }
    way->far = conn_new(way->loop, NULL, way->host);
    way->conns++;
    conn_set_events(way->far, &far_events, way);
    conn_connected(way->far, far);
    conn_set_events(way->proxy, &passing_events, way);
    conn_connected(take(way->wanted), near);
}

/* ---- Until the way is open ---- */

static void open_way(struct way *way)
{
    struct error err = {0};

    if (conn_queued(way->proxy) > 0) {
        error_set(&err, ERROR_PROTOCOL, "it answered before it was asked");
        fail(way, &err);
    } else if (way->url.kind == PROXY_HTTPS) {
        put_between(way);
    } else {
        uv_tcp_t *socket = conn_take_socket(&way->proxy);

        conn_connected(take(way->wanted), socket);
    }
}

static void talk_ready(struct conn *conn, void *context)
{
    struct way *way = context;
    scoped(secret_buf_free) struct buf out = {.limit = 8192};

    ignore(buf_reserve(&out, 8192));
    proxy_talk_begin(&way->talk, &way->url, way->host, way->port, &out);
    conn_write(conn, buf_str(&out));
}

static void talk_data(struct conn *conn, struct str bytes, void *context)
{
    struct way *way = context;
    scoped(secret_buf_free) struct buf out = {.limit = 1024};
    struct error err = {0};

    ignore(buf_reserve(&out, 1024));
    switch (proxy_talk_read(&way->talk, bytes, &out, &err)) {
    case IO_OK:
        open_way(way);
        break;
    case IO_AGAIN:
        conn_write(conn, buf_str(&out));
        break;
    case IO_EOF:
    case IO_FAILED:
        fail(way, &err);
        break;
    }
}

static void talk_ended(struct conn *conn, void *context)
{
    struct error err = {0};

    error_set(&err, ERROR_NETWORK, "it closed the connection");
    fail(context, &err);
}

static void talk_failed(struct conn *conn, const struct error *err, void *context)
{
    struct way *way = context;
    struct conn *wanted = take(way->wanted);
    struct error text = *err;

    close_both(way);
    error_wrap(&text, "the proxy");
    if (wanted)
        conn_fail(wanted, &text);
}

static const struct conn_events talk_events = {
    .ready = talk_ready,
    .data = talk_data,
    .ended = talk_ended,
    .failed = talk_failed,
    .closed = on_closed,
};

/* The wanted connection was closed, or has failed. */
static void abandon(void *context)
{
    struct way *way = context;

    way->wanted = NULL;
    loop_cancel(&way->refuse_job);
    close_both(way);
}

static void refuse_plain(void *context)
{
    struct error err = {0};

    error_set(&err, ERROR_CONFIG, "a server without TLS is not reached through an HTTP proxy");
    error_fix(&err, "name it in NO_PROXY, or use a socks5 proxy or an https server");
    fail(context, &err);
}

void dial_proxy_begin(struct loop *loop, const struct dial_target *target, struct conn *conn)
{
    struct way *way = xcalloc(1, sizeof *way);
    bool is_https = target->proxy->kind == PROXY_HTTPS;

    way->loop = loop;
    way->wanted = conn;
    way->host = xstrdup(target->host);
    way->port = target->port;
    proxy_url_copy(&way->url, target->proxy);
    conn_on_abandon(conn, abandon, way);
    /* Go verifies an https proxy by what it knows of the server: CA, name and all. */
    way->proxy = dial_start(loop,
                            &(struct dial_target){
                                .host = way->url.host,
                                .port = way->url.port,
                                .tls = is_https ? target->tls : NULL,
                                .server_name = is_https ? target->server_name : NULL,
                                .timeout_ms = target->timeout_ms,
                            },
                            &talk_events, way);
    way->conns++;
    way->refuse_job = (struct loop_job){.run = refuse_plain, .context = way};
    if (!target->tls && way->url.kind != PROXY_SOCKS5)
        loop_later(loop, &way->refuse_job);
}
