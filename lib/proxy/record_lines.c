/* record_lines.c - on the recorder's thread: commands become the lines of man hoop-session. */
#include <assert.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/hash.h"
#include "base/jsondoc.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "kube/query.h"
#include "kube/redact.h"
#include "kube/redact_argv.h"
#include "proxy/recorder_command.h"
#include "session/event.h"

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
    for (size_t i = 0; i < sizeof recorded_fields / sizeof recorded_fields[0]; i++)
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

static struct buf *begin_for(struct exchange_record *record, const char *type,
                             const struct instant *at)
{
    return begin(record->recording, type, record->invocation, (int64_t)record->number, at);
}

/* A line that came out too long is an error of ours that must not pass unseen. */
static int append(struct recording *recording, const char *type, const struct instant *at,
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
    return append(recording, type, at, err);
}

static void put_fields(struct buf *line, const char *key, const struct http_head *head)
{
    event_array(line, key);
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];

        event_object(line, NULL);
        event_string(line, "name", field->name);
        if (is_recorded_field(field->name))
            event_string(line, "value", field->value);
        event_object_end(line);
    }
    event_array_end(line);
}

static void put_if_any(struct buf *line, const char *key, struct str value)
{
    if (value.len)
        event_string(line, key, value);
}

static void put_object_ref(struct buf *line, const struct request_info *info)
{
    if (!info->is_resource)
        return;
    event_object(line, "objectRef");
    put_if_any(line, "resource", info->resource);
    put_if_any(line, "subresource", info->subresource);
    put_if_any(line, "namespace", info->namespace);
    put_if_any(line, "name", info->name);
    put_if_any(line, "apiGroup", info->api_group);
    put_if_any(line, "apiVersion", info->api_version);
    event_object_end(line);
}

static void put_impersonated(struct buf *line, const struct http_head *head)
{
    if (!http_head_has(head, "Impersonate-User"))
        return;
    event_object(line, "impersonatedUser");
    event_string(line, "username", http_head_get(head, "Impersonate-User"));
    put_if_any(line, "uid", http_head_get(head, "Impersonate-Uid"));
    event_array(line, "groups");
    for (size_t i = 0; i < head->field_count; i++)
        if (str_equal_nocase(head->fields[i].name, STR("Impersonate-Group")))
            event_string(line, NULL, head->fields[i].value);
    event_array_end(line);
    event_object_end(line);
}

static void put_encoding(struct buf *line, const struct redact *redact)
{
    const char *encoding = redact_encoding(redact);

    if (*encoding)
        event_text(line, "encoding", encoding);
}

/* `is_whole`: nothing of the body goes on before the end of it is recorded. */
static struct redact *start_redact(struct exchange_record *record, enum direction of,
                                   const struct http_head *head, bool is_whole)
{
    struct recording *recording = record->recording;

    return redact_new(&(struct redact_config){
        .info = &record->info,
        .direction = of == DIRECTION_REQUEST ? REDACT_REQUEST : REDACT_RESPONSE,
        .content_type = http_head_get(head, "Content-Type"),
        .content_encoding = http_head_get(head, "Content-Encoding"),
        .key = recording->recorder->config.fingerprint_key,
        .cluster = str_from(recording->config->cluster),
        .is_whole = is_whole,
    });
}

/* ---- Bodies ---- */

/* One step of a body's way into the journal. */
struct body_step {
    struct exchange_record *record;
    enum direction of;
    struct instant at;
    struct error *err;
    bool failed;
};

static const char *const outcome_words[] = {
    [OUTCOME_OK] = "ok",
    [OUTCOME_REFUSED] = "refused",
    [OUTCOME_UNREACHABLE] = "unreachable",
    [OUTCOME_CLIENT_GONE] = "client_gone",
    [OUTCOME_UPSTREAM_RESET] = "upstream_reset",
    [OUTCOME_TRUNCATED] = "truncated",
    [OUTCOME_GATEWAY_END] = "gateway_end",
    [OUTCOME_UNKNOWN] = "unknown",
};

static const char *const direction_words[] = {"request", "response"};

