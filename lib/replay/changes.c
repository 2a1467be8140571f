#include "replay/changes.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "replay/bodies.h"

#define BODY_BYTES ((size_t)8 << 20)

/* An object that the session writes, as it was last seen. */
struct state {
    json_object *value; /* owned; NULL: not yet, or gone */
    uint32_t request;   /* whose answer it was */
};

struct changes {
    const struct timeline *timeline;
    enum diff_noise noise;
    struct bodies *bodies;
    json_object *written; /* set: "journal/group/resource" and key_of() of each, with its state */
    struct state *states;
    size_t state_count;
    bool *wanted; /* by request index, like the next: is its answer looked at? */
    struct change **found;
};

static bool is_write(const struct replay_request *request)
{
    static const char *const verbs[] = {"create", "update", "patch"};

    for (size_t i = 0; request->verb && i < count_of(verbs); i++)
        if (strcmp(request->verb, verbs[i]) == 0)
            return true;
    return false;
}

static bool is_scale(const struct replay_request *request)
{
    return request->object.subresource && strcmp(request->object.subresource, "scale") == 0;
}

/* Is its answer the object itself, or its scale? Of other subresources only status is. */
static bool answers_object(const struct replay_request *request)
{
    const struct replay_object *object = &request->object;

    return object->resource && (!object->subresource || is_scale(request) ||
                                strcmp(object->subresource, "status") == 0);
}

static char *type_key(const struct replay_request *request)
{
    const struct replay_object *object = &request->object;

    return xasprintf("%u/%s/%s", request->journal, object->group ? object->group : "",
                     object->resource);
}

static char *key_of(const struct replay_request *request, const char *namespace_name,
                    const char *name)
{
    scoped(free_text) char *type = type_key(request);

    return xasprintf("%s/%s/%s", type, namespace_name ? namespace_name : "", name);
}

static bool is_known_key(const struct changes *changes, const char *key)
{
    return json_object_object_get_ex(changes->written, key, NULL);
}

static void remember_key(struct changes *changes, const char *key)
{
    if (is_known_key(changes, key))
        return;
    struct state *state = &changes->states[changes->state_count];
    *state = (struct state){0};
    jsondoc_put_int(changes->written, key, (int64_t)changes->state_count++);
}

static struct state *state_of(struct changes *changes, const char *key)
{
    json_object *at = NULL;

    if (!json_object_object_get_ex(changes->written, key, &at))
        return NULL;
    return &changes->states[json_object_get_int64(at)];
}

static bool answers_what_is_written(const struct changes *changes,
                                    const struct replay_request *request)
{
    const struct replay_object *object = &request->object;

    if (!answers_object(request) || request->code < 200 || request->code > 299)
        return false;
    if (request->verb && strcmp(request->verb, "watch") == 0)
        return false;
    /* a list, and what is created, has its name in the answer */
    scoped(free_text) char *key =
        object->name ? key_of(request, object->namespace_name, object->name) : type_key(request);
    return is_known_key(changes, key);
}

static bool is_wanted(void *context, const struct replay_request *request)
{
    const struct changes *changes = context;

    return changes->wanted[request - changes->timeline->requests];
}

struct changes *changes_new(const struct timeline *timeline, enum diff_noise noise)
{
    struct changes *changes = xcalloc(1, sizeof *changes);

    *changes = (struct changes){
        .timeline = timeline,
        .noise = noise,
        .written = json_object_new_object(),
        .states = xcalloc(2 * timeline->request_count + 1, sizeof(struct state)),
        .wanted = xcalloc(timeline->request_count + 1, sizeof(bool)),
        .found = xcalloc(timeline->request_count + 1, sizeof(struct change *)),
    };
    for (size_t i = 0; i < timeline->request_count; i++) {
        const struct replay_request *request = &timeline->requests[i];
        if (!is_write(request) || !answers_object(request) || !request->object.name)
            continue;
        scoped(free_text) char *type = type_key(request);
        scoped(free_text) char *key =
            key_of(request, request->object.namespace_name, request->object.name);
        remember_key(changes, type);
        remember_key(changes, key);
    }
    for (size_t i = 0; i < timeline->request_count; i++)
        changes->wanted[i] = answers_what_is_written(changes, &timeline->requests[i]);
    changes->bodies = bodies_new_for(timeline, is_wanted, changes, BODY_BYTES, CHANGES_BYTES);
    return changes;
}

bool changes_are_possible(const struct changes *changes)
{
    return changes->state_count > 0;
}

/* The answer, when all of it was recorded and it is JSON; the caller owns it. */
static json_object *answer_of(const struct exchange_view *view)
{
    const struct body *body = &view->body[SIDE_RESPONSE];
    struct error err = {0};

    for (size_t i = 0; i < body->count; i++)
        if (body->pieces[i].kind != PIECE_BYTES)
            return NULL;
    return body->count ? jsondoc_parse(buf_str(&body->bytes), &err) : NULL;
}

static void keep_state(struct state *state, json_object *value, uint32_t number)
{
    json_object_put(state->value);
    state->value = json_object_get(value);
    state->request = number;
}

/* `before` is of the same kind as `after`, but came perhaps out of a list, without its kind. */
static void compare(struct changes *changes, const struct replay_request *request,
                    json_object *before, uint32_t before_number, json_object *after)
{
    struct change *change = xcalloc(1, sizeof *change);

    change->before = before_number;
    change->is_dry_run = request->uri && strstr(request->uri, "dryRun=") != NULL;
    diff_objects(&change->diff, before, after, changes->noise);
    changes->found[request - changes->timeline->requests] = change;
}

