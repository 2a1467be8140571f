#include "settings_parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "options.h"

#define DEPTH_MAX 32
#define SHOWN_BYTES 64 /* of a text of theirs in a message */

static const char *const durabilities[] = {"normal", "strict", NULL};
static const char *const colors[] = {"auto", "always", "never", NULL}; /* enum colour */
static const char *const failures[] = {"block", NULL};

const struct setting_spec setting_specs[SETTING_COUNT] = {
    [SETTING_STORE] = {"store", SETTING_KIND_STORE, "",
                       "Where sealed recordings are kept: a directory. Without it they are in\n"
                       "$XDG_STATE_HOME/kubectl-hoop/store.",
                       "KHOOP_STORE"},
    [SETTING_DURABILITY] =
        {"durability", SETTING_KIND_CHOICE, "normal",
         "normal: a request is on disk before it is forwarded, a response is\n"
         "written before it is delivered. strict: a response is on disk first too.",
         NULL, durabilities},
    [SETTING_SHIP_EVERY] = {"ship-every", SETTING_KIND_DURATION, "30m",
                            "How long a segment of a recording may grow before it is sealed and\n"
                            "goes to the store.",
                            .least_s = 1, .most_s = 86400},
    [SETTING_ON_RECORD_FAILURE] =
        {"on-record-failure", SETTING_KIND_CHOICE, "block",
         "What cannot be recorded is not done. There is no other value in\n"
         "this release.",
         NULL, failures},
    [SETTING_KUBECTL] = {"kubectl", SETTING_KIND_PROGRAM, "",
                         "The kubectl that recorded commands run. Without it: the first on PATH."},
    [SETTING_HELM] = {"helm", SETTING_KIND_PROGRAM, "",
                      "The helm that recorded commands run. Without it: the first on PATH."},
    [SETTING_COLOR] =
        {"color", SETTING_KIND_CHOICE, "auto",
         "Colours in what is shown to people. auto: on a terminal, unless NO_COLOR is\n"
         "set.",
         NULL, colors},
    [SETTING_PAGER] =
        {"pager", SETTING_KIND_TEXT, "",
         "The command that shows long text on a terminal; cat: none. Without it: PAGER,\n"
         "else less.",
         "KHOOP_PAGER"},
};

/* Keys of the design that this release does nothing with: to take one and ignore it would be to
 * promise what is not done. */
static const char *const later_keys[] = {"policy", "retention", "gateway", "issuers", NULL};

/* ---- Problems ---- */

static struct settings_problem *add_problem(struct settings_file *file, yaml_mark_t mark,
                                            const char *fmt, ...) printf_like(3, 4);

/* Never NULL: those past the limit go to a place that is thrown away. */
static struct settings_problem *add_problem(struct settings_file *file, yaml_mark_t mark,
                                            const char *fmt, ...)
{
    static struct settings_problem spare;
    struct settings_problem *problem = &spare;
    va_list args;

    if (file->problem_count < SETTINGS_PROBLEMS_MAX) {
        file->problems =
            xreallocarray(file->problems, file->problem_count + 1, sizeof *file->problems);
        problem = &file->problems[file->problem_count++];
    } else {
        file->problems_left_off++;
    }
    *problem = (struct settings_problem){.line = (unsigned)mark.line + 1,
                                         .column = (unsigned)mark.column + 1};
    va_start(args, fmt);
    vsnprintf(problem->text, sizeof problem->text, fmt, args);
    va_end(args);
    return problem;
}

static int shown_length(struct str text)
{
    size_t len = min_of(text.len, (size_t)SHOWN_BYTES);

    while (len > 0 && len < text.len && (text.data[len] & 0xc0) == 0x80)
        len--;
    return (int)len;
}

/* "%.*s", SHOWN(text) */
#define SHOWN(text) shown_length(text), (text).data

/* ---- Values ---- */

int setting_choice(enum setting setting, const char *text)
{
    const char *const *choices = setting_specs[setting].choices;
    int i = 0;

    while (choices[i] && strcmp(choices[i], text) != 0)
        i++;
    return i;
}

