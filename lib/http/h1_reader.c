#include "http/h1.h"

#include <assert.h>

#include "base/num.h"
#include "base/scoped.h"
#include "http/chars.h"
#include "http/h1_reader.h"

/* ---- Lines ---- */

/* Looks for the empty line that ends a section, in bytes that were not looked at before. A line
 * that does not end with CR LF is refused at once, so that what is no HTTP at all is not collected
 * up to the limit. */
static enum io scan(struct h1_reader *reader, struct error *err)
{
    struct str bytes = buf_str(&reader->bytes);

    for (;;) {
        struct str rest = str_skip(bytes, reader->scanned);
        const char *lf = rest.len ? memchr(rest.data, '\n', rest.len) : NULL;

        if (!lf) {
            reader->scanned = bytes.len;
            return IO_AGAIN;
        }
        size_t at = (size_t)(lf - bytes.data);

        if (at == 0 || bytes.data[at - 1] != '\r')
            return error_set(err, ERROR_PROTOCOL, "a line does not end with CR LF");
        reader->scanned = at + 1;
        if (at == 1 || bytes.data[at - 2] == '\n')
            return IO_OK;
    }
}

static enum io collect(struct h1_reader *reader, struct str *in, size_t max, struct error *err)
{
    reader->bytes.limit = max;
    reader->status = 400;
    while (in->len > 0) {
        /* Piecewise: `in` may hold much more than the head. */
        struct str piece = str_first(*in, min_of((size_t)4096, max - reader->bytes.len));

        if (piece.len == 0) {
            reader->status = 431;
            return error_set(err, ERROR_PROTOCOL, "head larger than %zu bytes", max);
        }
        size_t before = reader->bytes.len;

        buf_append_str(&reader->bytes, piece);
        enum io status = scan(reader, err);

        if (status == IO_OK) {
            *in = str_skip(*in, reader->scanned - before);
            reader->bytes.len = reader->scanned;
        } else {
            *in = str_skip(*in, piece.len);
        }
        if (status != IO_AGAIN)
            return status;
    }
    return IO_AGAIN;
}

/* The next line, without its end; none is left when rest->len == 0. */
static struct str next_line(struct str *rest)
{
    ptrdiff_t lf = str_index(*rest, '\n');

    assert(lf > 0);
    struct str line = str_first(*rest, (size_t)lf - 1);

    *rest = str_skip(*rest, (size_t)lf + 1);
    return line;
}

/* ---- Fields ---- */

static int parse_field(struct http_head *head, struct str line, struct error *err)
{
    ptrdiff_t colon = str_index(line, ':');

    if (line.data[0] == ' ' || line.data[0] == '\t')
        return error_set(err, ERROR_PROTOCOL, "a folded field");
    if (colon < 0)
        return error_set(err, ERROR_PROTOCOL, "a field without a colon");
    struct http_field field = {
        .name = str_first(line, (size_t)colon),
        .value = str_trim(str_skip(line, (size_t)colon + 1)),
    };

    if (!http_is_token(field.name))
        return error_set(err, ERROR_PROTOCOL, "a field name that is no token");
    if (!http_is_value(field.value))
        return error_set(err, ERROR_PROTOCOL, "a control byte in field %.*s",
                         (int)min_of(field.name.len, (size_t)64), field.name.data);
    http_head_push_kept(head, field);
    return 0;
}

/* The lines of `rest`, which the head keeps, up to the empty one. */
static int parse_fields(struct h1_reader *reader, struct http_head *head, struct str rest,
                        size_t max, struct error *err)
{
    for (struct str line = next_line(&rest); line.len > 0; line = next_line(&rest)) {
        if (head->field_count == max) {
            reader->status = 431;
            return error_set(err, ERROR_PROTOCOL, "more than %zu fields", max);
        }
        if (parse_field(head, line, err) < 0)
            return -1;
    }
    return 0;
}

