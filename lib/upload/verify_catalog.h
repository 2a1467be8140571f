/* verify_catalog.h - the verdict about one session of a catalog: opens its files for verify.h, one
 * at a time. Blocking. Changes nothing. */
#pragma once

#include "session/trust.h"
#include "session/verify.h"
#include "upload/catalog.h"

/* `session` is one of `catalog`, `expect` as for verify_finish(). What cannot be opened is a
 * finding. Where files seem to be missing they are listed once more before it is said: a gateway
 * may have sealed and shipped them meanwhile. */
void catalog_verify(const struct catalog *catalog, const struct catalog_session *session,
                    const struct trust *trust, const char *expect, struct verify_report *report);
