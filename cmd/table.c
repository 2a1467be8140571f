#include "table.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/num.h"
#include "replay/format.h"

#define GAP "   "

struct table {
    const char *const *headings;
    size_t columns;
    struct str *cells; /* owned, each escaped: row by row */
    size_t rows;
    size_t width[TABLE_COLUMNS_MAX];
};

static bool is_right(const struct table *table, size_t column)
{
    return table->headings[column][0] == '>';
}

static const char *heading_of(const struct table *table, size_t column)
{
    return table->headings[column] + is_right(table, column);
}

struct table *table_new(const char *const *headings)
{
    struct table *table = xcalloc(1, sizeof *table);

    table->headings = headings;
    while (headings[table->columns] && table->columns < TABLE_COLUMNS_MAX)
        table->columns++;
    for (size_t i = 0; i < table->columns; i++)
        table->width[i] = format_width(str_from(heading_of(table, i)));
    return table;
}

void table_add(struct table *table, const char *const *cells)
{
    table->cells =
        xreallocarray(table->cells, (table->rows + 1) * table->columns, sizeof *table->cells);
    for (size_t i = 0; i < table->columns; i++) {
        struct buf safe = {0};
        format_safe(&safe, cells[i] && *cells[i] ? cells[i] : "-");
        size_t len = safe.len;
        struct str cell = str_make(buf_take_text(&safe), len);
        table->cells[table->rows * table->columns + i] = cell;
        table->width[i] = max_of(table->width[i], format_width(cell));
    }
    table->rows++;
}

static void write_row(const struct table *table, const struct str *cells, struct buf *out)
{
    for (size_t i = 0; i < table->columns; i++) {
        if (i)
            buf_append_text(out, GAP);
        for (size_t at = format_width(cells[i]); is_right(table, i) && at < table->width[i]; at++)
            buf_append_char(out, ' ');
        size_t from = out->len;
        buf_append_str(out, cells[i]);
        if (i + 1 < table->columns && !is_right(table, i))
            format_pad(out, from, table->width[i]);
    }
    buf_append_char(out, '\n');
}

void table_write_rows(const struct table *table, struct buf *out)
{
    for (size_t i = 0; i < table->rows; i++)
        write_row(table, table->cells + i * table->columns, out);
}

void table_write(const struct table *table, struct buf *out)
{
    struct str headings[TABLE_COLUMNS_MAX];

    if (!table->rows)
        return;
    for (size_t i = 0; i < table->columns; i++)
        headings[i] = str_from(heading_of(table, i));
    write_row(table, headings, out);
    table_write_rows(table, out);
}

void table_free(struct table **table)
{
    struct table *it = *table;

    if (!it)
        return;
    for (size_t i = 0; i < it->rows * it->columns; i++)
        free((char *)it->cells[i].data);
    free(it->cells);
    free(it);
    *table = NULL;
}
