/* reserve.h - 1 MiB of disk that a gateway holds back, so that its journals can still be closed
 * when the disk is full. Used by the thread that uses the journals. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "session/medium.h"

#define RESERVE_BYTES ((uint64_t)1 << 20)

struct reserve;

/* `path` is copied. Nothing is on the disk yet. */
struct reserve *reserve_new(const struct medium *medium, const char *path);
/* Makes it where it is missing. ERROR_STORAGE when there is no room. */
must_use int reserve_fill(struct reserve *reserve, struct error *err);
/* Gives its room back to the disk. */
void reserve_spend(struct reserve *reserve);
bool reserve_is_full(const struct reserve *reserve);
/* Removes the file. */
void reserve_free(struct reserve **reserve);
