/* session_link.h - exec's end of the socket pair to its session process: one line of JSON at a
 * time. The pair is the lifeline too: when either side's end closes, the other knows. */
#pragma once

#include <stdbool.h>

#include <json-c/json.h>
#include <sys/types.h>

#include "base/error.h"

#define SESSION_LINK_FD 3 /* the session process's end, in it */

struct session_link {
    int fd;
    pid_t pid;
};

/* Starts our own binary again as the session process, in a process session of its own, with an
 * argv that says nothing of the command. ERROR_STORAGE. */
must_use int session_link_start(struct session_link *link, struct error *err);

must_use int session_link_send(struct session_link *link, json_object *message, struct error *err);

/* The next line, a tree the caller owns. NULL: the other side has ended (ERROR_STORAGE), or what it
 * refused, with its own text. `timeout_ms` < 0 waits for ever. */
must_use json_object *session_link_receive(struct session_link *link, int timeout_ms,
                                           struct error *err);

/* Closes our end and waits until the session process is gone, for `timeout_ms` at most: one that
 * was stopped would never be. False: it is still there. */
bool session_link_close(struct session_link *link, int timeout_ms);
