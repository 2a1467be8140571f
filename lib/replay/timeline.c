#include "replay/timeline.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/jsondoc.h"
#include "base/scoped.h"
#include "replay/note.h"
#include "replay/timeline_inside.h"

#define INDEX_BYTES 48
#define PLACEHOLDER STR("redacted:v1:") /* man hoop-session */

/* What the envelope of an event says. */
struct event {
    json_object *root;
    const char *type;
    const char *command; /* NULL: none */
    int64_t exchange;    /* -1: none */
    unsigned journal;
    uint64_t seq;
    int64_t time_us, mono_us, order_us;
};

struct timeline *timeline_new(const char *session)
{
    struct timeline *timeline = xcalloc(1, sizeof *timeline);

    timeline->session = xstrdup(session);
    timeline->index = json_object_new_object();
    timeline->unshown = json_object_new_object();
    return timeline;
}

void timeline_add_finding(struct timeline *timeline, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    if (timeline->finding_count == TIMELINE_FINDINGS_MAX) {
        timeline->findings_omitted++;
        return;
    }
    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        abort();
    va_end(args);
    timeline->findings =
        xreallocarray(timeline->findings, timeline->finding_count + 1, sizeof *timeline->findings);
    timeline->findings[timeline->finding_count++] = text;
}

unsigned timeline_journal(struct timeline *timeline, const char *id)
{
    for (unsigned i = 0; i < timeline->journal_count; i++)
        if (strcmp(timeline->journals[i].id, id) == 0)
            return i;
    timeline->journals =
        xreallocarray(timeline->journals, timeline->journal_count + 1, sizeof *timeline->journals);
    struct replay_journal *journal = &timeline->journals[timeline->journal_count];
    *journal = (struct replay_journal){0};
    snprintf(journal->id, sizeof journal->id, "%s", id);
    return timeline->journal_count++;
}

static char *dup_text(json_object *root, const char *path)
{
    json_object *value = jsondoc_at(root, path);

    return value ? note_value(value) : NULL;
}

/* The index: one map for exchanges and groups. */
int64_t timeline_index_find(const struct timeline *timeline, const char *key)
{
    json_object *value = NULL;

    return json_object_object_get_ex(timeline->index, key, &value) ? json_object_get_int64(value)
                                                                   : -1;
}

static void index_add(struct timeline *timeline, const char *key, size_t at)
{
    json_object_object_add(timeline->index, key, json_object_new_int64((int64_t)at));
}

static char *exchange_key(char key[INDEX_BYTES], unsigned journal, uint64_t exchange)
{
    snprintf(key, INDEX_BYTES, "%u/%" PRIu64, journal, exchange);
    return key;
}

int64_t timeline_find_exchange(const struct timeline *timeline, unsigned journal, uint64_t exchange)
{
    char key[INDEX_BYTES];

    return timeline_index_find(timeline, exchange_key(key, journal, exchange));
}

static struct replay_request *request_new(struct timeline *timeline, const struct event *event)
{
    char key[INDEX_BYTES];

    index_add(timeline, exchange_key(key, event->journal, (uint64_t)event->exchange),
              timeline->request_count);
    struct replay_request *request = append(timeline->requests, timeline->request_count);
    *request = (struct replay_request){
        .journal = event->journal,
        .exchange = (uint64_t)event->exchange,
        .seq = event->seq,
        .order_us = event->order_us,
        .start_us = event->time_us,
        .start_mono_us = event->mono_us,
        .latency_us = -1,
        .duration_us = -1,
        .command = event->command ? xstrdup(event->command) : NULL,
        .request = {.received = -1, .delivered = -1},
        .response = {.received = -1, .delivered = -1},
    };
    return request;
}

