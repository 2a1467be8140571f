/* command.h - the subcommands. main.c lists them all, and is the only place where an error is
 * printed and an error's kind becomes an exit status (man kubectl-hoop, EXIT STATUS). */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "options.h"

/* man kubectl-hoop, EXIT STATUS */
enum exit_status {
    EXIT_OK = 0,
    EXIT_ERROR = 1,
    EXIT_USAGE = 2,
    EXIT_FINDING = 3,
    EXIT_LOGIN = 4,
    EXIT_TEMPORARY = 5,
    EXIT_NO_SESSION = 6,
    EXIT_UNVERIFIABLE = 7,
    EXIT_NOT_COMPLETE = 8,
    /* exec and the shim, only when the command was not started */
    EXIT_CHILD_TEMPORARY = 75,
    EXIT_CHILD_LOGIN = 77,
    EXIT_CHILD_CONFIG = 78,
    EXIT_CHILD_NOT_EXECUTABLE = 126,
    EXIT_CHILD_NOT_FOUND = 127,
};

enum command_group {
    GROUP_SETUP,
    GROUP_RECORD,
    GROUP_GATEWAY,
    GROUP_EVIDENCE,
    GROUP_OTHER,
    GROUP_HIDDEN, /* works, but no help lists it */
};

/* A row of the table that parsing, help and completion read; each subcommand's file defines its
 * own. */
struct command {
    const char *name;
    enum command_group group;
    const char *help; /* one line */
    const struct usage *usage;
    /* argv[0] is the command's name, flags that stood before it come right after it. Returns the
     * exit status, or -1 with `err` set. With subcommands: for when none of them is named. */
    int (*run)(int argc, char **argv, struct error *err);
    bool runs_child; /* its exit status is a child's: errors of ours are 75, 77, 78 */
};

/* All of them, NULL-terminated; in main.c. */
extern const struct command *const command_table[];

extern const struct command command_complete;
extern const struct command command_completion;
extern const struct command command_config;
extern const struct command command_credential;
extern const struct command command_exec;
extern const struct command command_init;
extern const struct command command_replay;
extern const struct command command_session_process;
extern const struct command command_sessions;
extern const struct command command_verify;
extern const struct command command_version;

/* Called as kubectl, helm or whatever else a link to our binary is named; argv as it came. Returns
 * the tool's exit status, or -1 with `err` set when it was not started. */
must_use int shim_main(int argc, char **argv, struct error *err);
