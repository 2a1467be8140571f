/* fuzz_redact_argv.c - arguments, NUL between them. After them comes `--token CANARY`, around them
 * nothing may be lost. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "kube/redact_argv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CANARY "cAnArY-7f3b9d21e6"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (memmem(data, size, CANARY, strlen(CANARY))) /* the fuzzer learns it */
        return 0;
    const char *argv[16];
    size_t count = 0, replaced = 0, n = 0;
    char *copy = xcalloc(1, size + 1);
    struct buf script = {.limit = 64 << 20}, out = {.limit = 64 << 20};

    memcpy(copy, data, size);
    argv[count++] = "x"; /* so that nothing before announces something else */
    for (char *at = copy; at < copy + size && count < 10; at += strlen(at) + 1)
        argv[count++] = at;
    argv[count++] = "y";
    argv[count++] = "--token=" CANARY;
    argv[count++] = "--password";
    argv[count++] = CANARY;
    argv[count] = NULL;

    char **kept = redact_argv(argv, &replaced);
    for (; kept[n]; n++)
        assert(!strstr(kept[n], CANARY));
    assert(n == count && replaced >= 2);
    redact_argv_free(&kept);

    buf_append(&script, data, size);
    redact_text(&out, buf_str(&script));
    assert(!out.overflow);
    buf_clear(&out);

    /* before anything that opens a quote, an option is found whatever comes later */
    buf_clear(&script);
    buf_append_text(&script, "kubectl --token=" CANARY " --password " CANARY "\n");
    buf_append(&script, data, size);
    redact_text(&out, buf_str(&script));
    assert(str_find(buf_str(&out), STR(CANARY)) < 0);
    buf_free(&out);
    buf_free(&script);
    free(copy);
    return 0;
}