/* The exchange that the event belongs to. One whose beginning is missing is shown as well. */
static struct replay_request *request_of(struct timeline *timeline, const struct event *event)
{
    if (event->exchange < 0) {
        timeline_add_finding(timeline, "journal %s, seq %" PRIu64 ": %s event without exchange",
                             timeline->journals[event->journal].id, event->seq, event->type);
        return NULL;
    }
    int64_t at = timeline_find_exchange(timeline, event->journal, (uint64_t)event->exchange);
    if (at >= 0)
        return &timeline->requests[at];
    timeline_add_finding(
        timeline, "journal %s, seq %" PRIu64 ": exchange %" PRId64 " begins with a %s event",
        timeline->journals[event->journal].id, event->seq, event->exchange, event->type);
    return request_new(timeline, event);
}

static void add_object(struct replay_request *request, json_object *object)
{
    if (!object)
        return;
    request->object_ref = xstrdup(json_object_to_json_string_ext(object, 0));
    request->object = (struct replay_object){
        .group = dup_text(object, "/apiGroup"),
        .resource = dup_text(object, "/resource"),
        .subresource = dup_text(object, "/subresource"),
        .namespace_name = dup_text(object, "/namespace"),
        .name = dup_text(object, "/name"),
    };
}

static void add_request(struct timeline *timeline, const struct event *event)
{
    json_object *root = event->root;

    if (event->exchange >= 0 &&
        timeline_find_exchange(timeline, event->journal, (uint64_t)event->exchange) >= 0) {
        const char *method = jsondoc_string(root, "/method");
        const char *uri = jsondoc_string(root, "/requestURI");
        timeline_add_finding(timeline,
                             "journal %s, seq %" PRIu64 ": exchange %" PRId64
                             " begins once more, not shown: %.20s %.300s",
                             timeline->journals[event->journal].id, event->seq, event->exchange,
                             method ? method : "", uri ? uri : "");
        return;
    }
    if (event->exchange < 0) {
        ignore(request_of(timeline, event)); /* says so */
        return;
    }
    struct replay_request *request = request_new(timeline, event);
    request->is_known = true;
    request->method = dup_text(root, "/method");
    request->verb = dup_text(root, "/verb");
    request->uri = dup_text(root, "/requestURI");
    request->user = dup_text(root, "/user/username");
    request->is_impersonated = jsondoc_at(root, "/impersonatedUser") != NULL;
    request->kubectl_session = dup_text(root, "/kubectlSession");
    request->kubectl_command = dup_text(root, "/kubectlCommand");
    add_object(request, jsondoc_at(root, "/objectRef"));
}

static int64_t since_start(const struct replay_request *request, const struct event *event)
{
    if (!request->start_mono_us || event->mono_us < request->start_mono_us)
        return -1;
    return event->mono_us - request->start_mono_us;
}

static void add_response(struct timeline *timeline, const struct event *event)
{
    struct replay_request *request = request_of(timeline, event);

    if (!request)
        return;
    if (request->stage == STAGE_COMPLETE)
        timeline_add_finding(
            timeline, "journal %s, seq %" PRIu64 ": response after the end of exchange %" PRId64,
            timeline->journals[event->journal].id, event->seq, event->exchange);
    else
        request->stage = STAGE_ANSWERED;
    int64_t code = jsondoc_int(event->root, "/responseStatus/code", 0);
    request->code = code >= 100 && code <= 999 ? (int)code : 0;
    request->latency_us = since_start(request, event);
}

static struct replay_flow *flow_of(struct timeline *timeline, const struct event *event)
{
    struct replay_request *request = request_of(timeline, event);
    const char *of = jsondoc_string(event->root, "/of");

    if (!request)
        return NULL;
    if (of && strcmp(of, "request") == 0)
        return &request->request;
    if (of && strcmp(of, "response") == 0)
        return &request->response;
    timeline_add_finding(timeline,
                         "journal %s, seq %" PRIu64 ": %s event of neither request nor response",
                         timeline->journals[event->journal].id, event->seq, event->type);
    return NULL;
}

static uint64_t count_placeholders(struct str text)
{
    uint64_t count = 0;

    for (ptrdiff_t at; (at = str_find(text, PLACEHOLDER)) >= 0; count++)
        text = str_skip(text, (size_t)at + PLACEHOLDER.len);
    return count;
}

