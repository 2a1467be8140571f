/* text_inside.h - what text.c, text_header.c and text_changes.c share: a line that is being made.
 */
#pragma once

#include "base/buf.h"
#include "replay/style.h"
#include "replay/text.h"

#define TEXT_LINE_LIMIT ((size_t)16 << 20)

struct text {
    const struct timeline *timeline;
    const struct text_options *options;
    replay_write *write;
    void *context;
    struct buf line;
    size_t width; /* of a line, facts included */
    size_t offset_width, number_width;
};

/* Without blanks at its end. */
void text_end_line(struct text *text);

/* Blanks up to that column. */
void text_pad(struct text *text, size_t column);

void text_styled(struct text *text, enum style style, const char *safe);

/* Ends the line with `name`, which is safe already, and `facts` at the right. At a terminal a long
 * name goes on in further lines, each from `indent` on; else no line is broken. */
void text_end_line_with(struct text *text, enum style style, struct str name, size_t indent,
                        struct str facts);

/* The facts about the session, and an empty line. */
void text_write_header(struct text *text);
/* Of one party, where there are several. */
void text_write_party(struct text *text, unsigned party);

/* What a request changed, each line from `indent` on; nothing when that is not known. `most`
 * paths, 0: all. */
void text_write_changes(struct text *text, const struct replay_request *request, size_t indent,
                        size_t most);
