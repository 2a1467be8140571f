/* Exec plugins as they are run: real programs, which are shell scripts here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "upstream-kubeconfig/exec_plugin.h"
#include "upstream-kubeconfig/upstream_kubeconfig.h"

#define V1 "client.authentication.k8s.io/v1"
#define WAITERS 5

struct test {
    char folder[64];
    struct loop *loop;
    struct kubeconfig config;
    struct upstream_kubeconfig *self;
    char path[128]; /* PATH=… of the user */
    char *environment[6];
};

/* One request that asks until it is answered. */
struct asking {
    struct test *test;
    struct upstream_wait wait;
    struct upstream_credential credential;
    struct error err;
    enum io status;
    unsigned *left;
};

static char *in_folder(const struct test *test, const char *name)
{
    return xasprintf("%s/%s", test->folder, name);
}

static void write_script(const struct test *test, const char *name, const char *body)
{
    scoped(free_text) char *path = in_folder(test, name);
    scoped(free_text) char *text = xasprintf("#!/bin/sh\ncd '%s'\n%s\n", test->folder, body);
    struct error err = {0};

    assert_int_equal(0, file_write(path, str_from(text), 0700, &err));
}

static int set_up(void **state)
{
    struct test *test = xcalloc(1, sizeof *test);
    struct error err = {0};

    strcpy(test->folder, "/tmp/test_exec_plugin.XXXXXX");
    assert_non_null(mkdtemp(test->folder));
    test->loop = loop_new(&err);
    snprintf(test->path, sizeof test->path, "PATH=%s:/usr/bin:/bin", test->folder);
    test->environment[0] = test->path;
    test->environment[1] = "KHOOP_SESSION_DIR=/outer";
    test->environment[2] = "KUBECONFIG=/home/a/config";
    test->environment[3] = "MINE=old";
    *state = test;
    return 0;
}

static int tear_down(void **state)
{
    struct test *test = *state;
    scoped(free_text) char *remove = xasprintf("rm -r '%s'", test->folder);

    upstream_kubeconfig_free(&test->self);
    kubeconfig_free(&test->config);
    loop_free(&test->loop);
    ignore(system(remove));
    free(test);
    return 0;
}

/* A user whose exec stanza is `exec`, in YAML's flow style, and the cluster "c". */
static void start(struct test *test, const char *exec)
{
    scoped(free_text) char *path = in_folder(test, "config");
    scoped(free_text) char *text =
        xasprintf("clusters:\n- name: c\n  cluster:\n    server: https://a:1/prefix\n"
                  "    certificate-authority-data: Q0E=\n    tls-server-name: b\n"
                  "    extensions: [{name: client.authentication.k8s.io/exec, "
                  "extension: {audience: x}}]\n"
                  "users:\n- {name: u, user: {exec: {interactiveMode: Never, %s}}}\n",
                  exec);
    struct error err = {0};

    if (kubeconfig_add(&test->config, path, str_from(text), &err) < 0)
        fail_msg("%s", err.text);
    test->self = upstream_kubeconfig_new(&(struct upstream_kubeconfig_config){
        .loop = test->loop,
        .kubeconfig = &test->config,
        .environment = test->environment,
        .session = "S1",
    });
}

static void ask(void *context)
{
    struct asking *asking = context;

    asking->status = upstream_kubeconfig_type.authorize(
        asking->test->self, STR("c"), 0, &asking->credential, &asking->wait, &asking->err);
    if (asking->status != IO_AGAIN && --*asking->left == 0)
        loop_stop(asking->test->loop);
}

static void begin(struct test *test, struct asking *asking, unsigned *left)
{
    *asking = (struct asking){.test = test, .left = left};
    asking->wait.run = ask;
    asking->wait.context = asking;
    ++*left;
    ask(asking);
}

