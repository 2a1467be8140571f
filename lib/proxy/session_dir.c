#include "proxy/session_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "session/ulid.h"

#define DEAD_AGE_S 60 /* exec makes it, then holds it: give it the time */

const char *const session_dir_tools[] = {"kubectl", "helm", NULL};

static const char *const contents[] = {"socket",   "kubeconfig", "ca.crt",
                                       "bash_env", "bashrc",     NULL};

char *session_dir_path(const char *directory, const char *name)
{
    return xasprintf("%s/%s", directory, name);
}

int session_dir_check(const char *path, struct error *err)
{
    struct stat status;

    if (lstat(path, &status) < 0)
        return error_errno(err, ERROR_CONFIG, "session directory %s", path);
    if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 022)) {
        error_set(err, ERROR_CONFIG, "session directory %s: not a directory of yours alone", path);
        return error_fix(err, "remove it, or set XDG_RUNTIME_DIR to a directory of your own");
    }
    return 0;
}

static int make_own(const char *path, struct error *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return error_errno(err, ERROR_CONFIG, "session directory %s", path);
    return session_dir_check(path, err);
}

/* The socket's path must fit into sockaddr_un. */
static bool fits(const char *parent)
{
    return strlen(parent) + sizeof "/kubectl-hoop/01234567890123456789012345/socket" <
           sizeof(((struct sockaddr_un *)0)->sun_path);
}

static char *fallback_parent(void)
{
    return xasprintf("/tmp/kubectl-hoop-%u", (unsigned)geteuid());
}

static char *parent_of_sessions(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    struct error unusable = {0};

    /* The private kubeconfig names it, and is JSON. */
    if (runtime && runtime[0] == '/' && utf8_is_valid(str_from(runtime)) && fits(runtime) &&
        session_dir_check(runtime, &unusable) == 0)
        return xasprintf("%s/kubectl-hoop", runtime);
    return fallback_parent();
}

char *session_dir_create(const char *session, struct error *err)
{
    scoped(free_text) char *parent = parent_of_sessions();
    scoped(free_text) char *path = xasprintf("%s/%s", parent, session);
    scoped(free_text) char *bin = xasprintf("%s/bin", path);

    if (make_own(parent, err) < 0)
        return NULL;
    if (mkdir(path, 0700) < 0 || mkdir(bin, 0700) < 0) {
        error_errno(err, ERROR_CONFIG, "session directory %s", path);
        return NULL;
    }
    return take(path);
}

char *session_dir_real_path(const char *directory, const char *tool)
{
    return xasprintf("%s/real-%s", directory, tool);
}

void session_dir_remove(const char *directory)
{
    for (size_t i = 0; contents[i]; i++) {
        scoped(free_text) char *path = session_dir_path(directory, contents[i]);

        unlink(path);
    }
    for (size_t i = 0; session_dir_tools[i]; i++) {
        scoped(free_text) char *path = xasprintf("%s/bin/%s", directory, session_dir_tools[i]);
        scoped(free_text) char *real = session_dir_real_path(directory, session_dir_tools[i]);

        unlink(path);
        unlink(real);
    }
    scoped(free_text) char *bin = session_dir_path(directory, "bin");

    rmdir(bin);
    rmdir(directory);
}

/* ---- Alive and dead ---- */

static int open_directory(const char *directory)
{
    return open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

int session_dir_hold(const char *directory, struct error *err)
{
    scoped(fd_close) int fd = open_directory(directory);

    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0)
        return error_errno(err, ERROR_CONFIG, "session directory %s", directory);
    return fd_take(&fd);
}

/* Nobody holds it, nor is it so young that its maker may be about to. */
static bool is_dead(const char *directory)
{
    scoped(fd_close) int fd = open_directory(directory);
    struct stat status;

    return fd >= 0 && fstat(fd, &status) == 0 && status.st_uid == geteuid() &&
           time(NULL) - status.st_mtime >= DEAD_AGE_S && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void close_directory(DIR **directory)
{
    if (*directory)
        closedir(*directory);
    *directory = NULL;
}

static unsigned remove_dead_below(const char *parent)
{
    scoped(close_directory) DIR *directory = opendir(parent);
    unsigned removed = 0;

    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (!ulid_is_valid(str_from(entry->d_name)))
            continue;
        scoped(free_text) char *path = xasprintf("%s/%s", parent, entry->d_name);

        if (is_dead(path)) {
            session_dir_remove(path);
            removed++;
        }
    }
    return removed;
}

unsigned session_dir_remove_dead(void)
{
    scoped(free_text) char *parent = parent_of_sessions();
    scoped(free_text) char *fallback = fallback_parent();
    struct error foreign = {0};
    unsigned removed = 0;

    if (session_dir_check(parent, &foreign) == 0)
        removed += remove_dead_below(parent);
    if (strcmp(parent, fallback) != 0 && session_dir_check(fallback, &foreign) == 0)
        removed += remove_dead_below(fallback);
    return removed;
}
