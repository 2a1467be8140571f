#include "gateway_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/scoped.h"

#define SPOOL "/spool"

/* ---- The disk: one call at a time, and it can be told to wait or to fail ---- */

static struct world *the_world; /* medium calls carry the fake's context */

#define LOCKED(type, call)                                                                         \
    pthread_mutex_lock(&the_world->lock);                                                          \
    type result = call;                                                                            \
    pthread_mutex_unlock(&the_world->lock);                                                        \
    return result

static const struct medium *inner(void)
{
    return fake_medium_calls(the_world->disk);
}

static int disk_create(void *context, const char *path)
{
    LOCKED(int, inner()->create(context, path));
}

static int disk_open(void *context, const char *path)
{
    LOCKED(int, inner()->open(context, path));
}

static void disk_close(void *context, int file)
{
    pthread_mutex_lock(&the_world->lock);
    inner()->close(context, file);
    pthread_mutex_unlock(&the_world->lock);
}

static int disk_append(void *context, int file, const void *data, size_t len)
{
    if (the_world->append_errno) {
        errno = the_world->append_errno;
        return -1;
    }
    LOCKED(int, inner()->append(context, file, data, len));
}

static int disk_sync(void *context, int file)
{
    pthread_mutex_lock(&the_world->lock);
    while (the_world->is_sync_held)
        pthread_cond_wait(&the_world->released, &the_world->lock);
    int failure = the_world->sync_errno;
    int result = failure ? -1 : inner()->sync(context, file);
    pthread_mutex_unlock(&the_world->lock);
    if (failure)
        errno = failure;
    return result;
}

static int disk_truncate(void *context, int file, uint64_t bytes)
{
    LOCKED(int, inner()->truncate(context, file, bytes));
}

static ssize_t disk_read(void *context, int file, uint64_t offset, void *data, size_t len)
{
    LOCKED(ssize_t, inner()->read(context, file, offset, data, len));
}

static int64_t disk_size(void *context, int file)
{
    LOCKED(int64_t, inner()->size(context, file));
}

static int disk_allocate(void *context, int file, uint64_t bytes)
{
    LOCKED(int, inner()->allocate(context, file, bytes));
}

static int disk_link(void *context, const char *from, const char *to)
{
    LOCKED(int, inner()->link(context, from, to));
}

static int disk_rename(void *context, const char *from, const char *to)
{
    LOCKED(int, inner()->rename(context, from, to));
}

static int disk_remove(void *context, const char *path)
{
    LOCKED(int, inner()->remove(context, path));
}

static int disk_sync_directory(void *context, const char *path)
{
    LOCKED(int, inner()->sync_directory(context, path));
}

static int disk_exists(void *context, const char *path)
{
    LOCKED(int, inner()->exists(context, path));
}

void world_hold_sync(struct world *world, bool is_held)
{
    pthread_mutex_lock(&world->lock);
    world->is_sync_held = is_held;
    pthread_cond_broadcast(&world->released);
    pthread_mutex_unlock(&world->lock);
}

void world_fail_disk(struct world *world, int append_errno, int sync_errno)
{
    pthread_mutex_lock(&world->lock);
    world->append_errno = append_errno;
    world->sync_errno = sync_errno;
    pthread_mutex_unlock(&world->lock);
}

/* ---- What the disk holds ---- */

/* As far as it can be decompressed: a running segment has no end yet. */
static void append_plain(struct buf *out, struct str bytes)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer in = {bytes.data, bytes.len, 0};
    char block[65536];
    size_t before;

    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, 23);
    do {
        ZSTD_outBuffer plain = {block, sizeof block, 0};

        before = in.pos;
        if (ZSTD_isError(ZSTD_decompressStream(stream, &plain, &in)))
            break;
        buf_append(out, block, plain.pos);
        if (!plain.pos && in.pos == before)
            break;
    } while (true);
    ZSTD_freeDStream(stream);
}

static char *disk_text(struct world *world,
                       struct str (*file)(const struct fake_medium *, const char *))
{
    struct buf text = {.limit = SIZE_MAX};

    pthread_mutex_lock(&world->lock);
    for (unsigned i = 0; fake_medium_name(world->disk, i); i++) {
        const char *name = fake_medium_name(world->disk, i);

        if (strstr(name, ".jsonl.zst"))
            append_plain(&text, file(world->disk, name));
    }
    pthread_mutex_unlock(&world->lock);
    return buf_take_text(&text);
}

char *world_synced_text(struct world *world)
{
    return disk_text(world, fake_medium_synced);
}

char *world_written_text(struct world *world)
{
    return disk_text(world, fake_medium_file);
}

bool world_has_synced(struct world *world, const char *text)
{
    scoped(free_text) char *all = world_synced_text(world);

    return strstr(all, text) != NULL;
}

