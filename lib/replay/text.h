/* text.h - the timeline as text for people. Every byte that came from a recording is escaped. */
#pragma once

#include "replay/bodies.h"
#include "replay/changes.h"
#include "replay/filter.h"
#include "replay/timeline.h"

/* Takes the text piece by piece. */
typedef void replay_write(void *context, struct str text);

struct text_options {
    size_t columns;      /* of the terminal; 0: none, lines are as long as they need */
    bool is_coloured;    /* style.h; nothing else that could drive a terminal ever comes out */
    uint64_t command;    /* only this one's requests; 0: all */
    const char *verdict; /* "INTACT, self-attested"; NULL: none */
    const struct replay_filter *filter; /* NULL: everything */
    const struct bodies *bodies;        /* show those; NULL: none */
    const struct changes *changes;      /* show those; NULL: none */
};

void text_write_timeline(const struct timeline *timeline, const struct text_options *options,
                         replay_write *write, void *context);

/* One exchange in full: heads, bodies, end, changes. The options' bodies must hold it. */
void text_write_exchange(const struct timeline *timeline, const struct replay_request *request,
                         const struct text_options *options, replay_write *write, void *context);

/* A body: JSON with line breaks, withheld and missing parts named, each line after `indent`. */
void text_write_body(const struct body *body, const char *indent, replay_write *write,
                     void *context);
