#include "proxy/status.h"

#include "base/buf.h"
#include "base/jsondoc.h"
#include "base/scoped.h"
#include "base/utf8.h"

static const struct {
    int code;
    const char *reason;
} reasons[] = {
    {400, "BadRequest"},     {401, "Unauthorized"},          {403, "Forbidden"},
    {404, "NotFound"},       {413, "RequestEntityTooLarge"}, {431, "BadRequest"},
    {501, "NotImplemented"}, {502, "InternalError"},         {503, "ServiceUnavailable"},
    {505, "BadRequest"},
};

const char *status_reason(int code)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].code == code)
            return reasons[i].reason;
    return "InternalError";
}

/* 299 - "text": a quoted string, so that quotes and backslashes are escaped once more. */
static void add_warning(struct http_head *head, struct str message)
{
    scoped(buf_free) struct buf value = {0};

    buf_append_text(&value, "299 - \"");
    for (size_t i = 0; i < message.len; i++) {
        if (message.data[i] == '"' || message.data[i] == '\\')
            buf_append_char(&value, '\\');
        buf_append_char(&value, message.data[i]);
    }
    buf_append_char(&value, '"');
    http_head_add(head, "Warning", buf_str(&value));
}

static void write_body(struct buf *body, int code, struct str message)
{
    scoped(jsondoc_free) json_object *status = json_object_new_object();

    jsondoc_put_string(status, "kind", "Status");
    jsondoc_put_string(status, "apiVersion", "v1");
    jsondoc_put_adopt(status, "metadata", json_object_new_object());
    jsondoc_put_string(status, "status", "Failure");
    jsondoc_put_str(status, "message", message);
    jsondoc_put_string(status, "reason", status_reason(code));
    jsondoc_put_adopt(status, "details", json_object_new_object());
    jsondoc_put_int(status, "code", code);
    jsondoc_write(body, status);
}

struct chunk *status_make(struct http_head *head, int code, const char *message)
{
    scoped(buf_free) struct buf text = {.limit = 4096}, body = {.limit = 32768}, length = {0};

    utf8_append_safe(&text, str_from(message));
    write_body(&body, code, buf_str(&text));
    buf_printf(&length, "%zu", body.len);
    head->status = code;
    head->version = 11;
    http_head_add(head, "Content-Type", STR("application/json"));
    http_head_add(head, "Content-Length", buf_str(&length));
    http_head_add(head, "Cache-Control", STR("no-cache, private"));
    if (code == 401)
        http_head_add(head, "WWW-Authenticate", STR("Bearer"));
    add_warning(head, buf_str(&text));
    return chunk_new(buf_str(&body));
}
