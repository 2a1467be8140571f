/* What kubectl would refuse: k8s.io/client-go/tools/clientcmd/validation.go, and transport.Config.
 */
#include "kube/kubeconfig.h"

static int refuse(struct error *err, const char *whose, const char *name, const char *what,
                  const char *fix)
{
    error_set(err, ERROR_CONFIG, "the %s \"%.100s\" of the kubeconfig %s", whose, name, what);
    return error_fix(err, "%s", fix);
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static const char *const api_versions[] = {"client.authentication.k8s.io/v1",
                                           "client.authentication.k8s.io/v1beta1", NULL};
static const char *const modes[] = {"Never", "IfAvailable", "Always", NULL};

static int check_exec(const struct kubeconfig_user *user, struct error *err)
{
    const struct kubeconfig_exec *exec = user->exec;
    const char *mode = exec->interactive_mode;

    if (!exec->command)
        return refuse(err, "user", user->name, "has an exec plugin without a command",
                      "name its program in exec.command");
    if (!exec->api_version || !is_one_of(exec->api_version, api_versions)) {
        error_set(
            err, ERROR_CONFIG,
            "the user \"%.100s\" of the kubeconfig has an exec plugin of the apiVersion \"%.60s\"",
            user->name, exec->api_version ? exec->api_version : "");
        return error_fix(err, "use one that speaks client.authentication.k8s.io/v1 or v1beta1");
    }
    for (char **variable = exec->env; variable && *variable; variable++)
        if (**variable == '=')
            return refuse(err, "user", user->name,
                          "has an exec plugin with an environment variable without a name",
                          "name it in exec.env");
    if (mode && !is_one_of(mode, modes))
        return refuse(err, "user", user->name, "has an exec plugin with an unknown interactiveMode",
                      "set exec.interactiveMode to IfAvailable or Never");
    if (!mode && strcmp(exec->api_version, api_versions[0]) == 0) /* v1beta1: IfAvailable */
        return refuse(err, "user", user->name, "has an exec plugin without interactiveMode",
                      "set exec.interactiveMode to IfAvailable or Never");
    if (mode && strcmp(mode, "Always") == 0)
        return refuse(
            err, "user", user->name,
            "has an exec plugin that insists on a terminal (interactiveMode Always), and "
            "inside a session there is none for it",
            "set exec.interactiveMode to IfAvailable, and log in before the session starts");
    return 0;
}

static int check_user(const struct kubeconfig_user *user, struct error *err)
{
    bool has_password = user->username || user->password;
    bool has_certificate = user->client_cert_pem || user->client_cert_file;

    if (user->auth_provider && user->exec)
        return refuse(err, "user", user->name, "has an exec plugin and an auth-provider",
                      "remove one of them");
    if (user->auth_provider)
        return refuse(err, "user", user->name,
                      "uses auth-provider, which kubectl dropped and this program never had",
                      "use the exec plugin that replaced it, a token, or a client certificate");
    if (user->token && has_password)
        return refuse(err, "user", user->name, "has a token and a password", "remove one of them");
    if (has_certificate && !user->client_key_pem && !user->client_key_file)
        return refuse(err, "user", user->name, "has a client certificate without its key",
                      "add client-key or client-key-data");
    if (!user->as && (user->as_uid || user->as_groups || user->as_extra_count))
        return refuse(err, "user", user->name,
                      "has as-uid, as-groups or as-user-extra without as, whom to act as",
                      "add as, or remove them");
    return user->exec ? check_exec(user, err) : 0;
}

int kubeconfig_check(const struct kubeconfig_cluster *cluster, const struct kubeconfig_user *user,
                     struct error *err)
{
    if (cluster && cluster->is_insecure && (cluster->ca_pem || cluster->ca_file))
        return refuse(err, "cluster", cluster->name, "has a CA and insecure-skip-tls-verify",
                      "remove insecure-skip-tls-verify: with the CA it is not needed");
    return user ? check_user(user, err) : 0;
}
