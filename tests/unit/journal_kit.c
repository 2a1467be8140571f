#include "journal_kit.h"

#include <string.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/scoped.h"

#define START_UNIX_US 1724500000000000

static void note_sealed(void *context, const char *path, bool is_last)
{
    struct kit *kit = context;
    const char *slash = strrchr(path, '/');

    buf_printf(&kit->sealed, "%s%s\n", slash + 1, is_last ? " last" : "");
}

int kit_set_up(void **state)
{
    struct kit *kit = xcalloc(1, sizeof *kit);
    struct error err = {0};

    kit->fake = fake_medium_new();
    kit->root = root_key_new();
    kit->boot = boot_new(kit->root, "loopback-test", &err);
    kit->reserve = reserve_new(fake_medium_calls(kit->fake), KIT_SPOOL "/.reserve");
    kit->now = (struct instant){.unix_us = START_UNIX_US, .mono_us = 1000000};
    kit->config = (struct journal_config){
        .session = KIT_SESSION,
        .cluster = "demo",
        .boot = kit->boot,
        .medium = fake_medium_calls(kit->fake),
        .spool_directory = KIT_SPOOL,
        .reserve = kit->reserve,
        .journal_id = {0x00, 0xC0, 0xFF, 0xEE},
        .sealed = note_sealed,
        .context = kit,
    };
    assert_non_null(kit->boot);
    *state = kit;
    return 0;
}

int kit_tear_down(void **state)
{
    struct kit *kit = *state;

    reserve_free(&kit->reserve);
    boot_free(&kit->boot);
    root_key_free(&kit->root);
    fake_medium_free(&kit->fake);
    buf_free(&kit->sealed);
    free(kit);
    return 0;
}

struct journal *kit_open(struct kit *kit)
{
    struct error err = {0};
    struct journal *journal = journal_open(&kit->config, kit->now, &err);

    assert_string_equal("", err.text);
    assert_non_null(journal);
    return journal;
}

static int append(struct kit *kit, struct journal *journal, const char *type, int64_t exchange,
                  struct str filling, struct error *err)
{
    scoped(buf_free) struct buf line = {0};

    kit->now.unix_us += 1000;
    kit->now.mono_us += 1000;
    event_begin(&line, type,
                &(struct event_stamp){.session = KIT_SESSION,
                                      .seq = journal_next_seq(journal),
                                      .at = kit->now,
                                      .exchange = exchange});
    if (filling.len)
        event_string(&line, "text", filling);
    event_end(&line);
    return journal_append(journal, buf_str(&line), type, kit->now, err);
}

int kit_append(struct kit *kit, struct journal *journal, const char *type, size_t bytes,
               struct error *err)
{
    scoped(free_text) char *filling = xcalloc(1, bytes + 1);
    uint32_t state = (uint32_t)journal_next_seq(journal) + 1;

    for (size_t i = 0; i < bytes; i++) {
        state = state * 1664525 + 1013904223;
        filling[i] = (char)('!' + 2 + (state >> 24) % 56); /* neither quote nor backslash */
    }
    return append(kit, journal, type, EVENT_NO_EXCHANGE, str_make(filling, bytes), err);
}

int kit_append_exchange(struct kit *kit, struct journal *journal, const char *type,
                        int64_t exchange)
{
    struct error err = {0};

    return append(kit, journal, type, exchange, STR(""), &err);
}

void kit_record(struct kit *kit, struct journal *journal, const char *type)
{
    struct error err = {0};

    assert_int_equal(0, kit_append(kit, journal, type, 0, &err));
    assert_int_equal(0, journal_commit(journal, JOURNAL_DURABLE, kit->now, &err));
}

void kit_end(struct kit *kit, struct journal *journal)
{
    struct error err = {0};

    assert_int_equal(0, kit_append(kit, journal, "session.end", 0, &err));
    assert_int_equal(0, journal_end(journal, "end", kit->now, &err));
    assert_string_equal("", err.text);
}

const char *kit_plain(struct str file, struct buf *plain)
{
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    ZSTD_inBuffer in = {.src = file.data, .size = file.len};
    const char *problem = "";
    size_t left = 0;

    plain->limit = (size_t)300 << 20;
    while (in.pos < in.size || left) {
        size_t before = in.pos + plain->len;
        char *room = buf_reserve(plain, 131072);
        ZSTD_outBuffer out = {.dst = room, .size = 131072};

        left = ZSTD_decompressStream(zstd, &out, &in);
        if (ZSTD_isError(left)) {
            problem = ZSTD_getErrorName(left);
            break;
        }
        plain->len += out.pos;
        if (left && in.pos + plain->len == before) {
            problem = "cut";
            break;
        }
    }
    ZSTD_freeDCtx(zstd);
    return problem;
}

unsigned kit_count(struct str text, const char *needle)
{
    unsigned count = 0;

    for (ptrdiff_t at; (at = str_find(text, str_from(needle))) >= 0; count++)
        text = str_skip(text, (size_t)at + strlen(needle));
    return count;
}

void kit_assert_sealed(struct kit *kit, const char *path, struct tail *tail, struct buf *plain)
{
    struct str file = fake_medium_file(kit->fake, path);
    struct error err = {0};
    char hex[SHA256_HEX_BYTES];

    assert_non_null(file.data);
    struct str end = str_skip(file, file.len > TAIL_BYTES_MAX ? file.len - TAIL_BYTES_MAX : 0);

    assert_int_equal(0, tail_parse(tail, end, file.len, &err));
    const struct index *index = &tail->index;

    assert_string_equal(index->sha256, sha256_hex(str_first(file, index->bytes), hex));
    assert_true(signature_is_valid(index->boot_key, tail->line,
                                   str_make(tail->signature, SIGNATURE_BYTES)));
    for (size_t i = 0; i < index->frame_count; i++) {
        const struct index_frame *frame = &index->frames[i];
        struct str bytes = str_first(str_skip(file, frame->offset), frame->bytes);
        scoped(buf_free) struct buf part = {0};

        assert_string_equal(frame->sha256, sha256_hex(bytes, hex));
        assert_string_equal("", kit_plain(bytes, &part));
        assert_int_equal(frame->plain_bytes, part.len);
        assert_int_equal(frame->lines, kit_count(buf_str(&part), "\n"));
    }
    assert_string_equal("", kit_plain(file, plain));
    plain->len -= file.len - index->bytes - TAIL_HEADER_BYTES;
    assert_int_equal(index->plain_bytes, plain->len);
    assert_int_equal(index->lines, kit_count(buf_str(plain), "\n"));
    uint64_t events = 0;

    for (size_t i = 0; i < index->count_count; i++)
        events += index->counts[i].count;
    assert_int_equal(index->lines - 1, events);
}

char *kit_seqs(struct str plain)
{
    struct buf text = {0};

    while (plain.len) {
        struct str line = str_first(plain, (size_t)str_index(plain, '\n') + 1);
        struct event_head head;

        if (event_parse_head(&head, line))
            buf_printf(&text, "%llu%s ", (unsigned long long)head.seq,
                       str_is(head.type, "gap")         ? "-gap"
                       : str_is(head.type, "recovered") ? "-recovered"
                                                        : "");
        plain = str_skip(plain, line.len);
    }
    return buf_take_text(&text);
}
