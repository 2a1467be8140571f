#include "kube/redact_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/secret.h"
#include "kube/redact_pem.h"

#define KEY_MAX REDACT_KEY_MAX
#define OPERATION_DEPTH 2 /* of a JSON patch: an object in the array */

enum state {
    TOP,        /* before a document, or after one */
    VALUE,      /* a value must follow */
    FIRST_ITEM, /* after [ */
    FIRST_KEY,  /* after { */
    NEXT_KEY,   /* after , in an object */
    COLON,
    AFTER, /* a value has ended inside something */
    STRING,
    ESCAPE, /* after the backslash */
    HEX,    /* in the four digits */
    LITERAL,
    NUMBER,
    BROKEN,
};

/* A level of the path: one byte. */
enum { LEVEL_OBJECT = 1, LEVEL_SECRETS = 2 /* each member's value is secret */ };

/* Where in a number (RFC 8259 section 6). */
enum number { SIGN, ZERO, INT, DOT, FRACTION, EXP, EXP_SIGN, EXP_INT, NUMBER_STATES };

/* Where the bytes of a string go, once unescaped. */
enum target { TO_NOWHERE, TO_KEY, TO_PRINT, TO_PEM };

struct redact_json {
    enum redact_json_form form;
    const struct redact_patch *patch;
    size_t operations; /* of the patch, begun so far */
    struct fingerprint *print;
    uint64_t withheld;
    const char *reason;

    enum state state;
    enum target target;
    enum key_class key_class; /* of the key that was read last */
    enum number number;
    const char *literal; /* what of it must still come */
    struct redact_pem pem;
    uint32_t code;      /* of the \u that is being read */
    uint32_t high;      /* a surrogate that waits for its other half, or 0 */
    unsigned hex_count; /* digits of it */
    unsigned key_len;   /* KEY_MAX + 1: too long to matter */
    char key[KEY_MAX];

    bool has_begun; /* a document has */
    bool is_withholding;
    bool is_tail;           /* withholding the rest of a string: its quotes are given out */
    bool is_raw;            /* what is fingerprinted are the bytes as they came */
    unsigned withhold_from; /* the depth at which the value stands */
    unsigned depth;
    unsigned char levels[REDACT_JSON_DEPTH_MAX];
};

/* One call of redact_json_add(): where the run that is to be given out, or fingerprinted raw,
 * began. */
struct run {
    const char *start;
    const struct redact_json_sink *sink;
};

struct redact_json *redact_json_new(enum redact_json_form form, const struct redact_patch *patch,
                                    struct fingerprint *print)
{
    struct redact_json *json = xcalloc(1, sizeof *json);

    json->form = form;
    json->patch = patch;
    json->print = print;
    return json;
}

const char *redact_json_reason(const struct redact_json *json)
{
    return json->reason;
}

uint64_t redact_json_withheld(const struct redact_json *json)
{
    return json->withheld;
}

void redact_json_free(struct redact_json **json)
{
    if (*json)
        secret_wipe(*json, sizeof **json);
    free(*json);
    *json = NULL;
}

/* Ends the run before `at`. */
static void run_end(struct redact_json *json, struct run *run, const char *at)
{
    struct str text = str_make(run->start, (size_t)(at - run->start));

    run->start = at;
    if (text.len == 0)
        return;
    if (!json->is_withholding)
        run->sink->input(run->sink->context, text);
    else if (json->is_raw)
        fingerprint_add(json->print, text);
}

static void withhold_begin(struct redact_json *json, struct run *run, const char *at)
{
    run_end(json, run, at);
    fingerprint_begin(json->print);
    json->is_withholding = true;
    json->is_tail = false;
    json->is_raw = false;
    json->withhold_from = json->depth;
}

static void put_placeholder(struct redact_json *json, const struct redact_json_sink *sink)
{
    char text[FINGERPRINT_PLACEHOLDER_BYTES], quoted[FINGERPRINT_PLACEHOLDER_BYTES + 2];
    size_t len = strlen(fingerprint_placeholder(json->print, text));

    json->withheld++;
    json->is_withholding = false;
    if (json->is_tail) {
        sink->placeholder(sink->context, str_make(text, len));
        return;
    }
    quoted[0] = quoted[len + 1] = '"';
    memcpy(quoted + 1, text, len);
    sink->placeholder(sink->context, str_make(quoted, len + 2));
}

