#include "display.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/tool.h"

#define PAGER_NOT_RUN 127   /* sh(1) says so too */
#define TERMINAL_COLUMNS 80 /* of one that does not say */

const char *const colour_choices[] = {"auto", "always", "never", NULL};

static bool is_set(const char *name)
{
    const char *value = getenv(name);

    return value && *value;
}

static bool is_able_terminal(void)
{
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

bool display_is_coloured(int choice)
{
    switch ((enum colour)choice) {
    case COLOUR_ALWAYS:
        return true;
    case COLOUR_NEVER:
        return false;
    case COLOUR_AUTO:
        return is_able_terminal() && !is_set("NO_COLOR");
    }
    return false;
}

size_t display_columns(void)
{
    struct winsize size;

    if (!isatty(STDOUT_FILENO))
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
        return TERMINAL_COLUMNS;
    return size.ws_col;
}

static bool has_less(void)
{
    struct error err = {0};
    scoped(free_text) char *less = tool_find("less", getenv("PATH"), NULL, &err);

    return less != NULL;
}

/* NULL: none is wanted, or there. */
static const char *pager_command(const char *configured)
{
    const char *command = getenv("KHOOP_PAGER");

    if (!command)
        command = configured;
    if (!command)
        command = getenv("PAGER");
    if (!command)
        return has_less() ? "less" : NULL;
    return *command && strcmp(command, "cat") != 0 ? command : NULL;
}

static void run_pager(const char *command, int from)
{
    dup2(from, STDIN_FILENO);
    setenv("LESS", "FRX", 0); /* leave at once when it fits, colours, leave it on the screen */
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(PAGER_NOT_RUN);
}

void pager_start(struct pager *pager, const char *configured)
{
    const char *command = pager_command(configured);
    int ends[2];

    if (!command || !is_able_terminal() || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO) ||
        agent_detect() || pipe2(ends, O_CLOEXEC) < 0)
        return;
    fflush(stdout);
    scoped(fd_close) int terminal = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    pid_t pid = terminal < 0 ? -1 : fork();
    if (pid == 0)
        run_pager(command, ends[0]);
    close(ends[0]);
    if (pid < 0 || dup2(ends[1], STDOUT_FILENO) < 0) {
        close(ends[1]);
        return;
    }
    close(ends[1]);
    /* Ctrl-C is for the pager; so is leaving it early */
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    *pager = (struct pager){pid, fd_take(&terminal)};
}

void pager_finish(struct pager *pager)
{
    if (!pager->pid)
        return;
    if (fflush(stdout) == EOF || ferror(stdout))
        clearerr(stdout);
    dup2(pager->terminal, STDOUT_FILENO); /* the last of the pipe: the pager sees the end */
    close(pager->terminal);
    int status = 0;
    while (waitpid(pager->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == PAGER_NOT_RUN)
        log_line("the pager could not be run (fix: --no-pager, or another $PAGER)");
    signal(SIGINT, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    *pager = (struct pager){0};
}

void display_write(void *context, struct str text)
{
    if (text.len && !ferror(stdout))
        fwrite(text.data, 1, text.len, stdout);
}
