/* reap.h - what died is sealed, what is sealed goes to the store: `sessions reap`, and `exec` when
 * its session process is gone. Blocking. */
#pragma once

#include "base/error.h"
#include "upload/spool.h"
#include "upload/store.h"

struct reap_report {
    unsigned running;   /* .part files that a living gateway holds */
    unsigned recovered; /* sealed by us, or only renamed */
    unsigned removed;   /* held nothing */
    unsigned stored;    /* taken to the store */
    unsigned failed;    /* could not be; the last reason is in `problem` */
    struct error problem;
};

/* One session, or with NULL all. One bad file does not stop the others. -1 only when nothing could
 * be tried: keys or spool. */
must_use int reap(const struct places *places, const struct store_type *type, struct store *store,
                  const char *session, struct reap_report *report, struct error *err);
