#include "proxy/status.h"

#include "base/buf.h"
#include "base/scoped.h"
#include "kube/status.h"

struct chunk *status_make(struct http_head *head, int code, const char *message,
                          enum status_warning with_warning)
{
    scoped(buf_free) struct buf body = {.limit = CHUNK_BYTES_MAX}, warning = {0}, length = {0};

    kube_status_write(&body, &(struct kube_status){.code = code, .message = str_from(message)});
    buf_printf(&length, "%zu", body.len);
    head->status = code;
    head->version = 11;
    http_head_add(head, "Content-Type", STR("application/json"));
    http_head_add(head, "Content-Length", buf_str(&length));
    http_head_add(head, "Cache-Control", STR("no-cache, private"));
    if (code == 401)
        http_head_add(head, "WWW-Authenticate", STR("Bearer"));
    if (with_warning == STATUS_WITH_WARNING) {
        kube_status_warning(&warning, str_from(message));
        http_head_add(head, "Warning", buf_str(&warning));
    }
    return chunk_new(buf_str(&body));
}
