/* make.c DIRECTORY - makes the recordings of tests/damage/run.sh: each in a folder <number>-<kind>
 * of its own, with kubectl-hoop/{store,spool} and key.pem, the root key that its verifier trusts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/num.h"
#include "base/scoped.h"
#include "forge.h"

#define STORE "store/v1/segments/cluster=" FORGE_CLUSTER "/date=2026-11-22"
#define SEGMENTS 3
#define EVENTS 5
#define BIG ((size_t)64 << 20)

static const char *directory;
static struct root_key *root, *other_root;
static struct boot *boot, *other_boot, *foreign_boot;

/* A whole session: SEGMENTS sealed files. */
struct session {
    struct buf files[SEGMENTS];
    char hashes[SEGMENTS][SHA256_HEX_BYTES];
};

static void must(int status, struct error *err)
{
    if (status == 0)
        return;
    fprintf(stderr, "make: %s\n", err->text);
    exit(1);
}

static void make_session(struct session *session, const char *id, const struct boot *by)
{
    for (unsigned n = 0; n < SEGMENTS; n++) {
        struct forge forge;

        forge_begin(&forge, by, id, FORGE_JOURNAL, n, n ? session->hashes[n - 1] : NULL);
        for (uint64_t i = 0; i < EVENTS; i++)
            forge_event(&forge, i % 2 ? "response" : "request", n * EVENTS + i);
        session->files[n] = (struct buf){.limit = BIG};
        forge_seal(&forge, by, n == SEGMENTS - 1, n == SEGMENTS - 1 ? "end" : "size",
                   &session->files[n], session->hashes[n]);
        forge_free(&forge);
    }
}

static void session_free(struct session *session)
{
    for (unsigned n = 0; n < SEGMENTS; n++)
        buf_free(&session->files[n]);
}

/* ---- Folders ---- */

static char *folder; /* of the case at hand */

static void write_key(const struct root_key *key, const char *before)
{
    scoped(buf_free) struct buf pem = {0};
    scoped(free_text) char *path = xasprintf("%s/key.pem", folder);
    struct error err = {0};

    buf_append_text(&pem, before);
    root_key_public_pem(key, &pem);
    must(file_write(path, buf_str(&pem), 0644, &err), &err);
}

static void begin(const char *kind)
{
    static unsigned number;
    static const char *const places[] = {STORE, "spool"};
    struct error err = {0};

    free(folder);
    folder = xasprintf("%s/%03u-%s", directory, number++, kind);
    for (size_t i = 0; i < count_of(places); i++) {
        scoped(free_text) char *path = xasprintf("%s/kubectl-hoop/%s", folder, places[i]);

        must(file_make_dirs(path, &err), &err);
    }
    write_key(root, "");
}

static void put_at(const char *place, const char *name, struct str bytes)
{
    scoped(free_text) char *path = xasprintf("%s/kubectl-hoop/%s/%s", folder, place, name);
    struct error err = {0};

    must(file_write(path, bytes, 0600, &err), &err);
}

static char *name_of(unsigned n, const char *suffix)
{
    return xasprintf(FORGE_SESSION "-" FORGE_JOURNAL "-%05u.jsonl.zst%s", n, suffix);
}

static void put(unsigned n, struct str bytes)
{
    scoped(free_text) char *name = name_of(n, "");

    put_at(STORE, name, bytes);
}

static void put_spool(unsigned n, const char *suffix, struct str bytes)
{
    scoped(free_text) char *name = name_of(n, suffix);

    put_at("spool", name, bytes);
}

/* The honest session, but for segment `n` (-1: all honest; `bytes` without data: absent). */
static void put_session(const struct session *session, int n, struct str bytes)
{
    for (int i = 0; i < SEGMENTS; i++)
        if (i != n)
            put((unsigned)i, buf_str(&session->files[i]));
        else if (bytes.data)
            put((unsigned)i, bytes);
}

/* ---- What happens to files ---- */

/* A session of one segment, in two frames: what happens to single bytes is told soonest there. */
static void make_small(struct buf *file)
{
    struct forge small;
    char hash[SHA256_HEX_BYTES];

    forge_begin(&small, boot, FORGE_SESSION, FORGE_JOURNAL, 0, NULL);
    for (uint64_t seq = 0; seq < 2 * EVENTS; seq++) {
        forge_event(&small, seq % 2 ? "response" : "request", seq);
        if (seq == EVENTS)
            forge_end_frame(&small);
    }
    forge_seal(&small, boot, true, "end", file, hash);
    forge_free(&small);
}

