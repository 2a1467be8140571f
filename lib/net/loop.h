/* loop.h - the one event loop of a process, over libuv: timers, calls put off, wake-ups from other
 * threads. Sockets: conn.h, dial.h, listener.h. Everything on the loop's thread, except
 * loop_wake_signal(). One pass: timers, events, put-off calls, then once what was queued with
 * loop_at_end() (sending, kicking the recorder), then it waits for events. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct loop;
struct uv_loop_s;

/* Ignores SIGPIPE where it has its default action: a program started by fork+exec would inherit
 * that, uv_spawn() puts it right. ERROR_INTERNAL: no descriptors left. */
must_use struct loop *loop_new(struct error *err);
/* Returns after loop_stop(), or when nothing is left that could happen. */
void loop_run(struct loop *loop);
/* Ends loop_run() after this pass. */
void loop_stop(struct loop *loop);
/* Runs the close callbacks that are still due, then frees. All timers, wake-ups, connections and
 * listeners must have been closed before. */
void loop_free(struct loop **loop);

/* For what is not wrapped here: signals, child processes. */
struct uv_loop_s *loop_uv(struct loop *loop);

/* The loop's own milliseconds (monotonic), as they were when the pass began. */
uint64_t loop_now_ms(struct loop *loop);

/* --- A call put off. The job lives in its owner: no allocation, and its owner cancels it before
 * it dies. All zero, with `run` set, is valid. */
struct loop_job {
    void (*run)(void *context);
    void *context;
    struct loop_job *next, *previous; /* in its queue; NULL: in none */
};

/* Runs once in the next pass, never from inside this call; twice queued is once run. */
void loop_later(struct loop *loop, struct loop_job *job);
/* Runs once at the end of this pass, after all put-off calls: for what gathers. */
void loop_at_end(struct loop *loop, struct loop_job *job);
/* Takes it out; in no queue: nothing. */
void loop_cancel(struct loop_job *job);

static inline bool loop_is_queued(const struct loop_job *job)
{
    return job->next != NULL;
}

/* --- Timers: once, after `delay_ms`. A running one keeps loop_run() from returning. */
struct loop_timer;
must_use struct loop_timer *loop_timer_start(struct loop *loop, uint64_t delay_ms,
                                             void (*call)(void *context), void *context);
/* Counts anew from now, also after it ran. */
void loop_timer_again(struct loop_timer *timer, uint64_t delay_ms);
/* Always needed, also after it ran; `call` does not come any more. */
void loop_timer_stop(struct loop_timer **timer);

/* --- Wake-ups: `call` runs on the loop some time after one or several signals. It does not keep
 * loop_run() from returning: the session does. */
struct loop_wake;
must_use struct loop_wake *loop_wake_new(struct loop *loop, void (*call)(void *context),
                                         void *context);
/* From any thread, or a signal handler. No thread may call it once loop_wake_free() has begun. */
void loop_wake_signal(struct loop_wake *wake);
void loop_wake_free(struct loop_wake **wake);

/* Memory that those who read share within one call; nothing stays in it. */
struct loop_scratch {
    char received[128 << 10];
    char plain[64 << 10];
};
struct loop_scratch *loop_scratch(struct loop *loop);

/* Large buffers that are empty again, for whoever fills one next: that they need not grow from
 * nothing at each use. An empty `buf` gets the memory of a spare one, if there is one, and gives
 * its own back; what is too much is freed. Its limit stays. */
void loop_spare_take(struct loop *loop, struct buf *buf);
void loop_spare_give(struct loop *loop, struct buf *buf);
