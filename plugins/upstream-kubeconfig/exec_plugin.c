#include "upstream-kubeconfig/exec_plugin.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/jsondoc.h"
#include "base/log.h"
#include "base/num.h"
#include "base/platform.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "base/tool.h"
#include "base/utf8.h"
#include "kube/redact_argv.h"
#include "net/process.h"

#define OUTPUT_BYTES_MAX ((size_t)1 << 20)
#define CA_BYTES_MAX ((size_t)1 << 20)
#define FAILURE_STANDS_US 10000000
#define SKEW_US_MAX 10000000 /* before it expires; a tenth of a short life */
#define SHOWN_BYTES 240      /* of what it said, in an error */
#define LINES_SHOWN_MAX 50   /* of one run, on our standard error */
#define LINE_BYTES_MAX 1000
#define INFO_VARIABLE "KUBERNETES_EXEC_INFO"

struct exec_plugin {
    struct exec_plugin_config config;
    struct process *process;      /* NULL: it does not run */
    struct upstream_wait waiting; /* head of the ring */
    uint64_t runs;                /* that have ended */
    struct error failure;         /* of the last one; kind NONE: it went well */
    int64_t failure_until_us;     /* mono */

    struct exec_credential_reply reply;
    uint64_t number, identity;
    int64_t stale_unix_us; /* when it has to be fetched again; 0: when it is refused */
    bool is_refused;
    int64_t refused_until_us; /* mono; the same came again: it is not asked before that */

    struct buf line; /* of its standard error, not whole yet */
    unsigned lines;
};

struct exec_plugin *exec_plugin_new(const struct exec_plugin_config *config)
{
    struct exec_plugin *plugin = xcalloc(1, sizeof *plugin);

    plugin->config = *config;
    plugin->waiting.next = plugin->waiting.previous = &plugin->waiting;
    return plugin;
}

void exec_plugin_free(struct exec_plugin **plugin)
{
    if (!*plugin)
        return;
    process_kill(&(*plugin)->process);
    exec_credential_reply_free(&(*plugin)->reply);
    buf_free(&(*plugin)->line);
    free(*plugin);
    *plugin = NULL;
}

const struct exec_credential_reply *exec_plugin_reply(const struct exec_plugin *plugin)
{
    return &plugin->reply;
}

uint64_t exec_plugin_number(const struct exec_plugin *plugin)
{
    return plugin->number;
}

uint64_t exec_plugin_identity(const struct exec_plugin *plugin)
{
    return plugin->identity;
}

static const struct kubeconfig_exec *settings(const struct exec_plugin *plugin)
{
    return plugin->config.user->exec;
}

/* --- what it is told */

static json_object *describe_cluster(const struct exec_plugin *plugin, struct error *err)
{
    const struct kubeconfig_cluster *cluster = plugin->config.cluster;
    scoped(jsondoc_free) json_object *info = json_object_new_object();
    scoped(buf_free) struct buf ca = {.limit = CA_BYTES_MAX}, encoded = {.limit = 2 * CA_BYTES_MAX};
    struct error ignored = {0};

    if (cluster->ca_pem)
        buf_append_text(&ca, cluster->ca_pem);
    else if (cluster->ca_file && file_read(cluster->ca_file, &ca, err) < 0)
        return NULL;
    encode_base64(&encoded, buf_str(&ca));
    jsondoc_put_string(info, "server", cluster->server ? cluster->server : "");
    jsondoc_put_string(info, "tls-server-name", cluster->tls_server_name);
    if (cluster->is_insecure)
        jsondoc_put_bool(info, "insecure-skip-tls-verify", true);
    if (ca.len)
        jsondoc_put_str(info, "certificate-authority-data", buf_str(&encoded));
    jsondoc_put_string(info, "proxy-url", cluster->proxy_url);
    if (cluster->has_no_compression)
        jsondoc_put_bool(info, "disable-compression", true);
    /* null where there is none, as client-go writes it */
    jsondoc_put_adopt(info, "config",
                      cluster->exec_config ? jsondoc_parse(str_from(cluster->exec_config), &ignored)
                                           : NULL);
    return take(info);
}

