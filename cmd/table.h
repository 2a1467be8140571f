/* table.h - rows as kubectl prints them: upper-case headings, three blanks between columns, nothing
 * cut. Every cell is escaped. */
#pragma once

#include "base/buf.h"

#define TABLE_COLUMNS_MAX 16

struct table; /* opaque */

/* `headings` is NULL-terminated and borrowed; one that begins with `>` is aligned to the right. */
struct table *table_new(const char *const *headings);
/* One row: as many texts as there are headings; NULL is shown as "-". Copied. */
void table_add(struct table *table, const char *const *cells);
/* Appended to `out`; without rows, nothing. */
void table_write(const struct table *table, struct buf *out);
/* Without the headings. */
void table_write_rows(const struct table *table, struct buf *out);
void table_free(struct table **table);
