/* verify.c - `kubectl hoop verify`: is a recording complete and unchanged, and who says so. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/encode.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "command.h"
#include "options.h"
#include "recordings.h"
#include "replay/format.h"
#include "upload/verify_catalog.h"

enum { OUTPUT_TEXT, OUTPUT_JSON };

struct verify_flags {
    struct options options;
    struct option_list keys;
    const char *expect;
    bool all;
    int output;
};

static void verify_flags_free(struct verify_flags *flags)
{
    options_free(&flags->options);
    free_option_list(&flags->keys);
}

/* ---- For people ---- */

static void append_safe(struct buf *out, const char *text)
{
    utf8_append_safe(out, str_from(text));
}

static void append_anchor(struct buf *out, const struct verify_report *report)
{
    buf_append_text(out, report->is_anchored ? "anchored by --expect" : "not anchored");
}

static void append_finding(struct buf *out, const struct finding *finding)
{
    buf_append_text(out, "  ");
    append_safe(out, finding->object[0] ? finding->object : "session");
    if (finding->what.place[0]) {
        buf_append_text(out, ", ");
        append_safe(out, finding->what.place);
    }
    buf_append_text(out, ": expected ");
    append_safe(out, finding->what.expected);
    buf_append_text(out, ", found ");
    append_safe(out, finding->what.found);
    buf_append_char(out, '\n');
}

static const char *hint(const struct catalog_session *session, const struct verify_report *report)
{
    if (verify_lacks_key(report))
        return "give the gateway's public root key with --key FILE, or put it into the trust "
               "directory";
    if (strcmp(recordings_state(session), "crashed") == 0)
        return "kubectl hoop sessions reap";
    return NULL;
}

static void print_text(const struct catalog_session *session, const struct verify_report *report,
                       size_t id_length)
{
    scoped(buf_free) struct buf out = {0};
    const char *then = hint(session, report);

    buf_printf(&out, "%.*s   %-12s   ", (int)id_length, report->session,
               verdict_word(report->verdict));
    format_count(&out, report->events, "event");
    buf_append_text(&out, " in ");
    format_count(&out, report->segments, "segment");
    buf_append_text(&out, " of ");
    format_count(&out, session->count, "journal");
    if (report->root_key[0]) {
        buf_append_text(&out, ", key ");
        append_safe(&out, report->root_key);
        buf_append_text(&out, " of ");
        append_safe(&out, report->gateway);
    }
    buf_append_text(&out, ", ");
    append_anchor(&out, report);
    if (report->is_self_attested)
        buf_append_text(&out, ", self-attested");
    buf_append_char(&out, '\n');
    for (size_t i = 0; i < report->finding_count; i++)
        append_finding(&out, &report->findings[i]);
    if (report->findings_left_off)
        buf_printf(&out, "  and %llu more findings\n",
                   (unsigned long long)report->findings_left_off);
    if (then)
        buf_printf(&out, "  hint: %s\n", then);
    fwrite(out.data, 1, out.len, stdout);
}

static void print_count(const size_t counts[VERDICT_TAMPERED + 1])
{
    size_t total = 0;

    for (int verdict = VERDICT_INTACT; verdict <= VERDICT_TAMPERED; verdict++)
        total += counts[verdict];
    printf("checked %zu session%s:", total, total == 1 ? "" : "s");
    for (int verdict = VERDICT_INTACT; verdict <= VERDICT_TAMPERED; verdict++)
        if (counts[verdict])
            printf(" %zu %s", counts[verdict], verdict_word((enum verdict)verdict));
    putchar('\n');
}

/* ---- For programs (man hoop-session) ---- */

static json_object *describe_finding(const struct finding *finding)
{
    json_object *described = json_object_new_object();

    jsondoc_put_string(described, "object", finding->object);
    jsondoc_put_string(described, "place", finding->what.place);
    jsondoc_put_string(described, "expected", finding->what.expected);
    jsondoc_put_string(described, "found", finding->what.found);
    return described;
}

static json_object *describe(const struct catalog_session *session,
                             const struct verify_report *report)
{
    json_object *item = json_object_new_object();

    jsondoc_put_string(item, "session", report->session);
    jsondoc_put_string(item, "verdict", verdict_word(report->verdict));
    jsondoc_put_string(item, "integrity", answer_word(report->integrity));
    jsondoc_put_string(item, "completeness", answer_word(report->completeness));
    jsondoc_put_string(item, "anchor", report->is_anchored ? "file" : "none");
    jsondoc_put_bool(item, "selfAttested", report->is_self_attested);
    jsondoc_put_int(item, "events", (int64_t)report->events);
    jsondoc_put_int(item, "segments", (int64_t)report->segments);
    jsondoc_put_int(item, "journals", (int64_t)session->count);
    if (report->expect[0])
        jsondoc_put_string(item, "expect", report->expect);
    json_object *findings = jsondoc_put_adopt(item, "findings", json_object_new_array());

    for (size_t i = 0; i < report->finding_count; i++)
        json_object_array_add(findings, describe_finding(&report->findings[i]));
    if (report->findings_left_off)
        jsondoc_put_int(item, "findingsLeftOff", (int64_t)report->findings_left_off);
    return item;
}

