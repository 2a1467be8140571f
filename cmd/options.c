#include "options.h"

#include <assert.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "command.h"

#define SPECS_MAX 64     /* of one command, and of all that may precede a subcommand */
#define FIRST_CODE 0x100 /* what getopt_long answers for specs[i] is FIRST_CODE + i */
#define TEXT_COLUMNS 90
#define NEAREST_MAX 64 /* longer words are not compared */

const struct option_spec options_globals[] = {
    {"kubeconfig", 0, OPTION_TEXT, offsetof(struct options, kubeconfig), "FILE",
     "the kubeconfig to start from", .completer = COMPLETE_FILE, .set = GLOBAL_CLUSTER},
    {"context", 0, OPTION_TEXT, offsetof(struct options, context), "NAME",
     "the kubeconfig context to use", .completer = COMPLETE_CONTEXT, .set = GLOBAL_CLUSTER},
    {"namespace", 'n', OPTION_TEXT, offsetof(struct options, namespace_name), "NAME",
     "the namespace to use", .completer = COMPLETE_NAMESPACE, .set = GLOBAL_CLUSTER},
    {"store", 0, OPTION_TEXT, offsetof(struct options, store), "URL",
     "where recordings are (default: ~/.local/state/kubectl-hoop/store)",
     .completer = COMPLETE_DIRECTORY, .set = GLOBAL_STORE},
    {"config", 0, OPTION_TEXT, offsetof(struct options, config), "FILE",
     "in place of ~/.config/kubectl-hoop/config.yaml", .completer = COMPLETE_FILE,
     .set = GLOBAL_CONFIG},
    {"quiet", 'q', OPTION_FLAG, offsetof(struct options, quiet), NULL,
     "no notes on standard error"},
    {"help", 'h', OPTION_FLAG, offsetof(struct options, help), NULL, "show help"},
    {0},
};

static bool takes_value(const struct option_spec *spec)
{
    return spec->kind != OPTION_FLAG;
}

static int append_list(struct option_list *list, const char *value)
{
    list->items = xreallocarray(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = value;
    return 0;
}

static int set_choice(const struct option_spec *spec, int *target, const char *value,
                      struct error *err)
{
    char all[128] = "";

    for (int i = 0; spec->choices[i]; i++) {
        if (strcmp(spec->choices[i], value) == 0) {
            *target = i;
            return 0;
        }
        size_t len = strlen(all);
        snprintf(all + len, sizeof all - len, "%s%s", i ? ", " : "", spec->choices[i]);
    }
    error_set(err, ERROR_USAGE, "--%s: unknown value '%s'", spec->name, value);
    return error_fix(err, "use one of: %s", all);
}

static int set_word(const struct option_spec *spec, const char **target, const char *value,
                    struct error *err)
{
    int choice;

    if (set_choice(spec, &choice, value, err) < 0)
        return -1;
    *target = spec->choices[choice];
    return 0;
}

static int set_ordinal(const struct option_spec *spec, uint64_t *target, const char *value,
                       struct error *err)
{
    uint64_t number = 0;

    if (!num_parse_u64(str_from(value), INT64_MAX, &number) || number == 0)
        return error_set(err, ERROR_USAGE, "--%s: '%s' is no number from 1 on", spec->name, value);
    *target = number;
    return 0;
}

static int set_target(const struct option_spec *spec, void *target, const char *value,
                      struct error *err)
{
    switch (spec->kind) {
    case OPTION_FLAG:
        *(bool *)target = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)target = value;
        return 0;
    case OPTION_NUMBER:
        if (!num_parse_u64(str_from(value), INT64_MAX, target))
            return error_set(err, ERROR_USAGE, "--%s: '%s' is not a number", spec->name, value);
        return 0;
    case OPTION_ORDINAL:
        return set_ordinal(spec, target, value, err);
    case OPTION_CHOICE:
        return set_choice(spec, target, value, err);
    case OPTION_WORD:
        return set_word(spec, target, value, err);
    case OPTION_LIST:
        return append_list(target, value);
    }
    unreachable();
}

struct scan {
    const struct option_spec *specs[SPECS_MAX];
    void *bases[SPECS_MAX]; /* what the offset of specs[i] counts from; NULL: it is passed over */
    struct option longs[SPECS_MAX + 1];
    char shorts[2 * SPECS_MAX + 4];
    size_t count;
    bool has_rest;   /* something may follow `--` */
    bool met_dashes; /* it ended at `--`, and not at the end */
};

static bool has_spec(const struct scan *scan, const char *name)
{
    for (size_t i = 0; i < scan->count; i++)
        if (strcmp(scan->specs[i]->name, name) == 0)
            return true;
    return false;
}

