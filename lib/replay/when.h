/* when.h - a moment as people type it after --since and --until. */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/* One of
 *   2026-11-22T17:02:11Z, …11.25Z, …11+01:00    RFC 3339
 *   2026-11-22                                  its first moment, UTC
 *   today, yesterday                            likewise
 *   now
 *   30s, 5h30m, 2d, 1w2d                        that long before `now_unix_us`: whole numbers of w,
 * d, h, m, s, each unit once, the longer first Nothing may stand around it. ERROR_USAGE, with the
 * forms as its fix; `unix_us` is untouched then. */
must_use int when_parse(int64_t *unix_us, struct str text, int64_t now_unix_us, struct error *err);
