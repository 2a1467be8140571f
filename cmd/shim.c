/* shim.c - this program called as kubectl or helm: announces the command to the session process,
 * runs the real tool only when that is on disk, and reports its end. */
#include "command.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/platform.h"
#include "base/scoped.h"
#include "base/tool.h"
#include "child.h"
#include "kubectl_proxy.h"
#include "proxy/control_client.h"
#include "proxy/session_dir.h"
#include "recorded_text.h"

#define ANSWER_TIMEOUT_MS 60000
#define DEPTH_MAX 8

extern char **environ;

/* Flags by which a tool is told to go somewhere else than its kubeconfig says. */
static const char *const leading_outside[] = {"--kubeconfig", "--server", "-s", "--kube-apiserver"};

static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
}

/* The session whose bin/ this shim was started from, else the one that the environment names. */
static char *find_session(struct error *err)
{
    scoped(free_text) char *started_as = platform_started_as();
    const char *named = getenv("KHOOP_SESSION_DIR");

    if (started_as) {
        scoped(free_text) char *bin = directory_of(started_as);
        scoped(free_text) char *session = directory_of(bin);
        scoped(free_text) char *socket = session_dir_path(session, "socket");

        if (access(socket, F_OK) == 0)
            return session_dir_check(session, err) < 0 ? NULL : take(session);
        /* Its session has ended: the directory may be gone, the link not yet. */
    }
    if (named)
        return session_dir_check(named, err) < 0 ? NULL : xstrdup(named);
    error_set(err, ERROR_STORAGE, "cannot record: this shim belongs to no running session");
    error_fix(err, "run it inside 'kubectl hoop exec -- …', or call the tool by its full path");
    return NULL;
}

static bool leads_outside(char **argv, const char *kubeconfig)
{
    for (size_t i = 1; argv[i] && strcmp(argv[i], "--") != 0; i++) {
        struct str argument = str_from(argv[i]);

        for (size_t k = 0; k < count_of(leading_outside); k++) {
            struct str flag = str_from(leading_outside[k]);
            struct str value = {0};

            if (!str_starts(argument, flag))
                continue;
            if (argument.len == flag.len)
                value = str_from(argv[i + 1]);
            else if (argument.data[flag.len] == '=')
                value = str_skip(argument, flag.len + 1);
            else
                continue;
            if (k != 0 || !str_is(value, kubeconfig))
                return true;
        }
    }
    return false;
}

static json_object *describe_start(char **argv, const char *executable, bool is_outside)
{
    json_object *message = json_object_new_object();
    scoped(free_text) char *here = getcwd(NULL, 0);

    jsondoc_put_string(message, "op", "command.start");
    json_object *arguments = jsondoc_put_adopt(message, "argv", json_object_new_array());

    for (size_t i = 0; argv[i]; i++)
        jsondoc_add_string(arguments, argv[i]);
    jsondoc_put_string(message, "cwd", here);
    jsondoc_put_string(message, "executable", executable);
    jsondoc_put_bool(message, "outside", is_outside);
    jsondoc_put_int(message, "pid", getpid());
    jsondoc_put_int(message, "ppid", getppid());
    json_object *environment = jsondoc_put_adopt(message, "env", json_object_new_object());

    for (size_t i = 0; recorded_variables[i]; i++)
        jsondoc_put_string(environment, recorded_variables[i], getenv(recorded_variables[i]));
    return message;
}

static json_object *describe_exit(const char *invocation, const struct child_end *end)
{
    json_object *message = json_object_new_object();

    jsondoc_put_string(message, "op", "command.exit");
    jsondoc_put_string(message, "invocation", invocation);
    if (end->signal)
        jsondoc_put_int(message, "signal", end->signal);
    else
        jsondoc_put_int(message, "code", end->code);
    jsondoc_put_int(message, "duration_us", end->duration_us);
    jsondoc_put_int(message, "user_us", end->user_us);
    jsondoc_put_int(message, "system_us", end->system_us);
    jsondoc_put_int(message, "maxrss_kb", end->maxrss_kb);
    return message;
}

