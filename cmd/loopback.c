#include "loopback.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/jsondoc.h"
#include "base/log.h"
#include "base/random.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "commands.h"
#include "journals.h"
#include "kube/fingerprint.h"
#include "net/cert.h"
#include "proxy/control.h"
#include "proxy/gateway.h"
#include "proxy/session_dir.h"
#include "session_files.h"
#include "session_start.h"
#include "stores.h"
#include "upload/spool.h"
#include "upstream-kubeconfig/upstream_kubeconfig.h"

#define PORT_COUNT 16
#define PORT_FIRST 20000
#define PORT_SPAN 12000 /* below Linux' range for outgoing connections, which begins at 32768 */
#define GRACE_MS 2000

extern char **environ;

struct loopback {
    struct loop *loop;
    const char *session, *directory; /* borrowed from `config` */
    json_object *config;             /* owned */
    char *actor, *store_name;
    struct kubeconfig kubeconfig;
    const struct kubeconfig_context *context; /* NULL: none chosen */
    const struct kubeconfig_cluster *home;    /* NULL: none */
    struct places places;
    struct keys keys;
    struct boot *boot;
    struct fingerprint_key fingerprint_key;
    unsigned char bearer_key[BEARER_KEY_BYTES];
    struct reserve *reserve;
    const struct store_type *store_type;
    struct store *store;
    struct uploader *uploader;
    struct loop_wake *wake;
    struct recorder *recorder;
    json_object *start; /* fields of session.start */
    struct journals *journals;
    struct commands *commands;
    struct upstream_kubeconfig *upstream;
    struct gateway *gateway;
    struct control *control;

    char *reason;
    uint64_t refused, cut_off;
    uint64_t running; /* commands that had not ended when CMD had */
    void (*done)(void *context, json_object *report);
    void *done_context;
};

static void on_wake(void *context)
{
    struct loopback *loopback = context;

    if (loopback->recorder)
        recorder_dispatch(loopback->recorder);
}

static void wake_loop(void *context)
{
    struct loopback *loopback = context;

    loop_wake_signal(loopback->wake);
}

/* --- Start: what is read, then what is opened, then what is reachable. */

static int read_kubeconfig(struct loopback *loopback, struct error *err)
{
    const char *chosen = jsondoc_string(loopback->config, "/context");

    if (kubeconfig_load(&loopback->kubeconfig, jsondoc_string(loopback->config, "/kubeconfig"),
                        getenv("HOME"), err) < 0)
        return -1;
    if (!chosen && !loopback->kubeconfig.current_context)
        return 0; /* as kubectl: each command may name a context of its own */
    loopback->context = kubeconfig_choose(&loopback->kubeconfig, chosen, err);
    if (!loopback->context)
        return -1;
    loopback->home = kubeconfig_find_cluster(&loopback->kubeconfig, loopback->context->cluster);
    return 0;
}

static int open_places(struct loopback *loopback, struct error *err)
{
    const char *url = jsondoc_string(loopback->config, "/store");
    scoped(free_text) char *reserve_path = NULL;

    if (places_find(&loopback->places, err) < 0 || places_make(&loopback->places, err) < 0 ||
        keys_load(&loopback->keys, loopback->places.keys, loopback->places.trust, err) < 0)
        return -1;
    loopback->store_name = xstrdup(url ? url : loopback->places.store);
    loopback->store = stores_open(loopback->store_name, &loopback->store_type, err);
    if (!loopback->store)
        return -1;
    loopback->boot = boot_new(loopback->keys.root, loopback->keys.gateway, err);
    if (!loopback->boot)
        return -1;
    reserve_path = xasprintf("%s/.reserve-%s", loopback->places.spool, loopback->session);
    loopback->reserve = reserve_new(&medium_posix, reserve_path);
    if (reserve_fill(loopback->reserve, err) < 0)
        return error_wrap(err, "cannot record");
    fingerprint_key_set(&loopback->fingerprint_key, loopback->keys.fingerprint);
    random_bytes(loopback->bearer_key, sizeof loopback->bearer_key);
    return 0;
}

