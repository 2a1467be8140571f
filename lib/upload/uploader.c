#include "upload/uploader.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/scoped.h"
#include "upload/spool.h"

#define RETRY_FIRST_S 1
#define RETRY_MAX_S 60

struct item {
    struct item *next;
    char *path;
    char *key;                          /* in the store; NULL: its file could not be read yet */
    char line_sha256[SHA256_HEX_BYTES]; /* of its index line, once there is a key */
    int64_t due_mono_us;                /* not before */
    int64_t wait_s;                     /* before the next try, when this one fails */
    bool was_tried;
};

struct uploader {
    const struct store_type *type;
    struct store *store;
    pthread_t thread;
    pthread_mutex_t lock;    /* of all below */
    pthread_cond_t changed;  /* something was added, or it stops */
    pthread_cond_t advanced; /* something was tried */
    struct item *first;      /* oldest first */
    struct item *current;    /* in the hands of the thread */
    bool is_stopping;
    struct error problem; /* the last one */
};

static void item_free(struct item **item)
{
    if (*item) {
        free((*item)->path);
        free((*item)->key);
    }
    free(*item);
    *item = NULL;
}

struct attempt {
    enum store_put_result result;
    struct error err;
};

static void on_put(void *context, enum store_put_result result, const struct error *err)
{
    struct attempt *attempt = context;

    attempt->result = result;
    if (result != STORE_PUT_DONE)
        attempt->err = *err;
}

/* What it is in the store, while its file is there to say so. */
static int identify(struct item *item, struct error *err)
{
    scoped(sealed_free) struct sealed sealed = {0};

    if (item->key)
        return 0;
    if (spool_read_sealed(item->path, &sealed, err) < 0)
        return -1;
    memcpy(item->line_sha256, sealed.tail.line_sha256, sizeof item->line_sha256);
    item->key = store_key_of_file(item->path, err);
    return item->key ? 0 : -1;
}

/* `sessions reap` may have stored it and taken it out of the spool. Then the store has its index
 * line, whose hash we know, and data with the hash that stands there. */
static bool was_stored_by_another(struct uploader *uploader, const struct item *item)
{
    scoped(source_close) struct source source = {0};
    scoped(sealed_free) struct sealed sealed = {0};
    struct mismatch mismatch = {0};
    struct error err = {0};

    return item->key && access(item->path, F_OK) < 0 && errno == ENOENT &&
           uploader->type->read(uploader->store, item->key, &source, &err) == 0 &&
           sealed_read(&sealed, &source, &mismatch, &err) == 0 &&
           memcmp(sealed.tail.line_sha256, item->line_sha256, sizeof item->line_sha256) == 0 &&
           sealed_check_hash(&sealed, &source, &mismatch, &err) == 0;
}

/* Out of the lock. A conflict is stored too, under another name: it does not come back. */
static bool try_item(struct uploader *uploader, struct item *item, struct error *problem)
{
    struct attempt attempt = {.result = STORE_PUT_FAILED};

    if (identify(item, &attempt.err) == 0)
        uploader->type->put(uploader->store, item->path, item->key, on_put, &attempt);
    if (attempt.result == STORE_PUT_FAILED && was_stored_by_another(uploader, item))
        return true;
    if (attempt.result != STORE_PUT_DONE)
        *problem = attempt.err;
    return attempt.result != STORE_PUT_FAILED;
}

/* The first that is due, out of the queue; NULL: none, and then when to look again. */
static struct item *take_due(struct uploader *uploader, int64_t now_us, int64_t *next_us)
{
    *next_us = INT64_MAX;
    for (struct item **at = &uploader->first; *at; at = &(*at)->next) {
        struct item *item = *at;

        if (item->due_mono_us <= now_us) {
            *at = item->next;
            item->next = NULL;
            return item;
        }
        *next_us = min_of(*next_us, item->due_mono_us);
    }
    return NULL;
}

static void append(struct uploader *uploader, struct item *item)
{
    struct item **at = &uploader->first;

    while (*at)
        at = &(*at)->next;
    *at = item;
}

