#include "base/num.h"
#include "http/h1.h"

/* Usual reasons, RFC 9110 section 15; "" for others, which is allowed. */
static const char *usual_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {103, "Early Hints"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < count_of(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "";
}

/* What a parser of ours would not take is not sent, wherever it came from. */
static int check_fields(const struct http_head *head, enum h1_framing framing, struct error *err)
{
    for (size_t i = 0; i < head->field_count; i++) {
        struct http_field field = head->fields[i];

        if (!http_is_token(field.name) || !http_is_value(field.value))
            return error_set(err, ERROR_INTERNAL, "field %zu may not be sent", i);
        if (str_equal_nocase(field.name, STR("host")) ||
            str_equal_nocase(field.name, STR("transfer-encoding")))
            return error_set(err, ERROR_INTERNAL, "field %.*s is not the sender's",
                             STR_ARG(field.name));
    }
    size_t lengths = http_head_count(head, "content-length");
    uint64_t length;

    if (lengths > 1 || (lengths == 1 && !http_head_length(head, &length)) ||
        (framing == H1_LENGTH && lengths != 1) ||
        ((framing == H1_CHUNKED || framing == H1_UNTIL_CLOSE) && lengths != 0))
        return error_set(err, ERROR_INTERNAL, "Content-Length does not fit the framing");
    return 0;
}

static void write_fields(struct buf *out, const struct http_head *head)
{
    for (size_t i = 0; i < head->field_count; i++) {
        buf_append_str(out, head->fields[i].name);
        buf_append_text(out, ": ");
        buf_append_str(out, head->fields[i].value);
        buf_append_text(out, "\r\n");
    }
}

static void write_end(struct buf *out, enum h1_framing framing, enum h1_after after)
{
    if (framing == H1_CHUNKED)
        buf_append_text(out, "Transfer-Encoding: chunked\r\n");
    if (after == H1_CLOSE)
        buf_append_text(out, "Connection: close\r\n");
    buf_append_text(out, "\r\n");
}

int h1_write_request(struct buf *out, const struct http_head *head, enum h1_framing framing,
                     enum h1_after after, struct error *err)
{
    if (!http_is_token(head->method) || !http_is_target(head->target) ||
        !http_is_authority(head->authority) || framing == H1_UNTIL_CLOSE)
        return error_set(err, ERROR_INTERNAL, "a request line that may not be sent");
    if (check_fields(head, framing, err) < 0)
        return -1;
    buf_append_str(out, head->method);
    buf_append_char(out, ' ');
    buf_append_str(out, head->target);
    buf_append_text(out, " HTTP/1.1\r\nHost: ");
    buf_append_str(out, head->authority);
    buf_append_text(out, "\r\n");
    write_fields(out, head);
    write_end(out, framing, after);
    return 0;
}

int h1_write_response(struct buf *out, const struct http_head *head, enum h1_framing framing,
                      enum h1_after after, struct error *err)
{
    struct str reason = head->reason.len ? head->reason : str_from(usual_reason(head->status));

    if (head->status < 100 || head->status > 599 || !http_is_value(reason) ||
        (framing == H1_UNTIL_CLOSE && after == H1_KEEP))
        return error_set(err, ERROR_INTERNAL, "a status line that may not be sent");
    if (check_fields(head, framing, err) < 0)
        return -1;
    buf_printf(out, "HTTP/1.1 %d ", head->status);
    buf_append_str(out, reason);
    buf_append_text(out, "\r\n");
    write_fields(out, head);
    write_end(out, framing, after);
    return 0;
}

void h1_write_chunk_size(struct buf *out, size_t len)
{
    buf_printf(out, "%zx\r\n", len);
}

void h1_write_chunk_end(struct buf *out)
{
    buf_append_text(out, "\r\n");
}

void h1_write_chunk(struct buf *out, struct str data)
{
    if (data.len == 0)
        return;
    h1_write_chunk_size(out, data.len);
    buf_append_str(out, data);
    h1_write_chunk_end(out);
}

void h1_write_last_chunk(struct buf *out, const struct http_head *trailers)
{
    buf_append_text(out, "0\r\n");
    for (size_t i = 0; trailers && i < trailers->field_count; i++) {
        struct http_field field = trailers->fields[i];

        if (!http_is_token(field.name) || !http_is_value(field.value) ||
            !http_is_trailer(field.name))
            continue;
        buf_append_str(out, field.name);
        buf_append_text(out, ": ");
        buf_append_str(out, field.value);
        buf_append_text(out, "\r\n");
    }
    buf_append_text(out, "\r\n");
}
