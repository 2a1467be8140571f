#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/platform.h"
#include "base/scoped.h"

static const int passed_on[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

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

struct dispositions {
    struct sigaction before[count_of(passed_on)];
};

static void catch_signals(struct dispositions *dispositions)
{
    struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < count_of(passed_on); i++) {
        sigaction(passed_on[i], NULL, &dispositions->before[i]);
        /* What was ignored from the start (nohup) stays ignored. */
        if (dispositions->before[i].sa_handler != SIG_IGN)
            sigaction(passed_on[i], &action, NULL);
    }
}

static void restore_signals(const struct dispositions *dispositions)
{
    for (size_t i = 0; i < count_of(passed_on); i++)
        sigaction(passed_on[i], &dispositions->before[i], NULL);
}

/* In the new process. Tells `report` the cause when it cannot start; the pipe's closing means that
 * it did. */
static _Noreturn void become(const char *executable, char *const argv[], char *const envp[],
                             const struct dispositions *dispositions, pid_t parent, int report)
{
    restore_signals(dispositions);
    platform_die_with_parent();
    if (getppid() != parent)
        _exit(0);
    execve(executable, argv, envp);
    int cause = errno;

    ignore(write(report, &cause, sizeof cause));
    _exit(126);
}

static int64_t microseconds(struct timeval time)
{
    return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

int child_run(const char *executable, char *const argv[], char *const envp[], struct child_end *end,
              struct error *err)
{
    struct dispositions dispositions;
    struct rusage usage;
    int report[2], status = 0, cause = 0;
    int64_t started_us = clock_now().mono_us;
    pid_t parent = getpid();

    if (pipe2(report, O_CLOEXEC) < 0)
        return error_errno(err, ERROR_CONFIG, "run %s", executable);
    scoped(fd_close) int told = report[0];
    scoped(fd_close) int teller = report[1];

    child_pid = 0;
    catch_signals(&dispositions);
    pid_t pid = fork();

    if (pid == 0)
        become(executable, argv, envp, &dispositions, parent, teller);
    if (pid < 0) {
        restore_signals(&dispositions);
        return error_errno(err, ERROR_CONFIG, "run %s", executable);
    }
    child_pid = pid;
    fd_close(&teller);
    ssize_t got;

    while ((got = read(told, &cause, sizeof cause)) < 0 && errno == EINTR)
        ;
    while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR)
        ;
    child_pid = 0;
    restore_signals(&dispositions);
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
