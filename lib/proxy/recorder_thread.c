#include "proxy/recorder_thread.h"

#include <signal.h>
#include <time.h>

#include "base/alloc.h"
#include "base/jsondoc.h"
#include "base/scoped.h"
#include "proxy/recorder_command.h"

#define GROUP_BYTES ((size_t)4 << 20) /* commit at least that often, however much is queued */
#define SYNC_US 50000                 /* half of what gates allow: they should never shut */
#define RETRY_US 1000000
#define TICK_US 1000000
#define TRIES_AT_END 3
#define JUMP_US 1000000 /* of the wall clock, against the other one */
#define NEVER INT64_MAX

void recorder_thread_init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

static bool is_open(const struct recording *recording)
{
    return atomic_load_explicit(&recording->is_open, memory_order_relaxed);
}

/* Tells the loop to look, and gives back what it may free. */
static void wake_loop(struct recorder *recorder)
{
    pthread_mutex_lock(&recorder->lock);
    command_list_append(&recorder->done, &recorder->finished);
    pthread_mutex_unlock(&recorder->lock);
    recorder->config.wake(recorder->config.context);
}

/* Nothing that is not durable counts any more; the loop is told, and answers with ACKNOWLEDGE. */
static void break_off(struct recording *recording, const struct error *err)
{
    struct recorder *recorder = recording->recorder;

    pthread_mutex_lock(&recorder->lock);
    recording->problem = *err;
    pthread_mutex_unlock(&recorder->lock);
    recording->is_acknowledged = false;
    recording->is_touched = recording->wants_durable = false;
    recording->retry_mono_us = clock_now().mono_us + RETRY_US;
    atomic_store(&recording->unsynced_since_us, 0);
    atomic_store(&recording->is_open, false);
    atomic_fetch_add_explicit(&recording->breaks, 1, memory_order_release);
}

/* The first event of the journal; again, when its segment was lost before it was durable. */
static int write_start(struct recording *recording, const struct instant *now, struct error *err)
{
    recording->is_touched = recording->wants_durable = true;
    return record_write_event(recording, "session.start", NULL, now, recording->start, err);
}

static void publish(struct recording *recording, enum journal_level level)
{
    if (level == JOURNAL_DURABLE) {
        jsondoc_free(&recording->start);
        recording->is_touched = recording->wants_durable = false;
        atomic_store_explicit(&recording->unsynced_since_us, 0, memory_order_release);
    }
    atomic_store_explicit(&recording->written, recording->group_number, memory_order_release);
    if (level == JOURNAL_DURABLE)
        atomic_store_explicit(&recording->durable, recording->group_number, memory_order_release);
}

static int commit(struct recording *recording, enum journal_level level, struct error *err)
{
    struct instant now = clock_now();
    int64_t nothing = 0;

    /* Before the write: the age of the oldest unsynced byte may be over-, never understated. */
    atomic_compare_exchange_strong(&recording->unsynced_since_us, &nothing, now.mono_us);
    if (journal_commit(recording->journal, level, now, err) < 0)
        return -1;
    publish(recording, level);
    return 0;
}

static void commit_or_break(struct recording *recording, int64_t now_us)
{
    struct error err = {0};
    int64_t since = atomic_load(&recording->unsynced_since_us);
    bool is_due = since && now_us - since >= SYNC_US;
    bool durable = recording->wants_durable || is_due;

    if (!is_open(recording) || (!recording->is_touched && !is_due))
        return;
    recording->is_touched = false;
    /* Written first: responses need not wait for the disk of other people's requests. */
    if (commit(recording, JOURNAL_WRITTEN, &err) < 0) {
        break_off(recording, &err);
        return;
    }
    bool somebody_waits = recording->wants_written;
    recording->wants_written = false;
    if (!durable)
        return;
    if (somebody_waits)
        wake_loop(recording->recorder);
    if (commit(recording, JOURNAL_DURABLE, &err) < 0)
        break_off(recording, &err);
}

/* Nothing of the recording is touched by this thread after it. */
static void end_recording(struct recording *recording, const char *index_sha256)
{
    struct recorder *recorder = recording->recorder;

    if (index_sha256)
        recording->index_sha256 = xstrdup(index_sha256);
    journal_free(&recording->journal);
    jsondoc_free(&recording->start);
    command_list_clear(&recording->held);
    buf_free(&recording->line);
    for (size_t i = 0; i < recorder->active_count; i++)
        if (recorder->active[i] == recording)
            recorder->active[i--] = recorder->active[--recorder->active_count];
    atomic_store_explicit(&recording->is_ended, true, memory_order_release);
}

