/* summary.h - a session in one row: from the first event of its journals and
 * the counts of their indexes, so that a list of many sessions reads little.
 * What is open is counted line by line. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "upload/catalog.h"

struct summary {
    const struct catalog_session *session;
    int64_t started_unix_us; /* of session.start, else of the id */
    json_object *start;      /* owned: the home journal's session.start, else the
                                first; or NULL */
    json_object *clusters;   /* owned: array of their ids; `none` only when there is
                                no other */
    uint64_t commands, requests, events;
    uint64_t bytes;       /* of its files */
    int64_t last_unix_us; /* of its last event but `recovered`; 0: not known */
    bool has_end;         /* every journal has its last segment */
    const char *state;    /* as recordings_state(), or "damaged", "incomplete" */
    char problem[256];    /* why it is damaged, or "" */
};

/* Never fails: what cannot be read is the session's state. */
void summary_read(struct summary *summary, const struct catalog_session *session);
void summary_free(struct summary *summary);

/* From session.start; NULL when it is not known. */
const char *summary_user(const struct summary *summary);
const char *summary_title(const struct summary *summary);
const char *summary_agent(const struct summary *summary);
/* From its first event to its last; -1: not known. */
int64_t summary_took_us(const struct summary *summary);
/* Ids of the clusters with "," between; owned by the caller. */
char *summary_clusters(const struct summary *summary);
