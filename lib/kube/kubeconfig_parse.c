/* One file of a kubeconfig: k8s.io/client-go/tools/clientcmd/api/v1/types.go, and how client-go
 * merges and resolves paths (clientcmd/loader.go). */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "kube/kubeconfig.h"
#include "kube/yaml_tree.h"

/* What one file may become in memory: aliases name the same text many times. */
#define COPIED_BYTES_MAX ((size_t)64 << 20)
#define EXTENSION_DEPTH_MAX 60 /* jsondoc_parse() reads 64 */

struct source {
    const char *path;
    struct str directory; /* of the file, with the slash; empty: relative to the working one */
    size_t copied;
};

enum field_kind { FIELD_TEXT, FIELD_PATH, FIELD_PEM, FIELD_BOOL };

struct field {
    const char *key;
    enum field_kind kind;
    size_t offset; /* of a char *, or a bool */
};

static const struct field cluster_fields[] = {
    {"server", FIELD_TEXT, offsetof(struct kubeconfig_cluster, server)},
    {"tls-server-name", FIELD_TEXT, offsetof(struct kubeconfig_cluster, tls_server_name)},
    {"insecure-skip-tls-verify", FIELD_BOOL, offsetof(struct kubeconfig_cluster, is_insecure)},
    {"certificate-authority", FIELD_PATH, offsetof(struct kubeconfig_cluster, ca_file)},
    {"certificate-authority-data", FIELD_PEM, offsetof(struct kubeconfig_cluster, ca_pem)},
    {"proxy-url", FIELD_TEXT, offsetof(struct kubeconfig_cluster, proxy_url)},
    {"disable-compression", FIELD_BOOL, offsetof(struct kubeconfig_cluster, has_no_compression)},
};

static const struct field user_fields[] = {
    {"client-certificate", FIELD_PATH, offsetof(struct kubeconfig_user, client_cert_file)},
    {"client-certificate-data", FIELD_PEM, offsetof(struct kubeconfig_user, client_cert_pem)},
    {"client-key", FIELD_PATH, offsetof(struct kubeconfig_user, client_key_file)},
    {"client-key-data", FIELD_PEM, offsetof(struct kubeconfig_user, client_key_pem)},
    {"token", FIELD_TEXT, offsetof(struct kubeconfig_user, token)},
    {"tokenFile", FIELD_PATH, offsetof(struct kubeconfig_user, token_file)},
    {"username", FIELD_TEXT, offsetof(struct kubeconfig_user, username)},
    {"password", FIELD_TEXT, offsetof(struct kubeconfig_user, password)},
    {"as", FIELD_TEXT, offsetof(struct kubeconfig_user, as)},
    {"as-uid", FIELD_TEXT, offsetof(struct kubeconfig_user, as_uid)},
};

static const struct field exec_fields[] = {
    {"apiVersion", FIELD_TEXT, offsetof(struct kubeconfig_exec, api_version)},
    {"installHint", FIELD_TEXT, offsetof(struct kubeconfig_exec, install_hint)},
    {"interactiveMode", FIELD_TEXT, offsetof(struct kubeconfig_exec, interactive_mode)},
    {"provideClusterInfo", FIELD_BOOL, offsetof(struct kubeconfig_exec, provides_cluster_info)},
};

static const struct field context_fields[] = {
    {"cluster", FIELD_TEXT, offsetof(struct kubeconfig_context, cluster)},
    {"user", FIELD_TEXT, offsetof(struct kubeconfig_context, user)},
    {"namespace", FIELD_TEXT, offsetof(struct kubeconfig_context, namespace)},
};

static int wrong_kind(const struct source *source, const struct yaml_node *node, const char *key,
                      const char *wanted, struct error *err)
{
    error_set(err, ERROR_CONFIG, "%s:%u: \"%s\" must be %s, not %s", source->path, node->line, key,
              wanted, yaml_kind_name(node->kind));
    if (node->kind == YAML_BOOL || node->kind == YAML_NUMBER)
        error_fix(err, "put it in quotes");
    return -1;
}

