#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "replay/changes.h"
#include "replay/diff.h"
#include "replay/text.h"

#define SESSION "01JDH2K9QZ0000000000000000"

/* ---- diff ---- */

static const char *value_text(json_object *value)
{
    return value ? json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE) : "absent";
}

static void print_entry(struct buf *out, const struct diff_entry *entry)
{
    buf_printf(out, "%s: %s -> ", entry->path, value_text(entry->before));
    buf_printf(out, "%s\n", value_text(entry->after));
}

static void assert_diff(const char *before, const char *after, enum diff_noise noise,
                        const char *expected)
{
    struct error err = {0};
    scoped(jsondoc_free) json_object *from = jsondoc_parse(str_from(before), &err);
    scoped(jsondoc_free) json_object *to = jsondoc_parse(str_from(after), &err);
    scoped(diff_free) struct diff diff = {0};
    scoped(buf_free) struct buf out = {0};

    assert_true(from && to);
    diff_objects(&diff, from, to, noise);
    for (size_t i = 0; i < diff.count; i++)
        print_entry(&out, &diff.entries[i]);
    buf_append_char(&out, '\0');
    assert_string_equal(expected, out.data);
}

static void diff_names_what_changed(void **state)
{
    assert_diff("{\"a\":1}", "{\"a\":1}", DIFF_WITHOUT_NOISE, "");
    assert_diff("{\"spec\":{\"replicas\":1,\"paused\":true}}",
                "{\"spec\":{\"replicas\":5,\"mode\":\"x\"}}", DIFF_WITHOUT_NOISE,
                "spec.replicas: 1 -> 5\n"
                "spec.paused: true -> absent\n"
                "spec.mode: absent -> \"x\"\n");
    assert_diff("{\"metadata\":{\"labels\":{\"a.b/c\":\"1\"}}}", "{\"metadata\":{\"labels\":{}}}",
                DIFF_WITHOUT_NOISE, "metadata.labels[a.b/c]: \"1\" -> absent\n");
    /* another type is another value */
    assert_diff("{\"a\":{\"b\":1}}", "{\"a\":[1]}", DIFF_WITHOUT_NOISE, "a: {\"b\":1} -> [1]\n");
}

static void diff_matches_items_by_name(void **state)
{
    assert_diff("{\"c\":[{\"name\":\"web\",\"image\":\"a\"},{\"name\":\"log\",\"image\":\"l\"}]}",
                "{\"c\":[{\"name\":\"log\",\"image\":\"l\"},{\"name\":\"web\",\"image\":\"b\"},"
                "{\"name\":\"new\"}]}",
                DIFF_WITHOUT_NOISE,
                "c[web].image: \"a\" -> \"b\"\n"
                "c[new]: absent -> {\"name\":\"new\"}\n");
    assert_diff("{\"c\":[{\"type\":\"Ready\",\"status\":\"False\"}]}",
                "{\"c\":[{\"type\":\"Ready\",\"status\":\"True\"}]}", DIFF_WITHOUT_NOISE,
                "c[Ready].status: \"False\" -> \"True\"\n");
    /* two of one name: by place */
    assert_diff("{\"c\":[{\"name\":\"p\",\"v\":1},{\"name\":\"p\",\"v\":2}]}",
                "{\"c\":[{\"name\":\"p\",\"v\":1},{\"name\":\"p\",\"v\":3}]}", DIFF_WITHOUT_NOISE,
                "c[1].v: 2 -> 3\n");
    assert_diff("[1,2]", "[1]", DIFF_WITHOUT_NOISE, "[1]: 2 -> absent\n");
}

static void diff_leaves_noise_out_unless_asked(void **state)
{
    static const char before[] = "{\"metadata\":{\"resourceVersion\":\"1\",\"generation\":1,"
                                 "\"managedFields\":[],\"name\":\"a\"}}";
    static const char after[] = "{\"metadata\":{\"resourceVersion\":\"2\",\"generation\":2,"
                                "\"managedFields\":[1],\"name\":\"a\"}}";

    assert_diff(before, after, DIFF_WITHOUT_NOISE, "");
    assert_diff(before, after, DIFF_WITH_NOISE,
                "metadata.resourceVersion: \"1\" -> \"2\"\n"
                "metadata.generation: 1 -> 2\n"
                "metadata.managedFields[0]: absent -> 1\n");
}

/* ---- changes ---- */

struct call {
    const char *verb, *uri, *object, *answer;
    int code;
};

