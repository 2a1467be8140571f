/* record_lines.c - on the recorder's thread: commands become the lines of man hoop-session. */
#include <string.h>

#include "base/num.h"
#include "base/scoped.h"
#include "kube/redact_argv.h"
#include "proxy/record_inside.h"

const char *const record_outcome_words[] = {
    [OUTCOME_OK] = "ok",
    [OUTCOME_REFUSED] = "refused",
    [OUTCOME_UNREACHABLE] = "unreachable",
    [OUTCOME_CLIENT_GONE] = "client_gone",
    [OUTCOME_UPSTREAM_RESET] = "upstream_reset",
    [OUTCOME_TRUNCATED] = "truncated",
    [OUTCOME_GATEWAY_END] = "gateway_end",
    [OUTCOME_UNKNOWN] = "unknown",
};

const char *const record_direction_words[] = {"request", "response"};

/* Fields whose values are recorded: they say what was asked for and how, never who asks. Of all
 * others the name alone. */
#define FIELD(name)                                                                                \
    {                                                                                              \
        name, sizeof name - 1                                                                      \
    }

static const struct str recorded_fields[] = {
    FIELD("accept"),
    FIELD("accept-encoding"),
    FIELD("audit-id"),
    FIELD("cache-control"),
    FIELD("content-encoding"),
    FIELD("content-length"),
    FIELD("content-type"),
    FIELD("date"),
    FIELD("etag"),
    FIELD("expect"),
    FIELD("if-match"),
    FIELD("if-modified-since"),
    FIELD("if-none-match"),
    FIELD("impersonate-group"),
    FIELD("impersonate-uid"),
    FIELD("impersonate-user"),
    FIELD("kubectl-command"),
    FIELD("kubectl-session"),
    FIELD("last-modified"),
    FIELD("range"),
    FIELD("retry-after"),
    FIELD("te"),
    FIELD("upgrade"),
    FIELD("user-agent"),
    FIELD("vary"),
    FIELD("x-content-type-options"),
    FIELD("x-kubernetes-pf-flowschema-uid"),
    FIELD("x-kubernetes-pf-prioritylevel-uid"),
    FIELD("x-stream-protocol-version"),
};

static bool is_recorded_field(struct str name)
{
    for (size_t i = 0; i < count_of(recorded_fields); i++)
        if (str_equal_nocase(name, recorded_fields[i]))
            return true;
    return false;
}

static struct buf *begin(struct recording *recording, const char *type, struct str invocation,
                         int64_t exchange, const struct instant *at)
{
    buf_clear(&recording->line);
    event_begin(&recording->line, type,
                &(struct event_stamp){
                    .session = recording->config->session,
                    .seq = journal_next_seq(recording->journal),
                    .at = *at,
                    .command = invocation,
                    .exchange = exchange,
                });
    return &recording->line;
}

struct buf *record_begin(struct exchange_record *record, const char *type, const struct instant *at)
{
    return begin(record->recording, type, record->invocation, (int64_t)record->number, at);
}

/* A line that came out too long is an error of ours that must not pass unseen. */
int record_append(struct recording *recording, const char *type, const struct instant *at,
                  struct error *err)
{
    event_end(&recording->line);
    if (recording->line.overflow)
        return error_set(err, ERROR_STORAGE, "a %s event is larger than a line may be", type);
    if (journal_append(recording->journal, buf_str(&recording->line), type, *at, err) < 0)
        return -1;
    atomic_fetch_add_explicit(&recording->events, 1, memory_order_relaxed);
    return 0;
}

int record_write_event(struct recording *recording, const char *type, const char *invocation,
                       const struct instant *at, json_object *payload, struct error *err)
{
    struct buf *line = begin(recording, type, str_from(invocation), EVENT_NO_EXCHANGE, at);

    if (payload)
        event_members(line, payload);
    return record_append(recording, type, at, err);
}

/* A token that a client, or a server that echoes ours, puts into a field that is recorded: `eyJ`
 * begins every JWT, and what EKS takes. Others are not told from any text. */
static bool may_hold_token(struct str value)
{
    return str_find(value, STR("eyJ")) >= 0 || str_find(value, STR("k8s-aws-v1.")) >= 0 ||
           str_find(value, STR("khoop1.")) >= 0;
}

