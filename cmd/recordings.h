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
/* Where the store is. */
const char *recordings_store(const struct recordings *recordings);
void recordings_free(struct recordings *recordings);

/* Every complete line of a journal, segment after segment. It ends where a
 * segment is missing or cannot be read and, unless `verified` is NULL, at the
 * first file that has a finding there which is worse than INCOMPLETE. -1 when
 * it ended before the last segment; `err` says why. */
must_use int recordings_read(const struct catalog_journal *journal,
                             const struct verify_report *verified,
                             void (*use)(void *context, const struct reader_line *line),
                             void *context, struct error *err);

/* "running", "crashed", "damaged", "uploading" or "stored", by the names of its
 * files. */
const char *recordings_state(const struct catalog_session *session);