static void add_body(struct timeline *timeline, const struct event *event)
{
    struct replay_flow *flow = flow_of(timeline, event);
    json_object *text = jsondoc_at(event->root, "/text");

    if (!flow)
        return;
    int64_t covers = jsondoc_int(event->root, "/covers", 0);
    flow->recorded += covers > 0 ? (uint64_t)covers : 0;
    if (json_object_is_type(text, json_type_string))
        flow->redacted += count_placeholders(
            str_make(json_object_get_string(text), (size_t)json_object_get_string_len(text)));
}

static void add_stream_data(struct timeline *timeline, const struct event *event)
{
    struct replay_request *request = request_of(timeline, event);
    const char *direction = jsondoc_string(event->root, "/direction");

    if (!request)
        return;
    if (direction && strcmp(direction, "client") == 0)
        request->request.recorded += (uint64_t)note_count_bytes(event->root);
    else if (direction && strcmp(direction, "upstream") == 0)
        request->response.recorded += (uint64_t)note_count_bytes(event->root);
    else
        timeline_add_finding(timeline, "journal %s, seq %" PRIu64 ": stream.data of neither side",
                             timeline->journals[event->journal].id, event->seq);
}

static void add_nothing(struct timeline *timeline, const struct event *event)
{
    ignore(request_of(timeline, event)); /* says so when it has none */
}

static void add_withheld(struct timeline *timeline, const struct event *event)
{
    struct replay_flow *flow = flow_of(timeline, event);

    if (!flow)
        return;
    int64_t bytes = jsondoc_int(event->root, "/bytes", 0);
    flow->withheld++;
    flow->withheld_bytes += bytes > 0 ? (uint64_t)bytes : 0;
    if (!flow->reason)
        flow->reason = dup_text(event->root, "/reason");
}

static void add_complete(struct timeline *timeline, const struct event *event)
{
    struct replay_request *request = request_of(timeline, event);
    json_object *root = event->root;

    if (!request)
        return;
    if (request->stage == STAGE_COMPLETE) {
        timeline_add_finding(timeline,
                             "journal %s, seq %" PRIu64 ": exchange %" PRId64 " ends once more",
                             timeline->journals[event->journal].id, event->seq, event->exchange);
        return;
    }
    request->stage = STAGE_COMPLETE;
    request->outcome = dup_text(root, "/outcome");
    request->forwarded = dup_text(root, "/forwarded");
    request->reason = dup_text(root, "/reason");
    request->request.received = jsondoc_int(root, "/request/received", -1);
    request->request.delivered = jsondoc_int(root, "/request/delivered", -1);
    request->response.received = jsondoc_int(root, "/response/received", -1);
    request->response.delivered = jsondoc_int(root, "/response/delivered", -1);
    request->latency_us = jsondoc_int(root, "/latency/answered_us", request->latency_us);
    request->duration_us = jsondoc_int(root, "/latency/total_us", since_start(request, event));
}

struct replay_group *timeline_group_new(struct timeline *timeline, enum replay_group_kind kind,
                                        const char *key, const char *id)
{
    index_add(timeline, key, timeline->group_count);
    struct replay_group *group = append(timeline->groups, timeline->group_count);
    group->kind = kind;
    group->id = id ? xstrdup(id) : NULL;
    group->duration_us = -1;
    return group;
}

struct replay_group *timeline_group_find(struct timeline *timeline, const char *key)
{
    int64_t at = timeline_index_find(timeline, key);

    return at < 0 ? NULL : &timeline->groups[at];
}

/* Under which a command stands in the index; ids of one party mean nothing to another. */
char *timeline_command_key(const struct timeline *timeline, unsigned journal, const char *id)
{
    return xasprintf("c/%u/%s", timeline->journals[journal].party, id ? id : "");
}

