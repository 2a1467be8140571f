/* sessions.c - kubectl hoop sessions list|show|reap */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsondoc.h"
#include "base/log.h"
#include "base/num.h"
#include "base/scoped.h"
#include "replay/format.h"
#include "stores.h"
#include "upload/reap.h"
#include "upload/verify_catalog.h"

#include "command.h"
#include "options.h"
#include "recordings.h"
#include "summary.h"
#include "table.h"

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_NAME };
static const char *const formats[] = {"table", "json", "name", NULL};

struct sessions_flags {
    struct options options;
    struct option_list keys;
    int format;
};

static char *time_text(int64_t unix_us, char text[CLOCK_TEXT_BYTES])
{
    clock_format_us(unix_us, text);
    memcpy(text + 19, "Z", 2); /* whole seconds are enough for people */
    return text;
}

/* ---- list ---- */

static void add_row(struct table *table, const struct summary *summary, size_t short_length)
{
    char id[sizeof summary->session->id], started[CLOCK_TEXT_BYTES], commands[24], requests[24];
    scoped(free_text) char *clusters = summary_clusters(summary);

    snprintf(id, sizeof id, "%.*s", (int)short_length, summary->session->id);
    snprintf(commands, sizeof commands, "%" PRIu64, summary->commands);
    snprintf(requests, sizeof requests, "%" PRIu64, summary->requests);
    const char *const cells[] = {id,
                                 time_text(summary->started_unix_us, started),
                                 summary_user(summary),
                                 clusters,
                                 commands,
                                 requests,
                                 summary->state,
                                 summary_title(summary)};
    table_add(table, cells);
}

static void copy(json_object *out, json_object *from, const char *key)
{
    json_object *value = NULL;

    if (from && json_object_object_get_ex(from, key, &value) && value)
        jsondoc_put_adopt(out, key, json_object_get(value));
}

static json_object *summary_json(const struct summary *summary)
{
    static const char *const keys[] = {"actor", "selfAttested", "agent", "title", "labels", "argv"};
    json_object *out = json_object_new_object();
    char started[CLOCK_TEXT_BYTES];

    jsondoc_put_string(out, "id", summary->session->id);
    jsondoc_put_string(out, "started", clock_format_us(summary->started_unix_us, started));
    for (size_t i = 0; i < count_of(keys); i++)
        copy(out, summary->start, keys[i]);
    jsondoc_put_adopt(out, "clusters", json_object_get(summary->clusters));
    jsondoc_put_int(out, "commands", (int64_t)summary->commands);
    jsondoc_put_int(out, "requests", (int64_t)summary->requests);
    jsondoc_put_string(out, "state", summary->state);
    jsondoc_put_string(out, "problem", summary->problem[0] ? summary->problem : NULL);
    return out;
}

static void print_table(const struct table *table)
{
    scoped(buf_free) struct buf out = {.limit = (size_t)1 << 30};

    table_write(table, &out);
    fwrite(out.data, 1, out.len, stdout);
}

static void print_json(json_object *root)
{
    scoped(buf_free) struct buf json = {.limit = (size_t)1 << 30};
    scoped(buf_free) struct buf safe = {.limit = (size_t)1 << 30};

    jsondoc_write(&json, root);
    format_json_safe(&safe, buf_str(&json));
    buf_append_char(&safe, '\n');
    fwrite(safe.data, 1, safe.len, stdout);
}

static void list_json(const struct catalog *catalog)
{
    scoped(jsondoc_free) json_object *root = json_object_new_object();

    jsondoc_put_string(root, "apiVersion", "kubectl-hoop/v1");
    jsondoc_put_string(root, "kind", "SessionList");
    json_object *items = jsondoc_put_adopt(root, "items", json_object_new_array());
    for (size_t i = catalog_count(catalog); i > 0; i--) {
        scoped(summary_free) struct summary summary = {0};
        summary_read(&summary, catalog_session(catalog, i - 1));
        json_object_array_add(items, summary_json(&summary));
    }
    print_json(root);
}

static void list_table(const struct catalog *catalog)
{
    static const char *const headings[] = {"SESSION", "STARTED", "USER",  "CLUSTER", ">CMDS",
                                           ">REQS",   "STATE",   "TITLE", NULL};
    scoped(table_free) struct table *table = table_new(headings);
    size_t short_length = catalog_short_length(catalog);

    for (size_t i = catalog_count(catalog); i > 0; i--) {
        scoped(summary_free) struct summary summary = {0};
        summary_read(&summary, catalog_session(catalog, i - 1));
        add_row(table, &summary, short_length);
    }
    print_table(table);
}

