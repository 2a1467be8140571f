#include "replay/filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/utf8.h"

/* What `kubectl api-resources` lists for the types that every cluster has. */
static const struct {
    const char *shorter, *resource;
} short_names[] = {
    {"cm", "configmaps"},
    {"cj", "cronjobs"},
    {"crd", "customresourcedefinitions"},
    {"crds", "customresourcedefinitions"},
    {"cs", "componentstatuses"},
    {"csr", "certificatesigningrequests"},
    {"deploy", "deployments"},
    {"ds", "daemonsets"},
    {"ep", "endpoints"},
    {"ev", "events"},
    {"hpa", "horizontalpodautoscalers"},
    {"ing", "ingresses"},
    {"limits", "limitranges"},
    {"netpol", "networkpolicies"},
    {"no", "nodes"},
    {"ns", "namespaces"},
    {"pc", "priorityclasses"},
    {"pdb", "poddisruptionbudgets"},
    {"po", "pods"},
    {"pv", "persistentvolumes"},
    {"pvc", "persistentvolumeclaims"},
    {"quota", "resourcequotas"},
    {"rc", "replicationcontrollers"},
    {"rs", "replicasets"},
    {"sa", "serviceaccounts"},
    {"sc", "storageclasses"},
    {"sts", "statefulsets"},
    {"svc", "services"},
};

/* ---- what was typed ---- */

static int refuse(struct str item, const char *what, const char *fix, struct error *err)
{
    scoped(buf_free) struct buf shown = {0};

    utf8_append_safe(&shown, str_first(item, 60));
    error_set(err, ERROR_USAGE, "'%.*s' is no %s", STR_ARG(buf_str(&shown)), what);
    return error_fix(err, "%s", fix);
}

static int add_words(struct filter_words *words, struct str text, const char *what, const char *fix,
                     struct error *err)
{
    for (struct str rest = text; rest.data;) {
        struct str item = str_split(&rest, ',');
        if (!item.len)
            return refuse(text, what, fix, err);
        words->items = xreallocarray(words->items, words->count + 1, sizeof *words->items);
        words->items[words->count++] = item;
    }
    return 0;
}

int filter_add_verbs(struct replay_filter *filter, struct str text, struct error *err)
{
    return add_words(&filter->verbs, text, "list of verbs", "such as get, or create,patch,delete",
                     err);
}

int filter_add_resources(struct replay_filter *filter, struct str text, struct error *err)
{
    return add_words(&filter->resources, text, "list of resources",
                     "such as pods, or deployments.apps,pods/exec", err);
}

int filter_add_namespaces(struct replay_filter *filter, struct str text, struct error *err)
{
    return add_words(&filter->namespaces, text, "list of namespaces", "such as shop, or shop,dev",
                     err);
}

static bool parse_code(struct str text, int *code)
{
    uint64_t number;

    if (text.len != 3 || !num_parse_u64(text, 999, &number) || number < 100)
        return false;
    *code = (int)number;
    return true;
}

static bool parse_status(struct str item, int *low, int *high)
{
    if (str_is(item, "none")) {
        *low = *high = 0;
        return true;
    }
    if (item.len == 3 && item.data[0] >= '1' && item.data[0] <= '9' &&
        str_equal_nocase(str_skip(item, 1), STR("xx"))) {
        *low = (item.data[0] - '0') * 100;
        *high = *low + 99;
        return true;
    }
    struct str rest = item;
    struct str first = str_split(&rest, '-');
    if (!parse_code(first, low))
        return false;
    *high = *low;
    return !rest.data || (parse_code(rest, high) && *high >= *low);
}

int filter_add_statuses(struct replay_filter *filter, struct str text, struct error *err)
{
    for (struct str rest = text; rest.data;) {
        struct str item = str_split(&rest, ',');
        size_t at = filter->status_count;
        if (at == FILTER_STATUS_MAX)
            return refuse(text, "short list of statuses", "give 16 at most", err);
        if (!parse_status(item, &filter->statuses[at].low, &filter->statuses[at].high))
            return refuse(item, "status", "such as 404, 4xx, 200-299, or none", err);
        filter->status_count++;
    }
    return 0;
}

/* ---- what is wanted ---- */

static bool is_singular(struct str typed, const char *plural)
{
    struct str whole = str_from(plural);

    if (!typed.len || !str_starts(whole, str_first(typed, typed.len - 1)))
        return false;
    struct str ending = str_skip(whole, typed.len);
    if (str_starts(whole, typed))
        return str_is(ending, "s") || str_is(ending, "es");
    return typed.data[typed.len - 1] == 'y' && whole.len == typed.len + 2 &&
           str_ends(whole, STR("ies")); /* policy, policies */
}