unsigned world_count_written(struct world *world, const char *text)
{
    scoped(free_text) char *all = world_written_text(world);
    unsigned count = 0;

    for (char *at = all; (at = strstr(at, text)); at++)
        count++;
    return count;
}

/* ---- The loop ---- */

static void stop_loop(void *context)
{
    loop_stop(((struct world *)context)->loop);
}

bool world_run_until(struct world *world, bool (*is_so)(struct world *world), unsigned ms)
{
    int64_t end_us = clock_now().mono_us + (int64_t)ms * 1000;

    while (!is_so(world) && clock_now().mono_us < end_us) {
        struct loop_timer *timer = loop_timer_start(world->loop, 1, stop_loop, world);

        loop_run(world->loop);
        loop_timer_stop(&timer);
    }
    return is_so(world);
}

static bool is_never(struct world *world)
{
    return false;
}

void world_run_for(struct world *world, unsigned ms)
{
    world_run_until(world, is_never, ms);
}

static void wake_loop(void *context)
{
    loop_wake_signal(((struct world *)context)->wake);
}

void world_wake(struct world *world)
{
    wake_loop(world);
}

static void woken(void *context)
{
    struct world *world = context;

    if (world->recorder)
        recorder_dispatch(world->recorder);
}

/* ---- The scripted API server ---- */

/* P1, looked at with every byte that arrives: is what is marked `must-be-synced-…` in the synced
 * journal already? */
static bool is_synced(struct world *world, struct str bytes)
{
    scoped(buf_free) struct buf text = {.limit = SIZE_MAX};
    const char *at;
    bool is_all = true;

    buf_append_str(&text, bytes);
    buf_append_char(&text, 0);
    for (at = text.data; (at = strstr(at, "must-be-synced-")); at++) {
        char marker[64] = "";
        size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz-0123456789");

        snprintf(marker, sizeof marker, "%.*s", (int)len, at);
        is_all = is_all && world_has_synced(world, marker);
    }
    return is_all;
}

static void check_synced(struct server_conn *served)
{
    if (!is_synced(served->world, buf_str(&served->in)))
        served->is_unsynced = true;
}

static void arrived_by_h2(void *context, struct str bytes)
{
    struct world *world = context;

    if (!is_synced(world, bytes))
        world->is_unsynced = true;
}

static void served_data(struct conn *conn, struct str bytes, void *context)
{
    struct server_conn *served = context;

    buf_append_str(&served->in, bytes);
    check_synced(served);
}

static void served_ended(struct conn *conn, void *context)
{
    struct server_conn *served = context;

    served->has_ended = true;
}

static void served_failed(struct conn *conn, const struct error *err, void *context)
{
    struct server_conn *served = context;

    served->has_ended = true;
    conn_close(&served->conn);
}

static const struct conn_events served_events = {
    .data = served_data,
    .ended = served_ended,
    .failed = served_failed,
};

static void server_accepted(struct listener *listener, struct conn *conn, void *context)
{
    struct world *world = context;
    struct server_conn *served = xcalloc(1, sizeof *served);

    served->world = world;
    served->conn = conn;
    served->in.limit = SIZE_MAX;
    served->next = world->served;
    world->served = served;
    world->served_count++;
    conn_set_events(conn, &served_events, served);
}

static const struct listener_events server_events = {.accepted = server_accepted};

struct server_conn *world_served(struct world *world)
{
    return world->served;
}

static bool buf_has(const struct buf *bytes, const char *text)
{
    return str_find(buf_str(bytes), str_from(text)) >= 0;
}

bool served_has(const struct server_conn *served, const char *text)
{
    return served && buf_has(&served->in, text);
}

void served_send(struct server_conn *served, const char *text)
{
    assert_non_null(served->conn);
    conn_write(served->conn, str_from(text));
}

void served_finish(struct server_conn *served)
{
    conn_shutdown(served->conn);
}

void served_reset(struct server_conn *served)
{
    conn_abort(&served->conn);
}

/* ---- The client ---- */

static void client_is_ready(struct conn *conn, void *context)
{
    ((struct client_conn *)context)->is_ready = true;
}

static void client_gets(struct conn *conn, struct str bytes, void *context)
{
    buf_append_str(&((struct client_conn *)context)->in, bytes);
}

static void client_sees_end(struct conn *conn, void *context)
{
    ((struct client_conn *)context)->has_ended = true;
    conn_shutdown(conn); /* as HTTP clients do */
}

static void client_sees_failure(struct conn *conn, const struct error *err, void *context)
{
    struct client_conn *client = context;

    client->has_failed = true;
    conn_close(&client->conn);
}

static const struct conn_events client_events = {
    .ready = client_is_ready,
    .data = client_gets,
    .ended = client_sees_end,
    .failed = client_sees_failure,
};

