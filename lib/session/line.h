/* line.h - one line of a recording as a verifier sees it: is it one JSON object (RFC 8259), and
 * what do the few fields say that hold a journal together (man hoop-session). Nothing is
 * allocated: a line of a hostile file costs no more than its own bytes. */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

#define LINE_DEPTH_MAX 64

/* Of the object's own members; of several with one name the last counts, as with jq. Strings are
 * what stands between the quotes, escapes as they are. */
struct line {
    struct str type; /* data NULL: absent, or no string; the same for the next three */
    struct str time;
    struct str session;
    struct str journals;
    int64_t seq; /* -1: absent, or no integer of at most 18 digits; the same for the next two */
    int64_t from;
    int64_t to;
};

/* `text` without its LF. ERROR_PROTOCOL, with the offset in the text: no JSON object, bytes behind
 * it, nested too deep, no UTF-8, or a control byte. */
must_use int line_parse(struct line *line, struct str text, struct error *err);