static int open_recorder(struct loopback *loopback, struct error *err)
{
    loopback->uploader = uploader_start(loopback->store_type, loopback->store, err);
    if (!loopback->uploader)
        return -1;
    loopback->wake = loop_wake_new(loopback->loop, on_wake, loopback);
    loopback->recorder = recorder_start(
        &(struct recorder_config){.wake = wake_loop,
                                  .context = loopback,
                                  .loop = loopback->loop,
                                  .is_strict = jsondoc_bool(loopback->config, "/strict", false),
                                  .fingerprint_key = &loopback->fingerprint_key},
        err);
    if (!loopback->recorder)
        return -1;
    loopback->start =
        session_start_describe(loopback->config, loopback->store_name, loopback->kubeconfig.files);
    loopback->journals = journals_new(&(struct journals_config){
        .session = loopback->session,
        .kubeconfig = &loopback->kubeconfig,
        .home = loopback->home,
        .boot = loopback->boot,
        .spool_directory = loopback->places.spool,
        .reserve = loopback->reserve,
        .uploader = loopback->uploader,
        .recorder = loopback->recorder,
        .start = loopback->start,
        .ship_every_us = jsondoc_int(loopback->config, "/shipEveryS", 0) * 1000000,
    });
    loopback->commands = commands_new(loop_uv(loopback->loop), journals_home(loopback->journals));
    return 0;
}

struct first_commit {
    struct loop *loop;
    bool is_done, is_lost;
};

static void on_first_commit(void *context, bool lost)
{
    struct first_commit *first = context;

    first->is_done = true;
    first->is_lost = lost;
    loop_stop(first->loop);
}

/* A loop with nothing but a wake-up in it would return at once, for ever, and never be woken. */
static void keep_waiting(void *context)
{
    loop_timer_again(*(struct loop_timer **)context, 1000);
}

/* Nothing is told to anyone before session.start is on disk. */
static int wait_for_start(struct loopback *loopback, struct error *err)
{
    struct first_commit first = {.loop = loopback->loop};
    struct recording *home = journals_home(loopback->journals);
    struct loop_timer *waiting = NULL;

    recorder_when_durable(home, RECORDING_FIRST, on_first_commit, &first);
    waiting = loop_timer_start(loopback->loop, 1000, keep_waiting, &waiting);
    while (!first.is_done)
        uv_run(loop_uv(loopback->loop), UV_RUN_ONCE);
    loop_timer_stop(&waiting);
    if (!first.is_lost)
        return 0;
    struct error problem = {0};

    recording_problem(home, &problem);
    error_set(err, ERROR_STORAGE, "cannot record: %s", problem.text);
    return error_fix(err, "free space, or set XDG_STATE_HOME to where there is some");
}

static bool is_command_open(void *context, struct str invocation)
{
    struct loopback *loopback = context;

    return commands_is_open(loopback->commands, invocation);
}

static struct recording *recording_for(void *context, struct str cluster_id)
{
    struct loopback *loopback = context;

    return journals_for(loopback->journals, cluster_id);
}

/* Derived from user, clusters and servers, so that kubectl's discovery cache, which is keyed by
 * host, port and path, stays warm from session to session and never mixes two clusters. */
static void derive_ports(const struct kubeconfig *kubeconfig, uint16_t ports[PORT_COUNT])
{
    scoped(buf_free) struct buf text = {0};
    unsigned char digest[SHA256_BYTES];

    buf_printf(&text, "%u\n", (unsigned)geteuid());
    for (size_t i = 0; i < kubeconfig->cluster_count; i++)
        buf_printf(&text, "%s %s\n", kubeconfig->clusters[i].id,
                   kubeconfig->clusters[i].server ? kubeconfig->clusters[i].server : "");
    sha256(buf_str(&text), digest);
    for (size_t i = 0; i < PORT_COUNT; i++)
        ports[i] = (uint16_t)(PORT_FIRST + (digest[2 * i] << 8 | digest[2 * i + 1]) % PORT_SPAN);
}

static int open_gateway(struct loopback *loopback, const struct cert *cert, struct error *err)
{
    uint16_t ports[PORT_COUNT];
    struct gateway_config config = {
        .loop = loopback->loop,
        .recorder = loopback->recorder,
        .session = loopback->session,
        .is_strict = jsondoc_bool(loopback->config, "/strict", false),
        .certificate_pem = cert->cert_pem,
        .key_pem = cert->key_pem,
        .ports = ports,
        .port_count = PORT_COUNT,
        .upstream = &upstream_kubeconfig_type,
        .is_command_open = is_command_open,
        .recording_for = recording_for,
        .context = loopback,
    };

    derive_ports(&loopback->kubeconfig, ports);
    memcpy(config.bearer_key, loopback->bearer_key, sizeof config.bearer_key);
    loopback->upstream = upstream_kubeconfig_new(&(struct upstream_kubeconfig_config){
        .loop = loopback->loop,
        .kubeconfig = &loopback->kubeconfig,
        .environment = environ, /* exec starts this process before it sets that of CMD */
        .session = loopback->session,
    });
    config.upstream_self = loopback->upstream;
    loopback->gateway = gateway_start(&config, err);
    return loopback->gateway ? 0 : -1;
}

