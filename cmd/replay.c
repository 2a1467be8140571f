/* replay.c - kubectl hoop replay */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/jsondoc.h"
#include "base/log.h"
#include "base/scoped.h"
#include "replay/bodies.h"
#include "replay/changes.h"
#include "replay/filter.h"
#include "replay/format.h"
#include "replay/json.h"
#include "replay/text.h"
#include "replay/timeline.h"
#include "upload/verify_catalog.h"

#include "command.h"
#include "display.h"
#include "filter_flags.h"
#include "options.h"
#include "recordings.h"

#define PREVIEW_BYTES ((size_t)16 << 10)       /* of each body, with --bodies */
#define PREVIEW_TOTAL_BYTES ((size_t)64 << 20) /* of all of them */
#define BODY_BYTES ((size_t)256 << 20)         /* of one that was asked for, and in JSON */
#define BODY_TOTAL_BYTES ((size_t)1 << 30)

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_JSONL, FORMAT_RAW };

#define NOT_GIVEN (-1)

struct replay_options {
    int format;
    int colour; /* NOT_GIVEN, or one of colour_choices */
    bool no_pager;
    bool bodies;
    bool no_diff;
    bool show_managed_fields;
    bool unverified;
    uint64_t command, request, body, request_body; /* 0: not asked for */
    struct option_list keys;
    struct filter_flags filter;
};

struct replay {
    struct options options;
    struct replay_options chosen;
    struct replay_filter filter;
    struct recordings recordings;
    struct catalog *again; /* of this session alone, when it was listed once more; or NULL */
    const struct catalog_session *session;
    struct verify_report report;
    struct timeline *timeline;
    struct bodies *bodies;
    struct changes *changes;
    bool is_cut; /* something could not be shown */
};

static void replay_free(struct replay *replay)
{
    changes_free(&replay->changes);
    bodies_free(&replay->bodies);
    timeline_free(&replay->timeline);
    verify_report_free(&replay->report);
    catalog_free(&replay->again);
    recordings_free(&replay->recordings);
    filter_free(&replay->filter);
    filter_flags_free(&replay->chosen.filter);
    free_option_list(&replay->chosen.keys);
    options_free(&replay->options);
}

/* ---- reading; a journal has the same place in the session and in the timeline ---- */

static void add_to_timeline(void *context, size_t journal, const struct reader_line *line)
{
    struct replay *replay = context;

    timeline_add(replay->timeline, (unsigned)journal, line->text);
}

static void add_to_bodies(void *context, size_t journal, const struct reader_line *line)
{
    struct replay *replay = context;

    ignore(bodies_add(replay->bodies, (unsigned)journal, line->text));
}

static void add_to_changes(void *context, size_t journal, const struct reader_line *line)
{
    struct replay *replay = context;

    changes_add(replay->changes, (unsigned)journal, line->text);
}

static void note_cut(void *context, size_t journal, const struct error *err)
{
    struct replay *replay = context;

    replay->is_cut = true;
    timeline_add_finding(replay->timeline, "not shown from here on: %s", err->text);
}

static const struct verify_report *trusted_report(const struct replay *replay)
{
    return replay->chosen.unverified ? NULL : &replay->report;
}

static void read_again(struct replay *replay,
                       void (*line)(void *context, size_t journal, const struct reader_line *line))
{
    recordings_read(replay->session, trusted_report(replay),
                    &(struct recordings_user){.line = line, .context = replay});
}

/* A gateway seals and stores while we read; its files then have other names than were listed. True,
 * once, when it may have been so and they were listed anew. */
static bool list_again(struct replay *replay)
{
    const char *state = recordings_state(replay->session);
    struct error err = {0};

    if (replay->again || (strcmp(state, "running") != 0 && strcmp(state, "uploading") != 0))
        return false;
    replay->again = catalog_relist(replay->recordings.catalog, replay->session->id, &err);
    if (!replay->again || catalog_count(replay->again) != 1)
        return false;
    replay->session = catalog_session(replay->again, 0);
    verify_report_free(&replay->report);
    catalog_verify(replay->again, replay->session, replay->recordings.trust, NULL, &replay->report);
    return true;
}

static void read_timeline(struct replay *replay)
{
    do {
        replay->is_cut = false;
        timeline_free(&replay->timeline);
        replay->timeline = timeline_new(replay->session->id);
        for (size_t i = 0; i < replay->session->count; i++)
            ignore(timeline_journal(replay->timeline, replay->session->journals[i].id));
        recordings_read(replay->session, trusted_report(replay),
                        &(struct recordings_user){add_to_timeline, note_cut, replay});
    } while (replay->is_cut && list_again(replay));
    timeline_finish(replay->timeline);
}