/* A name that is there already keeps its first row. */
static void add_spec(struct scan *scan, const struct option_spec *spec, void *base)
{
    if (has_spec(scan, spec->name))
        return;
    assert(scan->count < SPECS_MAX);
    scan->specs[scan->count] = spec;
    scan->bases[scan->count++] = base;
}

static void add_specs(struct scan *scan, const struct option_spec *specs, void *base)
{
    for (; specs && specs->name; specs++)
        add_spec(scan, specs, base);
}

static bool is_taken(const struct option_spec *global, unsigned sets)
{
    return global->set == GLOBAL_ALL || (global->set & sets);
}

static void add_globals(struct scan *scan, unsigned sets, void *base)
{
    for (const struct option_spec *global = options_globals; global->name; global++)
        if (is_taken(global, sets))
            add_spec(scan, global, base);
}

/* Does `argument` stand for a flag that other commands take? */
static bool is_global(const char *argument)
{
    for (const struct option_spec *global = options_globals; global->name; global++) {
        if (global->letter && argument[1] == global->letter)
            return true;
        if (strncmp(argument, "--", 2) == 0 && strlen(global->name) == strcspn(argument + 2, "=") &&
            strncmp(argument + 2, global->name, strlen(global->name)) == 0)
            return true;
    }
    return false;
}

static int unknown_flag(const struct scan *scan, const char *argument, struct error *err)
{
    const char *names[SPECS_MAX + 1] = {NULL};
    char typed[NEAREST_MAX];

    if (is_global(argument)) {
        error_set(err, ERROR_USAGE, "%s means nothing to this command", argument);
        return error_fix(err, "leave it out");
    }
    error_set(err, ERROR_USAGE, "unknown flag: %s", argument);
    if (strncmp(argument, "--", 2) == 0) {
        for (size_t i = 0; i < scan->count; i++)
            names[i] = scan->specs[i]->name;
        snprintf(typed, sizeof typed, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
        const char *nearest = options_nearest(typed, names);
        if (nearest)
            return error_fix(err, "did you mean --%s?", nearest);
    }
    return error_fix(err, "%s",
                     scan->has_rest ? "see --help; what belongs to the recorded command "
                                      "goes behind '--'"
                                    : "see --help");
}

/* getopt_long takes any unique beginning of a name; a flag added later would then break scripts. */
static bool is_abbreviated(const char *argument, const struct option_spec *spec)
{
    return strncmp(argument, "--", 2) == 0 &&
           (strcspn(argument + 2, "=") != strlen(spec->name) ||
            strncmp(argument + 2, spec->name, strlen(spec->name)) != 0);
}

static void prepare_scan(struct scan *scan)
{
    char *next = scan->shorts;

    *next++ = '-'; /* in order: an operand is answered as code 1 */
    *next++ = ':'; /* a missing value is answered as ':' */
    for (size_t i = 0; i < scan->count; i++) {
        const struct option_spec *spec = scan->specs[i];
        scan->longs[i] =
            (struct option){spec->name, takes_value(spec) ? required_argument : no_argument, NULL,
                            FIRST_CODE + (int)i};
        if (spec->letter) {
            *next++ = spec->letter;
            if (takes_value(spec))
                *next++ = ':';
        }
    }
    *next = '\0';
    opterr = 0;
    optind = 0; /* 0, not 1: glibc then also forgets the order mode of the last scan */
}

/* The place in scan->specs of what getopt_long answered; scan->count when it is not there. */
static size_t find_code(const struct scan *scan, int code)
{
    size_t i = 0;

    if (code >= FIRST_CODE)
        return (size_t)(code - FIRST_CODE);
    while (i < scan->count && (!scan->specs[i]->letter || scan->specs[i]->letter != code))
        i++;
    return i;
}

/* One step. IO_EOF at the end or at `--`; IO_AGAIN for an operand (in optarg). */
static enum io scan_next(struct scan *scan, int argc, char **argv, struct error *err)
{
    int at = optind ? optind : 1;
    int code = getopt_long(argc, argv, scan->shorts, scan->longs, NULL);
    const char *argument = at < argc ? argv[at] : "";

    if (code == -1) {
        scan->met_dashes = strcmp(argument, "--") == 0;
        return IO_EOF;
    }
    if (code == 1)
        return IO_AGAIN;
    if (code == ':')
        return (enum io)error_set(err, ERROR_USAGE, "%s needs a value", argument);
    if (code == '?' && optopt >= FIRST_CODE)
        return (enum io)error_set(err, ERROR_USAGE, "--%s takes no value",
                                  scan->specs[optopt - FIRST_CODE]->name);
    size_t i = find_code(scan, code);
    if (i == scan->count || is_abbreviated(argument, scan->specs[i]))
        return (enum io)unknown_flag(scan, argument, err);
    const struct option_spec *spec = scan->specs[i];
    if (!scan->bases[i])
        return IO_OK;
    return set_target(spec, (char *)scan->bases[i] + spec->offset, optarg, err) < 0 ? IO_FAILED
                                                                                    : IO_OK;
}

static void print_spec(const struct option_spec *spec)
{
    char left[64];
    char letter[8] = "    ";

    if (spec->letter)
        snprintf(letter, sizeof letter, "-%c, ", spec->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, spec->name, spec->value ? "=" : "",
             spec->value ? spec->value : "");
    printf("  %-24s  %s\n", left, spec->help);
}

static void print_globals(unsigned sets)
{
    for (const struct option_spec *global = options_globals; global->name; global++)
        if (is_taken(global, sets))
            print_spec(global);
}

void options_print_globals(void)
{
    print_globals(~0U);
}

/* Lines that are too long go on in the next one. */
static void print_text(const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        size_t end = len;

        if (len > TEXT_COLUMNS) {
            end = TEXT_COLUMNS;
            while (end > 0 && text[end] != ' ')
                end--;
            if (end == 0)
                end = len; /* one word */
        }
        printf("%.*s\n", (int)end, text);
        text += end + (text[end] != '\0');
    }
}

