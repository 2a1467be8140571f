/* medium_source.h - a file of a medium, to be read as a source. */
#pragma once

#include "session/medium.h"
#include "session/source.h"

/* Borrowed by the source. */
struct medium_source {
    const struct medium *medium;
    int file;
};

/* Its first `bytes` bytes. */
struct source medium_source(struct medium_source *holder, uint64_t bytes);