static int list(const struct sessions_flags *flags, struct error *err)
{
    scoped(recordings_free) struct recordings recordings = {0};

    if (recordings_open(&recordings, &flags->options, NULL, err) < 0)
        return -1;
    switch ((enum format)flags->format) {
    case FORMAT_TABLE:
        if (!catalog_count(recordings.catalog) && !flags->options.quiet)
            log_line("no sessions yet; record one: kubectl hoop exec -- kubectl get pods");
        list_table(recordings.catalog);
        break;
    case FORMAT_JSON:
        list_json(recordings.catalog);
        break;
    case FORMAT_NAME:
        for (size_t i = catalog_count(recordings.catalog); i > 0; i--)
            printf("session/%s\n", catalog_session(recordings.catalog, i - 1)->id);
        break;
    }
    return EXIT_OK;
}

/* ---- show ---- */

static const char *const form_words[] = {
    [SEGMENT_SEALED] = "sealed", [SEGMENT_RUNNING] = "running",   [SEGMENT_CRASHED] = "crashed",
    [SEGMENT_BAD] = "bad",       [SEGMENT_CONFLICT] = "conflict",
};

static const char *place_word(const struct catalog_segment *segment)
{
    return segment->in_store ? "store" : "spool";
}

static json_object *segments_json(const struct catalog_session *session)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < session->count; i++)
        for (size_t j = 0; j < session->journals[i].count; j++) {
            const struct catalog_segment *segment = &session->journals[i].segments[j];
            json_object *out = json_object_new_object();
            json_object_array_add(list, out);
            jsondoc_put_string(out, "journal", session->journals[i].id);
            jsondoc_put_int(out, "n", segment->n);
            jsondoc_put_string(out, "form", form_words[segment->form]);
            jsondoc_put_string(out, "place", place_word(segment));
            jsondoc_put_int(out, "bytes", (int64_t)segment->bytes);
            jsondoc_put_string(out, "key", segment->key);
        }
    return list;
}

static json_object *findings_json(const struct verify_report *report)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < report->finding_count; i++) {
        const struct finding *finding = &report->findings[i];
        json_object *out = json_object_new_object();
        json_object_array_add(list, out);
        jsondoc_put_string(out, "object", finding->object);
        jsondoc_put_string(out, "place", finding->what.place);
        jsondoc_put_string(out, "expected", finding->what.expected);
        jsondoc_put_string(out, "found", finding->what.found);
    }
    return list;
}

static void show_json(const struct summary *summary, const struct verify_report *report)
{
    scoped(jsondoc_free) json_object *root = json_object_new_object();
    json_object *session = summary_json(summary);

    jsondoc_put_string(root, "apiVersion", "kubectl-hoop/v1");
    jsondoc_put_string(root, "kind", "Session");
    jsondoc_put_adopt(root, "session", session);
    jsondoc_put_string(root, "verdict", verdict_word(report->verdict));
    jsondoc_put_adopt(root, "segments", segments_json(summary->session));
    jsondoc_put_adopt(root, "findings", findings_json(report));
    print_json(root);
}

static void print_fact(const char *name, const char *value)
{
    scoped(buf_free) struct buf safe = {0};

    if (!value || !*value)
        return;
    format_safe(&safe, value);
    printf("%-10s %.*s\n", name, STR_ARG(buf_str(&safe)));
}

static void print_counts(const struct summary *summary)
{
    scoped(buf_free) struct buf line = {0};

    format_count(&line, summary->commands, "command");
    buf_append_text(&line, ", ");
    format_count(&line, summary->requests, "request");
    buf_append_text(&line, ", ");
    format_count(&line, summary->events, "event");
    printf("%-10s %.*s\n", "counts", STR_ARG(buf_str(&line)));
}

static void print_segments(const struct catalog_session *session)
{
    static const char *const headings[] = {"JOURNAL", ">SEGMENT", "STATE", "PLACE",
                                           ">SIZE",   "KEY",      NULL};
    scoped(table_free) struct table *table = table_new(headings);

    for (size_t i = 0; i < session->count; i++)
        for (size_t j = 0; j < session->journals[i].count; j++) {
            const struct catalog_segment *segment = &session->journals[i].segments[j];
            scoped(buf_free) struct buf size = {0};
            char n[16];
            snprintf(n, sizeof n, "%" PRIu32, segment->n);
            format_bytes(&size, segment->bytes);
            buf_append_char(&size, '\0');
            const char *const cells[] = {
                session->journals[i].id, n,         form_words[segment->form],
                place_word(segment),     size.data, segment->key};
            table_add(table, cells);
        }
    putchar('\n');
    print_table(table);
}