static void withhold_end(struct redact_json *json, struct run *run, const char *at)
{
    run_end(json, run, at);
    put_placeholder(json, run->sink);
}

/* Of an operation, what its path says. Fields that RFC 6902 does not know are secret. */
static enum key_class classify_field(const struct redact_json *json, struct str name)
{
    if (str_is(name, "value") && json->patch)
        return redact_patch_class(json->patch, json->operations - 1);
    return str_is(name, "op") || str_is(name, "path") || str_is(name, "from") ? KEY_PLAIN
                                                                              : KEY_SECRET;
}

static enum key_class classify_key(const struct redact_json *json)
{
    struct str name = str_make(json->key, json->key_len);

    if (json->form == REDACT_JSON_PATCH && json->depth == OPERATION_DEPTH)
        return json->key_len > KEY_MAX ? KEY_SECRET : classify_field(json, name);
    return json->key_len > KEY_MAX ? KEY_PLAIN : redact_key_class(name);
}

/* Unescaped bytes of the string that is being read, which stand before `at` in the input. */
static void string_add(struct redact_json *json, struct run *run, struct str bytes, const char *at)
{
    const char *end = bytes.data + bytes.len, *found;

    switch (json->target) {
    case TO_NOWHERE:
        return;
    case TO_KEY:
        if (json->key_len + bytes.len > KEY_MAX) {
            json->key_len = KEY_MAX + 1;
            return;
        }
        memcpy(json->key + json->key_len, bytes.data, bytes.len);
        json->key_len += (unsigned)bytes.len;
        return;
    case TO_PRINT:
        fingerprint_add(json->print, bytes);
        return;
    case TO_PEM:
        found = redact_pem_find(&json->pem, bytes.data, end);
        if (!found)
            return;
        withhold_begin(json, run, at - (end - found));
        json->is_tail = true;
        json->target = TO_PRINT;
        fingerprint_add(json->print, str_make(found, (size_t)(end - found)));
        return;
    }
}

static void code_add(struct redact_json *json, struct run *run, uint32_t code, const char *at)
{
    char utf8[4];
    size_t len = 0;

    if (code < 0x80) {
        utf8[len++] = (char)code;
    } else if (code < 0x800) {
        utf8[len++] = (char)(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            utf8[len++] = (char)(0xe0 | code >> 12);
        } else {
            utf8[len++] = (char)(0xf0 | code >> 18);
            utf8[len++] = (char)(0x80 | (code >> 12 & 0x3f));
        }
        utf8[len++] = (char)(0x80 | (code >> 6 & 0x3f));
    }
    if (code >= 0x80)
        utf8[len++] = (char)(0x80 | (code & 0x3f));
    string_add(json, run, str_make(utf8, len), at);
}

/* A high surrogate that stayed alone, as Go reads it. */
static void flush_surrogate(struct redact_json *json, struct run *run, const char *at)
{
    if (!json->high)
        return;
    json->high = 0;
    code_add(json, run, 0xfffd, at);
}

/* The four digits of \uXXXX are there. */
static void unicode_add(struct redact_json *json, struct run *run, const char *at)
{
    uint32_t code = json->code;

    if (json->high && code >= 0xdc00 && code < 0xe000) {
        code = 0x10000 + ((json->high - 0xd800) << 10) + (code - 0xdc00);
        json->high = 0;
        code_add(json, run, code, at);
        return;
    }
    flush_surrogate(json, run, at);
    if (code >= 0xd800 && code < 0xdc00)
        json->high = code;
    else
        code_add(json, run, code >= 0xdc00 && code < 0xe000 ? 0xfffd : code, at);
}

static bool broken(struct redact_json *json, const char *reason)
{
    json->state = BROKEN;
    json->reason = reason;
    return false;
}

static bool in_object(const struct redact_json *json)
{
    return json->depth && json->levels[json->depth - 1] & LEVEL_OBJECT;
}

/* A value ended before `at`. */
static void value_end(struct redact_json *json, struct run *run, const char *at)
{
    if (json->is_withholding && json->depth == json->withhold_from)
        withhold_end(json, run, at);
    json->state = json->depth ? AFTER : TOP;
}

static bool push(struct redact_json *json, unsigned char level, enum state state)
{
    if (json->depth == REDACT_JSON_DEPTH_MAX)
        return broken(json, "too_deep");
    json->levels[json->depth++] = level;
    json->state = state;
    return true;
}

