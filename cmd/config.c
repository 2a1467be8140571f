/* config.c - kubectl hoop config validate|view */
#include <stdio.h>

#include "base/buf.h"
#include "base/jsondoc.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "command.h"
#include "replay/format.h"
#include "settings.h"
#include "table.h"

enum { FORMAT_TABLE, FORMAT_JSON };
static const char *const formats[] = {"table", "json", NULL};

struct config_flags {
    struct options options;
    int format;
};

static void config_flags_free(struct config_flags *flags)
{
    options_free(&flags->options);
}

/* ---- validate ---- */

static void print_problem(const char *path, const struct settings_problem *problem)
{
    scoped(buf_free) struct buf line = {0};

    utf8_append_safe(&line, str_from(path));
    buf_printf(&line, ":%u:%u: ", problem->line, problem->column);
    utf8_append_safe(&line, str_from(problem->text));
    if (problem->fix[0])
        buf_printf(&line, " (fix: %s)", problem->fix);
    printf("%.*s\n", STR_ARG(buf_str(&line)));
}

/* IO_EOF: it is not there. IO_AGAIN: it has problems, which are printed. */
static enum io validate_one(const char *path, struct error *err)
{
    scoped(settings_file_free) struct settings_file file = {0};
    scoped(buf_free) struct buf safe = {0};
    enum io status = settings_read(&file, path, err);

    utf8_append_safe(&safe, str_from(path));
    if (status == IO_EOF)
        printf("%.*s: not there\n", STR_ARG(buf_str(&safe)));
    if (status != IO_OK)
        return status;
    for (size_t i = 0; i < file.problem_count; i++)
        print_problem(path, &file.problems[i]);
    if (file.problems_left_off)
        printf("%.*s: and %zu more\n", STR_ARG(buf_str(&safe)), file.problems_left_off);
    if (file.problem_count)
        return IO_AGAIN;
    size_t count = 0;

    for (int i = 0; i < SETTING_COUNT; i++)
        count += file.values[i] != NULL;
    printf("%.*s: fine, %zu %s set\n", STR_ARG(buf_str(&safe)), count, count == 1 ? "key" : "keys");
    return IO_OK;
}

/* The files that would be used. */
static int validate_all(const struct options *options, struct error *err)
{
    scoped(free_text) char *user_path = settings_user_path(options, err);
    enum io system = user_path ? validate_one(SETTINGS_SYSTEM_FILE, err) : IO_FAILED;
    enum io user = system != IO_FAILED ? validate_one(user_path, err) : IO_FAILED;

    if (user == IO_FAILED)
        return -1;
    return system == IO_AGAIN || user == IO_AGAIN ? EXIT_USAGE : EXIT_OK;
}

static const struct usage validate_usage = {
    "config validate [FILE]",
    "Checks a configuration file, without one those that would be used, and lists all\n"
    "that is wrong with its line and column. The exit status is 2 when something is.",
    .operands = COMPLETE_FILE,
    .globals = GLOBAL_CONFIG,
};

static int run_validate(int argc, char **argv, struct error *err)
{
    scoped(options_free) struct options options = {0};
    int ready = options_parse(&options, &validate_usage, NULL, argc, argv, err);

    if (ready <= 0)
        return ready;
    if (options_expect(&options, &validate_usage, 0, 1, err) < 0)
        return -1;
    if (options.operand_count == 0)
        return validate_all(&options, err);
    switch (validate_one(options.operands[0], err)) {
    case IO_FAILED:
        return -1;
    case IO_OK:
        return EXIT_OK;
    case IO_AGAIN:
    case IO_EOF:
        return EXIT_USAGE;
    }
    unreachable();
}

static const struct command command_validate = {
    .name = "validate",
    .help = "check a configuration file: all problems, with line and column",
    .usage = &validate_usage,
    .run = run_validate,
};

/* ---- view ---- */