static int write_info(const struct exec_plugin *plugin, struct buf *info, struct error *err)
{
    scoped(jsondoc_free) json_object *cluster = NULL;

    if (settings(plugin)->provides_cluster_info) {
        cluster = describe_cluster(plugin, err);
        if (!cluster)
            return -1;
    }
    info->limit = 4 * CA_BYTES_MAX;
    exec_credential_write_request(info, settings(plugin)->api_version, cluster);
    return 0;
}

static bool names_same(const char *a, const char *b)
{
    size_t len = strcspn(a, "=");

    return strncmp(a, b, len + 1) == 0;
}

/* The last one of a name wins. `variable` is owned by the list. */
static void set_variable(char **list, size_t *count, char *variable_adopt)
{
    for (size_t i = 0; i < *count; i++)
        if (names_same(list[i], variable_adopt)) {
            free(list[i]);
            list[i] = variable_adopt;
            return;
        }
    list[(*count)++] = variable_adopt;
}

static size_t count_texts(char *const *texts)
{
    size_t count = 0;

    while (texts && texts[count])
        count++;
    return count;
}

static void free_environment(char ***list)
{
    for (char **variable = *list; variable && *variable; variable++)
        secret_free(variable);
    free(*list);
    *list = NULL;
}

/* The user's own, as it was before the session put its shims and its kubeconfig there; so that it
 * cannot come back to this session. KHOOP_SESSION is there to refuse 'kubectl hoop exec' in it. */
static char **make_environment(const struct exec_plugin *plugin, const struct buf *info)
{
    char *const *own = plugin->config.environment;
    char *const *more = settings(plugin)->env;
    char **list = xcalloc(count_texts(own) + count_texts(more) + 3, sizeof *list);
    size_t count = 0;

    for (; own && *own; own++)
        if (!str_starts(str_from(*own), STR("KHOOP_")))
            list[count++] = xstrdup(*own);
    set_variable(list, &count, xasprintf("KHOOP_SESSION=%s", plugin->config.session));
    for (; more && *more; more++)
        set_variable(list, &count, xstrdup(*more));
    set_variable(list, &count, xasprintf(INFO_VARIABLE "=%.*s", STR_ARG(buf_str(info))));
    return list;
}

/* --- which program it is */

static const char *variable(char *const *environment, const char *name)
{
    size_t len = strlen(name);

    for (; environment && *environment; environment++)
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
            return *environment + len + 1;
    return NULL;
}

static bool is_ourselves(const char *path)
{
    scoped(free_text) char *self = platform_executable();
    struct stat own, other;

    return stat(self, &own) == 0 && stat(path, &other) == 0 && own.st_dev == other.st_dev &&
           own.st_ino == other.st_ino;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static char *find_program(const struct exec_plugin *plugin, struct error *err)
{
    const char *command = settings(plugin)->command;
    const char *path = variable(plugin->config.environment, "PATH");

    if (!strchr(command, '/')) /* never a shim of ours */
        return tool_find(command, path, NULL, err);
    if (access(command, F_OK) < 0) {
        error_errno(err, ERROR_NOT_FOUND, "%s", command);
        return NULL;
    }
    if (is_ourselves(command) && strcmp(base_name(command), "kubectl-hoop") != 0) {
        error_set(err, ERROR_CONFIG, "%s is a shim of this program, not the tool itself", command);
        error_fix(err, "name the real program in exec.command of the kubeconfig");
        return NULL;
    }
    return xstrdup(command);
}

/* --- what it says */

/* Text of others for an error or a line: no secret, no control characters, valid. */
static void append_shown(struct buf *out, struct str text)
{
    scoped(buf_free) struct buf plain = {0};

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool is_blank = (unsigned char)c <= ' ' || c == 0x7f;

        if (!is_blank)
            buf_append_char(&plain, c);
        else if (plain.len && plain.data[plain.len - 1] != ' ')
            buf_append_char(&plain, ' ');
    }
    if (!utf8_is_valid(buf_str(&plain)))
        for (size_t i = 0; i < plain.len; i++)
            if (plain.data[i] & 0x80)
                plain.data[i] = '?';
    redact_text(out, str_trim(buf_str(&plain)));
}

