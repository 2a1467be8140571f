/* upstream_kubeconfig.h - any cluster that kubectl could reach: an upstream made of the user's own
 * kubeconfig. The number of a user is its index there, or user_count: nobody. */
#pragma once

#include "kube/kubeconfig.h"
#include "net/loop.h"
#include "proxy/upstream_type.h"

struct upstream_kubeconfig; /* the `self` of upstream_kubeconfig_type */

extern const struct upstream_type upstream_kubeconfig_type;

struct upstream_kubeconfig_config {
    struct loop *loop;
    const struct kubeconfig *kubeconfig; /* borrowed, as the next ones */
    char *const *environment;            /* of the user: for exec plugins and proxies */
    const char *session;                 /* for exec plugins */
};

must_use struct upstream_kubeconfig *
upstream_kubeconfig_new(const struct upstream_kubeconfig_config *config);
/* Wipes what it holds, and ends plugins that run. Nobody may be waiting. */
void upstream_kubeconfig_free(struct upstream_kubeconfig **self);