int64_t setting_duration_s(struct str text)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'h', 3600}, {'m', 60}, {'s', 1}};
    int64_t total = 0;

    if (text.len == 0)
        return -1;
    for (size_t i = 0; i < count_of(units) && text.len; i++) {
        ptrdiff_t end = str_index(text, units[i].letter);
        uint64_t number;

        if (end < 0)
            continue;
        if (!num_parse_u64(str_first(text, (size_t)end), 1000000, &number))
            return -1;
        total += (int64_t)number * units[i].seconds;
        text = str_skip(text, (size_t)end + 1);
    }
    return text.len ? -1 : total;
}

static bool is_absolute(struct str text)
{
    return str_starts(text, STR("/")) || str_starts(text, STR("~/"));
}

static bool has_scheme(struct str text)
{
    ptrdiff_t colon = str_index(text, ':');
    ptrdiff_t slash = str_index(text, '/');

    return colon > 0 && (slash < 0 || colon < slash);
}

static bool check_choice(struct settings_file *file, const struct setting_spec *spec,
                         struct str value, yaml_mark_t mark)
{
    char all[128] = "";

    for (const char *const *choice = spec->choices; *choice; choice++) {
        size_t len = strlen(all);

        if (str_is(value, *choice))
            return true;
        snprintf(all + len, sizeof all - len, "%s%s", len ? ", " : "", *choice);
    }
    struct settings_problem *problem =
        add_problem(file, mark, "%s: unknown value '%.*s'", spec->name, SHOWN(value));

    snprintf(problem->fix, sizeof problem->fix, "use one of: %s", all);
    return false;
}

static bool check_duration(struct settings_file *file, const struct setting_spec *spec,
                           struct str value, yaml_mark_t mark)
{
    int64_t seconds = setting_duration_s(value);

    if (seconds >= spec->least_s && seconds <= spec->most_s)
        return true;
    struct settings_problem *problem =
        add_problem(file, mark, "%s: '%.*s' is no time from %llds to %lldh", spec->name,
                    SHOWN(value), (long long)spec->least_s, (long long)spec->most_s / 3600);

    snprintf(problem->fix, sizeof problem->fix, "write it as 90s, 30m or 1h30m");
    return false;
}

static bool check_path(struct settings_file *file, const struct setting_spec *spec,
                       struct str value, yaml_mark_t mark)
{
    if (is_absolute(value))
        return true;
    struct settings_problem *problem =
        add_problem(file, mark, "%s: '%.*s' is no absolute path", spec->name, SHOWN(value));

    snprintf(problem->fix, sizeof problem->fix, "begin it with / or ~/");
    return false;
}

static bool check_store(struct settings_file *file, const struct setting_spec *spec,
                        struct str value, yaml_mark_t mark)
{
    if (!has_scheme(value))
        return check_path(file, spec, value, mark);
    if (str_starts(value, STR("file:/")))
        return true;
    struct settings_problem *problem =
        add_problem(file, mark, "%s: '%.*s' is no kind of store that this release has", spec->name,
                    SHOWN(value));

    snprintf(problem->fix, sizeof problem->fix, "give a directory");
    return false;
}

static bool check_line(struct settings_file *file, const struct setting_spec *spec,
                       struct str value, yaml_mark_t mark)
{
    uint32_t code;

    for (struct str rest = value; rest.len; rest = str_skip(rest, utf8_next(rest, &code))) {
        utf8_next(rest, &code);
        if (utf8_is_control(code)) {
            add_problem(file, mark, "%s: a control character in it", spec->name);
            return false;
        }
    }
    return true;
}

static bool check_value(struct settings_file *file, const struct setting_spec *spec,
                        struct str value, yaml_mark_t mark)
{
    switch (spec->kind) {
    case SETTING_KIND_STORE:
        return check_store(file, spec, value, mark);
    case SETTING_KIND_PROGRAM:
        return check_path(file, spec, value, mark);
    case SETTING_KIND_TEXT:
        return check_line(file, spec, value, mark);
    case SETTING_KIND_CHOICE:
        return check_choice(file, spec, value, mark);
    case SETTING_KIND_DURATION:
        return check_duration(file, spec, value, mark);
    }
    unreachable();
}