static void print_findings(const struct verify_report *report)
{
    if (report->finding_count)
        printf("\nfindings\n");
    for (size_t i = 0; i < report->finding_count; i++) {
        const struct finding *finding = &report->findings[i];
        scoped(buf_free) struct buf line = {0};
        format_safe(&line, finding->object[0] ? finding->object : "session");
        if (finding->what.place[0]) {
            buf_append_text(&line, ", ");
            format_safe(&line, finding->what.place);
        }
        buf_append_text(&line, ": expected ");
        format_safe(&line, finding->what.expected);
        buf_append_text(&line, ", found ");
        format_safe(&line, finding->what.found);
        printf("  %.*s\n", STR_ARG(buf_str(&line)));
    }
}

static void show_text(const struct summary *summary, const struct verify_report *report)
{
    scoped(free_text) char *clusters = summary_clusters(summary);
    char started[CLOCK_TEXT_BYTES];

    print_fact("session", summary->session->id);
    printf("%-10s %s%s\n", "verdict", verdict_word(report->verdict),
           report->is_self_attested ? ", self-attested" : "");
    print_fact("state", summary->state);
    print_fact("user", summary_user(summary));
    print_fact("agent", summary->start ? jsondoc_string(summary->start, "/agent") : NULL);
    print_fact("cluster", clusters);
    print_fact("title", summary_title(summary));
    print_fact("started", time_text(summary->started_unix_us, started));
    print_counts(summary);
    print_fact("gateway", report->gateway);
    print_fact("key", report->root_key);
    print_fact("expect", report->expect);
    print_segments(summary->session);
    print_findings(report);
}

static int show(const struct sessions_flags *flags, struct error *err)
{
    scoped(recordings_free) struct recordings recordings = {0};
    scoped(verify_report_free) struct verify_report report = {0};
    scoped(summary_free) struct summary summary = {0};

    if (recordings_open(&recordings, &flags->options, &flags->keys, err) < 0)
        return -1;
    const struct catalog_session *session =
        catalog_find(recordings.catalog, flags->options.operands[0], err);
    if (!session)
        return -1;
    catalog_verify(recordings.catalog, session, recordings.trust, NULL, &report);
    summary_read(&summary, session);
    if (flags->format == FORMAT_JSON)
        show_json(&summary, &report);
    else if (flags->format == FORMAT_NAME)
        printf("session/%s\n", session->id);
    else
        show_text(&summary, &report);
    return EXIT_OK;
}

/* ---- reap ---- */

static void say_reaped(const struct reap_report *report)
{
    scoped(buf_free) struct buf line = {0};

    if (!report->recovered && !report->stored && !report->removed && !report->failed) {
        printf("nothing to recover%s\n", report->running ? ", a session is running" : "");
        return;
    }
    format_count(&line, report->recovered, "segment");
    buf_printf(&line, " recovered, %u stored", report->stored);
    if (report->removed)
        buf_printf(&line, ", %u removed that held nothing", report->removed);
    if (report->running)
        buf_printf(&line, ", %u still being written", report->running);
    if (report->failed)
        buf_printf(&line, ", %u failed", report->failed);
    printf("%.*s\n", STR_ARG(buf_str(&line)));
}

static int reap_sessions(const struct options *options, struct error *err)
{
    scoped(recordings_free) struct recordings recordings = {0};
    struct reap_report report = {0};
    const struct store_type *type = NULL;
    const char *id = NULL;

    if (recordings_open(&recordings, options, NULL, err) < 0)
        return -1;
    if (options->operand_count > 0) {
        const struct catalog_session *session =
            catalog_find(recordings.catalog, options->operands[0], err);
        if (!session)
            return -1;
        id = session->id;
    }
    const char *url = recordings_store(&recordings);
    struct store *store = stores_open(url, &type, err);
    if (!store)
        return error_wrap(err, "store %s", url);
    int status = reap(&recordings.places, type, store, id, &report, err);
    type->close(&store);
    if (status < 0)
        return -1;
    say_reaped(&report);
    if (!report.failed)
        return EXIT_OK;
    *err = report.problem;
    return -1;
}