static void flip_bits(struct buf *file)
{
    for (size_t i = 0; i < 80; i++) {
        size_t at = i * (file->len - 1) / 79;

        begin("flip");
        file->data[at] ^= (char)(1 << i % 8);
        put(0, buf_str(file));
        file->data[at] ^= (char)(1 << i % 8);
    }
}

static void cut_tails(const struct buf *file)
{
    for (size_t i = 0; i < 40; i++) {
        begin("cut");
        put(0, str_first(buf_str(file), i * file->len / 40));
    }
}

static void lose_segments(const struct session *session)
{
    static const struct str absent = {NULL, 0};

    for (int n = 0; n < SEGMENTS; n++) {
        begin(n == 0 ? "first-missing" : n == 1 ? "middle-missing" : "last-missing");
        put_session(session, n, absent);
        begin("only-one");
        put((unsigned)n, buf_str(&session->files[n]));
    }
}

static void put_glued(const struct session *session, const char *kind, struct str before,
                      struct str middle, struct str after)
{
    scoped(buf_free) struct buf file = {.limit = BIG};

    begin(kind);
    buf_append_str(&file, before);
    buf_append_str(&file, middle);
    buf_append_str(&file, after);
    put_session(session, 1, str_make(file.len ? file.data : "", file.len));
}

static void glue(const struct session *session)
{
    static const char skippable[] = "\x50\x2a\x4d\x18\x04\x00\x00\x00skip";
    struct str file = buf_str(&session->files[1]), none = STR("");
    struct str skip = str_make(skippable, 12);

    put_glued(session, "doubled", file, file, none);
    put_glued(session, "followed", file, buf_str(&session->files[2]), none);
    put_glued(session, "garbage-behind", file, STR("x"), none);
    put_glued(session, "newline-behind", file, STR("\n"), none);
    put_glued(session, "garbage-before", STR("x"), file, none);
    put_glued(session, "skippable-before", skip, file, none);
    put_glued(session, "skippable-behind", file, skip, none);
    put_glued(session, "skippable-between", str_first(file, 30), skip, str_skip(file, 30));
    put_glued(session, "empty", none, none, none);
    put_glued(session, "zeros", str_make((const char[512]){0}, 512), none, none);
    put_glued(session, "two-tails", file, str_skip(file, file.len - 900), none);
}

static void rename_files(const struct session *session, const struct session *stranger)
{
    for (int n = 0; n < SEGMENTS; n++) {
        begin("other-session");
        put_session(session, n, buf_str(&stranger->files[n]));
        begin("under-another-n");
        put_session(session, -1, STR(""));
        put(SEGMENTS, buf_str(&session->files[n]));
        begin("swapped");
        put_session(session, n, buf_str(&session->files[(n + 1) % SEGMENTS]));
    }
}

/* ---- What is signed and does not hold: one segment, by a trusted key ---- */

static struct forge forge;

static void begin_forged(const char *kind)
{
    begin(kind);
    forge_begin(&forge, boot, FORGE_SESSION, FORGE_JOURNAL, 0, NULL);
}

static void events(uint64_t from, uint64_t to)
{
    for (uint64_t seq = from; seq <= to; seq++)
        forge_event(&forge, "request", seq);
}

static void seal_as(bool is_last, const char *reason)
{
    scoped(buf_free) struct buf file = {.limit = BIG};
    char hash[SHA256_HEX_BYTES];

    forge_seal(&forge, boot, is_last, reason, &file, hash);
    put(0, buf_str(&file));
    forge_free(&forge);
}

static void seal(void)
{
    seal_as(true, "end");
}

static void forge_losses(void)
{
    begin_forged("whole");
    events(0, 9);
    seal();
    begin_forged("recovered");
    events(0, 3);
    forge_event(&forge, "recovered", 4);
    seal_as(true, "recovered");
    begin_forged("gap");
    events(0, 3);
    forge_gap(&forge, 9, 4, 8);
    events(10, 12);
    seal();
    begin_forged("gap-without-numbers");
    events(0, 3);
    forge_gap(&forge, 4, -1, -1);
    seal();
    begin_forged("degraded");
    events(0, 3);
    forge_event(&forge, "degraded", 4);
    seal();
    begin_forged("not-ended");
    events(0, 3);
    seal_as(false, "age");
    begin_forged("hole");
    events(0, 3);
    events(5, 6);
    seal();
    begin_forged("hole-gap-too-small");
    events(0, 3);
    forge_gap(&forge, 9, 5, 8);
    seal();
    begin_forged("gap-over-what-is-there");
    events(0, 3);
    forge_gap(&forge, 4, 2, 3);
    seal();
    begin_forged("twice-the-same");
    events(0, 3);
    events(3, 4);
    seal();
    begin_forged("starts-late");
    events(1, 4);
    seal();
    begin_forged("no-event");
    seal();
}

