#include "session_link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/jsondoc.h"
#include "base/platform.h"
#include "base/scoped.h"
#include "proxy/control_line.h"
#include "proxy/line.h"

#define STEP_MS 2

extern char **environ;

/* Nothing of the terminal or of a pipe may hang on it: a reader of our output waits for the end of
 * all that hold it. Standard error stays: what goes wrong must be seen. */
static _Noreturn void become(int theirs)
{
    scoped(free_text) char *executable = platform_executable();
    char *argv[] = {"kubectl-hoop", "session-process", NULL};
    int nothing = open("/dev/null", O_RDWR);
    sigset_t none;

    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0 ||
        dup2(theirs, SESSION_LINK_FD) < 0)
        _exit(71);
    if (nothing > STDERR_FILENO && nothing != SESSION_LINK_FD)
        close(nothing);
    if (theirs == SESSION_LINK_FD)
        fcntl(theirs, F_SETFD, 0);
    execve(executable, argv, environ);
    _exit(71);
}

int session_link_start(struct session_link *link, struct error *err)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return error_errno(err, ERROR_STORAGE, "session process");
    scoped(fd_close) int theirs = pair[1];
    scoped(fd_close) int ours = pair[0];
    pid_t pid = fork();

    if (pid < 0)
        return error_errno(err, ERROR_STORAGE, "session process");
    if (pid == 0)
        become(theirs);
    *link = (struct session_link){.fd = fd_take(&ours), .pid = pid};
    return 0;
}

int session_link_send(struct session_link *link, json_object *message, struct error *err)
{
    return line_send(link->fd, message, err);
}

json_object *session_link_receive(struct session_link *link, int timeout_ms, struct error *err)
{
    scoped(jsondoc_free) json_object *answer = line_receive(link->fd, timeout_ms, err);

    if (!answer || control_take_error(answer, err) < 0)
        return NULL;
    return take(answer);
}

bool session_link_close(struct session_link *link, int timeout_ms)
{
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    pid_t got = -1;

    fd_close(&link->fd);
    if (link->pid <= 0)
        return true;
    for (int waited_ms = 0;; waited_ms += STEP_MS) {
        while ((got = waitpid(link->pid, NULL, WNOHANG)) < 0 && errno == EINTR)
            ;
        if (got != 0 || waited_ms >= timeout_ms)
            break;
        nanosleep(&step, NULL);
    }
    if (got == 0)
        return false;
    link->pid = 0;
    return true;
}
