/* control.h - the session process's Unix socket: one line of JSON each way per connection. Only
 * processes of the same user are heard. All calls on the loop thread. */
#pragma once

#include <json-c/json.h>
#include <uv.h>

#include "base/error.h"

struct control;
struct control_request; /* one that waits for its answer */

/* `message` is borrowed for the call; the request is answered by control_answer(), now or later,
 * exactly once. */
typedef void control_handler(struct control_request *request, json_object *message, void *context);

/* Listens at `path`. NULL: ERROR_CONFIG. */
must_use struct control *control_start(uv_loop_t *loop, const char *path, control_handler *handler,
                                       void *context, struct error *err);

/* Sends `answer`, which it frees. Its client may have gone: then nothing happens. */
void control_answer(struct control_request *request, json_object *answer);
void control_refuse(struct control_request *request, const struct error *err);

/* Stops listening and closes what is open; requests not yet answered still may be. Memory is freed
 * by the loop, and when the last request was answered. */
void control_stop(struct control **control);
