/* catalog.h - what a store and a spool hold, for those that read: sessions, their journals, their
 * segments (man hoop-session). Names only; no file is opened until it is asked for, so
 * that one bad file never hides a list. Blocking. Changes nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "session/source.h"

#define CATALOG_PREFIX_MIN 4 /* characters that can name a session */
#define CATALOG_SHORT_MIN 8  /* characters that a list shows, at least */

enum segment_form {
    SEGMENT_SEALED,   /* ….jsonl.zst */
    SEGMENT_RUNNING,  /* ….jsonl.zst.part, locked by its gateway */
    SEGMENT_CRASHED,  /* ….jsonl.zst.part, nobody holds its lock: `sessions reap` */
    SEGMENT_BAD,      /* ….bad: kept after a failed write */
    SEGMENT_CONFLICT, /* ….conflict-<ulid>.jsonl.zst: foreign, never replayed */
};

struct catalog_segment {
    uint32_t n;
    enum segment_form form;
    bool in_store;   /* else in the spool: still uploading, when sealed */
    char *path;      /* of the file */
    const char *key; /* the part of `path` that names it to people: below the store, or the name */
    uint64_t bytes;  /* when it was listed */
};

/* Segments by n; with equal n by form, the store's before the spool's. */
struct catalog_journal {
    char id[9];    /* 8 hex digits */
    char *cluster; /* from the store's key; "" when all of it is in the spool */
    struct catalog_segment *segments;
    size_t count;
};

struct catalog_session {
    char id[27];                      /* ULID */
    struct catalog_journal *journals; /* by id */
    size_t count;
};

struct catalog_places {
    const char *store; /* a directory, as a path or a file: URL; NULL: none */
    const char *spool; /* NULL: none */
    /* Of the spool take only journals of which the store has a segment. */
    bool spool_follows;
};

struct catalog; /* opaque */

/* Reads the names. A place that does not exist yet is empty when `must_exist` is false, else, like
 * one that cannot be read: ERROR_UNVERIFIABLE. */
must_use struct catalog *catalog_open(const struct catalog_places *places, bool must_exist,
                                      struct error *err);
void catalog_free(struct catalog **catalog);

/* The same places once more, as they are now, for this session alone: files move from spool to
 * store while a list is read. */
must_use struct catalog *catalog_relist(const struct catalog *catalog, const char *session,
                                        struct error *err);

/* Why something may be missing: a directory in a place could not be read. NULL: none. */
const struct error *catalog_problem(const struct catalog *catalog);

/* Oldest first. */
size_t catalog_count(const struct catalog *catalog);
const struct catalog_session *catalog_session(const struct catalog *catalog, size_t i);

/* A ULID, a unique prefix of at least CATALOG_PREFIX_MIN characters (either case), `@last`, `@2`
 * (the second newest). ERROR_NOT_FOUND: none, or several; then the text lists them.
 * ERROR_USAGE: too short, or no name at all. */
must_use const struct catalog_session *catalog_find(const struct catalog *catalog, const char *name,
                                                    struct error *err);

/* How many characters of an id tell every session of the catalog from the others, at least
 * CATALOG_SHORT_MIN. */
size_t catalog_short_length(const struct catalog *catalog);

/* Opens its bytes; source_close() when done. ERROR_STORAGE. */
must_use int catalog_open_segment(const struct catalog_segment *segment, struct source *source,
                                  struct error *err);
