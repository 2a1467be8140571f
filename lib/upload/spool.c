#include "upload/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/scoped.h"
#include "session/medium_source.h"

/* ---- Places ---- */

int places_find(struct places *places, struct error *err)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    scoped(free_text) char *base = NULL;

    if (state && state[0] == '/')
        base = xasprintf("%s/kubectl-hoop", state);
    else if (home && home[0] == '/')
        base = xasprintf("%s/.local/state/kubectl-hoop", home);
    else {
        error_set(err, ERROR_CONFIG, "no place for recordings: HOME is not set");
        return error_fix(err, "set HOME or XDG_STATE_HOME to an absolute path");
    }
    *places = (struct places){
        .store = xasprintf("%s/store", base),
        .spool = xasprintf("%s/spool", base),
        .keys = xasprintf("%s/keys", base),
        .trust = xasprintf("%s/trust", base),
    };
    return 0;
}

static int make_one(const char *path, struct error *err)
{
    scoped(free_text) char *parent = xstrdup(path);

    if (file_make_dirs(path, err) < 0) {
        error_wrap(err, "cannot record");
        return error_fix(err, "set XDG_STATE_HOME to a directory that you can write");
    }
    *strrchr(parent, '/') = '\0';
    return file_sync_dir(parent, err);
}

int places_make(const struct places *places, struct error *err)
{
    if (make_one(places->spool, err) < 0 || make_one(places->keys, err) < 0)
        return -1;
    return make_one(places->trust, err);
}

void places_free(struct places *places)
{
    free(places->store);
    free(places->spool);
    free(places->keys);
    free(places->trust);
    *places = (struct places){0};
}

/* ---- The medium ---- */

static int lock(int fd)
{
    int status;

    while ((status = flock(fd, LOCK_EX | LOCK_NB)) < 0 && errno == EINTR)
        ;
    return status;
}

/* Closes it, errno kept. */
static int give_up(int *fd)
{
    int cause = errno;

    fd_close(fd);
    errno = cause;
    return -1;
}

static int medium_create(void *context, const char *path)
{
    scoped(fd_close) int fd =
        open(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return -1;
    return lock(fd) < 0 ? give_up(&fd) : fd_take(&fd);
}

static int medium_open(void *context, const char *path)
{
    scoped(fd_close) int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    struct stat held, named;

    if (fd < 0)
        return -1;
    if (lock(fd) < 0 || fstat(fd, &held) < 0 || lstat(path, &named) < 0)
        return give_up(&fd);
    /* Between opening and locking, another may have sealed it. */
    if (held.st_dev != named.st_dev || held.st_ino != named.st_ino) {
        errno = ENOENT;
        return give_up(&fd);
    }
    return fd_take(&fd);
}

static void medium_close(void *context, int file)
{
    close(file);
}

static int medium_append(void *context, int file, const void *data, size_t len)
{
    return file_write_all(file, data, len);
}

static int medium_sync(void *context, int file)
{
    struct stat status;

    if (fdatasync(file) < 0 || fstat(file, &status) < 0)
        return -1;
    /* Deleted under us, which is how a spool is "cleaned up": what is synced here is lost with us.
     */
    if (status.st_nlink == 0) {
        errno = ENOENT;
        return -1;
    }
    return 0;
}

static int medium_truncate(void *context, int file, uint64_t bytes)
{
    return ftruncate(file, (off_t)bytes);
}

static ssize_t medium_read(void *context, int file, uint64_t offset, void *data, size_t len)
{
    ssize_t got;

    while ((got = pread(file, data, len, (off_t)offset)) < 0 && errno == EINTR)
        ;
    return got;
}

static int64_t medium_size(void *context, int file)
{
    struct stat status;

    return fstat(file, &status) < 0 ? -1 : status.st_size;
}

static int medium_allocate(void *context, int file, uint64_t bytes)
{
    int cause = posix_fallocate(file, 0, (off_t)bytes);

    if (cause == 0)
        return 0;
    errno = cause;
    return -1;
}

static int medium_link(void *context, const char *from, const char *to)
{
    return link(from, to);
}

static int medium_rename(void *context, const char *from, const char *to)
{
    return rename(from, to);
}

static int medium_remove(void *context, const char *path)
{
    return unlink(path);
}

static int medium_sync_directory(void *context, const char *path)
{
    scoped(fd_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -1;
    return fsync(fd) < 0 ? give_up(&fd) : 0;
}

static int medium_exists(void *context, const char *path)
{
    struct stat status;

    if (lstat(path, &status) == 0)
        return 1;
    return errno == ENOENT ? 0 : -1;
}

const struct medium medium_posix = {
    .create = medium_create,
    .open = medium_open,
    .close = medium_close,
    .append = medium_append,
    .sync = medium_sync,
    .truncate = medium_truncate,
    .read = medium_read,
    .size = medium_size,
    .allocate = medium_allocate,
    .link = medium_link,
    .rename = medium_rename,
    .remove = medium_remove,
    .sync_directory = medium_sync_directory,
    .exists = medium_exists,
};

/* ---- What lies in the spool ---- */

int spool_list(const char *directory, bool (*each)(void *context, const char *name), void *context,
               struct error *err)
{
    DIR *names = opendir(directory);

    if (!names)
        return errno == ENOENT ? 0 : error_errno(err, ERROR_STORAGE, "read %s", directory);
    errno = 0;
    for (struct dirent *entry; (entry = readdir(names)); errno = 0)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !each(context, entry->d_name))
            break;
    int cause = errno;

    closedir(names);
    errno = cause;
    return cause ? error_errno(err, ERROR_STORAGE, "read %s", directory) : 0;
}

int spool_read_sealed(const char *path, struct sealed *sealed, struct error *err)
{
    scoped(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct mismatch mismatch = {0};
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return error_errno(err, ERROR_STORAGE, "open %s", path);
    struct medium_source holder = {.medium = &medium_posix, .file = fd};
    struct source source = medium_source(&holder, (uint64_t)status.st_size);

    return sealed_read(sealed, &source, &mismatch, err) < 0 ? error_wrap(err, "%s", path) : 0;
}

int spool_is_locked(const char *path)
{
    scoped(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_SH | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK ? 1 : give_up(&fd);
}