static void add_command_start(struct timeline *timeline, const struct event *event)
{
    scoped(free_text) char *key = timeline_command_key(timeline, event->journal, event->command);

    if (timeline_group_find(timeline, key))
        timeline_add_finding(timeline,
                             "journal %s, seq %" PRIu64 ": command %.60s starts once more",
                             timeline->journals[event->journal].id, event->seq,
                             event->command ? event->command : "without id");
    struct replay_group *group = timeline_group_new(timeline, GROUP_COMMAND, key, event->command);
    group->journal = event->journal;
    group->seq = event->seq;
    group->order_us = event->order_us;
    group->start_us = event->time_us;
    group->is_outside = jsondoc_bool(event->root, "/outside", false);
    group->argv_omitted = jsondoc_int(event->root, "/argvOmitted", 0);
    json_object *argv = jsondoc_at(event->root, "/argv");
    group->argc = jsondoc_count(event->root, "/argv");
    group->argv = xcalloc(group->argc + 1, sizeof *group->argv);
    for (size_t i = 0; i < group->argc; i++) {
        group->argv[i] = note_value(json_object_array_get_idx(argv, i));
    }
}

static void add_command_exit(struct timeline *timeline, const struct event *event)
{
    scoped(free_text) char *key = timeline_command_key(timeline, event->journal, event->command);
    struct replay_group *group = timeline_group_find(timeline, key);

    if (!group || group->has_exit) {
        timeline_add_finding(timeline, "journal %s, seq %" PRIu64 ": command %.60s ends %s",
                             timeline->journals[event->journal].id, event->seq,
                             event->command ? event->command : "without id",
                             group ? "once more" : "without a start");
        return;
    }
    group->has_exit = true;
    group->code = (int)jsondoc_int(event->root, "/code", 0);
    group->signal = (int)jsondoc_int(event->root, "/signal", 0);
    int64_t between = event->time_us && group->start_us ? event->time_us - group->start_us : -1;
    group->duration_us = jsondoc_int(event->root, "/durationUs", between < 0 ? -1 : between);
}

static bool is_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The party that the actor names, made when it is the first of it. The subject is what the issuer
 * calls him; a user of this machine has only his name. */
static unsigned party_of(struct timeline *timeline, json_object *start)
{
    scoped(free_text) char *issuer = dup_text(start, "/actor/issuer");
    scoped(free_text) char *subject = dup_text(start, "/actor/subject");

    if (!subject)
        subject = dup_text(start, "/actor/name");
    for (unsigned i = 0; i < timeline->party_count; i++)
        if (is_same(timeline->parties[i].issuer, issuer) &&
            is_same(timeline->parties[i].subject, subject))
            return i;
    struct replay_party *party = append(timeline->parties, timeline->party_count);
    *party = (struct replay_party){take(issuer), take(subject)};
    return timeline->party_count - 1;
}

static void add_session_start(struct timeline *timeline, const struct event *event)
{
    struct replay_journal *journal = &timeline->journals[event->journal];

    if (!journal->start) {
        journal->start = json_object_get(event->root);
        journal->party = party_of(timeline, event->root);
    } else
        timeline_add_finding(timeline, "journal %s, seq %" PRIu64 ": a second session.start",
                             journal->id, event->seq);
}

static void add_session_end(struct timeline *timeline, const struct event *event)
{
    struct replay_journal *journal = &timeline->journals[event->journal];

    if (!journal->end)
        journal->end = json_object_get(event->root);
    else
        timeline_add_finding(timeline, "journal %s, seq %" PRIu64 ": a second session.end",
                             journal->id, event->seq);
}

static void add_note(struct timeline *timeline, const struct event *event)
{
    scoped(free_text) char *text = note_text(event->type, event->root);

    if (!text)
        return; /* a token that was accepted, a call that policy allows */
    struct replay_note *note = append(timeline->notes, timeline->note_count);
    *note = (struct replay_note){
        .type = xstrdup(event->type),
        .text = take(text),
        .journal = event->journal,
        .seq = event->seq,
        .order_us = event->order_us,
        .time_us = event->time_us,
        .command = event->command ? xstrdup(event->command) : NULL,
        .exchange = event->exchange,
        .request = -1,
        .group = -1,
    };
}

