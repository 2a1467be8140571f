#include "kube/request_info.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/encode.h"

/* As RequestInfoFactory reads the path: at most so many parts matter to it. */
#define PARTS_MAX 10

struct parts {
    struct str at[PARTS_MAX];
    size_t count; /* of all of them, also those that are not kept */
};

static bool is_unreserved(unsigned char c) /* RFC 3986 2.3 */
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* May stand in a path as it is: RFC 3986 3.3 pchar and '/', without ';', which some servers cut
 * parameters off at. */
static bool is_plain(unsigned char c)
{
    return is_unreserved(c) || (c && strchr("/!$&'()*+,=:@", c));
}

/* Characters of which an escape is a way to say a plain thing differently, or to smuggle it. */
static bool is_tricky_escape(unsigned char c)
{
    return is_unreserved(c) || c < 0x20 || c == 0x7f || strchr("/\\%;", c);
}

/* net/url unescape(): `+` is a blank in a query only. False: Go refuses it. */
static bool unescape(char *out, size_t *len, struct str text, bool is_query)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (c == '%') {
            if (i + 2 >= text.len || decode_hex_digit(text.data[i + 1]) < 0 ||
                decode_hex_digit(text.data[i + 2]) < 0)
                return false;
            c = (char)(decode_hex_digit(text.data[i + 1]) << 4 |
                       decode_hex_digit(text.data[i + 2]));
            i += 2;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        out[n++] = c;
    }
    *len = n;
    return true;
}

static bool has_odd_segment(struct str path)
{
    struct str rest = str_skip(path, 1);

    while (rest.data) {
        struct str part = str_split(&rest, '/');

        /* one slash may end a path: RequestInfo trims it */
        if ((part.len == 0 && rest.data) || str_is(part, ".") || str_is(part, ".."))
            return true;
    }
    return false;
}

/* Is `raw` the one way to spell what it decodes to? */
static bool is_canonical_path(struct str raw)
{
    if (raw.len == 0 || raw.data[0] != '/')
        return false;
    for (size_t i = 0; i < raw.len; i++) {
        unsigned char c = (unsigned char)raw.data[i];

        if (c == '%') { /* it decodes: the caller has seen that */
            int high = decode_hex_digit(raw.data[i + 1]);

            if (is_tricky_escape((unsigned char)(high << 4 | decode_hex_digit(raw.data[i + 2]))))
                return false;
            i += 2;
        } else if (!is_plain(c)) {
            return false;
        }
    }
    return !has_odd_segment(raw);
}

/* splitPath(): without any slashes at both ends. */
static void split_path(struct parts *parts, struct str path)
{
    while (path.len && path.data[0] == '/')
        path = str_skip(path, 1);
    while (path.len && path.data[path.len - 1] == '/')
        path.len--;
    if (path.len == 0)
        return;
    for (struct str rest = path; rest.data; parts->count++) {
        struct str part = str_split(&rest, '/');

        if (parts->count < PARTS_MAX)
            parts->at[parts->count] = part;
    }
}

static void drop_parts(struct parts *parts, size_t count)
{
    parts->count -= count;
    memmove(parts->at, parts->at + count, (PARTS_MAX - count) * sizeof parts->at[0]);
}

/* url.ParseQuery(), then the first value of `name`: a pair that holds a ';' or a bad escape is not
 * there. `room` takes as many bytes as the query has. */
static bool query_value(struct str query, const char *name, char *room, struct str *value)
{
    struct str rest = query;

    while (rest.data) {
        struct str pair = str_split(&rest, '&');
        struct str text = pair;
        size_t len;

        if (pair.len == 0 || str_index(pair, ';') >= 0)
            continue;
        struct str key = str_split(&text, '=');
        if (!unescape(room, &len, key, true) || !str_is(str_make(room, len), name) ||
            !unescape(room, &len, text, true))
            continue;
        *value = str_make(room, len);
        return true;
    }
    return false;
}

/* fields.UnescapeValue(), in place. False: an error. */
static bool unescape_field(char *text, size_t *len)
{
    size_t n = 0;

    for (size_t i = 0; i < *len; i++) {
        char c = text[i];

        if (c == ',' || c == '=')
            return false;
        if (c == '\\') {
            if (++i == *len || !strchr("\\,=", text[i]) || !text[i])
                return false;
            c = text[i];
        }
        text[n++] = c;
    }
    *len = n;
    return true;
}

