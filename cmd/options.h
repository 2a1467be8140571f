/* options.h - how every subcommand reads its flags: getopt_long underneath, no abbreviations, flags
 * anywhere before `--`, a value as `--flag VALUE`, `--flag=VALUE` or `-fVALUE`. What a command
 * takes is constant data: parsing, help and completion read the same rows.
 *
 *     struct flags {
 *         struct options options;
 *         int format;
 *     };
 *     static const char *const formats[] = {"text", "json", NULL};
 *     static const struct option_spec specs[] = {
 *         {"output", 'o', OPTION_CHOICE, offsetof(struct flags, format), "FORMAT", "text or json",
 *          .choices = formats},
 *         {0}};
 *     static const struct usage usage = {"version [flags]", "Prints …", specs};
 *     struct flags flags = {0};
 *     int ready = options_parse(&flags.options, &usage, &flags, argc, argv, err);
 *     if (ready <= 0)
 *         return ready;    // 0: --help was printed and the exit status is 0; -1: err is set
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

enum option_kind {
    OPTION_FLAG,    /* bool: set true */
    OPTION_TEXT,    /* const char *: the last one counts; points into argv */
    OPTION_NUMBER,  /* uint64_t: decimal, 0 .. 2^63-1 */
    OPTION_ORDINAL, /* the same, from 1 on: 0 is "not given" */
    OPTION_CHOICE,  /* int: the index in `choices` */
    OPTION_WORD,    /* const char *: one of `choices`; NULL is "not given" */
    OPTION_LIST,    /* struct option_list: all that were given, in order */
};

struct option_list {
    const char **items; /* owned array, borrowed texts; free_option_list() */
    size_t count;
};

/* What a shell may offer for a flag's value or an operand; choices offer themselves. */
enum completer {
    COMPLETE_NOTHING,
    COMPLETE_FILE,
    COMPLETE_DIRECTORY,
    COMPLETE_SESSION, /* of the store and the spool */
    COMPLETE_CONTEXT, /* of the kubeconfig, as are the next ones */
    COMPLETE_NAMESPACE,
    COMPLETE_COMMAND, /* of ours, or a topic of help */
    COMPLETE_PROGRAM, /* on PATH */
};

/* Which commands take a global flag: those whose usage names its set. */
enum global_set {
    GLOBAL_ALL = 0, /* every command */
    GLOBAL_CLUSTER = 1 << 0,
    GLOBAL_STORE = 1 << 1,
    GLOBAL_CONFIG = 1 << 2,
};

/* A table ends with one that has no name. */
struct option_spec {
    const char *name; /* without its dashes */
    char letter;      /* 0: none */
    enum option_kind kind;
    size_t offset;     /* of its target in the command's flags */
    const char *value; /* "FILE" in the help */
    const char *help;
    const char *const *choices; /* NULL-terminated */
    enum completer completer;
    enum global_set set; /* of a global flag */
};

struct command; /* command.h */

struct usage {
    const char *synopsis; /* "replay SESSION [flags]" */
    const char *text;     /* paragraphs; no newline at the end */
    const struct option_spec *specs;
    enum completer operands;                  /* what each of them is */
    bool operands_repeat;                     /* more than one may be given */
    enum completer rest;                      /* what comes first behind `--` */
    unsigned globals;                         /* sets of global flags that mean something to it */
    const struct command *const *subcommands; /* NULL, or NULL-terminated */
};

/* All zero is a valid, empty one. Texts are borrowed from argv. */
struct options {
    /* Global flags; where kubectl has them: with kubectl's meaning. */
    const char *kubeconfig;
    const char *context;
    const char *namespace_name;
    const char *store;  /* as given; what holds is in settings.h */
    const char *config; /* likewise */
    bool quiet;
    bool help;
    char **operands; /* owned array: what is no flag and stands before `--` */
    int operand_count;
    char **rest; /* what stands behind `--`, NULL-terminated; NULL when there was no `--` */
    int rest_count;
};

/* `flags` is where the offsets of `usage->specs` point to. 1: parsed. 0: --help was asked for and
 * is printed on stdout. -1: ERROR_USAGE. */
must_use int options_parse(struct options *options, const struct usage *usage, void *flags,
                           int argc, char **argv, struct error *err);

/* ERROR_USAGE unless there are between `least` and `most` operands and nothing behind `--`. */
must_use int options_expect(const struct options *options, const struct usage *usage, int least,
                            int most, struct error *err);

/* Where a command's name stands: the first of argv[1..] that is neither a flag nor its value. Flags
 * that may stand before it: the global ones and those of `tables` (NULL-terminated, or NULL). argc
 * when there is none; -1 with ERROR_USAGE for another flag. */
must_use int options_find_command(int argc, char **argv, const struct option_spec *const *tables,
                                  struct error *err);

/* The global flags; their offsets are of struct options. */
extern const struct option_spec options_globals[];

/* All of them, one per line, for main's help. */
void options_print_globals(void);

/* The one of `names` (NULL-terminated) that `typed` was likely meant to be; NULL when none. */
const char *options_nearest(const char *typed, const char *const *names);

void options_free(struct options *options);
void free_option_list(struct option_list *list);
