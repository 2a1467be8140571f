/* log.h - one line on standard error for what the gateway's loop has to say. Nothing secret, no
 * control bytes: they are escaped here. */
#pragma once

#include "base/error.h"

/* "kubectl-hoop: fmt\n" */
void log_line(const char *fmt, ...) printf_like(1, 2);
/* "kubectl-hoop: text (fix: …)\n" */
void log_error(const struct error *err);