static bool is_newest_client_ready(struct world *world)
{
    return world->clients->is_ready || world->clients->has_failed;
}

struct client_conn *world_connect(struct world *world)
{
    struct client_conn *client = xcalloc(1, sizeof *client);

    client->in.limit = SIZE_MAX;
    client->next = world->clients;
    world->clients = client;
    client->conn = dial_start(world->loop,
                              &(struct dial_target){.host = "127.0.0.1",
                                                    .port = gateway_port(world->gateway),
                                                    .tls = world->client_tls,
                                                    .alpn = "http/1.1"},
                              &client_events, client);
    assert_true(world_run_until(world, is_newest_client_ready, 5000));
    assert_false(client->has_failed);
    return client;
}

void client_send(struct client_conn *client, const char *fmt, ...)
{
    char text[8192];
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assert_true(len >= 0 && (size_t)len < sizeof text);
    conn_write(client->conn, str_make(text, (size_t)len));
}

const char *world_who(struct world *world)
{
    static char text[512];
    scoped(free_text) char *bearer =
        bearer_make(world->config.bearer_key, WORLD_SESSION, 3, STR("c1"));

    snprintf(text, sizeof text, "Host: 127.0.0.1\r\nAuthorization: Bearer %s\r\n", bearer);
    return text;
}

bool client_has(const struct client_conn *client, const char *text)
{
    return buf_has(&client->in, text);
}

void client_hang_up(struct client_conn *client)
{
    conn_abort(&client->conn);
}

/* ---- The gateway ---- */

static bool has_cluster(void *self, struct str id)
{
    return str_is(id, "kind");
}

static int resolve(void *self, struct str id, unsigned user, struct upstream_target *target,
                   struct error *err)
{
    struct world *world = self;

    if (user != 3)
        return error_set(err, ERROR_CONFIG, "no user number %u", user);
    *target = (struct upstream_target){
        .host = xstrdup("127.0.0.1"),
        .port = world->h2.listener ? h2_server_port(&world->h2) : world->server_port,
        .tls =
            world->h2.listener
                ? tls_client_new(&(struct tls_client_config){.ca_pem = cert_ca_pem(world->ca)}, err)
                : NULL,
        .authority = xstrdup("api.example:6443"),
        .path_prefix = xstrdup(""),
        .user_name = xstrdup("tester"),
    };
    return 0;
}

static enum io authorize(void *self, struct str id, unsigned user,
                         struct upstream_credential *credential, struct upstream_wait *wait,
                         struct error *err)
{
    buf_append_text(&credential->authorization, WORLD_CREDENTIAL);
    return IO_OK;
}

static const struct upstream_type scripted_upstream = {
    .name = "scripted",
    .has_cluster = has_cluster,
    .resolve = resolve,
    .authorize = authorize,
};

static bool is_command_open(void *context, struct str invocation)
{
    return str_is(invocation, "c1");
}

static struct recording *recording_for(void *context, struct str cluster)
{
    return ((struct world *)context)->recording;
}

static void start_disk(struct world *world)
{
    the_world = world;
    world->disk = fake_medium_new();
    world->medium = (struct medium){
        .context = fake_medium_calls(world->disk)->context,
        .create = disk_create,
        .open = disk_open,
        .close = disk_close,
        .append = disk_append,
        .sync = disk_sync,
        .truncate = disk_truncate,
        .read = disk_read,
        .size = disk_size,
        .allocate = disk_allocate,
        .link = disk_link,
        .rename = disk_rename,
        .remove = disk_remove,
        .sync_directory = disk_sync_directory,
        .exists = disk_exists,
    };
    pthread_mutex_init(&world->lock, NULL);
    pthread_cond_init(&world->released, NULL);
}

static void start_recorder(struct world *world, bool is_strict, struct error *err)
{
    unsigned char key[FINGERPRINT_KEY_BYTES] = "a key of this installation";

    fingerprint_key_set(&world->fingerprint_key, key);
    world->root = root_key_new();
    world->boot = boot_new(world->root, "loopback-test", err);
    assert_non_null(world->boot);
    world->recorder =
        recorder_start(&(struct recorder_config){.wake = wake_loop,
                                                 .context = world,
                                                 .loop = world->loop,
                                                 .is_strict = is_strict,
                                                 .fingerprint_key = &world->fingerprint_key},
                       err);
    assert_non_null(world->recorder);
    world->journal = (struct journal_config){
        .session = WORLD_SESSION,
        .cluster = "kind",
        .boot = world->boot,
        .medium = &world->medium,
        .spool_directory = SPOOL,
        .journal_id = {1, 2, 3, 4},
    };
    world->recording = recorder_open(world->recorder, &world->journal, json_object_new_object());
}

static void start_gateway(struct world *world, bool is_strict, unsigned patience_ms,
                          struct error *err)
{
    int64_t now_s = clock_now().unix_us / 1000000;

