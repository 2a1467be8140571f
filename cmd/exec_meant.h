/* exec_meant.h - `kubectl exec POD -- CMD` is what fingers type, and `--` is easily forgotten: what
 * was typed to `kubectl hoop exec` is answered with the command that was meant. */
#pragma once

#include "base/error.h"

/* argv[0] is "exec". 0: nothing in it looks like either; whether the flags are right is for
 * options_parse() to say. -1: ERROR_USAGE, with the command that was meant as its fix. */
must_use int exec_meant_check(int argc, char **argv, struct error *err);
