/* redact_argv.h - what may be recorded of a command line or of a request target.
 *
 * Values go, names stay: `--token VALUE`, `--token=VALUE` and the other options of the table in
 * redact_argv.c, `--from-literal=KEY=VALUE` (the key stays), `-p VALUE` of the commands where it is
 * a password; the same inside a longer argument (`sh -c '…'`); bearer tokens, JWTs, EKS tokens and
 * the password of `scheme://user:password@host` wherever they stand. What replaces one is
 * REDACTED. A guess errs on the side of replacing. No I/O. */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

#define REDACTED "redacted"

/* A NULL-terminated copy of `argv`, owned by the caller. `count`, where not NULL, is increased by
 * the number of values replaced. */
char **redact_argv(const char *const *argv, size_t *count);
void redact_argv_free(char ***argv);

/* The same for one text that is a command line or part of one. Returns the number replaced. */
size_t redact_text(struct buf *out, struct str text);

/* Appends the target of a request (`/path?query`) as it is recorded: the values of `command=` as
 * redact_argv() leaves them, in order; those of access_token and the like replaced; all else
 * byte for byte. Returns the number replaced. */
size_t redact_target(struct buf *out, struct str target);

/* The values of `command=` in a target, decoded, as redact_argv() leaves them; owned by the caller.
 * `count` is increased by the number replaced. */
char **redact_target_command(struct str target, size_t *count);
