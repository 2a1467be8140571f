/* diff.h - what differs between two states of one Kubernetes object, path by path. */
#pragma once

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

#define DIFF_ENTRIES_MAX 1000

struct diff_entry {
    char *path;                  /* owned: spec.containers[web].image, metadata.labels[a.b/c] */
    json_object *before, *after; /* owned; NULL: absent */
};

/* All zero is a valid, empty one. */
struct diff {
    struct diff_entry *entries; /* owned, in the order of `before`, then what is new */
    size_t count;
    uint64_t left_off; /* more than DIFF_ENTRIES_MAX */
    uint64_t noise;    /* differences at paths that change with every write, not in entries */
};

enum diff_noise { DIFF_WITHOUT_NOISE, DIFF_WITH_NOISE };

/* Adds to `diff`. Items of a list are matched by `name`, or `type`, where each has its own, else by
 * place. Noise is managedFields, resourceVersion, generation, and last-applied-configuration. */
void diff_objects(struct diff *diff, json_object *before, json_object *after,
                  enum diff_noise noise);
void diff_free(struct diff *diff);