/* ---- The document ---- */

enum place { PLACE_BEFORE, PLACE_KEY, PLACE_VALUE, PLACE_AFTER };

struct reading {
    struct settings_file *file;
    enum place place;
    unsigned depth;   /* inside a list or map that is no value of ours */
    int key;          /* whose value comes; -1: one that was complained about */
    bool is_stopped;  /* what follows cannot be told apart */
    bool is_document; /* one has begun */
};

static int find_setting(struct str name)
{
    for (int i = 0; i < SETTING_COUNT; i++)
        if (str_is(name, setting_specs[i].name))
            return i;
    return -1;
}

static void say_unknown(struct settings_file *file, struct str name, yaml_mark_t mark)
{
    const char *names[SETTING_COUNT + 1] = {NULL};
    scoped(free_text) char *typed = str_dup(name);
    struct settings_problem *problem;

    for (const char *const *later = later_keys; *later; later++)
        if (str_is(name, *later)) {
            problem = add_problem(file, mark, "'%s' is not in this release", *later);
            snprintf(problem->fix, sizeof problem->fix, "take it out");
            return;
        }
    problem = add_problem(file, mark, "unknown key '%.*s'", SHOWN(name));
    for (int i = 0; i < SETTING_COUNT; i++)
        names[i] = setting_specs[i].name;
    const char *nearest = options_nearest(typed, names);

    if (nearest)
        snprintf(problem->fix, sizeof problem->fix, "did you mean '%s'?", nearest);
    else
        snprintf(problem->fix, sizeof problem->fix, "kubectl hoop help config lists the keys");
}

static void take_key(struct reading *reading, struct str name, yaml_mark_t mark)
{
    reading->place = PLACE_VALUE;
    reading->key = find_setting(name);
    if (reading->key < 0) {
        say_unknown(reading->file, name, mark);
        return;
    }
    unsigned *line = &reading->file->lines[reading->key];

    if (*line) {
        struct settings_problem *problem =
            add_problem(reading->file, mark, "'%s' stands twice, first in line %u",
                        setting_specs[reading->key].name, *line);
        snprintf(problem->fix, sizeof problem->fix, "keep one of them");
        reading->key = -1;
        return;
    }
    *line = (unsigned)mark.line + 1;
}

static void take_value(struct reading *reading, struct str value, yaml_mark_t mark)
{
    const struct setting_spec *spec = &setting_specs[max_of(reading->key, 0)];

    reading->place = PLACE_KEY;
    if (reading->key < 0)
        return;
    if (value.len == 0 || memchr(value.data, '\0', value.len)) {
        struct settings_problem *problem = add_problem(reading->file, mark, "%s: %s", spec->name,
                                                       value.len ? "a NUL character" : "no value");
        snprintf(problem->fix, sizeof problem->fix, "give one, or take the line out");
        return;
    }
    if (check_value(reading->file, spec, value, mark))
        reading->file->values[reading->key] = str_dup(value);
}

static void take_scalar(struct reading *reading, const yaml_event_t *event)
{
    struct str text = str_make(event->data.scalar.value, event->data.scalar.length);
    bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    bool is_null = is_plain && (str_is(text, "~") || str_is(text, "null"));
    bool is_value = reading->place == PLACE_VALUE;

    if (event->data.scalar.anchor || event->data.scalar.tag)
        add_problem(reading->file, event->start_mark, "anchors and tags have no meaning here");
    if (reading->place == PLACE_KEY)
        take_key(reading, text, event->start_mark);
    else if (is_value)
        take_value(reading, is_null ? (struct str){0} : text, event->start_mark);
    else if (!(is_plain && text.len == 0) && !is_null) {
        struct settings_problem *problem =
            add_problem(reading->file, event->start_mark, "this is no map of keys and values");
        snprintf(problem->fix, sizeof problem->fix, "write lines like 'durability: strict'");
    }
}

static void take_alias(struct reading *reading, yaml_mark_t mark)
{
    add_problem(reading->file, mark, "aliases have no meaning here");
    if (reading->place == PLACE_KEY)
        reading->key = -1;
    reading->place = reading->place == PLACE_KEY ? PLACE_VALUE : PLACE_KEY;
}

