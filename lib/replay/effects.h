/* effects.h - what a session did, in numbers: requests by verb, resource and status, and what a
 * reviewer looks for first. Computed from a finished timeline. */
#pragma once

#include <json-c/json.h>
#include <stdint.h>

#include "replay/timeline.h"

enum effect {
    EFFECT_SECRET_READ, /* get, list or watch of Secrets */
    EFFECT_SECRET_WRITTEN,
    EFFECT_EXEC,  /* into a container: exec, attach, port-forward, and */
    EFFECT_PROXY, /* through the API server to a pod, service or node */
    EFFECT_DELETE,
    EFFECT_RBAC,       /* roles and bindings written */
    EFFECT_CREDENTIAL, /* a token or certificate obtained: it works without the gateway */
    EFFECT_IMPERSONATED,
    EFFECT_REFUSED,    /* by the gateway, or 401 and 403 of the API server */
    EFFECT_FAILED,     /* commands that did not end with 0 */
    EFFECT_OUTSIDE,    /* commands with a kubeconfig of their own */
    EFFECT_UNLINKED,   /* requests that no command claims */
    EFFECT_REDACTED,   /* secret values left out */
    EFFECT_WITHHELD,   /* bodies that are not recorded */
    EFFECT_UNFINISHED, /* requests without an end */
    EFFECT_GAP,
    EFFECT_DEGRADED,
    EFFECT_RECOVERED,
    EFFECT_COUNT,
};

struct effect_count {
    uint64_t count;
    uint32_t first; /* number of the first request or command; 0: it is of neither */
    bool is_command;
};

/* Free with effects_free(). */
struct effects {
    struct effect_count of[EFFECT_COUNT];
    /* {name: count}, the largest first. Requests that are about no resource are under "-", those
     * without an answer too. */
    json_object *verbs, *resources, *statuses;
    uint64_t requests, commands;
    uint64_t response_bytes; /* received, as far as that is known */
};

void effects_read(struct effects *effects, const struct timeline *timeline);
void effects_free(struct effects *effects);

const char *effect_text(enum effect effect); /* "secrets read" */
const char *effect_name(enum effect effect); /* "secretsRead", for JSON */
