#include "complete.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "command.h"
#include "help_topics.h"
#include "kube/kubeconfig.h"
#include "proxy/session_dir.h"
#include "recordings.h"
#include "summary.h"

#define SPECS_MAX 128
#define SESSIONS_MAX 40 /* that are offered, newest first: each one is a file to read */
#define PROGRAMS_MAX 4000

/* github.com/spf13/cobra, ShellCompDirective */
enum directive {
    DIRECTIVE_FILES = 0,
    DIRECTIVE_NO_FILES = 4,
    DIRECTIVE_DIRECTORIES = 16,
    DIRECTIVE_KEEP_ORDER = 32,
};

struct completion {
    const char *typed;                        /* the word so far, or what follows `--flag=` in it */
    const struct command *command;            /* NULL: none yet */
    const struct command *const *subcommands; /* one of which may come; NULL: none */
    const struct option_spec *specs[SPECS_MAX]; /* that may come */
    size_t spec_count;
    const struct option_spec *wants_value; /* the last word was this flag */
    struct options options;                /* the global flags that were given */
    int operand_count;
    bool is_behind_dashes;
    int rest_count;
};

/* ---- What stands before the word that is being typed ---- */

static void add_spec(struct completion *completion, const struct option_spec *spec)
{
    for (size_t i = 0; i < completion->spec_count; i++)
        if (strcmp(completion->specs[i]->name, spec->name) == 0)
            return;
    if (completion->spec_count < SPECS_MAX)
        completion->specs[completion->spec_count++] = spec;
}

static void add_usage(struct completion *completion, const struct usage *usage)
{
    for (const struct option_spec *spec = usage ? usage->specs : NULL; spec && spec->name; spec++)
        add_spec(completion, spec);
}

/* As options_find_command() does: before a subcommand the flags of all of them may stand. */
static void choose_command(struct completion *completion, const struct command *command)
{
    const struct usage *usage = command ? command->usage : NULL;

    completion->command = command;
    completion->subcommands = command ? usage ? usage->subcommands : NULL : command_table;
    completion->spec_count = 0;
    add_usage(completion, usage);
    for (const struct command *const *at = command ? completion->subcommands : NULL; at && *at;
         at++)
        add_usage(completion, (*at)->usage);
    for (const struct option_spec *global = options_globals; global->name; global++)
        if (!command || global->set == GLOBAL_ALL || (usage && (usage->globals & global->set)))
            add_spec(completion, global);
}

static const struct option_spec *find_long(const struct completion *completion, struct str name)
{
    for (size_t i = 0; i < completion->spec_count; i++)
        if (str_is(name, completion->specs[i]->name))
            return completion->specs[i];
    return NULL;
}

static const struct option_spec *find_letter(const struct completion *completion, char letter)
{
    for (size_t i = 0; i < completion->spec_count; i++)
        if (completion->specs[i]->letter == letter)
            return completion->specs[i];
    return NULL;
}

static bool takes_value(const struct option_spec *spec)
{
    return spec && spec->kind != OPTION_FLAG;
}

/* Where the store and the kubeconfig are is needed to look into them. */
static void take_value(struct completion *completion, const struct option_spec *spec,
                       const char *value)
{
    for (const struct option_spec *global = options_globals; global->name; global++)
        if (spec == global && spec->kind == OPTION_TEXT)
            *(const char **)((char *)&completion->options + spec->offset) = value;
}

static void take_long(struct completion *completion, const char *word)
{
    size_t len = strcspn(word + 2, "=");
    const struct option_spec *spec = find_long(completion, str_make(word + 2, len));

    if (!takes_value(spec))
        return;
    if (word[2 + len] == '=')
        take_value(completion, spec, word + 2 + len + 1);
    else
        completion->wants_value = spec;
}

static void take_letters(struct completion *completion, const char *word)
{
    for (const char *letter = word + 1; *letter; letter++) {
        const struct option_spec *spec = find_letter(completion, *letter);

        if (!takes_value(spec))
            continue;
        if (letter[1])
            take_value(completion, spec, letter + 1);
        else
            completion->wants_value = spec;
        return;
    }
}

static void take_operand(struct completion *completion, const char *word)
{
    for (const struct command *const *at = completion->subcommands; at && *at; at++)
        if (strcmp((*at)->name, word) == 0) {
            choose_command(completion, *at);
            return;
        }
    completion->subcommands = NULL;
    completion->operand_count++;
}

