#include "kube/redact_shell.h"

#include <ctype.h>
#include <string.h>

#include "base/error.h"
#include "base/num.h"
#include "kube/redact_argv.h"

#define DEPTH_MAX 6   /* quotes in quotes; deeper ones are replaced whole */
#define LOOK_MAX 4096 /* how far a JWT is looked for, at each place where one may begin */
#define BEARER_MIN 12 /* `bearer` is a word, too */

/* What some commands call a password. A one-letter option takes its value glued on, too. */
enum { LOGIN = 1, SSHPASS = 2, MYSQL = 4, REDIS = 8, MONGO = 16, CURL = 32, LDAP = 64 };
enum { OPENSSL = 128, USERADD = 256, PATCH = 512, SECRET = 1024 };

static const struct {
    const char *name;
    unsigned command;
} commands[] = {
    {"login", LOGIN},        {"sshpass", SSHPASS},   {"mysql", MYSQL},
    {"mysqldump", MYSQL},    {"mysqladmin", MYSQL},  {"mariadb", MYSQL},
    {"mariadb-dump", MYSQL}, {"redis-cli", REDIS},   {"mongo", MONGO},
    {"mongosh", MONGO},      {"mongodump", MONGO},   {"mongorestore", MONGO},
    {"mongoexport", MONGO},  {"mongoimport", MONGO}, {"curl", CURL},
    {"ldapsearch", LDAP},    {"ldapmodify", LDAP},   {"ldapadd", LDAP},
    {"openssl", OPENSSL},    {"useradd", USERADD},   {"usermod", USERADD},
    {"patch", PATCH},        {"secret", SECRET},     {"secrets", SECRET},
};

static const struct {
    const char *option;
    unsigned commands; /* all of them were seen */
    bool is_glued_only;
} options[] = {
    {"-p", LOGIN, false},
    {"-p", SSHPASS, false},
    {"-p", MYSQL, true}, /* alone it asks */
    {"-a", REDIS, false},
    {"-p", MONGO, false},
    {"-u", CURL, false},
    {"--user", CURL, false},
    {"--proxy-user", CURL, false},
    {"--oauth2-bearer", CURL, false},
    {"-w", LDAP, false},
    {"-passin", OPENSSL, false},
    {"-passout", OPENSSL, false},
    {"-pass", OPENSSL, false},
    {"-p", USERADD, false},
    {"-p", PATCH | SECRET, false},
    {"--patch", PATCH | SECRET, false},
};

static bool ends_nocase(struct str text, const char *end)
{
    struct str suffix = str_from(end);

    return text.len >= suffix.len &&
           str_equal_nocase(str_skip(text, text.len - suffix.len), suffix);
}

static bool starts_nocase(struct str text, const char *start)
{
    struct str prefix = str_from(start);

    return str_equal_nocase(str_first(text, prefix.len), prefix);
}

static bool is_one_of(struct str text, const char *const *list)
{
    for (; *list; list++)
        if (str_equal_nocase(text, str_from(*list)))
            return true;
    return false;
}

bool shell_is_secret_name(struct str name)
{
    static const char *const ends[] = {
        "password",    "passwd",      "passphrase",  "token",       "secret",     "apikey",
        "api-key",     "api_key",     "accesskey",   "access-key",  "access_key", "privatekey",
        "private-key", "private_key", "secretkey",   "secret-key",  "secret_key", "credential",
        "credentials", "pwd",         "account-key", "account_key", "accountkey", "key_base",
    };
    static const char *const never[] = {"PWD", "OLDPWD", NULL};

    if (is_one_of(name, never))
        return false;
    for (size_t i = 0; i < count_of(ends); i++)
        if (ends_nocase(name, ends[i]))
            return true;
    return false;
}

/* An option that says whether, and takes no value after a blank. */
static bool is_switch(struct str name)
{
    static const char *const starts[] = {"show-", "no-",   "pass-",  "with-",      "enable-",
                                         "use-",  "skip-", "print-", "automount-", "disable-"};

    for (size_t i = 0; i < count_of(starts); i++)
        if (starts_nocase(name, starts[i]))
            return true;
    return false;
}

static const char *const headers[] = {"authorization", "proxy-authorization", "cookie",
                                      "set-cookie", NULL};

static bool is_secret_header(struct str name)
{
    return is_one_of(name, headers) || shell_is_secret_name(name);
}

