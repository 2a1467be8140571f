/* store_dir.h - segments in a directory, laid out as in S3, so that
 * one can be copied into the other. Named by a path or file: URL. */
#pragma once

#include "upload/store.h"

extern const struct store_type store_dir;
