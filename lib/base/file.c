#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/scoped.h"

#define READ_STEP 65536

int file_read(const char *path, struct buf *out, struct error *err)
{
    scoped(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return error_errno(err, ERROR_CONFIG, "open %s", path);
    for (;;) {
        char step[READ_STEP];
        ssize_t got = read(fd, step, sizeof step);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(err, ERROR_CONFIG, "read %s", path);
        if (got == 0)
            return 0;
        buf_append(out, step, (size_t)got);
        if (out->overflow)
            return error_set(err, ERROR_CONFIG, "read %s: too large", path);
    }
}

int file_write_all(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len) {
        ssize_t done = write(fd, at, len);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        at += done;
        len -= (size_t)done;
    }
    return 0;
}

int file_write(const char *path, struct str data, mode_t mode, struct error *err)
{
    scoped(free_text) char *temporary = xasprintf("%s.XXXXXX", path);
    scoped(fd_close) int fd = mkostemp(temporary, O_CLOEXEC);

    if (fd < 0)
        return error_errno(err, ERROR_STORAGE, "create %s", temporary);
    if (fchmod(fd, mode) < 0 || file_write_all(fd, data.data, data.len) < 0 || fdatasync(fd) < 0 ||
        rename(temporary, path) < 0) {
        error_errno(err, ERROR_STORAGE, "write %s", path);
        unlink(temporary);
        return -1;
    }
    return 0;
}

int file_make_dirs(const char *path, struct error *err)
{
    scoped(free_text) char *part = xstrdup(path);

    for (char *at = part + 1;; at++) {
        char end = *at;

        if (end != '/' && end != '\0')
            continue;
        *at = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            return error_errno(err, ERROR_STORAGE, "create directory %s", part);
        *at = end;
        if (end == '\0')
            break;
    }
    struct stat status;

    if (stat(path, &status) < 0)
        return error_errno(err, ERROR_STORAGE, "create directory %s", path);
    if (!S_ISDIR(status.st_mode))
        return error_set(err, ERROR_STORAGE, "create directory %s: a file is in the way", path);
    return 0;
}

int file_sync_dir(const char *path, struct error *err)
{
    scoped(fd_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return error_errno(err, ERROR_STORAGE, "sync directory %s", path);
    return 0;
}
