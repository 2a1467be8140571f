/* line.h - one line of JSON over a blocking socket. */
#pragma once

#include <json-c/json.h>

#include "base/error.h"

/* ERROR_STORAGE: the other side is gone; what cannot be told to it is not recorded. ERROR_USAGE:
 * longer than CONTROL_LINE_MAX. */
must_use int line_send(int fd, json_object *message, struct error *err);

/* A tree that the caller owns. NULL: ERROR_STORAGE when the other side ended or said nothing for
 * `timeout_ms` (< 0: no limit), ERROR_PROTOCOL. Bytes behind the line are lost: each side waits
 * for the other's answer. */
must_use json_object *line_receive(int fd, int timeout_ms, struct error *err);
