/* gateway_alone.c - a gateway without a session process, for measurements and for trying clients by
 * hand: gateway_alone [--strict] KUBECONFIG DIRECTORY. DIRECTORY gets the segments, ca.pem and a
 * kubeconfig for its cluster (the current context's). --strict: `durability: strict`. Runs until
 * SIGTERM or SIGINT, then drains and seals. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/jsondoc.h"
#include "base/log.h"
#include "base/random.h"
#include "base/scoped.h"
#include "net/cert.h"
#include "net/loop.h"
#include "proxy/gateway.h"
#include "session/ulid.h"
#include "upload/spool.h"
#include "upstream-kubeconfig/upstream_kubeconfig.h"

/* One for the process: what is not freed at its end is still reachable. */
extern char **environ;

struct alone {
    struct root_key *root;
    struct boot *boot;
    struct cert_ca *ca;
    struct cert cert;
    struct upstream_kubeconfig *upstream;
    struct loop *loop;
    struct loop_wake *wake;
    struct kubeconfig kubeconfig;
    struct fingerprint_key fingerprint_key;
    struct journal_config journal;
    struct recorder *recorder;
    struct recording *recording;
    struct gateway *gateway;
    uv_signal_t signals[2];
    char session[ULID_BYTES];
    char cluster_id[KUBECONFIG_ID_BYTES_MAX + 1];
    bool is_strict;
};

static void wake_loop(void *context)
{
    loop_wake_signal(((struct alone *)context)->wake);
}

static void woken(void *context)
{
    recorder_dispatch(((struct alone *)context)->recorder);
}

static struct recording *recording_for(void *context, struct str cluster)
{
    return ((struct alone *)context)->recording;
}

static void closed(void *context, const char *index_sha256)
{
    struct alone *alone = context;

    printf("%s\n", index_sha256 ? index_sha256 : "not sealed");
    loop_stop(alone->loop);
}

static void drained(void *context)
{
    struct alone *alone = context;

    gateway_free(&alone->gateway);
    recorder_close(&alone->recording, "end", NULL, closed, alone);
}

static void signalled(uv_signal_t *signal, int number)
{
    struct alone *alone = signal->data;

    if (alone->gateway)
        gateway_drain(alone->gateway, 500, drained, alone);
    uv_signal_stop(signal);
}

static int start_recording(struct alone *alone, const char *directory, struct error *err)
{
    unsigned char key[FINGERPRINT_KEY_BYTES];

    alone->root = root_key_new();
    alone->boot = boot_new(alone->root, "loopback-alone", err);
    if (!alone->boot)
        return -1;
    random_bytes(key, sizeof key);
    fingerprint_key_set(&alone->fingerprint_key, key);
    alone->recorder =
        recorder_start(&(struct recorder_config){.wake = wake_loop,
                                                 .context = alone,
                                                 .loop = alone->loop,
                                                 .is_strict = alone->is_strict,
                                                 .fingerprint_key = &alone->fingerprint_key},
                       err);
    alone->journal = (struct journal_config){.session = alone->session,
                                             .cluster = alone->cluster_id,
                                             .boot = alone->boot,
                                             .medium = &medium_posix,
                                             .spool_directory = directory};
    random_bytes(alone->journal.journal_id, sizeof alone->journal.journal_id);
    alone->recording = recorder_open(alone->recorder, &alone->journal, json_object_new_object());
    return alone->recorder ? 0 : -1;
}

static int write_kubeconfig(struct alone *alone, const struct gateway_config *config,
                            const char *directory, unsigned user, const char *ca_pem,
                            struct error *err)
{
    scoped(free_text) char *bearer = bearer_make(config->bearer_key, alone->session, user, STR(""));
    scoped(free_text) char *ca_path = xasprintf("%s/ca.pem", directory);
    scoped(free_text) char *path = xasprintf("%s/kubeconfig", directory);
    scoped(free_text) char *text =
        xasprintf("apiVersion: v1\nkind: Config\ncurrent-context: alone\n"
                  "clusters: [{name: alone, cluster: {server: 'https://127.0.0.1:%u/%s', "
                  "certificate-authority: '%s'}}]\nusers: [{name: alone, user: {token: '%s'}}]\n"
                  "contexts: [{name: alone, context: {cluster: alone, user: alone}}]\n",
                  gateway_port(alone->gateway), alone->cluster_id, ca_path, bearer);

    if (file_write(ca_path, str_from(ca_pem), 0600, err) < 0 ||
        file_write(path, str_from(text), 0600, err) < 0)
        return -1;
    printf("%s\n", path);
    return fflush(stdout);
}

static int start(struct alone *alone, const char *kubeconfig, const char *directory,
                 struct error *err)
{
    struct cert_request request = {
        .use = CERT_SERVER, .common_name = "gateway", .names = cert_loopback_names};

    alone->ca = cert_make_ca("gateway alone", clock_now().unix_us / 1000000, err);
    if (!alone->ca || cert_issue(&alone->cert, alone->ca, &request, err) < 0 ||
        kubeconfig_load(&alone->kubeconfig, kubeconfig, "/", err) < 0)
        return -1;
    const struct kubeconfig_context *chosen = kubeconfig_choose(&alone->kubeconfig, NULL, err);
    if (!chosen)
        return -1;
    const struct kubeconfig_user *user =
        kubeconfig_find_user(&alone->kubeconfig, chosen->user ? chosen->user : "");
    if (!user)
        return error_set(err, ERROR_CONFIG, "the current context has no user");
    kubeconfig_cluster_id(chosen->cluster, alone->cluster_id);
    if (start_recording(alone, directory, err) < 0)
        return -1;
    alone->upstream = upstream_kubeconfig_new(&(struct upstream_kubeconfig_config){
        .loop = alone->loop,
        .kubeconfig = &alone->kubeconfig,
        .environment = environ,
        .session = alone->session,
    });
    struct gateway_config config = {
        .loop = alone->loop,
        .recorder = alone->recorder,
        .session = alone->session,
        .certificate_pem = alone->cert.cert_pem,
        .key_pem = alone->cert.key_pem,
        .upstream = &upstream_kubeconfig_type,
        .upstream_self = alone->upstream,
        .recording_for = recording_for,
        .context = alone,
        .is_strict = alone->is_strict,
    };
    random_bytes(config.bearer_key, sizeof config.bearer_key);
    alone->gateway = gateway_start(&config, err);
    if (!alone->gateway)
        return -1;
    return write_kubeconfig(alone, &config, directory, (unsigned)(user - alone->kubeconfig.users),
                            cert_ca_pem(alone->ca), err);
}

int main(int argc, char **argv)
{
    static struct alone alone;
    struct error err = {0};
    const int numbers[] = {SIGTERM, SIGINT};

    if (argc > 1 && strcmp(argv[1], "--strict") == 0) {
        alone.is_strict = true;
        argv++;
        argc--;
    }
    if (argc != 3) {
        fprintf(stderr, "usage: gateway_alone [--strict] KUBECONFIG DIRECTORY\n");
        return 2;
    }
    ulid_new(alone.session);
    alone.loop = loop_new(&err);
    alone.wake = loop_wake_new(alone.loop, woken, &alone);
    for (int i = 0; i < 2; i++) {
        uv_signal_init(loop_uv(alone.loop), &alone.signals[i]);
        alone.signals[i].data = &alone;
        uv_signal_start(&alone.signals[i], signalled, numbers[i]);
    }
    if (start(&alone, argv[1], argv[2], &err) < 0) {
        log_error(&err);
        return 1;
    }
    loop_run(alone.loop);
    recorder_stop(&alone.recorder);
    return 0;
}
