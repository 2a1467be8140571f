/* note.h - one line for people about an event that is no part of an exchange. */
#pragma once

#include <json-c/json.h>

/* What the event says, bytes as recorded; the caller owns it. NULL when it is not worth a line: an
 * accepted token, a call that policy allows. */
char *note_text(const char *type, json_object *event);

/* A value as text: a string as it is, anything else (and a string that holds a NUL) as JSON. */
char *note_value(json_object *value);

/* How many bytes the `text` or `latin1` of an event stands for. */
int64_t note_count_bytes(json_object *event);
