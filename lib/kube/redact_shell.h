/* redact_shell.h - how redact_argv.h finds secrets in words and in what a shell would split into
 * words. Only redact_argv.c and its like use it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

/* What the one before says about a word. */
enum shell_next { NEXT_ANY, NEXT_VALUE, NEXT_LITERAL, NEXT_CREDENTIALS, NEXT_LONG, NEXT_SCRIPT };

/* What the words before say about the one that comes. All zero is the start. */
struct shell_words {
    unsigned commands; /* which commands of the table were seen, anywhere */
    enum shell_next next;
};

enum shell_form {
    SHELL_ARGUMENT, /* one argument, quotes off, blanks and all */
    SHELL_WORD,     /* a word of a text, quotes on */
};

/* First for all words: `mysql -psecret` needs the command, and `patch -p … secret` the rest. */
void shell_see(struct shell_words *words, struct str word);
/* Then for each, in order: appends it as it is recorded, returns how many values were replaced. */
size_t shell_word(struct shell_words *words, struct buf *out, struct str word,
                  enum shell_form form);

/* All words of a text; `depth`: of quotes around it. */
size_t shell_text(struct buf *out, struct str text, unsigned depth);

/* Only what is recognised by its own looks: JWTs, tokens with a prefix, passwords in URLs. */
size_t shell_patterns(struct buf *out, struct str text);

/* Does a name end in a word like password, token, api-key? */
bool shell_is_secret_name(struct str name);