/* ---- the command ---- */

#define SESSION_TEXT                                                                               \
    "SESSION is an id, the beginning of one (four characters or more), @last, or @2 for\n"         \
    "the one before."

#define OUTPUT_SPEC                                                                                \
    {                                                                                              \
        "output", 'o', OPTION_CHOICE, offsetof(struct sessions_flags, format), "FORMAT",           \
            "table, json or name", .choices = formats                                              \
    }

static const struct option_spec list_specs[] = {OUTPUT_SPEC, {0}};

static const struct usage list_usage = {
    "sessions list [flags]",
    "All recorded sessions, newest first.",
    list_specs,
    .globals = GLOBAL_STORE | GLOBAL_CONFIG,
};

static const struct option_spec show_specs[] = {
    OUTPUT_SPEC,
    {"key", 0, OPTION_LIST, offsetof(struct sessions_flags, keys), "FILE",
     "trust this public key, and no other", .completer = COMPLETE_FILE},
    {0},
};

static const struct usage show_usage = {
    "sessions show SESSION [flags]",
    "One recorded session: its facts, its files, and what verify finds.\n\n" SESSION_TEXT,
    show_specs,
    COMPLETE_SESSION,
    .globals = GLOBAL_STORE | GLOBAL_CONFIG,
};

static const struct usage reap_usage = {
    "sessions reap [SESSION] [flags]",
    "Seals what a crashed gateway left behind, and stores it; what is still being written\n"
    "is left alone.\n\n" SESSION_TEXT,
    NULL,
    COMPLETE_SESSION,
    .globals = GLOBAL_STORE | GLOBAL_CONFIG,
};

static void sessions_flags_free(struct sessions_flags *flags)
{
    options_free(&flags->options);
    free_option_list(&flags->keys);
}

static int parse(struct sessions_flags *flags, const struct usage *wanted, int least, int most,
                 int argc, char **argv, struct error *err)
{
    int ready = options_parse(&flags->options, wanted, flags, argc, argv, err);

    if (ready <= 0)
        return ready;
    return options_expect(&flags->options, wanted, least, most, err) < 0 ? -1 : 1;
}

static int run_list(int argc, char **argv, struct error *err)
{
    scoped(sessions_flags_free) struct sessions_flags flags = {0};
    int ready = parse(&flags, &list_usage, 0, 0, argc, argv, err);

    return ready <= 0 ? ready : list(&flags, err);
}

static int run_show(int argc, char **argv, struct error *err)
{
    scoped(sessions_flags_free) struct sessions_flags flags = {0};
    int ready = parse(&flags, &show_usage, 1, 1, argc, argv, err);

    return ready <= 0 ? ready : show(&flags, err);
}

static int run_reap(int argc, char **argv, struct error *err)
{
    scoped(sessions_flags_free) struct sessions_flags flags = {0};
    int ready = parse(&flags, &reap_usage, 0, 1, argc, argv, err);

    return ready <= 0 ? ready : reap_sessions(&flags.options, err);
}

static const struct command command_list = {
    .name = "list",
    .help = "all of them, newest first",
    .usage = &list_usage,
    .run = run_list,
};

static const struct command command_show = {
    .name = "show",
    .help = "one: its facts, its files, and what verify finds",
    .usage = &show_usage,
    .run = run_show,
};

static const struct command command_reap = {
    .name = "reap",
    .help = "seal what a crashed gateway left behind, and store it",
    .usage = &reap_usage,
    .run = run_reap,
};

static const struct command *const subcommands[] = {
    &command_list,
    &command_show,
    &command_reap,
    NULL,
};

static const struct usage usage = {
    "sessions [list | show SESSION | reap [SESSION]] [flags]",
    "Recorded sessions. Without a command it lists them.\n\n" SESSION_TEXT,
    list_specs,
    .subcommands = subcommands,
    .globals = GLOBAL_STORE | GLOBAL_CONFIG,
};

static int run(int argc, char **argv, struct error *err)
{
    scoped(sessions_flags_free) struct sessions_flags flags = {0};
    int ready = parse(&flags, &usage, 0, 0, argc, argv, err);

    return ready <= 0 ? ready : list(&flags, err);
}

const struct command command_sessions = {
    .name = "sessions",
    .group = GROUP_EVIDENCE,
    .help = "list, show and clean up recorded sessions",
    .usage = &usage,
    .run = run,
};