static struct buf *begin_body(struct body_step *step, uint64_t offset, uint64_t covers)
{
    struct buf *line = begin_for(step->record, "body", &step->at);

    event_text(line, "of", direction_words[step->of]);
    event_uint(line, "offset", offset);
    event_uint(line, "covers", covers);
    return line;
}

static const char *const side_words[] = {"client", "upstream"};

/* What crossed together stays together: one line, whatever the bytes are. */
static int write_stream_data(struct body_step *step, const struct redact_piece *piece)
{
    struct buf *line = begin_for(step->record, "stream.data", &step->at);

    event_text(line, "direction", side_words[step->of]);
    event_uint(line, "offset", piece->offset);
    event_run(line, piece->data, utf8_is_valid(piece->data) ? ESCAPE_TEXT : ESCAPE_LATIN1);
    return append(step->record->recording, "stream.data", &step->at, step->err);
}

/* Text and bytes that are no text stand in lines of their own; the last one covers what is left. */
static int write_bytes(struct body_step *step, const struct redact_piece *piece)
{
    struct str left = piece->data;
    uint64_t offset = piece->offset, covers = piece->covers;

    do {
        enum escape_kind kind = ESCAPE_TEXT;
        size_t len = escape_run(left, &kind);
        bool is_last = len == left.len;
        uint64_t covered = is_last || len > covers ? covers : len;
        struct buf *line = begin_body(step, offset, covered);

        if (len)
            event_run(line, str_first(left, len), kind);
        if (append(step->record->recording, "body", &step->at, step->err) < 0)
            return -1;
        left = str_skip(left, len);
        offset += covered;
        covers -= covered;
    } while (left.len);
    return 0;
}

static int write_withheld(struct body_step *step, const struct redact_piece *piece)
{
    struct buf *line = begin_for(step->record, "withheld", &step->at);

    event_text(line, "of", direction_words[step->of]);
    event_uint(line, "offset", piece->offset);
    event_uint(line, "bytes", piece->covers);
    event_text(line, "reason", piece->reason);
    event_uint(line, "runOffset", piece->run_offset);
    event_text(line, "fingerprint", piece->fingerprint);
    return append(step->record->recording, "withheld", &step->at, step->err);
}

static int write_kind(struct body_step *step, const struct redact_piece *piece)
{
    if (piece->kind == PIECE_WITHHELD)
        return write_withheld(step, piece);
    return step->record->is_stream ? write_stream_data(step, piece) : write_bytes(step, piece);
}

static void write_piece(void *context, const struct redact_piece *piece)
{
    struct body_step *step = context;

    if (step->failed)
        return;
    step->record->end[step->of] = piece->offset + piece->covers;
    step->failed = write_kind(step, piece) < 0;
}

/* What was withheld since the last look, added to the recording's count. */
static void count_withheld(struct exchange_record *record, enum direction of)
{
    uint64_t now = redact_withheld(record->redact[of]);

    atomic_fetch_add_explicit(&record->recording->secrets, now - record->withheld[of],
                              memory_order_relaxed);
    record->withheld[of] = now;
}

static int write_body(struct command *command, struct error *err)
{
    struct exchange_record *record = command->record;
    struct body_step step = {.record = record, .of = command->of, .at = command->at, .err = err};
    struct redact_sink sink = {write_piece, &step};

    assert(record->redact[command->of]);
    for (size_t i = 0; i < command->chunk_count; i++)
        redact_add(record->redact[command->of], chunk_bytes(command->chunks[i]), &sink);
    count_withheld(record, command->of);
    return step.failed ? -1 : 0;
}

/* Trailers stand in the complete event; but they cross before it, and must be here first. */
static int write_trailers(struct body_step *step, const struct http_head *trailers)
{
    struct buf *line = begin_body(step, step->record->end[step->of], 0);

    put_fields(line, "trailers", trailers);
    return append(step->record->recording, "body", &step->at, step->err);
}

