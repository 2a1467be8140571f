/* platform.h - what each operating system has in its own way: platform_linux.c, platform_macos.c.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* The path this process was started by, as execve(2) was given it: a link in a session's bin/ says
 * which session it belongs to, whatever the environment holds. Owned by the caller; NULL when the
 * system cannot tell. */
char *platform_started_as(void);

/* The file that runs, links resolved. Owned by the caller, never NULL. */
char *platform_executable(void);

/* In a new child: SIGTERM when its parent dies. Where there is no such thing, nothing. */
void platform_die_with_parent(void);

/* The user at the other end of a Unix socket. */
bool platform_peer_user(int fd, uid_t *user);

/* No core file, no ptrace by others of the same user: memory holds keys and tokens. */
void platform_guard_memory(void);

/* For a process that relays bodies for hours: the heap keeps what it has while there is work, and
 * gives it back when asked to. Where the C library has no such thing, nothing. */
void platform_keep_heap(void);
void platform_trim_heap(void);