static void print_usage(const struct usage *usage)
{
    print_text(usage->text);
    printf("\nUsage:\n  kubectl hoop %s\n", usage->synopsis);
    if (usage->subcommands) {
        puts("\nCommands:");
        for (const struct command *const *at = usage->subcommands; *at; at++)
            printf("  %-12s  %s\n", (*at)->name, (*at)->help);
    }
    if (usage->specs && usage->specs->name) {
        puts("\nFlags:");
        for (const struct option_spec *spec = usage->specs; spec->name; spec++)
            print_spec(spec);
    }
    puts("\nGlobal flags:");
    print_globals(usage->globals);
}

int options_parse(struct options *options, const struct usage *usage, void *flags, int argc,
                  char **argv, struct error *err)
{
    struct scan scan = {0};
    enum io status;

    scan.has_rest = usage->rest != COMPLETE_NOTHING;
    add_specs(&scan, usage->specs, flags);
    add_globals(&scan, usage->globals, options);
    prepare_scan(&scan);
    options->operands = xcalloc((size_t)argc + 1, sizeof *options->operands);
    while ((status = scan_next(&scan, argc, argv, err)) != IO_EOF) {
        if (status == IO_FAILED)
            return -1;
        if (status == IO_AGAIN)
            options->operands[options->operand_count++] = optarg;
    }
    if (options->help) {
        print_usage(usage);
        return 0;
    }
    if (scan.met_dashes) {
        options->rest = argv + optind;
        options->rest_count = argc - optind;
    }
    return 1;
}

int options_expect(const struct options *options, const struct usage *usage, int least, int most,
                   struct error *err)
{
    if (options->rest)
        error_set(err, ERROR_USAGE, "nothing can follow '--' here");
    else if (options->operand_count < least)
        error_set(err, ERROR_USAGE, "an argument is missing");
    else if (options->operand_count > most)
        error_set(err, ERROR_USAGE, "one argument too many: '%s'", options->operands[most]);
    else
        return 0;
    return error_fix(err, "usage: kubectl hoop %s", usage->synopsis);
}

int options_find_command(int argc, char **argv, const struct option_spec *const *tables,
                         struct error *err)
{
    struct scan scan = {0};
    enum io status;

    add_globals(&scan, ~0U, NULL);
    for (; tables && *tables; tables++)
        add_specs(&scan, *tables, NULL);
    prepare_scan(&scan);
    while ((status = scan_next(&scan, argc, argv, err)) == IO_OK)
        ;
    if (status == IO_FAILED)
        return -1;
    if (status == IO_AGAIN)
        return optind - 1;
    return argc;
}

/* Edit distance with swaps of neighbours counted once ("optimal string alignment"). */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NEAREST_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];

    for (size_t j = 0; j <= b_len; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t cost = a[i - 1] != b[j - 1];
            now[j] = min_of(last[j], now[j - 1]) + 1;
            now[j] = min_of(now[j], last[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = min_of(now[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_len];
}

const char *options_nearest(const char *typed, const char *const *names)
{
    const char *best = NULL;
    size_t best_distance = 3;
    size_t len = strlen(typed);

    if (len < 2 || len > NEAREST_MAX)
        return NULL;
    for (; *names; names++) {
        size_t name_len = strlen(*names);
        if (name_len > NEAREST_MAX)
            continue;
        size_t apart =
            strncmp(typed, *names, len) == 0 ? 1 : distance(typed, len, *names, name_len);
        if (apart < best_distance && apart < max_of(len, name_len)) {
            best = *names;
            best_distance = apart;
        }
    }
    return best;
}

void options_free(struct options *options)
{
    free(options->operands);
    *options = (struct options){0};
}

void free_option_list(struct option_list *list)
{
    free(list->items);
    *list = (struct option_list){0};
}
