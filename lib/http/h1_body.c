#include "base/encode.h"
#include "base/num.h"
#include "http/h1.h"
#include "http/h1_reader.h"

#define SIZE_DIGITS_MAX 15 /* never overflows 63 bits */

enum chunk_state {
    CHUNK_SIZE,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILERS,
    CHUNK_DONE,
};

/* Framing that the head was checked for when it was read. */
static struct h1_body from_head(const struct http_head *head, enum h1_framing otherwise)
{
    struct h1_body body = {.framing = otherwise};

    if (http_head_has(head, "transfer-encoding"))
        body.framing = H1_CHUNKED;
    else if (http_head_length(head, &body.left))
        body.framing = H1_LENGTH;
    return body;
}

struct h1_body h1_body_of_request(const struct http_head *head)
{
    return from_head(head, H1_NO_BODY);
}

static bool response_has_body(const struct http_head *head, struct str request_method)
{
    return head->status >= 200 && head->status != 204 && head->status != 304 &&
           !str_is(request_method, "HEAD");
}

struct h1_body h1_body_of_response(const struct http_head *head, struct str request_method)
{
    if (!response_has_body(head, request_method))
        return (struct h1_body){0};
    return from_head(head, H1_UNTIL_CLOSE);
}

enum h1_framing h1_framing_of_request(const struct http_head *head, bool has_body)
{
    if (http_head_has(head, "content-length"))
        return H1_LENGTH;
    return has_body ? H1_CHUNKED : H1_NO_BODY;
}

enum h1_framing h1_framing_of_response(const struct http_head *head, struct str request_method,
                                       int client_version)
{
    if (!response_has_body(head, request_method))
        return H1_NO_BODY;
    if (http_head_has(head, "content-length"))
        return H1_LENGTH;
    return client_version >= 11 ? H1_CHUNKED : H1_UNTIL_CLOSE;
}

/* As much of `in` as is left of a length or a chunk. */
static enum io take_data(struct h1_body *body, struct str *in, struct str *data)
{
    if (in->len == 0)
        return IO_AGAIN;
    *data = str_first(*in, min_of(body->left, (uint64_t)in->len));
    *in = str_skip(*in, data->len);
    body->left -= data->len;
    return IO_OK;
}

/* One byte of what stands between the data of two chunks. */
static int between_chunks(struct h1_body *body, char c, struct error *err)
{
    switch ((enum chunk_state)body->state) {
    case CHUNK_SIZE:
        if (c == '\r' && body->digits > 0) {
            body->state = CHUNK_SIZE_LF;
            return 0;
        }
        if (decode_hex_digit(c) < 0 || body->digits == SIZE_DIGITS_MAX)
            break;
        body->left = body->left << 4 | (uint64_t)decode_hex_digit(c);
        body->digits++;
        return 0;
    case CHUNK_SIZE_LF:
        if (c != '\n')
            break;
        body->digits = 0;
        body->state = body->left > 0 ? CHUNK_DATA : CHUNK_TRAILERS;
        return 0;
    case CHUNK_DATA_CR:
        if (c != '\r')
            break;
        body->state = CHUNK_DATA_LF;
        return 0;
    case CHUNK_DATA_LF:
        if (c != '\n')
            break;
        body->state = CHUNK_SIZE;
        return 0;
    case CHUNK_DATA:
    case CHUNK_TRAILERS:
    case CHUNK_DONE:
        unreachable();
    }
    return error_set(err, ERROR_PROTOCOL, "%s",
                     body->state == CHUNK_SIZE || body->state == CHUNK_SIZE_LF
                         ? "a chunk without a plain size"
                         : "a chunk that is longer than its size");
}

static enum io next_chunked(struct h1_body *body, struct str *in, struct str *data,
                            struct http_head *trailers, struct error *err)
{
    for (;;) {
        if (body->state == CHUNK_DONE)
            return IO_EOF;
        if (body->state == CHUNK_TRAILERS) {
            enum io status = h1_read_trailers(&body->trailers, in, trailers, err);

            if (status != IO_OK)
                return status;
            body->state = CHUNK_DONE;
            continue;
        }
        if (body->state == CHUNK_DATA) {
            enum io status = take_data(body, in, data);

            if (body->left == 0)
                body->state = CHUNK_DATA_CR;
            return status;
        }
        if (in->len == 0)
            return IO_AGAIN;
        if (between_chunks(body, in->data[0], err) < 0)
            return IO_FAILED;
        *in = str_skip(*in, 1);
    }
}

enum io h1_body_next(struct h1_body *body, struct str *in, struct str *data,
                     struct http_head *trailers, struct error *err)
{
    switch (body->framing) {
    case H1_NO_BODY:
        return IO_EOF;
    case H1_LENGTH:
        return body->left == 0 ? IO_EOF : take_data(body, in, data);
    case H1_CHUNKED:
        return next_chunked(body, in, data, trailers, err);
    case H1_UNTIL_CLOSE:
        body->left = UINT64_MAX;
        return take_data(body, in, data);
    }
    unreachable();
}

bool h1_body_may_end(const struct h1_body *body)
{
    switch (body->framing) {
    case H1_NO_BODY:
    case H1_UNTIL_CLOSE:
        return true;
    case H1_LENGTH:
        return body->left == 0;
    case H1_CHUNKED:
        return body->state == CHUNK_DONE;
    }
    unreachable();
}

void h1_body_free(struct h1_body *body)
{
    h1_reader_free(&body->trailers);
    *body = (struct h1_body){0};
}
