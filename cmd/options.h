/* options.h - how every subcommand reads its flags: getopt_long underneath, no abbreviations, flags
 * anywhere before `--`, a value as `--flag VALUE`, `--flag=VALUE` or `-fVALUE`.
 *
 *     int format = 0;
 *     static const char *const formats[] = {"text", "json", NULL};
 *     const struct option_spec specs[] = {
 *         {"output", 'o', OPTION_CHOICE, &format, "FORMAT", "text or json", formats},
 *         {0}};
 *     const struct usage usage = {"version [flags]", "Prints …", specs};
 *     scoped(options_free) struct options options = {0};
 *     int ready = options_parse(&options, &usage, argc, argv, err);
 *     if (ready <= 0)
 *         return ready;    // 0: --help was printed and the exit status is 0; -1: err is set
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

enum option_kind {
    OPTION_FLAG,    /* bool *: set true */
    OPTION_TEXT,    /* const char **: the last one counts; points into argv */
    OPTION_NUMBER,  /* uint64_t *: decimal, 0 .. 2^63-1 */
    OPTION_ORDINAL, /* the same, from 1 on: 0 is "not given" */
    OPTION_CHOICE,  /* int *: the index in `choices` */
    OPTION_LIST,    /* struct option_list *: all that were given, in order */
};

struct option_list {
    const char **items; /* owned array, borrowed texts; free_option_list() */
    size_t count;
};

/* A table ends with one that has no name. */
struct option_spec {
    const char *name; /* without its dashes */
    char letter;      /* 0: none */
    enum option_kind kind;
    void *target;
    const char *value; /* "FILE" in the help */
    const char *help;
    const char *const *choices; /* NULL-terminated */
};

struct usage {
    const char *synopsis; /* "replay SESSION [flags]" */
    const char *text;     /* paragraphs, wrapped at 80 columns; no newline at the end */
    const struct option_spec *specs;
};

/* All zero is a valid, empty one. Texts are borrowed from argv (or the environment). */
struct options {
    /* Flags that every command takes, where kubectl has them: with kubectl's meaning. */
    const char *kubeconfig;
    const char *context;
    const char *namespace_name;
    const char *store; /* flag, else KHOOP_STORE, else NULL: the default directory */
    bool quiet;
    bool help;
    char **operands; /* owned array: what is no flag and stands before `--` */
    int operand_count;
    char **rest; /* what stands behind `--`, NULL-terminated; NULL when there was no `--` */
    int rest_count;
};

/* 1: parsed. 0: --help was asked for and is printed on stdout. -1: ERROR_USAGE. */
must_use int options_parse(struct options *options, const struct usage *usage, int argc,
                           char **argv, struct error *err);

/* ERROR_USAGE unless there are between `least` and `most` operands and nothing behind `--`. */
must_use int options_expect(const struct options *options, const struct usage *usage, int least,
                            int most, struct error *err);

/* Where the command's name stands: the first of argv[1..] that is neither a global flag nor its
 * value. argc when there is none; -1 with ERROR_USAGE for a flag that is not global. */
must_use int options_find_command(int argc, char **argv, struct error *err);

/* The global flags, one per line, for main's help. */
void options_print_globals(void);

/* The one of `names` (NULL-terminated) that `typed` was likely meant to be; NULL when none. */
const char *options_nearest(const char *typed, const char *const *names);

void options_free(struct options *options);
void free_option_list(struct option_list *list);
