/* init.c - kubectl hoop init: what a first `exec` would make by itself, and a configuration file to
 * read and change. What is there already is kept. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "command.h"
#include "session/keys.h"
#include "settings.h"
#include "stores.h"
#include "upload/spool.h"

/* stdout: one line per file or directory. */
static void say(bool is_made, const char *path, const char *what)
{
    scoped(buf_free) struct buf safe = {0};

    utf8_append_safe(&safe, str_from(path));
    printf("%s  %.*s  (%s)\n", is_made ? "made" : "kept", STR_ARG(buf_str(&safe)), what);
}

static bool exists(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0;
}

/* ---- The configuration file ---- */

static void append_quoted(struct buf *out, const char *text)
{
    buf_append_char(out, '\'');
    for (; *text; text++) {
        buf_append_char(out, *text);
        if (*text == '\'')
            buf_append_char(out, '\'');
    }
    buf_append_char(out, '\'');
}

static void append_comment(struct buf *out, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");

        buf_printf(out, "# %.*s\n", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

/* Every key with its comment and its default, commented out: what stands in the user's file would
 * win over the system's. */
static void write_template(struct buf *out, const char *store)
{
    buf_append_text(out,
                    "# kubectl-hoop: kubectl hoop help config; kubectl hoop config validate\n");
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_spec *spec = &setting_specs[i];

        buf_append_char(out, '\n');
        append_comment(out, spec->help);
        if (i == SETTING_STORE && store) {
            buf_printf(out, "%s: ", spec->name);
            append_quoted(out, store);
            buf_append_char(out, '\n');
        } else {
            buf_printf(out, "#%s: %s\n", spec->name, spec->fallback);
        }
    }
}

/* A --store that could not stand in a file is refused before anything is made. */
static int check_template(struct str text, struct error *err)
{
    scoped(settings_file_free) struct settings_file file = {0};

    settings_parse(&file, text);
    if (!file.problem_count)
        return 0;
    error_set(err, ERROR_USAGE, "--%s", file.problems[0].text);
    return file.problems[0].fix[0] ? error_fix(err, "%s", file.problems[0].fix) : -1;
}

static int make_parent(const char *path, struct error *err)
{
    scoped(free_text) char *parent = xstrdup(path);
    char *slash = strrchr(parent, '/');

    if (!slash || slash == parent)
        return 0;
    *slash = '\0';
    return file_make_dirs(parent, err);
}

/* 1: made; 0: it was there. A link that leads nowhere is in the way, and an error. */
static int make_config(const char *path, struct str text, struct error *err)
{
    if (make_parent(path, err) < 0)
        return -1;
    scoped(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno == EEXIST)
        return 0;
    if (fd < 0)
        return error_errno(err, ERROR_STORAGE, "write %s", path);
    if (file_write_all(fd, text.data, text.len) < 0 || fsync(fd) < 0) {
        error_errno(err, ERROR_STORAGE, "write %s", path);
        unlink(path); /* half of one would be kept, and read, from then on */
        return -1;
    }
    return 1;
}

/* One that is there is kept: it must be right, and must not say otherwise than --store. */
static int check_config(const char *path, const struct options *options, struct error *err)
{
    scoped(settings_free) struct settings settings = {0};
    struct options without = *options;
    char *configured;

    without.store = NULL;
    if (settings_load(&settings, &without, err) < 0)
        return -1;
    configured =
        settings.layers[SETTING_STORE] == LAYER_USER ? settings.values[SETTING_STORE] : NULL;
    if (!options->store || (configured && strcmp(configured, options->store) == 0))
        return 0;
    error_set(err, ERROR_CONFIG, "%s is there, and has %s%s", path,
              configured ? "another store: " : "no store in it", configured ? configured : "");
    return error_fix(err, "write 'store: %s' there", options->store);
}

static int init_config(const struct options *options, const char *path, struct error *err)
{
    scoped(buf_free) struct buf text = {0};
    int made;

    write_template(&text, options->store);
    if (check_template(buf_str(&text), err) < 0)
        return -1;
    made = make_config(path, buf_str(&text), err);
    if (made < 0)
        return error_fix(err, "name a file that you can write with --config, or set "
                              "XDG_CONFIG_HOME");
    if (!made && check_config(path, options, err) < 0)
        return -1;
    say(made, path, "configuration");
    return 0;
}

/* ---- Keys and store ---- */

static void keys_release(struct keys *keys)
{
    keys_free(keys);
}

static int init_keys(const struct places *places, struct error *err)
{
    scoped(keys_release) struct keys keys = {0};
    scoped(free_text) char *root = xasprintf("%s/root.pem", places->keys);
    scoped(free_text) char *fingerprint = xasprintf("%s/fingerprint.key", places->keys);
    bool had_root = exists(root), had_fingerprint = exists(fingerprint);
    struct stat before = {0}, after = {0};

    if (places_make(places, err) < 0)
        return -1;
    stat(places->trust, &before);
    if (keys_load(&keys, places->keys, places->trust, err) < 0)
        return -1;
    stat(places->trust, &after);
    say(!had_root, root, "signing key, secret");
    say(!had_fingerprint, fingerprint, "key of fingerprints, secret");
    bool is_trust_new = before.st_mtim.tv_sec != after.st_mtim.tv_sec ||
                        before.st_mtim.tv_nsec != after.st_mtim.tv_nsec;

    say(is_trust_new, keys.trust_path, "public key: give it to whoever verifies");
    return 0;
}

static int init_store(const char *url, struct error *err)
{
    const struct store_type *type = NULL;
    struct store *store = stores_open(url, &type, err);
    struct str path = str_from(url);

    if (!store)
        return -1;
    type->close(&store);
    for (size_t i = 0; i < 2; i++) /* file:///x, file:/x */
        if (str_starts(path, i ? STR("file:") : STR("file://")))
            path = str_skip(path, i ? strlen("file:") : strlen("file://"));
    scoped(free_text) char *directory = str_dup(path);
    bool was_there = exists(directory);

    if (file_make_dirs(directory, err) < 0 || access(directory, W_OK) < 0) {
        if (!err->kind)
            error_errno(err, ERROR_STORAGE, "store %s", directory);
        return error_fix(err, "choose a directory that you can write with --store");
    }
    say(!was_there, directory, "recordings");
    return 0;
}

/* ---- The command ---- */

static int init(const struct options *options, struct error *err)
{
    scoped(places_free) struct places places = {0};
    scoped(settings_free) struct settings settings = {0};
    scoped(free_text) char *path = settings_user_path(options, err);

    if (!path || places_find(&places, err) < 0 || init_config(options, path, err) < 0 ||
        settings_load(&settings, options, err) < 0 || init_keys(&places, err) < 0 ||
        init_store(settings_store(&settings) ? settings_store(&settings) : places.store, err) < 0)
        return -1;
    puts("next: kubectl hoop exec -- kubectl get pods");
    return EXIT_OK;
}

static const struct usage usage = {
    "init [flags]",
    "Makes the keys that sign and verify, a configuration file that shows\n"
    "every default, and the store; says what it made and what was there already, which is kept.\n"
    "It asks nothing. Without it the first exec makes the keys.",
    .globals = GLOBAL_STORE | GLOBAL_CONFIG,
};

static int run(int argc, char **argv, struct error *err)
{
    scoped(options_free) struct options options = {0};
    int ready = options_parse(&options, &usage, NULL, argc, argv, err);

    if (ready <= 0)
        return ready;
    if (options_expect(&options, &usage, 0, 0, err) < 0)
        return -1;
    return init(&options, err);
}

const struct command command_init = {
    .name = "init",
    .group = GROUP_SETUP,
    .help = "make keys, configuration and store; what is there is kept",
    .usage = &usage,
    .run = run,
};
