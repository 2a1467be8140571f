#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/num.h"

#include "kubectl_proxy.h"

#define WORDS_MAX 8

static void argv_changes_for_proxy_alone(void **state)
{
    static const struct {
        const char *argv[WORDS_MAX];
        size_t added; /* where the option stands then; 0: nothing changes */
    } cases[] = {
        {{"kubectl", "proxy"}, 2},
        {{"/bin/kubectl", "proxy", "--port=0", "--", "x"}, 2},
        {{"kubectl", "-n", "proxy", "proxy"}, 4},
        {{"kubectl", "--context=c", "--warnings-as-errors", "-v9", "proxy"}, 5},
        {{"kubectl"}, 0},
        {{"kubectl", "--context", "proxy"}, 0},
        {{"kubectl", "get", "proxy"}, 0},
        {{"kubectl", "-n", "proxy", "get", "pods"}, 0},
        {{"kubectl", "exec", "pod", "--", "kubectl", "proxy"}, 0},
        {{"kubectl", "proxy", "--append-server-path=false"}, 0},
        {{"helm", "proxy"}, 0},
        {{"kubectl", "-n"}, 0},
        {{"kubectl", "--"}, 0},
    };

    for (size_t i = 0; i < count_of(cases); i++) {
        char **argv = (char **)cases[i].argv;
        char **changed = kubectl_proxy_argv(argv);

        assert_int_equal(cases[i].added != 0, changed != NULL);
        for (size_t from = 0, to = 0; changed && (from == 0 || argv[from - 1]); to++) {
            if (to == cases[i].added)
                assert_string_equal("--append-server-path", changed[to]);
            else
                assert_ptr_equal(argv[from++], changed[to]);
        }
        free(changed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(argv_changes_for_proxy_alone)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