/* Under no command: it is the same for all that CMD starts. */
static char *make_bearer(void *context, unsigned user)
{
    const struct loopback *loopback = context;

    return bearer_make(loopback->bearer_key, loopback->session, user, STR(""));
}

static int publish(struct loopback *loopback, const char *ca_pem, struct error *err)
{
    bool is_by_token = jsondoc_bool(loopback->config, "/authToken", false);
    scoped(free_text) char *url =
        xasprintf("https://127.0.0.1:%u", (unsigned)gateway_port(loopback->gateway));

    return session_files_write(loopback->directory, &loopback->kubeconfig,
                               &(struct kubeconfig_private){
                                   .base_url = url,
                                   .ca_pem = ca_pem,
                                   .binary = jsondoc_string(loopback->config, "/binary"),
                                   .session_dir = loopback->directory,
                                   .context = jsondoc_string(loopback->config, "/context"),
                                   .namespace = jsondoc_string(loopback->config, "/namespace"),
                                   .bearer = is_by_token ? make_bearer : NULL,
                                   .bearer_context = loopback,
                               },
                               err);
}

static void answer_bearer(struct loopback *loopback, struct control_request *request,
                          json_object *message)
{
    int64_t user = jsondoc_int(message, "/user", -1);
    const char *invocation = jsondoc_string(message, "/invocation");
    json_object *answer = json_object_new_object();
    struct error err = {0};

    if (user < 0 || (size_t)user > loopback->kubeconfig.user_count) { /* that many: nobody */
        error_set(&err, ERROR_CONFIG, "credential: no such user in this session");
        json_object_put(answer);
        control_refuse(request, &err);
        return;
    }
    /* What is no open command of ours would be recorded unlinked anyway. */
    if (!invocation || !commands_is_open(loopback->commands, str_from(invocation)))
        invocation = NULL;
    scoped(secret_free) char *bearer =
        bearer_make(loopback->bearer_key, loopback->session, (unsigned)user, str_from(invocation));

    jsondoc_put_string(answer, "token", bearer);
    control_answer(request, answer);
}

static void on_control(struct control_request *request, json_object *message, void *context)
{
    struct loopback *loopback = context;
    const char *op = jsondoc_string(message, "/op");
    struct error err = {0};

    if (op && strcmp(op, "command.start") == 0)
        commands_start(loopback->commands, request, message);
    else if (op && strcmp(op, "command.exit") == 0)
        commands_exit(loopback->commands, request, message);
    else if (op && strcmp(op, "bearer") == 0)
        answer_bearer(loopback, request, message);
    else {
        error_set(&err, ERROR_PROTOCOL, "session process: unknown request");
        control_refuse(request, &err);
    }
}

static int start(struct loopback *loopback, struct error *err)
{
    scoped(cert_ca_free) struct cert_ca *ca = NULL;
    scoped(cert_free) struct cert cert = {0};
    const struct cert_request wanted = {
        .use = CERT_SERVER, .common_name = "kubectl-hoop gateway", .names = cert_loopback_names};

    if (read_kubeconfig(loopback, err) < 0 || open_places(loopback, err) < 0 ||
        open_recorder(loopback, err) < 0 || wait_for_start(loopback, err) < 0)
        return -1;
    ca = cert_make_ca("kubectl-hoop session CA", clock_now().unix_us / 1000000, err);
    if (!ca || cert_issue(&cert, ca, &wanted, err) < 0 || open_gateway(loopback, &cert, err) < 0 ||
        publish(loopback, cert_ca_pem(ca), err) < 0)
        return -1;
    scoped(free_text) char *socket = session_dir_path(loopback->directory, "socket");

    loopback->control = control_start(loop_uv(loopback->loop), socket, on_control, loopback, err);
    return loopback->control ? 0 : -1;
}

struct loopback *loopback_start(struct loop *loop, json_object *config, struct error *err)
{
    struct loopback *loopback = xcalloc(1, sizeof *loopback);

    loopback->loop = loop;
    loopback->config = json_object_get(config);
    loopback->session = jsondoc_string(config, "/session");
    loopback->directory = jsondoc_string(config, "/directory");
    loopback->actor = session_start_actor();
    if (!loopback->session || !loopback->directory || !jsondoc_string(config, "/binary")) {
        error_set(err, ERROR_PROTOCOL, "session process: incomplete description of the session");
        loopback_free(&loopback);
        return NULL;
    }
    if (start(loopback, err) < 0) {
        reserve_free(&loopback->reserve);
        return NULL;
    }
    return loopback;
}

