/* store.h - where sealed segments live. A store plugin exports one const struct store_type; names
 * are those of man hoop-session, the same in every store. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "session/source.h"

struct store; /* opaque, of its type */

enum store_put_result {
    STORE_PUT_DONE,     /* there, and proven so: the spool's file is gone */
    STORE_PUT_CONFLICT, /* other bytes have that name: kept beside it as ….conflict-<ulid> */
    STORE_PUT_FAILED,   /* `err` says why; the spool's file is as it was. Try again */
};

struct store_object {
    const char *key; /* below the store's prefix: v1/segments/… */
    uint64_t bytes;
};

struct store_type {
    const char *scheme; /* "file" */

    /* `url` is what was configured: a URL of this scheme, or (file) a path. */
    struct store *(*open)(const char *url, struct error *err);
    /* Stores the sealed file `spool_path` under `key`, proves that it is there, removes it from the
     * spool, then calls `done`, before it returns: blocking. `err` is lent for the call. */
    void (*put)(struct store *store, const char *spool_path, const char *key,
                void (*done)(void *context, enum store_put_result result, const struct error *err),
                void *context);
    /* All objects whose key begins with `prefix`, in any order; blocking. `each` returns false to
     * stop. ERROR_UNVERIFIABLE when it cannot be read. */
    int (*list)(struct store *store, const char *prefix,
                bool (*each)(void *context, const struct store_object *object), void *context,
                struct error *err);
    /* Its bytes, to be read by range; blocking. ERROR_NOT_FOUND, ERROR_STORAGE. */
    int (*read)(struct store *store, const char *key, struct source *source, struct error *err);
    void (*close)(struct store **store);
};

/* v1/segments/cluster=<c>/date=YYYY-MM-DD/<session>-<journal>-<n:05>.jsonl.zst; owned by the
 * caller. `name` is the file's, from which session and date come. NULL: no such name. */
char *store_segment_key(const char *name, const char *cluster);

/* The key of the sealed file `path`: its cluster stands in its own index, which its gateway has
 * signed. Owned by the caller. NULL: ERROR_PROTOCOL, no segment; else as spool_read_sealed(). */
must_use char *store_key_of_file(const char *path, struct error *err);
