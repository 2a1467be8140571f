#include "session/mismatch.h"

#include <stdarg.h>
#include <stdio.h>

void mismatch_set(struct mismatch *mismatch, const char *place, const char *expected,
                  const char *found_fmt, ...)
{
    va_list args;

    if (mismatch_is_set(mismatch))
        return;
    snprintf(mismatch->place, sizeof mismatch->place, "%s", place);
    snprintf(mismatch->expected, sizeof mismatch->expected, "%s", expected);
    va_start(args, found_fmt);
    vsnprintf(mismatch->found, sizeof mismatch->found, found_fmt, args);
    va_end(args);
}

int mismatch_error(const struct mismatch *mismatch, struct error *err)
{
    return error_set(err, ERROR_PROTOCOL, "%s%sexpected %s, found %s", mismatch->place,
                     mismatch->place[0] ? ": " : "", mismatch->expected, mismatch->found);
}