static char *describe_layer(const struct settings *settings, int i)
{
    scoped(buf_free) struct buf text = {0};

    switch (settings->layers[i]) {
    case LAYER_DEFAULT:
        buf_append_text(&text, "default");
        break;
    case LAYER_SYSTEM:
        buf_printf(&text, "%s:%u", settings->system_path, settings->lines[i]);
        break;
    case LAYER_USER:
        buf_printf(&text, "%s:%u", settings->user_path, settings->lines[i]);
        break;
    case LAYER_ENVIRONMENT:
        buf_append_text(&text, setting_specs[i].environment);
        break;
    case LAYER_FLAG:
        buf_printf(&text, "--%s", setting_specs[i].name);
        break;
    }
    return buf_take_text(&text);
}

static void view_json(const struct settings *settings)
{
    scoped(jsondoc_free) json_object *root = json_object_new_object();
    scoped(buf_free) struct buf out = {0};

    jsondoc_put_string(root, "apiVersion", "kubectl-hoop/v1");
    jsondoc_put_string(root, "kind", "Config");
    json_object *items = jsondoc_put_adopt(root, "items", json_object_new_array());

    for (int i = 0; i < SETTING_COUNT; i++) {
        scoped(free_text) char *layer = describe_layer(settings, i);
        json_object *item = json_object_new_object();

        json_object_array_add(items, item);
        jsondoc_put_string(item, "key", setting_specs[i].name);
        jsondoc_put_string(item, "value", settings->values[i]);
        jsondoc_put_string(item, "from", layer);
    }
    jsondoc_write(&out, root);
    buf_append_char(&out, '\n');
    fwrite(out.data, 1, out.len, stdout);
}

static void view_table(const struct settings *settings)
{
    static const char *const headings[] = {"KEY", "VALUE", "FROM", NULL};
    scoped(table_free) struct table *table = table_new(headings);
    scoped(buf_free) struct buf out = {0};

    for (int i = 0; i < SETTING_COUNT; i++) {
        scoped(free_text) char *layer = describe_layer(settings, i);
        const char *const cells[] = {setting_specs[i].name,
                                     settings->values[i] ? settings->values[i] : "", layer};
        table_add(table, cells);
    }
    table_write(table, &out);
    fwrite(out.data, 1, out.len, stdout);
}

static const struct option_spec view_specs[] = {
    {"output", 'o', OPTION_CHOICE, offsetof(struct config_flags, format), "FORMAT", "table or json",
     .choices = formats},
    {0},
};

static const struct usage view_usage = {
    "config view [flags]",
    "What is configured, and where each value comes from: a flag, a variable, a line of a\n"
    "file, or the default. An empty value is found at run time.",
    view_specs,
    .globals = GLOBAL_CONFIG | GLOBAL_STORE,
};

static int run_view(int argc, char **argv, struct error *err)
{
    scoped(config_flags_free) struct config_flags flags = {0};
    scoped(settings_free) struct settings settings = {0};
    int ready = options_parse(&flags.options, &view_usage, &flags, argc, argv, err);

    if (ready <= 0)
        return ready;
    if (options_expect(&flags.options, &view_usage, 0, 0, err) < 0 ||
        settings_load(&settings, &flags.options, err) < 0)
        return -1;
    if (flags.format == FORMAT_JSON)
        view_json(&settings);
    else
        view_table(&settings);
    return EXIT_OK;
}

static const struct command command_view = {
    .name = "view",
    .help = "what is configured, and where each value comes from",
    .usage = &view_usage,
    .run = run_view,
};

/* ---- the command ---- */

static const struct command *const subcommands[] = {&command_validate, &command_view, NULL};

static const struct usage usage = {
    "config validate|view [flags]",
    "The configuration: $XDG_CONFIG_HOME/kubectl-hoop/config.yaml over\n" SETTINGS_SYSTEM_FILE
    ". 'kubectl hoop help config' lists its keys.",
    .globals = GLOBAL_CONFIG | GLOBAL_STORE,
    .subcommands = subcommands,
};

static int run(int argc, char **argv, struct error *err)
{
    scoped(options_free) struct options options = {0};
    int ready = options_parse(&options, &usage, NULL, argc, argv, err);

    if (ready <= 0)
        return ready;
    error_set(err, ERROR_USAGE, "config: what to do is missing");
    return error_fix(err, "kubectl hoop config validate, or kubectl hoop config view");
}

const struct command command_config = {
    .name = "config",
    .group = GROUP_SETUP,
    .help = "check the configuration, or show what holds",
    .usage = &usage,
    .run = run,
};
