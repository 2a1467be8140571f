/* commands.h - the commands that shims announce to a session: recorded before they run, open until
 * their end is told. */
#pragma once

#include <stdbool.h>

#include <json-c/json.h>
#include <uv.h>

#include "base/error.h"
#include "base/str.h"
#include "proxy/control.h"
#include "proxy/recorder.h"

struct commands;

/* `home` gets the events; borrowed. */
must_use struct commands *commands_new(uv_loop_t *loop, struct recording *home);

/* "command.start": answered with {"invocation"} once the event is durable. */
void commands_start(struct commands *commands, struct control_request *request,
                    json_object *message);
/* "command.exit": answered with {} once the event is durable. */
void commands_exit(struct commands *commands, struct control_request *request,
                   json_object *message);

bool commands_is_open(const struct commands *commands, struct str invocation);

struct commands_counts {
    uint64_t started, outside;
    uint64_t open; /* their end has not been told */
};
struct commands_counts commands_counts(const struct commands *commands);

void commands_free(struct commands **commands);
