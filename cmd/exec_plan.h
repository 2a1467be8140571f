/* exec_plan.h - `exec --dry-run`: what would be recorded, where, and what would run. Starts nothing
 * and writes no file. */
#pragma once

#include "base/error.h"
#include "options.h"
#include "settings.h"

/* Prints it on standard output. ERROR_CONFIG: the kubeconfig; ERROR_NOT_FOUND,
 * ERROR_NOT_EXECUTABLE: the command. */
must_use int exec_plan_print(const struct options *options, const struct settings *settings,
                             char *const *command, struct error *err);