/* Content-Length and Transfer-Encoding: RFC 9112 6, and nothing that needs a rule of precedence. */
static int check_framing(struct h1_reader *reader, const struct http_head *head, struct error *err)
{
    size_t lengths = http_head_count(head, "content-length");
    size_t encodings = http_head_count(head, "transfer-encoding");
    struct str encoding = http_head_get(head, "transfer-encoding");
    uint64_t length;

    if (lengths > 1)
        return error_set(err, ERROR_PROTOCOL, "more than one Content-Length");
    if (lengths == 1 && !http_head_length(head, &length))
        return error_set(err, ERROR_PROTOCOL, "Content-Length is not a length");
    if (encodings == 0)
        return 0;
    if (encodings > 1)
        return error_set(err, ERROR_PROTOCOL, "more than one Transfer-Encoding");
    if (lengths > 0)
        return error_set(err, ERROR_PROTOCOL, "both Content-Length and Transfer-Encoding");
    if (head->version < 11)
        return error_set(err, ERROR_PROTOCOL, "Transfer-Encoding in HTTP/1.0");
    if (!str_equal_nocase(encoding, STR("chunked"))) {
        reader->status = http_is_token(encoding) ? 501 : 400; /* RFC 9112 6.1 */
        return error_set(err, ERROR_PROTOCOL, "a Transfer-Encoding other than chunked");
    }
    return 0;
}

/* ---- Requests ---- */

/* "HTTP/1.1" or "HTTP/1.0" to 11 or 10; -1 for what is none, 0 for another version. */
static int parse_version(struct str text)
{
    bool is_form = text.len == 8 && str_starts(text, STR("HTTP/")) && text.data[6] == '.' &&
                   text.data[5] >= '0' && text.data[5] <= '9' && text.data[7] >= '0' &&
                   text.data[7] <= '9';

    if (!is_form)
        return -1;
    return str_is(text, "HTTP/1.1") ? 11 : str_is(text, "HTTP/1.0") ? 10 : 0;
}

static int parse_request_line(struct h1_reader *reader, struct http_head *head, struct str line,
                              struct error *err)
{
    struct str rest = line;

    head->method = str_split(&rest, ' ');
    head->target = rest.data ? str_split(&rest, ' ') : STR("");
    if (!rest.data || !http_is_token(head->method))
        return error_set(err, ERROR_PROTOCOL, "no request line of HTTP/1.1");
    head->version = parse_version(rest);
    if (head->version < 0)
        return error_set(err, ERROR_PROTOCOL, "no request line of HTTP/1.1");
    if (head->version == 0) {
        reader->status = 505;
        return error_set(err, ERROR_PROTOCOL, "a version other than HTTP/1.1 and HTTP/1.0");
    }
    if (str_is(head->method, "CONNECT")) {
        reader->status = 501;
        return error_set(err, ERROR_PROTOCOL, "CONNECT is not served here");
    }
    if (!http_is_target(head->target))
        return error_set(err, ERROR_PROTOCOL, "a target that is no path (RFC 9112 3.2.1)");
    return 0;
}

static int take_host(struct http_head *head, struct error *err)
{
    size_t hosts = http_head_count(head, "host");

    if (hosts > 1)
        return error_set(err, ERROR_PROTOCOL, "more than one Host");
    if (hosts == 0 && head->version >= 11)
        return error_set(err, ERROR_PROTOCOL, "no Host");
    if (hosts == 0)
        return 0;
    head->authority = http_head_get(head, "host");
    if (!http_is_authority(head->authority))
        return error_set(err, ERROR_PROTOCOL, "Host is not a name or address");
    http_head_remove(head, "host");
    return 0;
}

static int parse_request(struct h1_reader *reader, struct http_head *head, struct error *err)
{
    struct str rest = http_head_keep(head, buf_str(&reader->bytes));
    struct str line = next_line(&rest);

    if (line.len == 0)
        return error_set(err, ERROR_PROTOCOL, "an empty line instead of a request");
    if (parse_request_line(reader, head, line, err) < 0 ||
        parse_fields(reader, head, rest, HTTP_FIELDS_MAX, err) < 0 ||
        check_framing(reader, head, err) < 0)
        return -1;
    return take_host(head, err);
}

/* Ready for the next message; what failed stays readable. */
static void reset(struct h1_reader *reader)
{
    buf_free(&reader->bytes); /* an idle connection keeps no memory */
    reader->scanned = 0;
}

enum io h1_read_request(struct h1_reader *reader, struct str *in, struct http_head *head,
                        struct error *err)
{
    scoped(http_head_free) struct http_head parsed = {0};
    enum io status = collect(reader, in, HTTP_HEAD_BYTES_MAX, err);

    if (status != IO_OK)
        return status;
    if (parse_request(reader, &parsed, err) < 0)
        return IO_FAILED;
    reset(reader);
    *head = parsed;
    parsed = (struct http_head){0};
    return IO_OK;
}

static void keep_request_line(struct http_head *head, struct str line)
{
    struct str method = str_split(&line, ' ');
    struct str target = line.data ? str_split(&line, ' ') : STR("");

    if (http_is_token(method))
        head->method = http_head_keep(head, method);
    if (http_is_target(target))
        head->target = http_head_keep(head, target);
}