static int write_body_end(struct command *command, struct error *err)
{
    struct exchange_record *record = command->record;
    struct body_step step = {.record = record, .of = command->of, .at = command->at, .err = err};
    struct redact_sink sink = {write_piece, &step};

    if (record->redact[command->of]) {
        redact_end(record->redact[command->of], &sink);
        count_withheld(record, command->of);
        redact_free(&record->redact[command->of]);
    }
    if (step.failed || !command->head)
        return step.failed ? -1 : 0;
    http_head_delete(&record->trailers[command->of]);
    record->trailers[command->of] = take(command->head);
    return write_trailers(&step, record->trailers[command->of]);
}

static int write_end(struct command *command, struct error *err)
{
    if (command->record->is_stream && !command->record->ended_by)
        command->record->ended_by = side_words[command->of];
    return write_body_end(command, err);
}

/* ---- A body that was read whole: its hash stands in the request line, before it ---- */

/* Pieces of a body, kept until the line before them is written. */
struct kept_body {
    struct kept_piece {
        struct redact_piece piece; /* data: its place in `bytes` */
        size_t at;
    } * pieces;
    size_t count;
    struct buf bytes;
};

static void keep_piece(void *context, const struct redact_piece *piece)
{
    struct kept_body *kept = context;

    kept->pieces = xreallocarray(kept->pieces, kept->count + 1, sizeof *kept->pieces);
    kept->pieces[kept->count++] = (struct kept_piece){.piece = *piece, .at = kept->bytes.len};
    buf_append_str(&kept->bytes, piece->data);
}

static void kept_body_free(struct kept_body *kept)
{
    free(kept->pieces);
    buf_free(&kept->bytes);
}

static void keep_body(struct kept_body *kept, struct command *command)
{
    struct redact *redact = command->record->redact[DIRECTION_REQUEST];
    struct redact_sink sink = {keep_piece, kept};

    kept->bytes.limit = SIZE_MAX; /* what came is bounded, and not compressed */
    for (size_t i = 0; i < command->chunk_count; i++)
        redact_add(redact, chunk_bytes(command->chunks[i]), &sink);
    redact_end(redact, &sink);
    count_withheld(command->record, DIRECTION_REQUEST);
}

static int write_kept_body(const struct kept_body *kept, struct command *command, struct error *err)
{
    struct body_step step = {
        .record = command->record, .of = DIRECTION_REQUEST, .at = command->at, .err = err};

    for (size_t i = 0; i < kept->count; i++) {
        struct redact_piece piece = kept->pieces[i].piece;

        piece.data = str_make(kept->bytes.data + kept->pieces[i].at, piece.data.len);
        write_piece(&step, &piece);
    }
    return step.failed ? -1 : 0;
}

static void put_body_hash(struct buf *line, const struct kept_body *kept)
{
    char hex[SHA256_HEX_BYTES];

    event_object(line, "body");
    event_uint(line, "bytes", kept->bytes.len);
    event_text(line, "sha256", sha256_hex(buf_str(&kept->bytes), hex));
    event_object_end(line);
}

/* ---- Heads ---- */

static void put_target(struct buf *line, struct exchange_record *record, struct str target)
{
    scoped(buf_free) struct buf uri = {.limit = EVENT_LINE_BYTES_MAX};
    size_t withheld = redact_target(&uri, target);

    atomic_fetch_add_explicit(&record->recording->secrets, withheld, memory_order_relaxed);
    event_string(line, "requestURI", buf_str(&uri));
}

static void put_request(struct buf *line, const struct command *command)
{
    struct exchange_record *record = command->record;
    const struct http_head *head = command->head;

    event_string(line, "method", head->method);
    event_string(line, "verb", record->info.verb);
    put_target(line, record, head->target);
    put_object_ref(line, &record->info);
    if (!record->info.is_canonical)
        event_bool(line, "canonical", false);
    event_object(line, "user");
    event_text(line, "username", command->user);
    event_object_end(line);
    put_impersonated(line, head);
    event_array(line, "sourceIPs");
    if (command->source_ip)
        event_string(line, NULL, str_from(command->source_ip));
    event_array_end(line);
    put_if_any(line, "userAgent", http_head_get(head, "User-Agent"));
    put_fields(line, "headers", head);
    put_if_any(line, "kubectlCommand", http_head_get(head, "Kubectl-Command"));
    put_if_any(line, "kubectlSession", http_head_get(head, "Kubectl-Session"));
}

