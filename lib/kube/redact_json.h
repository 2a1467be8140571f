/* redact_json.h - secret values out of JSON as it streams: redact.h's reading `json`. A tokenizer
 * with a path stack of one byte per level; memory is constant, input may be split anywhere. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "kube/fingerprint.h"
#include "kube/redact_patch.h"

#define REDACT_JSON_DEPTH_MAX 1024

/* What is given out, in order. */
struct redact_json_sink {
    void (*input)(void *context, struct str text);       /* a part of the input */
    void (*placeholder)(void *context, struct str text); /* valid during the call */
    void *context;
};

struct redact_json;

enum redact_json_form {
    REDACT_JSON_OBJECTS, /* one object after another */
    REDACT_JSON_PATCH,   /* RFC 6902: an array of operations */
};

/* What is passed is borrowed. `patch`: which values of a patch are secret; NULL: all are. */
struct redact_json *redact_json_new(enum redact_json_form form, const struct redact_patch *patch,
                                    struct fingerprint *print);

/* Takes the next bytes; returns how many of them were read. Fewer than there are: the next one
 * breaks the JSON, see redact_json_reason(), and nothing more may be added. */
size_t redact_json_add(struct redact_json *json, struct str input,
                       const struct redact_json_sink *sink);

/* The input is over, or read no further: a value that is being withheld gets its placeholder. */
void redact_json_end(struct redact_json *json, const struct redact_json_sink *sink);

/* Would the input be whole if it ended here: documents, and nothing begun? */
bool redact_json_is_complete(const struct redact_json *json);

const char *redact_json_reason(const struct redact_json *json); /* NULL, broken_json, too_deep */
uint64_t redact_json_withheld(const struct redact_json *json);  /* values replaced so far */

void redact_json_free(struct redact_json **json);
