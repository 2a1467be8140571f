#include "replay/effects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"

static const struct {
    const char *name, *text;
} effects_known[EFFECT_COUNT] = {
    [EFFECT_SECRET_READ] = {"secretsRead", "Secrets read"},
    [EFFECT_SECRET_WRITTEN] = {"secretsWritten", "Secrets written"},
    [EFFECT_EXEC] = {"exec", "streams into containers"},
    [EFFECT_PROXY] = {"proxied", "calls through the API server's proxy"},
    [EFFECT_DELETE] = {"deletes", "deletes"},
    [EFFECT_RBAC] = {"rbacWrites", "roles or bindings written"},
    [EFFECT_CREDENTIAL] = {"credentials", "tokens or certificates obtained"},
    [EFFECT_IMPERSONATED] = {"impersonated", "calls as somebody else"},
    [EFFECT_REFUSED] = {"refused", "calls refused"},
    [EFFECT_FAILED] = {"failedCommands", "commands failed"},
    [EFFECT_OUTSIDE] = {"outside", "commands with another kubeconfig"},
    [EFFECT_UNLINKED] = {"unlinked", "calls that no command claims"},
    [EFFECT_REDACTED] = {"secretValues", "secret values left out"},
    [EFFECT_WITHHELD] = {"withheld", "bodies not recorded"},
    [EFFECT_UNFINISHED] = {"unfinished", "calls without an end"},
    [EFFECT_GAP] = {"gaps", "losses"},
    [EFFECT_DEGRADED] = {"degraded", "times recording was weakened"},
    [EFFECT_RECOVERED] = {"recovered", "times recovered after a crash"},
};

const char *effect_text(enum effect effect)
{
    return effects_known[effect].text;
}

const char *effect_name(enum effect effect)
{
    return effects_known[effect].name;
}

