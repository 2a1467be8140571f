#include "proxy/control_client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/jsondoc.h"
#include "base/scoped.h"
#include "proxy/control_line.h"
#include "proxy/line.h"
#include "proxy/session_dir.h"

static int connect_to(const char *directory, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    scoped(free_text) char *path = session_dir_path(directory, "socket");
    scoped(fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof address.sun_path)
        return error_set(err, ERROR_CONFIG, "session socket %s: path too long", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        bool is_sandboxed = errno == EPERM || errno == EACCES;

        error_errno(err, ERROR_STORAGE, "cannot record: session process at %s", path);
        return error_fix(err, is_sandboxed
                                  ? "a sandbox forbids sockets here: allow network access in it"
                                  : "start a new one with 'kubectl hoop exec'");
    }
    return fd_take(&fd);
}

json_object *control_ask(const char *directory, json_object *request, int timeout_ms,
                         struct error *err)
{
    scoped(fd_close) int fd = connect_to(directory, err);

    if (fd < 0 || line_send(fd, request, err) < 0)
        return NULL;
    scoped(jsondoc_free) json_object *answer = line_receive(fd, timeout_ms, err);

    if (!answer || control_take_error(answer, err) < 0)
        return NULL;
    return take(answer);
}
