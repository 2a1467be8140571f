#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/scoped.h"

#include "table.h"

static void table_aligns_columns_and_escapes_cells(void **state)
{
    static const char *const headings[] = {"SESSION", ">CMDS", "TITLE", NULL};
    static const char *const first[] = {"01JDH2K9", "7",
                                        ("Gr\xc3\xbc\xc3\x9f"
                                         "e")};
    static const char *const second[] = {"01JDH2KA\x1b[2J", "12345", NULL};
    scoped(table_free) struct table *table = table_new(headings);
    scoped(buf_free) struct buf out = {0};

    table_write(table, &out);
    assert_int_equal(0, out.len);
    table_add(table, first);
    table_add(table, second);
    table_write(table, &out);
    buf_append_char(&out, '\0');
    assert_string_equal("SESSION            CMDS   TITLE\n"
                        "01JDH2K9              7   Gr\xc3\xbc\xc3\x9f"
                        "e\n"
                        "01JDH2KA\\x1b[2J   12345   -\n",
                        out.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_aligns_columns_and_escapes_cells),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
