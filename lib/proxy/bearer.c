#include "proxy/bearer.h"

#include <openssl/crypto.h>

#include "base/encode.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/scoped.h"

#define USERS_MAX 100000
#define SUBPROTOCOLS "Sec-WebSocket-Protocol"
#define BEARER_SUBPROTOCOL "base64url.bearer.authorization.k8s.io."

/* Appends ".<mac>" of what is in `text`. */
static void append_mac(struct buf *text, const unsigned char key[BEARER_KEY_BYTES])
{
    unsigned char mac[SHA256_BYTES];

    hmac_sha256(str_make(key, BEARER_KEY_BYTES), buf_str(text), mac);
    buf_append_char(text, '.');
    encode_base64url(text, str_make(mac, sizeof mac));
}

char *bearer_make(const unsigned char key[BEARER_KEY_BYTES], const char *session, unsigned user,
                  struct str invocation)
{
    struct buf text = {0};

    buf_printf(&text, "khoop1.%s.%u.", session, user);
    buf_append_str(&text, invocation.len ? invocation : STR("-"));
    append_mac(&text, key);
    return buf_take_text(&text);
}

static bool is_id(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              c == '-' || c == '_'))
            return false;
    }
    return text.len > 0;
}

int bearer_check(struct bearer *bearer, struct str authorization,
                 const unsigned char key[BEARER_KEY_BYTES], const char *session, struct error *err)
{
    struct str scheme = str_first(authorization, 7);

    if (!str_equal_nocase(scheme, STR("Bearer "))) /* RFC 9110 11.1: case insensitive */
        return error_set(err, ERROR_AUTH, "this gateway needs the bearer of its session");

    struct str shown = str_trim(str_skip(authorization, 7)), rest = shown;
    struct str version = str_split(&rest, '.'), of = str_split(&rest, '.');
    struct str user_text = str_split(&rest, '.'), invocation = str_split(&rest, '.');
    uint64_t user;

    if (shown.len > BEARER_BYTES_MAX || !rest.data || !str_is(version, "khoop1") ||
        !num_parse_u64(user_text, USERS_MAX, &user) || !is_id(invocation))
        return error_set(err, ERROR_AUTH, "what was shown is no bearer of this gateway");
    if (!str_is(of, session))
        return error_set(err, ERROR_AUTH, "the bearer belongs to another session");

    bool has_invocation = !str_is(invocation, "-");
    scoped(free_text) char *right =
        bearer_make(key, session, (unsigned)user, has_invocation ? invocation : STR(""));

    if (strlen(right) != shown.len || CRYPTO_memcmp(right, shown.data, shown.len) != 0)
        return error_set(err, ERROR_AUTH, "the bearer was not made by this session");
    *bearer = (struct bearer){.user = (unsigned)user,
                              .invocation = has_invocation ? invocation : STR("")};
    return 0;
}

int bearer_check_again(struct bearer_memo *memo, struct bearer *bearer, struct str authorization,
                       const unsigned char key[BEARER_KEY_BYTES], const char *session,
                       struct error *err)
{
    if (authorization.len && authorization.len == memo->len &&
        CRYPTO_memcmp(authorization.data, memo->text, memo->len) == 0) {
        *bearer = memo->bearer;
        return 0;
    }
    if (bearer_check(bearer, authorization, key, session, err) < 0)
        return -1;
    if (authorization.len > sizeof memo->text)
        return 0;
    memcpy(memo->text, authorization.data, authorization.len);
    memo->len = authorization.len;
    memo->bearer = *bearer;
    if (bearer->invocation.len)
        memo->bearer.invocation.data = memo->text + (bearer->invocation.data - authorization.data);
    return 0;
}

/* What the lines of Sec-WebSocket-Protocol name. */
struct subprotocols {
    struct buf others; /* joined, as kube-apiserver passes them on */
    struct str bearer; /* encoded; borrowed from the head */
    unsigned bearers;
};

static void sort_subprotocols(struct subprotocols *found, const struct http_head *head)
{
    for (size_t i = 0; i < head->field_count; i++) {
        struct str list = head->fields[i].value;

        if (!str_equal_nocase(head->fields[i].name, STR(SUBPROTOCOLS)))
            continue;
        while (list.data) {
            struct str one = str_trim(str_split(&list, ','));

            if (str_starts(one, STR(BEARER_SUBPROTOCOL))) {
                found->bearer = str_skip(one, strlen(BEARER_SUBPROTOCOL));
                found->bearers++;
                continue;
            }
            buf_append_text(&found->others, found->others.len ? ", " : "");
            buf_append_str(&found->others, one);
        }
    }
}

int bearer_take_subprotocol(struct http_head *head, struct buf *authorization, struct error *err)
{
    scoped(buf_free) struct buf others = {0};
    struct subprotocols found = {0};

    sort_subprotocols(&found, head);
    others = found.others;
    if (!found.bearers)
        return 0;
    if (others.len)
        http_head_set(head, SUBPROTOCOLS, buf_str(&others));
    else
        http_head_remove(head, SUBPROTOCOLS);
    if (found.bearers > 1)
        return error_set(err, ERROR_AUTH, "there are several bearers among the subprotocols");
    if (!others.len)
        return error_set(err, ERROR_AUTH, "there is no subprotocol beside the bearer");
    buf_append_text(authorization, "Bearer ");
    if (found.bearer.len == 0 || found.bearer.len > 2 * BEARER_BYTES_MAX ||
        !decode_base64url(authorization, found.bearer)) {
        buf_clear(authorization);
        return error_set(err, ERROR_AUTH, "the bearer among the subprotocols is no base64url");
    }
    return 0;
}