static void expect_token(struct test *test, const char *token)
{
    scoped(free_text) char *expected = xasprintf("Bearer %s", token);
    struct asking asking;
    unsigned left = 0;

    begin(test, &asking, &left);
    if (left)
        loop_run(test->loop);
    if (asking.status != IO_OK)
        fail_msg("%s", asking.err.text);
    buf_append_char(&asking.credential.authorization, '\0');
    assert_string_equal(expected, asking.credential.authorization.data);
    upstream_credential_free(&asking.credential);
}

static struct error expect_failure(struct test *test, const char *what)
{
    struct asking asking;
    unsigned left = 0;

    begin(test, &asking, &left);
    if (left)
        loop_run(test->loop);
    assert_int_equal(IO_FAILED, asking.status);
    if (!strstr(asking.err.text, what))
        fail_msg("%s", asking.err.text);
    assert_int_equal(0, asking.credential.authorization.len);
    return asking.err;
}

static unsigned runs(const struct test *test)
{
    scoped(free_text) char *path = in_folder(test, "runs");
    scoped(buf_free) struct buf text = {0};
    struct error err = {0};

    return file_read(path, &text, &err) < 0 ? 0 : (unsigned)text.len;
}

#define COUNT "printf x >>runs\n"
#define ANSWER(token, more)                                                                        \
    "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":{\"token\":\"" token  \
    "\"" more "}}'"

static void one_run_is_for_all_who_wait(void **state)
{
    struct test *test = *state;
    struct asking asking[WAITERS];
    unsigned left = 0;

    write_script(test, "login", COUNT "sleep 0.2\n" ANSWER("t-1", ""));
    start(test, "apiVersion: " V1 ", command: login");
    for (size_t i = 0; i < WAITERS; i++)
        begin(test, &asking[i], &left);
    assert_int_equal(WAITERS, left);
    upstream_wait_cancel(&asking[2].wait); /* its exchange has ended */
    left--;
    loop_run(test->loop);
    for (size_t i = 0; i < WAITERS; i++) {
        assert_int_equal(i == 2 ? IO_AGAIN : IO_OK, asking[i].status);
        upstream_credential_free(&asking[i].credential);
    }
    expect_token(test, "t-1");
    assert_int_equal(1, runs(test));
}

static void plugin_is_told_what_client_go_tells(void **state)
{
    struct test *test = *state;
    scoped(free_text) char *told = in_folder(test, "told");
    scoped(buf_free) struct buf text = {0};
    struct error err = {0};

    write_script(test, "login",
                 "printf '%s\\n' \"$#\" \"$1\" \"$2\" \"$MINE\" \"$KUBECONFIG\" "
                 "\"${KHOOP_SESSION_DIR-unset}\" \"$KHOOP_SESSION\" >told\n"
                 "readlink /proc/self/fd/0 >>told\n"
                 "printf %s \"$KUBERNETES_EXEC_INFO\" >info\n" ANSWER("t", ""));
    start(test, "apiVersion: " V1 ", command: ./login, args: [get, 'a b'], provideClusterInfo: "
                "true, env: [{name: MINE, value: new}]");
    expect_token(test, "t");
    assert_int_equal(0, file_read(told, &text, &err));
    buf_append_char(&text, '\0');
    assert_string_equal("2\nget\na b\nnew\n/home/a/config\nunset\nS1\n/dev/null\n", text.data);

    scoped(free_text) char *info_path = in_folder(test, "info");
    scoped(buf_free) struct buf info = {0};

    assert_int_equal(0, file_read(info_path, &info, &err));
    scoped(jsondoc_free) json_object *root = jsondoc_parse(buf_str(&info), &err);

    assert_non_null(root);
    assert_string_equal("ExecCredential", jsondoc_string(root, "/kind"));
    assert_string_equal(V1, jsondoc_string(root, "/apiVersion"));
    assert_false(jsondoc_bool(root, "/spec/interactive", true));
    assert_string_equal("https://a:1/prefix", jsondoc_string(root, "/spec/cluster/server"));
    assert_string_equal("b", jsondoc_string(root, "/spec/cluster/tls-server-name"));
    assert_string_equal("Q0E=", jsondoc_string(root, "/spec/cluster/certificate-authority-data"));
    assert_string_equal("x", jsondoc_string(root, "/spec/cluster/config/audience"));
}

static void failure_is_told_and_stands_for_a_while(void **state)
{
    struct test *test = *state;

    write_script(test, "login", COUNT "echo 'token expired, log in' >&2\nexit 3");
    start(test, "apiVersion: " V1 ", command: login");
    struct error err = expect_failure(
        test,
        "exec plugin login of the user \"u\": it ended with exit code 3: token expired, log in");
    assert_int_equal(ERROR_AUTH, err.kind);
    assert_string_equal("run 'login' by itself, and log in again where it says so", err.fix);
    for (int i = 0; i < 4; i++)
        expect_failure(test, "exit code 3");
    assert_int_equal(1, runs(test));
}

static void bad_answers_are_refused_without_showing_them(void **state)
{
    static const struct {
        const char *script, *error;
    } rows[] = {
        {"true", "its answer is empty"},
        {"echo s3cret-token", "its answer is not one JSON document"},
        {"head -c 2000000 /dev/zero", "it printed more than 1 MiB"},
        {"kill -9 $$", "it was ended by signal 9"},
        {"echo "
         "'{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1beta1\","
         "\"status\":{\"token\":\"s3cret-token\"}}'",
         "is of version client.authentication.k8s.io/v1beta1, it was asked for " V1},
        {ANSWER("s3cret-token\\nX-Remote-User: root", ""), "a token with control characters"},
        {ANSWER("s3cret-token", ",\"expirationTimestamp\":\"soon\""), "no RFC 3339 time"},
        {"echo 'Authorization: Bearer s3cret-token' >&2; exit 1", "exit code 1: "},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        void *inner;

        set_up(&inner);
        struct test *test = inner;

        write_script(test, "login", rows[i].script);
        start(test, "apiVersion: " V1 ", command: login");
        struct error err = expect_failure(test, rows[i].error);

        assert_null(strstr(err.text, "s3cret"));
        tear_down(&inner);
    }
}

static void program_that_is_not_there_gets_its_hint(void **state)
{
    struct test *test = *state;

    start(test, "apiVersion: " V1 ", command: no-such-login, installHint: \"get\\nit \\e[1mhere\"");
    struct error err = expect_failure(test, "no-such-login: not found on PATH");

    assert_string_equal("get it [1mhere", err.fix);
}

static void refused_one_is_fetched_again_but_not_for_the_same(void **state)
{
    struct test *test = *state;

    write_script(test, "login",
                 COUNT
                 "if [ -e next ]; then " ANSWER("t-2", "") "; else " ANSWER("t-1", "") "; fi");
    start(test, "apiVersion: " V1 ", command: login");
    expect_token(test, "t-1");
    upstream_kubeconfig_type.refused(test->self, STR("c"), 0, 1);
    upstream_kubeconfig_type.refused(test->self, STR("c"), 0, 1); /* two calls saw it */
    expect_token(test, "t-1"); /* the same again: it is not asked for each call now */
    assert_int_equal(2, runs(test));
    upstream_kubeconfig_type.refused(test->self, STR("c"), 0, 2);
    expect_token(test, "t-1");
    assert_int_equal(2, runs(test));
}

static void new_one_after_a_refusal_is_shown_at_once(void **state)
{
    struct test *test = *state;
    scoped(free_text) char *next = in_folder(test, "next");
    struct error err = {0};

    write_script(test, "login",
                 COUNT
                 "if [ -e next ]; then " ANSWER("t-2", "") "; else " ANSWER("t-1", "") "; fi");
    start(test, "apiVersion: " V1 ", command: login");
    expect_token(test, "t-1");
    assert_int_equal(0, file_write(next, STR(""), 0600, &err));
    upstream_kubeconfig_type.refused(test->self, STR("c"), 0, 1);
    upstream_kubeconfig_type.refused(test->self, STR("c"), 0, 7); /* of another one: nothing */
    expect_token(test, "t-2");
    expect_token(test, "t-2");
    assert_int_equal(2, runs(test));
}

/* Expired when it comes: shown once to who waited, and never a loop. */
static void expired_one_is_fetched_for_each_call(void **state)
{
    struct test *test = *state;

    write_script(test, "login",
                 COUNT ANSWER("t", ",\"expirationTimestamp\":\"2020-01-01T02:00:00+02:00\""));
    start(test, "apiVersion: " V1 ", command: login");
    expect_token(test, "t");
    expect_token(test, "t");
    assert_int_equal(2, runs(test));
}

/* The group goes with it, and nothing is told after it. */
static void end_kills_what_runs(void **state)
{
    struct test *test = *state;
    struct asking asking;
    unsigned left = 0;
    char pid_text[32] = "";

    write_script(test, "login", "sleep 300 &\necho $! >pid.new\nmv pid.new pid\nwait");
    start(test, "apiVersion: " V1 ", command: login");
    begin(test, &asking, &left);
    scoped(free_text) char *path = in_folder(test, "pid");

    for (int i = 0; i < 200 && access(path, F_OK) < 0; i++)
        usleep(20000);
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    assert_non_null(fgets(pid_text, sizeof pid_text, file));
    fclose(file);
    upstream_wait_cancel(&asking.wait);
    upstream_kubeconfig_free(&test->self);
    scoped(free_text) char *stat = xasprintf("/proc/%d/stat", atoi(pid_text));

    for (int i = 0; i < 200 && access(stat, F_OK) == 0; i++) {
        scoped(buf_free) struct buf text = {0};
        struct error err = {0};

        if (file_read(stat, &text, &err) < 0 || str_find(buf_str(&text), STR(") Z ")) > 0)
            return; /* dead; whoever inherited it has not looked yet */
        usleep(20000);
    }
    assert_int_not_equal(0, access(stat, F_OK));
}

static void stop_loop(void *context)
{
    loop_stop(context);
}

static void one_that_does_not_end_is_killed(void **state)
{
    struct test *test = *state;
    struct upstream_wait wait = {.run = stop_loop, .context = test->loop};
    struct error err = {0};

    write_script(test, "login", "echo 'open https://sso and log in' >&2\nsleep 300");
    start(test, "apiVersion: " V1 ", command: login");
    struct exec_plugin *plugin = exec_plugin_new(&(struct exec_plugin_config){
        .loop = test->loop,
        .user = &test->config.users[0],
        .cluster = &test->config.clusters[0],
        .environment = test->environment,
        .session = "S1",
        .timeout_ms = 1000,
    });
    assert_int_equal(IO_AGAIN, exec_plugin_ask(plugin, &wait, &err));
    loop_run(test->loop);
    assert_int_equal(IO_FAILED, exec_plugin_ask(plugin, &wait, &err));
    if (!strstr(err.text, "it did not end within 1 s: open https://sso and log in"))
        fail_msg("%s", err.text);
    exec_plugin_free(&plugin);
}

/* A daemon that it leaves behind holds its output open: that is not waited for. */
static void output_left_open_is_not_waited_for(void **state)
{
    struct test *test = *state;
    int64_t began_us = clock_now().mono_us;

    write_script(test, "login", ANSWER("t", "") "\nsleep 20 &\nexit 0");
    start(test, "apiVersion: " V1 ", command: login");
    expect_token(test, "t");
    assert_true(clock_now().mono_us - began_us < 10000000);
}

#define plugin_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        plugin_test(one_run_is_for_all_who_wait),
        plugin_test(plugin_is_told_what_client_go_tells),
        plugin_test(failure_is_told_and_stands_for_a_while),
        cmocka_unit_test(bad_answers_are_refused_without_showing_them),
        plugin_test(program_that_is_not_there_gets_its_hint),
        plugin_test(refused_one_is_fetched_again_but_not_for_the_same),
        plugin_test(new_one_after_a_refusal_is_shown_at_once),
        plugin_test(expired_one_is_fetched_for_each_call),
        plugin_test(one_that_does_not_end_is_killed),
        plugin_test(end_kills_what_runs),
        plugin_test(output_left_open_is_not_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
