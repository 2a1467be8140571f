/* json.h - the timeline as one JSON document for programs: apiVersion kubectl-hoop/v1, kind
 * Replay. Bytes of a recording are in it as JSON has them, not escaped for a terminal. */
#pragma once

#include "replay/bodies.h"
#include "replay/text.h"
#include "replay/timeline.h"

struct json_options {
    uint64_t command;                   /* only this one; 0: all, and what no command claims */
    json_object *verdict;               /* put in as `verdict`, borrowed; NULL: none */
    const struct replay_filter *filter; /* the others are left out; NULL: everything */
    const struct bodies *bodies;        /* put in as requestBody, responseBody; NULL: none */
    const struct changes *changes;      /* put in as `changes`; NULL: none */
};

void json_write_timeline(const struct timeline *timeline, const struct json_options *options,
                         replay_write *write, void *context);
