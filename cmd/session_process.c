/* session_process.c - the hidden command that `exec` starts: the session's own gateway, for as long
 * as its link to exec is open. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/jsondoc.h"
#include "base/log.h"
#include "base/platform.h"
#include "base/scoped.h"
#include "command.h"
#include "loopback.h"
#include "proxy/control_line.h"
#include "proxy/line.h"
#include "proxy/session_dir.h"
#include "session_link.h"

#define CONFIG_TIMEOUT_MS 10000

struct session_process {
    struct loop *loop;
    uv_poll_t link; /* exec's messages, and its end */
    uv_signal_t terminate;
    struct loopback *loopback;
    bool is_ending;
    bool is_alone; /* exec is gone: nobody waits for the report */
};

static void on_ended(void *context, json_object *report)
{
    struct session_process *process = context;
    struct error err = {0};

    if (!process->is_alone && line_send(SESSION_LINK_FD, report, &err) < 0)
        process->is_alone = true;
    loop_stop(process->loop);
}

static void end(struct session_process *process, const char *reason)
{
    if (process->is_ending)
        return;
    process->is_ending = true;
    uv_poll_stop(&process->link);
    loopback_end(process->loopback, reason, on_ended, process);
}

static void on_link(uv_poll_t *poll, int status, int events)
{
    struct session_process *process = poll->data;
    struct error err = {0};
    scoped(jsondoc_free) json_object *message =
        line_receive(SESSION_LINK_FD, CONFIG_TIMEOUT_MS, &err);

    process->is_alone = !message;
    end(process, message ? "end" : "exec_gone");
}

static void on_terminate(uv_signal_t *handle, int number)
{
    end(handle->data, "terminated");
}

static int serve(struct session_process *process, json_object *config, struct error *err)
{
    scoped(fd_close) int held = session_dir_hold(jsondoc_string(config, "/directory"), err);

    if (held < 0)
        return -1;
    process->loop = loop_new(err);
    process->loopback = process->loop ? loopback_start(process->loop, config, err) : NULL;
    if (!process->loopback)
        return -1;
    scoped(jsondoc_free) json_object *ready = loopback_describe(process->loopback);

    if (line_send(SESSION_LINK_FD, ready, err) < 0)
        process->is_alone = true; /* seen again below, as the end of the link */
    uv_poll_init(loop_uv(process->loop), &process->link, SESSION_LINK_FD);
    process->link.data = process;
    uv_poll_start(&process->link, UV_READABLE | UV_DISCONNECT, on_link);
    uv_signal_init(loop_uv(process->loop), &process->terminate);
    process->terminate.data = process;
    uv_signal_start(&process->terminate, on_terminate, SIGTERM);
    loop_run(process->loop);
    loopback_free(&process->loopback);
    if (process->is_alone) /* else exec does it */
        session_dir_remove(jsondoc_string(config, "/directory"));
    uv_close((uv_handle_t *)&process->link, NULL);
    uv_close((uv_handle_t *)&process->terminate, NULL);
    loop_free(&process->loop);
    return 0;
}

static int run(int argc, char **argv, struct error *err)
{
    struct session_process process = {0};

    platform_guard_memory();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* ulimit -f is a write that fails, and is told as one */
    umask(077);
    ignore(fcntl(SESSION_LINK_FD, F_SETFD, FD_CLOEXEC)); /* not for exec plugins */
    scoped(jsondoc_free) json_object *config =
        line_receive(SESSION_LINK_FD, CONFIG_TIMEOUT_MS, err);

    if (!config) {
        error_set(err, ERROR_USAGE, "session-process: is started by 'kubectl hoop exec' only");
        return error_fix(err, "kubectl hoop exec -- COMMAND");
    }
    if (serve(&process, config, err) < 0) {
        scoped(jsondoc_free) json_object *refusal = control_error_new(err);
        struct error unheard = {0};

        /* exec prints it. */
        ignore(line_send(SESSION_LINK_FD, refusal, &unheard));
        _exit(EXIT_ERROR); /* what was begun is not taken apart */
    }
    return EXIT_OK;
}

const struct command command_session_process = {
    .name = "session-process",
    .group = GROUP_HIDDEN,
    .help = "the gateway behind exec",
    .run = run,
};
