#include "net/conn.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "net/conn_internal.h"

#define QUEUE_BYTES_MAX ((size_t)64 << 20) /* a producer that does not look at conn_is_full() */
#define KEPT_BYTES_MAX 1024                /* of an empty buffer: many connections are idle */
#define FIRST_BYTES 2048                   /* of a buffer that is filled */
#define GATHERED_BYTES ((size_t)256 << 10) /* encrypted in one go */
#define ALPN_BYTES 32
#define KEEPALIVE_S 30
#define KEEPALIVE_INTERVAL_S 10

/* What the kernel did not take at once. libuv holds on to it, so it outlives the connection. */
struct sending {
    uv_write_t request;
    struct conn *conn; /* NULL: closed meanwhile */
    struct buf bytes;
};

struct conn {
    struct loop *loop;
    uv_tcp_t *socket; /* owned; NULL before it is connected */
    const struct conn_events *events;
    void *context;
    struct tls_stream *tls; /* owned; NULL: plain TCP */
    char *label;            /* owned */

    struct buf plain;        /* accepted from above */
    struct buf wire;         /* encrypted; empty without TLS */
    struct sending *sending; /* NULL: the kernel took all */
    struct buf unread;       /* arrived just when reading was paused */

    struct loop_job flush_job, read_job, finish_job;
    struct loop_timer *limit;
    unsigned limit_ms;
    void (*abandon)(void *context);
    void *abandon_context;
    uv_shutdown_t shutdown;

    bool is_ready, is_paused, has_ended, has_failed, is_closing;
    bool has_socket_ended; /* FIN was read */
    bool was_full;
    bool wants_shutdown, is_shut_down;
    char peer[INET6_ADDRSTRLEN];
    char alpn[ALPN_BYTES];
};

static void flush(void *context);
static void read_unread(void *context);
static void finish(void *context);

/* --- making one */

struct conn *conn_new(struct loop *loop, struct tls_stream *tls_adopt, const char *label)
{
    struct conn *conn = xcalloc(1, sizeof *conn);

    conn->loop = loop;
    conn->tls = tls_adopt;
    conn->label = xstrdup(label);
    conn->plain.limit = conn->wire.limit = QUEUE_BYTES_MAX;
    conn->flush_job = (struct loop_job){.run = flush, .context = conn};
    conn->read_job = (struct loop_job){.run = read_unread, .context = conn};
    conn->finish_job = (struct loop_job){.run = finish, .context = conn};
    return conn;
}

bool conn_has_events(const struct conn *conn)
{
    return conn->events;
}

void conn_set_events(struct conn *conn, const struct conn_events *events, void *context)
{
    assert(events->failed);
    conn->events = events;
    conn->context = context;
}

const char *conn_alpn(const struct conn *conn)
{
    return conn->alpn;
}

const char *conn_peer(const struct conn *conn)
{
    return conn->peer;
}

bool conn_is_open(const struct conn *conn)
{
    return conn->is_ready && !conn->has_failed && !conn->is_closing && !conn->wants_shutdown;
}

void conn_on_abandon(struct conn *conn, void (*abandon)(void *context), void *context)
{
    conn->abandon = abandon;
    conn->abandon_context = context;
}

static void abandon(struct conn *conn)
{
    void (*call)(void *context) = take(conn->abandon);

    if (call)
        call(conn->abandon_context);
}

/* --- the end */

static bool is_over(const struct conn *conn)
{
    return conn->has_failed || conn->is_closing;
}

/* Nothing of it runs any more; what was accepted is dropped. */
static void stop(struct conn *conn)
{
    abandon(conn);
    loop_cancel(&conn->flush_job);
    loop_cancel(&conn->read_job);
    loop_timer_stop(&conn->limit);
    if (conn->socket && !uv_is_closing((uv_handle_t *)conn->socket))
        uv_read_stop((uv_stream_t *)conn->socket);
}

static void free_queues(struct conn *conn)
{
    buf_free(&conn->plain);
    buf_free(&conn->wire);
    buf_free(&conn->unread);
}

