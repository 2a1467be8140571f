#include "base/platform.h"

#include <limits.h>
#include <mach-o/dyld.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"

char *platform_started_as(void)
{
    char path[PATH_MAX];
    uint32_t size = sizeof path;

    return _NSGetExecutablePath(path, &size) == 0 ? xstrdup(path) : NULL;
}

char *platform_executable(void)
{
    char path[PATH_MAX], resolved[PATH_MAX];
    uint32_t size = sizeof path;

    if (_NSGetExecutablePath(path, &size) != 0 || !realpath(path, resolved))
        abort();
    return xstrdup(resolved);
}

void platform_die_with_parent(void)
{
}

bool platform_peer_user(int fd, uid_t *user)
{
    gid_t group;

    return getpeereid(fd, user, &group) == 0;
}

void platform_guard_memory(void)
{
    struct rlimit none = {0};

    setrlimit(RLIMIT_CORE, &none);
}

void platform_keep_heap(void)
{
}

void platform_trim_heap(void)
{
}