/* Names the exchanges that were open when the gateway ended. */
static void add_recovered(struct timeline *timeline, const struct event *event)
{
    json_object *open = jsondoc_at(event->root, "/open");
    size_t count = jsondoc_count(event->root, "/open");

    for (size_t i = 0; i < count; i++) {
        json_object *item = json_object_array_get_idx(open, i);
        int64_t exchange = jsondoc_int(item, "/exchange", -1);
        int64_t at = exchange < 0
                         ? -1
                         : timeline_find_exchange(timeline, event->journal, (uint64_t)exchange);
        if (at >= 0 && !timeline->requests[at].outcome)
            timeline->requests[at].outcome = dup_text(item, "/outcome");
    }
    add_note(timeline, event);
}

static void add_unshown(struct timeline *timeline, const struct event *event)
{
    json_object *count = NULL;

    if (json_object_object_get_ex(timeline->unshown, event->type, &count))
        json_object_set_int64(count, json_object_get_int64(count) + 1);
    else if (json_object_object_length(timeline->unshown) < TIMELINE_FINDINGS_MAX)
        jsondoc_put_int(timeline->unshown, event->type, 1);
}

static const struct {
    const char *type;
    void (*add)(struct timeline *timeline, const struct event *event);
} event_types[] = {
    {"body", add_body},
    {"request", add_request},
    {"response", add_response},
    {"complete", add_complete},
    {"stream.data", add_stream_data},
    {"stream.close", add_nothing}, /* what it says, `complete` says */
    {"withheld", add_withheld},
    {"command.start", add_command_start},
    {"command.exit", add_command_exit},
    {"session.start", add_session_start},
    {"session.end", add_session_end},
    {"auth", add_note},
    {"clock", add_note},
    {"config", add_note},
    {"credential.issued", add_note},
    {"degraded", add_note},
    {"gap", add_note},
    {"mark", add_note},
    {"policy", add_note},
    {"recovered", add_recovered},
    {"stream.open", add_note},
    {NULL, add_unshown},
};

/* Order is `seq`, so a clock that goes back sorts nothing before what was recorded earlier. */
static void stamp(struct timeline *timeline, struct event *event)
{
    struct replay_journal *journal = &timeline->journals[event->journal];
    const char *time = jsondoc_string(event->root, "/time");

    if (!time || !clock_parse(str_from(time), &event->time_us) || event->time_us < 0)
        event->time_us = 0;
    event->mono_us = jsondoc_int(event->root, "/mono_us", 0);
    event->order_us =
        event->time_us > journal->last_order_us ? event->time_us : journal->last_order_us;
    journal->last_order_us = event->order_us;
    if (!event->time_us || strcmp(event->type, "recovered") == 0)
        return; /* what came long after the session says nothing about how long it took */
    if (!journal->first_us)
        journal->first_us = event->time_us;
    journal->last_us = event->order_us;
    if (!timeline->first_us || event->time_us < timeline->first_us)
        timeline->first_us = event->time_us;
    if (event->time_us > timeline->last_us)
        timeline->last_us = event->time_us;
}

static void check_seq(struct timeline *timeline, struct event *event)
{
    struct replay_journal *journal = &timeline->journals[event->journal];
    int64_t seq = jsondoc_int(event->root, "/seq", -1);

    event->seq = seq < 0 ? journal->next_seq : (uint64_t)seq;
    bool is_after_hole = event->seq > journal->next_seq && strcmp(event->type, "gap") == 0;
    if (seq < 0 || (event->seq != journal->next_seq && !is_after_hole))
        timeline_add_finding(timeline, "journal %s: seq %" PRId64 " where %" PRIu64 " was expected",
                             journal->id, seq, journal->next_seq);
    journal->next_seq = event->seq + 1;
}

static bool is_frame_line(const char *type)
{
    return strcmp(type, "segment") == 0 || strcmp(type, "index") == 0 ||
           strcmp(type, "signature") == 0;
}

