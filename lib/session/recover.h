/* recover.h - seals what a gateway left behind when it died (man hoop-session, "While it is open").
 * It may be killed anywhere and run again; what is locked is left alone. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "session/index.h"
#include "session/keys.h"
#include "session/medium.h"

struct recover_config {
    const struct medium *medium;
    const char *spool_directory;
    const struct boot *boot; /* of the recovering process: it signs */
    /* Fills `before` with the sealed segment n, wherever it is now, and the hash of its index line.
     * ERROR_NOT_FOUND: it is nowhere; -1 with another kind when that cannot be told. */
    int (*fetch_index)(void *context, const char *session, const char *journal, uint32_t n,
                       struct index *before, char line_sha256[SHA256_HEX_BYTES], struct error *err);
    void *context;
};

enum recover_outcome {
    RECOVER_RUNNING, /* its gateway lives: untouched */
    RECOVER_GONE,    /* no such file any more */
    RECOVER_RENAMED, /* it was sealed, but for its name */
    RECOVER_SEALED,
    RECOVER_REMOVED, /* nothing was recorded in it */
};

/* One `.part` of the spool, by its file name. Those of one journal in the order of n, up to the
 * first that is RUNNING. ERROR_STORAGE; ERROR_PROTOCOL when it is no recording of ours. */
must_use int recover_part(const struct recover_config *config, const char *name, struct instant now,
                          enum recover_outcome *outcome, struct error *err);
