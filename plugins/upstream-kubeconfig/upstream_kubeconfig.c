#include "upstream-kubeconfig/upstream_kubeconfig.h"

#include <sys/stat.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "upstream-kubeconfig/exec_plugin.h"

#define PEM_BYTES_MAX ((size_t)1 << 20)
#define TOKEN_BYTES_MAX ((size_t)64 << 10)

/* A token file as it was when it was read. */
struct token {
    char *value; /* owned, secret; NULL: not read yet */
    struct timespec changed;
    ino_t inode;
    off_t bytes;
};

/* What one user's exec plugin gives for one cluster. */
struct fetched {
    struct fetched *next;
    const struct kubeconfig_cluster *cluster;
    unsigned user;
    struct exec_plugin *plugin;
};

struct upstream_kubeconfig {
    struct upstream_kubeconfig_config with;
    const struct kubeconfig *config;
    struct token *tokens; /* by user */
    bool *are_tls;        /* by cluster; false also where the server's URL is none */
    struct fetched *fetched;
};

struct upstream_kubeconfig *upstream_kubeconfig_new(const struct upstream_kubeconfig_config *config)
{
    struct upstream_kubeconfig *self = xcalloc(1, sizeof *self);

    self->with = *config;
    self->config = config->kubeconfig;
    self->tokens = xcalloc(self->config->user_count + 1, sizeof *self->tokens);
    self->are_tls = xcalloc(self->config->cluster_count + 1, sizeof *self->are_tls);
    for (size_t i = 0; i < self->config->cluster_count; i++) {
        scoped(kubeconfig_server_free) struct kubeconfig_server server = {0};
        struct error ignored = {0}; /* resolve() says it to who goes there */

        if (kubeconfig_server_parse(&server, &self->config->clusters[i], &ignored) == 0)
            self->are_tls[i] = server.is_tls;
    }
    return self;
}

void upstream_kubeconfig_free(struct upstream_kubeconfig **self)
{
    if (!*self)
        return;
    for (size_t i = 0; i < (*self)->config->user_count; i++)
        secret_free(&(*self)->tokens[i].value);
    while ((*self)->fetched) {
        struct fetched *fetched = (*self)->fetched;

        (*self)->fetched = fetched->next;
        exec_plugin_free(&fetched->plugin);
        free(fetched);
    }
    free((*self)->tokens);
    free((*self)->are_tls);
    free(*self);
    *self = NULL;
}

static bool has_cluster(void *context, struct str cluster_id)
{
    const struct upstream_kubeconfig *self = context;

    return kubeconfig_find_cluster_id(self->config, cluster_id) != NULL;
}

/* Who is asked for by contexts that name no user, or one that is missing: no credentials. */
static const struct kubeconfig_user nobody = {.name = ""};

static const struct kubeconfig_user *find_user(const struct upstream_kubeconfig *self,
                                               unsigned user, struct error *err)
{
    if (user < self->config->user_count)
        return &self->config->users[user];
    if (user == self->config->user_count)
        return &nobody;
    error_set(err, ERROR_CONFIG, "the kubeconfig has no user number %u", user);
    error_fix(err, "start a new session");
    return NULL;
}

/* client-go asks the plugin only where nothing else says who it is. */
static bool has_plugin(const struct kubeconfig_user *user)
{
    return user->exec && !user->token && !user->token_file && !user->username && !user->password &&
           !user->client_cert_pem && !user->client_cert_file;
}

static struct exec_plugin *plugin_for(struct upstream_kubeconfig *self,
                                      const struct kubeconfig_cluster *cluster, unsigned number)
{
    for (struct fetched *known = self->fetched; known; known = known->next)
        if (known->cluster == cluster && known->user == number)
            return known->plugin;
    struct fetched *made = xcalloc(1, sizeof *made);

    *made = (struct fetched){
        .next = self->fetched,
        .cluster = cluster,
        .user = number,
        .plugin = exec_plugin_new(&(struct exec_plugin_config){
            .loop = self->with.loop,
            .user = &self->config->users[number],
            .cluster = cluster,
            .environment = self->with.environment,
            .session = self->with.session,
        }),
    };
    self->fetched = made;
    return made->plugin;
}

/* PEM text as it stands in the kubeconfig, or in the file that it names; NULL when in neither. */
static int load_pem(char **text, const char *pem, const char *file, const char *what,
                    struct error *err)
{
    scoped(secret_buf_free) struct buf bytes = {.limit = PEM_BYTES_MAX};

    *text = NULL;
    if (pem) {
        *text = xstrdup(pem);
        return 0;
    }
    if (!file)
        return 0;
    if (!buf_reserve(&bytes, PEM_BYTES_MAX) || file_read(file, &bytes, err) < 0)
        return error_wrap(err, "%s", what);
    *text = str_dup(buf_str(&bytes));
    return 0;
}

