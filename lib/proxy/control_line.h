/* control_line.h - what the lines between a session process and its clients say. */
#pragma once

#include <json-c/json.h>

#include "base/error.h"

#define CONTROL_LINE_MAX ((size_t)4 << 20)

/* {"error":{"kind","text","fix"}} */
json_object *control_error_new(const struct error *from);

/* 0 when `answer` holds no error; else -1 with that error in `err`. */
must_use int control_take_error(json_object *answer, struct error *err);
