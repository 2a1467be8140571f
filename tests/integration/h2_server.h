/* h2_server.h - an HTTP/2 server made of frames, for tests: it may send what it likes, and keeps
 * what each request was. SETTINGS are sent and acknowledged, PINGs answered, and window is given,
 * unless a test wants it otherwise. */
#pragma once

#include "h2_frames.h"
#include "net/listener.h"

struct h2_server_conn {
    struct h2_server_conn *next;
    struct h2_server *server;
    struct conn *conn; /* NULL: closed */
    void *inflater;
    struct buf in;
    bool has_preface, has_ended;
    int pings;
};

struct h2_request {
    struct h2_request *next;
    struct h2_server_conn *on;
    int32_t stream;
    char line[128];    /* "GET /api?x" */
    char fields[1024]; /* "name: value;" */
    char trailers[256];
    size_t bytes;   /* of the body */
    char body[256]; /* its first */
    bool is_complete;
    bool is_judged; /* strict_server.c's */
    uint32_t reset; /* code + 1 of the RST_STREAM that came; 0: none */
};

struct h2_server {
    struct listener *listener;
    struct h2_server_conn *conns; /* newest first */
    unsigned accepted;
    struct h2_request *requests; /* newest first */
    unsigned seen;
    unsigned max_streams;            /* announced, when not 0 */
    unsigned window;                 /* of each stream, announced when not 0 */
    bool gives_no_window, is_silent; /* is_silent: no SETTINGS, no answer to PING */
    /* All that a request carries, as it arrives. */
    void (*arrived)(void *context, struct str bytes);
    void *context;
};

/* `server` is filled with what a test wants before. */
void h2_server_start(struct h2_server *server, struct loop *loop, const struct tls_server *tls);
uint16_t h2_server_port(const struct h2_server *server);
/* The loop must run once more after this. */
void h2_server_stop(struct h2_server *server);
void h2_server_free(struct h2_server *server);

/* The newest with this line; NULL: none. */
struct h2_request *h2_server_find(struct h2_server *server, const char *line);
unsigned h2_server_count(struct h2_server *server, const char *line);

/* Frames, at once. `fields` as put_headers() has them. */
void h2_server_send(struct h2_server_conn *on, const struct buf *frames);
void h2_server_head(struct h2_request *request, const char *fields, bool is_all);
void h2_server_data(struct h2_request *request, const char *text, bool is_last);
void h2_server_reset(struct h2_request *request, uint32_t code);
void h2_server_goaway(struct h2_server_conn *on, int32_t last_stream, uint32_t code);
