/* journal_kit.h - what the tests of journal and recovery share: a disk in memory, keys, events, and
 * a reader of segments that is not the one of the program. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_medium.h"
#include "session/event.h"
#include "session/index.h"
#include "session/journal.h"

#define KIT_SESSION "01J5ZZZZZZZZZZZZZZZZZZZZZZ"
#define KIT_SPOOL "/spool"
#define KIT_PATH(n, suffix) KIT_SPOOL "/" KIT_SESSION "-00c0ffee-0000" #n ".jsonl.zst" suffix

struct kit {
    struct fake_medium *fake;
    struct root_key *root;
    struct boot *boot;
    struct reserve *reserve;
    struct journal_config config;
    struct instant now;
    struct buf sealed; /* "NAME last\n" for each segment that was handed on */
};

int kit_set_up(void **state);
int kit_tear_down(void **state);

struct journal *kit_open(struct kit *kit);
/* An event with `bytes` of filling that does not compress. The result of journal_append(). */
int kit_append(struct kit *kit, struct journal *journal, const char *type, size_t bytes,
               struct error *err);
int kit_append_exchange(struct kit *kit, struct journal *journal, const char *type,
                        int64_t exchange);
/* One that must succeed, durably. */
void kit_record(struct kit *kit, struct journal *journal, const char *type);
void kit_end(struct kit *kit, struct journal *journal);

/* All that can be decompressed; the result is what zstd says of the rest: "" when all was read. */
const char *kit_plain(struct str file, struct buf *plain);
/* Must be a sealed file that fits its tail in all points. Fills `tail`; the plain text without the
 * tail is in `plain`. */
void kit_assert_sealed(struct kit *kit, const char *path, struct tail *tail, struct buf *plain);
/* How often `needle` stands there. */
unsigned kit_count(struct str text, const char *needle);
/* `seq` of the lines, in order, as "0 1 2 5-gap ". */
char *kit_seqs(struct str plain);