/* The alert that says why, if it goes out at once. */
static void send_alert(struct conn *conn)
{
    if (conn->socket && !conn->sending && conn->wire.len > 0) {
        uv_buf_t bytes = uv_buf_init(conn->wire.data, (unsigned)conn->wire.len);

        ignore(uv_try_write((uv_stream_t *)conn->socket, &bytes, 1));
    }
}

void conn_fail(struct conn *conn, const struct error *err)
{
    if (is_over(conn))
        return;
    struct error text = *err;

    ignore(error_wrap(&text, "%s", conn->label));
    send_alert(conn);
    stop(conn);
    free_queues(conn);
    conn->has_failed = true;
    conn->events->failed(conn, &text, conn->context);
}

static void fail(struct conn *conn, enum error_kind kind, const char *text)
{
    struct error err = {0};

    ignore(error_set(&err, kind, "%s", text));
    conn_fail(conn, &err);
}

static void fail_socket(struct conn *conn, int status)
{
    const char *text = status == UV_ECONNRESET ? "reset by the peer"
                       : status == UV_EPIPE    ? "closed by the peer"
                                               : uv_strerror(status);

    fail(conn, ERROR_NETWORK, text);
}

static void on_limit(void *context)
{
    struct conn *conn = context;
    struct error err = {0};

    error_set(&err, ERROR_NETWORK, "no answer within %u s%s", (conn->limit_ms + 999) / 1000,
              conn->socket ? ": connected, but TLS was not finished" : "");
    ignore(error_fix(&err, "check the address, the network, VPN and firewalls"));
    conn_fail(conn, &err);
}

void conn_limit(struct conn *conn, unsigned timeout_ms)
{
    conn->limit_ms = timeout_ms;
    conn->limit = loop_timer_start(conn->loop, timeout_ms, on_limit, conn);
}

static void finish(void *context)
{
    struct conn *conn = context;

    if (conn->sending)
        conn->sending->conn = NULL;
    if (conn->events && conn->events->closed)
        conn->events->closed(conn, conn->context);
    free_queues(conn);
    tls_stream_free(&conn->tls);
    free(conn->label);
    free(conn);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;

    free(handle);
    finish(conn);
}

static void on_socket_closed(uv_handle_t *handle)
{
    free(handle);
}

void socket_close(uv_tcp_t **socket)
{
    if (*socket)
        uv_close((uv_handle_t *)*socket, on_socket_closed);
    *socket = NULL;
}

void conn_close(struct conn **owner)
{
    struct conn *conn = *owner;

    *owner = NULL;
    if (!conn || conn->is_closing)
        return;
    conn->is_closing = true;
    stop(conn);
    if (conn->socket)
        uv_close((uv_handle_t *)conn->socket, on_closed);
    else
        loop_later(conn->loop, &conn->finish_job);
}

uv_tcp_t *conn_take_socket(struct conn **owner)
{
    struct conn *conn = *owner;
    uv_tcp_t *socket = conn->socket;

    assert(!conn->tls && conn_queued(conn) == 0 && conn->unread.len == 0);
    uv_read_stop((uv_stream_t *)socket);
    conn->socket = NULL;
    conn_close(owner);
    return socket;
}

void conn_abort(struct conn **owner)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0}; /* close() resets then */
    struct conn *conn = *owner;
    uv_os_fd_t fd;

    if (conn && !conn->is_closing && conn->socket &&
        uv_fileno((uv_handle_t *)conn->socket, &fd) == 0)
        ignore(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    conn_close(owner);
}

/* --- writing */

static size_t in_kernel_queue(const struct conn *conn)
{
    return conn->sending ? uv_stream_get_write_queue_size((uv_stream_t *)conn->socket) : 0;
}

size_t conn_queued(const struct conn *conn)
{
    return conn->plain.len + conn->wire.len + in_kernel_queue(conn);
}

bool conn_is_full(const struct conn *conn)
{
    return conn_queued(conn) >= CONN_HIGH_BYTES;
}

static void flush_soon(struct conn *conn)
{
    if (conn->socket && !is_over(conn))
        loop_at_end(conn->loop, &conn->flush_job);
}

