#include "proxy/recorder.h"

#include <assert.h>
#include <errno.h>

#include "base/alloc.h"
#include "base/jsondoc.h"
#include "base/scoped.h"
#include "proxy/recorder_command.h"
#include "proxy/recorder_thread.h"

#define QUEUE_BYTES_MAX ((size_t)64 << 20)
#define BEHIND_US 100000

static void hand_over(void *context)
{
    struct recorder *recorder = context;

    recorder->handed_over++;
    pthread_mutex_lock(&recorder->lock);
    bool was_empty = !recorder->queue.first;
    command_list_append(&recorder->queue, &recorder->pending);
    if (was_empty)
        pthread_cond_signal(&recorder->filled);
    pthread_mutex_unlock(&recorder->lock);
}

uint64_t recorder_put(struct command *command)
{
    struct recording *recording = command->recording;
    struct recorder *recorder = recording->recorder;
    uint64_t number = command->number = ++recording->last_number;

    command->needs_durable |= recorder->config.is_strict;
    atomic_fetch_add_explicit(&recorder->queued_bytes, command->bytes, memory_order_relaxed);
    command_list_push_adopt(&recorder->pending, command);
    loop_at_end(recorder->config.loop, &recorder->hand_over);
    return number;
}

struct recorder *recorder_start(const struct recorder_config *config, struct error *err)
{
    struct recorder *recorder = xcalloc(1, sizeof *recorder);

    recorder->config = *config;
    recorder->hand_over = (struct loop_job){.run = hand_over, .context = recorder};
    if (!recorder->config.queue_bytes_max)
        recorder->config.queue_bytes_max = QUEUE_BYTES_MAX;
    pthread_mutex_init(&recorder->lock, NULL);
    recorder_thread_init_condition(&recorder->filled);
    int failed = pthread_create(&recorder->thread, NULL, recorder_thread_run, recorder);
    if (failed) {
        errno = failed;
        error_errno(err, ERROR_INTERNAL, "start the recorder thread");
        free(recorder);
        return NULL;
    }
    return recorder;
}

void recorder_stop(struct recorder **recorder)
{
    struct recorder *r = *recorder;

    if (!r)
        return;
    assert(!r->recordings);
    loop_cancel(&r->hand_over);
    pthread_mutex_lock(&r->lock);
    r->is_stopping = true;
    pthread_cond_signal(&r->filled);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    command_list_clear(&r->pending);
    command_list_clear(&r->queue);
    command_list_clear(&r->done);
    command_list_clear(&r->finished);
    free(r->active);
    pthread_cond_destroy(&r->filled);
    pthread_mutex_destroy(&r->lock);
    free(r);
    *recorder = NULL;
}

void recorder_note_growth(struct command *command, size_t bytes)
{
    struct recorder *recorder = command->recording->recorder;

    command->bytes += bytes;
    recorder->pending.bytes += bytes;
    atomic_fetch_add_explicit(&recorder->queued_bytes, bytes, memory_order_relaxed);
}

/* Where they were made: two threads that free what the other one allocates fight for its heap. */
static void free_done(struct recorder *recorder)
{
    struct command_list done = {0};

    pthread_mutex_lock(&recorder->lock);
    command_list_append(&done, &recorder->done);
    pthread_mutex_unlock(&recorder->lock);
    command_list_clear(&done);
}

bool recorder_is_full(const struct recorder *recorder)
{
    return atomic_load_explicit(&recorder->queued_bytes, memory_order_relaxed) >
           recorder->config.queue_bytes_max;
}

struct recording *recorder_open(struct recorder *recorder, const struct journal_config *config,
                                json_object *session_start)
{
    struct recording *recording = xcalloc(1, sizeof *recording);

    recording->recorder = recorder;
    recording->config = config;
    recording->waiters_end = &recording->waiters;
    atomic_store(&recording->is_open, true); /* until it is known better */
    recording->seen_open = true;
    struct recording **link = &recorder->recordings;
    while (*link) /* at the end: dispatch may be under way */
        link = &(*link)->next;
    *link = recording;

    struct command *command = command_new(recording, COMMAND_OPEN);
    command->payload = session_start;
    command->needs_durable = true;
    recorder_put(command);
    return recording;
}

void recording_on_progress(struct recording *recording, void (*progress)(void *context, bool broke),
                           void *context)
{
    recording->progress = progress;
    recording->progress_context = context;
}

bool recording_has(const struct recording *recording, uint64_t number, enum recording_level level)
{
    if (number > recording->lost_after && number <= recording->lost_to)
        return false;
    return number <= atomic_load_explicit(level == RECORDING_DURABLE ? &recording->durable
                                                                     : &recording->written,
                                          memory_order_acquire);
}

bool recording_is_behind(const struct recording *recording, int64_t mono_us)
{
    int64_t since = atomic_load_explicit(&recording->unsynced_since_us, memory_order_acquire);

    return since && mono_us - since > BEHIND_US;
}

