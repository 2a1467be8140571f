#include "proxy/control.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/jsondoc.h"
#include "base/platform.h"
#include "base/scoped.h"
#include "proxy/control_line.h"

#define BACKLOG 128

struct control {
    uv_pipe_t listener;
    control_handler *handler;
    void *context;
    struct control_request *first; /* every open connection */
};

/* A connection and its one request. It lives until both the connection is closed and the handler,
 * where it was called, has answered. */
struct control_request {
    uv_pipe_t pipe;
    uv_write_t write;
    struct control *control; /* NULL once stopped */
    struct control_request *next, *previous;
    struct buf line; /* what came, then what is sent */
    bool is_asked;   /* the handler has it and has not answered */
    bool is_closing;
    bool is_closed;
};

static void free_when_done(struct control_request *request)
{
    if (!request->is_closed || request->is_asked)
        return;
    buf_free(&request->line);
    free(request);
}

static void unlink_request(struct control_request *request)
{
    struct control *control = request->control;

    if (!control)
        return;
    if (request->previous)
        request->previous->next = request->next;
    else
        control->first = request->next;
    if (request->next)
        request->next->previous = request->previous;
    request->control = NULL;
}

static void on_closed(uv_handle_t *handle)
{
    struct control_request *request = handle->data;

    request->is_closed = true;
    free_when_done(request);
}

static void close_request(struct control_request *request)
{
    if (request->is_closing)
        return;
    request->is_closing = true;
    unlink_request(request);
    uv_close((uv_handle_t *)&request->pipe, on_closed);
}

static void on_written(uv_write_t *write, int status)
{
    close_request(write->data);
}

void control_answer(struct control_request *request, json_object *answer)
{
    request->is_asked = false;
    if (!request->is_closing) {
        buf_clear(&request->line);
        jsondoc_write(&request->line, answer);
        buf_append_char(&request->line, '\n');
        uv_buf_t bytes = uv_buf_init(request->line.data, (unsigned)request->line.len);

        request->write.data = request;
        if (uv_write(&request->write, (uv_stream_t *)&request->pipe, &bytes, 1, on_written) < 0)
            close_request(request);
    }
    json_object_put(answer);
    free_when_done(request);
}

void control_refuse(struct control_request *request, const struct error *err)
{
    control_answer(request, control_error_new(err));
}

static void hear(struct control_request *request)
{
    struct error err = {0};
    scoped(jsondoc_free) json_object *message = jsondoc_parse(buf_str(&request->line), &err);

    uv_read_stop((uv_stream_t *)&request->pipe);
    request->is_asked = true;
    if (!message)
        control_refuse(request, &err);
    else
        request->control->handler(request, message, request->control->context);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *bytes)
{
    struct control_request *request = handle->data;
    char *room = buf_reserve(&request->line, 4096);

    *bytes = uv_buf_init(room, room ? 4096 : 0); /* no room: UV_ENOBUFS, closed in on_read */
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *bytes)
{
    struct control_request *request = stream->data;

    if (got < 0) {
        close_request(request);
        return;
    }
    request->line.len += (size_t)got;
    if (request->line.len && request->line.data[request->line.len - 1] == '\n')
        hear(request);
}

static bool is_same_user(const uv_pipe_t *pipe)
{
    uv_os_fd_t fd;
    uid_t user;

    return uv_fileno((const uv_handle_t *)pipe, &fd) == 0 && platform_peer_user(fd, &user) &&
           user == geteuid();
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct control *control = listener->data;

    if (status < 0)
        return;
    struct control_request *request = xcalloc(1, sizeof *request);

    request->line.limit = CONTROL_LINE_MAX;
    uv_pipe_init(listener->loop, &request->pipe, 0);
    request->pipe.data = request;
    request->control = control;
    request->next = control->first;
    if (control->first)
        control->first->previous = request;
    control->first = request;
    if (uv_accept(listener, (uv_stream_t *)&request->pipe) < 0 || !is_same_user(&request->pipe) ||
        uv_read_start((uv_stream_t *)&request->pipe, on_allocate, on_read) < 0)
        close_request(request);
}

static void on_listener_closed(uv_handle_t *handle)
{
    free(handle->data);
}

struct control *control_start(uv_loop_t *loop, const char *path, control_handler *handler,
                              void *context, struct error *err)
{
    struct control *control = xcalloc(1, sizeof *control);

    control->handler = handler;
    control->context = context;
    uv_pipe_init(loop, &control->listener, 0);
    control->listener.data = control;
    int status = uv_pipe_bind(&control->listener, path);

    if (status == 0)
        status = uv_listen((uv_stream_t *)&control->listener, BACKLOG, on_connection);
    if (status < 0) {
        error_set(err, ERROR_CONFIG, "session socket %s: %s", path, uv_strerror(status));
        uv_close((uv_handle_t *)&control->listener, on_listener_closed);
        return NULL;
    }
    return control;
}

void control_stop(struct control **owner)
{
    struct control *control = *owner;

    *owner = NULL;
    if (!control)
        return;
    while (control->first) {
        struct control_request *request = control->first;

        /* One that is asked or being answered closes by itself. */
        if (request->is_asked || request->write.data)
            unlink_request(request);
        else
            close_request(request);
    }
    uv_close((uv_handle_t *)&control->listener, on_listener_closed);
}