static void show_line(struct exec_plugin *plugin)
{
    if (plugin->line.len && plugin->lines++ < LINES_SHOWN_MAX)
        log_line("%s: %.*s", base_name(settings(plugin)->command), STR_ARG(buf_str(&plugin->line)));
    buf_clear(&plugin->line);
}

/* On the terminal all of it, as with kubectl: it may tell where to log in, and by which code. */
static void on_errors(void *context, struct str bytes)
{
    struct exec_plugin *plugin = context;

    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.data[i] == '\n')
            show_line(plugin);
        else if (plugin->line.len < LINE_BYTES_MAX)
            buf_append_char(&plugin->line, bytes.data[i]);
}

/* ": " and the end of what it said. */
static void append_reason(struct buf *out, struct str errors)
{
    scoped(buf_free) struct buf shown = {0};

    append_shown(&shown, errors);
    struct str text = buf_str(&shown);

    if (!text.len)
        return;
    if (text.len > SHOWN_BYTES) {
        text = str_skip(text, text.len - SHOWN_BYTES);
        while (text.len && (text.data[0] & 0xc0) == 0x80)
            text = str_skip(text, 1);
        buf_append_text(out, ": …");
    } else {
        buf_append_text(out, ": ");
    }
    buf_append_str(out, text);
}

static int explain_end(const struct exec_plugin *plugin, const struct process_end *end,
                       struct error *err)
{
    scoped(buf_free) struct buf reason = {0};

    append_reason(&reason, end->errors);
    if (end->is_timeout) {
        error_set(err, ERROR_AUTH, "it did not end within %u s%.*s",
                  (plugin->config.timeout_ms ? plugin->config.timeout_ms : EXEC_PLUGIN_TIMEOUT_MS) /
                      1000,
                  STR_ARG(buf_str(&reason)));
        return error_fix(err, "run '%.100s' once by itself: it may be waiting for a login",
                         settings(plugin)->command);
    }
    if (end->is_too_long)
        return error_set(err, ERROR_PROTOCOL, "it printed more than 1 MiB");
    if (end->signal)
        error_set(err, ERROR_AUTH, "it was ended by signal %d%.*s", end->signal,
                  STR_ARG(buf_str(&reason)));
    else
        error_set(err, ERROR_AUTH, "it ended with exit code %d%.*s", end->code,
                  STR_ARG(buf_str(&reason)));
    return error_fix(err, "run '%.100s' by itself, and log in again where it says so",
                     settings(plugin)->command);
}

/* --- running it */

static void fail(struct exec_plugin *plugin, struct error *err)
{
    error_wrap(err, "exec plugin %.100s of the user \"%.100s\"", settings(plugin)->command,
               plugin->config.user->name);
    plugin->failure = *err;
    plugin->failure_until_us = clock_now().mono_us + FAILURE_STANDS_US;
}

static bool is_same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void accept(struct exec_plugin *plugin, struct exec_credential_reply *reply_adopt)
{
    struct instant now = clock_now();
    struct exec_credential_reply *old = &plugin->reply, *new = reply_adopt;
    bool is_same_identity = is_same_text(old->certificate_pem, new->certificate_pem) &&
                            is_same_text(old->key_pem, new->key_pem);
    bool is_same = plugin->number && is_same_identity && is_same_text(old->token, new->token);

    if (!is_same_identity)
        plugin->identity++;
    plugin->number++;
    plugin->is_refused = plugin->is_refused && is_same;
    plugin->refused_until_us = plugin->is_refused ? now.mono_us + FAILURE_STANDS_US : 0;
    plugin->stale_unix_us = 0;
    if (new->expires_unix_us)
        plugin->stale_unix_us =
            new->expires_unix_us - clamp((new->expires_unix_us - now.unix_us) / 10, 0, SKEW_US_MAX);
    exec_credential_reply_free(old);
    *old = *new;
    *new = (struct exec_credential_reply){0};
    plugin->failure = (struct error){0};
}

static void tell_all(struct exec_plugin *plugin)
{
    struct upstream_wait now, *head = &plugin->waiting;

    if (head->next == head)
        return;
    now = *head; /* who waits anew meanwhile waits for the next run */
    now.next->previous = now.previous->next = &now;
    head->next = head->previous = head;
    while (now.next != &now) {
        struct upstream_wait *wait = now.next;

        upstream_wait_cancel(wait);
        wait->run(wait->context);
    }
}

