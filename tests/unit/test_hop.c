#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/scoped.h"
#include "http/hop.h"

static void strip_applies_connection_first(void **state)
{
    scoped(http_head_free) struct http_head head = {0};
    struct error err = {0};

    http_head_add(&head, "X-One", STR("1"));
    http_head_add(&head, "Connection", STR("x-one, ,Close"));
    http_head_add(&head, "x-ONE", STR("2"));
    http_head_add(&head, "Accept", STR("a"));
    http_head_add(&head, "X-Two", STR("2"));
    http_head_add(&head, "connection", STR("X-Two"));
    http_head_add(&head, "Kept", STR("k"));

    assert_int_equal(0, hop_strip(&head, &err));

    assert_int_equal(2, head.field_count);
    assert_true(str_is(head.fields[0].name, "Accept"));
    assert_true(str_is(head.fields[1].name, "Kept"));
}

static void strip_removes_the_fixed_list(void **state)
{
    static const char *const names[] = {
        "Proxy-Connection",
        "keep-alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "HTTP2-Settings",
        "TE",
        "Connection",
    };

    for (size_t i = 0; i < count_of(names); i++) {
        scoped(http_head_free) struct http_head head = {0};
        struct error err = {0};

        http_head_add(&head, names[i], STR("gzip"));
        assert_int_equal(0, hop_strip(&head, &err));
        assert_int_equal(0, head.field_count);
    }
}

static void strip_keeps_trailers_of_te(void **state)
{
    scoped(http_head_free) struct http_head head = {0};
    struct error err = {0};

    http_head_add(&head, "TE", STR("gzip, Trailers"));
    http_head_add(&head, "Connection", STR("TE"));
    assert_int_equal(0, hop_strip(&head, &err));
    assert_int_equal(1, head.field_count);
    assert_true(str_is(http_head_get(&head, "te"), "trailers"));
}

static void strip_refuses_connection_that_names_what_matters(void **state)
{
    static const char *const values[] = {
        "Authorization",
        "close, host",
        "content-length",
        "Transfer-Encoding",
        "AUDIT-ID",
        "Impersonate-User",
        "impersonate-extra-a",
        "X-Remote-Group",
        "Content-Type",
        "kubectl-command",
        "a b",
        "a;b",
        "\"close\"",
    };

    for (size_t i = 0; i < count_of(values); i++) {
        scoped(http_head_free) struct http_head head = {0};
        struct error err = {0};

        http_head_add(&head, "Keep-Alive", STR("1"));
        http_head_add(&head, "Connection", str_from(values[i]));
        assert_int_equal(-1, hop_strip(&head, &err));
        assert_int_equal(ERROR_PROTOCOL, err.kind);
        assert_int_equal(2, head.field_count);
    }
}

static void strip_refuses_endless_connection(void **state)
{
    scoped(http_head_free) struct http_head head = {0};
    struct error err = {0};

    for (int i = 0; i < 65; i++)
        http_head_add(&head, "Connection", STR("a"));
    assert_int_equal(-1, hop_strip(&head, &err));
}

static void upgrade_needs_both_fields_and_a_known_protocol(void **state)
{
    static const struct {
        const char *connection, *upgrade;
        int version;
        bool is_upgrade;
    } rows[] = {
        {"keep-alive, upGrade", "SPDY/3.1", 11, true},
        {"Upgrade", "WebSocket", 11, true},
        {"Upgrade", NULL, 11, false},
        {NULL, "websocket", 11, false},
        {"keep-alive", "websocket", 11, false},
        {"Upgrade", "websocket", 10, false},
        {"Upgrade", "h2c", 11, false},
        {"Upgrade", "websocket, h2c", 11, false},
        {"Upgrade", "TLS/1.0", 11, false},
        {"Upgrade", "SPDY/3", 11, false},
        {"Upgrade", "", 11, false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scoped(http_head_free) struct http_head head = {.version = rows[i].version};

        if (rows[i].connection)
            http_head_add(&head, "Connection", str_from(rows[i].connection));
        if (rows[i].upgrade)
            http_head_add(&head, "Upgrade", str_from(rows[i].upgrade));
        assert_int_equal(rows[i].is_upgrade, hop_upgrade(&head).len > 0);
    }
}

static void upgrade_named_twice_is_none(void **state)
{
    scoped(http_head_free) struct http_head head = {.version = 11};

    http_head_add(&head, "Connection", STR("Upgrade"));
    http_head_add(&head, "Upgrade", STR("websocket"));
    http_head_add(&head, "Upgrade", STR("websocket"));
    assert_int_equal(0, hop_upgrade(&head).len);
}

static void strip_upgrade_keeps_the_upgrade_alone(void **state)
{
    scoped(http_head_free) struct http_head head = {.version = 11};
    struct error err = {0};

    http_head_add(&head, "Connection", STR("X-Hop, Upgrade, keep-alive"));
    http_head_add(&head, "X-Hop", STR("1"));
    http_head_add(&head, "HTTP2-Settings", STR("AAAA"));
    http_head_add(&head, "Upgrade", STR("websocket"));
    http_head_add(&head, "Sec-WebSocket-Version", STR("13"));
    assert_int_equal(0, hop_strip_upgrade(&head, &err));

    assert_int_equal(3, head.field_count);
    assert_true(str_is(http_head_get(&head, "Connection"), "Upgrade"));
    assert_true(str_is(http_head_get(&head, "Upgrade"), "websocket"));
    assert_true(http_head_has(&head, "Sec-WebSocket-Version"));
}

static void head_survives_being_moved_and_copied(void **state)
{
    scoped(http_head_free) struct http_head head = {.method = STR("GET")};
    scoped(http_head_free) struct http_head copy = {0};

    for (int i = 0; i < 1000; i++) {
        scoped(buf_free) struct buf value = {0};

        buf_printf(&value, "value %d", i);
        http_head_add(&head, "name", buf_str(&value));
    }
    scoped(http_head_delete) struct http_head *moved = http_head_take(&head);

    assert_int_equal(0, head.field_count);
    http_head_copy(&copy, moved);
    http_head_set(&copy, "NAME", STR("only"));
    assert_int_equal(1, copy.field_count);
    assert_true(str_is(copy.fields[0].value, "only"));
    assert_int_equal(1000, http_head_count(moved, "Name"));
    assert_true(str_is(moved->fields[999].value, "value 999"));
    assert_true(str_is(copy.method, "GET"));
    assert_int_equal(1000, http_head_remove(moved, "name"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strip_applies_connection_first),
        cmocka_unit_test(strip_removes_the_fixed_list),
        cmocka_unit_test(strip_keeps_trailers_of_te),
        cmocka_unit_test(strip_refuses_connection_that_names_what_matters),
        cmocka_unit_test(strip_refuses_endless_connection),
        cmocka_unit_test(upgrade_needs_both_fields_and_a_known_protocol),
        cmocka_unit_test(upgrade_named_twice_is_none),
        cmocka_unit_test(strip_upgrade_keeps_the_upgrade_alone),
        cmocka_unit_test(head_survives_being_moved_and_copied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
