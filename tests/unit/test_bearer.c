#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "proxy/bearer.h"

#define SESSION "01JDFGHJKMNPQRSTVWXYZ01234"

static const unsigned char key[BEARER_KEY_BYTES] = {1, 2, 3};

static void bearer_check_gives_back_what_was_made(void **state)
{
    scoped(free_text) char *text = bearer_make(key, SESSION, 7, STR("01JDFGHJKMNPQRSTVWXYZ09999"));
    scoped(free_text) char *header = xasprintf("Bearer %s", text);
    struct bearer bearer = {0};
    struct error err = {0};

    assert_int_equal(0, bearer_check(&bearer, str_from(header), key, SESSION, &err));
    assert_int_equal(7, bearer.user);
    assert_true(str_is(bearer.invocation, "01JDFGHJKMNPQRSTVWXYZ09999"));
}

static void bearer_check_knows_no_invocation(void **state)
{
    scoped(free_text) char *text = bearer_make(key, SESSION, 0, STR(""));
    scoped(free_text) char *header = xasprintf("bearer  %s", text);
    struct bearer bearer = {0};
    struct error err = {0};

    assert_int_equal(0, bearer_check(&bearer, str_from(header), key, SESSION, &err));
    assert_int_equal(0, bearer.invocation.len);
}

static void bearer_check_refuses_whatever_differs(void **state)
{
    scoped(free_text) char *text = bearer_make(key, SESSION, 7, STR("-x"));
    scoped(free_text) char *right = xasprintf("Bearer %s", text);
    const unsigned char other_key[BEARER_KEY_BYTES] = {1, 2, 4};
    struct bearer bearer = {.user = 42};
    struct error err = {0};

    assert_int_equal(-1, bearer_check(&bearer, str_from(right), other_key, SESSION, &err));
    assert_int_equal(-1, bearer_check(&bearer, str_from(right), key, "01JD", &err));
    for (size_t i = 0; i < strlen(right); i++) { /* each byte counts */
        if (i < 7 && right[i] != ' ')
            continue;
        right[i] ^= 1;
        assert_int_equal(-1, bearer_check(&bearer, str_from(right), key, SESSION, &err));
        right[i] ^= 1;
        assert_int_equal(-1, bearer_check(&bearer, str_make(right, i), key, SESSION, &err));
    }
    assert_int_equal(ERROR_AUTH, err.kind);
    assert_int_equal(42, bearer.user);
    assert_int_equal(-1, bearer_check(&bearer, str_make(NULL, 0), key, SESSION, &err));
    assert_int_equal(-1, bearer_check(&bearer, STR("Bearer khoop1...."), key, SESSION, &err));
    assert_int_equal(0, bearer_check(&bearer, str_from(right), key, SESSION, &err));
}

static void bearer_check_again_remembers_one_and_refuses_others(void **state)
{
    scoped(free_text) char *text = bearer_make(key, SESSION, 7, STR("01JDFGHJKMNPQRSTVWXYZ09999"));
    scoped(free_text) char *first = xasprintf("Bearer %s", text);
    scoped(free_text) char *other = bearer_make(key, SESSION, 8, STR(""));
    scoped(free_text) char *second = xasprintf("bearer   %s", other);
    struct bearer_memo memo = {0};
    struct error err = {0};

    assert_int_equal(-1,
                     bearer_check_again(&memo, &(struct bearer){0}, STR(""), key, SESSION, &err));
    for (int round = 0; round < 4; round++) { /* anew, remembered; and the same when it is back */
        const char *shown = round < 2 ? first : round == 2 ? second : first;
        scoped(free_text) char *borrowed = xstrdup(shown);
        struct bearer bearer = {0};

        assert_int_equal(
            0, bearer_check_again(&memo, &bearer, str_from(borrowed), key, SESSION, &err));
        memset(borrowed, 'x', strlen(borrowed)); /* the memo has a copy */
        assert_int_equal(round == 2 ? 8 : 7, bearer.user);
    }
    struct bearer bearer = {0};

    assert_int_equal(0, bearer_check_again(&memo, &bearer, str_from(first), key, SESSION, &err));
    assert_true(str_is(bearer.invocation, "01JDFGHJKMNPQRSTVWXYZ09999"));
    for (size_t i = 7; i < strlen(first); i++) { /* each byte counts, and no prefix is enough */
        first[i] ^= 1;
        assert_int_equal(-1,
                         bearer_check_again(&memo, &bearer, str_from(first), key, SESSION, &err));
        first[i] ^= 1;
        assert_int_equal(
            -1, bearer_check_again(&memo, &bearer, str_make(first, i), key, SESSION, &err));
    }
    assert_int_equal(0, bearer_check_again(&memo, &bearer, str_from(first), key, SESSION, &err));
}

/* `protocols`: what is sent; NULL ends them. `left`: what goes on, NULL: nothing. */
static void take_out(const char *const *protocols, const char *token, const char *left, int status)
{
    scoped(http_head_free) struct http_head head = {0};
    scoped(buf_free) struct buf authorization = {0};
    struct error err = {0};

    for (size_t i = 0; protocols[i]; i++)
        http_head_add(&head, "sec-websocket-protocol", str_from(protocols[i]));
    assert_int_equal(status, bearer_take_subprotocol(&head, &authorization, &err));
    assert_true(str_is(buf_str(&authorization), token));
    struct str rest = http_head_get(&head, "Sec-WebSocket-Protocol");
    assert_true(left ? str_is(rest, left) : rest.data == NULL);
    if (status < 0)
        assert_int_equal(ERROR_AUTH, err.kind);
}

#define TAKE(token, left, status, ...)                                                             \
    take_out((const char *const[]){__VA_ARGS__, NULL}, token, left, status)

static void subprotocol_bearer_is_taken_out_whatever_it_is(void **state)
{
    static const char p[] = "base64url.bearer.authorization.k8s.io.a2hvb3AxLng"; /* khoop1.x */

    TAKE("", "v4.channel.k8s.io", 0, "v4.channel.k8s.io");
    TAKE("Bearer khoop1.x", "v4.channel.k8s.io", 0, p, "v4.channel.k8s.io");
    TAKE("Bearer khoop1.x", "a, b", 0, "a,base64url.bearer.authorization.k8s.io.a2hvb3AxLng ,\tb");
    TAKE("", NULL, -1, p);                                                     /* nothing beside */
    TAKE("", "a", -1, p, p, "a");                                              /* two */
    TAKE("", "a", -1, "base64url.bearer.authorization.k8s.io.", "a");          /* empty */
    TAKE("", "a", -1, "base64url.bearer.authorization.k8s.io.a2hvb3Ax=", "a"); /* padding */
    TAKE("", "a", -1, "base64url.bearer.authorization.k8s.io.a+/=", "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bearer_check_gives_back_what_was_made),
        cmocka_unit_test(bearer_check_knows_no_invocation),
        cmocka_unit_test(bearer_check_refuses_whatever_differs),
        cmocka_unit_test(bearer_check_again_remembers_one_and_refuses_others),
        cmocka_unit_test(subprotocol_bearer_is_taken_out_whatever_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
