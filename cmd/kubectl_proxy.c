#include "kubectl_proxy.h"

#include <string.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/str.h"

#define OPTION "--append-server-path"

/* kubectl's global options that stand alone; all others take a value. */
static const char *const without_value[] = {"--disable-compression", "--insecure-skip-tls-verify",
                                            "--match-server-version", "--warnings-as-errors"};

static bool takes_next(const char *option)
{
    if (option[1] != '-')
        return option[2] == '\0'; /* -n NAMESPACE, not -nNAMESPACE */
    for (size_t i = 0; i < count_of(without_value); i++)
        if (strcmp(option, without_value[i]) == 0)
            return false;
    return !strchr(option, '=');
}

/* The place of the subcommand: the first word that is neither an option nor the value of one. */
static size_t find_subcommand(char **argv)
{
    size_t i = 1;

    while (argv[i] && argv[i][0] == '-' && argv[i][1] && strcmp(argv[i], "--") != 0)
        i += takes_next(argv[i]) && argv[i + 1] ? 2 : 1;
    return i;
}

char **kubectl_proxy_argv(char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    size_t at = find_subcommand(argv), count = at;

    if (strcmp(slash ? slash + 1 : argv[0], "kubectl") != 0 || !argv[at] ||
        strcmp(argv[at], "proxy") != 0)
        return NULL;
    for (; argv[count]; count++)
        if (str_starts(str_from(argv[count]), STR(OPTION)))
            return NULL;
    char **changed = xcalloc(count + 2, sizeof *changed);

    memcpy(changed, argv, (at + 1) * sizeof *argv);
    changed[at + 1] = OPTION;
    memcpy(changed + at + 2, argv + at + 1, (count - at - 1) * sizeof *argv);
    return changed;
}
