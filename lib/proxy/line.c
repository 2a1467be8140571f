#include "proxy/line.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/jsondoc.h"
#include "base/scoped.h"
#include "proxy/control_line.h"

int line_send(int fd, json_object *message, struct error *err)
{
    scoped(buf_free) struct buf line = {.limit = CONTROL_LINE_MAX};

    jsondoc_write(&line, message);
    buf_append_char(&line, '\n');
    if (line.overflow)
        return error_set(err, ERROR_USAGE, "command line too long to record");
    for (struct str rest = buf_str(&line); rest.len;) {
        ssize_t sent = send(fd, rest.data, rest.len, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return error_errno(err, ERROR_STORAGE, "cannot record: session process");
        rest = str_skip(rest, (size_t)sent);
    }
    return 0;
}

static int milliseconds_left(int64_t deadline_us)
{
    int64_t left_us = deadline_us - clock_now().mono_us;

    return left_us > 0 ? (int)(left_us / 1000) + 1 : 0;
}

json_object *line_receive(int fd, int timeout_ms, struct error *err)
{
    scoped(buf_free) struct buf line = {.limit = CONTROL_LINE_MAX};
    int64_t deadline_us = clock_now().mono_us + (int64_t)timeout_ms * 1000;

    while (line.len == 0 || line.data[line.len - 1] != '\n') {
        char step[4096];
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = poll(&wait, 1, timeout_ms < 0 ? -1 : milliseconds_left(deadline_us));

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0) {
            error_set(err, ERROR_STORAGE,
                      "cannot record: no answer from the session process in %d s",
                      timeout_ms / 1000);
            return NULL;
        }
        ssize_t got = recv(fd, step, sizeof step, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            error_set(err, ERROR_STORAGE, "cannot record: the session process has ended");
            return NULL;
        }
        buf_append(&line, step, (size_t)got);
        if (line.overflow) {
            error_set(err, ERROR_PROTOCOL, "session process: answer too long");
            return NULL;
        }
    }
    return jsondoc_parse(buf_str(&line), err);
}
