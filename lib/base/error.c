#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *err, enum error_kind kind, const char *fmt, ...)
{
    va_list args;

    err->kind = kind;
    err->fix[0] = '\0';
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return -1;
}

int error_errno(struct error *err, enum error_kind kind, const char *fmt, ...)
{
    int cause = errno;
    char what[sizeof err->text];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return error_set(err, kind, "%.300s: %s", what, strerror(cause));
}

int error_wrap(struct error *err, const char *fmt, ...)
{
    char inner[sizeof err->text];
    va_list args;

    memcpy(inner, err->text, sizeof inner);
    va_start(args, fmt);
    int len = vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    if (len >= 0 && (size_t)len < sizeof err->text)
        snprintf(err->text + len, sizeof err->text - (size_t)len, ": %s", inner);
    return -1;
}

int error_fix(struct error *err, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(err->fix, sizeof err->fix, fmt, args);
    va_end(args);
    return -1;
}
