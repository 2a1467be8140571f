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
#include "replay/bodies.h"
#include "replay/json.h"
#include "replay/text.h"
#include "replay/timeline.h"

#define SESSION "01JDH2K9QZ0000000000000000"

/* One event: seconds since 04:00:00, the rest of its members. `seq` counts by itself. */
struct sample {
    const char *journal;
    double at_s;
    const char *members;
};

static char *make_line(const struct sample *sample, uint64_t seq)
{
    char *line = NULL;
    int seconds = (int)sample->at_s;

    assert_true(
        asprintf(&line,
                 "{\"time\":\"2026-11-25T04:%02d:%02d.%06dZ\",\"mono_us\":%lld,\"seq\":%llu,"
                 "\"session\":\"%s\",%s}\n",
                 seconds / 60, seconds % 60, (int)((sample->at_s - seconds) * 1e6 + 0.5),
                 (long long)(sample->at_s * 1e6) + 1000000, (unsigned long long)seq, SESSION,
                 sample->members) > 0);
    return line;
}

typedef void use_line(void *context, unsigned journal, struct str line);

static void each_line(struct timeline *timeline, const struct sample *samples, size_t count,
                      use_line *use, void *context)
{
    uint64_t seqs[8] = {0};

    for (size_t i = 0; i < count; i++) {
        unsigned journal = timeline_journal(timeline, samples[i].journal);
        scoped(free_text) char *line = make_line(&samples[i], seqs[journal]++);
        use(context, journal, str_from(line));
    }
}

static void use_timeline(void *context, unsigned journal, struct str line)
{
    timeline_add(context, journal, line);
}

static void use_bodies(void *context, unsigned journal, struct str line)
{
    ignore(bodies_add(context, journal, line));
}

static struct timeline *build(const struct sample *samples, size_t count)
{
    struct timeline *timeline = timeline_new(SESSION);

    each_line(timeline, samples, count, use_timeline, timeline);
    timeline_finish(timeline);
    return timeline;
}

static void collect(void *context, struct str text)
{
    buf_append_str(context, text);
}

static char *render(const struct timeline *timeline, const struct text_options *options)
{
    struct buf out = {0};

    text_write_timeline(timeline, options, collect, &out);
    return buf_take_text(&out);
}

/* cmocka prints both on one line; a person wants to see them. */
static void assert_text(const char *expected, const char *found)
{
    if (strcmp(expected, found) != 0)
        fprintf(stderr, "--- expected\n%s--- found\n%s---\n", expected, found);
    assert_string_equal(expected, found);
}

#define START                                                                                      \
    "\"type\":\"session.start\",\"actor\":{\"name\":\"ana\"},\"selfAttested\":true,"               \
    "\"cluster\":{\"id\":\"prod\",\"name\":\"prod\",\"server\":\"https://10.0.0.1:6443\"},"        \
    "\"title\":\"scale web\",\"labels\":{\"team\":\"shop\"},\"argv\":[\"sh\",\"-c\",\"kubectl "    \
    "get pods\"]"
#define BODY(number, direction, text)                                                              \
    "\"type\":\"body\",\"exchange\":" #number ",\"of\":\"" direction                               \
    "\",\"offset\":0,\"covers\":" text
#define COMPLETE_OK(number, received)                                                              \
    "\"type\":\"complete\",\"exchange\":" #number                                                  \
    ",\"outcome\":\"ok\",\"forwarded\":\"all\",\"response\":{\"received\":" #received              \
    ",\"delivered\":" #received "}"

