/* medium.h - the files under a journal, as a table of calls, so that a test can tell what is
 * written from what is synced, and let any call fail. All return -1 and set errno, like the system
 * calls they stand for; nothing is retried in them but EINTR. The real one: upload/spool.h. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MEDIUM_NO_FILE (-1)

struct medium {
    void *context;

    /* A new file at `path`, locked for as long as it is open, 0600. EEXIST. Returns its handle. */
    int (*create)(void *context, const char *path);
    /* An existing one, locked, and after locking still what `path` names. EWOULDBLOCK: another
     * process holds the lock; ENOENT. */
    int (*open)(void *context, const char *path);
    void (*close)(void *context, int file); /* and unlocks */

    int (*append)(void *context, int file, const void *data, size_t len); /* all, or -1 */
    /* fdatasync. ENOENT: it has no name any more. */
    int (*sync)(void *context, int file);
    int (*truncate)(void *context, int file, uint64_t bytes);
    ssize_t (*read)(void *context, int file, uint64_t offset, void *data, size_t len);
    int64_t (*size)(void *context, int file);
    /* Makes the file `bytes` long with room that is really there. ENOSPC. */
    int (*allocate)(void *context, int file, uint64_t bytes);

    int (*link)(void *context, const char *from, const char *to);   /* EEXIST */
    int (*rename)(void *context, const char *from, const char *to); /* replaces */
    int (*remove)(void *context, const char *path);
    int (*sync_directory)(void *context, const char *path);
    /* Is there such a name? 1, 0, or -1. */
    int (*exists)(void *context, const char *path);
};
