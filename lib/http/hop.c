#include "http/hop.h"

#include "base/num.h"
#include "http/chars.h"

/* Fields that a Connection must not make go away between client, recording and upstream. */
static bool is_protected(struct str name)
{
    static const char *const names[] = {
        "accept",
        "audit-id",
        "authorization",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "expect",
        "host",
        "kubectl-command",
        "kubectl-session",
        "range",
        "set-cookie",
        "transfer-encoding",
        "user-agent",
        "warning",
        "www-authenticate",
        "x-forwarded-for",
        "x-real-ip",
    };

    for (size_t i = 0; i < count_of(names); i++)
        if (str_equal_nocase(name, str_from(names[i])))
            return true;
    return http_is_identity(name);
}

#define TOKENS_MAX 64 /* there are hardly ever three */

/* What all Connection fields name; borrowed from the head. */
struct tokens {
    struct str names[TOKENS_MAX];
    size_t count;
};

static int add_tokens(struct tokens *tokens, struct str list, struct error *err)
{
    while (list.data) {
        struct str token = str_trim(str_split(&list, ','));

        if (token.len == 0)
            continue; /* RFC 9110 5.6.1.2: empty elements are ignored */
        if (!http_is_token(token))
            return error_set(err, ERROR_PROTOCOL, "Connection is not a list of names");
        if (is_protected(token))
            return error_set(err, ERROR_PROTOCOL, "Connection names %.*s", STR_ARG(token));
        if (tokens->count == TOKENS_MAX)
            return error_set(err, ERROR_PROTOCOL, "Connection names over %d fields", TOKENS_MAX);
        tokens->names[tokens->count++] = token;
    }
    return 0;
}

static bool is_among(struct str name, const struct tokens *tokens)
{
    for (size_t i = 0; i < tokens->count; i++)
        if (str_equal_nocase(name, tokens->names[i]))
            return true;
    return false;
}

/* Is `name` in the fixed list? */
static bool is_hop(struct str name)
{
    static const char *const names[] = {
        "connection",
        "proxy-connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    };

    for (size_t i = 0; i < count_of(names); i++)
        if (str_equal_nocase(name, str_from(names[i])))
            return true;
    return false;
}

int hop_strip(struct http_head *head, struct error *err)
{
    struct tokens tokens = {.count = 0};
    bool has_trailers = http_head_has_token(head, "te", "trailers");
    size_t kept = 0;

    for (size_t i = 0; i < head->field_count; i++)
        if (str_equal_nocase(head->fields[i].name, STR("connection")) &&
            add_tokens(&tokens, head->fields[i].value, err) < 0)
            return -1;

    for (size_t i = 0; i < head->field_count; i++) {
        struct str name = head->fields[i].name;

        if (!is_hop(name) && !is_among(name, &tokens))
            head->fields[kept++] = head->fields[i];
    }
    head->field_count = kept;
    if (has_trailers)
        http_head_add(head, "te", STR("trailers"));
    return 0;
}

struct str hop_upgrade(const struct http_head *head)
{
    struct str protocol = http_head_get(head, "upgrade");
    bool is_known =
        str_equal_nocase(protocol, STR("websocket")) || str_equal_nocase(protocol, STR("SPDY/3.1"));

    if (!is_known || head->version != 11 || http_head_count(head, "upgrade") != 1 ||
        !http_head_has_token(head, "connection", "upgrade"))
        return STR("");
    return protocol;
}

int hop_strip_upgrade(struct http_head *head, struct error *err)
{
    struct str protocol = hop_upgrade(head);

    if (hop_strip(head, err) < 0)
        return -1;
    http_head_add(head, "Connection", STR("Upgrade"));
    http_head_add(head, "Upgrade", protocol);
    return 0;
}
