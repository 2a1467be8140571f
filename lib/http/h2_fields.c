#include "http/h2_fields.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/num.h"
#include "base/scoped.h"

#define OVERHEAD_BYTES 4 /* ": " and CR LF: what the field takes over HTTP/1.1 */

/* ---- In ---- */

static void add_pseudo(struct http_head *head, struct str name, struct str value)
{
    uint64_t status;

    head->version = 20;
    if (str_is(name, ":method"))
        head->method = http_head_keep(head, value);
    else if (str_is(name, ":path"))
        head->target = http_head_keep(head, value);
    else if (str_is(name, ":authority"))
        head->authority = http_head_keep(head, value);
    else if (str_is(name, ":status") && num_parse_u64(value, 999, &status))
        head->status = (int)status;
    /* :scheme says nothing that the connection does not */
}

void h2_incoming_add(struct h2_incoming *incoming, struct str name, struct str value,
                     size_t bytes_max, size_t fields_max)
{
    incoming->bytes += name.len + value.len + OVERHEAD_BYTES;
    if (incoming->bytes > bytes_max || incoming->head.field_count == fields_max)
        incoming->is_too_large = true;
    if (incoming->is_too_large)
        return;
    if (name.len > 0 && name.data[0] == ':')
        add_pseudo(&incoming->head, name, value);
    else
        http_head_add_field(&incoming->head, name, value);
}

/* Clients may cut Cookie into pieces; for others they are one again (RFC 9113 8.2.3). */
static void join_cookies(struct http_head *head)
{
    scoped(buf_free) struct buf joined = {0};

    if (http_head_count(head, "cookie") < 2)
        return;
    for (size_t i = 0; i < head->field_count; i++) {
        if (!str_is(head->fields[i].name, "cookie") || head->fields[i].value.len == 0)
            continue; /* an empty piece would leave a blank at the end */
        if (joined.len > 0)
            buf_append_text(&joined, "; ");
        buf_append_str(&joined, head->fields[i].value);
    }
    http_head_set(head, "cookie", buf_str(&joined));
}

/* Host may stand beside :authority, or for it; both must say the same (RFC 9113 8.3.1). */
static bool take_host(struct http_head *head)
{
    struct str host = http_head_get(head, "host");

    if (host.data && head->authority.len > 0 && !str_equal_nocase(host, head->authority))
        return false;
    if (head->authority.len == 0)
        head->authority = host;
    http_head_remove(head, "host");
    return http_is_authority(head->authority);
}

int h2_incoming_finish_request(struct h2_incoming *incoming, const char **problem)
{
    struct http_head *head = &incoming->head;
    uint64_t length;

    head->version = 20;
    *problem = NULL;
    if (incoming->is_too_large) {
        *problem = "request head larger than 128 KiB or 512 fields";
        return 431;
    }
    if (str_is(head->method, "CONNECT")) {
        *problem = "CONNECT is not served here";
        return 501;
    }
    if (!http_is_token(head->method))
        *problem = "a method that is no token";
    else if (!http_is_target(head->target))
        *problem = "a target that is no path";
    else if (!take_host(head))
        *problem = "no usable :authority or Host";
    else if (http_head_has(head, "content-length") && !http_head_length(head, &length))
        *problem = "Content-Length is not a length";
    join_cookies(head);
    return *problem ? 400 : 0;
}

bool h2_incoming_finish_response(struct h2_incoming *incoming)
{
    struct http_head *head = &incoming->head;
    uint64_t length;

    head->version = 20;
    return !incoming->is_too_large && head->status >= 100 && head->status <= 599 &&
           head->status != 101 &&
           (!http_head_has(head, "content-length") || http_head_length(head, &length));
}

bool h2_incoming_are_trailers(const struct h2_incoming *incoming)
{
    for (size_t i = 0; i < incoming->head.field_count; i++)
        if (!http_is_trailer(incoming->head.fields[i].name))
            return false;
    return !incoming->is_too_large;
}

void h2_incoming_free(struct h2_incoming *incoming)
{
    http_head_free(&incoming->head);
    *incoming = (struct h2_incoming){0};
}