/* A list or a map begins where neither belongs: it is passed over as a whole. */
static void enter(struct reading *reading, const char *what, yaml_mark_t mark)
{
    if (reading->depth == 0) {
        if (reading->place == PLACE_VALUE && reading->key >= 0)
            add_problem(reading->file, mark, "%s: %s, where one value belongs",
                        setting_specs[reading->key].name, what);
        else if (reading->place != PLACE_VALUE)
            add_problem(reading->file, mark, "%s, where %s belongs", what,
                        reading->place == PLACE_KEY ? "a key" : "a map of keys and values");
    }
    if (++reading->depth > DEPTH_MAX) {
        add_problem(reading->file, mark, "nested too deep");
        reading->is_stopped = true;
    }
}

static void leave(struct reading *reading)
{
    if (reading->depth == 0) {
        reading->place = PLACE_AFTER;
        return;
    }
    if (--reading->depth > 0)
        return;
    if (reading->place == PLACE_KEY) {
        reading->key = -1;
        reading->place = PLACE_VALUE;
    } else if (reading->place == PLACE_VALUE) {
        reading->place = PLACE_KEY;
    }
}

static void take_event(struct reading *reading, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (reading->is_document) {
            add_problem(reading->file, event->start_mark,
                        "a second document begins; only one is allowed");
            reading->is_stopped = true;
        }
        reading->is_document = true;
        return;
    case YAML_ALIAS_EVENT:
        if (reading->depth == 0)
            take_alias(reading, event->start_mark);
        return;
    case YAML_SCALAR_EVENT:
        if (reading->depth == 0)
            take_scalar(reading, event);
        return;
    case YAML_SEQUENCE_START_EVENT:
        enter(reading, "a list", event->start_mark);
        return;
    case YAML_MAPPING_START_EVENT:
        if (reading->depth > 0 || reading->place != PLACE_BEFORE)
            enter(reading, "a map", event->start_mark);
        else
            reading->place = PLACE_KEY;
        return;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        leave(reading);
        return;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return;
    }
    unreachable();
}

static void read_all(struct reading *reading, yaml_parser_t *parser)
{
    bool is_end = false;

    while (!is_end && !reading->is_stopped) {
        yaml_event_t event;

        if (!yaml_parser_parse(parser, &event)) {
            add_problem(reading->file, parser->problem_mark, "%s",
                        parser->problem ? parser->problem : "not YAML");
            return;
        }
        is_end = event.type == YAML_STREAM_END_EVENT;
        take_event(reading, &event);
        yaml_event_delete(&event);
    }
}

/* libyaml would tell of it by a byte offset, after it had guessed UTF-16 from the first bytes. */
static bool check_encoding(struct settings_file *file, struct str text)
{
    yaml_mark_t mark = {0};
    uint32_t code;

    while (text.len) {
        size_t len = utf8_next(text, &code);

        if (len == 0 || code == 0) {
            add_problem(file, mark, len ? "a NUL character" : "not UTF-8");
            return false;
        }
        mark.column = code == '\n' ? 0 : mark.column + 1;
        mark.line += code == '\n';
        text = str_skip(text, len);
    }
    return true;
}

void settings_parse(struct settings_file *file, struct str text)
{
    struct reading reading = {.file = file, .key = -1};
    yaml_parser_t parser;

    if (text.len > SETTINGS_FILE_BYTES_MAX) {
        add_problem(file, (yaml_mark_t){0}, "too large: more than %zu bytes",
                    SETTINGS_FILE_BYTES_MAX);
        return;
    }
    if (!check_encoding(file, text))
        return;
    if (!yaml_parser_initialize(&parser)) {
        add_problem(file, (yaml_mark_t){0}, "YAML: memory ended");
        return;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.data ? text.data : ""),
                                 text.len);
    read_all(&reading, &parser);
    yaml_parser_delete(&parser);
}

void settings_file_free(struct settings_file *file)
{
    for (int i = 0; i < SETTING_COUNT; i++)
        free(file->values[i]);
    free(file->problems);
    *file = (struct settings_file){0};
}
