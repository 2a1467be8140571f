/* timeline_inside.h - what timeline.c, which reads lines, and timeline_link.c, which orders what
 * was read, share. */
#pragma once

#include <string.h>

#include "base/alloc.h"
#include "replay/timeline.h"

/* Room for one more, doubling; the new one is all zero. */
#define append(array, count)                                                                       \
    ({                                                                                             \
        if (((count) & ((count)-1)) == 0)                                                          \
            (array) = xreallocarray((array), (count) ? 2 * (count) : 1, sizeof *(array));          \
        memset(&(array)[count], 0, sizeof *(array));                                               \
        &(array)[(count)++];                                                                       \
    })

/* The index: one map for exchanges and groups. -1: not there. */
int64_t timeline_index_find(const struct timeline *timeline, const char *key);

/* "c/<party>/<invocation id>", for the party that the journal belongs to; owned by the caller. */
char *timeline_command_key(const struct timeline *timeline, unsigned journal, const char *id);

/* A group under that key, "s/<party>/<Kubectl-Session>" or "n/<party>/". */
struct replay_group *timeline_group_new(struct timeline *timeline, enum replay_group_kind kind,
                                        const char *key, const char *id);
struct replay_group *timeline_group_find(struct timeline *timeline, const char *key);
