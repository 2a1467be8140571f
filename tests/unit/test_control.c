/* The control socket, its client, and the directory they meet in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/jsondoc.h"
#include "base/scoped.h"
#include "proxy/control.h"
#include "proxy/control_client.h"
#include "proxy/session_dir.h"

struct fixture {
    char runtime[64];
    char *directory;
    char *socket;
    uv_loop_t loop;
    unsigned heard;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct error err = {0};

    snprintf(fixture->runtime, sizeof fixture->runtime, "/tmp/khoop-test-XXXXXX");
    if (!mkdtemp(fixture->runtime))
        return -1;
    setenv("XDG_RUNTIME_DIR", fixture->runtime, 1);
    fixture->directory = session_dir_create("01KB2K9Q5YJ7M3V0T8W6X4Z2AB", &err);
    if (!fixture->directory)
        return -1;
    fixture->socket = session_dir_path(fixture->directory, "socket");
    uv_loop_init(&fixture->loop);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    char parent[128];

    session_dir_remove(fixture->directory);
    snprintf(parent, sizeof parent, "%s/kubectl-hoop", fixture->runtime);
    rmdir(parent);
    int status = rmdir(fixture->runtime); /* nothing of ours is left */

    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&fixture->loop) != 0)
        status = -1;
    free(fixture->directory);
    free(fixture->socket);
    free(fixture);
    return status;
}

static void echo(struct control_request *request, json_object *message, void *context)
{
    struct fixture *fixture = context;
    struct error err = {0};

    fixture->heard++;
    if (jsondoc_bool(message, "/refuse", false)) {
        error_set(&err, ERROR_STORAGE, "no room");
        error_fix(&err, "make some");
        control_refuse(request, &err);
        return;
    }
    control_answer(request, json_object_get(message));
}

/* The client blocks, so it is a process of its own; returns its exit status. */
static int ask(struct fixture *fixture, int (*client)(const char *directory))
{
    struct error err = {0};
    struct control *control = control_start(&fixture->loop, fixture->socket, echo, fixture, &err);
    int status = -1;

    assert_non_null(control);
    pid_t pid = fork();

    if (pid == 0)
        _exit(client(fixture->directory));
    while (waitpid(pid, &status, WNOHANG) == 0)
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
    control_stop(&control);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int ask_for_text(const char *directory)
{
    struct error err = {0};
    scoped(jsondoc_free) json_object *message = jsondoc_parse(STR("{\"text\":\"a\\nb\"}"), &err);
    scoped(jsondoc_free) json_object *answer = control_ask(directory, message, 10000, &err);
    const char *text = answer ? jsondoc_string(answer, "/text") : NULL;

    return text && strcmp(text, "a\nb") == 0 ? 0 : 1;
}

static void ask_gets_the_answer(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(0, ask(fixture, ask_for_text));
    assert_int_equal(1, fixture->heard);
}

static int ask_to_be_refused(const char *directory)
{
    struct error err = {0};
    scoped(jsondoc_free) json_object *message = jsondoc_parse(STR("{\"refuse\":true}"), &err);
    scoped(jsondoc_free) json_object *answer = control_ask(directory, message, 10000, &err);

    return !answer && err.kind == ERROR_STORAGE && strcmp(err.text, "no room") == 0 &&
                   strcmp(err.fix, "make some") == 0
               ? 0
               : 1;
}

static void ask_gets_the_refusal_with_its_fix(void **state)
{
    assert_int_equal(0, ask(*state, ask_to_be_refused));
}

static void ask_fails_when_nobody_listens(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};
    scoped(jsondoc_free) json_object *message = json_object_new_object();

    assert_null(control_ask(fixture->directory, message, 1000, &err));
    assert_int_equal(ERROR_STORAGE, err.kind);
    assert_non_null(strstr(err.fix, "kubectl hoop exec"));
}

static void check_refuses_what_others_can_write(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    assert_int_equal(0, session_dir_check(fixture->directory, &err));
    chmod(fixture->directory, 0770);
    assert_int_equal(-1, session_dir_check(fixture->directory, &err));
    assert_int_equal(ERROR_CONFIG, err.kind);
    chmod(fixture->directory, 0700);
}

static void check_refuses_a_link(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};
    char link[128];

    snprintf(link, sizeof link, "%s/link", fixture->runtime);
    assert_int_equal(0, symlink(fixture->directory, link));
    assert_int_equal(-1, session_dir_check(link, &err));
    unlink(link);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ask_gets_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(ask_gets_the_refusal_with_its_fix, setup, teardown),
        cmocka_unit_test_setup_teardown(ask_fails_when_nobody_listens, setup, teardown),
        cmocka_unit_test_setup_teardown(check_refuses_what_others_can_write, setup, teardown),
        cmocka_unit_test_setup_teardown(check_refuses_a_link, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