/* Small writes fill one allocation. */
static void queue_append(struct conn *conn, struct buf *queue, struct str bytes)
{
    loop_spare_take(conn->loop, queue);
    if (queue->capacity == 0 && bytes.len < FIRST_BYTES)
        ignore(buf_reserve(queue, FIRST_BYTES));
    buf_append_str(queue, bytes);
}

struct buf *conn_write_begin(struct conn *conn)
{
    if (is_over(conn) || conn->wants_shutdown)
        return NULL;
    loop_spare_take(conn->loop, &conn->plain);
    return &conn->plain;
}

void conn_write_end(struct conn *conn)
{
    if (conn->plain.len == 0)
        return;
    if (conn_is_full(conn))
        conn->was_full = true;
    flush_soon(conn);
}

void conn_write(struct conn *conn, struct str bytes)
{
    struct buf *plain = bytes.len ? conn_write_begin(conn) : NULL;

    if (!plain)
        return;
    queue_append(conn, plain, bytes);
    conn_write_end(conn);
}

void conn_write_chunk(struct conn *conn, const struct chunk *chunk)
{
    conn_write(conn, chunk_bytes(chunk));
}

static void keep_little(struct conn *conn, struct buf *queue)
{
    buf_clear(queue);
    if (queue->capacity > KEPT_BYTES_MAX)
        loop_spare_give(conn->loop, queue);
}

static void look_whether_writable(struct conn *conn)
{
    if (is_over(conn) || !conn->was_full || conn_queued(conn) >= CONN_LOW_BYTES)
        return;
    conn->was_full = false;
    if (conn->events->writable && conn_is_open(conn))
        conn->events->writable(conn, conn->context);
}

static void on_sent(uv_write_t *request, int status)
{
    struct sending *sending = request->data;
    struct conn *conn = sending->conn;

    buf_free(&sending->bytes);
    free(sending);
    if (!conn)
        return;
    conn->sending = NULL;
    if (is_over(conn))
        return;
    if (status < 0)
        fail_socket(conn, status);
    else
        flush(conn);
}

static void send_rest(struct conn *conn, struct buf *queue, size_t sent)
{
    struct sending *sending = xcalloc(1, sizeof *sending);

    sending->conn = conn;
    sending->request.data = sending;
    sending->bytes = *queue;
    *queue = (struct buf){.limit = queue->limit};
    conn->sending = sending;
    uv_buf_t bytes = uv_buf_init(sending->bytes.data + sent, (unsigned)(sending->bytes.len - sent));
    int status = uv_write(&sending->request, (uv_stream_t *)conn->socket, &bytes, 1, on_sent);

    if (status < 0) {
        conn->sending = NULL;
        buf_free(&sending->bytes);
        free(sending);
        fail_socket(conn, status);
    }
}

/* All of `queue`, by one system call where the kernel takes it. False: something waits, or failed.
 */
static bool send_queue(struct conn *conn, struct buf *queue)
{
    if (queue->len == 0)
        return true;
    uv_buf_t bytes = uv_buf_init(queue->data, (unsigned)queue->len);
    int sent = uv_try_write((uv_stream_t *)conn->socket, &bytes, 1);

    if (sent < 0 && sent != UV_EAGAIN) {
        fail_socket(conn, sent);
        return false;
    }
    if (sent < 0)
        sent = 0;
    if ((size_t)sent < queue->len) {
        send_rest(conn, queue, (size_t)sent);
        return false;
    }
    keep_little(conn, queue);
    return true;
}

static bool encrypt(struct conn *conn)
{
    struct str plain = str_first(buf_str(&conn->plain), GATHERED_BYTES);
    struct error err = {0};

    if (plain.len == 0)
        return true;
    /* 22 bytes of header, type and tag in each record of TLS 1.3, up to 29 in 1.2 */
    loop_spare_take(conn->loop, &conn->wire);
    ignore(buf_reserve(&conn->wire, plain.len + (plain.len / TLS_RECORD_BYTES + 1) * 64));
    if (tls_stream_write(conn->tls, plain, &conn->wire, &err) < 0) {
        conn_fail(conn, &err);
        return false;
    }
    if (plain.len == conn->plain.len)
        keep_little(conn, &conn->plain);
    else
        buf_consume(&conn->plain, plain.len);
    return true;
}