static bool wants_request(void *context, const struct replay_request *request)
{
    const struct replay *replay = context;
    const struct timeline *timeline = replay->timeline;
    uint64_t command = replay->chosen.command;

    return filter_wants_request(&replay->filter, timeline, request) &&
           (!command || timeline->groups[request->group].number == command);
}

/* Of one request. */
static void read_bodies(struct replay *replay, uint32_t number)
{
    replay->bodies = bodies_new(replay->timeline, number, BODY_BYTES, BODY_TOTAL_BYTES);
    read_again(replay, add_to_bodies);
}

/* Of those that are shown. */
static void read_all_bodies(struct replay *replay, size_t each, size_t total)
{
    replay->bodies = bodies_new_for(replay->timeline, wants_request, replay, each, total);
    read_again(replay, add_to_bodies);
}

static void read_changes(struct replay *replay)
{
    if (replay->chosen.no_diff)
        return;
    replay->changes =
        changes_new(replay->timeline,
                    replay->chosen.show_managed_fields ? DIFF_WITH_NOISE : DIFF_WITHOUT_NOISE);
    if (changes_are_possible(replay->changes))
        read_again(replay, add_to_changes);
}

/* ---- jsonl: the events as they were recorded ---- */

static bool wants_event(struct replay *replay, size_t journal, struct str line)
{
    const struct timeline *timeline = replay->timeline;
    struct error err = {0};
    scoped(jsondoc_free) json_object *event = jsondoc_parse(line, &err);
    int64_t exchange = event ? jsondoc_int(event, "/exchange", -1) : -1;
    const char *command = event ? jsondoc_string(event, "/command") : NULL;

    if (exchange >= 0) {
        int64_t at = timeline_find_exchange(timeline, (unsigned)journal, (uint64_t)exchange);
        const struct replay_request *request = at < 0 ? NULL : &timeline->requests[at];
        return request && wants_request(replay, request);
    }
    const struct replay_group *group =
        command ? timeline_find_command(timeline, (unsigned)journal, command) : NULL;
    return group && filter_wants_group(&replay->filter, timeline, group) &&
           (!replay->chosen.command || group->number == replay->chosen.command);
}

static void write_line(void *context, size_t journal, const struct reader_line *line)
{
    struct replay *replay = context;
    scoped(buf_free) struct buf safe = {.limit = 8 * READER_LINE_BYTES_MAX};

    if (line->number == 1)
        return; /* the segment line is no event */
    if (replay->timeline && !wants_event(replay, journal, line->text))
        return;
    if (!isatty(STDOUT_FILENO)) {
        display_write(NULL, line->text);
        return;
    }
    format_json_safe(&safe, line->text);
    display_write(NULL, buf_str(&safe));
}

static void warn_cut(void *context, size_t journal, const struct error *err)
{
    struct replay *replay = context;

    replay->is_cut = true;
    log_line("not shown from here on: %s", err->text);
}

static void show_lines(struct replay *replay)
{
    recordings_merge(replay->session, trusted_report(replay),
                     &(struct recordings_user){write_line, warn_cut, replay});
}

/* ---- for people ---- */

static const char *verdict_text(const struct replay *replay)
{
    static char text[64];

    snprintf(text, sizeof text, "%s%s", verdict_word(replay->report.verdict),
             replay->report.is_self_attested ? ", self-attested" : "");
    return text;
}

static int colour(const struct replay *replay)
{
    int chosen = replay->chosen.colour;

    return chosen != NOT_GIVEN ? chosen
                               : settings_choice(&replay->recordings.settings, SETTING_COLOR);
}

static struct text_options text_options(const struct replay *replay)
{
    return (struct text_options){
        .columns = display_columns(),
        .is_coloured = display_is_coloured(colour(replay)),
        .command = replay->chosen.command,
        .filter = &replay->filter,
        .bodies = replay->bodies,
        .changes = replay->changes,
    };
}

static int show_text(struct replay *replay)
{
    struct pager pager = {0};

    if (replay->chosen.bodies)
        read_all_bodies(replay, PREVIEW_BYTES, PREVIEW_TOTAL_BYTES);
    read_changes(replay);
    struct text_options options = text_options(replay);
    options.verdict = verdict_text(replay);
    if (!replay->chosen.no_pager)
        pager_start(&pager, replay->recordings.settings.values[SETTING_PAGER]);
    text_write_timeline(replay->timeline, &options, display_write, NULL);
    pager_finish(&pager);
    return EXIT_OK;
}

