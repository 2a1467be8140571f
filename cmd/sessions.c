/* sessions.c - kubectl hoop sessions list|show|search|reap */
#include "sessions.h"

#include <stdio.h>
#include <string.h>

#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "proxy/session_dir.h"
#include "replay/format.h"
#include "stores.h"
#include "upload/reap.h"

#include "command.h"
#include "display.h"
#include "recordings.h"

char *sessions_time(int64_t unix_us, char text[CLOCK_TEXT_BYTES])
{
    clock_format_us(unix_us, text);
    memcpy(text + 19, "Z", 2);
    return text;
}

static void copy(json_object *out, json_object *from, const char *key)
{
    json_object *value = NULL;

    if (from && json_object_object_get_ex(from, key, &value) && value)
        jsondoc_put_adopt(out, key, json_object_get(value));
}

json_object *sessions_summary_json(const struct summary *summary)
{
    static const char *const keys[] = {"actor", "selfAttested", "agent", "title", "labels", "argv"};
    json_object *out = json_object_new_object();
    char text[CLOCK_TEXT_BYTES];

    jsondoc_put_string(out, "id", summary->session->id);
    jsondoc_put_string(out, "started", clock_format_us(summary->started_unix_us, text));
    if (summary->last_unix_us)
        jsondoc_put_string(out, "last", clock_format_us(summary->last_unix_us, text));
    for (size_t i = 0; i < count_of(keys); i++)
        copy(out, summary->start, keys[i]);
    jsondoc_put_adopt(out, "clusters", json_object_get(summary->clusters));
    jsondoc_put_int(out, "commands", (int64_t)summary->commands);
    jsondoc_put_int(out, "requests", (int64_t)summary->requests);
    jsondoc_put_int(out, "bytes", (int64_t)summary->bytes);
    jsondoc_put_string(out, "state", summary->state);
    jsondoc_put_string(out, "problem", summary->problem[0] ? summary->problem : NULL);
    return out;
}

void sessions_print_table(const struct table *table)
{
    scoped(buf_free) struct buf out = {.limit = (size_t)1 << 30};

    table_write(table, &out);
    display_write(NULL, buf_str(&out));
}

void sessions_print_json(json_object *root)
{
    scoped(buf_free) struct buf json = {.limit = (size_t)1 << 30};
    scoped(buf_free) struct buf safe = {.limit = (size_t)1 << 30};

    jsondoc_write(&json, root);
    format_json_safe(&safe, buf_str(&json));
    buf_append_char(&safe, '\n');
    display_write(NULL, buf_str(&safe));
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
    session_dir_remove_dead();
    if (!report.failed)
        return EXIT_OK;
    *err = report.problem;
    return -1;
}

/* ---- the command ---- */

#define SESSION_TEXT                                                                               \
    "SESSION is an id, the beginning of one (four characters or more), @last, or @2 for\n"         \
    "the one before."

/* In the order of enum sessions_format. */
static const char *const formats[] = {"table", "wide", "json", "jsonl", "name", NULL};

static const char *const states[] = {"running",    "crashed", "uploading", "stored",
                                     "incomplete", "damaged", NULL};

static const struct option_spec list_specs[] = {
    {"state", 0, OPTION_WORD, offsetof(struct sessions_flags, state), "STATE",
     "running, crashed, uploading, stored, incomplete or damaged", .choices = states},
    {"agent", 0, OPTION_TEXT, offsetof(struct sessions_flags, agent), "NAME",
     "of this agent, as it was recorded"},
    {"user", 0, OPTION_TEXT, offsetof(struct sessions_flags, user), "NAME", "of this user"},
    {"cluster", 0, OPTION_TEXT, offsetof(struct sessions_flags, cluster), "ID",
     "that talked to this cluster"},
    {"label", 'l', OPTION_LIST, offsetof(struct sessions_flags, labels), "KEY=VALUE",
     "with this label"},
    FILTER_SPECS(struct sessions_flags),
    {"sort-by", 0, OPTION_CHOICE, offsetof(struct sessions_flags, sort_by), "WHAT",
     "started (the default), commands, requests, size or took; the largest first",
     .choices = sessions_sort_choices},
    {"limit", 0, OPTION_ORDINAL, offsetof(struct sessions_flags, limit), "N", "no more than N"},
    {"no-headers", 0, OPTION_FLAG, offsetof(struct sessions_flags, no_headers), NULL,
     "a table without its first line"},
    {"output", 'o', OPTION_CHOICE, offsetof(struct sessions_flags, format), "FORMAT",
     "table, wide, json, jsonl or name", .choices = formats},
    {0},
};

