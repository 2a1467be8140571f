/* child.h - a program that runs in our place: same descriptors, process group and terminal, and in
 * the end the same status. To the shell that started us we look as the program itself would: we
 * stop when it stops, go on when it goes on, and end as it ended. */
#pragma once

#include <stdint.h>

#include "base/error.h"

struct child_end {
    int code;   /* exit status; meaningless when signal is set */
    int signal; /* 0, or what it died by */
    int64_t duration_us, user_us, system_us, maxrss_kb;
};

/* Starts `executable` and waits for its end. Signals that other processes send to us are passed on
 * to it; those that the terminal sends have reached it already. It gets the signal dispositions and
 * mask that we were started with.
 * ERROR_NOT_FOUND, ERROR_NOT_EXECUTABLE: it could not be started. */
must_use int child_run(const char *executable, char *const argv[], char *const envp[],
                       struct child_end *end, struct error *err);

/* The exit status to return; where the child died by a signal, dies by it too. */
int child_end_like(const struct child_end *end);