static const struct sample shop[] = {
    {"aaaaaaaa", 0, START},
    {"aaaaaaaa", 0.1,
     "\"type\":\"command.start\",\"command\":\"c1\",\"argv\":[\"kubectl\",\"get\",\"pods\",\"-l\","
     "\"app in (web)\"]"},
    {"aaaaaaaa", 0.15,
     "\"type\":\"request\",\"exchange\":0,\"command\":\"c1\",\"verb\":\"list\",\"method\":\"GET\","
     "\"requestURI\":\"/api/v1/namespaces/shop/pods?labelSelector=app+in+%28web%29&limit=500\","
     "\"objectRef\":{\"resource\":\"pods\",\"namespace\":\"shop\"}"},
    {"aaaaaaaa", 0.18,
     "\"type\":\"response\",\"exchange\":0,\"command\":\"c1\",\"responseStatus\":{\"code\":200}"},
    {"aaaaaaaa", 0.185, BODY(0, "response", "11,\"text\":\"{\\\"a\\\":[1,2]}\"")},
    {"aaaaaaaa", 0.191, COMPLETE_OK(0, 3482)},
    {"aaaaaaaa", 0.41,
     "\"type\":\"command.exit\",\"command\":\"c1\",\"code\":0,\"durationUs\":310000"},
    {"aaaaaaaa", 3, "\"type\":\"mark\",\"what\":\"idle\",\"why\":\"the agent thinks\""},
    {"aaaaaaaa", 41.2,
     "\"type\":\"command.start\",\"command\":\"c2\",\"argv\":[\"kubectl\",\"get\",\"secret\","
     "\"db\"]"},
    {"aaaaaaaa", 41.3,
     "\"type\":\"request\",\"exchange\":1,\"command\":\"c2\",\"verb\":\"get\",\"method\":\"GET\","
     "\"requestURI\":\"/api/v1/namespaces/shop/secrets/db\""},
    {"aaaaaaaa", 41.31, "\"type\":\"response\",\"exchange\":1,\"responseStatus\":{\"code\":200}"},
    {"aaaaaaaa", 41.32,
     BODY(1, "response",
          "90,\"text\":\"{\\\"kind\\\":\\\"Secret\\\",\\\"data\\\":{\\\"p\\\":\\\"redacted:v1:k:00:"
          "9\\\","
          "\\\"q\\\":\\\"redacted:v1:k:-:1\\\"}}\"")},
    {"aaaaaaaa", 41.34, COMPLETE_OK(1, 90)},
    {"aaaaaaaa", 41.35,
     "\"type\":\"request\",\"exchange\":2,\"command\":\"c2\",\"verb\":\"delete\",\"method\":"
     "\"DELETE\","
     "\"requestURI\":\"/api/v1/namespaces/shop/secrets/db\""},
    {"aaaaaaaa", 41.36,
     "\"type\":\"policy\",\"exchange\":2,\"decision\":\"deny\",\"rule\":\"R12\",\"reason\":\"no "
     "deletes\""},
    {"aaaaaaaa", 41.37, "\"type\":\"response\",\"exchange\":2,\"responseStatus\":{\"code\":403}"},
    {"aaaaaaaa", 41.38,
     "\"type\":\"complete\",\"exchange\":2,\"outcome\":\"refused\",\"forwarded\":\"none\","
     "\"reason\":\"rule R12\""},
    {"aaaaaaaa", 42.4,
     "\"type\":\"command.exit\",\"command\":\"c2\",\"signal\":9,\"durationUs\":1200000"},
    {"bbbbbbbb", 1.5,
     "\"type\":\"session.start\",\"actor\":{\"name\":\"ana\"},\"cluster\":\"dev\""},
    {"bbbbbbbb", 1.6,
     "\"type\":\"request\",\"exchange\":0,\"verb\":\"watch\",\"method\":\"GET\",\"requestURI\":\"/"
     "api/v1/pods?"
     "watch=true\",\"kubectlSession\":\"5f3a\",\"kubectlCommand\":\"kubectl get\""},
    {"bbbbbbbb", 1.7, "\"type\":\"response\",\"exchange\":0,\"responseStatus\":{\"code\":200}"},
    {"bbbbbbbb", 1.8,
     "\"type\":\"withheld\",\"exchange\":0,\"of\":\"response\",\"offset\":0,\"bytes\":2048,"
     "\"reason\":\"protobuf\",\"fingerprint\":\"abc\""},
    {"aaaaaaaa", 90, "\"type\":\"session.end\",\"reason\":\"end\""},
};

static void text_shows_commands_with_their_requests(void **state)
{
    scoped(timeline_free) struct timeline *timeline = build(shop, count_of(shop));
    scoped(free_text) char *text =
        render(timeline, &(struct text_options){.columns = 80, .verdict = "INTACT, self-attested"});

    assert_text("session   01JDH2K9QZ0000000000000000\n"
                "verdict   INTACT, self-attested\n"
                "actor     ana (self-attested)\n"
                "cluster   prod  https://10.0.0.1:6443\n"
                "cluster   dev\n"
                "title     scale web\n"
                "labels    team=shop\n"
                "started   2026-11-25T04:00:00Z, no end recorded, last event after 1m30s\n"
                "ran       sh -c 'kubectl get pods'\n"
                "\n"
                "+0:00.1   #1   kubectl get pods -l 'app in (web)'  exit 0     1 request    0.31s\n"
                "            1  GET    "
                "/api/v1/namespaces/shop/pods?\n"
                "                      labelSelector=app+in+%28web%29&limit=500\n"
                "                                                       200     3.4 KiB     41 ms\n"
                "+0:01.6   --   (no command) kubectl get (Kubectl-Session 5f3a)\n"
                "                                                              1 request\n"
                "            2  GET    /api/v1/pods?watch=true          200     2.0 KiB\n"
                "                      ! no end recorded\n"
                "                      ! response body not recorded: 2.0 KiB withheld (protobuf)\n"
                "+0:03.0   ==   mark: idle, the agent thinks\n"
                "+0:41.2   #2   kubectl get secret db               signal 9  2 requests    1.20s\n"
                "            3  GET    /api/v1/namespaces/shop/secrets/db\n"
                "                                                       200        90 B     40 ms\n"
                "                      ! 2 secret values withheld from the recorded response\n"
                "            4  DELETE /api/v1/namespaces/shop/secrets/db\n"
                "                                                       403         0 B     30 ms\n"
                "                      ! refused by the gateway, forwarded: none: rule R12\n"
                "                      ! policy: deny, R12, no deletes\n",
                text);
}