void timeline_add(struct timeline *timeline, unsigned journal, struct str line)
{
    struct error err = {0};
    scoped(jsondoc_free) json_object *root = jsondoc_parse(line, &err);
    struct event event = {
        .root = root,
        .journal = journal,
        .type = root ? jsondoc_string(root, "/type") : NULL,
    };

    if (!event.type) {
        timeline_add_finding(timeline, "journal %s, after seq %" PRIu64 ": a line is no event: %s",
                             timeline->journals[journal].id, timeline->journals[journal].next_seq,
                             root ? "it has no type" : err.text);
        return;
    }
    if (is_frame_line(event.type))
        return;
    const char *session = jsondoc_string(root, "/session");
    if (!session || strcmp(session, timeline->session) != 0)
        timeline_add_finding(timeline, "journal %s: an event of session %.60s",
                             timeline->journals[journal].id, session ? session : "(none)");
    event.command = jsondoc_string(root, "/command");
    event.exchange = jsondoc_int(root, "/exchange", -1);
    stamp(timeline, &event);
    check_seq(timeline, &event);
    timeline->journals[journal].events++;
    size_t i = 0;
    while (event_types[i].type && strcmp(event_types[i].type, event.type) != 0)
        i++;
    event_types[i].add(timeline, &event);
}

const struct replay_request *timeline_request(const struct timeline *timeline, uint64_t number)
{
    if (number < 1 || number > timeline->request_count)
        return NULL;
    return &timeline->requests[timeline->by_number[number - 1]];
}

const struct replay_group *timeline_command(const struct timeline *timeline, uint64_t number)
{
    for (size_t i = 0; number && i < timeline->group_count; i++)
        if (timeline->groups[i].number == number)
            return &timeline->groups[i];
    return NULL;
}

const struct replay_group *timeline_find_command(const struct timeline *timeline, unsigned journal,
                                                 const char *id)
{
    scoped(free_text) char *key = timeline_command_key(timeline, journal, id);
    int64_t at = timeline_index_find(timeline, key);

    return at < 0 ? NULL : &timeline->groups[at];
}

json_object *timeline_session_start(const struct timeline *timeline)
{
    json_object *first = NULL;

    for (unsigned i = 0; i < timeline->journal_count; i++) {
        json_object *start = timeline->journals[i].start;
        if (start && jsondoc_at(start, "/argv"))
            return start;
        if (!first)
            first = start;
    }
    return first;
}

static void free_request(struct replay_request *request)
{
    free(request->command);
    free(request->method);
    free(request->verb);
    free(request->uri);
    free(request->user);
    free(request->kubectl_session);
    free(request->kubectl_command);
    free(request->object_ref);
    free(request->object.group);
    free(request->object.resource);
    free(request->object.subresource);
    free(request->object.namespace_name);
    free(request->object.name);
    free(request->outcome);
    free(request->forwarded);
    free(request->reason);
    free(request->request.reason);
    free(request->response.reason);
}

static void free_group(struct replay_group *group)
{
    for (size_t i = 0; i < group->argc; i++)
        free(group->argv[i]);
    free(group->argv);
    free(group->id);
    free(group->requests);
}

void timeline_free(struct timeline **timeline)
{
    struct timeline *it = *timeline;

    if (!it)
        return;
    for (unsigned i = 0; i < it->journal_count; i++) {
        jsondoc_free(&it->journals[i].start);
        jsondoc_free(&it->journals[i].end);
    }
    for (size_t i = 0; i < it->request_count; i++)
        free_request(&it->requests[i]);
    for (size_t i = 0; i < it->group_count; i++)
        free_group(&it->groups[i]);
    for (size_t i = 0; i < it->note_count; i++) {
        free(it->notes[i].type);
        free(it->notes[i].text);
        free(it->notes[i].command);
    }
    for (size_t i = 0; i < it->finding_count; i++)
        free(it->findings[i]);
    for (unsigned i = 0; i < it->party_count; i++) {
        free(it->parties[i].issuer);
        free(it->parties[i].subject);
    }
    free(it->parties);
    free(it->journals);
    free(it->requests);
    free(it->by_number);
    free(it->groups);
    free(it->notes);
    free(it->rows);
    free(it->findings);
    free(it->session);
    jsondoc_free(&it->index);
    jsondoc_free(&it->unshown);
    free(it);
    *timeline = NULL;
}
