#include "session/line.h"

#include "base/num.h"
#include "base/utf8.h"

/* What is left to read, and where it began. */
struct cursor {
    const char *at;
    const char *end;
    const char *start;
    const char *why; /* what was expected, once something failed */
};

static bool fail(struct cursor *cursor, const char *why)
{
    if (!cursor->why)
        cursor->why = why;
    return false;
}

static int peek(const struct cursor *cursor)
{
    return cursor->at < cursor->end ? (unsigned char)*cursor->at : -1;
}

/* Only blanks: the writer makes none at all, and other control bytes have no place in a line. */
static int peek_token(struct cursor *cursor)
{
    while (peek(cursor) == ' ')
        cursor->at++;
    return peek(cursor);
}

static bool expect_char(struct cursor *cursor, char c, const char *why)
{
    if (peek_token(cursor) != (unsigned char)c)
        return fail(cursor, why);
    cursor->at++;
    return true;
}

static bool skip_hex4(struct cursor *cursor)
{
    for (int i = 0; i < 4; i++) {
        int c = peek(cursor);

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return fail(cursor, "four hexadecimal digits");
        cursor->at++;
    }
    return true;
}

static bool skip_escape(struct cursor *cursor)
{
    cursor->at++;
    int c = peek(cursor);
    if (c < 0 || !strchr("\"\\/bfnrtu", c) || c == 0)
        return fail(cursor, "an escape of JSON");
    cursor->at++;
    return c != 'u' || skip_hex4(cursor);
}

static bool skip_code_point(struct cursor *cursor)
{
    uint32_t code;
    size_t len = utf8_next(str_make(cursor->at, (size_t)(cursor->end - cursor->at)), &code);

    if (len == 0)
        return fail(cursor, "UTF-8");
    cursor->at += len;
    return true;
}

/* At the opening quote. */
static bool scan_string(struct cursor *cursor, struct str *text)
{
    const char *begin = ++cursor->at;

    for (;;) {
        int c = peek(cursor);
        bool fits = true;

        if (c == '"')
            break;
        if (c < 0x20)
            return fail(cursor, c < 0 ? "the end of a string" : "no control byte");
        if (c == '\\')
            fits = skip_escape(cursor);
        else if (c < 0x80)
            cursor->at++;
        else
            fits = skip_code_point(cursor);
        if (!fits)
            return false;
    }
    *text = str_make(begin, (size_t)(cursor->at - begin));
    cursor->at++;
    return true;
}

static bool skip_digits(struct cursor *cursor)
{
    const char *begin = cursor->at;

    while (peek(cursor) >= '0' && peek(cursor) <= '9')
        cursor->at++;
    return cursor->at > begin || fail(cursor, "a digit");
}

/* `number` stays -1 unless it is a whole number >= 0 of at most 18 digits. */
static bool scan_number(struct cursor *cursor, int64_t *number)
{
    const char *begin = cursor->at;
    uint64_t value;

    if (peek(cursor) == '-')
        cursor->at++;
    if (peek(cursor) == '0')
        cursor->at++;
    else if (!skip_digits(cursor))
        return false;
    struct str digits = str_make(begin, (size_t)(cursor->at - begin));
    if (digits.len <= 18 && num_parse_u64(digits, INT64_MAX, &value))
        *number = (int64_t)value;
    if (peek(cursor) == '.') {
        *number = -1;
        cursor->at++;
        if (!skip_digits(cursor))
            return false;
    }
    if (peek(cursor) == 'e' || peek(cursor) == 'E') {
        *number = -1;
        cursor->at++;
        if (peek(cursor) == '+' || peek(cursor) == '-')
            cursor->at++;
        return skip_digits(cursor);
    }
    return true;
}

static bool skip_word(struct cursor *cursor)
{
    static const char *const words[] = {"true", "false", "null"};
    struct str rest = str_make(cursor->at, (size_t)(cursor->end - cursor->at));

    for (size_t i = 0; i < count_of(words); i++)
        if (str_starts(rest, str_from(words[i]))) {
            cursor->at += strlen(words[i]);
            return true;
        }
    return fail(cursor, "a value");
}

