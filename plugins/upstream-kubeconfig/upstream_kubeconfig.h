/* upstream_kubeconfig.h - any cluster that kubectl could reach: an upstream made of the user's own
 * kubeconfig. The number of a user is its index there, or user_count: nobody. */
#pragma once

#include "kube/kubeconfig.h"
#include "proxy/upstream_type.h"

struct upstream_kubeconfig; /* the `self` of upstream_kubeconfig_type */

extern const struct upstream_type upstream_kubeconfig_type;

/* `config` is borrowed. */
must_use struct upstream_kubeconfig *upstream_kubeconfig_new(const struct kubeconfig *config);
void upstream_kubeconfig_free(struct upstream_kubeconfig **self); /* wipes what it holds */
