#include "net/dial.h"

#include <netdb.h>
#include <stdio.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "net/conn_internal.h"
#include "net/dial_proxy.h"

#define ATTEMPT_MS_MIN 2000 /* for one address, while others wait for their turn */

/* Looks a name up and tries its addresses one after the other. Belongs to itself; the connection
 * may be gone before libuv has given everything back. */
struct dial {
    struct loop *loop;
    struct conn *conn; /* NULL: closed or failed meanwhile */
    struct loop_job begin_job;
    char *host; /* owned */
    char port[8];
    uint64_t deadline_ms; /* loop_now_ms() */
    uv_getaddrinfo_t lookup;
    bool is_looking_up;
    struct addrinfo *addresses; /* owned */
    struct addrinfo *next;      /* the one to try */
    struct attempt *attempt;    /* that is being tried; NULL: none */
    int first_status;           /* why the best address failed */
};

struct attempt {
    uv_connect_t request;
    struct dial *dial; /* NULL: given up */
    uv_tcp_t *socket;
    struct loop_timer *timer;
};

static void try_next(struct dial *dial);

static void dial_free(struct dial *dial)
{
    loop_cancel(&dial->begin_job);
    if (dial->addresses)
        freeaddrinfo(dial->addresses);
    free(dial->host);
    free(dial);
}

static void give_up(struct attempt *attempt)
{
    attempt->dial->attempt = NULL;
    attempt->dial = NULL;
    loop_timer_stop(&attempt->timer);
    socket_close(&attempt->socket); /* on_connect() comes with UV_ECANCELED */
}

/* The connection was closed, or has failed. */
static void abandon(void *context)
{
    struct dial *dial = context;

    dial->conn = NULL;
    if (dial->attempt)
        give_up(dial->attempt);
    if (dial->is_looking_up)
        uv_cancel((uv_req_t *)&dial->lookup); /* on_lookup() comes in any case */
    else
        dial_free(dial);
}

static const char *fix_for(int status)
{
    switch (status) {
    case UV_EAI_NONAME:
    case UV_EAI_NODATA:
    case UV_EAI_AGAIN:
    case UV_EAI_FAIL:
        return "check the name, and this machine's DNS";
    case UV_ECONNREFUSED:
        return "check that the server runs, and its address and port";
    default:
        return "check the address, the network, VPN and firewalls";
    }
}

/* The last call for `dial`: it is abandoned on the way. */
static void dial_fail(struct dial *dial, int status)
{
    struct error err = {0};

    error_set(&err, ERROR_NETWORK, "%s",
              status == UV_EAI_NONAME || status == UV_EAI_NODATA ? "there is no host of this name"
                                                                 : uv_strerror(status));
    ignore(error_fix(&err, "%s", fix_for(status)));
    conn_fail(dial->conn, &err);
}

static void attempt_failed(struct dial *dial, int status)
{
    if (dial->first_status == 0)
        dial->first_status = status;
    try_next(dial);
}

static void on_connect(uv_connect_t *request, int status)
{
    struct attempt *attempt = request->data;
    struct dial *dial = attempt->dial;
    uv_tcp_t *socket = attempt->socket;

    loop_timer_stop(&attempt->timer);
    free(attempt);
    if (!dial)
        return;
    dial->attempt = NULL;
    if (status < 0) {
        socket_close(&socket);
        attempt_failed(dial, status);
        return;
    }
    conn_connected(dial->conn, socket);
    dial_free(dial);
}

static void on_attempt_timeout(void *context)
{
    struct attempt *attempt = context;
    struct dial *dial = attempt->dial;

    give_up(attempt);
    attempt_failed(dial, UV_ETIMEDOUT);
}