static void string_begin(struct redact_json *json, enum target target)
{
    json->state = STRING;
    json->target = target;
    json->high = 0;
    json->key_len = 0;
    json->pem = (struct redact_pem){0};
}

static bool literal_begin(struct redact_json *json, const char *rest)
{
    json->state = LITERAL;
    json->literal = rest;
    return true;
}

/* The first byte of a value, at `at`. */
static bool value_begin(struct redact_json *json, struct run *run, const char *at)
{
    char c = *at;
    enum key_class class = in_object(json) ? json->key_class : KEY_PLAIN;
    bool is_member = in_object(json) && json->levels[json->depth - 1] & LEVEL_SECRETS;

    json->operations += json->depth == OPERATION_DEPTH - 1;
    /* null says that there is no value */
    if (!json->is_withholding && c != 'n' &&
        (is_member || class == KEY_SECRET || (class == KEY_MAP && c != '{'))) {
        withhold_begin(json, run, at);
        json->is_raw = c != '"';
    }
    switch (c) {
    case '{':
        return push(json,
                    class == KEY_MAP && !json->is_withholding ? LEVEL_OBJECT | LEVEL_SECRETS
                                                              : LEVEL_OBJECT,
                    FIRST_KEY);
    case '[':
        return push(json, 0, FIRST_ITEM);
    case '"':
        string_begin(json, !json->is_withholding ? TO_PEM : json->is_raw ? TO_NOWHERE : TO_PRINT);
        return true;
    case 't':
        return literal_begin(json, "rue");
    case 'f':
        return literal_begin(json, "alse");
    case 'n':
        return literal_begin(json, "ull");
    default:
        if (c != '-' && !(c >= '0' && c <= '9'))
            return broken(json, "broken_json");
        json->state = NUMBER;
        json->number = c == '-' ? SIGN : c == '0' ? ZERO : INT;
        return true;
    }
}

static bool document_begin(struct redact_json *json, struct run *run, const char *at)
{
    if (*at != (json->form == REDACT_JSON_PATCH ? '[' : '{'))
        return broken(json, "broken_json");
    json->has_begun = true;
    return value_begin(json, run, at);
}

static bool close_level(struct redact_json *json, struct run *run, const char *at)
{
    if (*at != (in_object(json) ? '}' : ']'))
        return broken(json, "broken_json");
    json->depth--;
    value_end(json, run, at + 1);
    return true;
}

/* The closing quote, at `at`. */
static void string_end(struct redact_json *json, struct run *run, const char *at)
{
    flush_surrogate(json, run, at);
    if (json->target == TO_KEY) {
        json->key_class = classify_key(json);
        json->state = COLON;
        return;
    }
    if (json->is_withholding && json->is_tail) /* the quote belongs to what is given out */
        withhold_end(json, run, at);
    value_end(json, run, at + 1);
}

static bool escape_next(struct redact_json *json, struct run *run, const char *at)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const char *found = *at ? strchr(names, *at) : NULL;

    if (*at == 'u') {
        json->state = HEX;
        json->code = json->hex_count = 0;
        return true;
    }
    if (!found)
        return broken(json, "broken_json");
    flush_surrogate(json, run, at - 1);
    json->state = STRING;
    string_add(json, run, str_make(bytes + (found - names), 1), at + 1);
    return true;
}

static bool hex_next(struct redact_json *json, struct run *run, const char *at)
{
    int digit = decode_hex_digit(*at);

    if (digit < 0)
        return broken(json, "broken_json");
    json->code = json->code << 4 | (uint32_t)digit;
    if (++json->hex_count == 4) {
        json->state = STRING;
        unicode_add(json, run, at + 1);
    }
    return true;
}

/* Eight bytes at a time: the first that is a quote, a backslash or a control. */
static const char *string_stop(const char *at, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;

    while (end - at >= 8) {
        uint64_t word;

        memcpy(&word, at, sizeof word);
        uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\';
        if (((quote - ones) & ~quote & tops) | ((slash - ones) & ~slash & tops) |
            ((word - ones * 0x20) & ~word & tops))
            break;
        at += 8;
    }
    while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20)
        at++;
    return at;
}

