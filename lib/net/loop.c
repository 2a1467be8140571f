#include "net/loop.h"

#include <assert.h>
#include <signal.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/scoped.h"

#define SPARES_MAX 4
#define SPARE_BYTES_MAX ((size_t)1 << 20)

struct loop {
    uv_loop_t uv;
    uv_prepare_t prepare; /* runs the queues before the loop waits; does not keep it alive */
    uv_idle_t idle;       /* active while a queue holds something: the loop must not wait then */
    struct loop_job later, at_end; /* each the head of a ring */
    struct loop_scratch *scratch;  /* owned; NULL until it is used */
    struct buf spares[SPARES_MAX]; /* owned, empty */
    size_t spare_count;
};

struct loop_timer {
    uv_timer_t uv;
    void (*call)(void *context);
    void *context;
};

struct loop_wake {
    uv_async_t uv;
    void (*call)(void *context);
    void *context;
};

static void ring_init(struct loop_job *head)
{
    head->next = head->previous = head;
}

static bool ring_is_empty(const struct loop_job *head)
{
    return head->next == head;
}

static void ring_append(struct loop_job *head, struct loop_job *job)
{
    job->next = head;
    job->previous = head->previous;
    head->previous->next = job;
    head->previous = job;
}

/* Runs what stands in the queue now; what comes in meanwhile waits for the next pass, so that jobs
 * that queue each other cannot starve the sockets. */
static void ring_run(struct loop_job *head)
{
    struct loop_job now;

    if (ring_is_empty(head))
        return;
    now = *head;
    now.next->previous = now.previous->next = &now;
    ring_init(head);
    while (!ring_is_empty(&now)) {
        struct loop_job *job = now.next;

        loop_cancel(job);
        job->run(job->context);
    }
}

void loop_cancel(struct loop_job *job)
{
    if (!job->next)
        return;
    job->next->previous = job->previous;
    job->previous->next = job->next;
    job->next = job->previous = NULL;
}

static void on_idle(uv_idle_t *idle)
{
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;

    ring_run(&loop->later);
    ring_run(&loop->at_end);
    if (ring_is_empty(&loop->later) && ring_is_empty(&loop->at_end))
        uv_idle_stop(&loop->idle);
}

static void queue(struct loop *loop, struct loop_job *head, struct loop_job *job)
{
    if (loop_is_queued(job))
        return;
    ring_append(head, job);
    uv_idle_start(&loop->idle, on_idle); /* active already: nothing happens */
}

void loop_later(struct loop *loop, struct loop_job *job)
{
    queue(loop, &loop->later, job);
}

void loop_at_end(struct loop *loop, struct loop_job *job)
{
    queue(loop, &loop->at_end, job);
}

static void ignore_sigpipe(void)
{
    struct sigaction action;

    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &action, NULL);
    }
}

struct loop *loop_new(struct error *err)
{
    struct loop *loop = xcalloc(1, sizeof *loop);
    int status = uv_loop_init(&loop->uv);

    if (status < 0) {
        free(loop);
        error_set(err, ERROR_INTERNAL, "event loop: %s", uv_strerror(status));
        return NULL;
    }
    ignore_sigpipe();
    ring_init(&loop->later);
    ring_init(&loop->at_end);
    uv_prepare_init(&loop->uv, &loop->prepare);
    loop->prepare.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_unref((uv_handle_t *)&loop->prepare);
    uv_idle_init(&loop->uv, &loop->idle);
    return loop;
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

void loop_free(struct loop **loop)
{
    if (!*loop)
        return;
    uv_run(&(*loop)->uv, UV_RUN_DEFAULT); /* what is closing, and jobs that this brings */
    uv_close((uv_handle_t *)&(*loop)->prepare, NULL);
    uv_close((uv_handle_t *)&(*loop)->idle, NULL);
    uv_run(&(*loop)->uv, UV_RUN_DEFAULT);
    int status = uv_loop_close(&(*loop)->uv);
    assert(status == 0); /* something was not closed before */
    ignore(status);
    free((*loop)->scratch);
    while ((*loop)->spare_count)
        buf_free(&(*loop)->spares[--(*loop)->spare_count]);
    free(*loop);
    *loop = NULL;
}

struct uv_loop_s *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

uint64_t loop_now_ms(struct loop *loop)
{
    return uv_now(&loop->uv);
}

static void on_timer(uv_timer_t *timer)
{
    struct loop_timer *self = timer->data;

    self->call(self->context);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

struct loop_timer *loop_timer_start(struct loop *loop, uint64_t delay_ms,
                                    void (*call)(void *context), void *context)
{
    struct loop_timer *timer = xcalloc(1, sizeof *timer);

    uv_timer_init(&loop->uv, &timer->uv);
    timer->uv.data = timer;
    timer->call = call;
    timer->context = context;
    uv_timer_start(&timer->uv, on_timer, delay_ms, 0);
    return timer;
}

void loop_timer_again(struct loop_timer *timer, uint64_t delay_ms)
{
    uv_timer_start(&timer->uv, on_timer, delay_ms, 0);
}

void loop_timer_stop(struct loop_timer **timer)
{
    if (*timer)
        uv_close((uv_handle_t *)&(*timer)->uv, on_timer_closed);
    *timer = NULL;
}

static void on_wake(uv_async_t *async)
{
    struct loop_wake *wake = async->data;

    wake->call(wake->context);
}

static void on_wake_closed(uv_handle_t *handle)
{
    free(handle->data);
}

struct loop_wake *loop_wake_new(struct loop *loop, void (*call)(void *context), void *context)
{
    struct loop_wake *wake = xcalloc(1, sizeof *wake);
    int status = uv_async_init(&loop->uv, &wake->uv, on_wake);

    assert(status == 0); /* the loop made its descriptors when it was made; first use only */
    ignore(status);
    wake->uv.data = wake;
    wake->call = call;
    wake->context = context;
    uv_unref((uv_handle_t *)&wake->uv);
    return wake;
}

void loop_wake_signal(struct loop_wake *wake)
{
    uv_async_send(&wake->uv);
}

void loop_wake_free(struct loop_wake **wake)
{
    if (*wake)
        uv_close((uv_handle_t *)&(*wake)->uv, on_wake_closed);
    *wake = NULL;
}

void loop_spare_take(struct loop *loop, struct buf *buf)
{
    size_t limit = buf->limit;

    if (buf->capacity || !loop->spare_count)
        return;
    *buf = loop->spares[--loop->spare_count];
    buf->limit = limit;
}

void loop_spare_give(struct loop *loop, struct buf *buf)
{
    if (loop->spare_count == SPARES_MAX || buf->capacity > SPARE_BYTES_MAX) {
        buf_free(buf);
        return;
    }
    buf_clear(buf);
    loop->spares[loop->spare_count++] = *buf;
    *buf = (struct buf){.limit = buf->limit};
}

struct loop_scratch *loop_scratch(struct loop *loop)
{
    if (!loop->scratch)
        loop->scratch = xcalloc(1, sizeof *loop->scratch);
    return loop->scratch;
}
