/* journals.h - the recordings of one loopback session: the home journal, opened at once, and one
 * per cluster, opened at its first request. All calls on the loop thread. */
#pragma once

#include <json-c/json.h>

#include "base/error.h"
#include "kube/kubeconfig.h"
#include "proxy/recorder.h"
#include "session/journal.h"
#include "session/keys.h"
#include "session/reserve.h"
#include "upload/uploader.h"

struct journals;

/* All is borrowed until journals_free(). */
struct journals_config {
    const char *session; /* ULID */
    const struct kubeconfig *kubeconfig;
    const struct kubeconfig_cluster *home; /* NULL: the home journal's cluster is "none" */
    const struct boot *boot;
    const char *spool_directory;
    struct reserve *reserve;
    struct uploader *uploader;
    struct recorder *recorder;
    int64_t ship_every_us;
    json_object *start; /* the fields of every session.start but `cluster` and `home` */
};

must_use struct journals *journals_new(const struct journals_config *config);

struct recording *journals_home(const struct journals *journals);
/* `id` of a cluster in the kubeconfig, or empty for the home journal. */
struct recording *journals_for(struct journals *journals, struct str id);

/* The sum of all. */
struct recording_counts journals_counts(const struct journals *journals);

/* Ends all of them; then `done`, with the hash for `verify --expect`, or NULL when one of them
 * could not be ended. `home_end` are more fields for the home journal's session.end. */
void journals_close(struct journals *journals, const char *reason, json_object *home_end_adopt,
                    void (*done)(void *context, const char *expect), void *context);

void journals_free(struct journals **journals);
