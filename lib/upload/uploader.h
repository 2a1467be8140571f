/* uploader.h - takes sealed segments to the store, oldest first, in a thread of its own. What fails
 * stays in the spool and is tried again, at longer and longer intervals. What another process has
 * stored and taken out of the spool meanwhile is done. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "upload/store.h"

struct uploader;

/* The store is used by the uploader's thread alone until uploader_stop(). */
must_use struct uploader *uploader_start(const struct store_type *type, struct store *store,
                                         struct error *err);

/* A sealed file in the spool; the cluster is read from its index. From any thread; fits
 * journal_config.sealed with the uploader as its context. */
void uploader_add(void *uploader, const char *path, bool is_last);

/* Tries all that is left, what failed before too, and waits until each is stored or has failed.
 * 0: everything is in the store. -1: something still lies in the spool, `err` has the last reason.
 */
must_use int uploader_flush(struct uploader *uploader, struct error *err);

void uploader_stop(struct uploader **uploader);