bool recording_is_broken(const struct recording *recording)
{
    return atomic_load_explicit(&recording->breaks, memory_order_acquire) !=
               recording->acknowledged ||
           !atomic_load_explicit(&recording->is_open, memory_order_acquire);
}

const char *recording_problem(struct recording *recording, struct error *problem)
{
    pthread_mutex_lock(&recording->recorder->lock);
    *problem = recording->problem;
    pthread_mutex_unlock(&recording->recorder->lock);
    return problem->text;
}

/* Calls those waiters whose number is durable; all up to `lost_to` as lost. */
static void call_waiters(struct recording *recording, uint64_t lost_to)
{
    while (recording->waiters) {
        struct waiter *waiter = recording->waiters;
        bool is_durable = recording_has(recording, waiter->number, RECORDING_DURABLE);

        if (!is_durable && waiter->number > lost_to && !waiter->is_lost)
            return;
        recording->waiters = waiter->next;
        if (!recording->waiters)
            recording->waiters_end = &recording->waiters;
        waiter->done(waiter->context, !is_durable);
        free(waiter);
    }
}

/* Tells the recorder that the loop knows: what it is handed from now on is kept. Returns whether
 * there was something to know. */
static bool acknowledge(struct recording *recording)
{
    unsigned breaks = atomic_load_explicit(&recording->breaks, memory_order_acquire);

    if (breaks == recording->acknowledged)
        return false;
    recording->acknowledged = breaks;
    recording->lost_after = atomic_load_explicit(&recording->durable, memory_order_acquire);
    recording->lost_to = recording->last_number;
    if (!recording->closed) /* after CLOSE it may be gone by the time it gets there */
        recorder_put(command_new(recording, COMMAND_ACKNOWLEDGE));
    return true;
}

void recorder_count_refused(struct recording *recording)
{
    atomic_fetch_add_explicit(&recording->refused, 1, memory_order_relaxed);
}

uint64_t recorder_event(struct recording *recording, const char *type, struct str invocation,
                        json_object *payload)
{
    struct command *command = command_new(recording, COMMAND_EVENT);

    command->type = xstrdup(type);
    command->invocation = invocation.len ? str_dup(invocation) : NULL;
    command->payload = payload;
    command->needs_durable = true;
    return recorder_put(command);
}

void recorder_when_durable(struct recording *recording, uint64_t number,
                           void (*done)(void *context, bool lost), void *context)
{
    struct waiter *waiter = xcalloc(1, sizeof *waiter);

    *waiter = (struct waiter){.number = number,
                              .is_lost = recording_is_broken(recording),
                              .done = done,
                              .context = context};
    *recording->waiters_end = waiter;
    recording->waiters_end = &waiter->next;
    /* What is durable already is told by the next dispatch, never from here. */
    recording->must_look = true;
    recording->recorder->config.wake(recording->recorder->config.context);
}

struct recording_counts recording_counts(const struct recording *recording)
{
    return (struct recording_counts){
        .requests = atomic_load(&recording->requests),
        .commands = atomic_load(&recording->commands),
        .secrets_withheld = atomic_load(&recording->secrets),
        .events = atomic_load(&recording->events),
    };
}

void recorder_close(struct recording **recording, const char *reason, json_object *session_end,
                    void (*done)(void *context, const char *index_sha256), void *context)
{
    struct command *command = command_new(*recording, COMMAND_CLOSE);

    acknowledge(*recording);
    (*recording)->closed = done;
    (*recording)->closed_context = context;
    command->type = xstrdup(reason);
    command->payload = session_end;
    command->needs_durable = true;
    recorder_put(command);
    *recording = NULL;
}

static void recording_free(struct recording *recording)
{
    assert(!recording->waiters);
    free(recording->index_sha256);
    free(recording);
}

/* True when it ended and is gone. */
static bool dispatch_one(struct recorder *recorder, struct recording **link)
{
    struct recording *recording = *link;
    bool is_ended = atomic_load_explicit(&recording->is_ended, memory_order_acquire);
    bool broke = !is_ended && acknowledge(recording);
    uint64_t written = atomic_load_explicit(&recording->written, memory_order_acquire);
    uint64_t durable = atomic_load_explicit(&recording->durable, memory_order_acquire);
    bool is_open = atomic_load_explicit(&recording->is_open, memory_order_acquire);

    if (written != recording->seen_written || durable != recording->seen_durable ||
        is_open != recording->seen_open || broke || recording->must_look) {
        recording->must_look = false;
        recording->seen_written = written;
        recording->seen_durable = durable;
        recording->seen_open = is_open;
        call_waiters(recording, broke ? recording->lost_to : 0);
        if (recording->progress)
            recording->progress(recording->progress_context, broke);
    }
    if (!is_ended)
        return false;
    *link = recording->next;
    call_waiters(recording, UINT64_MAX);
    recording->closed(recording->closed_context, recording->index_sha256);
    recording_free(recording);
    return true;
}

void recorder_dispatch(struct recorder *recorder)
{
    struct recording **link = &recorder->recordings;

    free_done(recorder);
    while (*link)
        if (!dispatch_one(recorder, link))
            link = &(*link)->next;
}
