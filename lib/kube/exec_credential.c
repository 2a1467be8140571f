#include "kube/exec_credential.h"

#include "base/clock.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"

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

    if (!text.data || text.len == 0)
        return refuse(err, "not set");
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
