/* kubectl_proxy.h - `kubectl proxy`, the one command of kubectl that does not ask below its
 * server's path unless told to: behind the gateway, whose servers' path is the cluster's name, it
 * would reach nothing. */
#pragma once

/* The command line to run in place of `argv` (ending in NULL) when that is `kubectl proxy`: with
 * --append-server-path after the word, unless it says something about that itself. NULL when it is
 * any other. The caller frees the array; the strings are those of `argv`. */
char **kubectl_proxy_argv(char **argv);
