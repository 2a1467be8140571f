/* session_files.h - what a session puts into its directory for its command to find. */
#pragma once

#include "base/error.h"
#include "kube/kubeconfig.h"

/* Writes kubeconfig (0600), ca.crt, bash_env and bashrc, and links each shim in bin/ to
 * `with->binary`. ERROR_STORAGE. */
must_use int session_files_write(const char *directory, const struct kubeconfig *kubeconfig,
                                 const struct kubeconfig_private *with, struct error *err);
