/* style.h - the few colours of what is printed for people. They are all that may hold an escape
 * character: recorded text is escaped before it is put between them. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

enum style {
    STYLE_PLAIN,
    STYLE_STRONG, /* what the eye should find: commands */
    STYLE_FAINT,  /* what it may pass over: numbers, discovery */
    STYLE_GOOD,
    STYLE_NOTE, /* changes something, is redirected */
    STYLE_WARN,
    STYLE_BAD,
};

/* What stands between the two looks like `style`; nothing is appended unless `is_coloured`. */
void style_begin(struct buf *out, bool is_coloured, enum style style);
void style_end(struct buf *out, bool is_coloured, enum style style);

/* `text`, which is safe already, in that style. */
void style_text(struct buf *out, bool is_coloured, enum style style, struct str text);

/* The sequence at the start of `text`, in bytes; 0 when there is none. */
size_t style_length(struct str text);

enum style style_of_status(int code); /* of HTTP; 0: no answer */
enum style style_of_method(const char *method);
