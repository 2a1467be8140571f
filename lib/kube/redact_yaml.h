/* redact_yaml.h - secret values out of YAML that was read whole: redact.h's table, on the events of
 * libyaml. Byte for byte as it came, but for
 *   - scalars that are secret, each a placeholder in double quotes; null stays, without quotes;
 *   - comments, which may say anything: a placeholder behind the '#';
 *   - what has an anchor, for an alias may put it where it is secret, and scalars with a tag;
 *   - members of `data` and the like that no key of a Secret can be (`password:value`).
 * What cannot be understood for certain fails, and is to be withheld: a document that is no map,
 * keys that are no plain scalars, tags and directives of one's own, an anchor without an alias and
 * an alias without an anchor (an unquoted password looks like that), another encoding than UTF-8.
 * No I/O. */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "base/str.h"
#include "kube/fingerprint.h"

#define REDACT_YAML_DEPTH_MAX 64
#define REDACT_YAML_ANCHORS_MAX 256
#define REDACT_YAML_ALIASES_MAX 1000
#define REDACT_YAML_SCALARS_MAX 100000
#define REDACT_YAML_EDITS_MAX 20000

/* `text` is written instead of the bytes from `from` to before `to`. */
struct redact_edit {
    size_t from, to;
    char *text; /* owned */
};

/* In order, none overlaps another. All zero is a valid, empty one. */
struct redact_edits {
    struct redact_edit *items; /* owned */
    size_t count, capacity;
};

/* The edits that make `text` fit to be recorded. -1, and none: it is not understood. The result is
 * read again, and has the same structure and the same scalars, else that is a failure, too. */
must_use int redact_yaml(struct redact_edits *edits, struct str text, struct fingerprint *print);
void redact_edits_free(struct redact_edits *edits);
