/* kubeconfig.h - the kubeconfig that kubectl would use: files read and merged as client-go does
 * (k8s.io/client-go/tools/clientcmd, api/v1/types.go), and the private one that puts the gateway in
 * front of all of them. YAML 1.1 by libyaml; JSON is a subset of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#define KUBECONFIG_FILE_BYTES_MAX ((size_t)8 << 20)
#define KUBECONFIG_ID_BYTES_MAX 63
#define KUBECONFIG_ID_NONE "none" /* of the journal of commands that have no cluster */

/* Strings are owned by the kubeconfig; NULL: the field is absent or empty. `*_file` paths are
 * absolute where the path of their kubeconfig was. Where both are there, PEM text from `*-data`
 * wins over the file; a token file that can be read wins over the token (client-go). */
struct kubeconfig_cluster {
    char *name;
    char *id; /* kubeconfig_cluster_id(name) */
    char *server;
    char *ca_pem;
    char *ca_file;
    char *tls_server_name;
    char *proxy_url; /* may hold a password: secret */
    bool is_insecure;
    bool has_no_compression;
    char *extensions;  /* JSON: the list, without the next one */
    char *exec_config; /* JSON: of the extension client.authentication.k8s.io/exec; may be secret */
};

/* How a plugin is run for a user's credentials (ExecConfig). Nothing in it is checked yet. */
struct kubeconfig_exec {
    char *command; /* a path where there is a slash in it, else a name for PATH */
    char *api_version;
    char **args; /* ends with NULL; NULL when there are none */
    char **env;  /* "NAME=VALUE", secret; as args */
    char *install_hint;
    char *interactive_mode;
    bool provides_cluster_info;
};

struct kubeconfig_extra { /* one key of as-user-extra */
    char *key;
    char **values; /* ends with NULL */
};

struct kubeconfig_user {
    char *name;
    char *client_cert_pem;
    char *client_cert_file;
    char *client_key_pem; /* secret */
    char *client_key_file;
    char *token; /* secret */
    char *token_file;
    char *username;
    char *password;      /* secret */
    char *auth_provider; /* its name */
    struct kubeconfig_exec *exec;
    char *as;
    char *as_uid;
    char **as_groups; /* ends with NULL; NULL when there are none */
    struct kubeconfig_extra *as_extra;
    size_t as_extra_count;
    char *extensions; /* JSON */
};

struct kubeconfig_context {
    char *name;
    char *cluster; /* a name, that may be missing among the clusters */
    char *user;
    char *namespace;
    char *extensions; /* JSON */
};

/* All zero is a valid, empty one. In order of appearance; names are unique. The number of a user is
 * its index here: bearers and KHOOP_USER carry it; `user_count` stands for nobody: a context that
 * names no user, or one that is missing, is anonymous upstream. */
struct kubeconfig {
    struct kubeconfig_cluster *clusters;
    size_t cluster_count;
    struct kubeconfig_user *users;
    size_t user_count;
    struct kubeconfig_context *contexts;
    size_t context_count;
    char *current_context;
    char *extensions; /* JSON; of the first file that has some */
    char *files;      /* what was read, "a:b", for messages */
};

/* One file. `path` is for messages ("path:line: …") and for relative paths in it. What is already
 * in `config` wins over what is in `text`; so files are added in the order of KUBECONFIG. On
 * failure (ERROR_CONFIG: not YAML, several documents, a key twice, a value of the wrong type, bad
 * base64, nested deeper than 32, too many aliases) `config` is as before. */
must_use int kubeconfig_add(struct kubeconfig *config, const char *path, struct str text,
                            struct error *err);

/* What kubectl would use: `list` is the value of KUBECONFIG ("a:b"; empty parts and missing files
 * are skipped), or with NULL or "" the file `home`/.kube/config. Fills `config` on success only.
 * ERROR_CONFIG, with a fix: no file there, unreadable, larger than KUBECONFIG_FILE_BYTES_MAX, two
 * clusters with the same id, one whose id is KUBECONFIG_ID_NONE, or as kubeconfig_add(). */