static void text_has_one_line_each_without_a_terminal(void **state)
{
    scoped(timeline_free) struct timeline *timeline = build(shop, count_of(shop));
    scoped(free_text) char *text = render(timeline, &(struct text_options){.command = 1});

    assert_non_null(strstr(text, "limit=500  200     3.4 KiB     41 ms\n"));
    assert_null(strstr(text, "#2"));
}

static void bodies_are_put_together_and_say_what_is_missing(void **state)
{
    static const struct sample samples[] = {
        {"aaaaaaaa", 0, START},
        {"aaaaaaaa", 1,
         "\"type\":\"request\",\"exchange\":7,\"method\":\"GET\",\"requestURI\":\"/x\""},
        {"aaaaaaaa", 2,
         "\"type\":\"body\",\"exchange\":7,\"of\":\"response\",\"offset\":0,\"covers\":3,\"text\":"
         "\"one\""},
        {"aaaaaaaa", 3,
         "\"type\":\"body\",\"exchange\":7,\"of\":\"response\",\"offset\":3,\"covers\":4,"
         "\"latin1\":"
         "\"\\u00ff\\u0000\\u001bA\""},
        {"aaaaaaaa", 4,
         "\"type\":\"withheld\",\"exchange\":7,\"of\":\"response\",\"offset\":7,\"bytes\":9,"
         "\"reason\":\"yaml\""},
        {"aaaaaaaa", 5,
         "\"type\":\"body\",\"exchange\":7,\"of\":\"response\",\"offset\":20,\"covers\":3,\"text\":"
         "\"end\""},
    };
    scoped(timeline_free) struct timeline *timeline = build(samples, count_of(samples));
    scoped(bodies_free) struct bodies *bodies = bodies_new(timeline, 1, 4096, 4096);

    each_line(timeline, samples, count_of(samples), use_bodies, bodies);
    const struct exchange_view *view = bodies_of(bodies, timeline_request(timeline, 1));
    assert_non_null(view);
    const struct body *body = &view->body[SIDE_RESPONSE];
    assert_memory_equal("one\xff\0\x1b"
                        "Aend",
                        body->bytes.data, 10);
    assert_int_equal(23, body->end);
    assert_int_equal(5, body->count);
    assert_int_equal(PIECE_WITHHELD, body->pieces[2].kind);
    assert_int_equal(PIECE_MISSING, body->pieces[3].kind);
    assert_int_equal(4, body->pieces[3].covers);

    scoped(buf_free) struct buf text = {0};
    text_write_body(body, "| ", collect, &text);
    buf_append_char(&text, '\0');
    assert_text("| one\\xff\\x00\\x1bA\n| [9 B withheld: yaml]\n| [4 B not recorded]\n| end\n",
                text.data);
}

static void bodies_over_the_limit_are_left_out_visibly(void **state)
{
    scoped(timeline_free) struct timeline *timeline = build(shop, count_of(shop));
    scoped(bodies_free) struct bodies *bodies = bodies_new(timeline, 0, 20, 1000);

    each_line(timeline, shop, count_of(shop), use_bodies, bodies);
    assert_int_equal(
        PIECE_BYTES,
        bodies_of(bodies, timeline_request(timeline, 1))->body[SIDE_RESPONSE].pieces[0].kind);
    const struct body *cut = &bodies_of(bodies, timeline_request(timeline, 3))->body[SIDE_RESPONSE];
    assert_int_equal(PIECE_BYTES, cut->pieces[0].kind);
    assert_int_equal(20, cut->pieces[0].len);
    assert_int_equal(PIECE_LEFT_OUT, cut->pieces[1].kind);
    assert_int_equal(70, cut->pieces[1].covers);
    assert_int_equal(90, cut->end);
}