static void on_shut_down(uv_shutdown_t *request, int status)
{
    struct conn *conn = request->handle->data;

    /* ENOTCONN: the peer has reset it, reading says so */
    if (status < 0 && status != UV_ENOTCONN && status != UV_ECANCELED)
        fail_socket(conn, status);
}

/* Everything is with the kernel: now the end. */
static void shut_down(struct conn *conn)
{
    conn->is_shut_down = true;
    if (conn->tls) {
        tls_stream_close(conn->tls, &conn->wire);
        send_queue(conn, &conn->wire);
        if (is_over(conn))
            return;
    }
    int status = uv_shutdown(&conn->shutdown, (uv_stream_t *)conn->socket, on_shut_down);

    if (status < 0 && status != UV_ENOTCONN)
        fail_socket(conn, status);
}

static void flush(void *context)
{
    struct conn *conn = context;
    bool is_sent = true;

    if (is_over(conn) || conn->sending)
        return;
    if (conn->plain.overflow || conn->wire.overflow) {
        fail(conn, ERROR_INTERNAL, "more is queued than can be held");
        return;
    }
    if (conn->tls)
        is_sent = send_queue(conn, &conn->wire); /* of the handshake, and alerts */
    while (is_sent && conn->is_ready && conn->plain.len > 0) {
        if (conn->tls && !encrypt(conn))
            return;
        is_sent = send_queue(conn, conn->tls ? &conn->wire : &conn->plain);
    }
    if (is_sent && conn->wants_shutdown && conn->is_ready && !conn->is_shut_down)
        shut_down(conn);
    /* Also after a send that finished by itself: the producer may have stopped at the mark. */
    look_whether_writable(conn);
}

void conn_shutdown(struct conn *conn)
{
    if (is_over(conn))
        return;
    conn->wants_shutdown = true;
    flush_soon(conn);
}

/* --- reading */

static void become_ready(struct conn *conn)
{
    loop_timer_stop(&conn->limit);
    conn->is_ready = true;
    if (conn->tls)
        tls_stream_alpn(conn->tls, conn->alpn, sizeof conn->alpn);
    if (conn->plain.len > 0 || conn->wants_shutdown)
        flush_soon(conn);
    if (conn->events->ready)
        conn->events->ready(conn, conn->context);
    if (conn->is_paused && !is_over(conn))
        uv_read_stop((uv_stream_t *)conn->socket); /* the handshake was read nevertheless */
}

static void end(struct conn *conn)
{
    conn->has_ended = true;
    if (conn->events->ended)
        conn->events->ended(conn, conn->context);
}

static bool may_deliver(const struct conn *conn)
{
    return !is_over(conn) && !conn->is_paused && !conn->has_ended;
}

static void deliver(struct conn *conn, struct str bytes)
{
    if (conn->events->data)
        conn->events->data(conn, bytes, conn->context);
}

static void handshake(struct conn *conn, struct str *in)
{
    struct error err = {0};
    enum io status = tls_stream_handshake(conn->tls, in, &conn->wire, &err);

    if (status == IO_FAILED) {
        conn_fail(conn, &err);
        return;
    }
    if (conn->wire.len > 0)
        flush_soon(conn);
    if (status == IO_OK)
        become_ready(conn);
}

static void decrypt(struct conn *conn, struct str *in)
{
    struct loop_scratch *scratch = loop_scratch(conn->loop);
    struct error err = {0};

    while (may_deliver(conn)) {
        size_t len = 0;
        enum io status = tls_stream_read(conn->tls, in, &conn->wire, scratch->plain,
                                         sizeof scratch->plain, &len, &err);

        if (conn->wire.len > 0)
            flush_soon(conn);
        if (status == IO_AGAIN)
            return;
        if (status == IO_FAILED)
            conn_fail(conn, &err);
        else if (status == IO_EOF)
            end(conn);
        else
            deliver(conn, str_make(scratch->plain, len));
    }
}