    world->ca = cert_make_ca("test", now_s, err);
    assert_non_null(world->ca);
    assert_int_equal(0, cert_issue(&world->cert, world->ca,
                                   &(struct cert_request){.use = CERT_SERVER,
                                                          .common_name = "gateway",
                                                          .names = cert_loopback_names},
                                   err));
    world->client_tls =
        tls_client_new(&(struct tls_client_config){.ca_pem = cert_ca_pem(world->ca)}, err);
    assert_non_null(world->client_tls);
    world->config = (struct gateway_config){
        .loop = world->loop,
        .recorder = world->recorder,
        .session = WORLD_SESSION,
        .certificate_pem = world->cert.cert_pem,
        .key_pem = world->cert.key_pem,
        .upstream = &scripted_upstream,
        .upstream_self = world,
        .bearer_key = {9, 8, 7},
        .is_command_open = is_command_open,
        .recording_for = recording_for,
        .context = world,
    };
    world->config.is_strict = is_strict;
    world->config.client_idle_ms = world->config.client_head_ms = patience_ms;
    world->gateway = gateway_start(&world->config, err);
    assert_non_null(world->gateway);
}

static struct world *make_world(bool is_strict, unsigned patience_ms)
{
    struct world *world = xcalloc(1, sizeof *world);
    struct error err = {0};

    start_disk(world);
    world->loop = loop_new(&err);
    assert_non_null(world->loop);
    world->wake = loop_wake_new(world->loop, woken, world);
    start_recorder(world, is_strict, &err);
    world->server = listener_start(world->loop, "127.0.0.1", 0, NULL, &server_events, world, &err);
    assert_non_null(world->server);
    world->server_port = listener_port(world->server);
    start_gateway(world, is_strict, patience_ms, &err);
    return world;
}

struct world *world_new(void)
{
    return make_world(false, 0);
}

struct world *world_new_strict(void)
{
    return make_world(true, 0);
}

struct world *world_new_impatient(void)
{
    return make_world(false, 100);
}

struct world *world_new_h2(void)
{
    struct world *world = world_new();
    struct error err = {0};

    world->h2_tls = tls_server_new(&(struct tls_server_config){.cert_pem = world->cert.cert_pem,
                                                               .key_pem = world->cert.key_pem,
                                                               .alpn = "h2"},
                                   &err);
    assert_non_null(world->h2_tls);
    world->h2.arrived = arrived_by_h2;
    world->h2.context = world;
    h2_server_start(&world->h2, world->loop, world->h2_tls);
    return world;
}

/* ---- The end ---- */

static void drained(void *context)
{
    ((struct world *)context)->is_drained = true;
}

static bool is_drained(struct world *world)
{
    return world->is_drained;
}

void world_begin_drain(struct world *world, unsigned grace_ms)
{
    world->is_draining = true;
    gateway_drain(world->gateway, grace_ms, drained, world);
}

void world_await_drained(struct world *world)
{
    assert_true(world_run_until(world, is_drained, 4000));
    world_run_for(world, 20); /* what was handed over is written */
}

static void recording_closed(void *context, const char *index_sha256)
{
    ((struct world *)context)->is_recording_closed = true;
}

static bool is_recording_closed(struct world *world)
{
    return world->is_recording_closed;
}

static void free_peers(struct world *world)
{
    while (world->clients) {
        struct client_conn *client = world->clients;

        world->clients = client->next;
        conn_close(&client->conn);
        world_run_for(world, 2); /* its last event */
        buf_free(&client->in);
        free(client);
    }
    while (world->served) {
        struct server_conn *served = world->served;

        world->served = served->next;
        conn_close(&served->conn);
        world_run_for(world, 2);
        buf_free(&served->in);
        free(served);
    }
    listener_stop(&world->server);
    if (world->h2.listener)
        h2_server_stop(&world->h2);
    world_run_for(world, 2);
    h2_server_free(&world->h2);
    tls_server_free(&world->h2_tls);
}

void world_free(struct world **address)
{
    struct world *world = *address;

    world_hold_sync(world, false);
    if (!world->is_draining)
        world_begin_drain(world, 100);
    world_await_drained(world);
    gateway_free(&world->gateway);
    recorder_close(&world->recording, "end", NULL, recording_closed, world);
    assert_true(world_run_until(world, is_recording_closed, 10000));
    recorder_stop(&world->recorder);
    free_peers(world);
    loop_wake_free(&world->wake);
    world_run_for(world, 5);
    loop_free(&world->loop);
    tls_client_free(&world->client_tls);
    cert_free(&world->cert);
    cert_ca_free(&world->ca);
    boot_free(&world->boot);
    root_key_free(&world->root);
    fake_medium_free(&world->disk);
    free(world);
    *address = NULL;
}
