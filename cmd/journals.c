#include "journals.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/hash.h"
#include "base/jsondoc.h"
#include "base/random.h"
#include "base/scoped.h"
#include "upload/spool.h"

#define JOURNAL_ID_HEX_BYTES (2 * JOURNAL_ID_RAW_BYTES + 1)

struct entry {
    struct entry *next;
    struct journals *journals;
    struct journal_config config;
    struct recording *recording;
    char id[JOURNAL_ID_HEX_BYTES];
    char index_sha256[SHA256_HEX_BYTES]; /* once it has ended */
};

struct journals {
    struct journals_config config;
    struct entry *first; /* the home journal is the last one */
    struct entry *home;
    size_t count, open;
    struct recording_counts counts; /* when they were closed */
    bool failed;
    void (*done)(void *context, const char *expect);
    void *context;
};

static json_object *describe_cluster(const struct kubeconfig_cluster *cluster, const char *id)
{
    json_object *described = json_object_new_object();

    jsondoc_put_string(described, "id", id);
    if (cluster) {
        jsondoc_put_string(described, "name", cluster->name);
        jsondoc_put_string(described, "server", cluster->server);
        if (cluster->is_insecure) /* whoever answered there was believed */
            jsondoc_put_bool(described, "insecureSkipTLSVerify", true);
    }
    return described;
}

static json_object *describe_start(struct journals *journals,
                                   const struct kubeconfig_cluster *cluster, const char *id)
{
    json_object *start = json_object_new_object();

    json_object_object_foreach(journals->config.start, key, value)
        json_object_object_add(start, key, json_object_get(value));
    jsondoc_put_adopt(start, "cluster", describe_cluster(cluster, id));
    jsondoc_put_bool(start, "home", !journals->home);
    return start;
}

static struct entry *open_entry(struct journals *journals, const struct kubeconfig_cluster *cluster)
{
    const struct journals_config *with = &journals->config;
    struct entry *entry = xcalloc(1, sizeof *entry);
    const char *id = cluster ? cluster->id : "none";

    entry->journals = journals;
    entry->config = (struct journal_config){
        .session = with->session,
        .cluster = id,
        .boot = with->boot,
        .medium = &medium_posix,
        .spool_directory = with->spool_directory,
        .reserve = with->reserve,
        .ship_every_us = with->ship_every_us,
        .sealed = uploader_add,
        .context = with->uploader,
    };
    random_bytes(entry->config.journal_id, sizeof entry->config.journal_id);
    encode_hex(entry->config.journal_id, sizeof entry->config.journal_id, entry->id);
    entry->recording =
        recorder_open(with->recorder, &entry->config, describe_start(journals, cluster, id));
    entry->next = journals->first;
    journals->first = entry;
    journals->count++;
    return entry;
}

struct journals *journals_new(const struct journals_config *config)
{
    struct journals *journals = xcalloc(1, sizeof *journals);

    journals->config = *config;
    journals->home = open_entry(journals, config->home);
    return journals;
}

struct recording *journals_home(const struct journals *journals)
{
    return journals->home->recording;
}

struct recording *journals_for(struct journals *journals, struct str id)
{
    if (id.len == 0)
        return journals->home->recording;
    for (struct entry *entry = journals->first; entry; entry = entry->next)
        if (str_is(id, entry->config.cluster))
            return entry->recording;
    return open_entry(journals, kubeconfig_find_cluster_id(journals->config.kubeconfig, id))
        ->recording;
}

struct recording_counts journals_counts(const struct journals *journals)
{
    struct recording_counts sum = journals->counts;

    for (const struct entry *entry = journals->first; entry; entry = entry->next) {
        if (!entry->recording)
            continue;
        struct recording_counts counts = recording_counts(entry->recording);

        sum.requests += counts.requests;
        sum.commands += counts.commands;
        sum.secrets_withheld += counts.secrets_withheld;
        sum.events += counts.events;
    }
    return sum;
}

static void tell_expect(struct journals *journals)
{
    struct journal_last *last = xcalloc(journals->count, sizeof *last);
    char expect[JOURNAL_EXPECT_BYTES];
    size_t count = 0;

    for (const struct entry *entry = journals->first; entry; entry = entry->next)
        last[count++] = (struct journal_last){entry->id, entry->index_sha256};
    journal_expect(last, count, expect);
    free(last);
    journals->done(journals->context, journals->failed ? NULL : expect);
}

static void on_closed(void *context, const char *index_sha256)
{
    struct entry *entry = context;
    struct journals *journals = entry->journals;

    if (index_sha256)
        snprintf(entry->index_sha256, sizeof entry->index_sha256, "%s", index_sha256);
    else
        journals->failed = true;
    if (--journals->open == 0)
        tell_expect(journals);
}

/* Each end names all journals, so that none can go missing unseen while another is there. One that
 * is broken may never have had a file. */
static char *name_all(const struct journals *journals)
{
    struct buf ids = {.limit = SIZE_MAX};

    for (const struct entry *entry = journals->first; entry; entry = entry->next)
        if (!recording_is_broken(entry->recording))
            buf_printf(&ids, "%s%s", ids.len ? " " : "", entry->id);
    return buf_take_text(&ids);
}

void journals_close(struct journals *journals, const char *reason, json_object *home_end_adopt,
                    void (*done)(void *context, const char *expect), void *context)
{
    struct recording_counts counts = journals_counts(journals);
    scoped(free_text) char *all = name_all(journals);

    journals->counts = counts;
    journals->done = done;
    journals->context = context;
    journals->open = journals->count;
    for (struct entry *entry = journals->first, *next; entry; entry = next) {
        next = entry->next; /* `done` may come before it returns */
        json_object *end =
            entry == journals->home && home_end_adopt ? home_end_adopt : json_object_new_object();

        jsondoc_put_string(end, "journals", all);
        recorder_close(&entry->recording, reason, end, on_closed, entry);
    }
}

void journals_free(struct journals **owner)
{
    struct journals *journals = *owner;

    *owner = NULL;
    if (!journals)
        return;
    while (journals->first) {
        struct entry *entry = journals->first;

        journals->first = entry->next;
        free(entry);
    }
    free(journals);
}