static void hash_file(uint64_t *hash, const char *path)
{
    struct stat status;

    if (!path || stat(path, &status) < 0)
        return;
    const uint64_t parts[] = {(uint64_t)status.st_ino, (uint64_t)status.st_size,
                              (uint64_t)status.st_mtim.tv_sec, (uint64_t)status.st_mtim.tv_nsec};

    for (size_t i = 0; i < count_of(parts); i++)
        *hash = (*hash ^ parts[i]) * 0x100000001b3; /* FNV-1a, by words */
}

/* Another number when the files of a client certificate are others: client-go reads them again. */
static uint64_t identity_of(const struct kubeconfig_user *user)
{
    uint64_t hash = 0;

    hash_file(&hash, user->client_cert_pem ? NULL : user->client_cert_file);
    hash_file(&hash, user->client_key_pem ? NULL : user->client_key_file);
    return hash;
}

/* `given`: by the user's plugin; NULL: there is none. */
static int make_tls(struct upstream_target *target, const struct kubeconfig_cluster *cluster,
                    const struct kubeconfig_user *user, const struct exec_credential_reply *given,
                    struct error *err)
{
    scoped(free_text) char *ca = NULL;
    scoped(free_text) char *certificate = NULL;
    scoped(secret_free) char *key = NULL;

    if (load_pem(&ca, cluster->ca_pem, cluster->ca_file, "certificate-authority", err) < 0 ||
        load_pem(&certificate, given ? given->certificate_pem : user->client_cert_pem,
                 user->client_cert_file, "client-certificate", err) < 0 ||
        load_pem(&key, given ? given->key_pem : user->client_key_pem, user->client_key_file,
                 "client-key", err) < 0)
        return -1;
    target->tls = tls_client_new(&(struct tls_client_config){.ca_pem = ca,
                                                             .cert_pem = certificate,
                                                             .key_pem = key,
                                                             .is_insecure = cluster->is_insecure},
                                 err);
    return target->tls ? 0 : -1;
}

/* As client-go: the cluster's own, even to loopback; else what the environment says. */
static int find_proxy(const struct upstream_kubeconfig *self, struct upstream_target *target,
                      const struct kubeconfig_cluster *cluster,
                      const struct kubeconfig_server *server, struct error *err)
{
    if (!cluster->proxy_url)
        return proxy_url_from_environment(&target->proxy, self->with.environment, server->is_tls,
                                          server->host, (uint16_t)server->port, err);
    if (proxy_url_parse(&target->proxy, str_from(cluster->proxy_url), err) < 0)
        return error_wrap(err, "proxy-url");
    return 0;
}

static int fill(struct upstream_kubeconfig *self, struct upstream_target *target,
                const struct kubeconfig_cluster *cluster, const struct kubeconfig_user *user,
                unsigned number, struct error *err)
{
    scoped(kubeconfig_server_free) struct kubeconfig_server server = {0};

    if (kubeconfig_server_parse(&server, cluster, err) < 0 ||
        kubeconfig_check(cluster, server.is_tls ? user : NULL, err) < 0)
        return -1;
    struct exec_plugin *plugin =
        server.is_tls && has_plugin(user) ? plugin_for(self, cluster, number) : NULL;

    if (server.is_tls &&
        make_tls(target, cluster, user, plugin ? exec_plugin_reply(plugin) : NULL, err) < 0)
        return plugin ? error_wrap(err, "exec plugin %.100s", user->exec->command) : -1;
    if (find_proxy(self, target, cluster, &server, err) < 0)
        return -1;
    target->identity = plugin ? exec_plugin_identity(plugin) : identity_of(user);
    target->host = take(server.host);
    target->port = (uint16_t)server.port;
    target->authority = take(server.authority);
    target->path_prefix = take(server.path_prefix);
    target->server_name = cluster->tls_server_name ? xstrdup(cluster->tls_server_name) : NULL;
    target->user_name = user == &nobody ? NULL : xstrdup(user->name);
    return 0;
}

static int no_cluster(struct str cluster_id, struct error *err)
{
    return error_set(err, ERROR_CONFIG, "the kubeconfig has no cluster %.*s", STR_ARG(cluster_id));
}

static int resolve(void *context, struct str cluster_id, unsigned number,
                   struct upstream_target *target, struct error *err)
{
    struct upstream_kubeconfig *self = context;
    const struct kubeconfig_cluster *cluster = kubeconfig_find_cluster_id(self->config, cluster_id);
    const struct kubeconfig_user *user = find_user(self, number, err);
    scoped(upstream_target_free) struct upstream_target made = {0};

    if (!user)
        return -1;
    if (!cluster)
        return no_cluster(cluster_id, err);
    if (fill(self, &made, cluster, user, number, err) < 0)
        return error_wrap(err, "cluster %s, user %s", cluster->name, user->name);
    *target = made;
    made = (struct upstream_target){0};
    return 0;
}

