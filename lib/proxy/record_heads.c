/* record_heads.c - on the recorder's thread: what was asked, and what was answered. */
#include "base/hash.h"
#include "base/scoped.h"
#include "kube/redact_argv.h"
#include "proxy/record_inside.h"

static void put_object_ref(struct buf *line, const struct request_info *info)
{
    if (!info->is_resource)
        return;
    event_object(line, "objectRef");
    record_put_if_any(line, "resource", info->resource);
    record_put_if_any(line, "subresource", info->subresource);
    record_put_if_any(line, "namespace", info->namespace);
    record_put_if_any(line, "name", info->name);
    record_put_if_any(line, "apiGroup", info->api_group);
    record_put_if_any(line, "apiVersion", info->api_version);
    event_object_end(line);
}

static void put_impersonated(struct buf *line, const struct http_head *head)
{
    if (!http_head_has(head, "Impersonate-User"))
        return;
    event_object(line, "impersonatedUser");
    record_put_value(line, "username", http_head_get(head, "Impersonate-User"));
    record_put_if_any(line, "uid", http_head_get(head, "Impersonate-Uid"));
    event_array(line, "groups");
    for (size_t i = 0; i < head->field_count; i++)
        if (str_equal_nocase(head->fields[i].name, STR("Impersonate-Group")))
            record_put_value(line, NULL, head->fields[i].value);
    event_array_end(line);
    event_object_end(line);
}

static void put_encoding(struct buf *line, const struct redact *redact)
{
    const char *encoding = redact_encoding(redact);

    if (*encoding)
        event_text(line, "encoding", encoding);
}

static void put_body_hash(struct buf *line, const struct whole_body *whole)
{
    char hex[SHA256_HEX_BYTES];

    event_object(line, "body");
    event_uint(line, "bytes", whole->bytes.len);
    event_text(line, "sha256", sha256_hex(buf_str(&whole->bytes), hex));
    event_object_end(line);
}

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
    record_put_if_any(line, "userAgent", http_head_get(head, "User-Agent"));
    record_put_fields(line, "headers", head);
    record_put_if_any(line, "kubectlCommand", http_head_get(head, "Kubectl-Command"));
    record_put_if_any(line, "kubectlSession", http_head_get(head, "Kubectl-Session"));
}

int record_write_request(struct command *command, struct error *err)
{
    struct exchange_record *record = command->record;
    scoped(record_whole_free) struct whole_body whole = {0};
    unsigned char hash[SHA256_BYTES];

    record->info = *command->info;
    *command->info = (struct request_info){0};
    record->redact[DIRECTION_REQUEST] =
        record_redact_new(record, DIRECTION_REQUEST, command->head, command->is_whole);
    if (command->is_whole && command->chunk_count)
        record_whole_read(&whole, command);

    struct buf *line = record_begin(record, "request", &command->at);
    put_request(line, command);
    put_encoding(line, record->redact[DIRECTION_REQUEST]);
    if (command->is_whole && command->chunk_count)
        put_body_hash(line, &whole);
    if (record_append(record->recording, "request", &command->at, err) < 0)
        return -1;
    sha256(buf_str(line), hash);
    receipt_fill(command->receipt, hash);
    atomic_fetch_add_explicit(&record->recording->requests, 1, memory_order_relaxed);
    if (http_head_has(command->head, "Upgrade"))
        buf_append_str(&record->target, command->head->target);
    if (!command->is_whole)
        return 0;
    redact_free(&record->redact[DIRECTION_REQUEST]);
    return record_whole_write(&whole, command, err);
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
    struct buf *line = record_begin(record, "credential.issued", at);

    event_text(line, "kind", is_token ? "ServiceAccountToken" : "CertificateSigningRequest");
    event_string(line, "subject", buf_str(&subject));
    return record_append(record->recording, "credential.issued", at, err);
}

int record_write_response(struct command *command, struct error *err)
{
    struct exchange_record *record = command->record;
    bool is_interim = command->head->status < 200; /* 101 too: its stream is opened apart */

    if (!is_interim && !record->redact[DIRECTION_RESPONSE])
        record->redact[DIRECTION_RESPONSE] =
            record_redact_new(record, DIRECTION_RESPONSE, command->head, false);
    struct buf *line = record_begin(record, "response", &command->at);
    event_object(line, "responseStatus");
    event_int(line, "code", command->head->status);
    event_object_end(line);
    record_put_fields(line, "headers", command->head);
    record_put_if_any(line, "auditID", http_head_get(command->head, "Audit-ID"));
    if (!is_interim)
        put_encoding(line, record->redact[DIRECTION_RESPONSE]);
    if (record_append(record->recording, "response", &command->at, err) < 0)
        return -1;
    bool is_made = command->head->status / 100 == 2 &&
                   (str_is(record->info.verb, "create") || str_is(record->info.verb, "update"));

    return is_made ? write_credential(record, &command->at, err) : 0;
}
