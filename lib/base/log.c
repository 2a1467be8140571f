#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/scoped.h"
#include "base/utf8.h"

static void write_line(struct str text)
{
    scoped(buf_free) struct buf line = {0};

    buf_append_text(&line, "kubectl-hoop: ");
    utf8_append_safe(&line, text);
    buf_append_char(&line, '\n');
    ignore(file_write_all(STDERR_FILENO, line.data, line.len));
}

void log_line(const char *fmt, ...)
{
    char text[2048];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    write_line(str_from(text));
}

void log_error(const struct error *err)
{
    if (err->fix[0])
        log_line("%s (fix: %s)", err->text, err->fix);
    else
        log_line("%s", err->text);
}
