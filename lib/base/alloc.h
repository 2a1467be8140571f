/* alloc.h - allocation that aborts when memory ends. Whatever a peer can size goes into a
 * struct buf with a limit instead. All results are owned by the caller, freed with free(). */
#pragma once

#include <stddef.h>

#include "base/error.h"

must_use void *xcalloc(size_t count, size_t size);
must_use void *xrealloc(void *old, size_t size);
must_use void *xreallocarray(void *old, size_t count, size_t size);
must_use char *xstrdup(const char *text);
must_use char *xstrndup(const char *text, size_t len);
must_use char *xasprintf(const char *fmt, ...) printf_like(1, 2);