static int write_request(struct command *command, struct error *err)
{
    struct exchange_record *record = command->record;
    scoped(kept_body_free) struct kept_body kept = {0};
    unsigned char hash[SHA256_BYTES];

    record->info = *command->info;
    *command->info = (struct request_info){0};
    record->redact[DIRECTION_REQUEST] =
        start_redact(record, DIRECTION_REQUEST, command->head, command->is_whole);
    if (command->is_whole && command->chunk_count)
        keep_body(&kept, command);

    struct buf *line = begin_for(record, "request", &command->at);
    put_request(line, command);
    put_encoding(line, record->redact[DIRECTION_REQUEST]);
    if (command->is_whole && command->chunk_count)
        put_body_hash(line, &kept);
    if (append(record->recording, "request", &command->at, err) < 0)
        return -1;
    sha256(buf_str(line), hash);
    receipt_fill(command->receipt, hash);
    atomic_fetch_add_explicit(&record->recording->requests, 1, memory_order_relaxed);
    if (http_head_has(command->head, "Upgrade"))
        buf_append_str(&record->target, command->head->target);
    if (!command->is_whole)
        return 0;
    redact_free(&record->redact[DIRECTION_REQUEST]);
    return write_kept_body(&kept, command, err);
}

/* What is done later with a token or a certificate is not seen here: that it was obtained is told.
 */
static int write_credential(struct exchange_record *record, const struct instant *at,
                            struct error *err)
{
    const struct request_info *info = &record->info;
    bool is_token = str_is(info->resource, "serviceaccounts") && str_is(info->subresource, "token");
    bool is_certificate = str_is(info->resource, "certificatesigningrequests") &&
                          (info->subresource.len == 0 || str_is(info->subresource, "approval"));

    if (!is_token && !is_certificate)
        return 0;
    scoped(buf_free) struct buf subject = {0};

    if (is_token)
        buf_printf(&subject, "system:serviceaccount:%.*s:%.*s", STR_ARG(info->namespace),
                   STR_ARG(info->name));
    else
        buf_append_str(&subject, info->name);
    struct buf *line = begin_for(record, "credential.issued", at);

    event_text(line, "kind", is_token ? "ServiceAccountToken" : "CertificateSigningRequest");
    event_string(line, "subject", buf_str(&subject));
    return append(record->recording, "credential.issued", at, err);
}

static int write_response(struct command *command, struct error *err)
{
    struct exchange_record *record = command->record;
    bool is_interim = command->head->status < 200; /* 101 too: its stream is opened apart */

    if (!is_interim && !record->redact[DIRECTION_RESPONSE])
        record->redact[DIRECTION_RESPONSE] =
            start_redact(record, DIRECTION_RESPONSE, command->head, false);
    struct buf *line = begin_for(record, "response", &command->at);
    event_object(line, "responseStatus");
    event_int(line, "code", command->head->status);
    event_object_end(line);
    put_fields(line, "headers", command->head);
    put_if_any(line, "auditID", http_head_get(command->head, "Audit-ID"));
    if (!is_interim)
        put_encoding(line, record->redact[DIRECTION_RESPONSE]);
    if (append(record->recording, "response", &command->at, err) < 0)
        return -1;
    bool is_made = command->head->status / 100 == 2 &&
                   (str_is(record->info.verb, "create") || str_is(record->info.verb, "update"));

    return is_made ? write_credential(record, &command->at, err) : 0;
}

/* ---- Streams ---- */

static void put_argv(struct buf *line, struct exchange_record *record)
{
    size_t withheld = 0;
    scoped(redact_argv_free) char **argv =
        redact_target_command(buf_str(&record->target), &withheld);

    if (!argv[0])
        return;
    event_array(line, "argv");
    for (size_t i = 0; argv[i]; i++)
        event_text(line, NULL, argv[i]);
    event_array_end(line);
}

