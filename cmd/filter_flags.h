/* filter_flags.h - the flags that say which requests are meant; `replay` and `sessions list` have
 * them in common. */
#pragma once

#include "replay/filter.h"

#include "options.h"

/* All zero is a valid, empty one. Texts are borrowed from argv. */
struct filter_flags {
    struct option_list verbs, resources, namespaces, codes;
    const char *command;
    const char *since, *until;
};

/* Rows for a command whose flags, of type `type`, have a `struct filter_flags filter`. */
#define FILTER_OPTION(type, member) offsetof(type, filter) + offsetof(struct filter_flags, member)
#define FILTER_SPECS(type)                                                                         \
    {"verb",      0,                                                                               \
     OPTION_LIST, FILTER_OPTION(type, verbs),                                                      \
     "VERBS",     "requests with one of these verbs: get, list, patch, or an HTTP method"},        \
        {"resource",  0,                                                                           \
         OPTION_LIST, FILTER_OPTION(type, resources),                                              \
         "TYPES",     "requests about one of these: pods, deploy, deployments.apps, pods/exec"},   \
        {"namespace",                                                                              \
         'n',                                                                                      \
         OPTION_LIST,                                                                              \
         FILTER_OPTION(type, namespaces),                                                          \
         "NAMES",                                                                                  \
         "requests in one of these namespaces",                                                    \
         .completer = COMPLETE_NAMESPACE},                                                         \
        {"code",      0,                                                                           \
         OPTION_LIST, FILTER_OPTION(type, codes),                                                  \
         "CODES",     "requests answered with one of these: 404, 4xx, 200-299, none"},             \
        {"command",   0,                                                                           \
         OPTION_TEXT, FILTER_OPTION(type, command),                                                \
         "TEXT",      "commands with TEXT in their arguments, and their requests"},                \
        {"since",     0,                                                                           \
         OPTION_TEXT, FILTER_OPTION(type, since),                                                  \
         "TIME",      "from then on: 2026-11-22, 2026-11-22T17:02:11Z, yesterday, 5h30m (ago)"},   \
    {                                                                                              \
        "until", 0, OPTION_TEXT, FILTER_OPTION(type, until), "TIME", "up to then"                  \
    }

/* Fills `filter`. ERROR_USAGE. */
must_use int filter_flags_read(const struct filter_flags *flags, struct replay_filter *filter,
                               struct error *err);
void filter_flags_free(struct filter_flags *flags);
