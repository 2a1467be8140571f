#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/scoped.h"
#include "replay/filter.h"

#define SESSION "01JDH2K9QZ0000000000000000"
#define LINE(second, seq, members)                                                                 \
    "{\"time\":\"2026-11-25T04:00:" second ".000000Z\",\"seq\":" seq ",\"session\":\"" SESSION     \
    "\"," members "}"
#define REQUEST(second, seq, exchange, verb, object)                                               \
    LINE(second, seq,                                                                              \
         "\"type\":\"request\",\"exchange\":" exchange ",\"command\":\"c1\",\"verb\":\"" verb      \
         "\",\"objectRef\":" object)
#define RESPONSE(second, seq, exchange, code)                                                      \
    LINE(second, seq,                                                                              \
         "\"type\":\"response\",\"exchange\":" exchange ",\"responseStatus\":{\"code\":" code "}")

static const char *const lines[] = {
    LINE("00", "0", "\"type\":\"session.start\""),
    LINE("01", "1",
         "\"type\":\"command.start\",\"command\":\"c1\",\"argv\":[\"kubectl\",\"get\",\"pods\"]"),
    REQUEST("02", "2", "0", "list", "{\"resource\":\"pods\",\"namespace\":\"shop\"}"),
    RESPONSE("03", "3", "0", "200"),
    REQUEST("04", "4", "1", "get",
            "{\"resource\":\"deployments\",\"apiGroup\":\"apps\",\"namespace\":\"dev\","
            "\"name\":\"web\"}"),
    RESPONSE("05", "5", "1", "404"),
    REQUEST("06", "6", "2", "create",
            "{\"resource\":\"pods\",\"subresource\":\"exec\",\"namespace\":\"shop\","
            "\"name\":\"a\"}"),
    LINE("10", "7", "\"type\":\"command.start\",\"command\":\"c2\",\"argv\":[\"helm\",\"ls\"]"),
    LINE("11", "8", "\"type\":\"mark\",\"what\":\"x\""),
};

static struct timeline *build(void)
{
    struct timeline *timeline = timeline_new(SESSION);
    unsigned journal = timeline_journal(timeline, "aaaaaaaa");

    for (size_t i = 0; i < count_of(lines); i++)
        timeline_add(timeline, journal, str_from(lines[i]));
    timeline_finish(timeline);
    assert_int_equal(0, timeline->finding_count);
    return timeline;
}

static void assert_wanted(const struct replay_filter *filter, const char *requests,
                          const char *groups, bool note)
{
    scoped(timeline_free) struct timeline *timeline = build();
    char wanted[4] = "---", wanted_groups[3] = "--";

    for (size_t i = 0; i < 3; i++)
        if (filter_wants_request(filter, timeline, &timeline->requests[i]))
            wanted[i] = '1';
    for (size_t i = 0; i < 2; i++)
        if (filter_wants_group(filter, timeline, &timeline->groups[i]))
            wanted_groups[i] = '1';
    assert_string_equal(requests, wanted);
    assert_string_equal(groups, wanted_groups);
    assert_int_equal(note, filter_wants_note(filter, timeline, &timeline->notes[0]));
}

static void filter_combines_what_is_asked_for(void **state)
{
    static const struct {
        const char *verbs, *resources, *namespaces, *codes, *command, *since, *until;
        const char *requests, *groups;
        bool note;
    } rows[] = {
        {.requests = "111", .groups = "11", .note = true},
        {.verbs = "get,list", .requests = "11-", .groups = "1-"},
        {.verbs = "GET", .requests = "-1-", .groups = "1-"},
        {.resources = "pods", .requests = "1-1", .groups = "1-"},
        {.resources = "po", .requests = "1-1", .groups = "1-"},
        {.resources = "pod/exec", .requests = "--1", .groups = "1-"},
        {.resources = "deploy.apps", .requests = "-1-", .groups = "1-"},
        {.resources = "deploy.batch", .requests = "---", .groups = "--"},
        {.namespaces = "dev", .requests = "-1-", .groups = "1-"},
        {.namespaces = "dev,shop", .resources = "pods", .requests = "1-1", .groups = "1-"},
        {.codes = "4xx", .requests = "-1-", .groups = "1-"},
        {.codes = "200-299,none", .requests = "1-1", .groups = "1-"},
        {.codes = "403", .requests = "---", .groups = "--"},
        {.command = "kubectl get", .requests = "111", .groups = "1-"},
        {.command = "helm", .requests = "---", .groups = "-1"},
        {.command = "helm", .codes = "404", .requests = "---", .groups = "--"},
        {.since = "2026-11-25T04:00:05Z", .requests = "--1", .groups = "11", .note = true},
        {.until = "2026-11-25T04:00:04Z", .requests = "1--", .groups = "1-"},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        scoped(filter_free) struct replay_filter filter = {.command = rows[i].command};
        struct error err = {0};
        if (rows[i].verbs)
            assert_int_equal(0, filter_add_verbs(&filter, str_from(rows[i].verbs), &err));
        if (rows[i].resources)
            assert_int_equal(0, filter_add_resources(&filter, str_from(rows[i].resources), &err));
        if (rows[i].namespaces)
            assert_int_equal(0, filter_add_namespaces(&filter, str_from(rows[i].namespaces), &err));
        if (rows[i].codes)
            assert_int_equal(0, filter_add_statuses(&filter, str_from(rows[i].codes), &err));
        if (rows[i].since)
            assert_true(clock_parse(str_from(rows[i].since), &filter.since_us));
        if (rows[i].until)
            assert_true(clock_parse(str_from(rows[i].until), &filter.until_us));
        assert_int_equal(i > 0, filter_is_set(&filter));
        assert_wanted(&filter, rows[i].requests, rows[i].groups, rows[i].note);
    }
}

static void filter_refuses_what_is_no_status(void **state)
{
    static const char *const rows[] = {"",    "4",    "40",      "4x",      "0xx",
                                       "abc", "404,", "299-200", "200-2xx", "4040"};

    for (size_t i = 0; i < count_of(rows); i++) {
        scoped(filter_free) struct replay_filter filter = {0};
        struct error err = {0};
        if (filter_add_statuses(&filter, str_make(rows[i], strlen(rows[i])), &err) == 0)
            fail_msg("'%s' was taken for a status", rows[i]);
        assert_int_equal(ERROR_USAGE, err.kind);
    }
}

static void filter_knows_the_names_that_kubectl_takes(void **state)
{
    assert_true(filter_names_resource(STR("ingress"), "ingresses", "networking.k8s.io", NULL));
    assert_true(filter_names_resource(STR("networkpolicy"), "networkpolicies", NULL, NULL));
    assert_true(filter_names_resource(STR("Pods"), "pods", NULL, "log"));
    assert_true(filter_names_resource(STR("svc"), "services", NULL, NULL));
    assert_false(filter_names_resource(STR("po"), "policies", NULL, NULL));
    assert_false(filter_names_resource(STR("pods/log"), "pods", NULL, NULL));
    assert_false(filter_names_resource(STR("secret"), "secretstores", NULL, NULL));
    assert_false(filter_names_resource(STR("pods"), NULL, NULL, NULL));
    assert_false(filter_names_resource(STR(""), "pods", NULL, NULL));
    assert_false(filter_names_resource(STR("/log"), "pods", NULL, "log"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filter_combines_what_is_asked_for),
        cmocka_unit_test(filter_refuses_what_is_no_status),
        cmocka_unit_test(filter_knows_the_names_that_kubectl_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
