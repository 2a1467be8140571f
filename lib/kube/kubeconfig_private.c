/* The kubeconfig of a session. Written as JSON: no word in it can be taken for a number or a yes.
 */
#include "base/encode.h"
#include "base/jsondoc.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "kube/kubeconfig.h"

/* No id looks like this: where one begins with a dash, eight hex digits follow. */
#define NO_ID "-missing"

static json_object *add_named(json_object *list, const char *name, const char *what)
{
    json_object *entry = json_object_new_object();

    json_object_array_add(list, entry);
    jsondoc_put_string(entry, "name", name);
    return jsondoc_put_adopt(entry, what, json_object_new_object());
}

/* Written by others for others: k9s, minikube, Lens. */
static void put_extensions(json_object *parent, const char *extensions)
{
    struct error ignored = {0};

    if (extensions)
        jsondoc_put_adopt(parent, "extensions", jsondoc_parse(str_from(extensions), &ignored));
}

/* NULL: a cluster that is not there; only its name stands in contexts. */
static void put_cluster(json_object *list, const char *name, const char *id,
                        const struct kubeconfig_cluster *from,
                        const struct kubeconfig_private *with)
{
    json_object *cluster = add_named(list, name, "cluster");
    scoped(buf_free) struct buf server = {0};
    scoped(buf_free) struct buf ca = {0};

    buf_printf(&server, "%s/%s", with->base_url, id);
    encode_base64(&ca, str_from(with->ca_pem));
    jsondoc_put_str(cluster, "server", buf_str(&server));
    jsondoc_put_str(cluster, "certificate-authority-data", buf_str(&ca));
    if (from && from->has_no_compression)
        jsondoc_put_bool(cluster, "disable-compression", true);
    put_extensions(cluster, from ? from->extensions : NULL);
}

static void put_variable(json_object *env, const char *name, struct str value)
{
    json_object *variable = json_object_new_object();

    json_object_array_add(env, variable);
    jsondoc_put_string(variable, "name", name);
    jsondoc_put_str(variable, "value", value);
}

static void put_exec(json_object *user, size_t number, const struct kubeconfig_private *with)
{
    json_object *exec = jsondoc_put_adopt(user, "exec", json_object_new_object());
    json_object *args = json_object_new_array();
    json_object *env = json_object_new_array();
    scoped(buf_free) struct buf text = {0};

    jsondoc_put_string(exec, "apiVersion", "client.authentication.k8s.io/v1");
    jsondoc_put_string(exec, "command", with->binary);
    json_object_array_add(args, json_object_new_string("credential"));
    jsondoc_put_adopt(exec, "args", args);
    jsondoc_put_adopt(exec, "env", env);
    put_variable(env, "KHOOP_SESSION_DIR", str_from(with->session_dir));
    buf_printf(&text, "%zu", number);
    put_variable(env, "KHOOP_USER", buf_str(&text));
    jsondoc_put_string(exec, "interactiveMode", "Never");
    jsondoc_put_bool(exec, "provideClusterInfo", false);
}

static void put_texts(json_object *parent, const char *key, char *const *texts)
{
    if (!texts)
        return;
    json_object *list = jsondoc_put_adopt(parent, key, json_object_new_array());

    for (; *texts; texts++)
        json_object_array_add(list, json_object_new_string(*texts));
}

/* Whom the user acts as is sent by kubectl, and recorded. */
static void put_user(json_object *list, const struct kubeconfig_user *from, size_t number,
                     const struct kubeconfig_private *with)
{
    json_object *user = add_named(list, from->name, "user");

    if (with->bearer) {
        scoped(secret_free) char *bearer = with->bearer(with->bearer_context, (unsigned)number);

        jsondoc_put_string(user, "token", bearer);
    } else {
        put_exec(user, number, with);
    }
    jsondoc_put_string(user, "as", from->as);
    jsondoc_put_string(user, "as-uid", from->as_uid);
    put_texts(user, "as-groups", from->as_groups);
    put_extensions(user, from->extensions);
    if (from->as_extra_count == 0)
        return;
    json_object *extra = jsondoc_put_adopt(user, "as-user-extra", json_object_new_object());

    for (size_t i = 0; i < from->as_extra_count; i++)
        put_texts(extra, from->as_extra[i].key, from->as_extra[i].values);
}

static void put_context(json_object *list, const struct kubeconfig_context *from,
                        const char *namespace)
{
    json_object *context = add_named(list, from->name, "context");

    jsondoc_put_string(context, "cluster", from->cluster ? from->cluster : "");
    jsondoc_put_string(context, "user", from->user ? from->user : "");
    jsondoc_put_string(context, "namespace", namespace);
    put_extensions(context, from->extensions);
}

static bool has_entry(json_object *list, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (strcmp(jsondoc_string(json_object_array_get_idx(list, i), "/name"), name) == 0)
            return true;
    return false;
}

/* kubectl goes to localhost:8080, past the gateway, when a context, or the lack of one, gives it no
 * cluster; and it asks on the terminal for a password when there is no user. So what is missing
 * gets an entry: a cluster that the gateway does not know, and nobody. */
static void put_missing(json_object *clusters, json_object *users, const struct kubeconfig *config,
                        const char *cluster, const char *user,
                        const struct kubeconfig_private *with)
{
    const struct kubeconfig_user entry = {.name = (char *)(user ? user : "")};
    char id[KUBECONFIG_ID_BYTES_MAX + 1];

    kubeconfig_cluster_id(cluster ? cluster : "", id);
    if (!has_entry(clusters, cluster ? cluster : "")) /* its id may be another cluster's */
        put_cluster(clusters, cluster ? cluster : "",
                    kubeconfig_find_cluster_id(config, str_from(id)) ? NO_ID : id, NULL, with);
    if (!has_entry(users, entry.name))
        put_user(users, &entry, config->user_count, with);
}

void kubeconfig_write_private(struct buf *out, const struct kubeconfig *config,
                              const struct kubeconfig_private *with)
{
    scoped(jsondoc_free) json_object *root = json_object_new_object();
    json_object *clusters = json_object_new_array();
    json_object *users = json_object_new_array();
    json_object *contexts = json_object_new_array();
    const char *current = with->context ? with->context : config->current_context;

    jsondoc_put_string(root, "apiVersion", "v1");
    jsondoc_put_string(root, "kind", "Config");
    jsondoc_put_string(root, "current-context", current ? current : "");
    put_extensions(root, config->extensions);
    jsondoc_put_adopt(root, "clusters", clusters);
    jsondoc_put_adopt(root, "users", users);
    jsondoc_put_adopt(root, "contexts", contexts);
    for (size_t i = 0; i < config->cluster_count; i++)
        put_cluster(clusters, config->clusters[i].name, config->clusters[i].id,
                    &config->clusters[i], with);
    for (size_t i = 0; i < config->user_count; i++)
        put_user(users, &config->users[i], i, with);
    if (!current)
        put_missing(clusters, users, config, NULL, NULL, with);
    for (size_t i = 0; i < config->context_count; i++) {
        const struct kubeconfig_context *context = &config->contexts[i];
        bool is_chosen = with->namespace && current && strcmp(context->name, current) == 0;

        put_missing(clusters, users, config, context->cluster, context->user, with);
        put_context(contexts, context, is_chosen ? with->namespace : context->namespace);
    }
    jsondoc_write(out, root);
    buf_append_char(out, '\n');
}