static int show_json(struct replay *replay)
{
    scoped(jsondoc_free) json_object *verdict = json_object_new_object();

    if (replay->chosen.bodies)
        read_all_bodies(replay, BODY_BYTES, BODY_TOTAL_BYTES);
    read_changes(replay);
    jsondoc_put_string(verdict, "word", verdict_word(replay->report.verdict));
    jsondoc_put_string(verdict, "integrity", answer_word(replay->report.integrity));
    jsondoc_put_string(verdict, "completeness", answer_word(replay->report.completeness));
    jsondoc_put_bool(verdict, "selfAttested", replay->report.is_self_attested);
    json_write_timeline(replay->timeline,
                        &(struct json_options){
                            .command = replay->chosen.command,
                            .verdict = verdict,
                            .filter = &replay->filter,
                            .bodies = replay->bodies,
                            .changes = replay->changes,
                        },
                        display_write, NULL);
    return EXIT_OK;
}

static const struct replay_request *find_request(const struct replay *replay, uint64_t number,
                                                 struct error *err)
{
    const struct replay_request *request = timeline_request(replay->timeline, number);

    if (!request) {
        error_set(err, ERROR_USAGE, "there is no request %" PRIu64 " in this session", number);
        error_fix(err, "it has %zu: see kubectl hoop replay %.8s", replay->timeline->request_count,
                  replay->session->id);
    }
    return request;
}

static int show_exchange(struct replay *replay, struct error *err)
{
    const struct replay_request *request = find_request(replay, replay->chosen.request, err);

    if (!request)
        return -1;
    read_bodies(replay, request->number);
    text_write_exchange(replay->timeline, request, &(struct text_options){.bodies = replay->bodies},
                        display_write, NULL);
    return 0;
}

/* The bytes themselves, which a terminal must not see. */
static int write_raw(const struct body *body, struct error *err)
{
    uint64_t absent = 0;

    if (isatty(STDOUT_FILENO)) {
        error_set(err, ERROR_USAGE, "-o raw: what was recorded could drive your terminal");
        return error_fix(err, "send it to a file or a pipe, or leave -o raw out");
    }
    for (size_t i = 0; body && i < body->count; i++) {
        const struct body_piece *piece = &body->pieces[i];
        if (piece->kind == PIECE_BYTES)
            fwrite(body->bytes.data + piece->at, 1, piece->len, stdout);
        else
            absent += piece->covers;
    }
    if (!absent)
        return EXIT_OK;
    log_line("%" PRIu64 " bytes of it are withheld or were not recorded", absent);
    return EXIT_NOT_COMPLETE;
}

static int show_body(struct replay *replay, struct error *err)
{
    enum body_side side = replay->chosen.body ? SIDE_RESPONSE : SIDE_REQUEST;
    uint64_t number = replay->chosen.body ? replay->chosen.body : replay->chosen.request_body;
    const struct replay_request *request = find_request(replay, number, err);

    if (!request)
        return -1;
    read_bodies(replay, request->number);
    const struct exchange_view *view = bodies_of(replay->bodies, request);
    const struct body *body = view ? &view->body[side] : NULL;
    if (replay->chosen.format == FORMAT_RAW)
        return write_raw(body, err);
    if (body)
        text_write_body(body, "", display_write, NULL);
    return EXIT_OK;
}

static int check_command(const struct replay *replay, struct error *err)
{
    uint64_t command = replay->chosen.command;

    if (!command || timeline_command(replay->timeline, command))
        return 0;
    error_set(err, ERROR_USAGE, "there is no command %" PRIu64 " in this session", command);
    return error_fix(err, "it has %zu: see kubectl hoop replay %.8s",
                     replay->timeline->command_count, replay->session->id);
}

static int show(struct replay *replay, struct error *err)
{
    const struct replay_options *chosen = &replay->chosen;
    bool is_all = !chosen->command && !filter_is_set(&replay->filter);

    if (chosen->format != FORMAT_JSONL || !is_all)
        read_timeline(replay);
    if (check_command(replay, err) < 0)
        return -1;
    if (chosen->format == FORMAT_JSONL) {
        show_lines(replay);
        return EXIT_OK;
    }
    if (chosen->request)
        return show_exchange(replay, err);
    if (chosen->body || chosen->request_body)
        return show_body(replay, err);
    return chosen->format == FORMAT_JSON ? show_json(replay) : show_text(replay);
}

static const char *what_is_shown(const struct replay *replay)
{
    if (replay->chosen.unverified)
        return "do not rely on what is shown";
    if (verify_lacks_key(&replay->report))
        return "what cannot be verified is not shown (--key FILE trusts a key, --unverified shows "
               "it all the same)";
    if (replay->report.verdict == VERDICT_UNVERIFIABLE)
        return "what cannot be verified is not shown (--unverified shows it all the same)";
    return "only what precedes the damage is shown";
}

/* What is damaged is shown up to the damage, and never passes for whole. */
static int finish(const struct replay *replay, int status)
{
    enum verdict verdict = replay->report.verdict;

    if (verdict <= VERDICT_INCOMPLETE && !replay->is_cut)
        return status;
    fflush(stdout);
    log_line("session %.26s is %s: %s; see kubectl hoop verify %.26s", replay->session->id,
             verdict_word(verdict), what_is_shown(replay), replay->session->id);
    return verdict > VERDICT_INCOMPLETE ? verdict_exit_status(verdict) : EXIT_FINDING;
}

