/* `server` of a cluster, as client-go's rest/url_utils.go (DefaultServerURL) reads it. */
#include <stdlib.h>

#include "base/num.h"
#include "base/scoped.h"
#include "kube/kubeconfig.h"

#define SERVER_DEFAULT "http://localhost:8080"

static int refuse(const struct kubeconfig_cluster *cluster, const char *why, struct error *err)
{
    error_set(err, ERROR_CONFIG, "the server of the cluster \"%.100s\": %s", cluster->name, why);
    return error_fix(err, "write it as https://HOST:PORT");
}

/* No blanks, controls or quotes: it becomes part of a request line and a Host field. */
static bool is_url_text(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= ' ' || text.data[i] > '~' || strchr("\"<>\\^`{|}", text.data[i]))
            return false;
    return true;
}

static bool is_host(struct str host)
{
    for (size_t i = 0; i < host.len; i++)
        if (strchr("/?#@[]%!$&'()*+,;=", host.data[i]))
            return false;
    return host.len > 0 && host.len <= 255;
}

/* "host", "host:6443", "[::1]:6443"; an empty port is none. */
static bool split_authority(struct str authority, struct str *host, struct str *port)
{
    ptrdiff_t end = authority.len && authority.data[0] == '[' ? str_index(authority, ']') : -1;

    if (authority.len && authority.data[0] == '[') {
        if (end < 0)
            return false;
        *host = str_make(authority.data + 1, (size_t)end - 1);
        *port = str_skip(authority, (size_t)end + 1);
        if (str_index(*host, ':') < 0 || (port->len && port->data[0] != ':'))
            return false;
    } else {
        *port = authority;
        *host = str_split(port, ':');
        if (str_index(*host, ':') >= 0)
            return false;
        if (port->data && str_index(*port, ':') >= 0)
            return false;
        *port = port->data ? str_make(port->data - 1, port->len + 1) : (struct str){"", 0};
    }
    *port = str_skip(*port, 1);
    return true;
}

static bool take_scheme(struct str *rest, bool *is_tls)
{
    static const struct {
        struct str prefix;
        bool is_tls;
    } schemes[] = {{{"https://", 8}, true}, {{"http://", 7}, false}};

    for (size_t i = 0; i < count_of(schemes); i++)
        if (str_equal_nocase(str_first(*rest, schemes[i].prefix.len), schemes[i].prefix)) {
            *rest = str_skip(*rest, schemes[i].prefix.len);
            *is_tls = schemes[i].is_tls;
            return true;
        }
    return false;
}

int kubeconfig_server_parse(struct kubeconfig_server *server,
                            const struct kubeconfig_cluster *cluster, struct error *err)
{
    struct str rest = str_from(cluster->server ? cluster->server : SERVER_DEFAULT);
    bool is_tls = cluster->ca_pem || cluster->ca_file || cluster->is_insecure;
    bool has_scheme = take_scheme(&rest, &is_tls);
    struct str host, port;
    uint64_t number = is_tls ? 443 : 80;

    if (!is_url_text(rest) || str_find(rest, STR("://")) >= 0)
        return refuse(cluster, "is no http or https URL", err);
    if (str_index(rest, '?') >= 0 || str_index(rest, '#') >= 0)
        return refuse(cluster, "has a query, which means nothing there", err);
    struct str path = rest;
    struct str authority = str_split(&path, '/');

    if (path.data)
        path = str_make(path.data - 1, path.len + 1);
    while (path.len && path.data[path.len - 1] == '/')
        path.len--;
    if (str_index(authority, '@') >= 0)
        return refuse(cluster, "has a user in it", err);
    if (!split_authority(authority, &host, &port) || !is_host(host))
        return refuse(cluster, "has no host name or address that can be used", err);
    if (port.len && (!num_parse_u64(port, 65535, &number) || number == 0))
        return refuse(cluster, "has a port that is none", err);
    if (!has_scheme && path.len)
        return refuse(cluster, "has a path, so it needs https:// in front", err);
    if (!port.len && authority.len && authority.data[authority.len - 1] == ':')
        authority.len--;
    *server = (struct kubeconfig_server){.is_tls = is_tls,
                                         .host = str_dup(host),
                                         .port = (unsigned)number,
                                         .authority = str_dup(authority),
                                         .path_prefix = str_dup(path)};
    return 0;
}

void kubeconfig_server_free(struct kubeconfig_server *server)
{
    free(server->host);
    free(server->authority);
    free(server->path_prefix);
    *server = (struct kubeconfig_server){0};
}
