/* strict_server.h - the API server of a world as a judge: it takes only requests that can be read
 * in one way, by rules of its own (RFC 9112, RFC 9113, nothing of lib/http), and answers each with
 * its target. Over HTTP/1.1 or HTTP/2, as the world has it. */
#pragma once

#include "gateway_world.h"

#define STRICT_SEEN_MAX 8

struct strict_seen {
    char line[256]; /* "GET /api?x" */
    char
        fields[2048]; /* "name: value;", names in lower case; without those that the gateway adds */
    char body[1024];
};

struct strict_server {
    struct world *world;
    struct strict_seen seen[STRICT_SEEN_MAX]; /* since strict_server_forget(), in their order */
    unsigned count;
    unsigned cut;  /* requests that began and were broken off */
    char bad[256]; /* what was not as it should be; "": nothing */
    /* HTTP/1.1: sent as it is in answer to "… /instead", and then FIN. */
    struct str instead;
    bool ends_behind;
};

/* Looks at what has arrived and answers what is complete, but for "… /own…", which is the test's.
 * To be called while the loop runs. */
void strict_server_look(struct strict_server *server);
void strict_server_forget(struct strict_server *server);