static int count_copy(struct source *source, size_t len, const struct yaml_node *node,
                      struct error *err)
{
    source->copied += len + 32;
    if (source->copied > COPIED_BYTES_MAX)
        return error_set(err, ERROR_CONFIG, "%s:%u: too large", source->path, node->line);
    return 0;
}

/* Absent or empty: NULL and success. */
static int read_text(struct source *source, const struct yaml_node *map, const char *key,
                     char **text, struct error *err)
{
    const struct yaml_node *node = yaml_get(map, key);

    if (!node)
        return 0;
    if (node->kind != YAML_TEXT)
        return wrong_kind(source, node, key, "text", err);
    if (count_copy(source, node->text.len, node, err) < 0)
        return -1;
    if (node->text.len > 0)
        *text = str_dup(node->text);
    return 0;
}

static char *resolve_path(const struct source *source, const char *path)
{
    if (path[0] == '/')
        return xstrdup(path);
    return xasprintf("%.*s%s", STR_ARG(source->directory), path);
}

static int read_path(struct source *source, const struct yaml_node *map, const char *key,
                     char **path, struct error *err)
{
    scoped(free_text) char *text = NULL;

    if (read_text(source, map, key, &text, err) < 0)
        return -1;
    if (text)
        *path = resolve_path(source, text);
    return 0;
}

/* Base64 with line breaks anywhere, as Go's decoder has it. */
static int decode(struct buf *out, struct str text)
{
    scoped(secret_buf_free) struct buf joined = {.limit = KUBECONFIG_FILE_BYTES_MAX};

    ignore(buf_reserve(&joined, text.len + 1));
    ignore(buf_reserve(out, text.len + 1));
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '\n' && text.data[i] != '\r')
            buf_append_char(&joined, text.data[i]);
    return !joined.overflow && decode_base64(out, buf_str(&joined)) ? 0 : -1;
}

static int read_pem(struct source *source, const struct yaml_node *map, const char *key, char **pem,
                    struct error *err)
{
    scoped(secret_free) char *text = NULL;
    scoped(secret_buf_free) struct buf out = {.limit = KUBECONFIG_FILE_BYTES_MAX};

    if (read_text(source, map, key, &text, err) < 0)
        return -1;
    if (!text)
        return 0;
    if (decode(&out, str_from(text)) < 0 || memchr(out.data ? out.data : "", '\0', out.len)) {
        error_set(err, ERROR_CONFIG, "%s:%u: \"%s\" is not base64 of PEM text", source->path,
                  yaml_get(map, key)->line, key);
        return error_fix(err, "encode the file with 'base64 -w0'");
    }
    *pem = str_dup(buf_str(&out));
    return 0;
}

static bool is_yes(const struct yaml_node *boolean)
{
    return strchr("yYtT", boolean->text.data[0]) || str_equal_nocase(boolean->text, STR("on"));
}

static int read_bool(struct source *source, const struct yaml_node *map, const char *key,
                     bool *value, struct error *err)
{
    const struct yaml_node *node = yaml_get(map, key);

    if (!node)
        return 0;
    if (node->kind != YAML_BOOL) {
        error_set(err, ERROR_CONFIG, "%s:%u: \"%s\" must be true or false, not %s", source->path,
                  node->line, key, yaml_kind_name(node->kind));
        return -1;
    }
    *value = is_yes(node);
    return 0;
}

static int read_fields(struct source *source, const struct yaml_node *map,
                       const struct field *fields, size_t count, void *entry, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct field *field = &fields[i];
        void *place = (char *)entry + field->offset;
        int status = -1;

        switch (field->kind) {
        case FIELD_TEXT:
            status = read_text(source, map, field->key, place, err);
            break;
        case FIELD_PATH:
            status = read_path(source, map, field->key, place, err);
            break;
        case FIELD_PEM:
            status = read_pem(source, map, field->key, place, err);
            break;
        case FIELD_BOOL:
            status = read_bool(source, map, field->key, place, err);
            break;
        }
        if (status < 0)
            return -1;
    }
    return 0;
}