/* Returns the byte that was not read: the end, one that follows the string, or one that breaks. */
static const char *string_next(struct redact_json *json, struct run *run, const char *at,
                               const char *end)
{
    const char *stop = string_stop(at, end);

    if (stop > at) {
        flush_surrogate(json, run, at);
        string_add(json, run, str_make(at, (size_t)(stop - at)), stop);
    }
    if (stop == end)
        return end;
    if (*stop == '"')
        string_end(json, run, stop);
    else if (*stop == '\\')
        json->state = ESCAPE;
    else
        ignore(broken(json, "broken_json"));
    return json->state == BROKEN ? stop : stop + 1;
}

static enum number number_next(enum number at, char c)
{
    bool is_digit = c >= '0' && c <= '9', is_exp = (c | 0x20) == 'e';

    switch (at) {
    case SIGN:
        return c == '0' ? ZERO : is_digit ? INT : NUMBER_STATES;
    case INT:
        if (is_digit)
            return INT;
        __attribute__((fallthrough));
    case ZERO:
        return c == '.' ? DOT : is_exp ? EXP : NUMBER_STATES;
    case DOT:
        return is_digit ? FRACTION : NUMBER_STATES;
    case FRACTION:
        return is_digit ? FRACTION : is_exp ? EXP : NUMBER_STATES;
    case EXP:
        if (c == '+' || c == '-')
            return EXP_SIGN;
        __attribute__((fallthrough));
    case EXP_SIGN:
    case EXP_INT:
        return is_digit ? EXP_INT : NUMBER_STATES;
    case NUMBER_STATES:
        break;
    }
    return NUMBER_STATES;
}

/* One byte of a number, or the one after it, which is not read then. False: it was not read. */
static bool number_read(struct redact_json *json, struct run *run, const char *at)
{
    enum number next = number_next(json->number, *at);

    if (next != NUMBER_STATES) {
        json->number = next;
        return true;
    }
    if (json->number == ZERO || json->number == INT || json->number == FRACTION ||
        json->number == EXP_INT)
        value_end(json, run, at);
    else
        ignore(broken(json, "broken_json"));
    return false;
}

static bool literal_next(struct redact_json *json, struct run *run, const char *at)
{
    if (*at != *json->literal)
        return broken(json, "broken_json");
    if (!*++json->literal)
        value_end(json, run, at + 1);
    return true;
}

static bool key_begin(struct redact_json *json, char c)
{
    if (c != '"')
        return broken(json, "broken_json");
    string_begin(json, TO_KEY);
    return true;
}

/* One byte between tokens that is no white space, or inside a short one. */
static bool token_next(struct redact_json *json, struct run *run, const char *at)
{
    switch (json->state) {
    case TOP:
        return document_begin(json, run, at);
    case FIRST_ITEM:
        if (*at == ']')
            return close_level(json, run, at);
        __attribute__((fallthrough));
    case VALUE:
        return value_begin(json, run, at);
    case FIRST_KEY:
        if (*at == '}')
            return close_level(json, run, at);
        __attribute__((fallthrough));
    case NEXT_KEY:
        return key_begin(json, *at);
    case COLON:
        if (*at != ':')
            return broken(json, "broken_json");
        json->state = VALUE;
        return true;
    case AFTER:
        if (*at != ',')
            return close_level(json, run, at);
        json->state = in_object(json) ? NEXT_KEY : VALUE;
        return true;
    case ESCAPE:
        return escape_next(json, run, at);
    case HEX:
        return hex_next(json, run, at);
    case LITERAL:
        return literal_next(json, run, at);
    case STRING:
    case NUMBER:
    case BROKEN:
        break;
    }
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

size_t redact_json_add(struct redact_json *json, struct str input,
                       const struct redact_json_sink *sink)
{
    struct run run = {.start = input.data, .sink = sink};
    const char *at = input.data, *end = input.data + input.len;

    while (at < end && json->state != BROKEN) {
        if (json->state == STRING)
            at = string_next(json, &run, at, end);
        else if (json->state == NUMBER)
            at += number_read(json, &run, at);
        else if (json->state < STRING && is_blank(*at))
            at++;
        else
            at += token_next(json, &run, at);
    }
    run_end(json, &run, at);
    return (size_t)(at - input.data);
}

bool redact_json_is_complete(const struct redact_json *json)
{
    return json->state == TOP && json->has_begun;
}

void redact_json_end(struct redact_json *json, const struct redact_json_sink *sink)
{
    if (json->is_withholding)
        put_placeholder(json, sink);
    json->state = BROKEN;
}
