#include "kube/status.h"

#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/utf8.h"

const char *kube_status_reason(int code)
{
    static const struct {
        int code;
        const char *reason;
    } reasons[] = {
        {400, "BadRequest"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "NotFound"},
        {405, "MethodNotAllowed"},
        {406, "NotAcceptable"},
        {408, "Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "RequestEntityTooLarge"},
        {415, "UnsupportedMediaType"},
        {422, "Invalid"},
        {429, "TooManyRequests"},
        {431, "BadRequest"},
        {500, "InternalError"},
        {501, "NotImplemented"}, /* not Kubernetes' own; shown as it is */
        {502, "InternalError"},
        {503, "ServiceUnavailable"},
        {504, "Timeout"},
        {505, "BadRequest"},
    };

    for (size_t i = 0; i < count_of(reasons); i++)
        if (reasons[i].code == code)
            return reasons[i].reason;
    return code >= 500 ? "InternalError" : "BadRequest";
}

static void put_text(json_object *parent, const char *key, struct str value)
{
    scoped(buf_free) struct buf safe = {0};

    utf8_append_safe(&safe, value);
    jsondoc_put_str(parent, key, buf_str(&safe));
}

void kube_status_write(struct buf *out, const struct kube_status *status)
{
    scoped(jsondoc_free) json_object *root = json_object_new_object();

    jsondoc_put_string(root, "kind", "Status");
    jsondoc_put_string(root, "apiVersion", "v1");
    jsondoc_put_adopt(root, "metadata", json_object_new_object());
    jsondoc_put_string(root, "status", "Failure");
    put_text(root, "message", status->message);
    jsondoc_put_string(root, "reason",
                       status->reason ? status->reason : kube_status_reason(status->code));
    json_object *details = jsondoc_put_adopt(root, "details", json_object_new_object());

    if (status->name.len > 0)
        put_text(details, "name", status->name);
    if (status->group.len > 0)
        put_text(details, "group", status->group);
    if (status->kind.len > 0)
        put_text(details, "kind", status->kind);
    jsondoc_put_int(root, "code", status->code);
    jsondoc_write(out, root);
    buf_append_char(out, '\n');
}

void kube_status_warning(struct buf *out, struct str message)
{
    scoped(buf_free) struct buf text = {0};
    uint32_t code;

    utf8_append_safe(&text, message);
    struct str rest = str_first(buf_str(&text), KUBE_WARNING_BYTES_MAX);

    buf_append_text(out, "299 - \"");
    for (size_t len; (len = utf8_next(rest, &code)) > 0; rest = str_skip(rest, len)) {
        if (code == '"' || code == '\\') /* RFC 7230 3.2.6 */
            buf_append_char(out, '\\');
        buf_append_str(out, str_first(rest, len));
    }
    buf_append_char(out, '"');
}