/* A list of texts; ends with NULL. */
static int read_texts(struct source *source, const struct yaml_node *node, const char *key,
                      char ***texts, struct error *err)
{
    if (!node || node->kind == YAML_NULL)
        return 0;
    if (node->kind != YAML_LIST)
        return wrong_kind(source, node, key, "a list of texts", err);
    *texts = xcalloc(node->count + 1, sizeof **texts);
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i];

        if (item->kind != YAML_TEXT)
            return wrong_kind(source, item, key, "a list of texts", err);
        if (count_copy(source, item->text.len, item, err) < 0)
            return -1;
        (*texts)[i] = str_dup(item->text);
    }
    return 0;
}

static int read_extra(struct source *source, const struct yaml_node *map,
                      struct kubeconfig_user *user, struct error *err)
{
    const struct yaml_node *node = yaml_get(map, "as-user-extra");

    if (!node)
        return 0;
    if (node->kind != YAML_MAP)
        return wrong_kind(source, node, "as-user-extra", "a map", err);
    user->as_extra = xcalloc(node->count / 2 + 1, sizeof *user->as_extra);
    for (size_t i = 0; i < node->count; i += 2) {
        struct kubeconfig_extra *extra = &user->as_extra[user->as_extra_count++];

        if (count_copy(source, node->items[i]->text.len, node, err) < 0)
            return -1;
        extra->key = str_dup(node->items[i]->text);
        if (read_texts(source, node->items[i + 1], "as-user-extra", &extra->values, err) < 0)
            return -1;
    }
    return 0;
}

/* [{name: N, value: V}] as "N=V". */
static int read_env(struct source *source, const struct yaml_node *map,
                    struct kubeconfig_exec *exec, struct error *err)
{
    const struct yaml_node *list = yaml_get(map, "env");

    if (!list)
        return 0;
    if (list->kind != YAML_LIST)
        return wrong_kind(source, list, "env", "a list of maps", err);
    exec->env = xcalloc(list->count + 1, sizeof *exec->env);
    for (size_t i = 0; i < list->count; i++) {
        scoped(free_text) char *name = NULL;
        scoped(secret_free) char *value = NULL;

        if (list->items[i]->kind != YAML_MAP)
            return wrong_kind(source, list->items[i], "env", "a list of maps", err);
        if (read_text(source, list->items[i], "name", &name, err) < 0 ||
            read_text(source, list->items[i], "value", &value, err) < 0)
            return -1;
        exec->env[i] = xasprintf("%s=%s", name ? name : "", value ? value : "");
    }
    return 0;
}

static int read_exec(struct source *source, const struct yaml_node *map,
                     struct kubeconfig_user *user, struct error *err)
{
    scoped(free_text) char *command = NULL;

    if (map->kind != YAML_MAP)
        return wrong_kind(source, map, "exec", "a map", err);
    user->exec = xcalloc(1, sizeof *user->exec);
    if (read_text(source, map, "command", &command, err) < 0 ||
        read_fields(source, map, exec_fields, count_of(exec_fields), user->exec, err) < 0 ||
        read_texts(source, yaml_get(map, "args"), "args", &user->exec->args, err) < 0 ||
        read_env(source, map, user->exec, err) < 0)
        return -1;
    if (command) /* without a slash it is looked up in PATH */
        user->exec->command = strchr(command, '/') ? resolve_path(source, command) : take(command);
    return 0;
}

static int read_plugins(struct source *source, const struct yaml_node *map,
                        struct kubeconfig_user *user, struct error *err)
{
    const struct yaml_node *exec = yaml_get(map, "exec");
    const struct yaml_node *provider = yaml_get(map, "auth-provider");