static void take_word(struct completion *completion, const char *word)
{
    const struct option_spec *wants_value = completion->wants_value;

    completion->wants_value = NULL;
    if (completion->is_behind_dashes)
        completion->rest_count++;
    else if (wants_value)
        take_value(completion, wants_value, word);
    else if (strcmp(word, "--") == 0)
        completion->is_behind_dashes = true;
    else if (strncmp(word, "--", 2) == 0)
        take_long(completion, word);
    else if (word[0] == '-' && word[1])
        take_letters(completion, word);
    else
        take_operand(completion, word);
}

/* ---- What is offered ---- */

static void offer(const struct completion *completion, const char *value, const char *help)
{
    scoped(buf_free) struct buf line = {0};

    if (strncmp(value, completion->typed, strlen(completion->typed)) != 0)
        return;
    utf8_append_safe(&line, str_from(value));
    if (help && *help) {
        buf_append_char(&line, '\t');
        utf8_append_safe(&line, str_from(help));
    }
    printf("%.*s\n", STR_ARG(buf_str(&line)));
}

/* As it is shown in a list, unless more of it has been typed. */
static void offer_session(const struct completion *completion, const struct recordings *recordings,
                          const struct catalog_session *session, size_t place)
{
    scoped(summary_free) struct summary summary = {0};
    size_t short_length = catalog_short_length(recordings->catalog);
    char started[CLOCK_TEXT_BYTES], name[sizeof session->id];
    const char *title;

    if (completion->typed[0] == '@')
        snprintf(name, sizeof name, place == 1 ? "@last" : "@%zu", place);
    else
        snprintf(
            name, sizeof name, "%.*s",
            (int)(strlen(completion->typed) > short_length ? sizeof session->id - 1 : short_length),
            session->id);
    if (strncmp(name, completion->typed, strlen(completion->typed)) != 0)
        return;
    summary_read(&summary, session);
    clock_format_us(summary.started_unix_us, started);
    title = summary_title(&summary);
    scoped(free_text) char *help =
        xasprintf("%.16sZ%s%s", started, title ? " " : "", title ? title : "");

    offer(completion, name, help);
}

static void offer_sessions(const struct completion *completion)
{
    scoped(recordings_free) struct recordings recordings = {0};
    struct error unseen = {0};

    if (recordings_open(&recordings, &completion->options, NULL, &unseen) < 0)
        return;
    size_t count = catalog_count(recordings.catalog);

    for (size_t i = 0; i < min_of(count, (size_t)SESSIONS_MAX); i++)
        offer_session(completion, &recordings, catalog_session(recordings.catalog, count - 1 - i),
                      i + 1);
}

static bool stands_before(const struct kubeconfig *config, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (config->contexts[j].namespace &&
            strcmp(config->contexts[i].namespace, config->contexts[j].namespace) == 0)
            return true;
    return false;
}

static void offer_kubeconfig(const struct completion *completion, enum completer what)
{
    scoped(kubeconfig_free) struct kubeconfig config = {0};
    const char *given = completion->options.kubeconfig;
    struct error unseen = {0};

    if (kubeconfig_load(&config, given ? given : getenv("KUBECONFIG"), getenv("HOME"), &unseen) < 0)
        return;
    for (size_t i = 0; i < config.context_count; i++) {
        const struct kubeconfig_context *context = &config.contexts[i];

        if (what == COMPLETE_CONTEXT)
            offer(completion, context->name, context->cluster);
        else if (context->namespace && !stands_before(&config, i))
            offer(completion, context->namespace, NULL);
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
    char **items; /* owned, all of it */
    size_t count;
};

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct names){0};
}

static void add_programs(struct names *names, const char *directory, const char *typed)
{
    DIR *open = opendir(directory);
    struct dirent *entry;

    while (open && (entry = readdir(open)) && names->count < PROGRAMS_MAX) {
        if (strncmp(entry->d_name, typed, strlen(typed)) != 0 || entry->d_name[0] == '.' ||
            faccessat(dirfd(open), entry->d_name, X_OK, 0) < 0)
            continue;
        names->items = xreallocarray(names->items, names->count + 1, sizeof *names->items);
        names->items[names->count++] = xstrdup(entry->d_name);
    }
    if (open)
        closedir(open);
}

