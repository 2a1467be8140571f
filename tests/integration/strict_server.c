#include "strict_server.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/scoped.h"

#define TCHAR "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* ---- Rules ---- */

/* What one request said of itself, as far as it matters for where it ends. */
struct said {
    unsigned hosts, lengths, codings, authorizations, audit_ids;
    size_t length;
};

static bool is_refused_name(const char *name)
{
    static const char *const names[] = {
        "connection", "keep-alive",     "proxy-connection",   "upgrade",
        "trailer",    "http2-settings", "proxy-authorization"};

    for (size_t i = 0; i < count_of(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return strncmp(name, "x-remote-", 9) == 0;
}

/* NULL, or what is wrong. `name` is in lower case. */
static const char *judge_field(struct said *said, const char *name, const char *value, bool is_h2)
{
    char *end;

    if (!*name || strspn(name, TCHAR) != strlen(name))
        return "a name that is no token";
    for (const char *at = value; *at; at++)
        if ((unsigned char)*at < ' ' && *at != '\t')
            return "a control byte in a value";
    if (strchr(" \t", *value) && *value)
        return "a blank before a value";
    if (*value && strchr(" \t", value[strlen(value) - 1]))
        return "a blank behind a value";
    if (is_refused_name(name))
        return "a field of one hop";
    if (strcmp(name, "te") == 0 && strcmp(value, "trailers") != 0)
        return "TE";
    if (strcmp(name, "host") == 0) {
        said->hosts++;
        return is_h2 || strcmp(value, "api.example:6443") != 0 ? "Host" : NULL;
    }
    if (strcmp(name, "transfer-encoding") == 0) {
        said->codings++;
        return is_h2 || strcmp(value, "chunked") != 0 ? "Transfer-Encoding" : NULL;
    }
    if (strcmp(name, "content-length") == 0) {
        said->lengths++;
        said->length = strtoul(value, &end, 10);
        return *end || !isdigit((unsigned char)*value) ? "Content-Length" : NULL;
    }
    if (strcmp(name, "authorization") == 0) {
        said->authorizations++;
        return strcmp(value, WORLD_CREDENTIAL) != 0 ? "Authorization" : NULL;
    }
    said->audit_ids += strcmp(name, "audit-id") == 0;
    return NULL;
}

static const char *judge_whole(const struct said *said, bool is_h2)
{
    if (said->hosts != (is_h2 ? 0 : 1))
        return "not one Host";
    if (said->lengths + said->codings > 1)
        return "two lengths";
    if (said->authorizations != 1)
        return "not one Authorization";
    return said->audit_ids == 1 ? NULL : "not one Audit-ID";
}

static const char *judge_line(const char *line)
{
    size_t method = strspn(line, TCHAR);
    const char *path = line + method + 1;

    if (!method || line[method] != ' ' || *path != '/')
        return "a request line";
    for (; *path; path++)
        if (*path <= ' ' || *path >= 0x7f || *path == '#')
            return "a target";
    return NULL;
}

static bool is_ours(const char *name)
{
    return strcmp(name, "host") == 0 || strcmp(name, "authorization") == 0 ||
           strcmp(name, "audit-id") == 0;
}

static void keep_field(struct strict_seen *seen, const char *name, const char *value)
{
    size_t len = strlen(seen->fields);

    if (!is_ours(name))
        snprintf(seen->fields + len, sizeof seen->fields - len, "%s: %s;", name, value);
}

static void blame(struct strict_server *server, const char *what, const char *text)
{
    if (!server->bad[0])
        snprintf(server->bad, sizeof server->bad, "%s: %.150s", what, text);
}

/* ---- HTTP/1.1 ---- */

/* Takes a line that ends with CR LF, and holds no other control byte. NULL: it is not there, or not
 * as it should be, which `what` says then. Owned. */
static char *take_line(struct str *in, const char **what)
{
    ptrdiff_t lf = str_index(*in, '\n');

    if (lf < 0)
        return NULL;
    struct str line = str_first(*in, (size_t)lf);

    if (!line.len || line.data[line.len - 1] != '\r') {
        *what = "a line without CR LF";
        return NULL;
    }
    line.len--;
    for (size_t i = 0; i < line.len; i++)
        if ((unsigned char)line.data[i] < ' ' && line.data[i] != '\t') {
            *what = "a control byte";
            return NULL;
        }
    *in = str_skip(*in, (size_t)lf + 1);
    return str_dup(line);
}

static const char *take_field(struct strict_seen *seen, struct said *said, char *line)
{
    char *colon = strchr(line, ':');

    if (!colon || colon[1] != ' ')
        return "a field";
    *colon = 0;
    for (char *at = line; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    keep_field(seen, line, colon + 2);
    return judge_field(said, line, colon + 2, false);
}

/* The lines up to an empty one. 1: all there. */
static int take_fields(struct str *in, struct strict_seen *seen, struct said *said,
                       const char **what)
{
    for (;;) {
        scoped(free_text) char *line = take_line(in, what);

        if (!line)
            return *what ? -1 : 0;
        if (!*line)
            return 1;
        *what = take_field(seen, said, line);
        if (*what)
            return -1;
    }
}

static int take_bytes(struct str *in, struct strict_seen *seen, size_t len)
{
    size_t before = strlen(seen->body);

    if (in->len < len)
        return 0;
    snprintf(seen->body + before, sizeof seen->body - before, "%.*s", (int)len, in->data);
    *in = str_skip(*in, len);
    return 1;
}

static int take_chunks(struct str *in, struct strict_seen *seen, const char **what)
{
    struct said trailers = {0};

    for (;;) {
        scoped(free_text) char *line = take_line(in, what);
        char *end;

        if (!line)
            return *what ? -1 : 0;
        size_t size = strtoul(line, &end, 16);

        if (*end || !*line || strspn(line, "0123456789abcdef") != strlen(line)) {
            *what = "a chunk's size";
            return -1;
        }
        if (!size)
            return take_fields(in, seen, &trailers, what);
        if (in->len < size + 2)
            return 0;
        take_bytes(in, seen, size);
        scoped(free_text) char *nothing = take_line(in, what);
        if (!nothing || *nothing) {
            *what = "a chunk's end";
            return -1;
        }
    }
}

/* 1: one whole request was taken from the front of `in`; 0: it goes on; -1: bad. */
static int take_request(struct str *in, struct strict_seen *seen, const char **what)
{
    scoped(free_text) char *line = take_line(in, what);
    struct said said = {0};

    if (!line)
        return *what ? -1 : 0;
    char *version = strstr(line, " HTTP/1.1");

    *what = "a version";
    if (!version || version[9])
        return -1;
    *version = 0;
    snprintf(seen->line, sizeof seen->line, "%s", line);
    *what = judge_line(line);
    if (*what)
        return -1;
    int status = take_fields(in, seen, &said, what);

    if (status != 1)
        return status;
    *what = judge_whole(&said, false);
    if (*what)
        return -1;
    return said.codings   ? take_chunks(in, seen, what)
           : said.lengths ? take_bytes(in, seen, said.length)
                          : 1;
}

static void keep(struct strict_server *server, const struct strict_seen *seen)
{
    if (server->count == STRICT_SEEN_MAX)
        blame(server, "too many requests", seen->line);
    else
        server->seen[server->count++] = *seen;
}

static void answer_h1(struct strict_server *server, struct server_conn *served,
                      const struct strict_seen *seen)
{
    bool is_head = strncmp(seen->line, "HEAD ", 5) == 0;
    scoped(free_text) char *answer = xasprintf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                                               strlen(seen->line), is_head ? "" : seen->line);
    const char *target = strchr(seen->line, ' ') + 1;

    if (strcmp(target, "/instead") != 0) {
        served_send(served, answer);
        return;
    }
    conn_write(served->conn, server->instead);
    if (server->ends_behind)
        served_finish(served);
}

static void look_at_h1(struct strict_server *server, struct server_conn *served)
{
    struct str left = buf_str(&served->in);

    while (left.len) {
        struct strict_seen seen = {{0}};
        const char *what = NULL;
        struct str rest = left;
        int status = take_request(&rest, &seen, &what);

        if (status < 0) {
            blame(server, what, left.data);
            break;
        }
        if (status == 0)
            break;
        left = rest;
        keep(server, &seen);
        if (served->conn && !strstr(seen.line, " /own"))
            answer_h1(server, served, &seen);
    }
    buf_consume(&served->in, served->in.len - left.len);
    if (served->has_ended && served->in.len) {
        server->cut++;
        buf_clear(&served->in);
    }
}

/* ---- HTTP/2 ---- */

static const char *judge_h2_fields(struct strict_seen *seen, const struct h2_request *request)
{
    scoped(free_text) char *all = xstrdup(request->fields);
    struct said said = {0};
    bool is_regular = false;

    for (char *at = all, *end; (end = strchr(at, ';')); at = end + 1) {
        char *colon = strstr(at + 1, ": ");

        *end = 0;
        if (!colon)
            return "a field";
        *colon = 0;
        if (*at == ':' && is_regular)
            return "a pseudo field behind others";
        if (*at == ':')
            continue;
        is_regular = true;
        for (const char *c = at; *c; c++)
            if (isupper((unsigned char)*c))
                return "a name in upper case";
        const char *what = judge_field(&said, at, colon + 2, true);
        if (what)
            return what;
        keep_field(seen, at, colon + 2);
    }
    if (!strstr(request->fields, ":authority: api.example:6443;"))
        return ":authority";
    if (said.lengths && said.length != request->bytes && strncmp(request->line, "HEAD", 4) != 0)
        return "a length that is not the body's";
    return judge_whole(&said, true);
}

static void look_at_h2(struct strict_server *server, struct h2_request *request)
{
    struct strict_seen seen = {{0}};
    const char *what = judge_line(request->line);

    if (request->is_judged || !(request->is_complete || request->reset || request->on->has_ended))
        return;
    request->is_judged = true;
    if (!request->is_complete) {
        server->cut++;
        return;
    }
    if (!what)
        what = judge_h2_fields(&seen, request);
    if (what)
        blame(server, what, request->fields);
    snprintf(seen.line, sizeof seen.line, "%s", request->line);
    snprintf(seen.body, sizeof seen.body, "%s", request->body);
    keep(server, &seen);
    scoped(free_text) char *head =
        xasprintf(":status: 200\ncontent-length: %zu\n", strlen(request->line));
    bool is_head = strncmp(request->line, "HEAD ", 5) == 0;

    h2_server_head(request, head, is_head);
    if (!is_head)
        h2_server_data(request, request->line, true);
}

/* ---- Both ---- */

void strict_server_look(struct strict_server *server)
{
    for (struct server_conn *served = server->world->served; served; served = served->next)
        look_at_h1(server, served);
    for (struct h2_request *request = server->world->h2.requests; request; request = request->next)
        look_at_h2(server, request);
}

void strict_server_forget(struct strict_server *server)
{
    memset(server->seen, 0, sizeof server->seen);
    server->count = server->cut = 0;
    server->bad[0] = 0;
}
