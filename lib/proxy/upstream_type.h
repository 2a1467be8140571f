/* upstream_type.h - what an upstream plugin is: it turns a cluster's id and the number of a user
 * into where to dial, how to speak TLS, and what to show. The first instance: plugins/
 * upstream-kubeconfig. All calls on the loop thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "net/proxy_url.h"
#include "net/tls.h"

/* Where the requests of one user to one cluster go. All zero is a valid, empty one. */
struct upstream_target {
    char *host; /* owned; a name or an address, without brackets */
    uint16_t port;
    char *authority;        /* owned; the Host field */
    char *path_prefix;      /* owned; of the server's URL, without a slash at the end; "" */
    char *server_name;      /* owned; for SNI and the certificate's name */
    struct tls_client *tls; /* owned; NULL: plain TCP */
    struct proxy_url proxy; /* owned; the way there */
    char *user_name;        /* owned; as the recording shows it; NULL: nobody */
    uint64_t identity;      /* which client certificate `tls` shows; see upstream_credential */
};

void upstream_target_free(struct upstream_target *target);

/* What one request shows. All zero is a valid, empty one. */
struct upstream_credential {
    struct buf authorization; /* owned, secret: the Authorization field; empty: there is none */
    uint64_t identity;        /* not that of the target: it is resolved again, for another `tls` */
    uint64_t number;          /* which one it is, for upstream_type.refused; 0: it is not fetched */
};

void upstream_credential_free(struct upstream_credential *credential); /* wipes */

/* One that waits for a credential; it lives in its owner. All zero, with `run` set, is valid. */
struct upstream_wait {
    void (*run)(void *context); /* once, from the loop: ask again */
    void *context;
    uint64_t number;                       /* the plugin's: what it waits for */
    struct upstream_wait *next, *previous; /* in the plugin's ring; NULL: in none */
};

/* `run` does not come any more. In no ring: nothing. */
static inline void upstream_wait_cancel(struct upstream_wait *wait)
{
    if (!wait->next)
        return;
    wait->next->previous = wait->previous;
    wait->previous->next = wait->next;
    wait->next = wait->previous = NULL;
}

struct upstream_type {
    const char *name;
    /* Is there a cluster with this id? */
    bool (*has_cluster)(void *self, struct str cluster_id);
    /* Fills `target` on success. ERROR_CONFIG with a fix: a file that cannot be read, a field that
     * this release cannot do, no such user. */
    int (*resolve)(void *self, struct str cluster_id, unsigned user, struct upstream_target *target,
                   struct error *err);
    /* Fills `credential`, an empty one, for one request. IO_AGAIN: it has to be fetched, and `wait`
     * runs when that has ended, well or not; asked again with the same `wait` it answers. A token
     * file that changed is read again. IO_FAILED: there is none, with a fix. */
    enum io (*authorize)(void *self, struct str cluster_id, unsigned user,
                         struct upstream_credential *credential, struct upstream_wait *wait,
                         struct error *err);
    /* Upstream answered 401 to what was shown: the next request gets another one, if there is one.
     * `number` is that of the credential, not 0. May be NULL. */
    void (*refused)(void *self, struct str cluster_id, unsigned user, uint64_t number);
};