static bool is_scheme(struct str word)
{
    static const char *const schemes[] = {"basic", "bearer", "digest", "negotiate",
                                          "token", "apikey", NULL};

    return is_one_of(word, schemes);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_separator(char c)
{
    return is_blank(c) || (c && strchr(";|&()<>`", c));
}

static bool is_token_char(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

/* --- what is recognised by its looks --- */

static size_t run_len(struct str text, size_t max)
{
    size_t len = 0;

    while (len < max && len < text.len && is_token_char(text.data[len]))
        len++;
    return len;
}

/* header.payload, both long enough; a continue token has no dot. */
static size_t jwt_len(struct str text)
{
    size_t len = run_len(text, LOOK_MAX);
    ptrdiff_t dot = str_index(str_first(text, len), '.');

    return dot >= 10 && len - (size_t)dot > 4 ? run_len(text, text.len) : 0;
}

static size_t token_len(struct str text)
{
    static const struct {
        struct str prefix;
        size_t min;
    } prefixes[] = {
        {{"k8s-aws-v1.", 11}, 16}, {{"khoop1.", 7}, 16},      {{"ghp_", 4}, 24},
        {{"gho_", 4}, 24},         {{"ghu_", 4}, 24},         {{"ghs_", 4}, 24},
        {{"ghr_", 4}, 24},         {{"github_pat_", 11}, 24}, {{"glpat-", 6}, 20},
        {{"xoxb-", 5}, 20},        {{"xoxp-", 5}, 20},        {{"hvs.", 4}, 20},
    };

    if (str_starts(text, STR("eyJ")))
        return jwt_len(text);
    for (size_t i = 0; i < count_of(prefixes); i++)
        if (str_starts(text, prefixes[i].prefix)) {
            size_t len = run_len(text, text.len);

            return len >= prefixes[i].min ? len : 0;
        }
    return 0;
}

/* `text` begins after "://". Where in it the password of user:password@ is, or a token alone. */
static bool url_password(struct str text, size_t *from, size_t *to)
{
    size_t end = 0, at = 0;

    while (end < text.len && !is_blank(text.data[end]) && !strchr("/?#\"'<>", text.data[end]))
        end++;
    for (size_t i = 0; i < end; i++)
        if (text.data[i] == '@')
            at = i;
    if (at == 0)
        return false;
    ptrdiff_t colon = str_index(str_first(text, at), ':');
    *from = colon >= 0 ? (size_t)colon + 1 : 0;
    *to = at;
    return *to > *from && (colon >= 0 || at >= 16);
}

size_t shell_patterns(struct buf *out, struct str text)
{
    size_t replaced = 0, kept = 0;

    if (text.len == 0) /* its data may be NULL */
        return 0;
    for (size_t i = 0; i < text.len; i++) {
        struct str rest = str_skip(text, i);
        bool is_start = i == 0 || !isalnum((unsigned char)text.data[i - 1]);
        size_t from = 0, to = is_start ? token_len(rest) : 0;

        if (to == 0 && rest.data[0] == ':' && str_starts(rest, STR("://")) &&
            url_password(str_skip(rest, 3), &from, &to)) {
            from += 3;
            to += 3;
        }
        if (to == 0)
            continue;
        buf_append(out, text.data + kept, i + from - kept);
        buf_append_text(out, REDACTED);
        replaced++;
        kept = i + to;
        i = kept - 1;
    }
    buf_append_str(out, str_skip(text, kept));
    return replaced;
}

/* --- words --- */

static struct str base_name(struct str word)
{
    for (size_t i = word.len; i > 0; i--)
        if (word.data[i - 1] == '/')
            return str_skip(word, i);
    return word;
}

/* Is `name` among the types that a word of kubectl's names: secret, secret/NAME, secrets.v1.,
 * secret,configmap? */
static bool names_type(struct str word, struct str name)
{
    while (word.data) {
        struct str one = str_split(&word, ',');
        struct str type = str_split(&one, '/');

        if (str_equal_nocase(str_split(&type, '.'), name))
            return true;
    }
    return false;
}

void shell_see(struct shell_words *words, struct str word)
{
    for (size_t i = 0; i < count_of(commands); i++) {
        struct str name = str_from(commands[i].name);

        if (str_equal_nocase(base_name(word), name) ||
            (commands[i].command == SECRET && names_type(word, name)))
            words->commands |= commands[i].command;
    }
}

static bool has_blank(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (is_blank(text.data[i]))
            return true;
    return false;
}

/* The length of the quote that begins here, its backslashes included; 0: none does. */
static size_t quote_len(struct str text)
{
    size_t len = 0;

    while (len < text.len && text.data[len] == '\\')
        len++;
    return len < text.len && (text.data[len] == '"' || text.data[len] == '\'') ? len + 1 : 0;
}

/* From the opening quote at the start to behind the same one again; 0: it does not come. */
static size_t quoted_len(struct str text, size_t quote)
{
    for (size_t i = quote; i < text.len;) {
        struct str rest = str_skip(text, i);
        size_t len = quote_len(rest);

        if (len == quote && rest.data[len - 1] == text.data[quote - 1])
            return i + len;
        i += len ? len : 1;
    }
    return 0;
}

/* A line that goes on in the next one: its backslash and its end. 0: none is here. */
static size_t continuation_len(struct str text)
{
    return str_starts(text, STR("\\\n")) ? 2 : str_starts(text, STR("\\\r\n")) ? 3 : 0;
}

/* What stands between words. */
static size_t gap_len(struct str text)
{
    size_t line = continuation_len(text);

    return line ? line : text.len && is_separator(text.data[0]);
}

/* A character, and the backslashes before it: in quotes each shell takes some off. */
static size_t escape_len(struct str text)
{
    size_t len = 0;

    while (len < text.len && text.data[len] == '\\')
        len++;
    return min_of(len + 1, text.len);
}

/* The word at the start: up to a separator that is not quoted. */
static size_t word_len(struct str text)
{
    size_t at = 0;

    while (at < text.len && !is_separator(text.data[at])) {
        struct str rest = str_skip(text, at);
        size_t quote = quote_len(rest), quoted = quote ? quoted_len(rest, quote) : 0;
        size_t line = continuation_len(rest);

        if (line && (rest.len == line || gap_len(str_skip(rest, line))))
            break;
        at += line ? line : quoted ? quoted : quote ? quote : escape_len(rest);
    }
    return at;
}

static bool is_quote_char(char c)
{
    return c == '"' || c == '\'' || c == '\\';
}

/* Without quotes around it; a bracket may follow, as in a["b"]. */
static struct str strip_quotes(struct str text)
{
    while (text.len && (is_quote_char(text.data[0]) || text.data[0] == '{'))
        text = str_skip(text, 1);
    while (text.len && (is_quote_char(text.data[text.len - 1]) || text.data[text.len - 1] == ']'))
        text.len--;
    return text;
}

/* The name that ends before `end`. */
static struct str name_before(struct str word, size_t end)
{
    size_t start = end;

    while (start > 0 && !is_blank(word.data[start - 1]) &&
           !strchr(",;&?|({[=:/", word.data[start - 1]))
        start--;
    if (start > 0 && word.data[start - 1] == '[') /* a[b]=c */
        start--;
    return strip_quotes(str_first(str_skip(word, start), end - start));
}

static struct str without_dashes(struct str name)
{
    while (name.len && name.data[0] == '-')
        name = str_skip(name, 1);
    return name;
}

/* Where in `word` a value starts whose name says that it is secret; 0: nowhere. */
static size_t value_start(struct str word)
{
    for (size_t i = 1; i < word.len; i++) {
        char c = word.data[i];

        if (c != '=' && !(c == ':' && is_quote_char(word.data[i - 1])))
            continue;
        struct str name = name_before(word, i);
        if (c == '=' && str_is(without_dashes(name), "from-literal")) {
            ptrdiff_t equals = str_index(str_skip(word, i + 1), '=');
            return equals < 0 ? i + 1 : i + 1 + (size_t)equals + 1;
        }
        if (i + 1 < word.len && !is_blank(word.data[i + 1]) && shell_is_secret_name(name))
            return i + 1;
    }
    return 0;
}

/* A table option: its whole word, or with the value glued on. */
static bool table_option(struct shell_words *words, struct str word, size_t *value)
{
    for (size_t i = 0; i < count_of(options); i++) {
        struct str option = str_from(options[i].option);

        if ((options[i].commands & words->commands) != options[i].commands ||
            !str_starts(word, option))
            continue;
        if (word.len == option.len) {
            if (options[i].is_glued_only)
                continue;
            words->next = NEXT_VALUE;
            return true;
        }
        bool is_equals = word.data[option.len] == '=';
        if (is_equals || option.len == 2) {
            *value = option.len + is_equals;
            return true;
        }
    }
    return false;
}

static size_t put_replaced(struct buf *out, struct str word, size_t from)
{
    if (from >= word.len) {
        buf_append_str(out, word);
        return 0;
    }
    buf_append_str(out, str_first(word, from));
    buf_append_text(out, REDACTED);
    return 1;
}

/* A header line, or what looks like one, and where its value starts; 0: it is none. `image:tag` is
 * none, whatever the image is called. */
static size_t header_value(struct str word)
{
    size_t start = str_starts(word, STR("-H")) ? 2 : 0; /* curl's, glued on */
    ptrdiff_t colon = str_index(word, ':');

    if (colon <= (ptrdiff_t)start || (size_t)colon + 1 == word.len)
        return 0;
    struct str name = str_first(str_skip(word, start), (size_t)colon - start);
    bool is_header = has_blank(word) && isalnum((unsigned char)name.data[0])
                         ? is_secret_header(name)
                         : is_one_of(name, headers);
    return is_header ? (size_t)colon + 1 : 0;
}

/* Values that the word before has announced. */
static bool announced(struct shell_words *words, struct str word, size_t *from)
{
    enum shell_next next = words->next;
    ptrdiff_t equals = str_index(word, '=');

    words->next = NEXT_ANY;
    *from = 0;
    switch (next) {
    case NEXT_VALUE:
        return true;
    case NEXT_LITERAL:
        *from = equals < 0 ? 0 : (size_t)equals + 1;
        return true;
    case NEXT_CREDENTIALS:
        if (is_scheme(word)) {
            words->next = NEXT_VALUE;
            *from = word.len;
        }
        return true;
    case NEXT_LONG:
        return word.len >= BEARER_MIN;
    case NEXT_ANY:
    case NEXT_SCRIPT: /* put_word() goes into it */
        return false;
    }
    unreachable();
}

/* What `word` says about the next one. */
static void announce(struct shell_words *words, struct str word)
{
    struct str name = without_dashes(word);
    bool is_option = name.len < word.len;
    struct str header = str_first(word, word.len ? word.len - 1 : 0);

    if (is_option && str_is(name, "from-literal"))
        words->next = NEXT_LITERAL;
    else if (is_option && shell_is_secret_name(name) && !is_switch(name))
        words->next = NEXT_VALUE;
    else if (str_starts(word, STR("users.")) &&
             (shell_is_secret_name(word) || ends_nocase(word, "client-key-data")))
        words->next = NEXT_VALUE; /* kubectl config set */
    else if (word.len && word.data[word.len - 1] == ':' &&
             is_secret_header(name_before(header, header.len)))
        words->next = NEXT_CREDENTIALS;
    else if (str_equal_nocase(word, STR("bearer")))
        words->next = NEXT_LONG;
    else if (word.len > 1 && is_option && word.data[1] != '-' && word.data[word.len - 1] == 'c')
        words->next = NEXT_SCRIPT; /* -c, -lc */
}

/* A word that is no value itself: its quoted parts are texts. */
static size_t put_parts(struct buf *out, struct str word, unsigned depth)
{
    size_t replaced = 0, plain = 0, at = 0;

    while (at < word.len) {
        struct str rest = str_skip(word, at);
        size_t quote = quote_len(rest), quoted = quote ? quoted_len(rest, quote) : 0;

        if (!quoted) {
            at += quote ? quote : 1;
            continue;
        }
        replaced += shell_patterns(out, str_first(str_skip(word, plain), at - plain));
        buf_append_str(out, str_first(rest, quote));
        replaced +=
            shell_text(out, str_first(str_skip(rest, quote), quoted - 2 * quote), depth + 1);
        buf_append_str(out, str_first(str_skip(rest, quoted - quote), quote));
        at += quoted;
        plain = at;
    }
    return replaced + shell_patterns(out, str_skip(word, plain));
}

/* What is in `word` if it is one whole quoted part, else all of it; the length of its quote, or 0.
 */
static size_t unquote(struct str word, struct str *bare)
{
    size_t quote = quote_len(word);

    if (quote && quoted_len(word, quote) != word.len)
        quote = 0;
    *bare = str_first(str_skip(word, quote), word.len - 2 * quote);
    return quote;
}

static size_t put_word(struct shell_words *words, struct buf *out, struct str word,
                       enum shell_form form, unsigned depth)
{
    struct str bare = word;
    size_t quote = 0, from = 0, replaced;

    if (form == SHELL_WORD)
        quote = unquote(word, &bare);
    bool is_script = words->next == NEXT_SCRIPT && has_blank(bare); /* no value with blanks */
    bool is_value = announced(words, bare, &from);
    if (!is_value && bare.len && bare.data[0] == '-')
        is_value = table_option(words, bare, &from) && from;
    if (!is_value && !is_script)
        is_value = (from = header_value(bare)) > 0;
    if (!is_value && !is_script)
        is_value = (from = value_start(bare)) > 0;

    buf_append_str(out, str_first(word, quote));
    if (is_value) {
        struct str rest = str_trim(str_skip(bare, from));

        if (is_scheme(rest)) /* Authorization:Basic */
            words->next = NEXT_VALUE;
        while (from < bare.len && is_blank(bare.data[from]))
            from++;
        replaced = put_replaced(out, bare, from);
    } else {
        if (words->next == NEXT_ANY)
            announce(words, bare);
        replaced = form == SHELL_ARGUMENT ? shell_text(out, bare, depth)
                   : quote                ? shell_text(out, bare, depth + 1)
                                          : put_parts(out, bare, depth);
    }
    buf_append_str(out, str_skip(word, word.len - quote));
    return replaced;
}

size_t shell_word(struct shell_words *words, struct buf *out, struct str word, enum shell_form form)
{
    return put_word(words, out, word, form, 0);
}

/* Where a private key in PEM begins and ends. */
static bool find_private_key(struct str text, size_t *from, size_t *to)
{
    const struct str marker = STR("-----BEGIN ");
    ptrdiff_t begin = 0, next;

    for (size_t at = 0;; at = (size_t)begin + marker.len) {
        next = str_find(str_skip(text, at), marker);
        if (next < 0)
            return false;
        begin = (ptrdiff_t)at + next;
        if (str_find(str_first(str_skip(text, (size_t)begin), 48), STR("PRIVATE KEY")) >= 0)
            break;
    }
    ptrdiff_t end = str_find(str_skip(text, (size_t)begin), STR("-----END "));
    struct str rest = str_skip(text, end < 0 ? text.len : (size_t)(begin + end) + 9);
    ptrdiff_t dashes = str_find(rest, STR("-----"));

    *from = (size_t)begin;
    *to = dashes < 0 ? text.len : text.len - rest.len + (size_t)dashes + 5;
    return true;
}

/* Where the value of `key` starts, in YAML or in JSON, from `at` on; 0: nowhere. */
static size_t member_start(struct str text, size_t at, struct str key)
{
    for (ptrdiff_t found; (found = str_find(str_skip(text, at), key)) >= 0;) {
        size_t start = at + (size_t)found;
        at = start + key.len;
        size_t end = at;

        while (end < text.len && (is_quote_char(text.data[end]) || text.data[end] == ' '))
            end++;
        if (end < text.len && text.data[end] == ':' &&
            (start == 0 || !is_token_char(text.data[start - 1])))
            return end + 1;
    }
    return 0;
}

/* A Secret is written out in it, as in `cat <<EOF | kubectl apply -f -`: where its values start. */
static bool find_manifest(struct str text, size_t *from)
{
    for (size_t at = 0; (at = member_start(text, at, STR("kind")));) {
        struct str value = str_skip(text, at);

        while (value.len && (is_blank(value.data[0]) || is_quote_char(value.data[0])))
            value = str_skip(value, 1);
        if (!str_starts(value, STR("Secret")) ||
            (value.len > 6 && isalnum((unsigned char)value.data[6])))
            continue;
        size_t data = member_start(text, 0, STR("data"));
        size_t string_data = member_start(text, 0, STR("stringData"));
        *from = data && string_data ? min_of(data, string_data) : max_of(data, string_data);
        return *from > 0 && *from < text.len;
    }
    return false;
}

/* The words of a text in which no private key stands. */
static size_t put_words(struct buf *out, struct str text, unsigned depth)
{
    struct shell_words words = {0};
    size_t replaced = 0;

    for (size_t at = 0; at < text.len;) {
        struct str rest = str_skip(text, at);
        size_t gap = gap_len(rest), len = gap ? gap : word_len(rest);

        if (!gap)
            shell_see(&words, strip_quotes(str_first(rest, len)));
        at += len;
    }
    for (size_t at = 0; at < text.len;) {
        struct str rest = str_skip(text, at);
        size_t gap = gap_len(rest), len = gap ? gap : word_len(rest);

        if (gap)
            buf_append_str(out, str_first(rest, gap));
        else
            replaced += put_word(&words, out, str_first(rest, len), SHELL_WORD, depth);
        at += len;
    }
    return replaced;
}

size_t shell_text(struct buf *out, struct str text, unsigned depth)
{
    size_t replaced = 0, from, to;

    if (text.len == 0) /* its data may be NULL */
        return 0;
    if (depth > DEPTH_MAX) {
        buf_append_text(out, REDACTED);
        return 1;
    }
    while (find_private_key(text, &from, &to)) {
        replaced += put_words(out, str_first(text, from), depth) + 1;
        buf_append_text(out, REDACTED);
        text = str_skip(text, to);
    }
    if (find_manifest(text, &from)) {
        replaced += put_words(out, str_first(text, from), depth) + 1;
        buf_append_text(out, " " REDACTED);
        return replaced;
    }
    return replaced + put_words(out, text, depth);
}
