/* credential.c - `kubectl hoop credential`: the exec credential plugin (client-go's
 * client.authentication.k8s.io). Inside a session it asks the session process. */
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "command.h"
#include "kube/exec_credential.h"
#include "options.h"
#include "proxy/control_client.h"
#include "proxy/session_dir.h"

#define ANSWER_TIMEOUT_MS 30000
#define USER_MAX 100000

static json_object *describe(struct error *err)
{
    const char *user = getenv("KHOOP_USER");
    const char *invocation = getenv("KHOOP_INVOCATION");
    uint64_t number;

    if (!user || !num_parse_u64(str_from(user), USER_MAX, &number)) {
        error_set(err, ERROR_CONFIG, "credential: no user given");
        error_fix(err, "kubectl runs this by a kubeconfig that 'kubectl hoop exec' made");
        return NULL;
    }
    json_object *message = json_object_new_object();

    jsondoc_put_string(message, "op", "bearer");
    jsondoc_put_int(message, "user", (int64_t)number);
    jsondoc_put_string(message, "invocation", invocation);
    return message;
}

static int answer(const struct exec_credential *request, const char *token, struct error *err)
{
    scoped(secret_buf_free) struct buf reply = {0};

    exec_credential_write(&reply, request, token, 0);
    buf_append_char(&reply, '\n');
    if (file_write_all(STDOUT_FILENO, reply.data, reply.len) < 0)
        return error_errno(err, ERROR_INTERNAL, "credential: write the answer");
    return 0;
}

static const struct usage usage = {
    "credential",
    "The exec credential plugin. kubectl and other clients start it by themselves, from a "
    "kubeconfig that 'kubectl hoop exec' made; it prints an ExecCredential on standard output.",
};

static int run(int argc, char **argv, struct error *err)
{
    scoped(options_free) struct options options = {0};
    int ready = options_parse(&options, &usage, NULL, argc, argv, err);

    if (ready <= 0)
        return ready;
    if (options_expect(&options, &usage, 0, 0, err) < 0)
        return -1;
    const char *directory = getenv("KHOOP_SESSION_DIR");
    struct exec_credential request = {0};

    if (!directory) {
        error_set(err, ERROR_AUTH, "credential: no session");
        return error_fix(err, "run the command inside 'kubectl hoop exec -- …'");
    }
    if (exec_credential_parse(&request, str_from(getenv("KUBERNETES_EXEC_INFO")), err) < 0 ||
        session_dir_check(directory, err) < 0)
        return -1;
    scoped(jsondoc_free) json_object *message = describe(err);
    scoped(jsondoc_free) json_object *told =
        message ? control_ask(directory, message, ANSWER_TIMEOUT_MS, err) : NULL;
    const char *token = told ? jsondoc_string(told, "/token") : NULL;

    if (!told)
        return -1;
    if (!token)
        return error_set(err, ERROR_PROTOCOL, "session process: no token in its answer");
    return answer(&request, token, err);
}

const struct command command_credential = {
    .name = "credential",
    .group = GROUP_RECORD,
    .help = "answer kubectl's exec plugin call (in kubeconfigs of ours)",
    .usage = &usage,
    .run = run,
};
