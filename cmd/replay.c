/* replay.c - kubectl hoop replay */
#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/jsondoc.h"
#include "base/log.h"
#include "base/scoped.h"
#include "replay/bodies.h"
#include "replay/format.h"
#include "replay/json.h"
#include "replay/text.h"
#include "replay/timeline.h"
#include "upload/verify_catalog.h"

#include "command.h"
#include "options.h"
#include "recordings.h"

#define PREVIEW_BYTES ((size_t)16 << 10)       /* of each body, with --bodies */
#define PREVIEW_TOTAL_BYTES ((size_t)64 << 20) /* of all of them */
#define BODY_BYTES ((size_t)256 << 20)         /* of one that was asked for, and in JSON */
#define BODY_TOTAL_BYTES ((size_t)1 << 30)

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_JSONL, FORMAT_RAW };

struct replay_options {
    int format;
    bool bodies;
    bool unverified;
    uint64_t command, request, body, request_body; /* 0: not asked for */
    struct option_list keys;
};

struct replay {
    struct options options;
    struct replay_options chosen;
    struct recordings recordings;
    const struct catalog_session *session;
    struct verify_report report;
    struct timeline *timeline;
    struct bodies *bodies;
    unsigned journal; /* the one that is being read */
    bool is_cut;      /* something could not be shown */
};

static void replay_free(struct replay *replay)
{
    bodies_free(&replay->bodies);
    timeline_free(&replay->timeline);
    verify_report_free(&replay->report);
    recordings_free(&replay->recordings);
    free_option_list(&replay->chosen.keys);
    options_free(&replay->options);
}

static void write_stdout(void *context, struct str text)
{
    fwrite(text.data, 1, text.len, stdout);
}

/* main.c reports what could not be written. */
static void write_line(void *context, const struct reader_line *line)
{
    scoped(buf_free) struct buf safe = {.limit = 8 * READER_LINE_BYTES_MAX};

    if (line->number == 1)
        return; /* the segment line is no event */
    if (!isatty(STDOUT_FILENO)) {
        write_stdout(NULL, line->text);
        return;
    }
    format_json_safe(&safe, line->text);
    write_stdout(NULL, buf_str(&safe));
}

static void add_to_timeline(void *context, const struct reader_line *line)
{
    struct replay *replay = context;

    timeline_add(replay->timeline, replay->journal, line->text);
}

static void add_to_bodies(void *context, const struct reader_line *line)
{
    struct replay *replay = context;

    bodies_add(replay->bodies, replay->journal, line->text);
}

/* Reads all journals; says in `problem` where one had to end. */
static void read_all(struct replay *replay,
                     void (*use)(void *context, const struct reader_line *line),
                     void (*problem)(struct replay *replay, const struct error *err))
{
    const struct verify_report *verified = replay->chosen.unverified ? NULL : &replay->report;

    for (size_t i = 0; i < replay->session->count; i++) {
        const struct catalog_journal *journal = &replay->session->journals[i];
        struct error err = {0};
        if (replay->timeline)
            replay->journal = timeline_journal(replay->timeline, journal->id);
        if (recordings_read(journal, verified, use, replay, &err) == 0)
            continue;
        replay->is_cut = true;
        if (problem)
            problem(replay, &err);
    }
}

static void note_cut(struct replay *replay, const struct error *err)
{
    timeline_add_finding(replay->timeline, "not shown from here on: %s", err->text);
}

static void warn_cut(struct replay *replay, const struct error *err)
{
    log_line("not shown from here on: %s", err->text);
}

static void read_timeline(struct replay *replay)
{
    replay->timeline = timeline_new(replay->session->id);
    read_all(replay, add_to_timeline, note_cut);
    timeline_finish(replay->timeline);
}

static void read_bodies(struct replay *replay, uint64_t number, size_t each, size_t total)
{
    replay->bodies = bodies_new(replay->timeline, (uint32_t)number, each, total);
    read_all(replay, add_to_bodies, NULL);
}

static size_t terminal_columns(void)
{
    struct winsize size;

    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
        return 0;
    return size.ws_col;
}

