#include "net/process.h"

#include <errno.h>
#include <signal.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/scoped.h"
#include "base/secret.h"

#define LEFT_OPEN_MS 500 /* output, by others, after its end */

struct process {
    struct loop *loop;
    uv_process_t child;
    uv_pipe_t output_pipe, errors_pipe;
    unsigned handles;         /* that libuv has not given back */
    struct buf output;        /* secret */
    struct buf errors;        /* its end */
    char error_step[1024];    /* what is just read of it */
    struct loop_timer *timer; /* until it has to end, then until its output has to */
    bool is_running;          /* its exit status is to be fetched */
    unsigned open_pipes;
    void (*done)(void *context, const struct process_end *end); /* NULL: told, or not wanted */
    void (*said)(void *context, struct str bytes);
    void *context;
    struct process_end end;
};

static void on_handle_closed(uv_handle_t *handle)
{
    struct process *process = handle->data;

    if (--process->handles > 0)
        return;
    secret_buf_free(&process->output);
    buf_free(&process->errors);
    free(process);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_handle_closed);
}

static void let_go(struct process *process)
{
    process->done = NULL;
    loop_timer_stop(&process->timer);
    close_handle((uv_handle_t *)&process->output_pipe);
    close_handle((uv_handle_t *)&process->errors_pipe);
    if (!process->is_running) /* else on_child_exit() does: no zombie is left */
        close_handle((uv_handle_t *)&process->child);
}

static void kill_group(struct process *process)
{
    if (process->is_running)
        kill(-process->child.pid, SIGKILL); /* its own: UV_PROCESS_DETACHED */
}

static void finish(struct process *process)
{
    void (*done)(void *context, const struct process_end *end) = process->done;

    process->end.output = buf_str(&process->output);
    process->end.errors = buf_str(&process->errors);
    process->done = NULL;
    if (done)
        done(process->context, &process->end);
    let_go(process);
}

static void look_whether_over(struct process *process)
{
    if (process->done && !process->is_running && process->open_pipes == 0)
        finish(process);
}

static void on_timer(void *context)
{
    struct process *process = context;

    if (process->is_running) {
        process->end.is_timeout = true;
        kill_group(process);
    }
    finish(process);
}

static void on_child_exit(uv_process_t *child, int64_t code, int signal)
{
    struct process *process = child->data;

    process->is_running = false;
    process->end.code = (int)code;
    process->end.signal = signal;
    if (process->timer)
        loop_timer_again(process->timer, LEFT_OPEN_MS);
    if (process->done)
        look_whether_over(process);
    else
        close_handle((uv_handle_t *)child);
}

static void on_alloc_output(uv_handle_t *handle, size_t size, uv_buf_t *bytes)
{
    struct process *process = handle->data;
    struct buf *output = &process->output;

    *bytes = uv_buf_init(output->data + output->len, (unsigned)(output->limit - output->len));
}

static void end_pipe(struct process *process, uv_stream_t *pipe)
{
    uv_read_stop(pipe);
    process->open_pipes--;
    look_whether_over(process);
}

static void on_output(uv_stream_t *pipe, ssize_t len, const uv_buf_t *bytes)
{
    struct process *process = pipe->data;

    if (len > 0)
        process->output.len += (size_t)len;
    if (!process->done)
        return;
    if (len == UV_ENOBUFS || process->output.len == process->output.limit) {
        process->end.is_too_long = true;
        kill_group(process);
        finish(process);
    } else if (len < 0) {
        end_pipe(process, pipe);
    }
}

static void on_alloc_errors(uv_handle_t *handle, size_t size, uv_buf_t *bytes)
{
    struct process *process = handle->data;

    *bytes = uv_buf_init(process->error_step, sizeof process->error_step);
}

static void on_errors(uv_stream_t *pipe, ssize_t len, const uv_buf_t *bytes)
{
    struct process *process = pipe->data;
    struct buf *errors = &process->errors;

    if (!process->done)
        return;
    if (len < 0) {
        end_pipe(process, pipe);
        return;
    }
    if (process->said)
        process->said(process->context, str_make(bytes->base, (size_t)len));
    buf_append(errors, bytes->base, (size_t)len);
    if (errors->len > PROCESS_ERRORS_BYTES)
        buf_consume(errors, errors->len - PROCESS_ERRORS_BYTES);
}

static void open_pipe(struct process *process, uv_pipe_t *pipe)
{
    uv_pipe_init(loop_uv(process->loop), pipe, 0);
    pipe->data = process;
    process->handles++;
}

static int spawn(struct process *process, const struct process_config *config)
{
    uv_stdio_container_t stdio[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
         .data.stream = (uv_stream_t *)&process->output_pipe},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
         .data.stream = (uv_stream_t *)&process->errors_pipe},
    };
    const uv_process_options_t options = {
        .exit_cb = on_child_exit,
        .file = config->path,
        .args = (char **)config->argv,
        .env = (char **)config->environment,
        .flags = UV_PROCESS_DETACHED, /* setsid() */
        .stdio_count = 3,
        .stdio = stdio,
    };
    int status = uv_spawn(loop_uv(process->loop), &process->child, &options);

    process->child.data = process; /* also after a failure: it is to be closed */
    process->handles++;
    process->is_running = status == 0;
    return status;
}

static int refuse(int status, const char *path, struct error *err)
{
    errno = -status;
    return error_errno(err, status == UV_ENOENT ? ERROR_NOT_FOUND : ERROR_NOT_EXECUTABLE, "run %s",
                       path);
}

struct process *process_start(struct loop *loop, const struct process_config *config,
                              void (*done)(void *context, const struct process_end *end),
                              void *context, struct error *err)
{
    struct process *process = xcalloc(1, sizeof *process);

    process->loop = loop;
    process->done = done;
    process->said = config->errors;
    process->context = context;
    process->output.limit = config->output_bytes_max + 1;
    ignore(buf_reserve(&process->output, config->output_bytes_max + 1)); /* one byte: too long */
    open_pipe(process, &process->output_pipe);
    open_pipe(process, &process->errors_pipe);
    int status = spawn(process, config);

    if (status < 0) {
        refuse(status, config->path, err);
        let_go(process);
        return NULL;
    }
    process->open_pipes = 2;
    uv_read_start((uv_stream_t *)&process->output_pipe, on_alloc_output, on_output);
    uv_read_start((uv_stream_t *)&process->errors_pipe, on_alloc_errors, on_errors);
    process->timer = loop_timer_start(loop, config->timeout_ms, on_timer, process);
    return process;
}

void process_kill(struct process **owner)
{
    struct process *process = *owner;

    *owner = NULL;
    if (!process)
        return;
    kill_group(process);
    process->is_running = false; /* not waited for: whoever kills it this way is about to end */
    let_go(process);
}
