#include "exec_meant.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/tool.h"

enum owner {
    OWNER_HOOP,
    OWNER_BOTH,
    OWNER_KUBECTL,
};

static const struct flag {
    const char *name; /* with its dashes */
    enum owner owner;
    bool takes_value;
} flags[] = {
    {"--title", OWNER_HOOP, true},     {"--label", OWNER_HOOP, true},
    {"-l", OWNER_HOOP, true},          {"--agent", OWNER_HOOP, true},
    {"--status-fd", OWNER_HOOP, true}, {"--store", OWNER_HOOP, true},
    {"--config", OWNER_HOOP, true},    {"--kubeconfig", OWNER_BOTH, true},
    {"--context", OWNER_BOTH, true},   {"--namespace", OWNER_BOTH, true},
    {"-n", OWNER_BOTH, true},          {"--quiet", OWNER_BOTH, false},
    {"-q", OWNER_BOTH, false},         {"--container", OWNER_KUBECTL, true},
    {"-c", OWNER_KUBECTL, true},       {"--filename", OWNER_KUBECTL, true},
    {"-f", OWNER_KUBECTL, true},       {"--pod-running-timeout", OWNER_KUBECTL, true},
    {"--stdin", OWNER_KUBECTL, false}, {"-i", OWNER_KUBECTL, false},
    {"--tty", OWNER_KUBECTL, false},   {"-t", OWNER_KUBECTL, false},
};

/* NULL: neither's. `*is_whole`: its value, if it takes one, is the next word. */
static const struct flag *find_flag(const char *word, bool *is_whole)
{
    for (size_t i = 0; i < count_of(flags); i++) {
        size_t len = strlen(flags[i].name);

        if (strncmp(word, flags[i].name, len) != 0)
            continue;
        *is_whole = word[len] == '\0';
        /* --name=value, -nvalue, and letters together: -it */
        if (*is_whole || word[len] == '=' || word[1] != '-')
            return &flags[i];
    }
    return NULL;
}

/* As a shell has to be given it. */
static void append_word(struct buf *line, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:=,@%+";

    buf_append_char(line, ' ');
    if (word[0] && strspn(word, plain) == strlen(word)) {
        buf_append_text(line, word);
        return;
    }
    buf_append_char(line, '\'');
    for (; *word; word++)
        if (*word == '\'')
            buf_append_text(line, "'\\''");
        else
            buf_append_char(line, *word);
    buf_append_char(line, '\'');
}

/* What stands before `--`, or before the command where that is missing. */
struct typed {
    struct buf ours, theirs;     /* flags, of which those of both are kubectl's */
    struct buf all;              /* of them, as typed */
    const char *first_of_theirs; /* a flag that only kubectl exec has */
    int operand;                 /* index in argv; 0: none */
    int dashes;                  /* index of `--`; argc: none */
    bool is_for_options_parse;   /* --help, or a flag of nobody: its answer is better */
};

static void typed_free(struct typed *typed)
{
    buf_free(&typed->ours);
    buf_free(&typed->theirs);
    buf_free(&typed->all);
}

static void add_flag(struct typed *typed, const struct flag *flag, const char *word)
{
    bool is_ours = flag && flag->owner == OWNER_HOOP;

    append_word(is_ours ? &typed->ours : &typed->theirs, word);
    append_word(&typed->all, word);
}

static void scan(struct typed *typed, int argc, char **argv)
{
    typed->dashes = argc;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--") == 0) {
            typed->dashes = i;
            break;
        }
    for (int i = 1; i < typed->dashes; i++) {
        bool is_whole = false;
        const struct flag *flag = argv[i][0] == '-' ? find_flag(argv[i], &is_whole) : NULL;

        if (argv[i][0] != '-' && !typed->operand) {
            typed->operand = i;
            if (typed->dashes == argc) /* the rest is the command's */
                return;
            continue;
        }
        typed->is_for_options_parse |= argv[i][0] == '-' && !flag;
        if (flag && flag->owner == OWNER_KUBECTL && !typed->first_of_theirs)
            typed->first_of_theirs = argv[i];
        add_flag(typed, flag, argv[i]);
        if (flag && flag->takes_value && is_whole && i + 1 < typed->dashes)
            add_flag(typed, flag, argv[++i]);
    }
}

static bool is_program(const char *name)
{
    struct error unfound = {0};

    if (strchr(name, '/'))
        return access(name, X_OK) == 0;
    scoped(free_text) char *found = tool_find(name, getenv("PATH"), NULL, &unfound);

    return found != NULL;
}

static int say_dashes_missing(const struct typed *typed, int argc, char **argv, struct error *err)
{
    scoped(buf_free) struct buf command = {0};

    for (int i = typed->operand; i < argc; i++)
        append_word(&command, argv[i]);
    error_set(err, ERROR_USAGE, "exec: no '--' before the command");
    return error_fix(err, "kubectl hoop exec%.*s --%.*s", STR_ARG(buf_str(&typed->all)),
                     STR_ARG(buf_str(&command)));
}

static int say_kubectl_exec(struct typed *typed, int argc, char **argv, struct error *err)
{
    scoped(buf_free) struct buf command = {0};
    int next = typed->dashes < argc ? typed->dashes + 1 : typed->operand + 1;

    if (typed->operand)
        append_word(&typed->theirs, argv[typed->operand]);
    else
        buf_append_text(&typed->theirs, " POD");
    for (int i = next; i < argc; i++)
        append_word(&command, argv[i]);
    if (command.len == 0)
        buf_append_text(&command, " sh");
    error_set(err, ERROR_USAGE,
              "exec: '%s' stands before --: this records a command, and is not kubectl exec",
              typed->operand ? argv[typed->operand] : typed->first_of_theirs);
    return error_fix(err, "kubectl hoop exec%.*s -- kubectl exec%.*s --%.*s",
                     STR_ARG(buf_str(&typed->ours)), STR_ARG(buf_str(&typed->theirs)),
                     STR_ARG(buf_str(&command)));
}

int exec_meant_check(int argc, char **argv, struct error *err)
{
    scoped(typed_free) struct typed typed = {0};

    scan(&typed, argc, argv);
    if (!typed.first_of_theirs && (typed.is_for_options_parse || !typed.operand))
        return 0;
    if (typed.dashes == argc && typed.operand && !typed.first_of_theirs &&
        is_program(argv[typed.operand]))
        return say_dashes_missing(&typed, argc, argv, err);
    return say_kubectl_exec(&typed, argc, argv, err);
}