static const char *verdict_text(const struct replay *replay)
{
    static char text[64];

    snprintf(text, sizeof text, "%s%s", verdict_word(replay->report.verdict),
             replay->report.is_self_attested ? ", self-attested" : "");
    return text;
}

static int show_text(struct replay *replay)
{
    if (replay->chosen.bodies)
        read_bodies(replay, 0, PREVIEW_BYTES, PREVIEW_TOTAL_BYTES);
    text_write_timeline(replay->timeline,
                        &(struct text_options){
                            .columns = terminal_columns(),
                            .command = replay->chosen.command,
                            .verdict = verdict_text(replay),
                            .bodies = replay->bodies,
                        },
                        write_stdout, NULL);
    return 0;
}

static int show_json(struct replay *replay)
{
    scoped(jsondoc_free) json_object *verdict = json_object_new_object();

    if (replay->chosen.bodies)
        read_bodies(replay, 0, BODY_BYTES, BODY_TOTAL_BYTES);
    jsondoc_put_string(verdict, "word", verdict_word(replay->report.verdict));
    jsondoc_put_string(verdict, "integrity", answer_word(replay->report.integrity));
    jsondoc_put_string(verdict, "completeness", answer_word(replay->report.completeness));
    jsondoc_put_bool(verdict, "selfAttested", replay->report.is_self_attested);
    json_write_timeline(replay->timeline,
                        &(struct json_options){
                            .command = replay->chosen.command,
                            .verdict = verdict,
                            .bodies = replay->bodies,
                        },
                        write_stdout, NULL);
    return 0;
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
    read_bodies(replay, request->number, BODY_BYTES, BODY_TOTAL_BYTES);
    text_write_exchange(replay->timeline, request, replay->bodies, write_stdout, NULL);
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
    read_bodies(replay, request->number, BODY_BYTES, BODY_TOTAL_BYTES);
    const struct exchange_view *view = bodies_of(replay->bodies, request);
    const struct body *body = view ? &view->body[side] : NULL;
    if (replay->chosen.format == FORMAT_RAW)
        return write_raw(body, err);
    if (body)
        text_write_body(body, "", write_stdout, NULL);
    return EXIT_OK;
}

static int show(struct replay *replay, struct error *err)
{
    const struct replay_options *chosen = &replay->chosen;

    if (chosen->format == FORMAT_JSONL) {
        read_all(replay, write_line, warn_cut);
        return EXIT_OK;
    }
    read_timeline(replay);
    if (chosen->command && !timeline_command(replay->timeline, chosen->command)) {
        error_set(err, ERROR_USAGE, "there is no command %" PRIu64 " in this session",
                  chosen->command);
        return error_fix(err, "it has %zu: see kubectl hoop replay %.8s",
                         replay->timeline->command_count, replay->session->id);
    }
    if (chosen->request)
        return show_exchange(replay, err);
    if (chosen->body || chosen->request_body)
        return show_body(replay, err);
    return chosen->format == FORMAT_JSON ? show_json(replay) : show_text(replay);
}

/* What is damaged is shown up to the damage, and never passes for whole. */
static int finish(const struct replay *replay, int status)
{
    enum verdict verdict = replay->report.verdict;

    if (verdict <= VERDICT_INCOMPLETE && !replay->is_cut)
        return status;
    fflush(stdout);
    log_line("session %.26s is %s: %s; see kubectl hoop verify %.26s", replay->session->id,
             verdict_word(verdict),
             replay->chosen.unverified ? "do not rely on what is shown"
             : verdict == VERDICT_UNVERIFIABLE
                 ? "what cannot be verified is not shown (--key FILE trusts a "
                   "key, --unverified "
                   "shows it all the same)"
                 : "only what precedes the damage is shown",
             replay->session->id);
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
    if (views && !chosen->command && (chosen->format == FORMAT_JSON))
        return error_set(err, ERROR_USAGE, "-o json shows all: use it with --cmd or --bodies");
    return 0;
}

static int run_replay(struct replay *replay, struct error *err)
{
    if (check_choice(&replay->chosen, err) < 0)
        return -1;
    if (recordings_open(&replay->recordings, &replay->options, &replay->chosen.keys, err) < 0)
        return -1;
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
    scoped(replay_free) struct replay replay = {0};
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
