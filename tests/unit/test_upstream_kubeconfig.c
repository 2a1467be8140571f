#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "upstream-kubeconfig/upstream_kubeconfig.h"

static const char text[] =
    "clusters:\n"
    "- {name: tls, cluster: {server: 'https://a.example:6443/prefix', tls-server-name: b}}\n"
    "- {name: plain, cluster: {server: 'http://a.example:8001'}}\n"
    "- {name: insecure, cluster: {server: 'https://a', insecure-skip-tls-verify: true}}\n"
    "- {name: no-ca, cluster: {server: 'https://a', certificate-authority: /nowhere/ca}}\n"
    "users:\n"
    "- {name: bearer, user: {token: t-1}}\n"
    "- {name: file, user: {tokenFile: token}}\n"
    "- {name: both, user: {token: t-2, tokenFile: token}}\n"
    "- {name: exec, user: {exec: {command: aws}}}\n"
    "- {name: basic, user: {username: a, password: 'p:q'}}\n";

enum { BEARER, FILE_ONLY, BOTH, EXEC, BASIC, NOBODY, TOO_MANY };

struct test {
    char folder[64];
    struct kubeconfig config;
    struct upstream_kubeconfig *self;
};

static char *token_path(const struct test *test)
{
    static char path[80];

    snprintf(path, sizeof path, "%s/token", test->folder);
    return path;
}

static void write_token(const struct test *test, const char *value)
{
    struct error err = {0};

    assert_int_equal(0, file_write(token_path(test), str_from(value), 0600, &err));
}

static int set_up(void **state)
{
    struct test *test = calloc(1, sizeof *test);
    char path[80];
    struct error err = {0};

    strcpy(test->folder, "/tmp/test_upstream.XXXXXX");
    assert_non_null(mkdtemp(test->folder));
    snprintf(path, sizeof path, "%s/config", test->folder);
    assert_int_equal(0, kubeconfig_add(&test->config, path, str_from(text), &err));
    test->self =
        upstream_kubeconfig_new(&(struct upstream_kubeconfig_config){.kubeconfig = &test->config});
    *state = test;
    return 0;
}

static int tear_down(void **state)
{
    struct test *test = *state;

    upstream_kubeconfig_free(&test->self);
    kubeconfig_free(&test->config);
    unlink(token_path(test));
    rmdir(test->folder);
    free(test);
    return 0;
}

static void assert_authorization(struct test *test, const char *cluster, unsigned user,
                                 const char *expected)
{
    scoped(upstream_credential_free) struct upstream_credential shown = {0};
    struct upstream_wait wait = {0};
    struct error err = {0};

    if (upstream_kubeconfig_type.authorize(test->self, str_from(cluster), user, &shown, &wait,
                                           &err) != IO_OK)
        fail_msg("%s", err.text);
    buf_append_char(&shown.authorization, '\0');
    assert_string_equal(expected, shown.authorization.data);
}

static void token_goes_with_each_request(void **state)
{
    struct test *test = *state;

    assert_authorization(test, "tls", BEARER, "Bearer t-1");
    assert_authorization(test, "tls", NOBODY, "");
    /* never in the clear: client-go sends none there either */
    assert_authorization(test, "plain", BEARER, "");
}

static void password_goes_as_basic_authentication(void **state)
{
    struct test *test = *state;

    assert_authorization(test, "tls", BASIC, "Basic YTpwOnE="); /* a:p:q */
    assert_authorization(test, "plain", BASIC, "");
}

/* What asks for it looks at overflow: a request must not go on as if nobody had a password. */
static void password_too_long_to_show_is_not_left_out(void **state)
{
    struct test *test = *state;
    scoped(upstream_credential_free) struct upstream_credential shown = {0};
    char **password = &test->config.users[BASIC].password;
    struct upstream_wait wait = {0};
    struct error err = {0};

    secret_free(password);
    *password = xcalloc(1, BUF_LIMIT_DEFAULT);
    memset(*password, 'x', BUF_LIMIT_DEFAULT - 1);
    assert_int_equal(IO_OK, upstream_kubeconfig_type.authorize(test->self, STR("tls"), BASIC,
                                                               &shown, &wait, &err));
    assert_true(shown.authorization.overflow);
}

