#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/gate.h"
#include "proxy/recorder_command.h"

static void reach(struct recording *recording, uint64_t written, uint64_t durable)
{
    atomic_store(&recording->written, written);
    atomic_store(&recording->durable, durable);
}

static void gate_of_a_request_opens_only_when_durable(void **state)
{
    struct recording recording = {0};
    struct gate_queue queue = {.recording = &recording, .rule = GATE_DURABLE};

    assert_false(gate_is_open(&queue, 1));
    gate_push_adopt(&queue, GATE_HEAD, 7, NULL, NULL);
    assert_false(gate_is_open(&queue, 1));
    reach(&recording, 7, 6);
    assert_false(gate_is_open(&queue, 1));
    reach(&recording, 7, 7);
    assert_true(gate_is_open(&queue, 1));
    struct gate *gate = gate_take(&queue, 1);
    assert_int_equal(7, gate->number);
    gate_free(&gate);
    assert_false(gate_is_open(&queue, 1));
}

static void gate_of_a_response_opens_when_written_and_shuts_while_the_sync_is_late(void **state)
{
    struct recording recording = {0};
    struct gate_queue queue = {.recording = &recording, .rule = GATE_WRITTEN};

    gate_push_adopt(&queue, GATE_DATA, 3, NULL, chunk_new(STR("abc")));
    assert_int_equal(3, queue.bytes);
    assert_false(gate_is_open(&queue, 1000000));
    reach(&recording, 3, 0);
    atomic_store(&recording.unsynced_since_us, 1000000);
    assert_true(gate_is_open(&queue, 1000000));
    assert_true(gate_is_open(&queue, 1100000));
    assert_false(gate_is_open(&queue, 1100001));
    reach(&recording, 3, 3);
    atomic_store(&recording.unsynced_since_us, 0);
    assert_true(gate_is_open(&queue, 1100001));
    gate_drop_all(&queue);
    assert_int_equal(0, queue.bytes);
}

static void gate_is_deaf_to_another_journals_number(void **state)
{
    struct recording own = {0}, other = {0};
    struct gate_queue queue = {.recording = &own, .rule = GATE_DURABLE};

    gate_push_adopt(&queue, GATE_HEAD, 5, NULL, NULL);
    queue.recording = &other; /* what was lined up keeps to its own */
    reach(&other, 9, 9);
    assert_false(gate_is_open(&queue, 1));
    reach(&own, 5, 5);
    assert_true(gate_is_open(&queue, 1));
    gate_drop_all(&queue);
}

static void gate_of_what_was_lost_never_opens(void **state)
{
    struct recording recording = {.lost_after = 4, .lost_to = 8};
    struct gate_queue queue = {.recording = &recording, .rule = GATE_DURABLE};

    reach(&recording, 20, 20); /* the next segment works again */
    gate_push_adopt(&queue, GATE_HEAD, 5, NULL, NULL);
    assert_false(gate_is_open(&queue, 1));
    gate_drop_all(&queue);
    gate_push_adopt(&queue, GATE_HEAD, 9, NULL, NULL);
    assert_true(gate_is_open(&queue, 1));
    gate_drop_all(&queue);
}

static void gate_lets_nothing_overtake(void **state)
{
    struct recording recording = {0};
    struct gate_queue queue = {.recording = &recording, .rule = GATE_DURABLE};

    gate_push_adopt(&queue, GATE_HEAD, 2, NULL, NULL);
    gate_push_adopt(&queue, GATE_END, 1, NULL, NULL); /* its number is reached first */
    reach(&recording, 1, 1);
    assert_false(gate_is_open(&queue, 1));
    reach(&recording, 2, 2);
    struct gate *gate = gate_take(&queue, 1);
    assert_int_equal(GATE_HEAD, gate->kind);
    gate_free(&gate);
    gate = gate_take(&queue, 1);
    assert_int_equal(GATE_END, gate->kind);
    gate_free(&gate);
}

/* The last line of defence: a sender that does not ask first ends the process, not the promise. */
static void gate_take_of_a_shut_one_aborts(void **state)
{
    pid_t child = fork();

    if (child == 0) {
        struct recording recording = {0};
        struct gate_queue queue = {.recording = &recording, .rule = GATE_DURABLE};

        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        gate_push_adopt(&queue, GATE_HEAD, 1, NULL, NULL);
        gate_take(&queue, 1);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gate_of_a_request_opens_only_when_durable),
        cmocka_unit_test(gate_of_a_response_opens_when_written_and_shuts_while_the_sync_is_late),
        cmocka_unit_test(gate_is_deaf_to_another_journals_number),
        cmocka_unit_test(gate_of_what_was_lost_never_opens),
        cmocka_unit_test(gate_lets_nothing_overtake),
        cmocka_unit_test(gate_take_of_a_shut_one_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
