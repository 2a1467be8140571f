/* exec.c - `kubectl hoop exec -- CMD`: a command whose Kubernetes traffic goes through a gateway on
 * loopback for as long as it runs. */
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/jsondoc.h"
#include "base/log.h"
#include "base/num.h"
#include "base/platform.h"
#include "base/scoped.h"
#include "base/tool.h"
#include "base/utf8.h"
#include "child.h"
#include "command.h"
#include "exec_meant.h"
#include "exec_plan.h"
#include "options.h"
#include "proxy/session_dir.h"
#include "session/ulid.h"
#include "session_end.h"
#include "session_link.h"
#include "settings.h"

#define START_TIMEOUT_MS 60000
#define END_TIMEOUT_MS 60000
#define GONE_TIMEOUT_MS 10000 /* after its report: to close its files */

extern char **environ;

enum auth { AUTH_PLUGIN, AUTH_TOKEN };
static const char *const auths[] = {"plugin", "token", NULL};

struct exec_flags {
    struct options options;
    struct option_list labels;
    const char *title, *agent;
    int auth; /* enum auth */
    uint64_t status_fd;
    bool is_dry_run;
    struct settings settings;
    char **command; /* argv, borrowed */
    char *shell[2]; /* owned; what it is when none was given */
};

static json_object *describe_labels(const struct option_list *labels, struct error *err)
{
    scoped(jsondoc_free) json_object *object = json_object_new_object();

    for (size_t i = 0; i < labels->count; i++) {
        struct str value = str_from(labels->items[i]);
        struct str key = str_split(&value, '=');

        if (key.len == 0 || !value.data || !utf8_is_valid(key)) {
            error_set(err, ERROR_USAGE, "--label %s: not KEY=VALUE", labels->items[i]);
            return NULL;
        }
        scoped(free_text) char *name = str_dup(key);

        jsondoc_put_str(object, name, value);
    }
    return take(object);
}

/* What the session process must know. It reads the kubeconfig itself, and answers with what is
 * wrong in it. */
static json_object *describe_session(const struct exec_flags *flags, const char *session,
                                     const char *directory, char **command, struct error *err)
{
    scoped(jsondoc_free) json_object *message = json_object_new_object();
    json_object *labels = describe_labels(&flags->labels, err);
    const char *kubeconfig =
        flags->options.kubeconfig ? flags->options.kubeconfig : getenv("KUBECONFIG");
    scoped(free_text) char *executable = platform_executable();

    if (!labels)
        return NULL;
    jsondoc_put_string(message, "session", session);
    jsondoc_put_string(message, "directory", directory);
    jsondoc_put_string(message, "binary", executable);
    jsondoc_put_string(message, "kubeconfig", kubeconfig);
    jsondoc_put_string(message, "context", flags->options.context);
    jsondoc_put_string(message, "namespace", flags->options.namespace_name);
    jsondoc_put_string(message, "store", settings_store(&flags->settings));
    jsondoc_put_string(message, "title", flags->title);
    jsondoc_put_string(message, "agent", flags->agent ? flags->agent : agent_detect());
    jsondoc_put_adopt(message, "labels", labels);
    jsondoc_put_bool(message, "authToken", flags->auth == AUTH_TOKEN);
    jsondoc_put_bool(message, "strict",
                     settings_choice(&flags->settings, SETTING_DURABILITY) == DURABILITY_STRICT);
    jsondoc_put_int(message, "shipEveryS",
                    settings_duration_s(&flags->settings, SETTING_SHIP_EVERY));
    json_object *argv = jsondoc_put_adopt(message, "argv", json_object_new_array());

    for (size_t i = 0; command[i]; i++)
        jsondoc_add_string(argv, command[i]);
    return take(message);
}

/* Shells that read their profile lose what stands first on PATH; BASH_ENV gives it back to bash.
 * The user's own BASH_ENV is read first. */
static void set_environment(const char *session, const char *directory)
{
    scoped(free_text) char *bin = session_dir_path(directory, "bin");
    scoped(free_text) char *kubeconfig = session_dir_path(directory, "kubeconfig");
    scoped(free_text) char *bash_env = session_dir_path(directory, "bash_env");
    const char *own_bash_env = getenv("BASH_ENV");
    const char *own_path = getenv("PATH");
    scoped(free_text) char *path = xasprintf("%s:%s", bin, own_path ? own_path : TOOL_PATH_DEFAULT);

    setenv("PATH", path, 1);
    setenv("KUBECONFIG", kubeconfig, 1);
    setenv("KHOOP_SESSION", session, 1);
    setenv("KHOOP_SESSION_DIR", directory, 1);
    if (own_bash_env)
        setenv("KHOOP_BASH_ENV", own_bash_env, 1);
    setenv("BASH_ENV", bash_env, 1);
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "no_proxy" : "NO_PROXY";
        const char *own = getenv(name);
        scoped(free_text) char *hosts =
            own && own[0] ? xasprintf("%s,127.0.0.1", own) : xstrdup("127.0.0.1");

        setenv(name, hosts, 1);
    }
}

