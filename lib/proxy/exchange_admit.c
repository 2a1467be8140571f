/* exchange_admit.c - who asks for what: bearer, cluster, fields, user. */

#include "base/alloc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "http/hop.h"
#include "kube/redact.h"
#include "proxy/gateway_inside.h"

#define WHOLE_BYTES_MAX ((size_t)256 << 10)

/* The first segment of the path names the cluster; the rest is the target, byte for byte. */
static struct str split_cluster(struct http_head *head)
{
    struct str rest = str_skip(head->target, 1);
    size_t len = 0;

    while (len < rest.len && rest.data[len] != '/' && rest.data[len] != '?')
        len++;
    struct str cluster = str_first(rest, len);

    rest = str_skip(rest, len);
    if (rest.len && rest.data[0] == '/') {
        head->target = rest;
    } else { /* "/cluster" and "/cluster?query" ask for its root */
        scoped(buf_free) struct buf target = {0};

        buf_append_char(&target, '/');
        buf_append_str(&target, rest);
        head->target = http_head_keep(head, buf_str(&target));
    }
    return cluster;
}

/* Fields that would say who asks: they are ours to say. */
static void strip_who(struct http_head *head)
{
    size_t kept = 0;

    http_head_remove(head, "Authorization");
    for (size_t i = 0; i < head->field_count; i++)
        if (!str_equal_nocase(str_first(head->fields[i].name, 9), STR("X-Remote-")))
            head->fields[kept++] = head->fields[i];
    head->field_count = kept;
}

/* A refusal is recorded where it happened: in the cluster's journal, or at home. */
static bool refuse(struct exchange *exchange, int code, const char *message)
{
    if (code == 400 && exchange->ops->distrust)
        exchange->ops->distrust(exchange->stream);
    exchange->outcome.outcome = OUTCOME_REFUSED;
    exchange->is_whole = true; /* of what is not forwarded, the body is not read */
    exchange_commit_request(exchange);
    exchange_answer(exchange, code, message);
    return false;
}

static bool check_bearer(struct exchange *exchange, struct error *err)
{
    struct gateway *gateway = exchange->gateway;
    scoped(secret_buf_free) struct buf subprotocol = {.limit = 4 * BEARER_BYTES_MAX};
    struct bearer bearer = {0};

    if (http_head_has(exchange->head, "Sec-WebSocket-Protocol") &&
        (!buf_reserve(&subprotocol, subprotocol.limit) ||
         bearer_take_subprotocol(exchange->head, &subprotocol, err) < 0))
        return false;
    struct str shown = http_head_has(exchange->head, "Authorization")
                           ? http_head_get(exchange->head, "Authorization")
                           : buf_str(&subprotocol);
    if (http_head_count(exchange->head, "Authorization") > 1 ||
        bearer_check_again(&gateway->bearer_memo, &bearer, shown, gateway->config.bearer_key,
                           gateway->session, err) < 0)
        return false;
    exchange->user = bearer.user;
    bool is_open = bearer.invocation.len && gateway->config.is_command_open &&
                   gateway->config.is_command_open(gateway->config.context, bearer.invocation);
    exchange->invocation = is_open ? str_dup(bearer.invocation) : xstrdup("");
    return true;
}

/* How the body will be handled: whole, at most body_bytes_max, or as it comes. */
static void plan_body(struct exchange *exchange, const struct exchange_request *request)
{
    struct str type = http_head_get(exchange->head, "Content-Type");
    bool needs_whole = redact_needs_whole(&exchange->info, type);

    exchange->has_body = request->has_body;
    exchange->whole.limit = needs_whole ? REDACT_WHOLE_MAX : WHOLE_BYTES_MAX;
    exchange->is_whole = !request->has_body || needs_whole ||
                         (request->is_length_known && request->length <= WHOLE_BYTES_MAX);
    /* A compressed body is never kept: a few bytes can be the beginning of a gigabyte. And who
     * expects 100 waits for upstream's word. */
    if (http_head_has(exchange->head, "Content-Encoding") ||
        http_head_has_token(exchange->head, "Expect", "100-continue"))
        exchange->is_whole = !request->has_body;
}

/* Its part of the budget of what is read whole, as much as it may become. Without room the body is
 * relayed as it comes, which needs no more than its window; false: it must be read whole. */
static bool reserve_whole(struct exchange *exchange, const struct exchange_request *request)
{
    size_t limit = exchange->whole.limit;
    size_t bytes = request->is_length_known ? min_of(request->length, (uint64_t)limit) : limit;

    if (!request->has_body || !exchange->is_whole)
        return true;
    if (gateway_reserve_whole(exchange->gateway, bytes)) {
        exchange->whole_bytes = bytes;
        return true;
    }
    exchange->is_whole = false;
    return limit == WHOLE_BYTES_MAX;
}