/* Shell completion asks the tool on every TAB: not a command anyone gave. */
static bool is_completion(char **argv)
{
    return argv[1] && str_starts(str_from(argv[1]), STR("__complete"));
}

static int enter(const char *tool, struct error *err)
{
    const char *text = getenv("KHOOP_SHIM_DEPTH");
    uint64_t depth = 0;

    if (text && (!num_parse_u64(str_from(text), DEPTH_MAX, &depth) || depth == DEPTH_MAX))
        return error_set(err, ERROR_CONFIG, "%s: a shim that runs itself, %d deep", tool,
                         DEPTH_MAX);
    scoped(free_text) char *next = xasprintf("%u", (unsigned)depth + 1);

    setenv("KHOOP_SHIM_DEPTH", next, 1);
    return 0;
}

/* What has run has run: its status stands even when its end cannot be told, and a command without
 * an end is shown as such. */
static void report_exit(const char *session, const char *invocation, const struct child_end *end)
{
    scoped(jsondoc_free) json_object *message = describe_exit(invocation, end);
    struct error unheard = {0};
    json_object *answer = control_ask(session, message, ANSWER_TIMEOUT_MS, &unheard);

    jsondoc_free(&answer);
}

static void free_argv(char ***argv)
{
    free(*argv);
}

static int run_recorded(const char *session, const char *executable, char **argv,
                        struct child_end *end, struct error *err)
{
    scoped(free_text) char *kubeconfig = session_dir_path(session, "kubeconfig");
    const char *chosen = getenv("KUBECONFIG");
    bool is_outside =
        (chosen && chosen[0] && strcmp(chosen, kubeconfig) != 0) || leads_outside(argv, kubeconfig);

    scoped(jsondoc_free) json_object *start = describe_start(argv, executable, is_outside);
    scoped(jsondoc_free) json_object *answer = control_ask(session, start, ANSWER_TIMEOUT_MS, err);
    const char *invocation = answer ? jsondoc_string(answer, "/invocation") : NULL;

    if (!answer)
        return -1;
    if (!invocation)
        return error_set(err, ERROR_PROTOCOL, "session process: no invocation in its answer");
    setenv("KHOOP_INVOCATION", invocation, 1);
    setenv("KHOOP_SESSION_DIR", session, 1);
    if (!chosen || !chosen[0])
        setenv("KUBECONFIG", kubeconfig, 1);
    scoped(free_argv) char **changed = is_outside ? NULL : kubectl_proxy_argv(argv);
    int status = child_run(executable, changed ? changed : argv, environ, end, err);

    if (status < 0)
        *end = (struct child_end){.code = 126};
    report_exit(session, invocation, end);
    return status;
}

/* The one that the configuration named when the session began, else the first on PATH. */
static char *find_real(const char *session, const char *name, struct error *err)
{
    scoped(free_text) char *link = session_dir_real_path(session, name);
    scoped(free_text) char *bin = session_dir_path(session, "bin");
    char target[PATH_MAX];
    ssize_t len = readlink(link, target, sizeof target - 1);

    if (len < 0)
        return tool_find(name, getenv("PATH"), bin, err);
    target[len] = '\0';
    return tool_check(target, err) < 0 ? NULL : xstrdup(target);
}

int shim_main(int argc, char **argv, struct error *err)
{
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash ? slash + 1 : argv[0];
    scoped(free_text) char *session = find_session(err);
    struct child_end end = {0};

    if (!session || enter(name, err) < 0)
        return -1;
    scoped(free_text) char *executable = find_real(session, name, err);

    if (!executable)
        return -1;
    if (is_completion(argv)) {
        execv(executable, argv);
        return error_errno(err, ERROR_CONFIG, "run %s", executable);
    }
    if (run_recorded(session, executable, argv, &end, err) < 0)
        return -1;
    return child_end_like(&end);
}
