#include "kube/kubeconfig.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/secret.h"

#define ID_TAIL_BYTES 50
#define ID_HASH_DIGITS 8
#define NAMES_SHOWN_BYTES 160

/* --- loading */

static char *absolute(struct str path)
{
    scoped(free_text) char *here = path.len && path.data[0] == '/' ? NULL : getcwd(NULL, 0);

    return here ? xasprintf("%s/%.*s", here, STR_ARG(path)) : str_dup(path);
}

/* IO_AGAIN: there is no such file. */
static enum io add_file(struct kubeconfig *config, const char *path, struct error *err)
{
    scoped(secret_buf_free) struct buf text = {.limit = KUBECONFIG_FILE_BYTES_MAX};
    struct stat status;

    if (stat(path, &status) < 0 && (errno == ENOENT || errno == ENOTDIR))
        return IO_AGAIN;
    if (file_read(path, &text, err) < 0) {
        error_wrap(err, "kubeconfig");
        return error_fix(err, "make it readable, or set KUBECONFIG to another file");
    }
    if (kubeconfig_add(config, path, buf_str(&text), err) < 0) {
        if (!err->fix[0])
            error_fix(err, "correct it there, or set KUBECONFIG to another file");
        return error_wrap(err, "kubeconfig");
    }
    return IO_OK;
}

/* An id names a cluster in URLs, files and signatures: two clusters must not share one. */
static int check_ids(const struct kubeconfig *config, struct error *err)
{
    for (size_t i = 0; i < config->cluster_count; i++) {
        const struct kubeconfig_cluster *cluster = &config->clusters[i];
        const struct kubeconfig_cluster *first =
            kubeconfig_find_cluster_id(config, str_from(cluster->id));

        if (strcmp(cluster->id, KUBECONFIG_ID_NONE) == 0)
            error_set(err, ERROR_CONFIG,
                      "a cluster of the kubeconfig is called \"%s\": recordings use this name for "
                      "commands without a cluster",
                      cluster->name);
        else if (first != cluster)
            error_set(
                err, ERROR_CONFIG,
                "the clusters \"%.100s\" and \"%.100s\" of the kubeconfig have the same short "
                "name, %s",
                first->name, cluster->name, cluster->id);
        else
            continue;
        return error_fix(err, "give it another name in %.150s", config->files);
    }
    return 0;
}

int kubeconfig_load(struct kubeconfig *config, const char *list, const char *home,
                    struct error *err)
{
    scoped(free_text) char *fallback = home ? xasprintf("%s/.kube/config", home) : NULL;
    scoped(kubeconfig_free) struct kubeconfig loaded = {0};
    struct str rest = str_from(list && *list ? list : fallback);

    while (rest.data) {
        struct str part = str_split(&rest, ':');
        scoped(free_text) char *path = absolute(part);

        if (part.len > 0 && add_file(&loaded, path, err) == IO_FAILED)
            return -1;
    }
    if (!loaded.files) {
        error_set(err, ERROR_CONFIG, "no kubeconfig: there is no %.300s",
                  list && *list ? list
                  : fallback    ? fallback
                                : "KUBECONFIG, and no HOME");
        return error_fix(err, "set KUBECONFIG, or make one, for example with 'aws eks "
                              "update-kubeconfig --name CLUSTER'");
    }
    if (check_ids(&loaded, err) < 0)
        return -1;
    *config = loaded;
    loaded = (struct kubeconfig){0};
    return 0;
}

/* --- freeing */

static void free_texts(char **texts)
{
    for (char **text = texts; text && *text; text++)
        free(*text);
    free(texts);
}

static void free_cluster(struct kubeconfig_cluster *cluster)
{
    free(cluster->name);
    free(cluster->id);
    free(cluster->server);
    free(cluster->ca_pem);
    free(cluster->ca_file);
    free(cluster->tls_server_name);
    secret_free(&cluster->proxy_url);
    free(cluster->extensions);
    secret_free(&cluster->exec_config);
}

static void free_exec(struct kubeconfig_exec *exec)
{
    if (!exec)
        return;
    free(exec->command);
    free(exec->api_version);
    free_texts(exec->args);
    for (char **variable = exec->env; variable && *variable; variable++)
        secret_wipe(*variable, strlen(*variable));
    free_texts(exec->env);
    free(exec->install_hint);
    free(exec->interactive_mode);
    free(exec);
}

static void free_user(struct kubeconfig_user *user)
{
    free(user->name);
    free(user->client_cert_pem);
    free(user->client_cert_file);
    secret_free(&user->client_key_pem);
    free(user->client_key_file);
    secret_free(&user->token);
    free(user->token_file);
    free(user->username);
    secret_free(&user->password);
    free(user->auth_provider);
    free_exec(user->exec);
    free(user->as);
    free(user->as_uid);
    free_texts(user->as_groups);
    for (size_t i = 0; i < user->as_extra_count; i++) {
        free(user->as_extra[i].key);
        free_texts(user->as_extra[i].values);
    }
    free(user->as_extra);
    free(user->extensions);
}

