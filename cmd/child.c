#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/platform.h"
#include "base/scoped.h"

/* Those that stop are among them: one that is sent to us alone must stop the child, and we stop
 * after it. SIGCONT is not: a process that goes on needs no handler for it. */
static const int passed_on[] = {SIGHUP,  SIGINT,   SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
                                SIGALRM, SIGWINCH, SIGTSTP, SIGTTIN, SIGTTOU};

static volatile sig_atomic_t child_pid;

/* What the terminal sends (si_code > 0) goes to the whole foreground group, so to the child as
 * well; sending it again would make one Ctrl-C two. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    int saved = errno;

    if (info->si_code <= 0 && child_pid > 0 && info->si_pid != (pid_t)child_pid)
        kill((pid_t)child_pid, number);
    errno = saved;
}

/* What the child is to get back. */
struct signals {
    struct sigaction actions[count_of(passed_on)];
    struct sigaction child_action;
    sigset_t mask;
};

/* All signals are blocked from here on, so that none gets lost between fork and the child's own
 * beginning. What is ignored (nohup) is caught as well: the child may handle it. */
static void catch_signals(struct signals *before)
{
    struct sigaction passing = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before->mask);
    sigemptyset(&passing.sa_mask);
    for (size_t i = 0; i < count_of(passed_on); i++)
        sigaction(passed_on[i], &passing, &before->actions[i]);
    sigaction(SIGCHLD, &standard, &before->child_action); /* ignored, it would take the status */
}

static void restore_signals(const struct signals *before)
{
    for (size_t i = 0; i < count_of(passed_on); i++)
        sigaction(passed_on[i], &before->actions[i], NULL);
    sigaction(SIGCHLD, &before->child_action, NULL);
    sigprocmask(SIG_SETMASK, &before->mask, NULL);
}

/* In the new process. Tells `report` the cause when it cannot start; the pipe's closing means that
 * it did. */
static _Noreturn void become(const char *executable, char *const argv[], char *const envp[],
                             const struct signals *before, pid_t parent, int report)
{
    restore_signals(before);
    platform_die_with_parent();
    if (getppid() != parent)
        _exit(0);
    execve(executable, argv, envp);
    int cause = errno;

    ignore(write(report, &cause, sizeof cause));
    _exit(126);
}

/* ---- Stopped, and going on ---- */

/* Gives the terminal from our process group to `group`, when we have it. */
static void hand_terminal(int terminal, pid_t group)
{
    sigset_t only, before;

    if (tcgetpgrp(terminal) != getpgrp())
        return; /* in the background: not ours to give */
    sigemptyset(&only);
    sigaddset(&only, SIGTTOU);
    sigprocmask(SIG_BLOCK, &only, &before);
    tcsetpgrp(terminal, group);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static bool has_gone_on(pid_t pid)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)pid, &info, WCONTINUED | WNOHANG) == 0 && info.si_pid == pid;
}

/* The child was stopped by `number`: so are we, for the shell that waits for us to see, until it
 * lets us go on. A child that is a shell has a process group of its own, and expects the terminal
 * back where it had it. */
static void stop_like(pid_t pid, int number)
{
    scoped(fd_close) int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct sigaction standard = {.sa_handler = SIG_DFL}, passing;
    pid_t group = getpgid(pid);
    bool is_own_group = group > 0 && group != getpgrp();
    bool had_terminal = is_own_group && terminal >= 0 && tcgetpgrp(terminal) == group;

    bool is_caught = number != SIGSTOP && sigaction(number, &standard, &passing) == 0;

    raise(number);
    if (is_caught)
        sigaction(number, &passing, NULL);
    if (had_terminal)
        hand_terminal(terminal, group);
    if (!has_gone_on(pid))
        kill(is_own_group ? -group : pid, SIGCONT);
}

static int wait_for_end(pid_t pid, struct rusage *usage)
{
    int status = 0;

    for (;;) {
        pid_t got = wait4(pid, &status, WUNTRACED, usage);

        if (got == pid && WIFSTOPPED(status))
            stop_like(pid, WSTOPSIG(status));
        else if (got == pid || errno != EINTR)
            return status;
    }
}

static int64_t microseconds(struct timeval time)
{
    return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

int child_run(const char *executable, char *const argv[], char *const envp[], struct child_end *end,
              struct error *err)
{
    struct signals before;
    struct rusage usage = {0};
    int report[2], cause = 0;
    int64_t started_us = clock_now().mono_us;
    pid_t parent = getpid();

    if (pipe2(report, O_CLOEXEC) < 0)
        return error_errno(err, ERROR_CONFIG, "run %s", executable);
    scoped(fd_close) int told = report[0];
    scoped(fd_close) int teller = report[1];

    catch_signals(&before);
    pid_t pid = fork();

    if (pid == 0)
        become(executable, argv, envp, &before, parent, teller);
    if (pid < 0) {
        error_errno(err, ERROR_CONFIG, "run %s", executable);
        restore_signals(&before);
        return -1;
    }
    child_pid = pid;
    sigprocmask(SIG_SETMASK, &before.mask, NULL);
    fd_close(&teller);
    int status = wait_for_end(pid, &usage);

    child_pid = 0;
    restore_signals(&before);
    /* Read after its end: it can be stopped before it has begun. */
    ssize_t got = read(told, &cause, sizeof cause);

    if (got == sizeof cause) {
        errno = cause;
        return error_errno(err, cause == ENOENT ? ERROR_NOT_FOUND : ERROR_NOT_EXECUTABLE, "run %s",
                           executable);
    }
    *end = (struct child_end){
        .code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
        .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
        .duration_us = clock_now().mono_us - started_us,
        .user_us = microseconds(usage.ru_utime),
        .system_us = microseconds(usage.ru_stime),
        .maxrss_kb = usage.ru_maxrss,
    };
    return 0;
}

int child_end_like(const struct child_end *end)
{
    if (!end->signal)
        return end->code;
    struct rlimit no_core = {0};

    setrlimit(RLIMIT_CORE, &no_core); /* the child's is the one that tells something */
    signal(end->signal, SIG_DFL);
    sigset_t only;

    sigemptyset(&only);
    sigaddset(&only, end->signal);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    raise(end->signal);
    return 128 + end->signal;
}
