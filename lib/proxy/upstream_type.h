/* upstream_type.h - what an upstream plugin is: it turns a cluster's id and the number of a user
 * into where to dial, how to speak TLS, and what to show. The first instance: plugins/
 * upstream-kubeconfig. All calls on the loop thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "net/tls.h"

/* Where the requests of one user to one cluster go. All zero is a valid, empty one. */
struct upstream_target {
    char *host; /* owned; a name or an address, without brackets */
    uint16_t port;
    char *authority;        /* owned; the Host field */
    char *path_prefix;      /* owned; of the server's URL, without a slash at the end; "" */
    char *server_name;      /* owned; for SNI and the certificate's name */
    struct tls_client *tls; /* owned; NULL: plain TCP */
    char *user_name;        /* owned; as the recording shows it; NULL: nobody */
};

void upstream_target_free(struct upstream_target *target);

struct upstream_type {
    const char *name;
    /* Is there a cluster with this id? */
    bool (*has_cluster)(void *self, struct str cluster_id);
    /* Fills `target` on success. ERROR_CONFIG with a fix: a file that cannot be read, a field that
     * this release cannot do, no such user. */
    int (*resolve)(void *self, struct str cluster_id, unsigned user, struct upstream_target *target,
                   struct error *err);
    /* Appends the value of the Authorization field, nothing when there is none to send. Called for
     * each request: a token file that changed is read again. */
    int (*authorize)(void *self, struct str cluster_id, unsigned user, struct buf *authorization,
                     struct error *err);
};