/* A value that is no container. */
static bool scan_scalar(struct cursor *cursor, struct str *text, int64_t *number)
{
    int c = peek_token(cursor);

    if (c == '"')
        return scan_string(cursor, text);
    if (c == '-' || (c >= '0' && c <= '9'))
        return scan_number(cursor, number);
    return skip_word(cursor);
}

static void keep_member(struct line *line, struct str name, struct str text, int64_t number)
{
    if (str_is(name, "type"))
        line->type = text;
    else if (str_is(name, "time"))
        line->time = text;
    else if (str_is(name, "session"))
        line->session = text;
    else if (str_is(name, "journals"))
        line->journals = text;
    else if (str_is(name, "seq"))
        line->seq = number;
    else if (str_is(name, "from"))
        line->from = number;
    else if (str_is(name, "to"))
        line->to = number;
}

/* Where containers stand: one bit each, set for an object. */
struct nesting {
    uint64_t objects;
    unsigned depth;
};

static bool enter(struct cursor *cursor, struct nesting *nesting, bool is_object)
{
    if (nesting->depth == LINE_DEPTH_MAX)
        return fail(cursor, "less nesting");
    cursor->at++;
    nesting->objects = nesting->objects << 1 | is_object;
    nesting->depth++;
    return true;
}

static void leave(struct cursor *cursor, struct nesting *nesting)
{
    cursor->at++;
    nesting->objects >>= 1;
    nesting->depth--;
}

/* The name of a member and its colon, when inside an object. */
static bool scan_name(struct cursor *cursor, const struct nesting *nesting, struct str *name)
{
    *name = (struct str){0};
    if (!(nesting->objects & 1))
        return true;
    if (peek_token(cursor) != '"')
        return fail(cursor, "a name in quotes");
    return scan_string(cursor, name) && expect_char(cursor, ':', "a colon");
}

/* Behind a value: closes what ends here, or steps over the comma. */
static bool scan_after_value(struct cursor *cursor, struct nesting *nesting)
{
    while (nesting->depth > 0) {
        int c = peek_token(cursor);

        if (c == ',') {
            cursor->at++;
            return true;
        }
        if (c != (nesting->objects & 1 ? '}' : ']'))
            return fail(cursor, "a comma or the end of what was opened");
        leave(cursor, nesting);
    }
    return true;
}

/* One element: a scalar, or the opening of a container (closed at once when it is empty). */
static bool scan_element(struct cursor *cursor, struct nesting *nesting, struct line *line)
{
    struct str name, text = {0};
    int64_t number = -1;
    bool is_own = nesting->depth == 1;

    if (!scan_name(cursor, nesting, &name))
        return false;
    int c = peek_token(cursor);
    if (c == '{' || c == '[') {
        if (is_own)
            keep_member(line, name, text, number);
        if (!enter(cursor, nesting, c == '{'))
            return false;
        if (peek_token(cursor) != (c == '{' ? '}' : ']'))
            return true;
        leave(cursor, nesting);
    } else {
        if (!scan_scalar(cursor, &text, &number))
            return false;
        if (is_own)
            keep_member(line, name, text, number);
    }
    return scan_after_value(cursor, nesting);
}

static bool scan_line(struct cursor *cursor, struct line *line)
{
    struct nesting nesting = {0};

    if (peek(cursor) != '{')
        return fail(cursor, "an object");
    ignore(enter(cursor, &nesting, true));
    if (peek_token(cursor) == '}')
        leave(cursor, &nesting);
    while (nesting.depth > 0)
        if (!scan_element(cursor, &nesting, line))
            return false;
    return cursor->at == cursor->end || fail(cursor, "nothing behind the object");
}

int line_parse(struct line *line, struct str text, struct error *err)
{
    struct cursor cursor = {text.data, text.data + text.len, text.data, NULL};
    struct line parsed = {.seq = -1, .from = -1, .to = -1};

    if (!scan_line(&cursor, &parsed))
        return error_set(err, ERROR_PROTOCOL, "no JSON object: expected %s at byte %td", cursor.why,
                         cursor.at - cursor.start);
    *line = parsed;
    return 0;
}