static void a_crash_says_which_requests_were_open(void **state)
{
    static const struct sample samples[] = {
        {"aaaaaaaa", 0, START},
        {"aaaaaaaa", 1,
         "\"type\":\"request\",\"exchange\":4,\"method\":\"GET\",\"requestURI\":\"/x\""},
        {"aaaaaaaa", 3500,
         "\"type\":\"recovered\",\"what\":\"a "
         "crash\",\"open\":[{\"exchange\":4,\"outcome\":\"unknown\"},7,{}]"},
    };
    scoped(timeline_free) struct timeline *timeline = build(samples, count_of(samples));
    scoped(free_text) char *text = render(timeline, &(struct text_options){.columns = 80});

    assert_non_null(strstr(text, "no end recorded, last event after 1.00s\n"));
    assert_non_null(strstr(text, "! how it ended is unknown: the gateway crashed\n"));
    assert_non_null(strstr(text, "+58:20.0  ==   recovered: a crash"));
}

static void json_is_one_document_with_everything(void **state)
{
    scoped(timeline_free) struct timeline *timeline = build(shop, count_of(shop));
    scoped(bodies_free) struct bodies *bodies = bodies_new(timeline, 0, 4096, 4096);
    scoped(buf_free) struct buf out = {0};
    struct error err = {0};

    each_line(timeline, shop, count_of(shop), use_bodies, bodies);
    json_write_timeline(timeline, &(struct json_options){.bodies = bodies}, collect, &out);
    scoped(jsondoc_free) json_object *root = jsondoc_parse(buf_str(&out), &err);
    assert_non_null(root);

    assert_string_equal("Replay", jsondoc_string(root, "/kind"));
    assert_string_equal("ana", jsondoc_string(root, "/session/actor/name"));
    assert_int_equal(2, jsondoc_count(root, "/commands"));
    assert_int_equal(9, jsondoc_int(root, "/commands/1/exit/signal", 0));
    assert_int_equal(0, jsondoc_int(root, "/commands/0/exit/code", -1));
    assert_string_equal("app in (web)", jsondoc_string(root, "/commands/0/argv/4"));
    assert_string_equal("pods", jsondoc_string(root, "/commands/0/requests/0/objectRef/resource"));
    assert_true(json_object_get_double(jsondoc_at(root, "/commands/0/requests/0/durationMs")) ==
                41);
    assert_string_equal("{\"a\":[1,2]}",
                        jsondoc_string(root, "/commands/0/requests/0/responseBody/text"));
    assert_string_equal("deny, R12, no deletes",
                        jsondoc_string(root, "/commands/1/requests/1/notes/0/text"));
    assert_string_equal("5f3a", jsondoc_string(root, "/unlinked/0/kubectlSession"));
    assert_string_equal(
        "protobuf", jsondoc_string(root, "/unlinked/0/requests/0/responseBody/missing/0/reason"));
    assert_string_equal("mark", jsondoc_string(root, "/notes/0/type"));
    assert_int_equal(0, jsondoc_count(root, "/findings"));
}

static void exchange_is_shown_in_full(void **state)
{
    static const struct sample samples[] = {
        {"aaaaaaaa", 0, START},
        {"aaaaaaaa", 1,
         "\"type\":\"request\",\"exchange\":7,\"command\":\"c1\",\"method\":\"POST\","
         "\"requestURI\":\"/x\\u001b\","
         "\"userAgent\":\"kubectl\",\"headers\":[{\"name\":\"Accept\",\"value\":\"a\"},{\"name\":"
         "\"Authorization\"}]"},
        {"aaaaaaaa", 2,
         "\"type\":\"body\",\"exchange\":7,\"of\":\"request\",\"offset\":0,\"covers\":9,\"text\":"
         "\"{\\\"a\\\":\\\"b\\\"}\""},
        {"aaaaaaaa", 3,
         "\"type\":\"response\",\"exchange\":7,\"responseStatus\":{\"code\":201},\"headers\":["
         "{\"name\":\"A\",\"value\":\"1\"},"
         "{\"name\":\"A\",\"value\":\"2\"}]"},
        {"aaaaaaaa", 4, COMPLETE_OK(7, 5)},
    };
    scoped(timeline_free) struct timeline *timeline = build(samples, count_of(samples));
    scoped(bodies_free) struct bodies *bodies = bodies_new(timeline, 1, 4096, 4096);
    scoped(buf_free) struct buf text = {0};

    each_line(timeline, samples, count_of(samples), use_bodies, bodies);
    text_write_exchange(timeline, timeline_request(timeline, 1),
                        &(struct text_options){.bodies = bodies}, collect, &text);
    buf_append_char(&text, '\0');
    assert_text("request 1 (exchange 7 of journal aaaaaaaa, command c1)\n"
                "> POST /x\\x1b\n"
                "  userAgent: kubectl\n"
                "  headers:\n"
                "    Accept: a\n"
                "    Authorization: (value not recorded)\n"
                "  body, 9 B:\n"
                "    {\n"
                "      \"a\": \"b\"\n"
                "    }\n"
                "< 201\n"
                "  responseStatus: {\"code\":201}\n"
                "  headers:\n"
                "    A: 1\n"
                "    A: 2\n"
                "end: ok\n"
                "  outcome: ok\n"
                "  forwarded: all\n"
                "  response: {\"received\":5,\"delivered\":5}\n",
                text.data);
}

