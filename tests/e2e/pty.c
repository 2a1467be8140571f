/* pty.c - a person at a terminal: runs CMD in a pseudo-terminal of 24 rows and 80 columns and does
 * what the lines on standard input say, one after the other:
 *
 *   expect TEXT        waits until TEXT comes, behind what an earlier line has waited for
 *   send TEXT          types TEXT; \r is Enter, ^C, ^D, ^Z and ^\ are the keys
 *   resize ROWS COLS   resizes the window
 *   modes canonical    waits until the terminal takes whole lines and echoes them (else: raw)
 *   foreground         waits until CMD's own process group has the terminal
 *   hangup             closes the terminal
 *   end STATUS         waits for CMD's end, which must have this exit status, or 128 + its signal
 *
 * Copies what CMD prints to standard output. Nothing depends on how fast anything is; what does not
 * come within a minute fails. */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 60000
#define LINE_BYTES 4096

static int terminal = -1;
static pid_t child;
static char *seen; /* all that CMD has printed and no `expect` has passed */
static size_t seen_len;
static char doing[LINE_BYTES]; /* the line, for a failure */

static _Noreturn void fail(const char *why)
{
    fflush(stdout);
    fprintf(stderr, "\npty: %s: %s\n", doing, why);
    exit(1);
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What is there within `ms`; false when CMD's side is closed. */
static bool take_output(int ms)
{
    struct pollfd wait = {.fd = terminal, .events = POLLIN};
    char step[4096];

    if (poll(&wait, 1, ms) <= 0)
        return true;
    ssize_t got = read(terminal, step, sizeof step);

    if (got <= 0)
        return got < 0 && errno == EINTR;
    fwrite(step, 1, (size_t)got, stdout);
    seen = realloc(seen, seen_len + (size_t)got + 1);
    if (!seen)
        abort();
    memcpy(seen + seen_len, step, (size_t)got);
    seen_len += (size_t)got;
    seen[seen_len] = '\0';
    return true;
}

static void expect(const char *text)
{
    int64_t until = now_ms() + PATIENCE_MS;
    bool is_open = true;

    for (;;) {
        char *found = seen ? memmem(seen, seen_len, text, strlen(text)) : NULL;

        if (found) {
            size_t passed = (size_t)(found - seen) + strlen(text);

            memmove(seen, seen + passed, seen_len - passed + 1);
            seen_len -= passed;
            return;
        }
        if (!is_open)
            fail("the terminal is closed");
        if (now_ms() > until)
            fail("did not come");
        is_open = take_output(100);
    }
}

static void wait_for(bool (*is_true)(void))
{
    int64_t until = now_ms() + PATIENCE_MS;

    while (!is_true()) {
        if (now_ms() > until)
            fail("did not come true");
        take_output(20);
    }
}

static bool is_canonical(void)
{
    struct termios modes;

    return tcgetattr(terminal, &modes) == 0 &&
           (modes.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG);
}

static bool is_raw(void)
{
    struct termios modes;

    return tcgetattr(terminal, &modes) == 0 && !(modes.c_lflag & ICANON);
}

static bool is_foreground(void)
{
    return tcgetpgrp(terminal) == child;
}

static void type(const char *text)
{
    for (; *text; text++) {
        char key = *text;

        if (key == '^' && text[1])
            key = (char)(*++text & 0x1f);
        else if (key == '\\' && text[1] == 'r')
            key = (++text, '\r');
        if (write(terminal, &key, 1) != 1)
            fail("cannot type");
    }
}

static void resize(const char *size)
{
    char *end;
    struct winsize window = {.ws_row = (unsigned short)strtoul(size, &end, 10)};

    window.ws_col = (unsigned short)strtoul(end, NULL, 10);
    ioctl(terminal, TIOCSWINSZ, &window);
}

static void await_end(const char *expected)
{
    int64_t until = now_ms() + PATIENCE_MS;
    int status;

    while (terminal >= 0 && take_output(100))
        if (now_ms() > until)
            fail("did not end");
    if (waitpid(child, &status, 0) < 0)
        fail("has no child");
    int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);

    if (code != (int)strtol(expected, NULL, 10)) {
        fprintf(stderr, "\npty: it ended with %d\n", code);
        fail("another status");
    }
}

static void obey(char *line)
{
    char *argument = strchr(line, ' ');

    memcpy(doing, line, strlen(line) + 1);
    if (argument)
        *argument++ = '\0';
    else
        argument = line + strlen(line);
    if (strcmp(line, "expect") == 0)
        expect(argument);
    else if (strcmp(line, "send") == 0)
        type(argument);
    else if (strcmp(line, "resize") == 0)
        resize(argument);
    else if (strcmp(line, "modes") == 0)
        wait_for(strcmp(argument, "canonical") == 0 ? is_canonical : is_raw);
    else if (strcmp(line, "foreground") == 0)
        wait_for(is_foreground);
    else if (strcmp(line, "end") == 0)
        await_end(argument);
    else if (strcmp(line, "hangup") == 0) {
        close(terminal);
        terminal = -1;
    } else
        fail("unknown");
}

int main(int argc, char **argv)
{
    const struct winsize window = {.ws_row = 24, .ws_col = 80};
    char line[LINE_BYTES];

    if (argc < 2)
        return 2;
    child = forkpty(&terminal, NULL, NULL, &window);
    if (child == 0) {
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    if (child < 0)
        return 2;
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] && line[0] != '#')
            obey(line);
    }
    fflush(stdout);
    return 0;
}