/* splitTerm(): name, and what stands after the first operator. */
static bool split_term(struct str term, struct str *name, struct str *value, bool *is_equal)
{
    for (size_t i = 0; i < term.len; i++) {
        bool has_next = i + 1 < term.len && term.data[i + 1] == '=';

        *is_equal = term.data[i] == '=';
        if (!*is_equal && !(term.data[i] == '!' && has_next))
            continue;
        *name = str_first(term, i);
        *value = str_skip(term, i + 1 + has_next);
        return true;
    }
    return false;
}

static int compare(struct str a, struct str b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* fields.ParseSelector() and RequiresExactMatch("metadata.name"): terms count in sorted order, and
 * one that cannot be read spoils all. `room` takes as many bytes as the selector. */
static struct str exact_name(struct str selector, char *room)
{
    struct str best = {0}, found = {0};

    for (size_t i = 0, start = 0; i <= selector.len; i++) {
        struct str name, value;
        bool is_equal;

        if (i < selector.len && selector.data[i] == '\\' && i + 1 < selector.len) {
            i++;
            continue;
        }
        if (i < selector.len && selector.data[i] != ',')
            continue;
        struct str term = str_first(str_skip(selector, start), i - start);
        start = i + 1;
        if (term.len == 0)
            continue;
        if (!split_term(term, &name, &value, &is_equal))
            return (struct str){0};
        char *copy = room + (value.data - selector.data);
        size_t len = value.len;
        if (len)
            memcpy(copy, value.data, len);
        if (!unescape_field(copy, &len))
            return (struct str){0};
        if (is_equal && str_is(name, "metadata.name") && (!best.data || compare(term, best) < 0)) {
            best = term;
            found = str_make(copy, len);
        }
    }
    return found;
}

/* content.IsPathSegmentName() */
static bool is_segment_name(struct str name)
{
    return !str_is(name, ".") && !str_is(name, "..") && str_index(name, '/') < 0 &&
           str_index(name, '%') < 0;
}

/* strconv.ParseInt(…, 10, 64), as far as it matters: is it a number? */
static bool is_int64(struct str text)
{
    char copy[32], *end;

    if (text.len == 0 || text.len >= sizeof copy || isspace((unsigned char)text.data[0]))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    errno = 0;
    ignore(strtoll(copy, &end, 10));
    return end == copy + text.len && errno == 0;
}

static struct str verb_of_method(struct str method)
{
    static const struct {
        const char *method, *verb;
    } verbs[] = {{"POST", "create"}, {"GET", "get"},     {"HEAD", "get"},
                 {"PUT", "update"},  {"PATCH", "patch"}, {"DELETE", "delete"}};

    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (str_is(method, verbs[i].method))
            return str_from(verbs[i].verb);
    return STR("");
}

/* A get without a name is a list or a watch, of one object when a field selector says so. `room`:
 * three times the query. */
static void read_list_options(struct request_info *info, char *room)
{
    size_t size = info->query.len;
    struct str value, selector;
    bool is_watch = query_value(info->query, "watch", room, &value) && !str_is(value, "0") &&
                    !str_equal_nocase(value, STR("false"));

    info->verb = is_watch ? STR("watch") : STR("list");
    if ((query_value(info->query, "limit", room, &value) && !is_int64(value)) ||
        (query_value(info->query, "timeoutSeconds", room, &value) && !is_int64(value)) ||
        !query_value(info->query, "fieldSelector", room, &selector))
        return;
    struct str name = exact_name(selector, room + size);
    if (!is_segment_name(name))
        return;
    if (name.len)
        memmove(room + 2 * size, name.data, name.len);
    info->name = str_make(room + 2 * size, name.len);
}

static bool has_selectors(struct str verb)
{
    return str_is(verb, "list") || str_is(verb, "watch") || str_is(verb, "deletecollection");
}

/* NewRequestInfo(), step by step. `room`: five times the query. */
static void read_resource(struct request_info *info, struct str method, char *room)
{
    struct parts parts = {0};
    bool is_verb_in_path = false;

    split_path(&parts, info->path);
    if (parts.count < 3 || (!str_is(parts.at[0], "api") && !str_is(parts.at[0], "apis")))
        return;
    struct str prefix = parts.at[0];
    bool has_group = str_is(prefix, "apis");
    info->api_prefix = prefix;
    if (has_group && parts.count < 4)
        return;
    if (has_group)
        info->api_group = parts.at[1];
    info->is_resource = true;
    info->api_version = parts.at[has_group ? 2 : 1];
    drop_parts(&parts, has_group ? 3 : 2);

    if (str_is(parts.at[0], "proxy") || str_is(parts.at[0], "watch")) {
        if (parts.count < 2)
            return; /* an error there; the verb stays the method */
        info->verb = parts.at[0];
        is_verb_in_path = true;
        drop_parts(&parts, 1);
    } else {
        info->verb = verb_of_method(method);
    }

    if (str_is(parts.at[0], "namespaces") && parts.count > 1) {
        info->namespace = parts.at[1];
        if (parts.count > 2 && !str_is(parts.at[2], "status") && !str_is(parts.at[2], "finalize"))
            drop_parts(&parts, 2);
    }
    info->resource = parts.at[0];
    if (parts.count >= 2)
        info->name = parts.at[1];
    if (parts.count >= 3 && !str_is(info->verb, "proxy"))
        info->subresource = parts.at[2];

    if (info->name.len == 0 && str_is(info->verb, "get"))
        read_list_options(info, room);
    if (info->name.len == 0 && str_is(info->verb, "delete"))
        info->verb = STR("deletecollection");
    if (!is_verb_in_path && has_selectors(info->verb)) {
        room += 3 * info->query.len;
        ignore(query_value(info->query, "fieldSelector", room, &info->field_selector));
        room += info->query.len;
        ignore(query_value(info->query, "labelSelector", room, &info->label_selector));
    }
}

static bool is_one_of(struct str text, const char *const *words)
{
    for (; *words; words++)
        if (str_equal_nocase(text, str_from(*words)))
            return true;
    return false;
}

static void classify(struct request_info *info)
{
    static const char *const secret_resources[] = {"secrets", "tokenreviews",
                                                   "certificatesigningrequests", NULL};
    static const char *const secret_subresources[] = {"token", "certificate", NULL};
    static const char *const long_subresources[] = {"attach",      "exec", "proxy",
                                                    "portforward", "log",  NULL};
    bool is_proxy = info->is_resource && (str_is(info->verb, "proxy") ||
                                          str_equal_nocase(info->subresource, STR("proxy")));

    info->is_opaque = is_proxy || !info->is_canonical;
    info->is_secret_bearing = info->is_opaque || is_one_of(info->resource, secret_resources) ||
                              is_one_of(info->subresource, secret_subresources);
    info->is_watch = info->is_resource && str_is(info->verb, "watch");
    info->is_long_running =
        info->is_watch || is_proxy || is_one_of(info->subresource, long_subresources);
}

void request_info_parse(struct request_info *info, struct str method, struct str target)
{
    struct str query = target;
    struct str raw = str_split(&query, '?');

    *info = (struct request_info){0};
    info->memory = xcalloc(1, method.len + raw.len + 6 * query.len + 1);
    char *verb = info->memory, *path = verb + method.len, *kept = path + raw.len;

    for (size_t i = 0; i < method.len; i++) {
        bool is_upper = method.data[i] >= 'A' && method.data[i] <= 'Z';
        verb[i] = (char)(is_upper ? method.data[i] | 0x20 : method.data[i]);
    }
    info->verb = str_make(verb, method.len);
    if (query.len)
        memcpy(kept, query.data, query.len);
    info->query = str_make(kept, query.len);

    size_t len = 0;
    bool is_decoded = unescape(path, &len, raw, false);
    if (!is_decoded)
        memcpy(path, raw.data, len = raw.len);
    info->path = str_make(path, len);
    info->is_canonical = is_decoded && is_canonical_path(raw);

    if (is_decoded)
        read_resource(info, method, kept + query.len);
    classify(info);
}

void request_info_free(struct request_info *info)
{
    free(info->memory);
    *info = (struct request_info){0};
}
