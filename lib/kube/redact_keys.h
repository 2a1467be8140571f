/* redact_keys.h - which members of an object are secret, by their names alone: redact.h's table,
 * for all the forms in which a body may come. No I/O. */
#pragma once

#include "base/str.h"

/* No name of the table is longer. */
#define REDACT_KEY_MAX 64

enum key_class {
    KEY_PLAIN,
    KEY_SECRET, /* its value */
    KEY_MAP,    /* each member's value; all of it where it is no map */
};

enum key_class redact_key_class(struct str name);