/* Each: lines that must not be believed, and the finding that says so. */
static void stream_is_counted_and_shown_with_both_sides(void **state)
{
    static const struct sample samples[] = {
        {"aaaaaaaa", 0, START},
        {"aaaaaaaa", 1,
         "\"type\":\"request\",\"exchange\":7,\"method\":\"GET\",\"requestURI\":\"/exec\""},
        {"aaaaaaaa", 2,
         "\"type\":\"response\",\"exchange\":7,\"responseStatus\":{\"code\":101},\"headers\":[]"},
        {"aaaaaaaa", 3,
         "\"type\":\"stream.open\",\"exchange\":7,\"protocol\":\"websocket\",\"subprotocol\":"
         "\"v5\","
         "\"argv\":[\"ls\",\"-l\"],\"container\":\"web\",\"tty\":true"},
        {"aaaaaaaa", 4,
         "\"type\":\"stream.data\",\"exchange\":7,\"direction\":\"client\",\"offset\":0,"
         "\"latin1\":\"a\\u0080\""},
        {"aaaaaaaa", 5,
         "\"type\":\"stream.data\",\"exchange\":7,\"direction\":\"upstream\",\"offset\":0,"
         "\"text\":\"\\u00e4\""},
        {"aaaaaaaa", 6,
         "\"type\":\"stream.close\",\"exchange\":7,\"outcome\":\"ok\",\"endedBy\":\"client\""},
        {"aaaaaaaa", 7, COMPLETE_OK(7, 2)},
    };
    scoped(timeline_free) struct timeline *timeline = build(samples, count_of(samples));
    scoped(bodies_free) struct bodies *bodies = bodies_new(timeline, 1, 4096, 4096);
    scoped(buf_free) struct buf text = {0};
    const struct replay_request *request = timeline_request(timeline, 1);

    assert_int_equal(2, request->request.recorded);
    assert_int_equal(2, request->response.recorded);
    assert_string_equal("runs ls -l in container web, over websocket (v5)",
                        timeline->notes[request->first_note - 1].text);
    assert_int_equal(0, timeline->finding_count);

    each_line(timeline, samples, count_of(samples), use_bodies, bodies);
    text_write_exchange(timeline, request, &(struct text_options){.bodies = bodies}, collect,
                        &text);
    buf_append_char(&text, '\0');
    assert_non_null(strstr(text.data, "  body, 2 B:\n    a\\x80\n"));
    assert_non_null(strstr(text.data, "  body, 2 B:\n    \u00e4\n"));
    assert_non_null(strstr(text.data, "  endedBy: client\nend: ok\n"));
}

static void hostile_lines_become_findings(void **state)
{
    static const struct {
        const char *line, *finding;
    } rows[] = {
        {"", "a line is no event"},
        {"nonsense", "a line is no event"},
        {"{\"time\":1}", "it has no type"},
        {"{\"type\":\"mark\",\"seq\":0}", "an event of session (none)"},
        {"{\"type\":\"mark\",\"session\":\"01JDH2K9QZ0000000000000000\",\"seq\":5}",
         "seq 5 where 0 was expected"},
        {"{\"type\":\"request\",\"session\":\"01JDH2K9QZ0000000000000000\",\"seq\":0}",
         "request event without exchange"},
        {"{\"type\":\"body\",\"exchange\":3,\"session\":\"01JDH2K9QZ0000000000000000\",\"seq\":0}",
         "exchange 3 begins with a body event"},
        {"{\"type\":\"body\",\"exchange\":3,\"session\":\"01JDH2K9QZ0000000000000000\",\"seq\":0}",
         "of neither request nor response"},
        {"{\"type\":\"command.exit\",\"command\":\"x\",\"session\":\"01JDH2K9QZ0000000000000000\","
         "\"seq\":0}",
         "command x ends without a start"},
        {"{\"type\":\"stream.data\",\"exchange\":1,\"session\":\"01JDH2K9QZ0000000000000000\","
         "\"seq\":0}",
         "stream.data of neither side"},
        {"{\"type\":\"command.output\",\"session\":\"01JDH2K9QZ0000000000000000\",\"seq\":0}",
         "1 command.output events are not shown"},
        {"{\"type\":\"session.start\",\"actor\":{\"name\":\"eve\"},\"session\":"
         "\"01JDH2K9QZ0000000000000000\","
         "\"seq\":0}",
         "is of another actor than"},
    };

    for (size_t i = 0; i < count_of(rows); i++) {
        scoped(timeline_free) struct timeline *timeline = timeline_new(SESSION);
        scoped(free_text) char *start = make_line(&(struct sample){"aaaaaaaa", 0, START}, 0);
        timeline_add(timeline, timeline_journal(timeline, "aaaaaaaa"), str_from(start));
        timeline_add(timeline, timeline_journal(timeline, "bbbbbbbb"), str_from(rows[i].line));
        timeline_finish(timeline);
        bool was_found = false;
        for (size_t j = 0; j < timeline->finding_count; j++)
            was_found |= strstr(timeline->findings[j], rows[i].finding) != NULL;
        if (!was_found)
            fail_msg("no finding '%s' for %s", rows[i].finding, rows[i].line);
    }
}

