/* exec_plugin.h - what one user's exec plugin gives for one cluster (client-go's
 * plugin/pkg/client/auth/exec; ExecCredential: kube/exec_credential.h). It runs when a credential
 * is needed and there is none, or the one there has expired or was refused; once for all who wait.
 * A failure stands for some seconds: kubectl asks five times in a row. */
#pragma once

#include "kube/exec_credential.h"
#include "kube/kubeconfig.h"
#include "net/loop.h"
#include "proxy/upstream_type.h"

struct exec_plugin;

struct exec_plugin_config {
    struct loop *loop;
    const struct kubeconfig_user *user;       /* borrowed, as the next ones; has `exec` */
    const struct kubeconfig_cluster *cluster; /* for provideClusterInfo */
    char *const *environment;                 /* of the user; KHOOP_* in it is not passed on */
    const char *session;                      /* KHOOP_SESSION of the plugin */
    unsigned timeout_ms;                      /* 0: EXEC_PLUGIN_TIMEOUT_MS */
};

#define EXEC_PLUGIN_TIMEOUT_MS 60000

must_use struct exec_plugin *exec_plugin_new(const struct exec_plugin_config *config);
/* Kills the plugin if it runs. Nobody may be waiting. */
void exec_plugin_free(struct exec_plugin **plugin);

/* As upstream_type.authorize. On IO_OK exec_plugin_reply() is what to show. */
must_use enum io exec_plugin_ask(struct exec_plugin *plugin, struct upstream_wait *wait,
                                 struct error *err);
/* What it gave last; empty before. */
const struct exec_credential_reply *exec_plugin_reply(const struct exec_plugin *plugin);
/* How many credentials it gave, so the number of the last one. */
uint64_t exec_plugin_number(const struct exec_plugin *plugin);
/* Changes with the client certificate; 0: there never was one. */
uint64_t exec_plugin_identity(const struct exec_plugin *plugin);
/* Upstream answered 401 to that one. */
void exec_plugin_refused(struct exec_plugin *plugin, uint64_t number);