static void token_file_is_read_again_when_it_changes(void **state)
{
    struct test *test = *state;
    struct upstream_credential none = {0};
    struct upstream_wait wait = {0};
    struct error err = {0};

    assert_authorization(test, "tls", BOTH, "Bearer t-2"); /* no file yet */
    assert_int_equal(IO_FAILED, upstream_kubeconfig_type.authorize(test->self, STR("tls"),
                                                                   FILE_ONLY, &none, &wait, &err));
    assert_int_equal(ERROR_CONFIG, err.kind);
    write_token(test, "f-1\n");
    assert_authorization(test, "tls", FILE_ONLY, "Bearer f-1");
    assert_authorization(test, "tls", BOTH, "Bearer f-1");
    write_token(test, "f-2");
    assert_authorization(test, "tls", FILE_ONLY, "Bearer f-2");
    unlink(token_path(test)); /* it is being replaced */
    assert_authorization(test, "tls", FILE_ONLY, "Bearer f-2");
}

static void resolve_says_where_to_dial(void **state)
{
    struct test *test = *state;
    scoped(upstream_target_free) struct upstream_target tls = {0}, plain = {0};
    struct error err = {0};

    assert_int_equal(0,
                     upstream_kubeconfig_type.resolve(test->self, STR("tls"), BEARER, &tls, &err));
    assert_string_equal("a.example", tls.host);
    assert_int_equal(6443, tls.port);
    assert_string_equal("a.example:6443", tls.authority);
    assert_string_equal("/prefix", tls.path_prefix);
    assert_string_equal("b", tls.server_name);
    assert_string_equal("bearer", tls.user_name);
    assert_non_null(tls.tls);

    /* whatever plugin the user has, it is not asked for a plain server */
    assert_int_equal(
        0, upstream_kubeconfig_type.resolve(test->self, STR("plain"), EXEC, &plain, &err));
    assert_null(plain.tls);
    assert_int_equal(8001, plain.port);
}

static void nobody_is_a_user_without_a_name(void **state)
{
    struct test *test = *state;
    scoped(upstream_target_free) struct upstream_target target = {0};
    struct error err = {0};

    assert_int_equal(
        0, upstream_kubeconfig_type.resolve(test->self, STR("tls"), NOBODY, &target, &err));
    assert_null(target.user_name);
}

static void resolve_refuses_what_it_cannot(void **state)
{
    struct test *test = *state;
    static const struct {
        const char *cluster;
        unsigned user;
        const char *error;
    } rows[] = {
        {"tls", EXEC, "an exec plugin of the apiVersion \"\""},
        {"tls", TOO_MANY, "no user number 6"},
        {"other", BEARER, "no cluster other"},
        {"no-ca", BEARER, "certificate-authority: open /nowhere/ca"},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        struct upstream_target target = {0};
        struct error err = {0};

        assert_int_equal(-1, upstream_kubeconfig_type.resolve(test->self, str_from(rows[i].cluster),
                                                              rows[i].user, &target, &err));
        if (!strstr(err.text, rows[i].error))
            fail_msg("%s", err.text);
        assert_int_equal(ERROR_CONFIG, err.kind);
        assert_null(target.host);
    }
}

#define upstream_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        upstream_test(token_goes_with_each_request),
        upstream_test(password_goes_as_basic_authentication),
        upstream_test(password_too_long_to_show_is_not_left_out),
        upstream_test(token_file_is_read_again_when_it_changes),
        upstream_test(resolve_says_where_to_dial),
        upstream_test(nobody_is_a_user_without_a_name),
        upstream_test(resolve_refuses_what_it_cannot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
