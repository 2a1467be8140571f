#include "help_topics.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "settings.h"

struct row {
    const char *name, *help;
};

static void print_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("  %-18s  %s\n", rows[i].name, rows[i].help);
}

static void print_environment(void)
{
    static const struct row read[] = {
        {"KHOOP_AGENT", "who runs the command, where that is not detected"},
        {"KHOOP_CONFIG", "the configuration file, as --config"},
        {"KHOOP_PAGER", "shows long text on a terminal, before PAGER; empty or cat: none"},
        {"KHOOP_STORE", "where recordings are, as --store"},
        {"KUBECONFIG", "with kubectl's meaning"},
        {"NO_COLOR", "when it is set: no colours, unless --color says otherwise"},
        {"PAGER", "shows long text on a terminal"},
        {"XDG_CONFIG_HOME", "kubectl-hoop/config.yaml is there (~/.config)"},
        {"XDG_RUNTIME_DIR", "running sessions are there (/tmp/kubectl-hoop-UID)"},
        {"XDG_STATE_HOME", "recordings and keys are there (~/.local/state)"},
    };
    static const struct row given[] = {
        {"KHOOP_SESSION", "the session"},
        {"KHOOP_SESSION_DIR", "its directory: socket, kubeconfig, shims"},
        {"KUBECONFIG, PATH", "the session's own kubeconfig, and its shims first"},
        {"BASH_ENV, NO_PROXY", "so that shells find the shims, and clients the gateway"},
    };

    puts("What kubectl hoop reads:");
    print_rows(read, count_of(read));
    puts("\nWhat a recorded command is given:");
    print_rows(given, count_of(given));
}

static void print_exit_codes(void)
{
    static const struct row rows[] = {
        {"0", "success"},
        {"1", "an error"},
        {"2", "the command line or the configuration is wrong"},
        {"3", "a finding: a recording was tampered with, or truncated"},
        {"4", "a login is needed"},
        {"5", "temporary: try again"},
        {"6", "no such session, or several"},
        {"7", "the recording cannot be verified"},
        {"8", "it is not complete: it still runs, or its gateway crashed"},
        {"130", "interrupted"},
    };

    print_rows(rows, count_of(rows));
    puts("\nexec and the shims give the status of the command that they ran, and 75 (temporary),\n"
         "77 (login), 78 (configuration), 126 or 127 only when it was not started. Other numbers\n"
         "may be added; whatever is not known is a failure.");
}

/* Lines of `text` with `indent` before each. */
static void print_indented(const char *indent, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");

        printf("%s%.*s\n", indent, (int)len, text);
        text += len + (text[len] == '\n');
    }
}

static void print_config(void)
{
    puts("One flat YAML file, ~/.config/kubectl-hoop/config.yaml, over the system's "
         "in\n" SETTINGS_SYSTEM_FILE ". Flags and KHOOP_* variables win over both. An\n"
         "unknown key or a wrong value is an error: see kubectl hoop config validate.");
    for (int i = 0; i < SETTING_COUNT; i++) {
        printf("\n  %s", setting_specs[i].name);
        if (setting_specs[i].fallback[0])
            printf(" (default: %s)", setting_specs[i].fallback);
        putchar('\n');
        print_indented("      ", setting_specs[i].help);
    }
}

const struct help_topic help_topics[] = {
    {"config", "the configuration file and its keys", print_config},
    {"environment", "the variables that are read and set", print_environment},
    {"exit-codes", "what an exit status means", print_exit_codes},
    {0},
};