void record_put_value(struct buf *line, const char *key, struct str value)
{
    scoped(buf_free) struct buf kept = {0};

    if (!may_hold_token(value)) {
        event_string(line, key, value);
        return;
    }
    ignore(redact_text(&kept, value));
    event_string(line, key, buf_str(&kept));
}

void record_put_fields(struct buf *line, const char *key, const struct http_head *head)
{
    event_array(line, key);
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];

        event_object(line, NULL);
        event_string(line, "name", field->name);
        if (is_recorded_field(field->name))
            record_put_value(line, "value", field->value);
        event_object_end(line);
    }
    event_array_end(line);
}

void record_put_if_any(struct buf *line, const char *key, struct str value)
{
    if (value.len)
        record_put_value(line, key, value);
}

static const char *const forwarded_words[] = {
    [FORWARDED_NONE] = "none",
    [FORWARDED_HEAD] = "head",
    [FORWARDED_PARTIAL] = "partial",
    [FORWARDED_ALL] = "all",
};

static void put_byte_counts(struct buf *line, const struct record_outcome *outcome,
                            enum direction of)
{
    event_object(line, record_direction_words[of]);
    event_uint(line, "received", outcome->received[of]);
    event_uint(line, "delivered", outcome->delivered[of]);
    event_uint(line, "wire", outcome->wire[of]);
    event_object_end(line);
}

static void put_latency(struct buf *line, const struct record_outcome *outcome, int64_t now_us)
{
    event_object(line, "latency");
    if (outcome->forwarded_mono_us)
        event_int(line, "forwarded_us", outcome->forwarded_mono_us - outcome->started_mono_us);
    if (outcome->answered_mono_us)
        event_int(line, "answered_us", outcome->answered_mono_us - outcome->started_mono_us);
    event_int(line, "total_us", now_us - outcome->started_mono_us);
    event_object_end(line);
}

static int write_complete(struct command *command, struct error *err)
{
    struct exchange_record *record = command->record;
    const struct record_outcome *outcome = command->outcome;
    uint64_t withheld;

    if (record_end_bodies(command, err) < 0 ||
        (record->is_stream && record_write_stream_close(command, err) < 0))
        return -1;
    withheld = record->withheld[0] + record->withheld[1];
    struct buf *line = record_begin(record, "complete", &command->at);
    event_text(line, "outcome", record_outcome_words[outcome->outcome]);
    event_text(line, "forwarded", forwarded_words[outcome->forwarded]);
    event_text(line, "reason", outcome->reason);
    put_byte_counts(line, outcome, DIRECTION_REQUEST);
    put_byte_counts(line, outcome, DIRECTION_RESPONSE);
    put_latency(line, outcome, command->at.mono_us);
    if (withheld)
        event_uint(line, "secretsWithheld", withheld);
    if (record->trailers[DIRECTION_REQUEST])
        record_put_fields(line, "requestTrailers", record->trailers[DIRECTION_REQUEST]);
    if (record->trailers[DIRECTION_RESPONSE])
        record_put_fields(line, "trailers", record->trailers[DIRECTION_RESPONSE]);
    return record_append(record->recording, "complete", &command->at, err);
}

static int write_plain(struct recording *recording, struct command *command, struct error *err)
{
    if (strcmp(command->type, "command.start") == 0)
        atomic_fetch_add_explicit(&recording->commands, 1, memory_order_relaxed);
    return record_write_event(recording, command->type, command->invocation, &command->at,
                              command->payload, err);
}

int record_write(struct recording *recording, struct command *command, struct error *err)
{
    switch (command->kind) {
    case COMMAND_EVENT:
        return write_plain(recording, command, err);
    case COMMAND_REQUEST:
        return record_write_request(command, err);
    case COMMAND_RESPONSE:
        return record_write_response(command, err);
    case COMMAND_STREAM_OPEN:
        return record_write_stream_open(command, err);
    case COMMAND_BODY:
        return record_write_body(command, err);
    case COMMAND_BODY_END:
        return record_write_body_end(command, err);
    case COMMAND_COMPLETE:
        return write_complete(command, err);
    case COMMAND_OPEN:
    case COMMAND_ACKNOWLEDGE:
    case COMMAND_CLOSE:
        break;
    }
    unreachable();
}
