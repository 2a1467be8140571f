#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/scoped.h"
#include "kube/request_info.h"
#include "request_info_vectors.h"

static struct request_info parse(const char *method, const char *target)
{
    struct request_info info;

    request_info_parse(&info, str_from(method), str_from(target));
    return info;
}

static int differs(const char *target, const char *field, struct str got, const char *expected)
{
    if (str_is(got, expected))
        return 0;
    print_error("%s: %s is '%.*s', not '%s'\n", target, field, STR_ARG(got), expected);
    return 1;
}

static void parse_agrees_with_kubernetes(void **state)
{
    int count = 0;

    for (size_t i = 0; i < count_of(request_info_vectors); i++) {
        const struct request_info_vector *vector = &request_info_vectors[i];
        scoped(request_info_free) struct request_info info = parse(vector->method, vector->target);
        const char *target = vector->target;

        if (!vector->path) {
            count += info.is_canonical || info.is_resource;
            continue;
        }
        count += info.is_resource != vector->is_resource;
        count += differs(target, "verb", info.verb, vector->verb);
        count += differs(target, "prefix", info.api_prefix, vector->prefix);
        count += differs(target, "group", info.api_group, vector->group);
        count += differs(target, "version", info.api_version, vector->version);
        count += differs(target, "namespace", info.namespace, vector->namespace);
        count += differs(target, "resource", info.resource, vector->resource);
        count += differs(target, "subresource", info.subresource, vector->subresource);
        count += differs(target, "name", info.name, vector->name);
        count += differs(target, "fieldSelector", info.field_selector, vector->field_selector);
        count += differs(target, "labelSelector", info.label_selector, vector->label_selector);
        count += differs(target, "path", info.path, vector->path);
    }
    assert_int_equal(0, count);
}

static void parse_marks_spellings_that_are_read_differently(void **state)
{
    static const char *const odd[] = {
        "/api/v1/namespaces//pods",
        "//api/v1/pods",
        "/api//v1/pods",
        "/api/v1/pods//",
        "/api/v1/x/../pods",
        "/api/v1/./pods",
        "/api/v1/p%6fds",
        "/api/v1/pods%2Flog",
        "/api/v1/pods%2flog",
        "/api/v1/%2e%2e/pods",
        "/api/v1/pods;x=1",
        "/api/v1/pods%3bx",
        "/api/v1/pods%00",
        "/api/v1/pods%5Clog",
        "/api/v1/pods\\log",
        "/api/v1/pods%253F",
        "/api/v1/pods%0a",
        "/api/v1/pods%zz",
        "/api/v1/pods%2",
        "/api/v1/pods#x",
        ("/api/v1/p\xc3\xb6"
         "ds"),
        "/api/v1/..",
        "*",
        "",
        "api/v1/pods",
        "http://x/api/v1/pods",
        "/%41pi/v1/pods",
        "/api/v1/po ds",
        "/api/v1/pods%7E",
        "/api/v1/pods/%2d",
    };
    static const char *const plain[] = {
        "/",
        "/api/v1/pods",
        "/api/v1/pods/",
        "/api/v1/pods?x=//../%2F;",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
        "/api/v1/pods/a%20b",
        "/api/v1/pods/p%C3%B6d",
        "/openapi/v3/apis/apps/v1",
        "/api/v1/pods/...",
    };

    for (size_t i = 0; i < count_of(odd); i++) {
        scoped(request_info_free) struct request_info info = parse("GET", odd[i]);

        if (info.is_canonical || !info.is_secret_bearing || !info.is_opaque)
            fail_msg("'%s' is taken for canonical", odd[i]);
    }
    for (size_t i = 0; i < count_of(plain); i++) {
        scoped(request_info_free) struct request_info info = parse("GET", plain[i]);

        if (!info.is_canonical || info.is_secret_bearing)
            fail_msg("'%s' is not taken for canonical", plain[i]);
    }
}

static void parse_tells_what_bears_secrets(void **state)
{
    static const struct {
        const char *target;
        bool is_secret, is_opaque;
    } rows[] = {
        {"/api/v1/namespaces/default/secrets", true, false},
        {"/api/v1/namespaces/default/secrets/a", true, false},
        {"/api/v1/secrets?watch=1", true, false},
        {"/api/v1/watch/namespaces/default/secrets/a", true, false},
        {"/api/v1/Secrets", true, false},
        {"/apis/example.com/v1/secrets", true, false},
        {"/apis/authentication.k8s.io/v1/tokenreviews", true, false},
        {"/apis/authentication.k8s.io/v1beta1/tokenreviews", true, false},
        {"/api/v1/namespaces/default/serviceaccounts/robot/token", true, false},
        {"/apis/certificates.k8s.io/v1/certificatesigningrequests", true, false},
        {"/apis/certificates.k8s.io/v1/certificatesigningrequests/x/approval", true, false},
        {"/apis/example.com/v1/things/x/certificate", true, false},
        {"/api/v1/nodes/n1/proxy/metrics", true, true},
        {"/api/v1/namespaces/default/pods/web-0/proxy", true, true},
        {"/api/v1/namespaces/default/services/https:web:443/proxy/x", true, true},
        {"/api/v1/proxy/nodes/n1/stats", true, true},
        {"/api/v1/proxy/namespaces/default/pods/web-0/x/y", true, true},
        {"/api/v1//secrets", true, true},
        {"/api/v1/namespaces/secrets/pods", false, false},
        {"/api/v1/namespaces/default/pods/secrets", false, false},
        {"/api/v1/namespaces/default/configmaps/a", false, false},
        {"/api/v1/namespaces/default/serviceaccounts/robot", false, false},
        {"/apis/authentication.k8s.io/v1/selfsubjectreviews", false, false},
        {"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", false, false},
        {"/api/v1/namespaces/default/pods/proxy", false, false},
        {"/secrets", false, false},
        {"/api/v1", false, false},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        scoped(request_info_free) struct request_info info = parse("GET", rows[i].target);

        if (info.is_secret_bearing != rows[i].is_secret || info.is_opaque != rows[i].is_opaque)
            fail_msg("%s: secret %d, opaque %d", rows[i].target, info.is_secret_bearing,
                     info.is_opaque);
    }
}

static void parse_tells_what_runs_long(void **state)
{
    static const struct {
        const char *target;
        bool is_watch, is_long;
    } rows[] = {
        {"/api/v1/pods?watch=1", true, true},
        {"/api/v1/watch/pods", true, true},
        {"/api/v1/namespaces/default/pods/web-0/log?follow=1", false, true},
        {"/api/v1/namespaces/default/pods/web-0/exec?command=sh", false, true},
        {"/api/v1/namespaces/default/pods/web-0/attach", false, true},
        {"/api/v1/namespaces/default/pods/web-0/portforward", false, true},
        {"/api/v1/nodes/n1/proxy/metrics", false, true},
        {"/api/v1/proxy/nodes/n1/stats", false, true},
        {"/api/v1/pods", false, false},
        {"/api/v1/pods/exec", false, false},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        scoped(request_info_free) struct request_info info = parse("GET", rows[i].target);

        if (info.is_watch != rows[i].is_watch || info.is_long_running != rows[i].is_long)
            fail_msg("%s", rows[i].target);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_agrees_with_kubernetes),
        cmocka_unit_test(parse_marks_spellings_that_are_read_differently),
        cmocka_unit_test(parse_tells_what_bears_secrets),
        cmocka_unit_test(parse_tells_what_runs_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
