/* inflate.h - gzip comes off as it streams (RFC 1952): several members, each flush given out at
 * once, never more than a fixed window in memory, and no bombs. No I/O. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* A member may grow to this, the whole stream to INFLATE_RATIO_MAX times its wire bytes once it is
 * over INFLATE_RATIO_FREE. There is no cap on the sum of all members: a watch may go on for ever,
 * and each costs its sender wire bytes. */
#define INFLATE_MEMBER_MAX ((uint64_t)2 << 30)
#define INFLATE_RATIO_MAX 1000
#define INFLATE_RATIO_FREE ((uint64_t)1 << 20)

struct inflate;

enum inflate_status {
    INFLATE_OK,
    INFLATE_BROKEN,    /* no gzip from here on */
    INFLATE_TOO_LARGE, /* over a cap from here on */
};

struct inflate *inflate_new(void);

/* Takes wire bytes off `wire` and gives out what they decode to, in parts that end between UTF-8
 * code points where the bytes allow it. On INFLATE_OK `wire` is empty, and everything that can be
 * decoded was given out; else what is left in it was not decoded, and the stream is over. */
enum inflate_status inflate_add(struct inflate *inflate, struct str *wire,
                                void (*out)(void *context, struct str plain), void *context);

/* Did the last member end where the bytes did? True before the first byte. */
bool inflate_is_complete(const struct inflate *inflate);

void inflate_free(struct inflate **inflate); /* wipes the window */
