/* control_client.h - how a shim and the credential plugin talk to their session process: one line
 * of JSON each way over its Unix socket, blocking. Needs no loop and no libcrypto. */
#pragma once

#include <json-c/json.h>

#include "base/error.h"

/* Asks `request` of the session whose directory is given, and waits up to `timeout_ms` for the
 * answer, a tree that the caller owns. NULL: ERROR_STORAGE when the session process cannot be
 * reached or does not answer, else what it refused, with its own text and fix. */
must_use json_object *control_ask(const char *directory, json_object *request, int timeout_ms,
                                  struct error *err);
