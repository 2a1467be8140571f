/* mismatch.h - where something in a recording is not as it must be: what a finding of verify says.
 */
#pragma once

#include "base/error.h"

/* All zero: nothing found. Texts that are too long are cut. They may hold bytes from the file:
 * whoever prints them escapes them. */
struct mismatch {
    char place[96]; /* "line 17", "frame 2", "byte 4711", "index /previous", or "" for the whole */
    char expected[160];
    char found[160];
};

/* Keeps the first one; later ones are but its consequences. */
void mismatch_set(struct mismatch *mismatch, const char *place, const char *expected,
                  const char *found_fmt, ...) printf_like(4, 5);

static inline int mismatch_is_set(const struct mismatch *mismatch)
{
    return mismatch->expected[0] != '\0';
}

/* Sets `err` to "place: expected …, found …" (ERROR_PROTOCOL) and returns -1. */
int mismatch_error(const struct mismatch *mismatch, struct error *err);
