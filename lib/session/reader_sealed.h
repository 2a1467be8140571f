/* reader_sealed.h - what verify_segment.c needs of a reader beyond reader.h. */
#pragma once

#include "session/mismatch.h"
#include "session/reader.h"
#include "session/sealed.h"

/* A sealed segment of which tail and hash were checked. Both are borrowed. */
must_use struct reader *reader_open_index(const struct source *source, const struct index *index);

/* What did not fit, after an ERROR_PROTOCOL; empty before. */
const struct mismatch *reader_mismatch(const struct reader *reader);
