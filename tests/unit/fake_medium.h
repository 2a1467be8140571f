/* fake_medium.h - a disk in memory that tells what is written from what is synced, that can be
 * full, and on which any call can fail. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "session/medium.h"

struct fake_medium; /* opaque */

struct fake_medium *fake_medium_new(void);
void fake_medium_free(struct fake_medium **fake);
const struct medium *fake_medium_calls(struct fake_medium *fake);

/* The `nth` (from 1, from now on) call of that name fails with `cause`, and `times` in all. A
 * failing append writes half of its bytes. Names are the members of struct medium; "*": any. */
void fake_medium_fail(struct fake_medium *fake, const char *call, unsigned nth, int cause,
                      unsigned times);
void fake_medium_heal(struct fake_medium *fake);
/* Bytes for all files; 0: no end. */
void fake_medium_set_capacity(struct fake_medium *fake, uint64_t bytes);
uint64_t fake_medium_used(const struct fake_medium *fake);

/* All calls since the last reset, one a line: "sync NAME", NAME without its directory; for a file
 * the name that it has now. */
const char *fake_medium_log(const struct fake_medium *fake);
void fake_medium_reset_log(struct fake_medium *fake);
unsigned fake_medium_call_count(const struct fake_medium *fake);

/* What `path` holds, and as much of it as is synced; data NULL: no such name. Borrowed until the
 * next call. */
struct str fake_medium_file(const struct fake_medium *fake, const char *path);
struct str fake_medium_synced(const struct fake_medium *fake, const char *path);
void fake_medium_put(struct fake_medium *fake, const char *path, struct str data);
/* The i-th name, or NULL. */
const char *fake_medium_name(const struct fake_medium *fake, unsigned i);

/* Its processes are gone: every lock is free, every handle is closed. */
void fake_medium_kill(struct fake_medium *fake);
/* The power fails too: only what was synced is left, and names as of the last sync_directory. */
void fake_medium_lose_power(struct fake_medium *fake);