/* Reads the file again when it is another one than before: kubelets and agents replace it. */
static int refresh(struct token *token, const char *path, struct error *err)
{
    scoped(secret_buf_free) struct buf bytes = {.limit = TOKEN_BYTES_MAX};
    struct stat now;

    if (stat(path, &now) < 0) {
        error_errno(err, ERROR_CONFIG, "token file %s", path);
        return error_fix(err, "correct tokenFile in the kubeconfig, or make the file");
    }
    if (token->value && token->inode == now.st_ino && token->bytes == now.st_size &&
        token->changed.tv_sec == now.st_mtim.tv_sec &&
        token->changed.tv_nsec == now.st_mtim.tv_nsec)
        return 0;
    if (!buf_reserve(&bytes, TOKEN_BYTES_MAX) || file_read(path, &bytes, err) < 0)
        return error_wrap(err, "token file");
    struct str value = str_trim(buf_str(&bytes));
    while (value.len && (value.data[value.len - 1] == '\n' || value.data[value.len - 1] == '\r'))
        value = str_trim(str_first(value, value.len - 1));
    if (!value.len)
        return error_set(err, ERROR_CONFIG, "token file %s is empty", path);
    secret_free(&token->value);
    *token = (struct token){
        .value = str_dup(value), .changed = now.st_mtim, .inode = now.st_ino, .bytes = now.st_size};
    return 0;
}

static void add_bearer(struct buf *out, const char *token)
{
    if (!buf_reserve(out, strlen(token) + sizeof "Bearer ")) /* never copied as it grows */
        return;
    buf_append_text(out, "Bearer ");
    buf_append_text(out, token);
}

/* The file first; where it cannot be read, what was read before, then the token beside it: as
 * client-go does (transport.NewCachedFileTokenSource). */
static int add_token(struct token *token, const struct kubeconfig_user *user, struct buf *out,
                     struct error *err)
{
    const char *value = user->token;
    struct error ignored = {0};

    if (user->token_file) {
        bool is_needed = !value && !token->value;

        if (refresh(token, user->token_file, is_needed ? err : &ignored) < 0 && is_needed)
            return -1;
        if (token->value)
            value = token->value;
    }
    if (value)
        add_bearer(out, value);
    return 0;
}

static void add_password(const struct kubeconfig_user *user, struct buf *out)
{
    const char *name = user->username ? user->username : "";
    const char *password = user->password ? user->password : "";
    scoped(secret_buf_free) struct buf pair = {.limit = SIZE_MAX};
    size_t len = strlen(name) + 1 + strlen(password);

    if (!buf_reserve(&pair, len) || !buf_reserve(out, sizeof "Basic " + 4 * (len / 3 + 1)))
        return; /* what is too long is told by `out` */
    buf_append_text(&pair, name);
    buf_append_char(&pair, ':');
    buf_append_text(&pair, password);
    buf_append_text(out, "Basic ");
    encode_base64(out, buf_str(&pair));
}

static enum io ask_plugin(struct upstream_kubeconfig *self,
                          const struct kubeconfig_cluster *cluster, unsigned number,
                          struct upstream_credential *credential, struct upstream_wait *wait,
                          struct error *err)
{
    struct exec_plugin *plugin = plugin_for(self, cluster, number);
    enum io status = exec_plugin_ask(plugin, wait, err);

    if (status != IO_OK)
        return status;
    if (exec_plugin_reply(plugin)->token)
        add_bearer(&credential->authorization, exec_plugin_reply(plugin)->token);
    credential->identity = exec_plugin_identity(plugin);
    credential->number = exec_plugin_number(plugin);
    return IO_OK;
}

static enum io authorize(void *context, struct str cluster_id, unsigned number,
                         struct upstream_credential *credential, struct upstream_wait *wait,
                         struct error *err)
{
    struct upstream_kubeconfig *self = context;
    const struct kubeconfig_cluster *cluster = kubeconfig_find_cluster_id(self->config, cluster_id);
    const struct kubeconfig_user *user = find_user(self, number, err);

    if (!user || !cluster)
        return user ? no_cluster(cluster_id, err) : IO_FAILED;
    bool is_tls = self->are_tls[cluster - self->config->clusters];

    if (is_tls && has_plugin(user))
        return ask_plugin(self, cluster, number, credential, wait, err);
    credential->identity = identity_of(user);
    if (!is_tls) /* client-go sends none there, and anybody on the way could read it */
        return IO_OK;
    if (user->token || user->token_file)
        return add_token(&self->tokens[number], user, &credential->authorization, err);
    if (user->username || user->password)
        add_password(user, &credential->authorization);
    return IO_OK;
}

static void refused(void *context, struct str cluster_id, unsigned user, uint64_t number)
{
    struct upstream_kubeconfig *self = context;
    const struct kubeconfig_cluster *cluster = kubeconfig_find_cluster_id(self->config, cluster_id);

    if (cluster)
        exec_plugin_refused(plugin_for(self, cluster, user), number);
}

const struct upstream_type upstream_kubeconfig_type = {
    .name = "kubeconfig",
    .has_cluster = has_cluster,
    .resolve = resolve,
    .authorize = authorize,
    .refused = refused,
};
