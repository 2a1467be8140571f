/* sessions.h - what the subcommands of `kubectl hoop sessions` share; each has a file. */
#pragma once

#include <json-c/json.h>

#include "base/clock.h"
#include "base/error.h"

#include "filter_flags.h"
#include "options.h"
#include "summary.h"
#include "table.h"

enum sessions_format { FORMAT_TABLE, FORMAT_WIDE, FORMAT_JSON, FORMAT_JSONL, FORMAT_NAME };

struct sessions_flags {
    struct options options;
    struct option_list keys;
    int format; /* enum sessions_format */
    /* list */
    struct filter_flags filter;
    struct option_list labels;
    const char *agent, *user, *cluster, *state;
    uint64_t limit; /* 0: none */
    int sort_by;
    bool no_headers;
};

extern const char *const sessions_sort_choices[];

/* Each returns the exit status, or -1 with `err` set. */
must_use int sessions_list(const struct sessions_flags *flags, struct error *err);
must_use int sessions_show(const struct sessions_flags *flags, struct error *err);
must_use int sessions_search(const struct sessions_flags *flags, struct error *err);

/* "2026-11-22T17:02:11Z": whole seconds are enough for people. Returns `text`. */
char *sessions_time(int64_t unix_us, char text[CLOCK_TEXT_BYTES]);
json_object *sessions_summary_json(const struct summary *summary);
void sessions_print_table(const struct table *table);
/* One line, controls escaped. */
void sessions_print_json(json_object *root);