static void print_json(json_object *items)
{
    scoped(jsondoc_free) json_object *root = json_object_new_object();

    jsondoc_put_string(root, "apiVersion", "kubectl-hoop/v1");
    jsondoc_put_string(root, "kind", "VerifyReport");
    jsondoc_put_adopt(root, "items", items);
    puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                  JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* ---- The command ---- */

struct verify_run {
    const struct verify_flags *flags;
    const struct recordings *recordings;
    size_t id_length;
    size_t counts[VERDICT_TAMPERED + 1];
    enum verdict worst;
    json_object *items; /* owned; NULL for text */
};

static void check_one(struct verify_run *run, const struct catalog_session *session)
{
    scoped(verify_report_free) struct verify_report report = {0};

    catalog_verify(run->recordings->catalog, session, run->recordings->trust, run->flags->expect,
                   &report);
    run->counts[report.verdict]++;
    run->worst = max_of(run->worst, report.verdict);
    if (run->items)
        json_object_array_add(run->items, describe(session, &report));
    else
        print_text(session, &report, run->id_length);
}

static int check_named(struct verify_run *run, struct error *err)
{
    const struct options *options = &run->flags->options;

    for (int i = 0; i < options->operand_count; i++)
        if (!catalog_find(run->recordings->catalog, options->operands[i], err))
            return -1;
    for (int i = 0; i < options->operand_count; i++)
        check_one(run, catalog_find(run->recordings->catalog, options->operands[i], err));
    return 0;
}

static int run_verify(const struct verify_flags *flags, struct error *err)
{
    scoped(recordings_free) struct recordings recordings = {0};
    struct verify_run run = {.flags = flags, .recordings = &recordings};

    if (recordings_open(&recordings, &flags->options, &flags->keys, err) < 0)
        return -1;
    if (flags->all && !catalog_count(recordings.catalog)) {
        /* an emptied store must not pass for a verified one */
        error_set(err, ERROR_NOT_FOUND, "no recordings found in %s", recordings_store(&recordings));
        return error_fix(err, "name the store with --store; kubectl hoop exec records into it");
    }
    if (recordings_say_unread(&recordings))
        run.worst = VERDICT_UNVERIFIABLE;
    run.id_length = catalog_short_length(recordings.catalog);
    if (flags->output == OUTPUT_JSON)
        run.items = json_object_new_array();
    if (flags->all)
        for (size_t i = 0; i < catalog_count(recordings.catalog); i++)
            check_one(&run, catalog_session(recordings.catalog, i));
    else if (check_named(&run, err) < 0) {
        jsondoc_free(&run.items);
        return -1;
    }
    if (run.items)
        print_json(run.items);
    else if (flags->all)
        print_count(run.counts);
    return verdict_exit_status(run.worst);
}

static const char *const outputs[] = {"text", "json", NULL};

static const struct option_spec specs[] = {
    {"all", 0, OPTION_FLAG, offsetof(struct verify_flags, all), NULL,
     "every session that is there"},
    {"key", 0, OPTION_LIST, offsetof(struct verify_flags, keys), "FILE",
     "trust this public key, and no other; may be repeated", .completer = COMPLETE_FILE},
    {"expect", 0, OPTION_TEXT, offsetof(struct verify_flags, expect), "HASH",
     "the hash that exec printed at its end"},
    {"output", 'o', OPTION_CHOICE, offsetof(struct verify_flags, output), "FORMAT", "text or json",
     .choices = outputs},
    {0},
};

static const struct usage usage = {
    "verify SESSION…|--all [flags]",
    "Proves that a recording is what its gateway wrote, and all of it: hashes before anything is "
    "decompressed, signatures up to a root key that is trusted, the chain of segments, every "
    "line. Says INTACT, RECOVERED, INCOMPLETE, TRUNCATED, TAMPERED or UNVERIFIABLE; changes "
    "nothing.",
    specs,
    COMPLETE_SESSION,
    .operands_repeat = true,
    .globals = GLOBAL_STORE | GLOBAL_CONFIG,
};

static int check_flags(const struct verify_flags *flags, struct error *err)
{
    unsigned char digest[SHA256_BYTES];

    if (flags->all && flags->options.operand_count) {
        error_set(err, ERROR_USAGE, "verify: --all and a session exclude each other");
        return error_fix(err, "give one of them");
    }
    if (!flags->all && options_expect(&flags->options, &usage, 1, 1000, err) < 0)
        return -1;
    if (!flags->expect)
        return 0;
    if (!decode_hex(str_from(flags->expect), digest, sizeof digest)) {
        error_set(err, ERROR_USAGE, "verify: --expect takes the 64 hex digits that exec printed");
        return error_fix(err, "kubectl hoop verify SESSION --expect HASH");
    }
    if (flags->all || flags->options.operand_count != 1) {
        error_set(err, ERROR_USAGE, "verify: --expect belongs to one session");
        return error_fix(err, "kubectl hoop verify SESSION --expect HASH");
    }
    return 0;
}

static int run(int argc, char **argv, struct error *err)
{
    scoped(verify_flags_free) struct verify_flags flags = {0};
    int ready = options_parse(&flags.options, &usage, &flags, argc, argv, err);

    if (ready <= 0)
        return ready;
    if (check_flags(&flags, err) < 0)
        return -1;
    return run_verify(&flags, err);
}

const struct command command_verify = {
    .name = "verify",
    .group = GROUP_EVIDENCE,
    .help = "prove that a recording is complete and unchanged",
    .usage = &usage,
    .run = run,
};