static void forge_lines(void)
{
    static const char *const bad[] = {
        "not JSON\n",
        "{\"type\":\"request\"\n",
        "[]\n",
        "{}\n",
        "\n",
        "{\"type\":\"request\"}{\"type\":\"request\"}\n",
        "{\"type\":\"request\",\"time\":\"2026-11-22T17:02:11.000000Z\",\"seq\":4,\"session\":"
        "\"" FORGE_OTHER_SESSION "\"}\n",
        "{\"type\":\"request\",\"time\":\"2026-11-22T17:02:11.000000Z\",\"session\":"
        "\"" FORGE_SESSION "\"}\n",
        "{\"type\":\"request\",\"time\":\"2026-11-22T17:02:11.000000Z\",\"seq\":\"4\",\"session\":"
        "\"" FORGE_SESSION "\"}\n",
        "{\"time\":\"2026-11-22T17:02:11.000000Z\",\"seq\":4,\"session\":\"" FORGE_SESSION "\"}\n",
    };
    scoped(buf_free) struct buf line = {.limit = BIG};

    for (size_t i = 0; i < count_of(bad); i++) {
        begin_forged("bad-line");
        events(0, 3);
        forge_line(&forge, str_from(bad[i]), "request", 4);
        seal();
    }
    begin_forged("nul");
    events(0, 3);
    forge_line(&forge, STR("{\"type\":\"request\",\"x\":\"\0\"}\n"), "request", 4);
    seal();
    begin_forged("no-newline-at-the-end");
    events(0, 3);
    forge_raw_plain(&forge, STR("{}"), 0);
    seal();
    begin_forged("long-line");
    events(0, 3);
    buf_append_text(&line,
                    "{\"type\":\"request\",\"time\":\"2026-11-22T17:02:11.000000Z\",\"seq\":4,"
                    "\"session\":\"" FORGE_SESSION "\",\"x\":\"");
    while (line.len < (1 << 20))
        buf_append_text(&line, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    buf_append_text(&line, "\"}\n");
    forge_line(&forge, buf_str(&line), "request", 4);
    seal();
}

static void lie(const char *kind, void (*change)(struct index *index))
{
    begin_forged(kind);
    events(0, 4);
    forge_end_frame(&forge);
    events(5, 9);
    forge_end_frame(&forge);
    change(&forge.index);
    seal();
}

static void lie_lines(struct index *index)
{
    index->lines++;
}
static void lie_frame_lines(struct index *index)
{
    index->frames[0].lines--;
    index->frames[1].lines++;
}
static void lie_plain(struct index *index)
{
    index->frames[0].plain_bytes++;
    index->frames[1].plain_offset++;
    index->plain_bytes++;
}
static void lie_offset(struct index *index)
{
    index->frames[1].offset++;
}
static void lie_seq(struct index *index)
{
    index->seq_last++;
}
static void lie_first(struct index *index)
{
    index->seq_first++;
}
static void lie_time(struct index *index)
{
    index->time_last[22] ^= 1;
}
static void lie_count(struct index *index)
{
    index->counts[0].count++;
}
static void lie_type(struct index *index)
{
    index_count_event(index, STR("secret"), 1);
}
static void lie_frame_hash(struct index *index)
{
    index->frames[0].sha256[0] = index->frames[0].sha256[0] == '0' ? '1' : '0';
}
static void lie_hash(struct index *index)
{
    index->sha256[0] = index->sha256[0] == '0' ? '1' : '0';
}
static void lie_session(struct index *index)
{
    memcpy(index->session, FORGE_OTHER_SESSION, sizeof FORGE_OTHER_SESSION);
}
static void lie_journal(struct index *index)
{
    memcpy(index->journal, "deadbeef", 9);
}
static void lie_n(struct index *index)
{
    index->n++;
}
static void lie_cluster(struct index *index)
{
    memcpy(index->cluster, "test", 5);
}
static void lie_previous(struct index *index)
{
    memset(index->previous, '1', 64);
}

static void forge_indexes(void)
{
    static const struct {
        const char *kind;
        void (*change)(struct index *index);
    } lies[] = {
        {"lie-lines", lie_lines},       {"lie-frame-lines", lie_frame_lines},
        {"lie-plain-bytes", lie_plain}, {"lie-offset", lie_offset},
        {"lie-seq-last", lie_seq},      {"lie-seq-first", lie_first},
        {"lie-time", lie_time},         {"lie-count", lie_count},
        {"lie-type", lie_type},         {"lie-frame-hash", lie_frame_hash},
        {"lie-hash", lie_hash},         {"lie-session", lie_session},
        {"lie-journal", lie_journal},   {"lie-n", lie_n},
        {"lie-cluster", lie_cluster},   {"lie-previous", lie_previous},
    };

    for (size_t i = 0; i < count_of(lies); i++)
        lie(lies[i].kind, lies[i].change);
}

/* A frame that is said to hold as much as it really would: `blocks` of 128 KiB. */
static void forge_bombs(void)
{
    static const size_t sizes[] = {1, 16, 2049, 40000, 300000};

    for (size_t i = 0; i < count_of(sizes); i++)
        for (int says_little = 0; says_little < 2; says_little++) {
            scoped(buf_free) struct buf frame = {.limit = BIG};
            uint64_t plain = (uint64_t)sizes[i] * 131072;

            begin_forged("bomb");
            events(0, 3);
            forge_end_frame(&forge);
            forge_bomb(&frame, sizes[i], i % 2 ? '\n' : 'x');
            forge_add_frame(&forge, buf_str(&frame), says_little ? 1000 : plain,
                            i % 2 && !says_little ? plain : 1);
            seal();
        }
    begin_forged("wide-window");
    forge.window_log = 24;
    events(0, 3);
    seal();
    begin_forged("two-frames-as-one");
    scoped(buf_free) struct buf two = {.limit = BIG};

    forge_compress(&two, buf_str(&forge.plain), 23, false);
    size_t plain = forge.plain.len;

    buf_clear(&forge.plain);
    forge.lines = 0;
    events(0, 3);
    forge_compress(&two, buf_str(&forge.plain), 23, false);
    plain += forge.plain.len;
    buf_clear(&forge.plain);
    forge.lines = 0;
    forge_add_frame(&forge, buf_str(&two), plain, 5);
    seal();
}

/* ---- Keys ---- */

static void keys(const struct session *session)
{
    struct session stranger = {0}, renamed = {0};

    make_session(&stranger, FORGE_SESSION, foreign_boot);
    make_session(&renamed, FORGE_SESSION, other_boot);
    begin("unknown-key");
    put_session(&stranger, -1, STR(""));
    for (int n = 0; n < SEGMENTS; n++) {
        begin("unknown-key-in-one");
        put_session(session, n, buf_str(&stranger.files[n]));
    }
    begin("another-boot-of-the-same-root");
    put_session(&renamed, -1, STR(""));
    begin("key-for-this-gateway");
    write_key(root, "# gateway: gw-*\n# clusters: test,prod\n");
    put_session(session, -1, STR(""));
    begin("key-for-another-gateway");
    write_key(root, "# gateway: other-*\n");
    put_session(session, -1, STR(""));
    begin("key-for-another-cluster");
    write_key(root, "# clusters: test,stage\n");
    put_session(session, -1, STR(""));
    session_free(&stranger);
    session_free(&renamed);
}

/* The index line of file `n` changed as text and not signed again; length kept in step. */
static void rewrite_index(const struct session *session, const char *kind, const char *from,
                          const char *to)
{
    struct str file = buf_str(&session->files[1]);
    ptrdiff_t at = str_find(file, STR("{\"type\":\"index\""));
    struct str lines = str_skip(file, (size_t)at);
    ptrdiff_t where = str_find(lines, str_from(from));
    scoped(buf_free) struct buf changed = {.limit = BIG}, text = {.limit = BIG};

    if (where < 0) {
        fprintf(stderr, "make: no %s in an index\n", from);
        exit(1);
    }
    buf_append_str(&text, str_first(lines, (size_t)where));
    buf_append_text(&text, to);
    buf_append_str(&text, str_skip(lines, (size_t)where + strlen(from)));
    buf_append_str(&changed, str_first(file, (size_t)at - TAIL_HEADER_BYTES));
    forge_tail(&changed, buf_str(&text));
    begin(kind);
    put_session(session, 1, buf_str(&changed));
}

static void rewrite_indexes(const struct session *session)
{
    rewrite_index(session, "version-2", "\"v\":1,", "\"v\":2,");
    rewrite_index(session, "version-12", "\"v\":1,", "\"v\":12,");
    rewrite_index(session, "version-word", "\"v\":1,", "\"v\":\"1\",");
    rewrite_index(session, "edited-reason", "\"reason\":\"size\"", "\"reason\":\"age\"");
    rewrite_index(session, "edited-last", "\"last\":false", "\"last\":true");
    rewrite_index(session, "edited-gateway", "\"gateway\":\"gw-1\"", "\"gateway\":\"gw-2\"");
    rewrite_index(session, "edited-alg", "\"alg\":\"Ed25519\"", "\"alg\":\"none\"");
    rewrite_index(session, "edited-type", "\"counts\":{", "\"counts\":{\"x\":1,");
    rewrite_index(session, "no-frames", "\"frames\":[[", "\"frames\":[],\"x\":[[");
    rewrite_index(session, "control-in-index", "\"reason\":\"size\"", "\"reason\":\"\x1b[2J\"");
}

/* ---- What is not sealed ---- */

static void open_ones(const struct session *session)
{
    scoped(buf_free) struct buf part = {.limit = BIG};
    struct str last = buf_str(&session->files[2]);

    forge_begin(&forge, boot, FORGE_SESSION, FORGE_JOURNAL, 2, session->hashes[1]);
    events(2 * EVENTS, 2 * EVENTS + 3);
    forge_part(&forge, &part);
    forge_free(&forge);

    for (int i = 0; i < 6; i++) {
        static const struct str absent = {NULL, 0};

        begin("left-open");
        put_session(session, 2, absent);
        put_spool(2, ".part", str_first(buf_str(&part), part.len * (size_t)i / 5));
    }
    begin("sealed-but-not-named");
    put_session(session, 2, (struct str){NULL, 0});
    put_spool(2, ".part", last);
    begin("open-behind-the-end");
    put_session(session, -1, STR(""));
    put_spool(3, ".part", buf_str(&part));
    begin("open-after-a-hole");
    put(0, buf_str(&session->files[0]));
    put_spool(2, ".part", buf_str(&part));
    begin("bad-kept");
    put_session(session, 2, (struct str){NULL, 0});
    put_spool(2, ".bad", buf_str(&part));
    begin("bad-replaced");
    put_session(session, -1, STR(""));
    put_spool(2, ".bad", buf_str(&part));
    begin("waiting-in-the-spool");
    put_session(session, 2, (struct str){NULL, 0});
    put_spool(2, "", last);
    begin("conflict-beside");
    put_session(session, -1, STR(""));
    put_at(STORE,
           FORGE_SESSION "-" FORGE_JOURNAL "-00001.conflict-" FORGE_OTHER_SESSION ".jsonl.zst",
           STR("x"));
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct session session = {0}, stranger = {0};

    if (argc != 2) {
        fputs("usage: make DIRECTORY\n", stderr);
        return 2;
    }
    directory = argv[1];
    root = root_key_new();
    other_root = root_key_new();
    boot = boot_new(root, "gw-1", &err);
    other_boot = boot_new(root, "gw-1", &err);
    foreign_boot = boot_new(other_root, "gw-1", &err);
    make_session(&session, FORGE_SESSION, boot);
    make_session(&stranger, FORGE_OTHER_SESSION, boot);

    begin("intact");
    put_session(&session, -1, STR(""));
    scoped(buf_free) struct buf small = {.limit = BIG};

    make_small(&small);
    flip_bits(&small);
    cut_tails(&small);
    lose_segments(&session);
    glue(&session);
    rename_files(&session, &stranger);
    forge_losses();
    forge_lines();
    forge_indexes();
    forge_bombs();
    keys(&session);
    rewrite_indexes(&session);
    open_ones(&session);

    session_free(&session);
    session_free(&stranger);
    boot_free(&boot);
    boot_free(&other_boot);
    boot_free(&foreign_boot);
    root_key_free(&root);
    root_key_free(&other_root);
    free(folder);
    return 0;
}
