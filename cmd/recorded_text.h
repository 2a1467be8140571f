/* recorded_text.h - texts that people and their environment give, as they may be recorded: run
 * through the redactor of command lines (kube/redact_argv.h). */
#pragma once

#include <json-c/json.h>

/* The variables of a command's environment that are evidence; ends with NULL. */
extern const char *const recorded_variables[];

/* Puts `text`, if there is one. */
void recorded_text_put(json_object *payload, const char *key, const char *text);
/* Puts an object of texts: all that is text in `given`, which may be NULL. */
void recorded_labels_put(json_object *payload, const char *key, json_object *given);
/* The same for an environment: of recorded_variables only, whoever says what else is in it. */
void recorded_environment_put(json_object *payload, const char *key, json_object *given);