    if (provider && provider->kind != YAML_MAP)
        return wrong_kind(source, provider, "auth-provider", "a map", err);
    if (read_text(source, provider, "name", &user->auth_provider, err) < 0)
        return -1;
    if (provider && !user->auth_provider)
        user->auth_provider = xstrdup("without a name");
    return exec ? read_exec(source, exec, user, err) : 0;
}

/* --- extensions: whatever others put there, as JSON */

/* NULL: it is none in JSON, as 0x10. */
static json_object *number_to_json(struct str text)
{
    scoped(buf_free) struct buf list = {.limit = text.len + 3};
    struct error ignored = {0};

    buf_printf(&list, "[%.*s]", STR_ARG(text)); /* its end must be seen */
    scoped(jsondoc_free) json_object *parsed = jsondoc_parse(buf_str(&list), &ignored);

    return parsed ? json_object_get(json_object_array_get_idx(parsed, 0)) : NULL;
}

static json_object *scalar_to_json(const struct yaml_node *node)
{
    json_object *number = node->kind == YAML_NUMBER ? number_to_json(node->text) : NULL;

    if (node->kind == YAML_NULL)
        return NULL;
    if (node->kind == YAML_BOOL)
        return json_object_new_boolean(is_yes(node));
    return number ? number
                  : json_object_new_string_len(node->text.data ? node->text.data : "",
                                               (int)node->text.len);
}

static int to_json(struct source *source, const struct yaml_node *node, unsigned depth,
                   json_object **json, struct error *err)
{
    if (depth > EXTENSION_DEPTH_MAX)
        return error_set(err, ERROR_CONFIG, "%s:%u: nested too deeply", source->path, node->line);
    if (count_copy(source, node->text.len, node, err) < 0)
        return -1;
    if (node->kind != YAML_LIST && node->kind != YAML_MAP) {
        *json = scalar_to_json(node);
        return 0;
    }
    scoped(jsondoc_free) json_object *made =
        node->kind == YAML_LIST ? json_object_new_array() : json_object_new_object();

    for (size_t i = 0; i < node->count; i++) {
        scoped(free_text) char *key =
            node->kind == YAML_MAP ? str_dup(node->items[i++]->text) : NULL;
        json_object *item = NULL;

        if (to_json(source, node->items[i], depth + 1, &item, err) < 0)
            return -1;
        if (key)
            json_object_object_add(made, key, item);
        else
            json_object_array_add(made, item);
    }
    *json = take(made);
    return 0;
}

static char *json_text(json_object *json)
{
    scoped(secret_buf_free) struct buf text = {.limit = 4 * KUBECONFIG_FILE_BYTES_MAX};

    jsondoc_write(&text, json);
    return text.overflow ? NULL : str_dup(buf_str(&text));
}

/* `config`, where not NULL, gets what is meant for exec plugins; it is not among the others. */
static int read_extensions(struct source *source, const struct yaml_node *map, char **extensions,
                           char **config, struct error *err)
{
    const struct yaml_node *list = yaml_get(map, "extensions");
    scoped(jsondoc_free) json_object *kept = json_object_new_array();

    if (!list)
        return 0;
    if (list->kind != YAML_LIST)
        return wrong_kind(source, list, "extensions", "a list of maps", err);
    for (size_t i = 0; i < list->count; i++) {
        const struct yaml_node *name = yaml_get(list->items[i], "name");
        const struct yaml_node *extension = yaml_get(list->items[i], "extension");
        bool is_config = config && name && str_is(name->text, "client.authentication.k8s.io/exec");
        scoped(jsondoc_free) json_object *json = NULL;

        if (list->items[i]->kind != YAML_MAP)
            return wrong_kind(source, list->items[i], "extensions", "a list of maps", err);
        if (is_config && !extension)
            continue;
        if (to_json(source, is_config ? extension : list->items[i], 0, &json, err) < 0)
            return -1;
        if (is_config && !*config)
            *config = json_text(json);
        else if (!is_config)
            json_object_array_add(kept, take(json));
    }
    if (json_object_array_length(kept) > 0)
        *extensions = json_text(kept);
    return 0;
}

