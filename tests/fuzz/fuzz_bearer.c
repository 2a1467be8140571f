/* fuzz_bearer.c - whatever a client shows: nothing passes but what the session's key has made. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scoped.h"
#include "proxy/bearer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char key[BEARER_KEY_BYTES] = {7};
    struct str shown = str_make(data, size);
    struct bearer bearer = {.user = 99};
    struct error err = {0};

    if (bearer_check(&bearer, shown, key, "01JDFGHJKMNPQRSTVWXYZ01234", &err) < 0) {
        assert(err.kind == ERROR_AUTH && err.text[0] && bearer.user == 99);
        return 0;
    }
    scoped(free_text) char *made =
        bearer_make(key, "01JDFGHJKMNPQRSTVWXYZ01234", bearer.user, bearer.invocation);
    assert(str_ends(str_trim(shown), str_from(made)));
    return 0;
}
