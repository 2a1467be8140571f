/* segment_name.h - what the name of a segment's file says (man hoop-session). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define SEGMENT_NAME_SESSION 26
#define SEGMENT_NAME_JOURNAL 8

enum segment_suffix {
    SEGMENT_NAME_SEALED,   /* .jsonl.zst */
    SEGMENT_NAME_PART,     /* .jsonl.zst.part */
    SEGMENT_NAME_BAD,      /* .jsonl.zst, then anything that ends in .bad */
    SEGMENT_NAME_CONFLICT, /* .conflict-<ulid>.jsonl.zst */
};

struct segment_name {
    char session[SEGMENT_NAME_SESSION + 1];
    char journal[SEGMENT_NAME_JOURNAL + 1];
    uint32_t n;
    enum segment_suffix suffix;
};

/* False: not the name of a segment, in exactly the writer's spelling. */
bool segment_name_parse(struct segment_name *name, struct str text);
