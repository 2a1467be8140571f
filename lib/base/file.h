/* file.h - whole small files, and directories only their owner can enter. */
#pragma once

#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

/* Reads all of `path` (at most out->limit bytes) into `out`. ERROR_CONFIG with errno's text, or
 * when it is too large. */
must_use int file_read(const char *path, struct buf *out, struct error *err);

/* Replaces `path` as a whole: temporary file beside it, written, fdatasynced, renamed. */
must_use int file_write(const char *path, struct str data, mode_t mode, struct error *err);

/* Creates `path` and its parents with mode 0700; what exists is left as it is. */
must_use int file_make_dirs(const char *path, struct error *err);

/* fsync of a directory, so that names made in it last. */
must_use int file_sync_dir(const char *path, struct error *err);

/* All of it, over short writes and EINTR. -1 with errno. */
must_use int file_write_all(int fd, const void *data, size_t len);