void h1_read_remains(const struct h1_reader *reader, struct http_head *head)
{
    struct str rest = buf_str(&reader->bytes);
    struct error ignored = {0};
    bool is_first = true;

    head->version = 11;
    while (rest.len) {
        struct str line = str_split(&rest, '\n');
        bool is_ended = rest.data && line.len && line.data[line.len - 1] == '\r';

        if (is_ended)
            line.len--;
        if (!line.len)
            break;
        if (is_first)
            keep_request_line(head, line);
        else if (is_ended && head->field_count < HTTP_FIELDS_MAX)
            ignore(parse_field(head, http_head_keep(head, line), &ignored));
        is_first = false;
    }
    http_head_remove(head, "host");
}

/* ---- Responses ---- */

static int parse_status_line(struct http_head *head, struct str line, struct error *err)
{
    uint64_t code;

    head->version = parse_version(str_first(line, 8));
    if (head->version <= 0)
        return error_set(err, ERROR_PROTOCOL, "no status line of HTTP/1.1");
    /* The blank behind the code is missing on some servers when there is no reason. */
    if (line.len < 12 || line.data[8] != ' ' || (line.len > 12 && line.data[12] != ' '))
        return error_set(err, ERROR_PROTOCOL, "a status line without a status");
    if (!num_parse_u64(str_make(line.data + 9, 3), 599, &code) || code < 100)
        return error_set(err, ERROR_PROTOCOL, "a status that is none");
    head->status = (int)code;
    head->reason = str_trim(str_skip(line, 13));
    if (!http_is_value(head->reason))
        return error_set(err, ERROR_PROTOCOL, "a control byte in the status line");
    return 0;
}

static int parse_response(struct h1_reader *reader, struct http_head *head, struct error *err)
{
    struct str rest = http_head_keep(head, buf_str(&reader->bytes));
    struct str line = next_line(&rest);
    uint64_t length = 0;

    if (parse_status_line(head, line, err) < 0 ||
        parse_fields(reader, head, rest, HTTP_FIELDS_MAX, err) < 0 ||
        check_framing(reader, head, err) < 0)
        return -1;
    /* RFC 9112 6.1, 6.3: a body that these cannot have would be read as the next response. */
    if (head->status < 200 || head->status == 204) {
        bool has_length = http_head_length(head, &length) && length > 0;

        if (has_length || http_head_has(head, "transfer-encoding"))
            return error_set(err, ERROR_PROTOCOL, "a body is announced with status %d",
                             head->status);
    }
    return 0;
}

enum io h1_read_response(struct h1_reader *reader, struct str *in, struct http_head *head,
                         struct error *err)
{
    scoped(http_head_free) struct http_head parsed = {0};
    enum io status = collect(reader, in, HTTP_HEAD_BYTES_MAX, err);

    if (status != IO_OK)
        return status;
    if (parse_response(reader, &parsed, err) < 0)
        return IO_FAILED;
    reset(reader);
    *head = parsed;
    parsed = (struct http_head){0};
    return IO_OK;
}

/* ---- Trailers ---- */

enum io h1_read_trailers(struct h1_reader *reader, struct str *in, struct http_head *trailers,
                         struct error *err)
{
    scoped(http_head_free) struct http_head parsed = {.version = 11};
    enum io status = collect(reader, in, HTTP_TRAILER_BYTES_MAX, err);

    if (status != IO_OK)
        return status;
    struct str rest = http_head_keep(&parsed, buf_str(&reader->bytes));

    if (parse_fields(reader, &parsed, rest, HTTP_TRAILERS_MAX, err) < 0)
        return error_wrap(err, "trailers");
    for (size_t i = 0; i < parsed.field_count; i++)
        if (!http_is_trailer(parsed.fields[i].name))
            return error_set(err, ERROR_PROTOCOL, "trailers: a field that may not be there");
    reset(reader);
    *trailers = parsed;
    parsed = (struct http_head){0};
    return IO_OK;
}

bool h1_reader_has_begun(const struct h1_reader *reader)
{
    return reader->bytes.len > 0;
}

void h1_reader_free(struct h1_reader *reader)
{
    buf_free(&reader->bytes);
    *reader = (struct h1_reader){0};
}

bool h1_keeps_open(const struct http_head *head)
{
    return head->version >= 11 && !http_head_has_token(head, "connection", "close");
}
