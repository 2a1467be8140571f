#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/scoped.h"
#include "net/loop.h"

struct test {
    struct loop *loop;
    struct loop_job first, second;
    struct loop_timer *timer;
    struct loop_wake *wake;
    struct buf trace; /* a letter per call */
    unsigned passes;
};

static int set_up(void **state)
{
    struct test *test = calloc(1, sizeof *test);
    struct error err = {0};

    test->loop = loop_new(&err);
    assert_non_null(test->loop);
    *state = test;
    return 0;
}

static int tear_down(void **state)
{
    struct test *test = *state;

    loop_timer_stop(&test->timer);
    loop_wake_free(&test->wake);
    loop_free(&test->loop);
    buf_free(&test->trace);
    free(test);
    return 0;
}

static void assert_trace(struct test *test, const char *expected)
{
    buf_append_char(&test->trace, '\0');
    assert_string_equal(expected, test->trace.data);
}

static void trace_a(void *context)
{
    buf_append_char(&((struct test *)context)->trace, 'a');
}

static void trace_b(void *context)
{
    buf_append_char(&((struct test *)context)->trace, 'b');
}

static void job_runs_once_and_never_from_inside(void **state)
{
    struct test *test = *state;

    test->first = (struct loop_job){.run = trace_a, .context = test};
    test->second = (struct loop_job){.run = trace_b, .context = test};
    loop_at_end(test->loop, &test->second);
    loop_later(test->loop, &test->first);
    loop_later(test->loop, &test->first);
    assert_true(loop_is_queued(&test->first));
    assert_int_equal(0, test->trace.len);
    loop_run(test->loop);     /* returns: nothing is left */
    assert_trace(test, "ab"); /* what gathers comes last */
    assert_false(loop_is_queued(&test->first));
}

static void cancelled_job_does_not_run(void **state)
{
    struct test *test = *state;

    test->first = (struct loop_job){.run = trace_a, .context = test};
    test->second = (struct loop_job){.run = trace_b, .context = test};
    loop_later(test->loop, &test->first);
    loop_later(test->loop, &test->second);
    loop_cancel(&test->first);
    loop_cancel(&test->first);
    loop_run(test->loop);
    assert_trace(test, "b");
}

static void cancel_second(void *context)
{
    struct test *test = context;

    trace_a(test);
    loop_cancel(&test->second);
}

static void job_may_cancel_the_one_behind_it(void **state)
{
    struct test *test = *state;

    test->first = (struct loop_job){.run = cancel_second, .context = test};
    test->second = (struct loop_job){.run = trace_b, .context = test};
    loop_later(test->loop, &test->first);
    loop_later(test->loop, &test->second);
    loop_run(test->loop);
    assert_trace(test, "a");
}

static void queue_again(void *context)
{
    struct test *test = context;

    trace_a(test);
    loop_later(test->loop, &test->first);
}

static void stop_loop(void *context)
{
    struct test *test = context;

    trace_b(test);
    loop_stop(test->loop);
}

/* A job that queues itself must not keep timers and sockets from their turn. */
static void job_that_queues_itself_starves_nobody(void **state)
{
    struct test *test = *state;

    test->first = (struct loop_job){.run = queue_again, .context = test};
    loop_later(test->loop, &test->first);
    /* Long enough for a busy machine: a timer that is due before the first pass stops it all. */
    test->timer = loop_timer_start(test->loop, 20, stop_loop, test);
    loop_run(test->loop);
    assert_true(test->trace.len > 2);
    assert_true(str_index(buf_str(&test->trace), 'b') > 0);
    loop_cancel(&test->first);
}

static void restart_timer(void *context)
{
    struct test *test = context;

    trace_a(test);
    if (++test->passes < 3)
        loop_timer_again(test->timer, 1);
}

static void timer_runs_once_until_it_is_restarted(void **state)
{
    struct test *test = *state;

    test->timer = loop_timer_start(test->loop, 0, restart_timer, test);
    loop_run(test->loop);
    assert_trace(test, "aaa");
}

static void stopped_timer_does_not_run(void **state)
{
    struct test *test = *state;

    test->timer = loop_timer_start(test->loop, 0, trace_a, test);
    loop_timer_stop(&test->timer);
    loop_run(test->loop);
    assert_int_equal(0, test->trace.len);
}

static void *signal_from_thread(void *context)
{
    loop_wake_signal(((struct test *)context)->wake);
    return NULL;
}

static void another_thread_wakes_the_loop(void **state)
{
    struct test *test = *state;
    pthread_t thread;

    test->wake = loop_wake_new(test->loop, stop_loop, test);
    test->timer = loop_timer_start(test->loop, 20000, trace_a, test); /* keeps it running */
    assert_int_equal(0, pthread_create(&thread, NULL, signal_from_thread, test));
    loop_run(test->loop);
    pthread_join(thread, NULL);
    assert_trace(test, "b");
}

static void wake_alone_does_not_keep_it_running(void **state)
{
    struct test *test = *state;

    test->wake = loop_wake_new(test->loop, stop_loop, test);
    loop_run(test->loop);
    assert_int_equal(0, test->trace.len);
}

static void broken_pipe_is_no_signal(void **state)
{
    struct sigaction action;

    assert_int_equal(0, sigaction(SIGPIPE, NULL, &action));
    assert_true(action.sa_handler == SIG_IGN);
}

#define loop_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(job_runs_once_and_never_from_inside),
        loop_test(cancelled_job_does_not_run),
        loop_test(job_may_cancel_the_one_behind_it),
        loop_test(job_that_queues_itself_starves_nobody),
        loop_test(timer_runs_once_until_it_is_restarted),
        loop_test(stopped_timer_does_not_run),
        loop_test(another_thread_wakes_the_loop),
        loop_test(wake_alone_does_not_keep_it_running),
        loop_test(broken_pipe_is_no_signal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
