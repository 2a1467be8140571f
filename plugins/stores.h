/* stores.h - the store plugins that are built in. */
#pragma once

#include "upload/store.h"

/* The store that a URL or a path names, opened; `type` gets its kind. ERROR_CONFIG: no plugin has
 * that scheme; else what the plugin says. */
must_use struct store *stores_open(const char *url, const struct store_type **type,
                                   struct error *err);