static bool names_type(struct str typed, const char *resource)
{
    if (str_equal_nocase(typed, str_from(resource)) || is_singular(typed, resource))
        return true;
    for (size_t i = 0; i < count_of(short_names); i++)
        if (str_is(typed, short_names[i].shorter))
            return strcmp(short_names[i].resource, resource) == 0;
    return false;
}

bool filter_names_resource(struct str typed, const char *resource, const char *group,
                           const char *subresource)
{
    struct str below = typed;
    struct str type = str_split(&below, '/');
    struct str in_group = type;
    struct str name = str_split(&in_group, '.');

    if (!resource || !names_type(name, resource))
        return false;
    if (in_group.data && !str_equal_nocase(in_group, str_from(group)))
        return false;
    return !below.data || (subresource && str_is(below, subresource));
}

static bool has_word(const struct filter_words *words, const char *text)
{
    for (size_t i = 0; i < words->count; i++)
        if (str_equal_nocase(words->items[i], str_from(text)))
            return true;
    return false;
}

static bool has_resource(const struct replay_filter *filter, const struct replay_request *request)
{
    const struct replay_object *object = &request->object;

    for (size_t i = 0; i < filter->resources.count; i++)
        if (filter_names_resource(filter->resources.items[i], object->resource, object->group,
                                  object->subresource))
            return true;
    return false;
}

static bool has_status(const struct replay_filter *filter, int code)
{
    for (size_t i = 0; i < filter->status_count; i++)
        if (code >= filter->statuses[i].low && code <= filter->statuses[i].high)
            return true;
    return false;
}

static bool is_in_time(const struct replay_filter *filter, int64_t at_us)
{
    return (!filter->since_us || at_us >= filter->since_us) &&
           (!filter->until_us || at_us < filter->until_us);
}

static bool is_command(const struct replay_filter *filter, const struct replay_group *group)
{
    scoped(buf_free) struct buf words = {.limit = (size_t)16 << 20};

    if (!filter->command)
        return true;
    for (size_t i = 0; i < group->argc; i++) {
        if (i)
            buf_append_char(&words, ' ');
        buf_append_text(&words, group->argv[i]);
    }
    return str_find(buf_str(&words), str_from(filter->command)) >= 0;
}

bool filter_needs_requests(const struct replay_filter *filter)
{
    return filter->verbs.count || filter->resources.count || filter->namespaces.count ||
           filter->status_count;
}

bool filter_is_set(const struct replay_filter *filter)
{
    return filter_needs_requests(filter) || filter->command || filter->since_us || filter->until_us;
}

static bool wants_by_itself(const struct replay_filter *filter,
                            const struct replay_request *request)
{
    if (filter->verbs.count && !has_word(&filter->verbs, request->verb) &&
        !has_word(&filter->verbs, request->method))
        return false;
    if (filter->resources.count && !has_resource(filter, request))
        return false;
    if (filter->namespaces.count && !has_word(&filter->namespaces, request->object.namespace_name))
        return false;
    if (filter->status_count && !has_status(filter, request->code))
        return false;
    return is_in_time(filter, request->order_us);
}

bool filter_wants_request(const struct replay_filter *filter, const struct timeline *timeline,
                          const struct replay_request *request)
{
    return wants_by_itself(filter, request) &&
           is_command(filter, &timeline->groups[request->group]);
}

bool filter_wants_group(const struct replay_filter *filter, const struct timeline *timeline,
                        const struct replay_group *group)
{
    if (!is_command(filter, group))
        return false;
    if (!filter_needs_requests(filter) && is_in_time(filter, group->order_us))
        return true;
    for (size_t i = 0; i < group->request_count; i++)
        if (wants_by_itself(filter, &timeline->requests[group->requests[i]]))
            return true;
    return false;
}

bool filter_wants_note(const struct replay_filter *filter, const struct timeline *timeline,
                       const struct replay_note *note)
{
    if (note->request >= 0)
        return filter_wants_request(filter, timeline, &timeline->requests[note->request]);
    if (note->group >= 0)
        return filter_wants_group(filter, timeline, &timeline->groups[note->group]);
    return !filter_needs_requests(filter) && !filter->command && is_in_time(filter, note->order_us);
}

size_t filter_count(const struct replay_filter *filter, const struct timeline *timeline)
{
    size_t count = 0;

    for (size_t i = 0; i < timeline->request_count; i++)
        count += filter_wants_request(filter, timeline, &timeline->requests[i]);
    return count;
}

void filter_free(struct replay_filter *filter)
{
    free(filter->verbs.items);
    free(filter->resources.items);
    free(filter->namespaces.items);
    *filter = (struct replay_filter){0};
}
