/* main.c - the table of subcommands; the only place where an error is printed. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/num.h"

#include "command.h"
#include "options.h"

static const struct command commands[] = {
    {"exec", GROUP_RECORD, "run a command and record what it does to the cluster", cmd_exec, true},
    {"credential", GROUP_RECORD, "answer kubectl's exec plugin call (in kubeconfigs of ours)",
     cmd_credential},
    {"sessions", GROUP_EVIDENCE, "list, show and clean up recorded sessions", cmd_sessions},
    {"replay", GROUP_EVIDENCE, "show a session step by step: commands, requests, answers",
     cmd_replay},
    {"verify", GROUP_EVIDENCE, "prove that a recording is complete and unchanged", cmd_verify},
    {"version", GROUP_OTHER, "print the version", cmd_version},
    {"session-process", GROUP_HIDDEN, "the gateway behind exec", cmd_session_process},
};

static const char *const group_names[] = {
    [GROUP_SETUP] = "SETUP",       [GROUP_RECORD] = "RECORD", [GROUP_GATEWAY] = "GATEWAY",
    [GROUP_EVIDENCE] = "EVIDENCE", [GROUP_OTHER] = "OTHER",
};

static void print_group(enum command_group group)
{
    bool titled = false;

    for (size_t i = 0; i < count_of(commands); i++) {
        if (commands[i].group != group)
            continue;
        if (!titled)
            printf("\n%s\n", group_names[group]);
        titled = true;
        printf("  %-12s  %s\n", commands[i].name, commands[i].help);
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
    puts("\n'kubectl hoop COMMAND --help' says more about a command.");
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

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < count_of(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int unknown_command(const char *name, struct error *err)
{
    const char *names[count_of(commands) + 1] = {NULL};
    size_t count = 0;

    for (size_t i = 0; i < count_of(commands); i++)
        if (commands[i].group != GROUP_HIDDEN)
            names[count++] = commands[i].name;
    error_set(err, ERROR_USAGE, "unknown command '%s'", name);
    const char *nearest = options_nearest(name, names);
    if (nearest)
        return error_fix(err, "did you mean 'kubectl hoop %s'?", nearest);
    return error_fix(err, "'kubectl hoop --help' lists them");
}

/* `help` and `help COMMAND`. */
static int run_help(int argc, char **argv, struct error *err)
{
    if (argc < 2) {
        print_help();
        return EXIT_OK;
    }
    const struct command *command = command_find(argv[1]);
    if (!command)
        return unknown_command(argv[1], err);
    char help[] = "--help";
    char *with_help[] = {argv[1], help, NULL};
    return command->run(2, with_help, err);
}

/* Moves the command's name in front of the flags before it, and runs it. */
static int run_command(int argc, char **argv, bool *runs_child, struct error *err)
{
    int at = options_find_command(argc, argv, err);

    if (at < 0)
        return -1;
    if (at == argc) {
        print_help();
        return EXIT_OK;
    }
    char *name = argv[at];
    memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof *argv);
    argv[1] = name;
    if (strcmp(name, "help") == 0)
        return run_help(argc - 1, argv + 1, err);
    const struct command *command = command_find(name);
    if (!command)
        return unknown_command(name, err);
    *runs_child = command->runs_child;
    return command->run(argc - 1, argv + 1, err);
}

static bool is_called_as_tool(const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash ? slash + 1 : program;

    return *name && strncmp(name, "kubectl-hoop", strlen("kubectl-hoop")) != 0;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    bool runs_child = false;
    int status;

    if (argc > 0 && is_called_as_tool(argv[0])) {
        runs_child = true;
        status = shim_main(argc, argv, &err);
    } else if (argc < 2) {
        print_help();
        status = EXIT_OK;
    } else {
        status = run_command(argc, argv, &runs_child, &err);
    }
    if ((fflush(stdout) != 0 || ferror(stdout)) && status >= 0)
        status = error_errno(&err, ERROR_INTERNAL, "write to standard output");
    if (status >= 0)
        return status;
    log_error(&err);
    return runs_child ? child_exit_status_of(err.kind) : exit_status_of(err.kind);
}
