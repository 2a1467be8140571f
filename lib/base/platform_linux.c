#include "base/platform.h"

#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/scoped.h"

/* /proc/self/exe follows links, so it would lose the session: AT_EXECFN does not (getauxval(3)).
 * It can be relative to the directory of the start, which is still the current one. */
char *platform_started_as(void)
{
    const char *path = (const char *)getauxval(AT_EXECFN);

    if (!path)
        return NULL;
    if (path[0] == '/')
        return xstrdup(path);
    scoped(free_text) char *here = getcwd(NULL, 0);

    return here ? xasprintf("%s/%s", here, path) : NULL;
}

char *platform_executable(void)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);

    if (len <= 0)
        abort();
    return xstrndup(path, (size_t)len);
}

void platform_die_with_parent(void)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

bool platform_peer_user(int fd, uid_t *user)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return false;
    *user = peer.uid;
    return true;
}

void platform_guard_memory(void)
{
    struct rlimit none = {0};

    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
}

#define HEAP_KEPT_BYTES (64 << 20)
#define HEAP_STEP_BYTES (1 << 20)

#ifdef __GLIBC__
void platform_keep_heap(void)
{
    mallopt(M_TRIM_THRESHOLD, HEAP_KEPT_BYTES);
    mallopt(M_MMAP_THRESHOLD, HEAP_KEPT_BYTES);
    mallopt(M_TOP_PAD, HEAP_STEP_BYTES);
}

void platform_trim_heap(void)
{
    malloc_trim(0);
}
#else
void platform_keep_heap(void)
{
}

void platform_trim_heap(void)
{
}
#endif