/* The machine-readable answer to "was it started, and is it recorded": a remote command may itself
 * exit with 75. */
static void tell_status(uint64_t fd, const char *session, bool is_started, int code,
                        bool is_recorded)
{
    scoped(jsondoc_free) json_object *status = json_object_new_object();
    scoped(buf_free) struct buf line = {0};

    if (fd == 0)
        return;
    jsondoc_put_bool(status, "started", is_started);
    if (is_started)
        jsondoc_put_int(status, "exit", code);
    jsondoc_put_string(status, "session", session);
    jsondoc_put_bool(status, "recorded", is_recorded);
    jsondoc_write(&line, status);
    buf_append_char(&line, '\n');
    ignore(file_write_all((int)fd, line.data, line.len));
}

/* The programs that the configuration names for shims to run, as links that they read. */
static int link_tools(const struct settings *settings, const char *directory, struct error *err)
{
    static const struct {
        const char *tool;
        enum setting setting;
    } rows[] = {{"kubectl", SETTING_KUBECTL}, {"helm", SETTING_HELM}};

    for (size_t i = 0; i < count_of(rows); i++) {
        const char *program = settings->values[rows[i].setting];
        scoped(free_text) char *link = session_dir_real_path(directory, rows[i].tool);

        if (!program)
            continue;
        if (tool_check(program, err) < 0)
            return error_wrap(err, "configuration: %s", rows[i].tool);
        if (symlink(program, link) < 0)
            return error_errno(err, ERROR_STORAGE, "link %s", link);
    }
    return 0;
}

/* The command as it will be found once the session's bin/ stands first on PATH: a tool with a shim
 * is found there. */
static char *find_command(const char *name, const char *directory, struct error *err)
{
    scoped(free_text) char *bin = session_dir_path(directory, "bin");

    for (size_t i = 0; session_dir_tools[i]; i++)
        if (strcmp(name, session_dir_tools[i]) == 0)
            return xasprintf("%s/%s", bin, name);
    if (strchr(name, '/'))
        return xstrdup(name);
    return tool_find(name, getenv("PATH"), bin, err);
}

/* Between the session's start and its end. */
static int run_command(struct session_link *link, const struct exec_flags *flags,
                       const char *session, const char *directory, char **command,
                       struct child_end *end, struct error *err)
{
    scoped(jsondoc_free) json_object *message =
        describe_session(flags, session, directory, command, err);

    if (!message || link_tools(&flags->settings, directory, err) < 0 ||
        session_link_start(link, err) < 0 || session_link_send(link, message, err) < 0)
        return -1;
    scoped(jsondoc_free) json_object *ready = session_link_receive(link, START_TIMEOUT_MS, err);

    if (!ready)
        return -1;
    if (!flags->options.quiet)
        session_end_print_start(session, ready);
    scoped(free_text) char *executable = find_command(command[0], directory, err);

    if (!executable)
        return -1;
    scoped(free_text) char *bashrc = session_dir_path(directory, "bashrc");
    char *bash[] = {command[0], "--rcfile", bashrc, NULL};

    if (flags->shell[0] && str_ends(str_from(command[0]), STR("/bash")))
        command = bash; /* its ~/.bashrc may set PATH or KUBECONFIG anew */
    set_environment(session, directory);
    return child_run(executable, command, environ, end, err);
}

static int exec_run(const struct exec_flags *flags, char **command, struct error *err)
{
    struct session_link link = {.fd = -1};
    struct child_end end = {0};
    struct session_end result = {0};
    char session[ULID_BYTES];

    ulid_new(session);
    scoped(free_text) char *directory = session_dir_create(session, err);

    if (!directory)
        return -1;
    scoped(fd_close) int held = session_dir_hold(directory, err);

    if (held < 0)
        return -1;
    session_dir_remove_dead();
    int status = run_command(&link, flags, session, directory, command, &end, err);

    if (link.pid > 0)
        session_end_fetch(&result, &link, session, settings_store(&flags->settings),
                          END_TIMEOUT_MS);
    if (!result.is_running && session_link_close(&link, GONE_TIMEOUT_MS))
        session_dir_remove(directory); /* else it still serves what looks there */
    tell_status(flags->status_fd, session, status == 0, end.signal ? 128 + end.signal : end.code,
                result.is_recorded);
    if (status == 0 && !flags->options.quiet)
        session_end_print(session, &result);
    session_end_free(&result);
    return status < 0 ? -1 : child_end_like(&end);
}

/* The private kubeconfig of a session stands beside its socket. */
static bool is_private(const char *kubeconfig)
{
    const char *slash = kubeconfig ? strrchr(kubeconfig, '/') : NULL;

    if (!slash || strcmp(slash, "/kubeconfig") != 0)
        return false;
    scoped(free_text) char *directory = xstrndup(kubeconfig, (size_t)(slash - kubeconfig));
    scoped(free_text) char *socket = session_dir_path(directory, "socket");
    scoped(free_text) char *bash_env = session_dir_path(directory, "bash_env");

    return access(socket, F_OK) == 0 && access(bash_env, F_OK) == 0;
}

