#include "kube/exec_credential.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/secret.h"

#define SHOWN_BYTES_MAX 100 /* of a foreign version, in an error */

static const char *const versions[] = {
    "client.authentication.k8s.io/v1",
    "client.authentication.k8s.io/v1beta1",
};

static const char *known_version(const char *text)
{
    for (size_t i = 0; i < count_of(versions); i++)
        if (strcmp(versions[i], text) == 0)
            return versions[i];
    return NULL;
}

static int refuse(struct error *err, const char *problem)
{
    error_set(err, ERROR_CONFIG, "KUBERNETES_EXEC_INFO: %s", problem);
    return error_fix(err, "let kubectl run this, by a kubeconfig that 'kubectl hoop exec' made");
}

int exec_credential_parse(struct exec_credential *request, struct str text, struct error *err)
{
    struct error syntax = {0};

    if (!text.data) { /* kr8s and @kubernetes/client-node do not set it */
        *request = (struct exec_credential){.api_version = versions[0]};
        return 0;
    }
    if (text.len == 0)
        return refuse(err, "empty");
    if (text.len > EXEC_CREDENTIAL_BYTES_MAX)
        return refuse(err, "larger than 1 MiB");
    scoped(jsondoc_free) json_object *root = jsondoc_parse(text, &syntax);

    if (!root)
        return refuse(err, syntax.text);
    const char *kind = jsondoc_string(root, "/kind");
    const char *named = jsondoc_string(root, "/apiVersion");

    if (!kind || strcmp(kind, "ExecCredential") != 0)
        return refuse(err, "not an ExecCredential");
    if (!named)
        return refuse(err, "no apiVersion");
    const char *version = known_version(named);

    if (!version) {
        error_set(err, ERROR_CONFIG, "KUBERNETES_EXEC_INFO: apiVersion %.*s is not supported",
                  SHOWN_BYTES_MAX, named);
        return error_fix(err, "set apiVersion of the kubeconfig's exec entry to %s", versions[0]);
    }
    *request = (struct exec_credential){
        .api_version = version,
        .is_interactive = jsondoc_bool(root, "/spec/interactive", false),
    };
    return 0;
}

void exec_credential_write(struct buf *out, const struct exec_credential *request,
                           const char *token, int64_t expires_unix_s)
{
    scoped(jsondoc_free) json_object *root = json_object_new_object();
    char time[CLOCK_TEXT_BYTES];

    jsondoc_put_string(root, "kind", "ExecCredential");
    jsondoc_put_string(root, "apiVersion", request->api_version);
    json_object *status = jsondoc_put_adopt(root, "status", json_object_new_object());

    if (expires_unix_s > 0) {
        clock_format_us(expires_unix_s * 1000000, time);
        memcpy(strchr(time, '.'), "Z", 2); /* whole seconds, as metav1.Time writes them */
        jsondoc_put_string(status, "expirationTimestamp", time);
    }
    jsondoc_put_string(status, "token", token);
    jsondoc_write(out, root);
}

void exec_credential_write_request(struct buf *out, const char *api_version, json_object *cluster)
{
    scoped(jsondoc_free) json_object *root = json_object_new_object();

    jsondoc_put_string(root, "kind", "ExecCredential");
    jsondoc_put_string(root, "apiVersion", api_version);
    json_object *spec = jsondoc_put_adopt(root, "spec", json_object_new_object());

    if (cluster)
        jsondoc_put_adopt(spec, "cluster", json_object_get(cluster));
    jsondoc_put_bool(spec, "interactive", false);
    jsondoc_write(out, root);
    buf_append_char(out, '\n'); /* client-go's encoder ends with one */
}

static int bad_reply(struct error *err, const char *problem)
{
    return error_set(err, ERROR_PROTOCOL, "its answer %s", problem);
}