void kubeconfig_free(struct kubeconfig *config)
{
    for (size_t i = 0; i < config->cluster_count; i++)
        free_cluster(&config->clusters[i]);
    for (size_t i = 0; i < config->user_count; i++)
        free_user(&config->users[i]);
    for (size_t i = 0; i < config->context_count; i++) {
        free(config->contexts[i].name);
        free(config->contexts[i].cluster);
        free(config->contexts[i].user);
        free(config->contexts[i].namespace);
        free(config->contexts[i].extensions);
    }
    free(config->clusters);
    free(config->users);
    free(config->contexts);
    free(config->current_context);
    free(config->extensions);
    free(config->files);
    *config = (struct kubeconfig){0};
}

/* --- finding */

const struct kubeconfig_context *kubeconfig_find_context(const struct kubeconfig *config,
                                                         const char *name)
{
    for (size_t i = 0; name && i < config->context_count; i++)
        if (strcmp(config->contexts[i].name, name) == 0)
            return &config->contexts[i];
    return NULL;
}

const struct kubeconfig_cluster *kubeconfig_find_cluster(const struct kubeconfig *config,
                                                         const char *name)
{
    for (size_t i = 0; name && i < config->cluster_count; i++)
        if (strcmp(config->clusters[i].name, name) == 0)
            return &config->clusters[i];
    return NULL;
}

const struct kubeconfig_cluster *kubeconfig_find_cluster_id(const struct kubeconfig *config,
                                                            struct str id)
{
    for (size_t i = 0; i < config->cluster_count; i++)
        if (str_is(id, config->clusters[i].id))
            return &config->clusters[i];
    return NULL;
}

const struct kubeconfig_user *kubeconfig_find_user(const struct kubeconfig *config,
                                                   const char *name)
{
    for (size_t i = 0; name && i < config->user_count; i++)
        if (strcmp(config->users[i].name, name) == 0)
            return &config->users[i];
    return NULL;
}

/* "use one of: a, b, c" */
static int fix_contexts(const struct kubeconfig *config, struct error *err)
{
    scoped(buf_free) struct buf names = {0};

    for (size_t i = 0; i < config->context_count; i++) {
        if (names.len + strlen(config->contexts[i].name) > NAMES_SHOWN_BYTES) {
            buf_append_text(&names, ", …");
            break;
        }
        buf_printf(&names, "%s%s", i ? ", " : "", config->contexts[i].name);
    }
    if (names.len == 0)
        return error_fix(err, "add a context with 'kubectl config set-context'");
    return error_fix(err, "use one of: %.*s", STR_ARG(buf_str(&names)));
}

const struct kubeconfig_context *kubeconfig_choose(const struct kubeconfig *config,
                                                   const char *name, struct error *err)
{
    const char *wanted = name ? name : config->current_context;
    const struct kubeconfig_context *context = kubeconfig_find_context(config, wanted);

    if (!wanted) {
        error_set(err, ERROR_CONFIG, "no context is chosen: current-context is not set in %.200s",
                  config->files);
        fix_contexts(config, err);
        return NULL;
    }
    if (!context) {
        error_set(err, ERROR_CONFIG, "there is no context \"%.100s\" in %.200s", wanted,
                  config->files);
        fix_contexts(config, err);
        return NULL;
    }
    if (!kubeconfig_find_cluster(config, context->cluster)) {
        error_set(err, ERROR_CONFIG, "the context \"%.100s\" names a cluster that is not there: %s",
                  wanted, context->cluster ? context->cluster : "none");
        error_fix(err, "choose another one with --context, or correct it in %.150s", config->files);
        return NULL;
    }
    return context;
}

/* --- the id */

static bool is_id_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

static bool may_begin_id(char c)
{
    return is_id_char(c) && c != '.' && c != '_' && c != '-';
}

static bool is_id(struct str name)
{
    if (name.len == 0 || name.len > KUBECONFIG_ID_BYTES_MAX || !may_begin_id(name.data[0]))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_id_char(name.data[i]))
            return false;
    return true;
}

char *kubeconfig_cluster_id(const char *name, char id[KUBECONFIG_ID_BYTES_MAX + 1])
{
    struct str text = str_from(name);
    char hash[SHA256_HEX_BYTES];
    size_t len = 0;

    if (is_id(text)) {
        memcpy(id, text.data, text.len);
        id[text.len] = '\0';
        return id;
    }
    if (text.len > ID_TAIL_BYTES)
        text = str_skip(text, text.len - ID_TAIL_BYTES);
    for (size_t i = 0; i < text.len; i++)
        if (len > 0 || may_begin_id(text.data[i])) /* ids are names of directories: no dot first */
            id[len++] = is_id_char(text.data[i]) ? text.data[i] : '-';
    id[len++] = '-';
    sha256_hex(str_from(name), hash);
    memcpy(id + len, hash, ID_HASH_DIGITS);
    id[len + ID_HASH_DIGITS] = '\0';
    return id;
}