static int refuse_nesting(struct error *err)
{
    const char *session = getenv("KHOOP_SESSION");

    if (session)
        error_set(err, ERROR_CONFIG, "already inside session %.8s: it records this too", session);
    else if (is_private(getenv("KUBECONFIG"))) /* an environment that was scrubbed */
        error_set(err, ERROR_CONFIG, "already inside a session: it records this too");
    else
        return 0;
    return error_fix(err, "run the command as it is, without 'kubectl hoop exec'");
}

static void free_exec_flags(struct exec_flags *flags)
{
    options_free(&flags->options);
    free_option_list(&flags->labels);
    settings_free(&flags->settings);
    free(flags->shell[0]);
}

static const char *users_shell(void)
{
    const char *shell = getenv("SHELL");
    const struct passwd *entry = NULL;

    if (shell && shell[0] == '/' && access(shell, X_OK) == 0)
        return shell;
    entry = getpwuid(getuid());
    if (entry && entry->pw_shell && access(entry->pw_shell, X_OK) == 0)
        return entry->pw_shell;
    return "/bin/sh";
}

/* Without a command, a person gets a shell; what has no terminal has forgotten something. */
static int choose_command(struct exec_flags *flags, struct error *err)
{
    flags->command = flags->options.rest;
    if (flags->options.rest_count > 0)
        return 0;
    if (!isatty(STDIN_FILENO)) {
        error_set(err, ERROR_USAGE, "exec: no command given behind --");
        return error_fix(err, "kubectl hoop exec -- kubectl get pods");
    }
    flags->shell[0] = xstrdup(users_shell()); /* getpwuid's memory is used again */
    flags->command = flags->shell;
    if (!flags->options.quiet && !flags->is_dry_run)
        log_line("no command given: this starts %s, and its end is the session's",
                 flags->command[0]);
    return 0;
}

/* Its reader waits for its end: the command and what it leaves behind must not hold it. */
static int keep_status_fd(const struct exec_flags *flags, struct error *err)
{
    if (flags->status_fd == 0 ||
        (flags->status_fd <= INT_MAX && fcntl((int)flags->status_fd, F_GETFD) >= 0)) {
        if (flags->status_fd > STDERR_FILENO)
            fcntl((int)flags->status_fd, F_SETFD, FD_CLOEXEC);
        return 0;
    }
    error_set(err, ERROR_USAGE, "--status-fd %llu: not an open descriptor",
              (unsigned long long)flags->status_fd);
    return error_fix(err, "open it first: kubectl hoop exec --status-fd 3 -- … 3>file");
}

static const struct option_spec specs[] = {
    {"title", 0, OPTION_TEXT, offsetof(struct exec_flags, title), "TEXT",
     "what this session is for"},
    {"label", 'l', OPTION_LIST, offsetof(struct exec_flags, labels), "KEY=VALUE",
     "a label; may be given again"},
    {"agent", 0, OPTION_TEXT, offsetof(struct exec_flags, agent), "NAME",
     "who runs it, when that is not detected"},
    {"auth", 0, OPTION_CHOICE, offsetof(struct exec_flags, auth), "HOW",
     "plugin, or token for clients that cannot run a plugin: calls are then under no command",
     auths},
    {"status-fd", 0, OPTION_NUMBER, offsetof(struct exec_flags, status_fd), "N",
     "write one line of JSON about the start and the end there"},
    {"dry-run", 0, OPTION_FLAG, offsetof(struct exec_flags, is_dry_run), NULL,
     "print what would be recorded and run, and start nothing"},
    {0},
};

static const struct usage usage = {
    "exec [flags] [-- COMMAND [ARGUMENT…]]",
    "Runs COMMAND with every kubectl, helm and other Kubernetes client in it going through a "
    "gateway on loopback that records each command, request and response before it takes "
    "effect. The exit status is the command's own. Without COMMAND, at a terminal: your shell.",
    specs,
    .rest = COMPLETE_PROGRAM,
    .globals = GLOBAL_CLUSTER | GLOBAL_STORE | GLOBAL_CONFIG,
};

static int run(int argc, char **argv, struct error *err)
{
    scoped(free_exec_flags) struct exec_flags flags = {0};

    if (exec_meant_check(argc, argv, err) < 0)
        return -1;
    int ready = options_parse(&flags.options, &usage, &flags, argc, argv, err);

    if (ready <= 0)
        return ready;
    if (refuse_nesting(err) < 0 || keep_status_fd(&flags, err) < 0 ||
        settings_load(&flags.settings, &flags.options, err) < 0 || choose_command(&flags, err) < 0)
        return -1;
    if (flags.is_dry_run)
        return exec_plan_print(&flags.options, &flags.settings, flags.command, err);
    return exec_run(&flags, flags.command, err);
}

const struct command command_exec = {
    .name = "exec",
    .group = GROUP_RECORD,
    .help = "run a command and record what it does to the cluster",
    .usage = &usage,
    .run = run,
    .runs_child = true,
};