/* What exec and attach ask for (PodExecOptions). */
static void put_exec_options(struct buf *line, struct exchange_record *record)
{
    struct str target = buf_str(&record->target);
    scoped(free_text) char *container = query_value(target, "container");
    scoped(free_text) char *tty = query_value(target, "tty");

    put_argv(line, record);
    event_text(line, "container", container);
    event_bool(line, "tty", tty && (strcmp(tty, "true") == 0 || strcmp(tty, "1") == 0));
}

/* From here on bytes are not those of a media type: what redact cannot read it withholds. */
static int write_stream_open(struct command *command, struct error *err)
{
    struct exchange_record *record = command->record;
    const struct http_head *head = command->head;
    scoped(http_head_free) struct http_head bytes = {0};
    struct str websocket = http_head_get(head, "Sec-WebSocket-Protocol");

    record->is_stream = true;
    http_head_add(&bytes, "Content-Type", STR("application/octet-stream"));
    for (int of = DIRECTION_REQUEST; of <= DIRECTION_RESPONSE; of++) {
        redact_free(&record->redact[of]);
        record->redact[of] = start_redact(record, (enum direction)of, &bytes, false);
    }
    struct buf *line = begin_for(record, "stream.open", &command->at);
    event_string(line, "protocol", http_head_get(head, "Upgrade"));
    put_if_any(line, "subprotocol",
               websocket.data ? websocket : http_head_get(head, "X-Stream-Protocol-Version"));
    if (str_is(record->info.subresource, "exec") || str_is(record->info.subresource, "attach"))
        put_exec_options(line, record);
    return append(record->recording, "stream.open", &command->at, err);
}

static int write_stream_close(struct command *command, struct error *err)
{
    struct exchange_record *record = command->record;
    struct buf *line = begin_for(record, "stream.close", &command->at);

    event_text(line, "outcome", outcome_words[command->outcome->outcome]);
    event_text(line, "endedBy", record->ended_by);
    return append(record->recording, "stream.close", &command->at, err);
}

/* ---- The end ---- */

/* A body that was cut still has what its last bytes were withheld as. */
static int end_bodies(struct command *command, struct error *err)
{
    for (int of = DIRECTION_REQUEST; of <= DIRECTION_RESPONSE; of++) {
        command->of = (enum direction)of;
        if (command->record->redact[of] && write_body_end(command, err) < 0)
            return -1;
    }
    return 0;
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
    event_object(line, direction_words[of]);
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

    if (end_bodies(command, err) < 0 || (record->is_stream && write_stream_close(command, err) < 0))
        return -1;
    withheld = record->withheld[0] + record->withheld[1];
    struct buf *line = begin_for(record, "complete", &command->at);
    event_text(line, "outcome", outcome_words[outcome->outcome]);
    event_text(line, "forwarded", forwarded_words[outcome->forwarded]);
    event_text(line, "reason", outcome->reason);
    put_byte_counts(line, outcome, DIRECTION_REQUEST);
    put_byte_counts(line, outcome, DIRECTION_RESPONSE);
    put_latency(line, outcome, command->at.mono_us);
    if (withheld)
        event_uint(line, "secretsWithheld", withheld);
    if (record->trailers[DIRECTION_REQUEST])
        put_fields(line, "requestTrailers", record->trailers[DIRECTION_REQUEST]);
    if (record->trailers[DIRECTION_RESPONSE])
        put_fields(line, "trailers", record->trailers[DIRECTION_RESPONSE]);
    return append(record->recording, "complete", &command->at, err);
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
        return write_request(command, err);
    case COMMAND_RESPONSE:
        return write_response(command, err);
    case COMMAND_STREAM_OPEN:
        return write_stream_open(command, err);
    case COMMAND_BODY:
        return write_body(command, err);
    case COMMAND_BODY_END:
        return write_end(command, err);
    case COMMAND_COMPLETE:
        return write_complete(command, err);
    case COMMAND_OPEN:
    case COMMAND_ACKNOWLEDGE:
    case COMMAND_CLOSE:
        break;
    }
    unreachable();
}