static json_object *session_end_payload(struct recording *recording, const char *reason,
                                        json_object *members)
{
    json_object *end = members ? members : json_object_new_object();
    json_object *counts = json_object_new_object();

    jsondoc_put_string(end, "reason", reason);
    jsondoc_put_int(counts, "requests", (int64_t)atomic_load(&recording->requests));
    jsondoc_put_int(counts, "commands", (int64_t)atomic_load(&recording->commands));
    jsondoc_put_int(counts, "secretsWithheld", (int64_t)atomic_load(&recording->secrets));
    jsondoc_put_adopt(end, "counts", counts);
    return end;
}

static int close_journal(struct recording *recording, struct command *command, struct error *err)
{
    command->payload = session_end_payload(recording, command->type, command->payload);
    if (record_write_event(recording, "session.end", NULL, &command->at, command->payload, err) <
            0 ||
        journal_end(recording->journal, command->type, clock_now(), err) < 0)
        return -1;
    end_recording(recording, journal_last_index_sha256(recording->journal));
    return 0;
}

static int perform(struct recording *recording, struct command *command, struct error *err)
{
    recording->is_touched = true;
    recording->wants_durable |= command->needs_durable;
    recording->wants_written |= !command->needs_durable;
    recording->group_number = command->number;
    if (command->kind == COMMAND_CLOSE)
        return close_journal(recording, command, err);
    return record_write(recording, command, err);
}

/* Broken, and only its end is still to come. */
static bool is_closing(const struct recording *recording)
{
    return recording->held.last && recording->held.last->kind == COMMAND_CLOSE;
}

static void give_up_at_end(struct recording *recording)
{
    if (is_closing(recording) && ++recording->tries_at_end >= TRIES_AT_END)
        end_recording(recording, NULL);
}

static int open_journal(struct recording *recording, struct instant now, struct error *err)
{
    if (recording->journal)
        return is_closing(recording) ? journal_reopen_to_end(recording->journal, now, err)
                                     : journal_try_reopen(recording->journal, now, err);
    recording->journal = journal_open(recording->config, now, err);
    return recording->journal ? 0 : -1;
}

static int tell_refused(struct recording *recording, const struct instant *now, struct error *err)
{
    uint64_t refused = atomic_load(&recording->refused);

    if (refused == recording->told_refused)
        return 0;
    scoped(jsondoc_free) json_object *mark = json_object_new_object();
    jsondoc_put_string(mark, "text", "requests were refused because they could not be recorded");
    jsondoc_put_int(mark, "refused", (int64_t)(refused - recording->told_refused));
    recording->told_refused = refused;
    return record_write_event(recording, "mark", NULL, now, mark, err);
}

/* Makes a segment that lasts before anybody is told that work goes on. */
static int reopen(struct recording *recording, struct error *err)
{
    struct instant now = clock_now();

    if (open_journal(recording, now, err) < 0)
        return -1;
    if ((recording->start && write_start(recording, &now, err) < 0) ||
        tell_refused(recording, &now, err) < 0 || commit(recording, JOURNAL_DURABLE, err) < 0)
        return -1;
    atomic_store_explicit(&recording->is_open, true, memory_order_release);
    return 0;
}

static void run(struct recording *recording, struct command *command);

static void retry(struct recording *recording)
{
    struct error err = {0};

    recording->retry_mono_us = clock_now().mono_us + RETRY_US;
    if (reopen(recording, &err) < 0) {
        pthread_mutex_lock(&recording->recorder->lock);
        recording->problem = err;
        pthread_mutex_unlock(&recording->recorder->lock);
        atomic_store(&recording->unsynced_since_us, 0);
        give_up_at_end(recording);
        return;
    }
    struct command_list held = recording->held;
    recording->held = (struct command_list){0};
    struct command *command;
    while ((command = command_list_pop(&held)))
        run(recording, command);
}

static void start_recording(struct recording *recording, struct command *command)
{
    struct recorder *recorder = recording->recorder;
    struct error err = {0};

    recorder->active =
        xreallocarray(recorder->active, recorder->active_count + 1, sizeof *recorder->active);
    recorder->active[recorder->active_count++] = recording;
    recording->start = take(command->payload);
    recording->group_number = command->number;
    if (open_journal(recording, command->at, &err) < 0 ||
        write_start(recording, &command->at, &err) < 0)
        break_off(recording, &err);
}

/* The last command: nothing waits any more, so nobody needs to acknowledge. */
static void hold_close(struct recording *recording, struct command *command_adopted)
{
    recording->is_acknowledged = true;
    command_list_push_adopt(&recording->held, command_adopted);
}