static void on_done(void *context, const struct process_end *end)
{
    struct exec_plugin *plugin = context;
    scoped(exec_credential_reply_free) struct exec_credential_reply reply = {0};
    struct error err = {0};
    bool went_well = !end->is_timeout && !end->is_too_long && !end->signal && end->code == 0;

    plugin->process = NULL;
    plugin->runs++;
    show_line(plugin);
    if (went_well ? exec_credential_parse_reply(&reply, end->output, settings(plugin)->api_version,
                                                &err) < 0
                  : explain_end(plugin, end, &err) < 0)
        fail(plugin, &err);
    else
        accept(plugin, &reply);
    tell_all(plugin);
}

/* What the kubeconfig's author has to say about a program that is not there. */
static void hint(const struct exec_plugin *plugin, struct error *err)
{
    scoped(buf_free) struct buf shown = {0};

    if (err->kind != ERROR_NOT_FOUND || !settings(plugin)->install_hint)
        return;
    append_shown(&shown, str_from(settings(plugin)->install_hint));
    error_fix(err, "%.*s", STR_ARG(buf_str(&shown)));
}

static int start(struct exec_plugin *plugin, struct error *err)
{
    scoped(free_text) char *program = find_program(plugin, err);
    scoped(buf_free) struct buf info = {0};

    if (!program || write_info(plugin, &info, err) < 0) {
        hint(plugin, err);
        return -1;
    }
    scoped(free_environment) char **environment = make_environment(plugin, &info);
    char *const *args = settings(plugin)->args;
    size_t count = count_texts(args);
    char **argv = xcalloc(count + 2, sizeof *argv);

    argv[0] = settings(plugin)->command;
    for (size_t i = 0; i < count; i++)
        argv[i + 1] = args[i];
    plugin->lines = 0;
    buf_clear(&plugin->line);
    plugin->process =
        process_start(plugin->config.loop,
                      &(struct process_config){
                          .path = program,
                          .argv = argv,
                          .environment = environment,
                          .output_bytes_max = OUTPUT_BYTES_MAX,
                          .timeout_ms = plugin->config.timeout_ms ? plugin->config.timeout_ms
                                                                  : EXEC_PLUGIN_TIMEOUT_MS,
                          .errors = on_errors,
                      },
                      on_done, plugin, err);
    free(argv);
    hint(plugin, err);
    return plugin->process ? 0 : -1;
}

/* --- who asks */

static bool is_good(const struct exec_plugin *plugin)
{
    struct instant now = clock_now();

    if (!plugin->number || (plugin->stale_unix_us && now.unix_us >= plugin->stale_unix_us))
        return false;
    return !plugin->is_refused || now.mono_us < plugin->refused_until_us;
}

static enum io repeat_failure(const struct exec_plugin *plugin, struct error *err)
{
    *err = plugin->failure;
    return IO_FAILED;
}

/* What one has waited for counts for him, even when it has expired by now: else a plugin that gives
 * nothing better would run for ever. */
static bool has_waited(const struct exec_plugin *plugin, struct upstream_wait *wait)
{
    uint64_t awaited = wait->number;

    wait->number = 0;
    return awaited && awaited <= plugin->runs;
}

enum io exec_plugin_ask(struct exec_plugin *plugin, struct upstream_wait *wait, struct error *err)
{
    if (has_waited(plugin, wait))
        return plugin->failure.kind ? repeat_failure(plugin, err) : IO_OK;
    if (is_good(plugin))
        return IO_OK;
    if (plugin->failure.kind && clock_now().mono_us < plugin->failure_until_us)
        return repeat_failure(plugin, err);
    if (!plugin->process && start(plugin, err) < 0) {
        fail(plugin, err);
        return repeat_failure(plugin, err);
    }
    wait->number = plugin->runs + 1;
    wait->next = &plugin->waiting;
    wait->previous = plugin->waiting.previous;
    wait->previous->next = plugin->waiting.previous = wait;
    return IO_AGAIN;
}

void exec_plugin_refused(struct exec_plugin *plugin, uint64_t number)
{
    if (number == plugin->number)
        plugin->is_refused = true;
}
