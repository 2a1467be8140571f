/* filter.h - which requests of a session are wanted. All criteria that are set must hold; of the
 * values of one criterion, any. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"
#include "replay/timeline.h"

#define FILTER_STATUS_MAX 16

struct filter_words {
    struct str *items; /* owned array, borrowed texts */
    size_t count;
};

/* All zero is a valid one that lets everything through. */
struct replay_filter {
    struct filter_words verbs;      /* of Kubernetes, or HTTP methods */
    struct filter_words resources;  /* see filter_add_resources() */
    struct filter_words namespaces; /* "" for requests without one */
    struct {
        int low, high; /* 0, 0: no answer */
    } statuses[FILTER_STATUS_MAX];
    size_t status_count;
    const char *command;        /* stands somewhere in the arguments; NULL: not asked for */
    int64_t since_us, until_us; /* of its start; 0: not asked for. `until_us` is not in it. */
};

/* Each takes "a,b" and adds to what is there; `text` is borrowed. ERROR_USAGE for an empty item. */
must_use int filter_add_verbs(struct replay_filter *filter, struct str text, struct error *err);
/* `pods`, `deployments.apps`, `pods/exec`, or as kubectl takes them: `pod`, `po`, `deploy`. */
must_use int filter_add_resources(struct replay_filter *filter, struct str text, struct error *err);
must_use int filter_add_namespaces(struct replay_filter *filter, struct str text,
                                   struct error *err);
/* `404`, `4xx`, `200-299`, `none` for requests without an answer. */
must_use int filter_add_statuses(struct replay_filter *filter, struct str text, struct error *err);

/* Is anything asked for? And anything that only a request can answer? */
bool filter_is_set(const struct replay_filter *filter);
bool filter_needs_requests(const struct replay_filter *filter);

/* After timeline_finish(). A group is wanted with any of its requests; one without requests when
 * nothing is asked about those. A note is wanted by its time, with its request or its group. */
bool filter_wants_request(const struct replay_filter *filter, const struct timeline *timeline,
                          const struct replay_request *request);
bool filter_wants_group(const struct replay_filter *filter, const struct timeline *timeline,
                        const struct replay_group *group);
bool filter_wants_note(const struct replay_filter *filter, const struct timeline *timeline,
                       const struct replay_note *note);
size_t filter_count(const struct replay_filter *filter, const struct timeline *timeline);

/* Does `text` (a lower-case plural as in the API, with its group) answer to the name `typed`? */
bool filter_names_resource(struct str typed, const char *resource, const char *group,
                           const char *subresource);

void filter_free(struct replay_filter *filter);