static void add_line(struct buf *out, unsigned *seq, const char *members)
{
    buf_printf(out,
               "{\"time\":\"2026-11-25T04:00:%02u.000000Z\",\"seq\":%u,\"session\":\"" SESSION
               "\",%s}\n",
               *seq, *seq, members);
    (*seq)++;
}

static void add_call(struct buf *out, unsigned *seq, unsigned exchange, const struct call *call)
{
    scoped(buf_free) struct buf members = {0};
    scoped(jsondoc_free) json_object *text = json_object_new_string(call->answer);

    buf_printf(&members,
               "\"type\":\"request\",\"exchange\":%u,\"verb\":\"%s\",\"requestURI\":\"%s\","
               "\"objectRef\":%s%c",
               exchange, call->verb, call->uri, call->object, '\0');
    add_line(out, seq, members.data);
    buf_clear(&members);
    buf_printf(&members, "\"type\":\"response\",\"exchange\":%u,\"responseStatus\":{\"code\":%d}%c",
               exchange, call->code, '\0');
    add_line(out, seq, members.data);
    buf_clear(&members);
    buf_printf(&members,
               "\"type\":\"body\",\"exchange\":%u,\"of\":\"response\",\"offset\":0,\"covers\":%zu,"
               "\"text\":%s%c",
               exchange, strlen(call->answer), json_object_to_json_string(text), '\0');
    add_line(out, seq, members.data);
    buf_clear(&members);
    buf_printf(&members, "\"type\":\"complete\",\"exchange\":%u,\"outcome\":\"ok\"%c", exchange,
               '\0');
    add_line(out, seq, members.data);
}

struct replayed {
    struct timeline *timeline;
    struct changes *changes;
};

static void replayed_free(struct replayed *replayed)
{
    changes_free(&replayed->changes);
    timeline_free(&replayed->timeline);
}

static struct replayed replay_calls(const struct call *calls, size_t count)
{
    struct replayed replayed = {.timeline = timeline_new(SESSION)};
    scoped(buf_free) struct buf lines = {0};
    unsigned journal = timeline_journal(replayed.timeline, "aaaaaaaa");
    unsigned seq = 0;

    add_line(&lines, &seq, "\"type\":\"session.start\",\"actor\":{\"name\":\"ana\"}");
    for (size_t i = 0; i < count; i++)
        add_call(&lines, &seq, (unsigned)i, &calls[i]);
    for (struct str rest = buf_str(&lines); rest.data && rest.len;)
        timeline_add(replayed.timeline, journal, str_split(&rest, '\n'));
    timeline_finish(replayed.timeline);
    replayed.changes = changes_new(replayed.timeline, DIFF_WITHOUT_NOISE);
    assert_true(changes_are_possible(replayed.changes));
    for (struct str rest = buf_str(&lines); rest.data && rest.len;)
        changes_add(replayed.changes, journal, str_split(&rest, '\n'));
    return replayed;
}

static void assert_change(const struct replayed *replayed, uint64_t number, const char *expected)
{
    const struct change *change =
        changes_of(replayed->changes, timeline_request(replayed->timeline, number));
    scoped(buf_free) struct buf out = {0};

    if (!change) {
        assert_string_equal(expected, "");
        return;
    }
    buf_printf(&out, "since %u%s\n", change->before, change->is_dry_run ? ", dry" : "");
    for (size_t i = 0; i < change->diff.count; i++)
        print_entry(&out, &change->diff.entries[i]);
    buf_append_char(&out, '\0');
    assert_string_equal(expected, out.data);
}

#define WEB                                                                                        \
    "{\"resource\":\"deployments\",\"apiGroup\":\"apps\",\"namespace\":\"d\",\"name\":\"web\"}"
#define WEB_SCALE                                                                                  \
    "{\"resource\":\"deployments\",\"apiGroup\":\"apps\",\"namespace\":\"d\",\"name\":\"web\","    \
    "\"subresource\":\"scale\"}"
#define WEBS "{\"resource\":\"deployments\",\"apiGroup\":\"apps\",\"namespace\":\"d\"}"
#define DEPLOYMENT(replicas)                                                                       \
    "{\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\",\"namespace\":\"d\"},\"spec\":{"      \
    "\"replicas\":" #replicas "}}"

