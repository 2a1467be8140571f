/* tool.h - a program on PATH that is not ours: the real one behind a shim. */
#pragma once

#include "base/error.h"

#define TOOL_PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin" /* where PATH is not set */

/* The first executable regular file called `name` on `path` (as in $PATH; NULL: it is not set) that
 * is not this program under another name, and does not stand in `own_directory` (or NULL). Owned by
 * the caller. NULL: ERROR_NOT_FOUND. */
must_use char *tool_find(const char *name, const char *path, const char *own_directory,
                         struct error *err);

/* An executable regular file that is not this program under another name? ERROR_CONFIG. */
must_use int tool_check(const char *program, struct error *err);