static void a_second_request_of_an_exchange_hides_nothing(void **state)
{
    static const struct sample samples[] = {
        {"aaaaaaaa", 0, START},
        {"aaaaaaaa", 1,
         "\"type\":\"request\",\"exchange\":1,\"method\":\"GET\",\"requestURI\":\"/first\""},
        {"aaaaaaaa", 2,
         "\"type\":\"request\",\"exchange\":1,\"method\":\"DELETE\",\"requestURI\":\"/second\""},
    };
    scoped(timeline_free) struct timeline *timeline = build(samples, count_of(samples));
    scoped(free_text) char *text = render(timeline, &(struct text_options){0});

    assert_non_null(strstr(text, "/first"));
    assert_non_null(strstr(text, "begins once more, not shown: DELETE /second"));
}

static void nothing_from_a_recording_drives_the_terminal(void **state)
{
#define EVIL "\\u001b]0;x\\u0007\\r\\u009b2J\\u202e"
    static const struct sample samples[] = {
        {"aaaaaaaa", 0,
         "\"type\":\"session.start\",\"actor\":{\"name\":\"" EVIL "\",\"issuer\":\"" EVIL "\"},"
         "\"cluster\":{\"name\":\"" EVIL "\",\"server\":\"" EVIL "\"},\"agent\":\"" EVIL
         "\",\"title\":\"" EVIL "\",\"labels\":{\"" EVIL "\":\"" EVIL "\"},\"argv\":[\"" EVIL
         "\"]"},
        {"aaaaaaaa", 1,
         "\"type\":\"command.start\",\"command\":\"" EVIL "\",\"argv\":[\"" EVIL "\",\"it's " EVIL
         "\"]"},
        {"aaaaaaaa", 2,
         "\"type\":\"request\",\"exchange\":1,\"command\":\"" EVIL "\",\"method\":\"" EVIL
         "\",\"requestURI\":\"" EVIL "\",\"headers\":{\"" EVIL "\":\"" EVIL "\"},\"" EVIL "\":1"},
        {"aaaaaaaa", 3,
         "\"type\":\"body\",\"exchange\":1,\"of\":\"request\",\"offset\":0,\"covers\":1,\"text\":"
         "\"{" EVIL "\""},
        {"aaaaaaaa", 4,
         "\"type\":\"withheld\",\"exchange\":1,\"of\":\"response\",\"offset\":0,\"reason\":\"" EVIL
         "\",\"fingerprint\":\"" EVIL "\""},
        {"aaaaaaaa", 5,
         "\"type\":\"mark\",\"exchange\":1,\"what\":\"" EVIL "\",\"" EVIL "\":{\"" EVIL "\":\"" EVIL
         "\"}"},
        {"aaaaaaaa", 6,
         "\"type\":\"complete\",\"exchange\":1,\"outcome\":\"" EVIL "\",\"forwarded\":\"" EVIL
         "\""},
        {"aaaaaaaa", 7, "\"type\":\"request\",\"exchange\":2,\"command\":\"x" EVIL "\""},
        {"aaaaaaaa", 8,
         "\"type\":\"request\",\"exchange\":3,\"kubectlSession\":\"" EVIL
         "\",\"kubectlCommand\":\"" EVIL "\""},
        {"aaaaaaaa", 9, "\"type\":\"" EVIL "\""},
        {"aaaaaaaa", 10, "\"type\":\"command.start\",\"command\":\"" EVIL "\""},
    };
    scoped(timeline_free) struct timeline *timeline = build(samples, count_of(samples));
    scoped(bodies_free) struct bodies *bodies = bodies_new(timeline, 0, 4096, 4096);
    scoped(bodies_free) struct bodies *one = bodies_new(timeline, 1, 4096, 4096);
    scoped(buf_free) struct buf text = {0};

    each_line(timeline, samples, count_of(samples), use_bodies, bodies);
    each_line(timeline, samples, count_of(samples), use_bodies, one);
    text_write_timeline(timeline, &(struct text_options){.bodies = bodies}, collect, &text);
    text_write_exchange(timeline, timeline_request(timeline, 1),
                        &(struct text_options){.bodies = one}, collect, &text);
    json_write_timeline(timeline, &(struct json_options){.bodies = bodies}, collect, &text);
    for (struct str rest = buf_str(&text); rest.len; rest = str_skip(rest, 1)) {
        unsigned char c = (unsigned char)rest.data[0];
        assert_true(c == '\n' || (c >= 0x20 && c < 0x7f));
    }
    assert_true(str_find(buf_str(&text), STR("\\x1b]0;x\\x07\\x0d")) > 0);
}

