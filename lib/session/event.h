/* event.h - one line of a journal, written piece by piece into a buffer (man hoop-session):
 *
 *   event_begin(&line, "request", &stamp);
 *   event_string(&line, "verb", STR("get"));
 *   event_object(&line, "objectRef");
 *   event_string(&line, "resource", STR("pods"));
 *   event_object_end(&line);
 *   event_end(&line);
 *
 * No tree, no allocation but the buffer's: bodies go through here. A key is text of ours that needs
 * no escapes, or NULL inside an array. Check line->overflow at the end: the limit of a line is
 * BUF_LIMIT_DEFAULT. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "session/escape.h"

#define EVENT_LINE_BYTES_MAX ((size_t)1 << 20) /* LF included */
#define EVENT_TYPE_BYTES 32                    /* lower-case letters and dots, and the NUL */
#define EVENT_NO_EXCHANGE (-1)

/* The envelope. */
struct event_stamp {
    const char *session;
    uint64_t seq; /* journal_next_seq() */
    struct instant at;
    struct str command; /* invocation id, or empty */
    int64_t exchange;   /* its number in the journal, or EVENT_NO_EXCHANGE */
};

/* Appends to `line`, which may hold lines already. */
void event_begin(struct buf *line, const char *type, const struct event_stamp *stamp);
void event_end(struct buf *line); /* `}` and LF */

void event_string(struct buf *line, const char *key, struct str value); /* as escape_append_lossy */
void event_text(struct buf *line, const char *key, const char *value);  /* NULL: nothing */
void event_int(struct buf *line, const char *key, int64_t value);
void event_uint(struct buf *line, const char *key, uint64_t value);
void event_bool(struct buf *line, const char *key, bool value);
void event_null(struct buf *line, const char *key);
void event_object(struct buf *line, const char *key);
void event_object_end(struct buf *line);
void event_array(struct buf *line, const char *key);
void event_array_end(struct buf *line);

/* `"text":"…"` or `"latin1":"…"`: a run as escape_run() gave it. */
void event_run(struct buf *line, struct str run, enum escape_kind kind);

/* A small tree of json-c, escaped by our rules. */
void event_json(struct buf *line, const char *key, json_object *value);
/* All members of an object, as members of the one that is open. */
void event_members(struct buf *line, json_object *object);

/* What a complete line, or the beginning of one that event_begin() wrote, says in its envelope.
 * Only that spelling is understood. False: another one. `type` is borrowed from the line. */
struct event_head {
    struct str type, time;
    uint64_t seq;
    int64_t exchange;
};
bool event_parse_head(struct event_head *head, struct str line);