/* ---- Out ---- */

/* RFC 9113 8.2.2; Host is a request's, and stands in :authority. */
static bool is_forbidden(struct str name)
{
    static const char *const names[] = {
        "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade",
        "te",         "http2-settings",   "host"};

    for (size_t i = 0; i < count_of(names); i++)
        if (str_equal_nocase(name, str_from(names[i])))
            return true;
    return false;
}

static struct str lower_case(struct h2_outgoing *outgoing, struct str name)
{
    struct str kept = http_head_keep(&outgoing->names, name);
    char *text = (char *)kept.data; /* ours, just copied */

    for (size_t i = 0; i < kept.len; i++)
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] += 'a' - 'A';
    return kept;
}

static void push(struct h2_outgoing *outgoing, struct str name, struct str value)
{
    /* Never the same twice: in the peer's table it would only drive out what is worth keeping, such
     * as a long Authorization. */
    bool is_unique = str_is(name, "audit-id");

    outgoing->fields[outgoing->count++] = (nghttp2_nv){
        .name = (uint8_t *)name.data,
        .namelen = name.len,
        .value = (uint8_t *)(value.len ? value.data : ""),
        .valuelen = value.len,
        .flags = is_unique ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE,
    };
}

static void push_pseudo(struct h2_outgoing *outgoing, const char *name, struct str value)
{
    push(outgoing, str_from(name), http_head_keep(&outgoing->names, value));
}

enum outgoing_kind { OUTGOING_REQUEST, OUTGOING_RESPONSE, OUTGOING_TRAILERS };

static bool is_passed(struct http_field field, enum outgoing_kind kind)
{
    switch (kind) {
    case OUTGOING_REQUEST: /* the one value that HTTP/2 allows */
        return !is_forbidden(field.name) || (str_equal_nocase(field.name, STR("te")) &&
                                             str_equal_nocase(field.value, STR("trailers")));
    case OUTGOING_RESPONSE:
        return !is_forbidden(field.name);
    case OUTGOING_TRAILERS:
        return !is_forbidden(field.name) && http_is_trailer(field.name);
    }
    unreachable();
}

static bool push_fields(struct h2_outgoing *outgoing, const struct http_head *head,
                        enum outgoing_kind kind)
{
    for (size_t i = 0; i < head->field_count; i++) {
        struct http_field field = head->fields[i];

        if (!http_is_token(field.name) || !http_is_value(field.value))
            return false;
        if (is_passed(field, kind))
            push(outgoing, lower_case(outgoing, field.name), field.value);
    }
    return true;
}

bool h2_outgoing_fill(struct h2_outgoing *outgoing, const struct http_head *head)
{
    bool is_trailers = head->status == 0;
    char status[16];

    outgoing->fields = xcalloc(head->field_count + 1, sizeof *outgoing->fields);
    if (is_trailers)
        return push_fields(outgoing, head, OUTGOING_TRAILERS);
    if (head->status < 100 || head->status > 599)
        return false;
    snprintf(status, sizeof status, "%d", head->status);
    push_pseudo(outgoing, ":status", str_from(status));
    return push_fields(outgoing, head, OUTGOING_RESPONSE);
}

bool h2_outgoing_fill_request(struct h2_outgoing *outgoing, const struct http_head *head)
{
    outgoing->fields = xcalloc(head->field_count + 4, sizeof *outgoing->fields);
    if (!http_is_token(head->method) || !http_is_target(head->target) ||
        !http_is_authority(head->authority))
        return false;
    push(outgoing, STR(":method"), head->method);
    push(outgoing, STR(":scheme"), STR("https"));
    push(outgoing, STR(":authority"), head->authority);
    push(outgoing, STR(":path"), head->target);
    return push_fields(outgoing, head, OUTGOING_REQUEST);
}

void h2_outgoing_free(struct h2_outgoing *outgoing)
{
    free(outgoing->fields);
    http_head_free(&outgoing->names);
    *outgoing = (struct h2_outgoing){0};
}