static bool admit_request(struct exchange *exchange, struct exchange_request *request)
{
    struct http_head *head = exchange->head;
    struct str upgrade = hop_upgrade(head);
    struct str audit_id = http_head_get(head, "Audit-ID");
    struct error err = {0};

    if (request->refused_status)
        return refuse(exchange, request->refused_status, request->problem);
    if (upgrade.len && request->has_body)
        return refuse(exchange, 400, "kubectl-hoop: a request with Upgrade has no body");
    if ((upgrade.len ? hop_strip_upgrade(head, &err) : hop_strip(head, &err)) < 0) {
        scoped(free_text) char *text = xasprintf("kubectl-hoop: %s", err.text);
        return refuse(exchange, 400, text);
    }
    if (upgrade.len)
        exchange->upgrade = str_dup(upgrade);
    if (audit_id.data)
        exchange->client_audit_id = str_dup(audit_id);
    plan_body(exchange, request);
    if (!reserve_whole(exchange, request))
        return refuse(exchange, 503,
                      "kubectl-hoop: too many requests whose body must be read whole are under "
                      "way: try again");
    exchange->upstream =
        gateway_upstream(exchange->gateway, str_from(exchange->cluster), exchange->user, &err);
    if (!exchange->upstream) {
        scoped(free_text) char *text =
            err.fix[0] ? xasprintf("kubectl-hoop: %s (fix: %s)", err.text, err.fix)
                       : xasprintf("kubectl-hoop: %s", err.text);
        return refuse(exchange, 503, text);
    }
    return true;
}

static bool answer_unrecordable(struct exchange *exchange)
{
    struct error problem = {0};

    recording_problem(exchange->recording, &problem);
    recorder_count_refused(exchange->recording);
    exchange->gateway->counts.refused_unrecorded++;
    exchange_answer_unrecorded(exchange, &problem);
    return false;
}

bool exchange_admit(struct exchange *exchange, struct exchange_request *request)
{
    struct gateway *gateway = exchange->gateway;
    const struct upstream_type *type = gateway->config.upstream;
    struct error err = {0};

    exchange->head = http_head_take(request->head);
    exchange->is_head = str_is(exchange->head->method, "HEAD");
    exchange->source_ip = xstrdup(request->peer);
    if (!check_bearer(exchange, &err)) {
        gateway->counts.unauthorized++;
        exchange_answer(exchange, 401, err.text);
        return false;
    }
    strip_who(exchange->head);
    struct str path = exchange->head->target, cluster = {0};
    if (path.len)
        cluster = split_cluster(exchange->head);
    bool is_known = cluster.len && type->has_cluster(gateway->config.upstream_self, cluster);
    exchange->cluster = is_known ? str_dup(cluster) : xstrdup("");
    exchange->recording = gateway_recording(gateway, str_from(exchange->cluster));
    exchange->request.recording = exchange->response.recording = exchange->recording;
    request_info_parse(&exchange->info, exchange->head->method, exchange->head->target);
    if (!exchange->info.is_resource)
        exchange->warning = STATUS_WITH_WARNING;
    exchange->is_long_running = exchange->info.is_long_running || exchange->info.is_watch;
    gateway->counts.requests++;
    if (recording_is_broken(exchange->recording))
        return answer_unrecordable(exchange);
    if (!is_known)
        exchange->head->target = path; /* as it came: there is nothing to strip */
    if (!is_known && !request->refused_status)
        return refuse(exchange, 404, "kubectl-hoop: the path names no cluster of this session");
    return admit_request(exchange, request);
}

static void ask_again(void *context)
{
    exchange_pump(context);
}

/* Connections that are made from now on show the identity that goes with the credential. */
static int follow_identity(struct exchange *exchange, struct error *err)
{
    const struct gateway_config *config = &exchange->gateway->config;
    scoped(upstream_target_free) struct upstream_target target = {0};

    if (upstream_target(exchange->upstream)->identity == exchange->credential.identity)
        return 0;
    if (config->upstream->resolve(config->upstream_self, str_from(exchange->cluster),
                                  exchange->user, &target, err) < 0)
        /* Files that are being replaced, one before the other: until then as before. */
        return exchange->credential.number ? -1 : 0;
    upstream_set_target(exchange->upstream, &target);
    return 0;
}

enum io exchange_authorize(struct exchange *exchange, struct error *err)
{
    const struct gateway_config *config = &exchange->gateway->config;

    exchange->credential_wait.run = ask_again;
    exchange->credential_wait.context = exchange;
    if (exchange->credential_wait.next) /* pumped for another reason */
        return IO_AGAIN;
    enum io status = config->upstream->authorize(config->upstream_self, str_from(exchange->cluster),
                                                 exchange->user, &exchange->credential,
                                                 &exchange->credential_wait, err);

    if (status != IO_OK)
        return status;
    if (exchange->credential.authorization.overflow)
        return error_set(err, ERROR_CONFIG, "the credential is longer than a field may be");
    if (follow_identity(exchange, err) < 0)
        return IO_FAILED;
    exchange->has_credential = true;
    return IO_OK;
}

void exchange_credential_refused(struct exchange *exchange)
{
    const struct gateway_config *config = &exchange->gateway->config;

    if (exchange->credential.number && config->upstream->refused)
        config->upstream->refused(config->upstream_self, str_from(exchange->cluster),
                                  exchange->user, exchange->credential.number);
}