/* --- lists of named entries */

/* `map` is a cluster, a user or a context; NULL when it is empty. */
typedef int read_entry(struct source *source, struct kubeconfig *config, const char *name,
                       const struct yaml_node *map, struct error *err);

static int read_cluster(struct source *source, struct kubeconfig *config, const char *name,
                        const struct yaml_node *map, struct error *err)
{
    config->clusters =
        xreallocarray(config->clusters, config->cluster_count + 1, sizeof *config->clusters);
    struct kubeconfig_cluster *cluster = &config->clusters[config->cluster_count++];
    char id[KUBECONFIG_ID_BYTES_MAX + 1];

    *cluster = (struct kubeconfig_cluster){.name = xstrdup(name),
                                           .id = xstrdup(kubeconfig_cluster_id(name, id))};
    if (read_fields(source, map, cluster_fields, count_of(cluster_fields), cluster, err) < 0)
        return -1;
    return read_extensions(source, map, &cluster->extensions, &cluster->exec_config, err);
}

static int read_user(struct source *source, struct kubeconfig *config, const char *name,
                     const struct yaml_node *map, struct error *err)
{
    config->users = xreallocarray(config->users, config->user_count + 1, sizeof *config->users);
    struct kubeconfig_user *user = &config->users[config->user_count++];

    *user = (struct kubeconfig_user){.name = xstrdup(name)};
    if (read_fields(source, map, user_fields, count_of(user_fields), user, err) < 0 ||
        read_texts(source, yaml_get(map, "as-groups"), "as-groups", &user->as_groups, err) < 0 ||
        read_extra(source, map, user, err) < 0 ||
        read_extensions(source, map, &user->extensions, NULL, err) < 0)
        return -1;
    return read_plugins(source, map, user, err);
}

static int read_context(struct source *source, struct kubeconfig *config, const char *name,
                        const struct yaml_node *map, struct error *err)
{
    config->contexts =
        xreallocarray(config->contexts, config->context_count + 1, sizeof *config->contexts);
    struct kubeconfig_context *context = &config->contexts[config->context_count++];

    *context = (struct kubeconfig_context){.name = xstrdup(name)};
    if (read_fields(source, map, context_fields, count_of(context_fields), context, err) < 0)
        return -1;
    return read_extensions(source, map, &context->extensions, NULL, err);
}

static bool has_cluster(const struct kubeconfig *config, const char *name)
{
    return kubeconfig_find_cluster(config, name);
}

static bool has_user(const struct kubeconfig *config, const char *name)
{
    return kubeconfig_find_user(config, name);
}

static bool has_context(const struct kubeconfig *config, const char *name)
{
    return kubeconfig_find_context(config, name);
}

struct list {
    const char *key;  /* "clusters" */
    const char *what; /* "cluster" */
    read_entry *read;
    bool (*has)(const struct kubeconfig *config, const char *name);
};

static int read_list(struct source *source, struct kubeconfig *config, const struct list *list,
                     const struct yaml_node *root, struct error *err)
{
    const struct yaml_node *entries = yaml_get(root, list->key);

    if (!entries)
        return 0;
    if (entries->kind != YAML_LIST)
        return wrong_kind(source, entries, list->key, "a list", err);
    for (size_t i = 0; i < entries->count; i++) {
        const struct yaml_node *entry = entries->items[i];
        const struct yaml_node *map = yaml_get(entry, list->what);
        scoped(free_text) char *name = NULL;

        if (entry->kind != YAML_MAP)
            return wrong_kind(source, entry, list->key, "a list of maps", err);
        if (map && map->kind != YAML_MAP)
            return wrong_kind(source, map, list->what, "a map", err);
        if (read_text(source, entry, "name", &name, err) < 0)
            return -1;
        if (list->has(config, name ? name : ""))
            return error_set(err, ERROR_CONFIG, "%s:%u: the %s \"%.64s\" stands twice in this file",
                             source->path, entry->line, list->what, name ? name : "");
        if (list->read(source, config, name ? name : "", map, err) < 0)
            return -1;
    }
    return 0;
}