static int check_choice(const struct replay_options *chosen, struct error *err)
{
    int views = (chosen->request != 0) + (chosen->body != 0) + (chosen->request_body != 0) +
                (chosen->command != 0);

    if (views > 1)
        return error_set(err, ERROR_USAGE,
                         "only one of --cmd, --request, --body and --request-body at a time");
    if (chosen->format == FORMAT_RAW && !chosen->body && !chosen->request_body)
        return error_set(err, ERROR_USAGE, "-o raw needs --body or --request-body");
    if (views && !chosen->command &&
        (chosen->format == FORMAT_JSON || chosen->format == FORMAT_JSONL))
        return error_set(err, ERROR_USAGE, "-o json and jsonl show all: use them with --cmd");
    return 0;
}

static int run_replay(struct replay *replay, struct error *err)
{
    if (check_choice(&replay->chosen, err) < 0 ||
        filter_flags_read(&replay->chosen.filter, &replay->filter, err) < 0)
        return -1;
    if (recordings_open(&replay->recordings, &replay->options, &replay->chosen.keys, err) < 0)
        return -1;
    ignore(recordings_say_unread(&replay->recordings));
    replay->session = catalog_find(replay->recordings.catalog, replay->options.operands[0], err);
    if (!replay->session)
        return -1;
    catalog_verify(replay->recordings.catalog, replay->session, replay->recordings.trust, NULL,
                   &replay->report);
    int status = show(replay, err);
    return status < 0 ? -1 : finish(replay, status);
}

static const char *const formats[] = {"text", "json", "jsonl", "raw", NULL};

static const struct option_spec specs[] = {
    {"bodies", 0, OPTION_FLAG, offsetof(struct replay_options, bodies), NULL,
     "show request and response bodies"},
    {"cmd", 0, OPTION_ORDINAL, offsetof(struct replay_options, command), "N",
     "only command #N and its requests"},
    {"request", 0, OPTION_ORDINAL, offsetof(struct replay_options, request), "N",
     "request N in full: heads, bodies, end"},
    {"body", 0, OPTION_ORDINAL, offsetof(struct replay_options, body), "N",
     "the response body of request N"},
    {"request-body", 0, OPTION_ORDINAL, offsetof(struct replay_options, request_body), "N",
     "the request body of request N"},
    FILTER_SPECS(struct replay_options),
    {"no-diff", 0, OPTION_FLAG, offsetof(struct replay_options, no_diff), NULL,
     "do not compare changed objects with what they were"},
    {"show-managed-fields", 0, OPTION_FLAG, offsetof(struct replay_options, show_managed_fields),
     NULL, "compare also managedFields, resourceVersion, generation, last-applied"},
    {"color", 0, OPTION_CHOICE, offsetof(struct replay_options, colour), "WHEN",
     "auto, always or never", .choices = colour_choices},
    {"no-pager", 0, OPTION_FLAG, offsetof(struct replay_options, no_pager), NULL,
     "straight to the terminal"},
    {"output", 'o', OPTION_CHOICE, offsetof(struct replay_options, format), "FORMAT",
     "text, json (one document), jsonl (the events as recorded), raw (a body's bytes)",
     .choices = formats},
    {"key", 0, OPTION_LIST, offsetof(struct replay_options, keys), "FILE",
     "trust this public key, and no other", .completer = COMPLETE_FILE},
    {"unverified", 0, OPTION_FLAG, offsetof(struct replay_options, unverified), NULL,
     "show also what cannot be verified"},
    {0},
};

static const struct usage usage = {
    "replay SESSION [flags]",
    "Shows a recorded session step by step: its commands, under each the requests that\n"
    "it made with their answers, and what was refused, withheld or lost.\n\n"
    "SESSION is an id, the beginning of one (four characters or more), @last, or @2 for\n"
    "the one before. The recording is verified first; what is damaged is not shown.",
    specs,
    COMPLETE_SESSION,
    .globals = GLOBAL_STORE | GLOBAL_CONFIG,
};

static int run(int argc, char **argv, struct error *err)
{
    scoped(replay_free) struct replay replay = {.chosen.colour = NOT_GIVEN};
    int ready = options_parse(&replay.options, &usage, &replay.chosen, argc, argv, err);

    if (ready <= 0)
        return ready;
    if (options_expect(&replay.options, &usage, 1, 1, err) < 0)
        return -1;
    return run_replay(&replay, err);
}

const struct command command_replay = {
    .name = "replay",
    .group = GROUP_EVIDENCE,
    .help = "show a session step by step: commands, requests, answers",
    .usage = &usage,
    .run = run,
};
