/* make_recordings.c STATE - below STATE/kubectl-hoop, as an installation would have left them: a
 * key that is trusted, and sessions in store and spool.
 *
 *   01M823AJHR…QRS  two journals, all sealed
 *   01M823AJHR…QRT  as that, with one changed byte in its second segment
 *   01M923AJHR…QRS  not ended: a .part that nobody holds */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/scoped.h"
#include "forge.h"

#define OPEN_SESSION "01M923AJHRABCDEFGHJKMNPQRS"
#define OTHER_JOURNAL "00c0ffef"

static const struct sample {
    const char *type, *members;
} home[] =
    {
        {"session.start", "\"actor\":{\"identity\":\"os-user\",\"name\":\"ana\"},\"selfAttested\":"
                          "true,\"cluster\":{\"id\":"
                          "\"prod\",\"name\":\"prod\",\"server\":\"https://"
                          "10.0.0.1:6443\"},\"title\":\"scale \\u001b[2Jweb\","
                          "\"argv\":[\"sh\",\"-c\",\"kubectl get pods\"]"},
        {"command.start", "\"command\":\"c1\",\"argv\":[\"kubectl\",\"get\",\"pods\"]"},
        {"request", "\"exchange\":1,\"command\":\"c1\",\"method\":\"GET\",\"verb\":\"list\","
                    "\"requestURI\":\"/api/v1/pods\","
                    "\"headers\":[{\"name\":\"Accept\",\"value\":\"application/"
                    "json\"},{\"name\":\"Authorization\"}]"},
        {"response", "\"exchange\":1,\"responseStatus\":{\"code\":200}"},
        {"body", "\"exchange\":1,\"of\":\"response\",\"offset\":0,\"covers\":15,\"text\":\"{"
                 "\\\"items\\\":[7,8]}\""},
        {"complete", "\"exchange\":1,\"outcome\":\"ok\",\"forwarded\":\"all\",\"response\":{"
                     "\"received\":15,\"delivered\":15},"
                     "\"latency\":{\"total_us\":41000}"},
        {"command.exit", "\"command\":\"c1\",\"code\":0,\"durationUs\":310000"},
        {"session.end", "\"reason\":\"end\""},
},
  other[] = {
      {"session.start",
       "\"actor\":{\"identity\":\"os-user\",\"name\":\"ana\"},\"selfAttested\":true,"
       "\"cluster\":{\"id\":\"dev\"}"},
      {"request", "\"exchange\":1,\"method\":\"GET\",\"verb\":\"get\",\"requestURI\":\"/"
                  "version\",\"kubectlSession\":\"5f3a\","
                  "\"kubectlCommand\":\"kubectl version\""},
      {"body", "\"exchange\":1,\"of\":\"response\",\"offset\":0,\"covers\":4,\"latin1\":"
               "\"\\u00ff\\u0000\\u001bA\""},
      {"complete", "\"exchange\":1,\"outcome\":\"client_gone\",\"forwarded\":\"all\""},
      {"session.end", "\"reason\":\"end\""},
};

static void add(struct forge *forge, const struct sample *sample, uint64_t seq)
{
    char time[CLOCK_TEXT_BYTES];

    forge->clock_us += 100000;
    scoped(free_text) char *line = xasprintf(
        "{\"type\":\"%s\",\"time\":\"%s\",\"mono_us\":%lld,\"seq\":%llu,\"session\":\"%s\",%s}\n",
        sample->type, clock_format_us(FORGE_UNIX_US + forge->clock_us, time),
        (long long)forge->clock_us, (unsigned long long)seq, forge->index.session, sample->members);
    forge_line(forge, str_from(line), sample->type, seq);
}

static void write_file(const char *path, struct str data)
{
    scoped(free_text) char *directory = xstrdup(path);
    struct error err = {0};

    *strrchr(directory, '/') = '\0';
    if (file_make_dirs(directory, &err) < 0 || file_write(path, data, 0600, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
}

static char *stored_path(const char *state, const char *session, const char *journal, uint32_t n)
{
    return xasprintf("%s/kubectl-hoop/store/v1/segments/cluster=prod/date=2026-11-22/"
                     "%s-%s-%05u.jsonl.zst",
                     state, session, journal, n);
}

/* A journal in segments of four events. */
static void store_journal(const char *state, const struct boot *boot, const char *session,
                          const char *journal, const struct sample *samples, size_t count,
                          int change_segment)
{
    char previous[SHA256_HEX_BYTES] = HASH_NONE;

    for (size_t at = 0; at < count; at += 4) {
        scoped(buf_free) struct buf out = {.limit = 1 << 20};
        struct forge forge;
        uint32_t n = (uint32_t)(at / 4);
        bool is_last = at + 4 >= count;
        forge_begin(&forge, boot, session, journal, n, previous);
        for (size_t i = at; i < count && i < at + 4; i++)
            add(&forge, &samples[i], i);
        forge_seal(&forge, boot, is_last, is_last ? "end" : "size", &out, previous);
        if ((int)n == change_segment)
            out.data[40] ^= 1;
        scoped(free_text) char *path = stored_path(state, session, journal, n);
        write_file(path, buf_str(&out));
        forge_free(&forge);
    }
}

static void leave_part(const char *state, const struct boot *boot)
{
    scoped(buf_free) struct buf out = {.limit = 1 << 20};
    scoped(free_text) char *path = xasprintf(
        "%s/kubectl-hoop/spool/" OPEN_SESSION "-" FORGE_JOURNAL "-00000.jsonl.zst.part", state);
    struct forge forge;

    forge_begin(&forge, boot, OPEN_SESSION, FORGE_JOURNAL, 0, NULL);
    for (size_t i = 0; i < 3; i++)
        add(&forge, &home[i], i);
    forge_part(&forge, &out);
    write_file(path, buf_str(&out));
    forge_free(&forge);
}

int main(int argc, char **argv)
{
    scoped(root_key_free) struct root_key *root = root_key_new();
    scoped(buf_free) struct buf pem = {0};
    struct error err = {0};
    scoped(boot_free) struct boot *boot = boot_new(root, "loopback-test", &err);

    assert(argc == 2 && boot);
    const char *state = argv[1];
    scoped(free_text) char *trust = xasprintf("%s/kubectl-hoop/trust/test.pem", state);
    root_key_public_pem(root, &pem);
    write_file(trust, buf_str(&pem));
    store_journal(state, boot, FORGE_SESSION, FORGE_JOURNAL, home, 8, -1);
    store_journal(state, boot, FORGE_SESSION, OTHER_JOURNAL, other, 5, -1);
    store_journal(state, boot, FORGE_OTHER_SESSION, FORGE_JOURNAL, home, 8, 1);
    leave_part(state, boot);
    return 0;
}