static const struct list lists[] = {
    {"clusters", "cluster", read_cluster, has_cluster},
    {"users", "user", read_user, has_user},
    {"contexts", "context", read_context, has_context},
};

/* Another kind of file, or a newer version of this one, would be misread. */
static int check_version(struct source *source, const struct yaml_node *root, struct error *err)
{
    scoped(free_text) char *kind = NULL;
    scoped(free_text) char *version = NULL;

    if (read_text(source, root, "kind", &kind, err) < 0 ||
        read_text(source, root, "apiVersion", &version, err) < 0)
        return -1;
    if ((kind && strcmp(kind, "Config") != 0) || (version && strcmp(version, "v1") != 0))
        return error_set(
            err, ERROR_CONFIG, "%s:%u: is a \"%.32s %.32s\", not a kubeconfig (\"v1 Config\")",
            source->path, root->line, version ? version : "v1", kind ? kind : "Config");
    return 0;
}

static int read_file(struct source *source, struct kubeconfig *config, const struct yaml_node *root,
                     struct error *err)
{
    if (!root || root->kind == YAML_NULL) /* an empty file */
        return 0;
    if (root->kind != YAML_MAP)
        return error_set(err, ERROR_CONFIG, "%s:%u: is %s, not a kubeconfig", source->path,
                         root->line, yaml_kind_name(root->kind));
    if (check_version(source, root, err) < 0)
        return -1;
    for (size_t i = 0; i < count_of(lists); i++)
        if (read_list(source, config, &lists[i], root, err) < 0)
            return -1;
    if (read_extensions(source, root, &config->extensions, NULL, err) < 0)
        return -1;
    return read_text(source, root, "current-context", &config->current_context, err);
}

/* --- merging: by whole entries, the first one of a name wins */

static void merge(struct kubeconfig *config, struct kubeconfig *file)
{
    for (size_t i = 0; i < file->cluster_count; i++)
        if (!has_cluster(config, file->clusters[i].name)) {
            config->clusters = xreallocarray(config->clusters, config->cluster_count + 1,
                                             sizeof *config->clusters);
            config->clusters[config->cluster_count++] = file->clusters[i];
            file->clusters[i] = (struct kubeconfig_cluster){0};
        }
    for (size_t i = 0; i < file->user_count; i++)
        if (!has_user(config, file->users[i].name)) {
            config->users =
                xreallocarray(config->users, config->user_count + 1, sizeof *config->users);
            config->users[config->user_count++] = file->users[i];
            file->users[i] = (struct kubeconfig_user){0};
        }
    for (size_t i = 0; i < file->context_count; i++)
        if (!has_context(config, file->contexts[i].name)) {
            config->contexts = xreallocarray(config->contexts, config->context_count + 1,
                                             sizeof *config->contexts);
            config->contexts[config->context_count++] = file->contexts[i];
            file->contexts[i] = (struct kubeconfig_context){0};
        }
    if (!config->current_context)
        config->current_context = take(file->current_context);
    if (!config->extensions)
        config->extensions = take(file->extensions);
}

int kubeconfig_add(struct kubeconfig *config, const char *path, struct str text, struct error *err)
{
    scoped(yaml_tree_free) struct yaml_tree *tree = yaml_tree_parse(path, text, err);
    scoped(kubeconfig_free) struct kubeconfig file = {0};
    const char *slash = strrchr(path, '/');
    struct source source = {.path = path,
                            .directory = str_make(path, slash ? (size_t)(slash - path) + 1 : 0)};

    if (!tree || read_file(&source, &file, yaml_tree_root(tree), err) < 0)
        return -1;
    merge(config, &file);
    char *files = config->files ? xasprintf("%s:%s", config->files, path) : xstrdup(path);

    free(config->files);
    config->files = files;
    return 0;
}
