/* main.c - the table of subcommands; the only place where an error is printed. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/scoped.h"

#include "command.h"
#include "complete.h"
#include "help_topics.h"
#include "options.h"

#define COMMANDS_MAX 32

static const struct command command_help;

/* clang-format off */
const struct command *const command_table[] = {
    &command_init,
    &command_config,
    &command_exec,
    &command_credential,
    &command_sessions,
    &command_replay,
    &command_verify,
    &command_completion,
    &command_version,
    &command_help,
    &command_complete,
    &command_session_process,
    NULL,
};
/* clang-format on */

static const char *const group_names[] = {
    [GROUP_SETUP] = "SETUP",       [GROUP_RECORD] = "RECORD", [GROUP_GATEWAY] = "GATEWAY",
    [GROUP_EVIDENCE] = "EVIDENCE", [GROUP_OTHER] = "OTHER",
};

static void print_command(const struct command *command)
{
    printf("  %-12s  %s\n", command->name, command->help);
}

static void print_group(enum command_group group)
{
    bool titled = false;

    for (const struct command *const *at = command_table; *at; at++) {
        if ((*at)->group != group)
            continue;
        if (!titled)
            printf("\n%s\n", group_names[group]);
        titled = true;
        print_command(*at);
    }
}

static void print_help(void)
{
    puts("Records what an agent or a person does to a Kubernetes cluster: every command,\n"
         "every request and every answer, as evidence that nobody can quietly change.\n\n"
         "Usage:\n  kubectl hoop COMMAND [flags]");
    for (enum command_group group = GROUP_SETUP; group < GROUP_HIDDEN; group++)
        print_group(group);
    puts("\nExamples:\n"
         "  kubectl hoop exec -- kubectl get pods    run a command, recorded\n"
         "  kubectl hoop replay @last                see what it did, step by step\n"
         "  kubectl hoop verify @last                prove that the recording is unchanged\n\n"
         "Global flags:");
    options_print_globals();
    puts("\n'kubectl hoop COMMAND --help' says more about a command, 'kubectl hoop help TOPIC'\n"
         "about a topic:");
    for (const struct help_topic *topic = help_topics; topic->name; topic++)
        printf("  %-12s  %s\n", topic->name, topic->help);
}

static int exit_status_of(enum error_kind kind)
{
    switch (kind) {
    case ERROR_NONE:
    case ERROR_INTERNAL:
    case ERROR_PROTOCOL:
    case ERROR_NOT_EXECUTABLE:
        return EXIT_ERROR;
    case ERROR_USAGE:
    case ERROR_CONFIG:
        return EXIT_USAGE;
    case ERROR_AUTH:
        return EXIT_LOGIN;
    case ERROR_NETWORK:
    case ERROR_STORAGE:
        return EXIT_TEMPORARY;
    case ERROR_NOT_FOUND:
        return EXIT_NO_SESSION;
    case ERROR_UNVERIFIABLE:
        return EXIT_UNVERIFIABLE;
    }
    unreachable();
}

/* For exec and the shim: the small numbers belong to the child that was not started. */
static int child_exit_status_of(enum error_kind kind)
{
    switch (kind) {
    case ERROR_USAGE:
        return EXIT_USAGE;
    case ERROR_CONFIG:
    case ERROR_UNVERIFIABLE:
        return EXIT_CHILD_CONFIG;
    case ERROR_AUTH:
        return EXIT_CHILD_LOGIN;
    case ERROR_NOT_FOUND:
        return EXIT_CHILD_NOT_FOUND;
    case ERROR_NOT_EXECUTABLE:
        return EXIT_CHILD_NOT_EXECUTABLE;
    case ERROR_NONE:
    case ERROR_INTERNAL:
    case ERROR_PROTOCOL:
    case ERROR_NETWORK:
    case ERROR_STORAGE:
        return EXIT_CHILD_TEMPORARY;
    }
    unreachable();
}

static const struct command *find(const struct command *const *table, const char *name)
{
    for (; table && *table; table++)
        if (strcmp((*table)->name, name) == 0)
            return *table;
    return NULL;
}

/* `parent` is the command that `name` should be one of, NULL for the program itself. */
static int unknown_command(const struct command *parent, const char *name, struct error *err)
{
    const struct command *const *table = parent ? parent->usage->subcommands : command_table;
    const char *between = parent ? " " : "";
    const char *above = parent ? parent->name : "";
    const char *names[COMMANDS_MAX + 1] = {NULL};
    size_t count = 0;

    for (; *table && count < COMMANDS_MAX; table++)
        if ((*table)->group != GROUP_HIDDEN)
            names[count++] = (*table)->name;
    error_set(err, ERROR_USAGE, "unknown command '%s%s%s'", above, between, name);
    const char *nearest = options_nearest(name, names);
    if (nearest)
        return error_fix(err, "did you mean 'kubectl hoop %s%s%s'?", above, between, nearest);
    return error_fix(err, "'kubectl hoop%s%s --help' lists them", parent ? " " : "", above);
}