static json_object *scale_of(json_object *object)
{
    json_object *spec = json_object_new_object();
    json_object *replicas = jsondoc_at(object, "/spec/replicas");
    json_object *scale = json_object_new_object();

    if (replicas)
        jsondoc_put_adopt(spec, "replicas", json_object_get(replicas));
    jsondoc_put_adopt(scale, "spec", spec);
    return scale;
}

/* A scale is one number of the object, and changes it. */
static void see_scale(struct changes *changes, const struct replay_request *request,
                      struct state *state, json_object *answer)
{
    if (!is_write(request) || !state->value)
        return;
    scoped(jsondoc_free) json_object *before = scale_of(state->value);
    scoped(jsondoc_free) json_object *after = scale_of(answer);
    compare(changes, request, before, state->request, after);
    json_object *spec = jsondoc_at(state->value, "/spec");
    json_object *replicas = jsondoc_at(answer, "/spec/replicas");
    if (!json_object_is_type(spec, json_type_object) || !replicas)
        return;
    jsondoc_put_adopt(spec, "replicas", json_object_get(replicas));
    state->request = request->number;
}

/* What a list leaves out of its items. */
static void add_kind(json_object *item, json_object *from)
{
    static const char *const keys[] = {"apiVersion", "kind"};

    for (size_t i = 0; i < count_of(keys); i++) {
        json_object *value = NULL;
        if (!json_object_object_get_ex(item, keys[i], NULL) &&
            json_object_object_get_ex(from, keys[i], &value))
            jsondoc_put_adopt(item, keys[i], json_object_get(value));
    }
}

static void see_object(struct changes *changes, const struct replay_request *request,
                       struct state *state, json_object *answer)
{
    if (is_scale(request)) {
        see_scale(changes, request, state, answer);
        return;
    }
    if (is_write(request) && state->value) {
        add_kind(state->value, answer);
        compare(changes, request, state->value, state->request, answer);
    }
    const struct change *change = changes->found[request - changes->timeline->requests];
    if (!change || !change->is_dry_run)
        keep_state(state, answer, request->number);
}

static struct state *state_named(struct changes *changes, const struct replay_request *request,
                                 json_object *object)
{
    const char *name = jsondoc_string(object, "/metadata/name");
    scoped(free_text) char *key =
        name ? key_of(request, jsondoc_string(object, "/metadata/namespace"), name) : NULL;

    return key ? state_of(changes, key) : NULL;
}

static void see_list(struct changes *changes, const struct replay_request *request,
                     json_object *list)
{
    size_t count = jsondoc_count(list, "/items");
    json_object *items = jsondoc_at(list, "/items");

    for (size_t i = 0; i < count; i++) {
        json_object *item = json_object_array_get_idx(items, i);
        struct state *state = state_named(changes, request, item);
        if (state)
            keep_state(state, item, request->number);
    }
}

/* Tables and metadata alone (what `kubectl get` asks for) are not the object. */
static bool is_partial(json_object *answer)
{
    const char *version = jsondoc_string(answer, "/apiVersion");
    const char *kind = jsondoc_string(answer, "/kind");

    return !kind || strcmp(kind, "Status") == 0 ||
           (version && strncmp(version, "meta.k8s.io/", 12) == 0);
}

static bool is_delete(const struct replay_request *request)
{
    return request->verb && strcmp(request->verb, "delete") == 0;
}

/* What is made under the same name later is another object. */
static void forget(struct changes *changes, const struct replay_request *request)
{
    const struct replay_object *object = &request->object;
    scoped(free_text) char *key =
        object->name ? key_of(request, object->namespace_name, object->name) : NULL;
    struct state *state = key ? state_of(changes, key) : NULL;

    if (state)
        keep_state(state, NULL, 0);
}

static void see(struct changes *changes, const struct replay_request *request, json_object *answer)
{
    const struct replay_object *object = &request->object;

    if (is_delete(request)) {
        forget(changes, request);
        return;
    }
    if (is_partial(answer))
        return;
    if (jsondoc_at(answer, "/items")) {
        see_list(changes, request, answer);
        return;
    }
    scoped(free_text) char *key =
        object->name ? key_of(request, object->namespace_name, object->name) : NULL;
    struct state *state =
        key ? state_of(changes, key) : state_named(changes, request, answer); /* created */
    if (state)
        see_object(changes, request, state, answer);
}

void changes_add(struct changes *changes, unsigned journal, struct str line)
{
    const struct replay_request *request = bodies_add(changes->bodies, journal, line);

    if (!request)
        return;
    scoped(jsondoc_free) json_object *answer = answer_of(bodies_of(changes->bodies, request));
    if (answer)
        see(changes, request, answer);
    bodies_drop(changes->bodies, request);
}

const struct change *changes_of(const struct changes *changes, const struct replay_request *request)
{
    return changes ? changes->found[request - changes->timeline->requests] : NULL;
}

void changes_free(struct changes **changes)
{
    struct changes *it = *changes;

    if (!it)
        return;
    for (size_t i = 0; i < it->timeline->request_count; i++) {
        if (!it->found[i])
            continue;
        diff_free(&it->found[i]->diff);
        free(it->found[i]);
    }
    for (size_t i = 0; i < it->state_count; i++)
        json_object_put(it->states[i].value);
    bodies_free(&it->bodies);
    jsondoc_free(&it->written);
    free(it->states);
    free(it->wanted);
    free(it->found);
    free(it);
    *changes = NULL;
}