/* Until something is typed only the tools that have shims: all programs would be thousands. */
static void offer_programs(const struct completion *completion)
{
    scoped(names_free) struct names names = {0};
    struct str rest = str_from(getenv("PATH"));

    if (!completion->typed[0]) {
        for (size_t i = 0; session_dir_tools[i]; i++)
            offer(completion, session_dir_tools[i], NULL);
        return;
    }
    while (rest.data) {
        scoped(free_text) char *directory = str_dup(str_split(&rest, ':'));

        add_programs(&names, directory, completion->typed);
    }
    if (names.count)
        qsort(names.items, names.count, sizeof *names.items, compare_names);
    for (size_t i = 0; i < names.count; i++)
        if (i == 0 || strcmp(names.items[i], names.items[i - 1]) != 0)
            offer(completion, names.items[i], NULL);
}

static void offer_commands(const struct completion *completion,
                           const struct command *const *commands)
{
    for (; commands && *commands; commands++)
        if ((*commands)->group != GROUP_HIDDEN)
            offer(completion, (*commands)->name, (*commands)->help);
}

static void offer_help(const struct completion *completion)
{
    offer_commands(completion, command_table);
    for (const struct help_topic *topic = help_topics; topic->name; topic++)
        if (strcmp(topic->name, "config") != 0) /* it has the name of a command */
            offer(completion, topic->name, topic->help);
}

static enum directive offer_what(const struct completion *completion, enum completer what)
{
    switch (what) {
    case COMPLETE_NOTHING:
        return DIRECTIVE_NO_FILES;
    case COMPLETE_FILE:
        return DIRECTIVE_FILES;
    case COMPLETE_DIRECTORY:
        return DIRECTIVE_DIRECTORIES;
    case COMPLETE_SESSION:
        offer_sessions(completion);
        return DIRECTIVE_NO_FILES | DIRECTIVE_KEEP_ORDER;
    case COMPLETE_CONTEXT:
    case COMPLETE_NAMESPACE:
        offer_kubeconfig(completion, what);
        return DIRECTIVE_NO_FILES;
    case COMPLETE_COMMAND:
        offer_help(completion);
        return DIRECTIVE_NO_FILES;
    case COMPLETE_PROGRAM:
        if (strchr(completion->typed, '/'))
            return DIRECTIVE_FILES;
        offer_programs(completion);
        return DIRECTIVE_NO_FILES;
    }
    unreachable();
}

static enum directive offer_value(const struct completion *completion,
                                  const struct option_spec *spec)
{
    if (!takes_value(spec))
        return DIRECTIVE_NO_FILES;
    for (const char *const *choice = spec->choices; choice && *choice; choice++)
        offer(completion, *choice, NULL);
    return offer_what(completion, spec->completer);
}

static enum directive offer_flags(struct completion *completion)
{
    const char *value = strchr(completion->typed, '=');

    if (value) {
        struct str name = str_make(completion->typed, (size_t)(value - completion->typed));

        completion->typed = value + 1;
        return offer_value(completion, find_long(completion, str_skip(name, 2)));
    }
    for (size_t i = 0; i < completion->spec_count; i++) {
        scoped(free_text) char *flag = xasprintf("--%s", completion->specs[i]->name);

        offer(completion, flag, completion->specs[i]->help);
    }
    return DIRECTIVE_NO_FILES;
}

static enum directive offer_operand(const struct completion *completion)
{
    const struct usage *usage = completion->command ? completion->command->usage : NULL;

    if (completion->subcommands) {
        offer_commands(completion, completion->subcommands);
        return DIRECTIVE_NO_FILES;
    }
    if (!usage || (completion->operand_count && !usage->operands_repeat))
        return DIRECTIVE_NO_FILES;
    return offer_what(completion, usage->operands);
}

static enum directive offer_rest(const struct completion *completion)
{
    const struct usage *usage = completion->command ? completion->command->usage : NULL;

    if (!usage || usage->rest == COMPLETE_NOTHING)
        return DIRECTIVE_NO_FILES;
    return completion->rest_count ? DIRECTIVE_FILES : offer_what(completion, usage->rest);
}

int complete_main(int argc, char **argv)
{
    struct completion completion = {.typed = argc > 1 ? argv[argc - 1] : ""};
    enum directive directive;

    choose_command(&completion, NULL);
    for (int i = 1; i < argc - 1; i++)
        take_word(&completion, argv[i]);
    if (completion.is_behind_dashes)
        directive = offer_rest(&completion);
    else if (completion.wants_value)
        directive = offer_value(&completion, completion.wants_value);
    else if (completion.typed[0] == '-')
        directive = offer_flags(&completion);
    else
        directive = offer_operand(&completion);
    printf(":%d\n", directive);
    return EXIT_OK;
}
