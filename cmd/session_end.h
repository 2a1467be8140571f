/* session_end.h - what exec says when a session begins and when it has ended. */
#pragma once

#include <stdbool.h>

#include <json-c/json.h>

#include "session_link.h"

/* What became of a session. All zero is a valid one: nothing is known. */
struct session_end {
    json_object *report; /* owned; what the session process answered, NULL when it died */
    bool is_recorded;    /* sealed in the store, nothing missing */
    bool is_recovered;   /* it died, and what it left open was sealed here */
    bool is_running;     /* it does not answer, and is still there */
    struct error problem;
};

/* Tells the session process that the command has ended and waits for its report. When it has died,
 * recovers what it left. */
void session_end_fetch(struct session_end *end, struct session_link *link, const char *session,
                       const char *store, int timeout_ms);

/* Both on standard error, one line. `ready` is the session process's first answer. */
void session_end_print_start(const char *session, json_object *ready);
void session_end_print(const char *session, const struct session_end *end);

void session_end_free(struct session_end *end);
