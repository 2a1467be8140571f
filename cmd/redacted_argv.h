/* redacted_argv.h - command lines as they may stand in an event. */
#pragma once

#include <json-c/json.h>

/* Puts `argv` into `payload`: the arguments of the array `given`, redacted, at most 128 KiB of
 * them, then `argvOmitted`, the number of those left out. */
void redacted_argv_put(json_object *payload, json_object *given);
