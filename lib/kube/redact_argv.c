#include "kube/redact_argv.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/num.h"
#include "kube/query.h"
#include "kube/redact_shell.h"

#define TEXT_LIMIT ((size_t)4 << 20) /* a request head and an argv are far smaller */

char **redact_argv(const char *const *argv, size_t *count)
{
    size_t total = 0, replaced = 0;

    while (argv[total])
        total++;
    char **copy = xcalloc(total + 1, sizeof *copy);
    struct shell_words words = {0};

    for (size_t i = 0; i < total; i++)
        shell_see(&words, str_from(argv[i]));
    for (size_t i = 0; i < total; i++) {
        struct buf text = {.limit = TEXT_LIMIT};

        replaced += shell_word(&words, &text, str_from(argv[i]), SHELL_ARGUMENT);
        copy[i] = text.overflow ? xstrdup(REDACTED) : buf_take_text(&text);
        buf_free(&text);
    }
    if (count)
        *count += replaced;
    return copy;
}

void redact_argv_free(char ***argv)
{
    for (char **at = *argv; at && *at; at++)
        free(*at);
    free(*argv);
    *argv = NULL;
}

size_t redact_text(struct buf *out, struct str text)
{
    return shell_text(out, text, 0);
}

static void encode(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (isalnum((unsigned char)*text) || strchr("-._~", *text))
            buf_append_char(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned char)*text);
    }
}

static bool has_secret_name(struct str pair)
{
    static const char *const others[] = {"sig", "signature", "x-amz-signature", "code", "key",
                                         "jwt", "auth"};
    char *decoded = query_decode(str_split(&pair, '='));
    struct str name = str_from(decoded);
    bool is_secret = shell_is_secret_name(name);

    for (size_t i = 0; i < count_of(others) && !is_secret; i++)
        is_secret = str_equal_nocase(name, str_from(others[i]));
    free(decoded);
    return is_secret;
}

/* The arguments that exec carries: as they are recorded, and as they came. */
struct command {
    char **came, **kept; /* NULL-terminated, owned */
    size_t next;
};

static size_t read_command(struct command *command, struct str query)
{
    size_t count = 0, replaced = 0;

    for (struct str rest = query; rest.data;)
        count += query_name_is(str_split(&rest, '&'), "command");
    command->came = xcalloc(count + 1, sizeof *command->came);
    count = 0;
    for (struct str rest = query; rest.data;) {
        struct str pair = str_split(&rest, '&');

        if (!query_name_is(pair, "command"))
            continue;
        ignore(str_split(&pair, '='));
        command->came[count++] = query_decode(pair);
    }
    command->kept = redact_argv((const char *const *)command->came, &replaced);
    return replaced;
}

static size_t put_pair(struct buf *out, struct str pair, struct command *command)
{
    struct str value = pair;
    struct str name = str_split(&value, '=');

    if (!value.data)
        return shell_patterns(out, pair);
    if (query_name_is(pair, "command")) {
        const char *came = command->came[command->next], *kept = command->kept[command->next];

        command->next++;
        if (strcmp(came, kept) == 0) {
            buf_append_str(out, pair);
            return 0;
        }
        buf_append_str(out, name);
        buf_append_char(out, '=');
        encode(out, kept);
        return 0; /* counted when it was read */
    }
    if (!has_secret_name(pair) || value.len == 0)
        return shell_patterns(out, pair);
    buf_append_str(out, name);
    buf_append_text(out, "=" REDACTED);
    return 1;
}

size_t redact_target(struct buf *out, struct str target)
{
    struct str query = target;
    struct str path = str_split(&query, '?');
    struct command command = {0};
    size_t replaced = shell_patterns(out, path);

    if (!query.data)
        return replaced;
    replaced += read_command(&command, query);
    for (char separator = '?'; query.data; separator = '&') {
        buf_append_char(out, separator);
        replaced += put_pair(out, str_split(&query, '&'), &command);
    }
    redact_argv_free(&command.came);
    redact_argv_free(&command.kept);
    return replaced;
}

char **redact_target_command(struct str target, size_t *count)
{
    struct command command = {0};

    ignore(str_split(&target, '?'));
    *count += read_command(&command, target);
    redact_argv_free(&command.came);
    return command.kept;
}
