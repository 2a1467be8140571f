/* scoped.h - what a scope owns is destroyed when it ends, on every return.
 * A destroyer takes the address of the owner, accepts an empty one and leaves it empty. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define scoped(destroyer) __attribute__((cleanup(destroyer)))

/* Gives a pointer away: the scope no longer owns it. */
#define take(pointer)                                                                              \
    ({                                                                                             \
        __typeof__(pointer) taken_ = (pointer);                                                    \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })

/* scoped(free_text) char *text = …; */
static inline void free_text(char **text)
{
    free(*text);
    *text = NULL;
}

/* scoped(fd_close) int fd = -1; */
static inline void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static inline int fd_take(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}