json_object *loopback_describe(const struct loopback *loopback)
{
    json_object *described = json_object_new_object();

    jsondoc_put_string(described, "actor", loopback->actor);
    jsondoc_put_string(described, "cluster", loopback->home ? loopback->home->name : "none");
    jsondoc_put_string(described, "store", loopback->store_name);
    if (loopback->keys.was_made) {
        jsondoc_put_string(described, "keys", root_key_id(loopback->keys.root));
        jsondoc_put_string(described, "trust", loopback->keys.trust_path);
    }
    return described;
}

/* --- End. */

static json_object *report(struct loopback *loopback, const char *expect)
{
    json_object *told = json_object_new_object();
    struct recording_counts counts = journals_counts(loopback->journals);
    struct error err = {0};
    bool is_stored = uploader_flush(loopback->uploader, &err) == 0;

    jsondoc_put_string(told, "actor", loopback->actor);
    jsondoc_put_int(told, "commands", (int64_t)counts.commands);
    jsondoc_put_int(told, "requests", (int64_t)counts.requests);
    jsondoc_put_int(told, "secretsWithheld", (int64_t)counts.secrets_withheld);
    jsondoc_put_int(told, "outside", (int64_t)commands_counts(loopback->commands).outside);
    jsondoc_put_int(told, "refused", (int64_t)loopback->refused);
    jsondoc_put_int(told, "cutOff", (int64_t)loopback->cut_off);
    jsondoc_put_int(told, "running", (int64_t)loopback->running);
    jsondoc_put_string(told, "state",
                       !expect     ? "NOT SEALED"
                       : is_stored ? "sealed"
                                   : "sealed, not yet in the store");
    jsondoc_put_bool(told, "complete", expect && is_stored);
    jsondoc_put_string(told, "expect", expect);
    if (!is_stored)
        jsondoc_put_string(told, "problem", err.text);
    return told;
}

static void on_journals_closed(void *context, const char *expect)
{
    struct loopback *loopback = context;
    scoped(jsondoc_free) json_object *told = report(loopback, expect);

    loopback->done(loopback->done_context, told);
}

static void on_drained(void *context)
{
    struct loopback *loopback = context;
    json_object *end = json_object_new_object();

    control_stop(&loopback->control);
    loopback->refused = gateway_counts(loopback->gateway).refused_unrecorded;
    loopback->cut_off = gateway_counts(loopback->gateway).cut_off;
    gateway_free(&loopback->gateway); /* before the recordings that it points to */
    jsondoc_put_string(end, "cause", loopback->reason);
    jsondoc_put_int(end, "outside", (int64_t)commands_counts(loopback->commands).outside);
    journals_close(loopback->journals, "end", end, on_journals_closed, loopback);
}

void loopback_end(struct loopback *loopback, const char *reason,
                  void (*done)(void *context, json_object *report), void *context)
{
    loopback->reason = xstrdup(reason);
    loopback->running = commands_counts(loopback->commands).open;
    loopback->done = done;
    loopback->done_context = context;
    gateway_drain(loopback->gateway, GRACE_MS, on_drained, loopback);
}

void loopback_free(struct loopback **owner)
{
    struct loopback *loopback = *owner;

    *owner = NULL;
    if (!loopback)
        return;
    gateway_free(&loopback->gateway);
    control_stop(&loopback->control);
    upstream_kubeconfig_free(&loopback->upstream);
    commands_free(&loopback->commands);
    journals_free(&loopback->journals);
    recorder_stop(&loopback->recorder);
    loop_wake_free(&loopback->wake);
    uploader_stop(&loopback->uploader);
    if (loopback->store)
        loopback->store_type->close(&loopback->store);
    reserve_free(&loopback->reserve);
    boot_free(&loopback->boot);
    keys_free(&loopback->keys);
    fingerprint_key_wipe(&loopback->fingerprint_key);
    secret_wipe(loopback->bearer_key, sizeof loopback->bearer_key);
    places_free(&loopback->places);
    kubeconfig_free(&loopback->kubeconfig);
    jsondoc_free(&loopback->start);
    jsondoc_free(&loopback->config);
    free(loopback->actor);
    free(loopback->store_name);
    free(loopback->reason);
    free(loopback);
}