/* Takes one command to its journal, or loses it. True: it is kept for later. */
static bool run_or_keep(struct recording *recording, struct command *command)
{
    struct error err = {0};

    if (command->kind == COMMAND_OPEN) {
        start_recording(recording, command);
    } else if (command->kind == COMMAND_ACKNOWLEDGE) {
        recording->is_acknowledged = true;
        recording->group_number = command->number;
        /* A broken disk gets its second, a full one may have room by now. */
        recording->retry_mono_us = clock_now().mono_us + RETRY_US;
    } else if (is_open(recording)) {
        bool is_close = command->kind == COMMAND_CLOSE;

        if (perform(recording, command, &err) == 0)
            return false; /* a closed recording may be gone */
        break_off(recording, &err);
        if (is_close)
            hold_close(recording, command);
        return is_close;
    } else if (command->kind == COMMAND_CLOSE) {
        hold_close(recording, command);
        return true;
    } else if (recording->is_acknowledged) {
        command_list_push_adopt(&recording->held, command);
        return true;
    } /* else it was handed over before the loop knew: lost, like what waited */
    return false;
}

static void run(struct recording *recording, struct command *command_adopted)
{
    struct recorder *recorder = recording->recorder;

    if (!run_or_keep(recording, command_adopted))
        command_list_push_adopt(&recorder->finished, command_adopted);
}

static int64_t due_of(const struct recording *recording)
{
    int64_t since = atomic_load(&recording->unsynced_since_us);

    if (!is_open(recording))
        return recording->is_acknowledged ? recording->retry_mono_us : NEVER;
    return since ? since + SYNC_US : NEVER;
}

/* Waits for work until `due_us`; takes a group of it. False when it should stop. */
static bool take_group(struct recorder *recorder, int64_t due_us, struct command_list *group)
{
    pthread_mutex_lock(&recorder->lock);
    while (!recorder->queue.first && !recorder->is_stopping) {
        int64_t wait_us = due_us - clock_now().mono_us;
        struct timespec until;

        if (wait_us <= 0)
            break;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += wait_us / 1000000;
        until.tv_nsec += wait_us % 1000000 * 1000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        pthread_cond_timedwait(&recorder->filled, &recorder->lock, &until);
    }
    if (recorder->queue.bytes < GROUP_BYTES)
        command_list_append(group, &recorder->queue);
    while (recorder->queue.first && group->bytes < GROUP_BYTES)
        command_list_push_adopt(group, command_list_pop(&recorder->queue));
    bool is_stopping = recorder->is_stopping && !group->first;
    pthread_mutex_unlock(&recorder->lock);
    return !is_stopping;
}

/* Order is seq, time is shown as recorded: a jump is told, and stops nothing. */
static void tell_jump(struct recorder *recorder, struct instant now, int64_t *offset_us)
{
    int64_t offset = now.unix_us - now.mono_us, jump = offset - *offset_us;

    if (jump > -JUMP_US && jump < JUMP_US)
        return;
    *offset_us = offset;
    for (size_t i = 0; i < recorder->active_count; i++) {
        struct recording *recording = recorder->active[i];
        scoped(jsondoc_free) json_object *payload = json_object_new_object();
        struct error err = {0};

        if (!is_open(recording))
            continue;
        jsondoc_put_int(payload, "jump_us", jump);
        recording->is_touched = true;
        if (record_write_event(recording, "clock", NULL, &now, payload, &err) < 0)
            break_off(recording, &err);
    }
}

/* Everything that is due by the clock. Returns when the next thing is. */
static int64_t run_due(struct recorder *recorder, int64_t *tick_us)
{
    struct instant now = clock_now();
    int64_t due = *tick_us;

    for (size_t i = recorder->active_count; i-- > 0;) {
        struct recording *recording = recorder->active[i];
        struct error err = {0};

        if (!is_open(recording) && due_of(recording) <= now.mono_us)
            retry(recording);
        else if (is_open(recording) && *tick_us <= now.mono_us &&
                 journal_tick(recording->journal, now, &err) < 0)
            break_off(recording, &err);
    }
    if (*tick_us <= now.mono_us)
        due = *tick_us = now.mono_us + TICK_US;
    for (size_t i = recorder->active_count; i-- > 0;) {
        commit_or_break(recorder->active[i], now.mono_us);
        int64_t own = due_of(recorder->active[i]);
        if (own < due)
            due = own;
    }
    return due;
}

void *recorder_thread_run(void *context)
{
    struct recorder *recorder = context;
    struct command_list group = {0};
    struct instant start = clock_now();
    int64_t tick_us = start.mono_us + TICK_US, due_us = tick_us;
    int64_t offset_us = start.unix_us - start.mono_us;
    sigset_t all;

    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (take_group(recorder, due_us, &group)) {
        struct command *command;

        tell_jump(recorder, clock_now(), &offset_us);
        while ((command = command_list_pop(&group))) {
            size_t bytes = command->bytes;

            run(command->recording, command);
            atomic_fetch_sub_explicit(&recorder->queued_bytes, bytes, memory_order_relaxed);
        }
        due_us = run_due(recorder, &tick_us);
        wake_loop(recorder);
    }
    return NULL;
}