static const struct usage list_usage = {
    "sessions list [flags]",
    "Recorded sessions, newest first: all of them, or those for which all of the flags hold.\n"
    "--since and --until are of the session's start; the other filters of requests and\n"
    "commands read the recordings, and ask for a session with such a one.",
    list_specs,
    .globals = GLOBAL_STORE | GLOBAL_CONFIG,
};

static const struct option_spec show_specs[] = {
    {"output", 'o', OPTION_CHOICE, offsetof(struct sessions_flags, format), "FORMAT",
     "table, json or name", .choices = formats},
    {"key", 0, OPTION_LIST, offsetof(struct sessions_flags, keys), "FILE",
     "trust this public key, and no other", .completer = COMPLETE_FILE},
    {0},
};

static const struct usage show_usage = {
    "sessions show SESSION [flags]",
    "One recorded session: its facts, what it did in numbers, its files, and what verify "
    "finds.\n\n" SESSION_TEXT,
    show_specs,
    COMPLETE_SESSION,
    .globals = GLOBAL_STORE | GLOBAL_CONFIG,
};

static const struct option_spec search_specs[] = {
    {"limit", 0, OPTION_ORDINAL, offsetof(struct sessions_flags, limit), "N",
     "end after N of them"},
    {"output", 'o', OPTION_CHOICE, offsetof(struct sessions_flags, format), "FORMAT",
     "table, or jsonl: the events", .choices = formats},
    {0},
};

static const struct usage search_usage = {
    "sessions search TEXT [flags]",
    "The recorded events of all sessions in which TEXT stands, newest session first: session,\n"
    "journal, seq, type, command, and what stands around it. Upper and lower case differ.",
    search_specs,
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
    filter_flags_free(&flags->filter);
    free_option_list(&flags->labels);
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

    return ready <= 0 ? ready : sessions_list(&flags, err);
}

static int run_show(int argc, char **argv, struct error *err)
{
    scoped(sessions_flags_free) struct sessions_flags flags = {0};
    int ready = parse(&flags, &show_usage, 1, 1, argc, argv, err);

    return ready <= 0 ? ready : sessions_show(&flags, err);
}

static int run_search(int argc, char **argv, struct error *err)
{
    scoped(sessions_flags_free) struct sessions_flags flags = {0};
    int ready = parse(&flags, &search_usage, 1, 1, argc, argv, err);

    return ready <= 0 ? ready : sessions_search(&flags, err);
}

static int run_reap(int argc, char **argv, struct error *err)
{
    scoped(sessions_flags_free) struct sessions_flags flags = {0};
    int ready = parse(&flags, &reap_usage, 0, 1, argc, argv, err);

    return ready <= 0 ? ready : reap_sessions(&flags.options, err);
}

static const struct command command_list = {
    .name = "list",
    .help = "all of them, or those that flags describe",
    .usage = &list_usage,
    .run = run_list,
};

static const struct command command_show = {
    .name = "show",
    .help = "one: its facts, what it did, its files, what verify finds",
    .usage = &show_usage,
    .run = run_show,
};

static const struct command command_search = {
    .name = "search",
    .help = "which events of all sessions hold a text",
    .usage = &search_usage,
    .run = run_search,
};

static const struct command command_reap = {
    .name = "reap",
    .help = "seal what a crashed gateway left behind, and store it",
    .usage = &reap_usage,
    .run = run_reap,
};

static const struct command *const subcommands[] = {
    &command_list, &command_show, &command_search, &command_reap, NULL,
};

static const struct usage usage = {
    "sessions [list | show SESSION | search TEXT | reap [SESSION]] [flags]",
    "Recorded sessions. Without a command it lists them.\n\n" SESSION_TEXT,
    list_specs,
    .subcommands = subcommands,
    .globals = GLOBAL_STORE | GLOBAL_CONFIG,
};

static int run(int argc, char **argv, struct error *err)
{
    scoped(sessions_flags_free) struct sessions_flags flags = {0};
    int ready = parse(&flags, &usage, 0, 0, argc, argv, err);

    return ready <= 0 ? ready : sessions_list(&flags, err);
}

const struct command command_sessions = {
    .name = "sessions",
    .group = GROUP_EVIDENCE,
    .help = "list, show, search and clean up recorded sessions",
    .usage = &usage,
    .run = run,
};
