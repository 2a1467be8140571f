/* session_dir.h - the directory of a running loopback session, which only its user can enter:
 *   $XDG_RUNTIME_DIR/kubectl-hoop/<session>/{socket,kubeconfig,ca.crt,bash_env,bashrc,bin/}
 * or, without a usable XDG_RUNTIME_DIR, /tmp/kubectl-hoop-<uid>/<session>/. */
#pragma once

#include "base/error.h"

/* Creates it for `session`, mode 0700. What stands on the way must be a directory (no link) of
 * this user that others cannot write. The path is owned by the caller; NULL: ERROR_CONFIG. */
must_use char *session_dir_create(const char *session, struct error *err);

/* A descriptor that keeps session_dir_remove_dead() off it for as long as it is open, here or in
 * whoever inherits it. exec and the session process each hold one. -1: ERROR_CONFIG. */
must_use int session_dir_hold(const char *directory, struct error *err);

/* Removes what sessions left whose processes were all killed. Returns how many. */
unsigned session_dir_remove_dead(void);

/* Checks that `path` is a directory of this user that nobody else can write, and no link. */
must_use int session_dir_check(const char *path, struct error *err);

/* "<directory>/<name>", owned by the caller. */
must_use char *session_dir_path(const char *directory, const char *name);

/* "<directory>/real-<tool>", owned by the caller: a link to the program that the shim `tool` runs,
 * where the configuration names one. */
must_use char *session_dir_real_path(const char *directory, const char *tool);

/* Removes what a session puts there, then the directory; other files in it are left. */
void session_dir_remove(const char *directory);

/* The tools that get a shim in bin/, NULL at the end. */
extern const char *const session_dir_tools[];