static void a_clock_that_goes_back_changes_no_order(void **state)
{
    static const struct sample samples[] = {
        {"aaaaaaaa", 10, START},
        {"aaaaaaaa", 20, "\"type\":\"request\",\"exchange\":1,\"requestURI\":\"/first\""},
        {"aaaaaaaa", 2, "\"type\":\"request\",\"exchange\":2,\"requestURI\":\"/second\""},
    };
    scoped(timeline_free) struct timeline *timeline = build(samples, count_of(samples));

    assert_string_equal("/first", timeline_request(timeline, 1)->uri);
    assert_string_equal("/second", timeline_request(timeline, 2)->uri);
    assert_null(timeline_request(timeline, 3));
}

/* A command that failed, a write, something that was deleted. */
static const struct sample small[] = {
    {"aaaaaaaa", 0,
     "\"type\":\"session.start\",\"actor\":{\"name\":\"ana\"},\"title\":"
     "\"\xe6\x97\xa5\xe6\x9c\xac\""},
    {"aaaaaaaa", 0.1,
     "\"type\":\"command.start\",\"command\":\"c1\",\"argv\":[\"kubectl\",\"delete\",\"pod\","
     "\"a\\u001b[2J\"]"},
    {"aaaaaaaa", 0.2,
     "\"type\":\"request\",\"exchange\":0,\"command\":\"c1\",\"verb\":\"delete\",\"method\":"
     "\"DELETE\","
     "\"requestURI\":\"/api/v1/namespaces/shop/pods/a\",\"objectRef\":{\"resource\":\"pods\"}"},
    {"aaaaaaaa", 0.3, "\"type\":\"response\",\"exchange\":0,\"responseStatus\":{\"code\":403}"},
    {"aaaaaaaa", 0.4, COMPLETE_OK(0, 90)},
    {"aaaaaaaa", 0.5,
     "\"type\":\"command.exit\",\"command\":\"c1\",\"code\":1,\"durationUs\":400000"},
    {"aaaaaaaa", 1, "\"type\":\"session.end\""},
};

static void text_has_colours_when_asked(void **state)
{
    scoped(timeline_free) struct timeline *timeline = build(small, count_of(small));
    scoped(free_text) char *text =
        render(timeline,
               &(struct text_options){.columns = 100, .is_coloured = true, .verdict = "TAMPERED"});

    assert_text("\x1b[2msession\x1b[0m   \x1b[1m01JDH2K9QZ0000000000000000\x1b[0m\n"
                "\x1b[2mverdict\x1b[0m   \x1b[31mTAMPERED\x1b[0m\n"
                "\x1b[2mactor\x1b[0m     ana\n"
                "\x1b[2mtitle\x1b[0m     \xe6\x97\xa5\xe6\x9c\xac\n"
                "\x1b[2mstarted\x1b[0m   2026-11-25T04:00:00Z, took 1.00s\n"
                "\n"
                "\x1b[2m+0:00.1\x1b[0m   \x1b[1m#1\x1b[0m   \x1b[1mkubectl delete pod "
                "'a\\x1b[2J'\x1b[0m      "
                "\x1b[31mexit 1\x1b[0m     1 request    0.40s\n"
                "\x1b[2m            1  \x1b[0m\x1b[31mDELETE\x1b[0m /api/v1/namespaces/shop/pods/a"
                "  \x1b[33m403\x1b[0m        90 B    200 ms\n",
                text);
}