/* The last address may use up what is left, the others share it. */
static void limit_attempt(struct dial *dial, struct attempt *attempt)
{
    uint64_t now_ms = loop_now_ms(dial->loop);
    uint64_t left_ms = dial->deadline_ms > now_ms ? dial->deadline_ms - now_ms : 0;
    uint64_t count = 1;

    for (struct addrinfo *later = dial->next; later; later = later->ai_next)
        count++;
    if (count > 1)
        attempt->timer =
            loop_timer_start(dial->loop, max_of(left_ms / count, (uint64_t)ATTEMPT_MS_MIN),
                             on_attempt_timeout, attempt);
}

static void try_next(struct dial *dial)
{
    struct addrinfo *address = dial->next;

    if (!address) {
        dial_fail(dial, dial->first_status);
        return;
    }
    dial->next = address->ai_next;
    struct attempt *attempt = xcalloc(1, sizeof *attempt);

    attempt->socket = xcalloc(1, sizeof *attempt->socket);
    uv_tcp_init(loop_uv(dial->loop), attempt->socket);
    attempt->request.data = attempt;
    int status = uv_tcp_connect(&attempt->request, attempt->socket, address->ai_addr, on_connect);

    if (status < 0) {
        socket_close(&attempt->socket);
        free(attempt);
        attempt_failed(dial, status);
        return;
    }
    attempt->dial = dial;
    dial->attempt = attempt;
    limit_attempt(dial, attempt);
}

static void on_lookup(uv_getaddrinfo_t *lookup, int status, struct addrinfo *addresses)
{
    struct dial *dial = lookup->data;

    dial->is_looking_up = false;
    dial->addresses = dial->next = addresses;
    if (!dial->conn)
        dial_free(dial);
    else if (status < 0)
        dial_fail(dial, status);
    else
        try_next(dial);
}

static void begin(void *context)
{
    struct dial *dial = context;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo literal = {.ai_socktype = SOCK_STREAM,
                               .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST};

    if (getaddrinfo(dial->host, dial->port, &literal, &dial->addresses) == 0) {
        dial->next = dial->addresses;
        try_next(dial);
        return;
    }
    dial->addresses = NULL;
    dial->lookup.data = dial;
    int status = uv_getaddrinfo(loop_uv(dial->loop), &dial->lookup, on_lookup, dial->host,
                                dial->port, &hints);

    if (status < 0)
        dial_fail(dial, status);
    else
        dial->is_looking_up = true;
}

/* Not connected yet; it fails by itself when that takes too long. */
static struct conn *make_conn(struct loop *loop, const struct dial_target *target,
                              unsigned timeout_ms)
{
    const char *name = target->server_name ? target->server_name : target->host;
    scoped(free_text) char *label =
        xasprintf(strchr(target->host, ':') ? "[%s]:%u" : "%s:%u", target->host, target->port);
    struct tls_stream *tls =
        target->tls ? tls_stream_connect(target->tls, name, target->alpn) : NULL;
    struct conn *conn = conn_new(loop, tls, label);

    conn_limit(conn, timeout_ms);
    return conn;
}

struct conn *dial_start(struct loop *loop, const struct dial_target *target,
                        const struct conn_events *events, void *context)
{
    unsigned timeout_ms = target->timeout_ms ? target->timeout_ms : DIAL_TIMEOUT_MS;
    struct conn *conn = make_conn(loop, target, timeout_ms);

    conn_set_events(conn, events, context);
    if (target->proxy && target->proxy->kind != PROXY_NONE) {
        dial_proxy_begin(loop, target, conn);
        return conn;
    }
    struct dial *dial = xcalloc(1, sizeof *dial);

    dial->loop = loop;
    dial->conn = conn;
    dial->host = xstrdup(target->host);
    snprintf(dial->port, sizeof dial->port, "%u", target->port);
    dial->deadline_ms = loop_now_ms(loop) + timeout_ms;
    dial->begin_job = (struct loop_job){.run = begin, .context = dial};
    conn_on_abandon(conn, abandon, dial);
    loop_later(loop, &dial->begin_job);
    return conn;
}
