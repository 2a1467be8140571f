/* spool.h - the places of an installation, the files under its
 * journals, and what lies in the spool. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "session/medium.h"
#include "session/sealed.h"

/* Paths below $XDG_STATE_HOME/kubectl-hoop, else ~/.local/state/kubectl-hoop. Owned. */
struct places {
    char *store, *spool, *keys, *trust;
};
/* ERROR_CONFIG: neither XDG_STATE_HOME nor HOME is an absolute path. */
must_use int places_find(struct places *places, struct error *err);
/* Makes spool, keys and trust, 0700, and syncs their parents. ERROR_STORAGE. */
must_use int places_make(const struct places *places, struct error *err);
void places_free(struct places *places);

/* Files of this system: flock(2), fdatasync(2). */
extern const struct medium medium_posix;

/* Names in a directory. `each` returns false to stop. A directory that does not exist is empty.
 * ERROR_STORAGE. */
must_use int spool_list(const char *directory, bool (*each)(void *context, const char *name),
                        void *context, struct error *err);

/* The tail of a sealed file; the rest of it is not read. Fills `sealed` on success only.
 * ERROR_STORAGE: it cannot be read, else as sealed_read(). */
must_use int spool_read_sealed(const char *path, struct sealed *sealed, struct error *err);

/* Does a process hold this file's lock? -1 with errno when it cannot be told. */
int spool_is_locked(const char *path);
