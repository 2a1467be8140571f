/* gateway_world.h - a whole gateway in one process: real recorder, journal, TLS and loop; a disk in
 * memory that tells synced from written; an API server that a test plays; a client that sends
 * bytes. For test_gateway*.c. */
#pragma once

#include <pthread.h>

#include "fake_medium.h"
#include "h2_server.h"
#include "net/cert.h"
#include "net/dial.h"
#include "net/listener.h"
#include "proxy/gateway.h"
#include "session/journal.h"

#define WORLD_SESSION "01JDFGHJKMNPQRSTVWXYZ01234"
#define WORLD_CREDENTIAL "Bearer canary-upstream-credential"

/* One connection that the scripted API server accepted. */
struct server_conn {
    struct server_conn *next;
    struct world *world;
    struct conn *conn; /* NULL: closed */
    struct buf in;     /* all that arrived */
    bool has_ended;    /* by the gateway: FIN, reset */
    bool is_unsynced;  /* something arrived that the synced journal did not hold: P1 is broken */
};

struct client_conn {
    struct client_conn *next;
    struct conn *conn;
    struct buf in; /* all that came back */
    bool is_ready, has_ended, has_failed;
};

struct world {
    struct loop *loop;
    struct loop_wake *wake;
    struct fake_medium *disk;
    struct medium medium; /* the disk, one call at a time */
    pthread_mutex_t lock;
    pthread_cond_t released;
    bool is_sync_held; /* fdatasync waits until it is not */
    int append_errno;  /* appends fail with it */
    int sync_errno;

    struct root_key *root;
    struct boot *boot;
    struct fingerprint_key fingerprint_key;
    struct journal_config journal;
    struct recorder *recorder;
    struct recording *recording;
    bool is_recording_closed;

    struct cert_ca *ca;
    struct cert cert;
    struct tls_client *client_tls;
    struct gateway_config config;
    struct gateway *gateway;
    bool is_draining, is_drained;

    struct listener *server;
    uint16_t server_port;
    struct tls_server *h2_tls;
    struct h2_server h2;        /* when world_new_h2() made it: the API server */
    bool is_unsynced;           /* as of server_conn, over h2 */
    struct server_conn *served; /* newest first */
    unsigned served_count;
    struct client_conn *clients;
};

struct world *world_new(void);
/* durability: strict */
struct world *world_new_strict(void);
/* Its API server speaks HTTP/2. */
struct world *world_new_h2(void);
/* A client's connection may be idle, and a head take, 100 ms. */
struct world *world_new_impatient(void);
/* Drains, closes, and fails the test where something is left over. */
void world_free(struct world **world);

/* Before world_free(), to see what they do. */
void world_begin_drain(struct world *world, unsigned grace_ms);
void world_await_drained(struct world *world);

/* Runs the loop until `is_so(world)`, or for at most `ms`; returns what it says then. */
bool world_run_until(struct world *world, bool (*is_so)(struct world *world), unsigned ms);
void world_run_for(struct world *world, unsigned ms);

/* The loop looks at what the recorder has published, as if it had been woken. */
void world_wake(struct world *world);

/* All lines that the synced, or the written part of the disk holds, as one text. Owned. */
char *world_synced_text(struct world *world);
char *world_written_text(struct world *world);
bool world_has_synced(struct world *world, const char *text);
/* How often. */
unsigned world_count_written(struct world *world, const char *text);

void world_hold_sync(struct world *world, bool is_held);
void world_fail_disk(struct world *world, int append_errno, int sync_errno);

/* A client connected with HTTP/1.1; ready when it returns. */
struct client_conn *world_connect(struct world *world);
void client_send(struct client_conn *client, const char *fmt, ...) printf_like(2, 3);
/* "Authorization: Bearer …\r\nHost: …\r\n" */
const char *world_who(struct world *world);
bool client_has(const struct client_conn *client, const char *text);
void client_hang_up(struct client_conn *client);

/* The newest connection of the scripted server; NULL when there is none. */
struct server_conn *world_served(struct world *world);
bool served_has(const struct server_conn *served, const char *text);
void served_send(struct server_conn *served, const char *text);
void served_finish(struct server_conn *served); /* FIN */
void served_reset(struct server_conn *served);
