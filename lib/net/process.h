/* process.h - another program, run for what it prints: without standard input, in a process group
 * of its own (a session: no terminal), bounded in time and bytes. All calls on the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"
#include "net/loop.h"

#define PROCESS_ERRORS_BYTES 2048 /* what is kept of standard error: its end */

struct process;

struct process_config { /* borrowed for process_start() only */
    const char *path;   /* the file, not looked up in PATH */
    char *const *argv;
    char *const *environment;
    size_t output_bytes_max; /* of standard output; reserved at once, and wiped: it may be secret */
    unsigned timeout_ms;
    void (*errors)(void *context, struct str bytes); /* its standard error, as it comes; or NULL */
};

/* How it went. */
struct process_end {
    int code;                     /* exit status, when signal is 0 */
    int signal;                   /* that ended it; 0: none */
    bool is_timeout, is_too_long; /* killed for that, with its group */
    struct str output;            /* borrowed for the call */
    struct str errors;            /* the end of standard error, likewise */
};

/* `done` comes once, from the loop: the program has ended and its output is complete, or does not
 * end within a moment after it (a program it left behind may hold it open). Then it is gone.
 * ERROR_NOT_FOUND, ERROR_NOT_EXECUTABLE: it was not started. */
must_use struct process *process_start(struct loop *loop, const struct process_config *config,
                                       void (*done)(void *context, const struct process_end *end),
                                       void *context, struct error *err);
/* Kills it and its group; `done` does not come. */
void process_kill(struct process **process);
