#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/scoped.h"
#include "kube/exec_credential.h"

#define INFO(version)                                                                              \
    "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/" version          \
    "\",\"spec\":{\"interactive\":true}}\n"

static void parse_takes_both_versions(void **state)
{
    static const char *const versions[][2] = {
        {INFO("v1"), "client.authentication.k8s.io/v1"},
        {INFO("v1beta1"), "client.authentication.k8s.io/v1beta1"},
    };

    for (size_t i = 0; i < count_of(versions); i++) {
        struct exec_credential request = {0};
        struct error err = {0};

        assert_int_equal(0, exec_credential_parse(&request, str_from(versions[i][0]), &err));
        assert_string_equal(versions[i][1], request.api_version);
        assert_true(request.is_interactive);
    }
}

static void parse_refuses_others_by_name(void **state)
{
    struct exec_credential request = {0};
    struct error err = {0};

    assert_int_equal(-1, exec_credential_parse(&request, STR(INFO("v1alpha1")), &err));
    assert_int_equal(ERROR_CONFIG, err.kind);
    assert_non_null(strstr(err.text, "client.authentication.k8s.io/v1alpha1"));
    assert_non_null(strstr(err.fix, "client.authentication.k8s.io/v1"));
    assert_null(request.api_version);
}

static void parse_refuses_what_is_no_request(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "null",
        "[]",
        "\"x\"",
        "{}",
        "{\"kind\":\"ExecCredential\"}",
        "{\"kind\":\"Other\",\"apiVersion\":\"client.authentication.k8s.io/v1\"}",
        "{\"kind\":\"ExecCredential\",\"apiVersion\":1}",
        "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\\u0000\"}",
        INFO("v1") "x",
    };

    for (size_t i = 0; i < count_of(texts); i++) {
        struct exec_credential request = {0};
        struct error err = {0};

        assert_int_equal(-1, exec_credential_parse(&request, str_from(texts[i]), &err));
        assert_int_equal(ERROR_CONFIG, err.kind);
        assert_true(err.fix[0] != '\0');
        assert_null(request.api_version);
    }
}

static void parse_refuses_more_than_a_mebibyte(void **state)
{
    scoped(buf_free) struct buf text = {.limit = 2 << 20};
    struct exec_credential request = {0};
    struct error err = {0};

    buf_append_text(&text, INFO("v1"));
    while (text.len < EXEC_CREDENTIAL_BYTES_MAX)
        buf_append_char(&text, ' ');
    assert_int_equal(0, exec_credential_parse(&request, buf_str(&text), &err));
    buf_append_char(&text, ' ');
    assert_int_equal(-1, exec_credential_parse(&request, buf_str(&text), &err));
}

static void write_answers_in_the_same_version(void **state)
{
    scoped(buf_free) struct buf out = {0};
    struct exec_credential request = {0};
    struct error err = {0};

    assert_int_equal(0, exec_credential_parse(&request, STR(INFO("v1beta1")), &err));
    exec_credential_write(&out, &request, "khoop1.a/b", 1800000000);
    assert_true(str_is(buf_str(&out), "{\"kind\":\"ExecCredential\","
                                      "\"apiVersion\":\"client.authentication.k8s.io/v1beta1\","
                                      "\"status\":{\"expirationTimestamp\":"
                                      "\"2027-01-15T08:00:00Z\",\"token\":\"khoop1.a/b\"}}"));
    buf_clear(&out);
    exec_credential_write(&out, &request, "t", 0);
    assert_int_equal(-1, str_find(buf_str(&out), STR("expirationTimestamp")));
}

static void parse_takes_its_absence_for_v1(void **state)
{
    struct exec_credential request = {0};
    struct error err = {0};

    assert_int_equal(0, exec_credential_parse(&request, str_from(NULL), &err));
    assert_string_equal("client.authentication.k8s.io/v1", request.api_version);
    assert_int_equal(-1, exec_credential_parse(&request, STR(""), &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_takes_its_absence_for_v1),
        cmocka_unit_test(parse_takes_both_versions),
        cmocka_unit_test(parse_refuses_others_by_name),
        cmocka_unit_test(parse_refuses_what_is_no_request),
        cmocka_unit_test(parse_refuses_more_than_a_mebibyte),
        cmocka_unit_test(write_answers_in_the_same_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
