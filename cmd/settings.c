#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/num.h"
#include "base/scoped.h"

char *settings_user_path(const struct options *options, struct error *err)
{
    const char *named = options->config ? options->config : getenv("KHOOP_CONFIG");
    const char *config_home = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");

    if (named && named[0])
        return xstrdup(named);
    if (config_home && config_home[0] == '/')
        return xasprintf("%s/kubectl-hoop/config.yaml", config_home);
    if (home && home[0] == '/')
        return xasprintf("%s/.config/kubectl-hoop/config.yaml", home);
    error_set(err, ERROR_CONFIG, "no place for a configuration: HOME is not set");
    error_fix(err, "set HOME or XDG_CONFIG_HOME to an absolute path");
    return NULL;
}

/* Whoever may write it chooses which programs run and where the evidence goes. */
static int check_owner(int fd, const char *path, struct error *err)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return error_errno(err, ERROR_CONFIG, "read %s", path);
    if (S_ISDIR(status.st_mode))
        return error_set(err, ERROR_CONFIG, "read %s: it is a directory", path);
    if (status.st_uid != 0 && status.st_uid != geteuid()) {
        error_set(err, ERROR_CONFIG, "%s belongs to another user", path);
        return error_fix(err, "make a file of your own and name it with --config");
    }
    if (status.st_mode & S_IWOTH) {
        error_set(err, ERROR_CONFIG, "%s: everybody may write it", path);
        return error_fix(err, "chmod o-w %s", path);
    }
    return 0;
}

enum io settings_read(struct settings_file *file, const char *path, struct error *err)
{
    scoped(buf_free) struct buf text = {.limit = SETTINGS_FILE_BYTES_MAX + 1};
    scoped(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t got = -1;
    char step[4096];

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return IO_EOF;
    if (fd < 0)
        return (enum io)error_errno(err, ERROR_CONFIG, "read %s", path);
    if (check_owner(fd, path, err) < 0)
        return IO_FAILED;
    while (text.len <= SETTINGS_FILE_BYTES_MAX && (got = read(fd, step, sizeof step)) > 0)
        buf_append(&text, step, min_of((size_t)got, SETTINGS_FILE_BYTES_MAX + 1 - text.len));
    if (got < 0)
        return (enum io)error_errno(err, ERROR_CONFIG, "read %s", path);
    settings_parse(file, buf_str(&text));
    return IO_OK;
}

static int fail_with(const struct settings_file *file, const char *path, struct error *err)
{
    const struct settings_problem *first = &file->problems[0];
    size_t more = file->problem_count - 1 + file->problems_left_off;

    error_set(err, ERROR_CONFIG, "%s:%u:%u: %s", path, first->line, first->column, first->text);
    if (more)
        return error_fix(err, "%s%skubectl hoop config validate shows %zu more", first->fix,
                         first->fix[0] ? "; " : "", more);
    return first->fix[0] ? error_fix(err, "%s", first->fix) : -1;
}

static bool begins_at_home(enum setting setting, const char *value)
{
    enum setting_kind kind = setting_specs[setting].kind;

    return (kind == SETTING_KIND_STORE || kind == SETTING_KIND_PROGRAM) &&
           strncmp(value, "~/", 2) == 0;
}

static char *expand(enum setting setting, const char *value)
{
    const char *home = getenv("HOME");

    if (begins_at_home(setting, value) && home && home[0] == '/')
        return xasprintf("%s%s", home, value + 1);
    return xstrdup(value);
}

static void set(struct settings *settings, enum setting setting, const char *value,
                enum settings_layer layer, unsigned line)
{
    free(settings->values[setting]);
    settings->values[setting] = expand(setting, value);
    settings->layers[setting] = layer;
    settings->lines[setting] = line;
}

/* Puts a file's values over those that are there. 1: it is there, 0: it is not. */
static int add_file(struct settings *settings, const char *path, enum settings_layer layer,
                    struct error *err)
{
    scoped(settings_file_free) struct settings_file file = {0};
    enum io status = settings_read(&file, path, err);

    if (status == IO_EOF)
        return 0;
    if (status == IO_FAILED)
        return -1;
    if (file.problem_count)
        return fail_with(&file, path, err);
    for (int i = 0; i < SETTING_COUNT; i++)
        if (file.values[i])
            set(settings, (enum setting)i, file.values[i], layer, file.lines[i]);
    return 1;
}

static int add_files(struct settings *settings, const struct options *options, struct error *err)
{
    const char *named = options->config ? options->config : getenv("KHOOP_CONFIG");
    scoped(free_text) char *user_path = settings_user_path(options, err);
    int found = add_file(settings, SETTINGS_SYSTEM_FILE, LAYER_SYSTEM, err);

    if (found < 0)
        return -1;
    if (found)
        settings->system_path = xstrdup(SETTINGS_SYSTEM_FILE);
    if (!user_path) { /* nowhere to look is no reason to fail: the defaults hold */
        *err = (struct error){0};
        return 0;
    }
    found = add_file(settings, user_path, LAYER_USER, err);
    if (found < 0)
        return -1;
    if (found)
        settings->user_path = take(user_path);
    else if (named && named[0]) {
        error_set(err, ERROR_CONFIG, "%s: there is no such file", named);
        return error_fix(err, "kubectl hoop init --config %s makes it", named);
    }
    return 0;
}

static void add_environment(struct settings *settings)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        const char *name = setting_specs[i].environment;
        const char *value = name ? getenv(name) : NULL;

        if (value && value[0])
            set(settings, (enum setting)i, value, LAYER_ENVIRONMENT, 0);
    }
}

/* Without HOME, ~/ means nothing: it must not become a directory of that name. */
static int check_expanded(const struct settings *settings, struct error *err)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (!settings->values[i] || !begins_at_home((enum setting)i, settings->values[i]))
            continue;
        error_set(err, ERROR_CONFIG, "%s: '%s', and HOME is not set", setting_specs[i].name,
                  settings->values[i]);
        return error_fix(err, "set HOME, or write the path in full");
    }
    return 0;
}

int settings_load(struct settings *settings, const struct options *options, struct error *err)
{
    scoped(settings_free) struct settings loaded = {0};

    for (int i = 0; i < SETTING_COUNT; i++)
        if (setting_specs[i].fallback[0])
            set(&loaded, (enum setting)i, setting_specs[i].fallback, LAYER_DEFAULT, 0);
    if (add_files(&loaded, options, err) < 0)
        return -1;
    add_environment(&loaded);
    if (options->store)
        set(&loaded, SETTING_STORE, options->store, LAYER_FLAG, 0);
    if (check_expanded(&loaded, err) < 0)
        return -1;
    *settings = loaded;
    loaded = (struct settings){0};
    return 0;
}

const char *settings_store(const struct settings *settings)
{
    return settings->values[SETTING_STORE];
}

int settings_choice(const struct settings *settings, enum setting setting)
{
    return setting_choice(setting, settings->values[setting]);
}

int64_t settings_duration_s(const struct settings *settings, enum setting setting)
{
    return setting_duration_s(str_from(settings->values[setting]));
}

void settings_free(struct settings *settings)
{
    for (int i = 0; i < SETTING_COUNT; i++)
        free(settings->values[i]);
    free(settings->system_path);
    free(settings->user_path);
    *settings = (struct settings){0};
}