static void receive(struct conn *conn, struct str in)
{
    if (conn->tls && !conn->is_ready)
        handshake(conn, &in);
    if (!conn->is_ready)
        return;
    if (conn->tls) {
        decrypt(conn, &in);
    } else if (may_deliver(conn)) {
        deliver(conn, in);
        in.len = 0;
    }
    if (!is_over(conn) && conn->is_paused && !conn->has_ended)
        buf_append_str(&conn->unread, in); /* at most what one read brings */
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *bytes)
{
    struct conn *conn = handle->data;
    struct loop_scratch *scratch = loop_scratch(conn->loop);

    *bytes = uv_buf_init(scratch->received, sizeof scratch->received);
}

static void on_end_of_socket(struct conn *conn)
{
    conn->has_socket_ended = true;
    if (conn->has_ended)
        return;
    if (!conn->tls)
        end(conn);
    else if (!conn->is_ready)
        fail(conn, ERROR_NETWORK, "closed by the peer during the TLS handshake");
    else /* RFC 8446 6.1: what came before may be incomplete */
        fail(conn, ERROR_NETWORK, "cut: the peer closed without saying that it had finished");
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *bytes)
{
    struct conn *conn = stream->data;

    if (is_over(conn))
        return;
    if (len == UV_EOF)
        on_end_of_socket(conn);
    else if (len < 0)
        fail_socket(conn, (int)len);
    else if (len > 0)
        receive(conn, str_make(bytes->base, (size_t)len));
}

static void start_reading(struct conn *conn)
{
    if (!conn->has_socket_ended && (!conn->is_paused || !conn->is_ready))
        uv_read_start((uv_stream_t *)conn->socket, on_alloc, on_read);
}

/* From the loop, after conn_connected() and conn_resume(). */
static void read_unread(void *context)
{
    struct conn *conn = context;

    if (!conn->tls && !conn->is_ready)
        become_ready(conn);
    else if (conn->tls && !conn->is_ready)
        receive(conn, (struct str){0}); /* a client speaks first */
    if (conn->unread.len > 0 || (conn->is_ready && conn->tls && may_deliver(conn))) {
        scoped(buf_free) struct buf unread = conn->unread;

        conn->unread = (struct buf){0};
        receive(conn, buf_str(&unread));
    }
    if (!is_over(conn))
        start_reading(conn);
}

void conn_pause(struct conn *conn)
{
    conn->is_paused = true;
    if (conn->is_ready && !is_over(conn))
        uv_read_stop((uv_stream_t *)conn->socket);
}

void conn_resume(struct conn *conn)
{
    if (!conn->is_paused)
        return;
    conn->is_paused = false;
    if (conn->is_ready && !is_over(conn))
        loop_later(conn->loop, &conn->read_job);
}

/* --- the socket */

static void set_keepalive(uv_tcp_t *socket)
{
    int interval_s = KEEPALIVE_INTERVAL_S;
    uv_os_fd_t fd;

    uv_tcp_nodelay(socket, 1);
    uv_tcp_keepalive(socket, 1, KEEPALIVE_S);
    if (uv_fileno((uv_handle_t *)socket, &fd) == 0)
        ignore(setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s));
}

static void note_peer(struct conn *conn)
{
    struct sockaddr_storage address;
    int len = sizeof address;
    const char *mapped = "::ffff:";

    if (uv_tcp_getpeername(conn->socket, (struct sockaddr *)&address, &len) < 0 ||
        uv_ip_name((struct sockaddr *)&address, conn->peer, sizeof conn->peer) < 0)
        return;
    if (strncmp(conn->peer, mapped, strlen(mapped)) == 0 && strchr(conn->peer, '.'))
        memmove(conn->peer, conn->peer + strlen(mapped), strlen(conn->peer + strlen(mapped)) + 1);
}

void conn_connected(struct conn *conn, uv_tcp_t *socket_adopt)
{
    conn->abandon = NULL;
    conn->socket = socket_adopt;
    conn->socket->data = conn;
    set_keepalive(conn->socket);
    note_peer(conn);
    loop_later(conn->loop, &conn->read_job);
}
