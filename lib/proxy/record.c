#include "proxy/record.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/scoped.h"
#include "kube/redact.h"
#include "proxy/recorder_command.h"

struct receipt {
    atomic_uint owners;
    unsigned char id[16];
};

static struct receipt *receipt_new(void)
{
    struct receipt *receipt = xcalloc(1, sizeof *receipt);

    atomic_init(&receipt->owners, 1);
    return receipt;
}

struct receipt *receipt_share(struct receipt *receipt)
{
    atomic_fetch_add_explicit(&receipt->owners, 1, memory_order_relaxed);
    return receipt;
}

void receipt_free(struct receipt **receipt)
{
    if (*receipt && atomic_fetch_sub_explicit(&(*receipt)->owners, 1, memory_order_acq_rel) == 1)
        free(*receipt);
    *receipt = NULL;
}

/* UUIDv8 (RFC 9562 5.8) of the first 16 bytes. */
void receipt_fill(struct receipt *receipt, const unsigned char sha256[32])
{
    memcpy(receipt->id, sha256, sizeof receipt->id);
    receipt->id[6] = (unsigned char)((receipt->id[6] & 0x0f) | 0x80);
    receipt->id[8] = (unsigned char)((receipt->id[8] & 0x3f) | 0x80);
}

char *receipt_audit_id(const struct receipt *receipt, char text[AUDIT_ID_BYTES])
{
    static const unsigned char groups[] = {4, 2, 2, 2, 6};
    const unsigned char *id = receipt->id;
    char *to = text;

    for (size_t i = 0; i < sizeof groups; i++) {
        if (i)
            *to++ = '-';
        encode_hex(id, groups[i], to);
        id += groups[i];
        to += (size_t)groups[i] * 2;
    }
    return text;
}

struct exchange_record *record_new(struct recording *recording)
{
    struct exchange_record *record = xcalloc(1, sizeof *record);

    record->recording = recording;
    record->number = recording->last_exchange++;
    return record;
}

void record_forget(struct exchange_record **record)
{
    struct exchange_record *r = *record;

    if (!r)
        return;
    redact_free(&r->redact[0]);
    redact_free(&r->redact[1]);
    http_head_delete(&r->trailers[0]);
    http_head_delete(&r->trailers[1]);
    request_info_free(&r->info);
    buf_free(&r->target);
    free((char *)r->invocation.data);
    free(r);
    *record = NULL;
}

static struct command *command_for(struct exchange_record *record, enum command_kind kind)
{
    struct command *command = command_new(record->recording, kind);

    command->record = record;
    record->open_body = NULL;
    return command;
}

static struct http_head *head_clone(const struct http_head *head)
{
    struct http_head *clone = http_head_new();

    http_head_copy(clone, head);
    return clone;
}

static size_t head_bytes(const struct http_head *head)
{
    return head->field_count * 64 + head->target.len;
}

static void share_body(struct command *command, struct chunk **chunks, size_t count)
{
    if (!count)
        return;
    command->chunks = xcalloc(count, sizeof *command->chunks);
    command->chunk_count = count;
    for (size_t i = 0; i < count; i++) {
        command->chunks[i] = chunk_share(chunks[i]);
        command->bytes += chunk_bytes(chunks[i]).len;
    }
}

uint64_t record_request(struct exchange_record *record, struct record_request *request,
                        struct receipt **receipt)
{
    struct command *command = command_for(record, COMMAND_REQUEST);

    assert(!record->has_request);
    record->has_request = true;
    if (request->command.len)
        record->invocation = str_from(str_dup(request->command));
    command->head = take(request->head);
    command->bytes += head_bytes(command->head);
    command->info = xcalloc(1, sizeof *command->info);
    *command->info = request->info;
    request->info = (struct request_info){0};
    command->user = request->user ? xstrdup(request->user) : NULL;
    command->source_ip = request->source_ip ? xstrdup(request->source_ip) : NULL;
    command->is_refused = request->is_refused;
    command->is_whole = request->is_whole;
    share_body(command, request->body, request->body_count);
    command->needs_durable = true;
    command->receipt = receipt_new();
    if (receipt)
        *receipt = receipt_share(command->receipt);
    return recorder_put(command);
}

uint64_t record_response(struct exchange_record *record, const struct http_head *head)
{
    struct command *command = command_for(record, COMMAND_RESPONSE);

    command->head = head_clone(head);
    command->bytes += head_bytes(command->head);
    return recorder_put(command);
}

uint64_t record_stream_open(struct exchange_record *record, const struct http_head *head)
{
    struct command *command = command_for(record, COMMAND_STREAM_OPEN);

    command->head = head_clone(head);
    command->bytes += head_bytes(command->head);
    return recorder_put(command);
}

uint64_t record_body(struct exchange_record *record, enum direction of, struct chunk *chunk)
{
    struct command *command = command_for(record, COMMAND_BODY);

    command->of = of;
    command->needs_durable = of == DIRECTION_REQUEST;
    share_body(command, &chunk, 1);
    if (of == DIRECTION_RESPONSE) {
        record->open_body = command;
        record->open_until = record->recording->recorder->handed_over;
    }
    return recorder_put(command);
}

bool record_body_extend(struct exchange_record *record, struct str bytes)
{
    struct recorder *recorder = record->recording->recorder;
    struct command *command = record->open_body;

    if (!command || record->open_until != recorder->handed_over ||
        !chunk_append(command->chunks[0], bytes))
        return false;
    recorder_note_growth(command, bytes.len);
    return true;
}

uint64_t record_body_end(struct exchange_record *record, enum direction of,
                         const struct http_head *trailers)
{
    struct command *command = command_for(record, COMMAND_BODY_END);

    command->of = of;
    command->needs_durable = of == DIRECTION_REQUEST;
    if (trailers)
        command->head = head_clone(trailers);
    return recorder_put(command);
}

uint64_t record_complete(struct exchange_record **record, const struct record_outcome *outcome)
{
    struct command *command = command_for(take(*record), COMMAND_COMPLETE);

    command->outcome = xcalloc(1, sizeof *command->outcome);
    *command->outcome = *outcome;
    if (outcome->reason)
        command->outcome->reason = xstrdup(outcome->reason);
    return recorder_put(command);
}
