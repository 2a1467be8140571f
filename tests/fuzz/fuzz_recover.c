/* What a crash, or a stranger, left in the spool: recovery ends, keeps what it does not understand,
 * and what it seals can be parsed. */
#include <assert.h>
#include <stdint.h>

#include "base/num.h"
#include "base/scoped.h"
#include "fake_medium.h"
#include "session/recover.h"

#define NAME "01M823AJHRABCDEFGHJKMNPQRS-00c0ffee-00002.jsonl.zst"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int no_index(void *context, const char *session, const char *journal, uint32_t n,
                    struct index *before, char line_sha256[SHA256_HEX_BYTES], struct error *err)
{
    return error_set(err, ERROR_STORAGE, "none");
}

static struct boot *boot(void)
{
    static struct root_key *root;
    static struct boot *made;
    struct error err = {0};

    if (!root)
        root = root_key_new();
    if (!made)
        made = boot_new(root, "fuzz", &err);
    return made;
}

static void assert_sealed(struct str file)
{
    scoped(tail_free) struct tail tail = {0};
    struct error err = {0};
    size_t len = min_of(file.len, TAIL_BYTES_MAX);

    assert(file.data);
    assert(tail_parse(&tail, str_skip(file, file.len - len), file.len, &err) == 0);
    assert(tail.index.n == 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(fake_medium_free) struct fake_medium *fake = fake_medium_new();
    const struct recover_config config = {.medium = fake_medium_calls(fake),
                                          .spool_directory = "/spool",
                                          .boot = boot(),
                                          .fetch_index = no_index};
    enum recover_outcome outcome = RECOVER_GONE;
    struct error err = {0};

    fake_medium_put(fake, "/spool/" NAME ".part", str_make(data, size));
    if (recover_part(&config, NAME ".part", (struct instant){1, 1}, &outcome, &err) < 0) {
        /* Not ours, of another version, or without the segment before it. */
        assert(err.kind == ERROR_PROTOCOL || err.kind == ERROR_UNVERIFIABLE ||
               err.kind == ERROR_STORAGE);
        assert(fake_medium_file(fake, "/spool/" NAME ".part").data);
    } else {
        assert_sealed(fake_medium_file(fake, "/spool/" NAME));
    }
    return 0;
}
