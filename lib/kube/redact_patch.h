/* redact_patch.h - which values of a JSON patch (RFC 6902) are secret: its operations' paths say,
 * and may stand behind the values. So a patch is read whole first. No I/O. */
#pragma once

#include <stddef.h>

#include "base/str.h"
#include "kube/redact_keys.h"

/* All zero: nothing is known, each value is secret. */
struct redact_patch {
    unsigned char *classes; /* enum key_class of each operation's value; owned */
    size_t count;
};

/* Reads `text`; what is no array of operations is left all zero. `test` has a value like the
 * others; what `copy` and `move` take along stands in no patch. */
void redact_patch_read(struct redact_patch *patch, struct str text);
enum key_class redact_patch_class(const struct redact_patch *patch, size_t operation);
void redact_patch_free(struct redact_patch *patch);

/* Of the value at an RFC 6901 path: that of its last segment, or secret below one that is any. */
enum key_class redact_path_class(struct str path);
