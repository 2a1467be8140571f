/* query.h - the parameters of a request's query, for people to read: form encoding, decoded
 * leniently. (request_info.h decides as the server does, and reads by itself.) No I/O. */
#pragma once

#include <stdbool.h>

#include "base/str.h"

/* An escape that is none stays as it is; NUL ends the copy. Owned by the caller. */
char *query_decode(struct str text);
/* Is `name`, however it is escaped, the name of this `name=value`? */
bool query_name_is(struct str pair, const char *name);
/* The first value of that name in the query of `target`; NULL when absent. Owned by the caller. */
char *query_value(struct str target, const char *name);