static void changes_compare_with_what_was_seen_last(void **state)
{
    static const struct call calls[] = {
        {"get", "/a", WEB, DEPLOYMENT(1), 200},
        {"patch", "/a", WEB, DEPLOYMENT(2), 200},
        {"patch", "/a", WEB_SCALE, "{\"kind\":\"Scale\",\"spec\":{\"replicas\":5}}", 200},
        {"patch", "/a?dryRun=All", WEB, DEPLOYMENT(9), 200},
        {"patch", "/a", WEB, "{\"kind\":\"Status\"}", 409},
        {"update", "/a", WEB, DEPLOYMENT(7), 200},
        {"update", "/a", WEB, DEPLOYMENT(7), 200},
        {"delete", "/a", WEB, "{\"kind\":\"Status\"}", 200},
        {"create", "/a", WEBS, DEPLOYMENT(1), 201},
        {"patch", "/a", WEB, DEPLOYMENT(2), 200},
    };
    scoped(replayed_free) struct replayed replayed = replay_calls(calls, count_of(calls));

    assert_change(&replayed, 1, "");
    assert_change(&replayed, 2, "since 1\nspec.replicas: 1 -> 2\n");
    assert_change(&replayed, 3, "since 2\nspec.replicas: 2 -> 5\n");
    assert_change(&replayed, 4, "since 3, dry\nspec.replicas: 5 -> 9\n");
    assert_change(&replayed, 5, "");
    assert_change(&replayed, 6, "since 3\nspec.replicas: 5 -> 7\n");
    assert_change(&replayed, 7, "since 6\n");
    assert_change(&replayed, 9, ""); /* what was deleted is not its before */
    assert_change(&replayed, 10, "since 9\nspec.replicas: 1 -> 2\n");
}

static void changes_compare_with_an_item_of_a_list(void **state)
{
    static const struct call calls[] = {
        {"list", "/a", WEBS,
         "{\"kind\":\"DeploymentList\",\"apiVersion\":\"apps/v1\",\"items\":[{\"metadata\":{"
         "\"name\":\"web\",\"namespace\":\"d\"},\"spec\":{\"replicas\":1}}]}",
         200},
        {"get", "/a", WEB, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\"}", 200},
        {"patch", "/a", WEB, DEPLOYMENT(2), 200},
    };
    scoped(replayed_free) struct replayed replayed = replay_calls(calls, count_of(calls));

    assert_change(&replayed, 3, "since 1\nspec.replicas: 1 -> 2\n");
}

/* ---- as text ---- */

static void collect(void *context, struct str text)
{
    buf_append_str(context, text);
}

static void assert_text(const struct replayed *replayed, struct text_options options,
                        const char *expected)
{
    scoped(buf_free) struct buf out = {0};

    options.changes = replayed->changes;
    text_write_timeline(replayed->timeline, &options, collect, &out);
    ptrdiff_t at = str_find(buf_str(&out), STR("~"));
    assert_true(at > 0);
    buf_append_char(&out, '\0');
    const char *found = out.data + at;
    if (strcmp(expected, found) != 0)
        fprintf(stderr, "--- expected\n%s--- found\n%s---\n", expected, found);
    assert_string_equal(expected, found);
}

static void text_shows_before_and_after(void **state)
{
    static const struct call calls[] = {
        {"get", "/a", WEB, "{\"kind\":\"D\",\"a\":\"\xe6\x97\xa5\xe6\x9c\xac\",\"b\":1}", 200},
        {"patch", "/a", WEB, "{\"kind\":\"D\",\"a\":\"\\u001b[2J\xc2\x9b\",\"c\":2}", 200},
    };
    scoped(replayed_free) struct replayed replayed = replay_calls(calls, count_of(calls));

    assert_text(&replayed, (struct text_options){0},
                "~ 3 changes since request 1\n"
                "                        - a: \"\xe6\x97\xa5\xe6\x9c\xac\"\n"
                "                        + a: \"\\u001b[2J\\u009b\"\n"
                "                        - b: 1\n"
                "                        + c: 2\n");
    assert_text(
        &replayed, (struct text_options){.columns = 110},
        "~ 3 changes since request 1, before and after\n"
        "                        a             \"\xe6\x97\xa5\xe6\x9c\xac\""
        "                               \"\\u001b[2J\\u009b\"\n"
        "                        b             1                                    (absent)\n"
        "                        c             (absent)                             2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diff_names_what_changed),
        cmocka_unit_test(diff_matches_items_by_name),
        cmocka_unit_test(diff_leaves_noise_out_unless_asked),
        cmocka_unit_test(changes_compare_with_what_was_seen_last),
        cmocka_unit_test(changes_compare_with_an_item_of_a_list),
        cmocka_unit_test(text_shows_before_and_after),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