must_use int kubeconfig_load(struct kubeconfig *config, const char *list, const char *home,
                             struct error *err);
void kubeconfig_free(struct kubeconfig *config); /* wipes what is secret */

/* By name; NULL when there is none. They belong to `config`. */
const struct kubeconfig_context *kubeconfig_find_context(const struct kubeconfig *config,
                                                         const char *name);
const struct kubeconfig_cluster *kubeconfig_find_cluster(const struct kubeconfig *config,
                                                         const char *name);
const struct kubeconfig_cluster *kubeconfig_find_cluster_id(const struct kubeconfig *config,
                                                            struct str id);
const struct kubeconfig_user *kubeconfig_find_user(const struct kubeconfig *config,
                                                   const char *name);

/* The context that a command uses: `name`, or with NULL the current one. ERROR_CONFIG with a fix
 * that lists what there is: none is chosen, no such context, its cluster is missing. */
must_use const struct kubeconfig_context *kubeconfig_choose(const struct kubeconfig *config,
                                                            const char *name, struct error *err);

/* What kubectl would refuse in a cluster or a user (either may be NULL; clientcmd/validation.go and
 * rest.TLSConfigFor), and what cannot be done here: 0 when there is nothing, else ERROR_CONFIG, one
 * sentence and a fix. */
must_use int kubeconfig_check(const struct kubeconfig_cluster *cluster,
                              const struct kubeconfig_user *user, struct error *err);

/* "https://host:port/prefix" taken apart. All zero is a valid, empty one. */
struct kubeconfig_server {
    bool is_tls; /* else client-go sends no credentials at all */
    char *host;  /* owned; IPv6 without brackets */
    unsigned port;
    char *authority;   /* owned; as the Host field has it: "host", "host:6443", "[::1]:6443" */
    char *path_prefix; /* owned; "" or "/k8s/clusters/c-x", no slash at the end */
};

/* As client-go reads `server`: without a scheme it is https where TLS is configured, else http; an
 * empty one is http://localhost:8080. ERROR_CONFIG: not such a URL, or one with user or query. */
must_use int kubeconfig_server_parse(struct kubeconfig_server *server,
                                     const struct kubeconfig_cluster *cluster, struct error *err);
void kubeconfig_server_free(struct kubeconfig_server *server);

/* The id: the name itself where it can stand in a URL, else its end and 8
 * hex digits of its SHA-256. Returns `id`. */
char *kubeconfig_cluster_id(const char *name, char id[KUBECONFIG_ID_BYTES_MAX + 1]);

struct kubeconfig_private {
    const char *base_url;    /* "https://127.0.0.1:40123" */
    const char *ca_pem;      /* of the gateway */
    const char *binary;      /* absolute path of ours */
    const char *session_dir; /* KHOOP_SESSION_DIR of the exec stanza */
    const char *context;     /* NULL: the current context as it is */
    const char *namespace;   /* NULL: as they are; else for the chosen context */
    /* For clients that run no exec plugin: what a user entry shows in place of it; the result is
     * owned by the caller, secret. NULL: the exec stanza. */
    char *(*bearer)(void *bearer_context, unsigned user);
    void *bearer_context;
};

/* Appends the kubeconfig for CMD, as JSON (which kubectl reads, and which has no ambiguous word):
 * all contexts, names and namespaces; each cluster at <base_url>/<id> with our CA; each user with
 * an exec stanza of its own (KHOOP_SESSION_DIR, KHOOP_USER = its number), or a bearer of the
 * gateway's, and its as, as-groups, as-uid, as-user-extra; disable-compression and all extensions.
 * No credential of the user's is in it. A context that names a missing cluster stays unusable. One
 * that names a missing user, or none, gets an entry for nobody. */
void kubeconfig_write_private(struct buf *out, const struct kubeconfig *config,
                              const struct kubeconfig_private *with);
