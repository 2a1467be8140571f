/* sealed.h - the tail of a sealed segment out of a source, and the hash over its data: what is
 * looked at before anything is decompressed. */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "session/index.h"
#include "session/mismatch.h"
#include "session/source.h"

/* All zero is a valid, empty one. */
struct sealed {
    char *end; /* owned: the last bytes of the file; tail.line points into it */
    struct tail tail;
};

/* Fills `sealed` on success only; its tail has the right form, no more. ERROR_PROTOCOL: no exact
 * tail, ERROR_UNVERIFIABLE: of another version (both with `mismatch`); ERROR_STORAGE. */
must_use int sealed_read(struct sealed *sealed, const struct source *source,
                         struct mismatch *mismatch, struct error *err);
void sealed_free(struct sealed *sealed);

/* Is the data what the index says? ERROR_PROTOCOL, with the first frame that is not it;
 * ERROR_STORAGE. */
must_use int sealed_check_hash(const struct sealed *sealed, const struct source *source,
                               struct mismatch *mismatch, struct error *err);