static void see(struct effects *effects, enum effect effect, uint64_t count, uint32_t number)
{
    struct effect_count *of = &effects->of[effect];

    if (!count)
        return;
    if (!of->count || number < of->first)
        of->first = number;
    of->count += count;
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (; text && *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static const char *const reads[] = {"get", "list", "watch", NULL};
static const char *const writes[] = {"create", "update",           "patch",
                                     "delete", "deletecollection", NULL};
static const char *const deletes[] = {"delete", "deletecollection", NULL};
static const char *const streams[] = {"exec", "attach", "portforward", NULL};
static const char *const roles[] = {"roles", "clusterroles", "rolebindings", "clusterrolebindings",
                                    NULL};

static bool has_succeeded(const struct replay_request *request)
{
    return request->code < 300; /* an upgrade is 101; without an answer it may have */
}

static bool is_credential(const struct replay_request *request)
{
    const struct replay_object *object = &request->object;

    if (!is_one_of(request->verb, (const char *const[]){"create", NULL}))
        return false;
    return is_one_of(object->subresource, (const char *const[]){"token", NULL}) ||
           is_one_of(object->resource, (const char *const[]){"certificatesigningrequests", NULL});
}

static void see_object(struct effects *effects, const struct replay_request *request)
{
    const struct replay_object *object = &request->object;
    uint32_t number = request->number;
    bool is_write = is_one_of(request->verb, writes);

    if (!object->resource)
        return;
    if (strcmp(object->resource, "secrets") == 0) {
        see(effects, EFFECT_SECRET_READ, is_one_of(request->verb, reads), number);
        see(effects, EFFECT_SECRET_WRITTEN, is_write, number);
    }
    if (object->subresource && is_one_of(object->subresource, streams))
        see(effects, EFFECT_EXEC, 1, number);
    if (object->subresource && strcmp(object->subresource, "proxy") == 0)
        see(effects, EFFECT_PROXY, 1, number);
    see(effects, EFFECT_DELETE, is_one_of(request->verb, deletes), number);
    see(effects, EFFECT_RBAC, is_write && is_one_of(object->resource, roles), number);
    see(effects, EFFECT_CREDENTIAL, is_credential(request), number);
}

static void see_flow(struct effects *effects, const struct replay_flow *flow, uint32_t number)
{
    see(effects, EFFECT_REDACTED, flow->redacted, number);
    see(effects, EFFECT_WITHHELD, flow->withheld > 0, number);
}

static void increment(json_object *counts, const char *name)
{
    json_object *count = NULL;

    if (json_object_object_get_ex(counts, name, &count))
        json_object_set_int64(count, json_object_get_int64(count) + 1);
    else
        jsondoc_put_int(counts, name, 1);
}

static void count_request(struct effects *effects, const struct replay_request *request)
{
    const struct replay_object *object = &request->object;
    char status[16] = "-";
    scoped(free_text) char *resource =
        object->resource
            ? xasprintf("%s%s%s%s%s", object->resource, object->group ? "." : "",
                        object->group ? object->group : "", object->subresource ? "/" : "",
                        object->subresource ? object->subresource : "")
            : NULL;

    if (request->code)
        snprintf(status, sizeof status, "%d", request->code);
    increment(effects->verbs, request->verb ? request->verb : "-");
    increment(effects->resources, resource ? resource : "-");
    increment(effects->statuses, status);
    if (request->response.received > 0)
        effects->response_bytes += (uint64_t)request->response.received;
}

static void see_request(struct effects *effects, const struct timeline *timeline,
                        const struct replay_request *request)
{
    bool is_refused = request->code == 401 || request->code == 403 ||
                      (request->outcome && strcmp(request->outcome, "refused") == 0);
    uint32_t number = request->number;

    count_request(effects, request);
    if (has_succeeded(request))
        see_object(effects, request);
    see(effects, EFFECT_IMPERSONATED, request->is_impersonated, number);
    see(effects, EFFECT_REFUSED, is_refused, number);
    see(effects, EFFECT_UNLINKED, timeline->groups[request->group].kind != GROUP_COMMAND, number);
    see(effects, EFFECT_UNFINISHED, request->stage != STAGE_COMPLETE, number);
    see_flow(effects, &request->request, number);
    see_flow(effects, &request->response, number);
}

static void see_command(struct effects *effects, const struct replay_group *group)
{
    if (group->kind != GROUP_COMMAND)
        return;
    effects->commands++;
    see(effects, EFFECT_FAILED, group->has_exit && (group->code || group->signal), group->number);
    see(effects, EFFECT_OUTSIDE, group->is_outside, group->number);
}

static void see_note(struct effects *effects, const struct replay_note *note)
{
    static const struct {
        const char *type;
        enum effect effect;
    } types[] = {
        {"gap", EFFECT_GAP},
        {"degraded", EFFECT_DEGRADED},
        {"recovered", EFFECT_RECOVERED},
        {"credential.issued", EFFECT_CREDENTIAL},
    };

    for (size_t i = 0; i < count_of(types); i++)
        if (strcmp(note->type, types[i].type) == 0 && note->request < 0) /* else it is counted */
            see(effects, types[i].effect, 1, 0);
}

struct named_count {
    char *name;
    int64_t count;
};

static int compare_counts(const void *a, const void *b)
{
    const struct named_count *x = a, *y = b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* The same, the largest first. */
static json_object *sorted(json_object *counts)
{
    size_t count = (size_t)json_object_object_length(counts), i = 0;
    struct named_count *rows = xcalloc(count + 1, sizeof *rows);
    json_object *out = json_object_new_object();

    json_object_object_foreach(counts, name, value)
    {
        rows[i++] = (struct named_count){xstrdup(name), json_object_get_int64(value)};
    }
    qsort(rows, count, sizeof *rows, compare_counts);
    for (i = 0; i < count; i++) {
        jsondoc_put_int(out, rows[i].name, rows[i].count);
        free(rows[i].name);
    }
    free(rows);
    json_object_put(counts);
    return out;
}

void effects_read(struct effects *effects, const struct timeline *timeline)
{
    *effects = (struct effects){
        .verbs = json_object_new_object(),
        .resources = json_object_new_object(),
        .statuses = json_object_new_object(),
        .requests = timeline->request_count,
    };
    effects->of[EFFECT_FAILED].is_command = true;
    effects->of[EFFECT_OUTSIDE].is_command = true;
    for (size_t i = 0; i < timeline->request_count; i++)
        see_request(effects, timeline, &timeline->requests[i]);
    for (size_t i = 0; i < timeline->group_count; i++)
        see_command(effects, &timeline->groups[i]);
    for (size_t i = 0; i < timeline->note_count; i++)
        see_note(effects, &timeline->notes[i]);
    effects->verbs = sorted(effects->verbs);
    effects->resources = sorted(effects->resources);
    effects->statuses = sorted(effects->statuses);
}

void effects_free(struct effects *effects)
{
    jsondoc_free(&effects->verbs);
    jsondoc_free(&effects->resources);
    jsondoc_free(&effects->statuses);
}
