#include "upstream-kubeconfig/upstream_kubeconfig.h"

#include <sys/stat.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/scoped.h"
#include "base/secret.h"

#define PEM_BYTES_MAX ((size_t)1 << 20)
#define TOKEN_BYTES_MAX ((size_t)64 << 10)

/* A token file as it was when it was read. */
struct token {
    char *value; /* owned, secret; NULL: not read yet */
    struct timespec changed;
    ino_t inode;
    off_t bytes;
};

struct upstream_kubeconfig {
    const struct kubeconfig *config;
    struct token *tokens; /* by user */
};

struct upstream_kubeconfig *upstream_kubeconfig_new(const struct kubeconfig *config)
{
    struct upstream_kubeconfig *self = xcalloc(1, sizeof *self);

    self->config = config;
    self->tokens = xcalloc(config->user_count + 1, sizeof *self->tokens);
    return self;
}

void upstream_kubeconfig_free(struct upstream_kubeconfig **self)
{
    if (!*self)
        return;
    for (size_t i = 0; i < (*self)->config->user_count; i++)
        secret_free(&(*self)->tokens[i].value);
    free((*self)->tokens);
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

static int make_tls(struct upstream_target *target, const struct kubeconfig_cluster *cluster,
                    const struct kubeconfig_user *user, struct error *err)
{
    scoped(free_text) char *ca = NULL;
    scoped(free_text) char *certificate = NULL;
    scoped(secret_free) char *key = NULL;

    if (load_pem(&ca, cluster->ca_pem, cluster->ca_file, "certificate-authority", err) < 0 ||
        load_pem(&certificate, user->client_cert_pem, user->client_cert_file, "client-certificate",
                 err) < 0 ||
        load_pem(&key, user->client_key_pem, user->client_key_file, "client-key", err) < 0)
        return -1;
    target->tls = tls_client_new(&(struct tls_client_config){.ca_pem = ca,
                                                             .cert_pem = certificate,
                                                             .key_pem = key,
                                                             .is_insecure = cluster->is_insecure},
                                 err);
    return target->tls ? 0 : -1;
}

static int fill(struct upstream_target *target, const struct kubeconfig_cluster *cluster,
                const struct kubeconfig_user *user, struct error *err)
{
    scoped(kubeconfig_server_free) struct kubeconfig_server server = {0};

    if (kubeconfig_server_parse(&server, cluster, err) < 0 ||
        kubeconfig_supported(cluster, server.is_tls ? user : NULL, err) < 0 ||
        (server.is_tls && make_tls(target, cluster, user, err) < 0))
        return -1;
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
    const struct upstream_kubeconfig *self = context;
    const struct kubeconfig_cluster *cluster = kubeconfig_find_cluster_id(self->config, cluster_id);
    const struct kubeconfig_user *user = find_user(self, number, err);
    scoped(upstream_target_free) struct upstream_target made = {0};

    if (!user)
        return -1;
    if (!cluster)
        return no_cluster(cluster_id, err);
    if (fill(&made, cluster, user, err) < 0)
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

    if (stat(path, &now) < 0)
        return error_errno(err, ERROR_CONFIG, "token file %s", path);
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

/* The file first; where it cannot be read the token beside it, as client-go does. */
static int add_token(struct token *token, const struct kubeconfig_user *user, struct buf *out,
                     struct error *err)
{
    const char *value = user->token;
    struct error ignored = {0};

    if (user->token_file) {
        if (refresh(token, user->token_file, value ? &ignored : err) == 0)
            value = token->value;
        else if (!value)
            return -1;
    }
    if (value && buf_reserve(out, strlen(value) + sizeof "Bearer ")) {
        buf_append_text(out, "Bearer ");
        buf_append_text(out, value);
    }
    return 0;
}

static void add_password(const struct kubeconfig_user *user, struct buf *out)
{
    scoped(secret_buf_free) struct buf pair = {.limit = TOKEN_BYTES_MAX};

    if (!buf_reserve(&pair, TOKEN_BYTES_MAX))
        return;
    buf_append_text(&pair, user->username);
    buf_append_char(&pair, ':');
    buf_append_text(&pair, user->password ? user->password : "");
    buf_append_text(out, "Basic ");
    encode_base64(out, buf_str(&pair));
}

static enum io authorize(void *context, struct str cluster_id, unsigned number,
                         struct upstream_credential *credential, struct upstream_wait *wait,
                         struct error *err)
{
    struct upstream_kubeconfig *self = context;
    const struct kubeconfig_cluster *cluster = kubeconfig_find_cluster_id(self->config, cluster_id);
    const struct kubeconfig_user *user = find_user(self, number, err);
    scoped(kubeconfig_server_free) struct kubeconfig_server server = {0};

    if (!user || !cluster)
        return user ? no_cluster(cluster_id, err) : IO_FAILED;
    if (kubeconfig_server_parse(&server, cluster, err) < 0)
        return IO_FAILED;
    if (!server.is_tls) /* client-go sends none there, and anybody on the way could read it */
        return IO_OK;
    if (user->token || user->token_file)
        return add_token(&self->tokens[number], user, &credential->authorization, err);
    if (user->username)
        add_password(user, &credential->authorization);
    return IO_OK;
}

const struct upstream_type upstream_kubeconfig_type = {
    .name = "kubeconfig",
    .has_cluster = has_cluster,
    .resolve = resolve,
    .authorize = authorize,
};
