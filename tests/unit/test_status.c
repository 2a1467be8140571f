#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/jsondoc.h"
#include "base/scoped.h"
#include "kube/status.h"

static void write_has_the_shape_of_metav1(void **state)
{
    struct kube_status status = {.code = 503, .message = STR("cannot record: disk full")};
    scoped(buf_free) struct buf out = {0};

    kube_status_write(&out, &status);
    assert_true(
        str_is(buf_str(&out),
               "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
               "\"message\":\"cannot record: disk full\",\"reason\":\"ServiceUnavailable\","
               "\"details\":{},\"code\":503}\n"));
}

static void write_names_the_resource(void **state)
{
    struct kube_status status = {
        .code = 403, .kind = STR("pods"), .name = STR("web-0"), .reason = "Odd"};
    scoped(buf_free) struct buf out = {0};
    struct error err = {0};

    kube_status_write(&out, &status);
    scoped(jsondoc_free) json_object *root = jsondoc_parse(buf_str(&out), &err);

    assert_string_equal("pods", jsondoc_string(root, "/details/kind"));
    assert_string_equal("web-0", jsondoc_string(root, "/details/name"));
    assert_null(jsondoc_at(root, "/details/group"));
    assert_string_equal("Odd", jsondoc_string(root, "/reason"));
}

static void write_stays_json_whatever_the_message(void **state)
{
    struct kube_status status = {.code = 400, .message = STR("a\0\n\"\\\xff\xe2\x80\xa8z")};
    scoped(buf_free) struct buf out = {0};
    struct error err = {0};

    kube_status_write(&out, &status);
    scoped(jsondoc_free) json_object *root = jsondoc_parse(buf_str(&out), &err);

    assert_string_equal("a\\x00\\x0a\"\\\\xff\\u2028z", jsondoc_string(root, "/message"));
}

static void reason_follows_the_code(void **state)
{
    assert_string_equal("Unauthorized", kube_status_reason(401));
    assert_string_equal("Forbidden", kube_status_reason(403));
    assert_string_equal("RequestEntityTooLarge", kube_status_reason(413));
    assert_string_equal("BadRequest", kube_status_reason(431));
    assert_string_equal("InternalError", kube_status_reason(502));
    assert_string_equal("InternalError", kube_status_reason(599));
    assert_string_equal("BadRequest", kube_status_reason(418));
}

static void warning_is_a_quoted_string(void **state)
{
    scoped(buf_free) struct buf out = {0};

    kube_status_warning(&out, STR("say \"no\"\r\n\\ \xc3\xa4"));
    assert_true(str_is(buf_str(&out), "299 - \"say \\\"no\\\"\\\\x0d\\\\x0a\\\\ \xc3\xa4\""));
}

static void warning_is_cut_between_characters(void **state)
{
    scoped(buf_free) struct buf text = {0}, out = {0};

    buf_append_char(&text, 'x');
    while (text.len < 2000)
        buf_append_text(&text, "\xc3\xa4");
    kube_status_warning(&out, buf_str(&text));
    assert_int_equal(KUBE_WARNING_BYTES_MAX - 1 + 8, out.len);
    assert_memory_equal("\xc3\xa4\"", out.data + out.len - 3, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_has_the_shape_of_metav1),
        cmocka_unit_test(write_names_the_resource),
        cmocka_unit_test(write_stays_json_whatever_the_message),
        cmocka_unit_test(reason_follows_the_code),
        cmocka_unit_test(warning_is_a_quoted_string),
        cmocka_unit_test(warning_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