static void text_folds_at_a_narrow_terminal_and_never_in_a_pipe(void **state)
{
    scoped(timeline_free) struct timeline *timeline = build(small, count_of(small));
    scoped(free_text) char *narrow = render(timeline, &(struct text_options){.columns = 48});
    scoped(free_text) char *piped = render(timeline, &(struct text_options){0});

    assert_text("session   01JDH2K9QZ0000000000000000\n"
                "actor     ana\n"
                "title     \xe6\x97\xa5\xe6\x9c\xac\n"
                "started   2026-11-25T04:00:00Z, took 1.00s\n"
                "\n"
                "+0:00.1   #1   kubectl delete pod 'a\\x1b[2J'\n"
                "                   exit 1     1 request    0.40s\n"
                "            1  DELETE /api/v1/namespaces/shop/\n"
                "                      pods/a\n"
                "                       403        90 B    200 ms\n",
                narrow);
    assert_text("session   01JDH2K9QZ0000000000000000\n"
                "actor     ana\n"
                "title     \xe6\x97\xa5\xe6\x9c\xac\n"
                "started   2026-11-25T04:00:00Z, took 1.00s\n"
                "\n"
                "+0:00.1   #1   kubectl delete pod 'a\\x1b[2J'      exit 1     1 request    0.40s\n"
                "            1  DELETE /api/v1/namespaces/shop/pods/a  403        90 B    200 ms\n",
                piped);
}

static void journals_of_another_actor_are_shown_apart(void **state)
{
    static const struct sample samples[] = {
        {"aaaaaaaa", 0,
         "\"type\":\"session.start\",\"actor\":{\"issuer\":\"https://"
         "a\",\"subject\":\"1\",\"name\":\"ana\"}"},
        {"aaaaaaaa", 1,
         "\"type\":\"command.start\",\"command\":\"c1\",\"argv\":[\"kubectl\",\"a\"]"},
        {"aaaaaaaa", 4, "\"type\":\"mark\",\"what\":\"last\""},
        {"bbbbbbbb", 2,
         "\"type\":\"session.start\",\"actor\":{\"issuer\":\"https://"
         "b\",\"subject\":\"1\",\"name\":\"ana\"}"},
        {"bbbbbbbb", 3,
         "\"type\":\"request\",\"exchange\":0,\"command\":\"c1\",\"method\":\"GET\",\"requestURI\":"
         "\"/b\""},
        {"cccccccc", 2,
         "\"type\":\"session.start\",\"actor\":{\"issuer\":\"https://"
         "a\",\"subject\":\"1\",\"name\":\"Ana\"}"},
    };
    scoped(timeline_free) struct timeline *timeline = build(samples, count_of(samples));
    scoped(free_text) char *text = render(timeline, &(struct text_options){0});

    assert_int_equal(2, timeline->party_count); /* the third is the first one's, by another name */
    assert_text("session   01JDH2K9QZ0000000000000000\n"
                "started   2026-11-25T04:00:00Z, no end recorded, last event after 4.00s\n"
                "\n"
                "actor     ana, says https://a\n"
                "journals  aaaaaaaa, cccccccc\n"
                "\n"
                "+0:01.0   #1   kubectl a                               no exit   0 requests\n"
                "+0:04.0   ==   mark: last\n"
                "\n"
                "actor     ana, says https://b\n"
                "journals  bbbbbbbb\n"
                "\n"
                "+0:03.0   --   (a command that was not announced: c1)             1 request\n"
                "            1  GET    /b                                     -         0 B\n"
                "                      ! no end recorded\n"
                "\n"
                "findings\n"
                "  journal bbbbbbbb is of another actor than journal aaaaaaaa: shown apart\n",
                text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_shows_commands_with_their_requests),
        cmocka_unit_test(text_has_colours_when_asked),
        cmocka_unit_test(text_folds_at_a_narrow_terminal_and_never_in_a_pipe),
        cmocka_unit_test(journals_of_another_actor_are_shown_apart),
        cmocka_unit_test(text_has_one_line_each_without_a_terminal),
        cmocka_unit_test(bodies_are_put_together_and_say_what_is_missing),
        cmocka_unit_test(bodies_over_the_limit_are_left_out_visibly),
        cmocka_unit_test(a_crash_says_which_requests_were_open),
        cmocka_unit_test(json_is_one_document_with_everything),
        cmocka_unit_test(exchange_is_shown_in_full),
        cmocka_unit_test(stream_is_counted_and_shown_with_both_sides),
        cmocka_unit_test(hostile_lines_become_findings),
        cmocka_unit_test(a_second_request_of_an_exchange_hides_nothing),
        cmocka_unit_test(nothing_from_a_recording_drives_the_terminal),
        cmocka_unit_test(a_clock_that_goes_back_changes_no_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
