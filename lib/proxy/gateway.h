/* gateway.h - the gateway of one session on loopback: a TLS listener whose requests go, recorded,
 * to the clusters of an upstream plugin.
 * https://127.0.0.1:<port>/<cluster>/api/…, bearer as in bearer.h. All calls on the loop thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "net/loop.h"
#include "proxy/bearer.h"
#include "proxy/recorder.h"
#include "proxy/upstream_type.h"

struct gateway;

struct gateway_config {
    struct loop *loop;
    struct recorder *recorder;   /* its `wake` must lead to recorder_dispatch() on this loop */
    const char *session;         /* ULID, copied */
    const char *certificate_pem; /* of the listener, for 127.0.0.1 */
    const char *key_pem;
    const uint16_t *ports; /* tried in order, then any free one */
    size_t port_count;
    const struct upstream_type *upstream;
    void *upstream_self;
    unsigned char bearer_key[BEARER_KEY_BYTES];
    bool is_strict; /* durability: strict: responses wait for durable too */
    /* 0: as kube-apiserver has them, 90 s and 32 s. */
    unsigned client_idle_ms; /* a connection without a request is closed after it */
    unsigned client_head_ms; /* from a head's first byte to its last; then 408 */

    /* Is this command of the session still open? Others are recorded unlinked. NULL: none is. */
    bool (*is_command_open)(void *context, struct str invocation);
    /* The recording for a cluster that has_cluster() knows, opened at its first request; with an
     * empty id the home journal. The owner closes it, after gateway_free(). Never NULL. */
    struct recording *(*recording_for)(void *context, struct str cluster_id);
    void *context;
};

must_use struct gateway *gateway_start(const struct gateway_config *config, struct error *err);
uint16_t gateway_port(const struct gateway *gateway);

struct gateway_counts {
    uint64_t requests;           /* recorded, refused ones included */
    uint64_t forwarded;          /* of which at least the head went upstream */
    uint64_t refused_unrecorded; /* 503 because the journal was broken */
    uint64_t unauthorized;       /* 401, never recorded */
    unsigned open;               /* exchanges now */
    unsigned cut_off;            /* by gateway_drain(), recorded as gateway_end */
};
struct gateway_counts gateway_counts(const struct gateway *gateway);

/* Stops to accept, lets calls finish for `grace_ms`, closes the rest (recorded as gateway_end),
 * then `done`: every exchange has handed its `complete` to the recorder, every connection is
 * closed. */
void gateway_drain(struct gateway *gateway, unsigned grace_ms, void (*done)(void *context),
                   void *context);
/* After `done`, and before its recordings are closed. */
void gateway_free(struct gateway **gateway);