/* It becomes the value of a header field. */
static bool is_field_text(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

/* RFC 3339 with any offset, as Go's time.Time reads it. */
static bool parse_time(struct str text, int64_t *unix_us)
{
    const size_t offset_len = sizeof "+00:00" - 1;
    struct str offset = str_skip(text, text.len > offset_len ? text.len - offset_len : 0);
    uint64_t hours, minutes;

    if (clock_parse(text, unix_us))
        return true;
    if (offset.len != offset_len || !strchr("+-", offset.data[0]) || offset.data[3] != ':' ||
        !num_parse_u64(str_make(offset.data + 1, 2), 23, &hours) ||
        !num_parse_u64(str_make(offset.data + 4, 2), 59, &minutes))
        return false;
    scoped(free_text) char *utc = xasprintf("%.*sZ", (int)(text.len - offset_len), text.data);
    int64_t ahead_us = (int64_t)(hours * 60 + minutes) * 60 * 1000000;

    if (!clock_parse(str_from(utc), unix_us))
        return false;
    *unix_us += offset.data[0] == '+' ? -ahead_us : ahead_us;
    return true;
}

static int check_kind(json_object *root, const char *api_version, struct error *err)
{
    const char *kind = jsondoc_string(root, "/kind");
    const char *version = jsondoc_string(root, "/apiVersion");

    if (!kind || strcmp(kind, "ExecCredential") != 0)
        return bad_reply(err, "is not an ExecCredential");
    if (!version || strcmp(version, api_version) != 0)
        return error_set(err, ERROR_PROTOCOL, "its answer is of version %.*s, it was asked for %s",
                         SHOWN_BYTES_MAX, version ? version : "\"\"", api_version);
    return 0;
}

/* Absent, null and "" are the same. */
static int read_secret(json_object *root, const char *path, const char **text, struct error *err)
{
    *text = jsondoc_string(root, path);
    if (!*text && jsondoc_at(root, path))
        return error_set(err, ERROR_PROTOCOL, "its answer has a %s that is no text", path + 1);
    if (*text && !**text)
        *text = NULL;
    return 0;
}

int exec_credential_parse_reply(struct exec_credential_reply *reply, struct str text,
                                const char *api_version, struct error *err)
{
    struct error syntax = {0};
    scoped(jsondoc_free) json_object *root = jsondoc_parse(text, &syntax);
    const char *token, *certificate, *key, *expires;
    int64_t expires_unix_us = 0;

    if (!root) /* the reason may quote what is there */
        return bad_reply(err, text.len ? "is not one JSON document" : "is empty");
    if (check_kind(root, api_version, err) < 0)
        return -1;
    if (!json_object_is_type(jsondoc_at(root, "/status"), json_type_object))
        return bad_reply(err, "has no status");
    if (read_secret(root, "/status/token", &token, err) < 0 ||
        read_secret(root, "/status/clientCertificateData", &certificate, err) < 0 ||
        read_secret(root, "/status/clientKeyData", &key, err) < 0 ||
        read_secret(root, "/status/expirationTimestamp", &expires, err) < 0)
        return -1;
    if (!token && !certificate && !key)
        return bad_reply(err, "has neither a token nor a client certificate");
    if (!certificate != !key)
        return bad_reply(err, "has only one of certificate and key");
    if (token && !is_field_text(token))
        return bad_reply(err, "has a token with control characters");
    if (expires && !parse_time(str_from(expires), &expires_unix_us))
        return bad_reply(err, "has an expirationTimestamp that is no RFC 3339 time");
    *reply = (struct exec_credential_reply){
        .token = token ? xstrdup(token) : NULL,
        .certificate_pem = certificate ? xstrdup(certificate) : NULL,
        .key_pem = key ? xstrdup(key) : NULL,
        .expires_unix_us = expires_unix_us,
    };
    return 0;
}

void exec_credential_reply_free(struct exec_credential_reply *reply)
{
    secret_free(&reply->token);
    free_text(&reply->certificate_pem);
    secret_free(&reply->key_pem);
    *reply = (struct exec_credential_reply){0};
}
