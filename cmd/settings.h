/* settings.h - what is configured: flags, then KHOOP_* variables, then the user's file, then the
 * system's, then the defaults, key by key. --config (or KHOOP_CONFIG) stands in for the user's
 * file.
 *
 * Tools and stores are named in these files: one that others may write is an error. */
#pragma once

#include "base/error.h"
#include "options.h"
#include "settings_parse.h"

#define SETTINGS_SYSTEM_FILE "/etc/kubectl-hoop/config.yaml"

enum settings_layer { LAYER_DEFAULT, LAYER_SYSTEM, LAYER_USER, LAYER_ENVIRONMENT, LAYER_FLAG };

/* All zero is a valid, empty one: all of it default. */
struct settings {
    char *values[SETTING_COUNT]; /* owned; ~/ is expanded; NULL: the default, where that is computed
                                  */
    enum settings_layer layers[SETTING_COUNT];
    unsigned lines[SETTING_COUNT]; /* of a file's */
    char *system_path, *user_path; /* owned; NULL: there is none */
};

/* ERROR_CONFIG: a file has a problem ("PATH:LINE:COLUMN: …", the first one, and how many more),
 * cannot be read, is not there although it was named, or belongs to others. */
must_use int settings_load(struct settings *settings, const struct options *options,
                           struct error *err);

/* Where the user's file is, or would be; owned. --config, else KHOOP_CONFIG, else
 * $XDG_CONFIG_HOME/kubectl-hoop/config.yaml. ERROR_CONFIG: neither it nor HOME is absolute. */
must_use char *settings_user_path(const struct options *options, struct error *err);

/* Reads and checks one file; its problems are in `file`. IO_EOF: there is no such file.
 * ERROR_CONFIG: unreadable, or others may write it. */
must_use enum io settings_read(struct settings_file *file, const char *path, struct error *err);

/* Of SETTING_STORE when it was chosen by anyone; NULL: the default place. */
const char *settings_store(const struct settings *settings);
/* The index in the table's choices. */
int settings_choice(const struct settings *settings, enum setting setting);
int64_t settings_duration_s(const struct settings *settings, enum setting setting);

void settings_free(struct settings *settings);
