/* settings_parse.h - one configuration file: a flat YAML map of the keys below, nothing else. Every
 * key is known, stands once, has a value of its kind: what is not so is a problem with its line and
 * column, and all of them are found, not only the first. No I/O. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define SETTINGS_FILE_BYTES_MAX ((size_t)64 << 10)
#define SETTINGS_PROBLEMS_MAX 32 /* kept of one file; the others are counted */

enum setting {
    SETTING_STORE,
    SETTING_DURABILITY,
    SETTING_SHIP_EVERY,
    SETTING_ON_RECORD_FAILURE,
    SETTING_KUBECTL,
    SETTING_HELM,
    SETTING_COLOR,
    SETTING_PAGER,
    SETTING_COUNT,
};

/* The choices of SETTING_DURABILITY. */
enum { DURABILITY_NORMAL, DURABILITY_STRICT };

enum setting_kind {
    SETTING_KIND_STORE,    /* a directory: absolute, or ~/…; or file:/… */
    SETTING_KIND_PROGRAM,  /* an absolute path, or ~/… */
    SETTING_KIND_TEXT,     /* one line */
    SETTING_KIND_CHOICE,   /* one of `choices` */
    SETTING_KIND_DURATION, /* 90s, 30m, 1h30m; `least_s` to `most_s` */
};

/* A row of the table that parser, init, `config view` and the manual's test read. */
struct setting_spec {
    const char *name;
    enum setting_kind kind;
    const char *fallback;    /* the default as it would be written, or "" when it is computed */
    const char *help;        /* lines for the comment above it */
    const char *environment; /* that overrides it, or NULL */
    const char *const *choices;
    int64_t least_s, most_s;
};

extern const struct setting_spec setting_specs[SETTING_COUNT];

struct settings_problem {
    unsigned line, column; /* from 1; columns count code points */
    char text[256];
    char fix[160]; /* or "" */
};

/* All zero is a valid, empty one. */
struct settings_file {
    char *values[SETTING_COUNT]; /* owned; NULL: not in it, or not right */
    unsigned lines[SETTING_COUNT];
    struct settings_problem *problems; /* owned */
    size_t problem_count;
    size_t problems_left_off;
};

/* `text` may be anything. What is right in it is kept even when something else is not. */
void settings_parse(struct settings_file *file, struct str text);
void settings_file_free(struct settings_file *file);

/* Which of the choices `text` is; it is one of them. */
int setting_choice(enum setting setting, const char *text);

/* 90s, 30m, 1h30m: whole numbers of h, m, s, each once, the longer first. -1 when it is not. */
int64_t setting_duration_s(struct str text);