/* Where the name of a subcommand of `command` stands; its flags may already stand before it. */
static int find_subcommand(const struct command *command, int argc, char **argv, struct error *err)
{
    const struct option_spec *tables[COMMANDS_MAX + 1] = {NULL};
    size_t count = 0;

    for (const struct command *const *at = command->usage->subcommands; *at; at++)
        if ((*at)->usage->specs && count < COMMANDS_MAX)
            tables[count++] = (*at)->usage->specs;
    return options_find_command(argc, argv, tables, err);
}

/* Moves the name at `at` in front of the flags before it. Returns the argv that begins with it. */
static char **bring_forward(char **argv, int at)
{
    char *name = argv[at];

    memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof *argv);
    argv[1] = name;
    return argv + 1;
}

static int run_command(const struct command *command, int argc, char **argv, struct error *err)
{
    if (!command->usage || !command->usage->subcommands)
        return command->run(argc, argv, err);
    int at = find_subcommand(command, argc, argv, err);
    if (at < 0)
        return -1;
    if (at == argc)
        return command->run(argc, argv, err);
    const struct command *subcommand = find(command->usage->subcommands, argv[at]);
    if (!subcommand)
        return unknown_command(command, argv[at], err);
    return subcommand->run(argc - 1, bring_forward(argv, at), err);
}

static const struct help_topic *find_topic(const char *name)
{
    const struct help_topic *topic = help_topics;

    while (topic->name && strcmp(topic->name, name) != 0)
        topic++;
    return topic->name ? topic : NULL;
}

static const struct usage help_usage = {
    "help [TOPIC | COMMAND [SUBCOMMAND]]",
    "Prints a summary, or what there is to say about a topic or a command.",
    .operands = COMPLETE_COMMAND,
};

/* `config` is a topic and a command, whose --help says so. */
static int run_help(int argc, char **argv, struct error *err)
{
    scoped(options_free) struct options options = {0};
    int ready = options_parse(&options, &help_usage, NULL, argc, argv, err);

    if (ready <= 0)
        return ready;
    if (options_expect(&options, &help_usage, 0, 2, err) < 0)
        return -1;
    if (options.operand_count == 0) {
        print_help();
        return EXIT_OK;
    }
    const struct help_topic *topic = find_topic(options.operands[0]);
    if (topic && options.operand_count == 1) {
        topic->print();
        return EXIT_OK;
    }
    const struct command *command = find(command_table, options.operands[0]);
    if (!command)
        return unknown_command(NULL, options.operands[0], err);
    char help[] = "--help";
    char *with_help[] = {options.operands[0], help, options.operands[1], NULL};
    return run_command(command, options.operand_count + 1, with_help, err);
}

static const struct command command_help = {
    .name = "help",
    .group = GROUP_OTHER,
    .help = "print this, or about a command or a topic",
    .usage = &help_usage,
    .run = run_help,
};

static int run_program(int argc, char **argv, bool *runs_child, struct error *err)
{
    int at = options_find_command(argc, argv, NULL, err);

    if (at < 0)
        return -1;
    if (at == argc) {
        print_help();
        return EXIT_OK;
    }
    char **own = bring_forward(argv, at);
    const struct command *command = find(command_table, own[0]);
    if (!command)
        return unknown_command(NULL, own[0], err);
    *runs_child = command->runs_child;
    return run_command(command, argc - 1, own, err);
}

static bool is_called(const char *program, const char *prefix)
{
    const char *slash = strrchr(program, '/');

    return strncmp(slash ? slash + 1 : program, prefix, strlen(prefix)) == 0;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    bool runs_child = false;
    int status;

    if (argc > 0 && is_called(argv[0], "kubectl_complete-")) { /* by kubectl */
        status = complete_main(argc, argv);
    } else if (argc > 0 && *argv[0] && !is_called(argv[0], "kubectl-hoop")) {
        runs_child = true;
        status = shim_main(argc, argv, &err);
    } else if (argc < 2) {
        print_help();
        status = EXIT_OK;
    } else {
        status = run_program(argc, argv, &runs_child, &err);
    }
    if ((fflush(stdout) != 0 || ferror(stdout)) && status >= 0)
        status = error_errno(&err, ERROR_INTERNAL, "write to standard output");
    if (status >= 0)
        return status;
    log_error(&err);
    return runs_child ? child_exit_status_of(err.kind) : exit_status_of(err.kind);
}
