/* recordings.h - what `sessions` and `replay` read: the catalog of store and
 * spool, the keys that are trusted, and the lines of a journal up to the first
 * damage. */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "session/reader.h"
#include "session/trust.h"
#include "session/verify.h"
#include "upload/catalog.h"
#include "upload/spool.h"

#include "options.h"
#include "settings.h"

/* All zero is a valid, empty one. */
struct recordings {
    struct places places;
    struct settings settings;
    struct catalog *catalog;
    struct trust *trust;
};

/* With a store that was chosen (--store, KHOOP_STORE, the configuration), that store and what the
 * spool has of its journals; else both places of this installation. With keys, only those are
 * trusted. */
must_use int recordings_open(struct recordings *recordings, const struct options *options,
                             const struct option_list *keys, struct error *err);
/* Says on standard error when a part of the store could not be read; true then. */
bool recordings_say_unread(const struct recordings *recordings);
/* Where the store is. */
const char *recordings_store(const struct recordings *recordings);
void recordings_free(struct recordings *recordings);

/* What is done with each line, and with the reason why a journal ends before its last segment.
 * `journal` is its place in the session. */
struct recordings_user {
    void (*line)(void *context, size_t journal, const struct reader_line *line);
    void (*cut)(void *context, size_t journal, const struct error *err);
    void *context;
};

/* Every complete line of all journals: journal after journal, or merged by time as they were
 * recorded (within a journal, `seq` decides). A journal ends where a segment is missing or cannot
 * be read and, unless `verified` is NULL, at the first file that has a finding there which is worse
 * than INCOMPLETE. */
void recordings_read(const struct catalog_session *session, const struct verify_report *verified,
                     const struct recordings_user *user);
void recordings_merge(const struct catalog_session *session, const struct verify_report *verified,
                      const struct recordings_user *user);

/* "running", "crashed", "damaged", "uploading" or "stored", by the names of its
 * files. */
const char *recordings_state(const struct catalog_session *session);