static void wait_for_work(struct uploader *uploader, int64_t now_us, int64_t next_us)
{
    struct timespec until;

    if (next_us == INT64_MAX) {
        pthread_cond_wait(&uploader->changed, &uploader->lock);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)((next_us - now_us) / 1000000 + 1);
    pthread_cond_timedwait(&uploader->changed, &uploader->lock, &until);
}

static void *work(void *context)
{
    struct uploader *uploader = context;

    pthread_mutex_lock(&uploader->lock);
    while (!uploader->is_stopping) {
        int64_t now_us = clock_now().mono_us, next_us;
        struct item *item = take_due(uploader, now_us, &next_us);

        if (!item) {
            wait_for_work(uploader, now_us, next_us);
            continue;
        }
        struct error problem = {0};

        uploader->current = item;
        pthread_mutex_unlock(&uploader->lock);
        bool is_stored = try_item(uploader, item, &problem);
        pthread_mutex_lock(&uploader->lock);
        uploader->current = NULL;
        if (problem.kind)
            uploader->problem = problem;
        if (is_stored) {
            item_free(&item);
        } else {
            item->was_tried = true;
            item->due_mono_us = clock_now().mono_us + item->wait_s * 1000000;
            item->wait_s = min_of(item->wait_s * 2, (int64_t)RETRY_MAX_S);
            append(uploader, item);
        }
        pthread_cond_broadcast(&uploader->advanced);
    }
    pthread_mutex_unlock(&uploader->lock);
    return NULL;
}

/* Whose waits no jump of the clock makes longer. */
static void init_monotonic(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct uploader *uploader_start(const struct store_type *type, struct store *store,
                                struct error *err)
{
    struct uploader *uploader = xcalloc(1, sizeof *uploader);

    uploader->type = type;
    uploader->store = store;
    pthread_mutex_init(&uploader->lock, NULL);
    init_monotonic(&uploader->changed);
    pthread_cond_init(&uploader->advanced, NULL);
    if (pthread_create(&uploader->thread, NULL, work, uploader) != 0) {
        error_set(err, ERROR_STORAGE, "uploader: no thread");
        free(uploader);
        return NULL;
    }
    return uploader;
}

void uploader_add(void *context, const char *path, bool is_last)
{
    struct uploader *uploader = context;
    struct item *item = xcalloc(1, sizeof *item);
    struct error unreadable = {0};

    item->path = xstrdup(path);
    ignore(identify(item, &unreadable)); /* else at the first try, which then says why */
    item->wait_s = RETRY_FIRST_S;
    pthread_mutex_lock(&uploader->lock);
    append(uploader, item);
    pthread_cond_signal(&uploader->changed);
    pthread_mutex_unlock(&uploader->lock);
}

static bool has_untried(const struct uploader *uploader)
{
    for (const struct item *item = uploader->first; item; item = item->next)
        if (!item->was_tried)
            return true;
    return uploader->current && !uploader->current->was_tried;
}

int uploader_flush(struct uploader *uploader, struct error *err)
{
    pthread_mutex_lock(&uploader->lock);
    /* What failed is tried once more: nobody comes after this. */
    for (struct item *item = uploader->first; item; item = item->next) {
        item->was_tried = false;
        item->due_mono_us = 0;
    }
    if (uploader->current) /* a try that has begun counts */
        uploader->current->was_tried = false;
    pthread_cond_signal(&uploader->changed);
    while (has_untried(uploader))
        pthread_cond_wait(&uploader->advanced, &uploader->lock);
    bool is_empty = !uploader->first && !uploader->current;

    if (!is_empty)
        *err = uploader->problem;
    pthread_mutex_unlock(&uploader->lock);
    return is_empty ? 0 : -1;
}

void uploader_stop(struct uploader **owner)
{
    struct uploader *uploader = *owner;

    *owner = NULL;
    if (!uploader)
        return;
    pthread_mutex_lock(&uploader->lock);
    uploader->is_stopping = true;
    pthread_cond_signal(&uploader->changed);
    pthread_mutex_unlock(&uploader->lock);
    pthread_join(uploader->thread, NULL);
    while (uploader->first) {
        struct item *item = uploader->first;

        uploader->first = item->next;
        item_free(&item);
    }
    pthread_cond_destroy(&uploader->changed);
    pthread_cond_destroy(&uploader->advanced);
    pthread_mutex_destroy(&uploader->lock);
    free(uploader);
}
