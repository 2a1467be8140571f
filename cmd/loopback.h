/* loopback.h - a session's own gateway on 127.0.0.1: reads the kubeconfig, opens the journals,
 * writes the private kubeconfig and the shims, listens, and answers shims and credential plugins on
 * the control socket. One per process. */
#pragma once

#include <json-c/json.h>

#include "base/error.h"
#include "net/loop.h"

struct loopback;

/* `config`:
 * {"session","directory","binary","kubeconfig"?,"context"?,"namespace"?,"store"?,"title"?,
 * "agent"?,"labels":{},"strict","shipEveryS","argv":[…]}. Returns when session.start is durable and
 * the listener is open. NULL: ERROR_CONFIG (kubeconfig, context), ERROR_STORAGE (cannot be
 * recorded); the process then ends: what was begun is not taken apart. */
must_use struct loopback *loopback_start(struct loop *loop, json_object *config, struct error *err);

/* What exec tells its user: {"actor","cluster","store","keys"?,"trust"?}. The caller owns it. */
json_object *loopback_describe(const struct loopback *loopback);

/* Lets short calls finish, closes the rest, seals all journals and hands them to the store; then
 * `done` once, with {"actor","commands","requests","secretsWithheld","outside","refused",
 * "cutOff","running","state","complete","expect"} (borrowed). */
void loopback_end(struct loopback *loopback, const char *reason,
                  void (*done)(void *context, json_object *report), void *context);

void loopback_free(struct loopback **loopback);
