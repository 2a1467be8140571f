/* test_smuggling.c - requests over HTTP/1.1 that two servers could read in two ways: each is
 * refused and closes its connection, or arrives as exactly one clean request; over HTTP/1.1 and
 * HTTP/2 to the API server. What the journal says of each is compared, and another client is served
 * as ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "smuggling_h1_cases.h"
#include "strict_server.h"

#define WAIT_MS 5000

_Static_assert(count_of(h1_cases) + 5 * count_of(codings) >= 150, "too few");

static struct strict_server server;
static struct client_conn *attacker, *neighbour;
static const char *wanted;
static unsigned refused;  /* that the journal must tell of */
static unsigned problems; /* of all cases: one does not hide the others */

static int set_up(void **state)
{
    problems = refused = 0;
    server = (struct strict_server){.world = *state = world_new()};
    return 0;
}

static int set_up_h2(void **state)
{
    problems = refused = 0;
    server = (struct strict_server){.world = *state = world_new_h2()};
    return 0;
}

static int tear_down(void **state)
{
    world_free((struct world **)state);
    return 0;
}

/* ---- What tests wait for ---- */

static bool has_neighbour_wanted(struct world *world)
{
    strict_server_look(&server);
    return client_has(neighbour, wanted);
}

static bool has_attacker_wanted(struct world *world)
{
    strict_server_look(&server);
    return client_has(attacker, wanted) || attacker->has_failed;
}

static bool is_attacker_closed(struct world *world)
{
    strict_server_look(&server);
    return attacker->has_ended || attacker->has_failed;
}

static unsigned count_recorded(struct world *world)
{
    return world_count_written(world, "\"outcome\":\"refused\",\"forwarded\":\"none\"");
}

static bool is_recorded(struct world *world)
{
    return count_recorded(world) >= refused;
}

/* ---- One case ---- */

static void complain(const char *fmt, ...) printf_like(1, 2);

static void complain(const char *fmt, ...)
{
    va_list args;

    problems++;
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
}

static void send_filled(struct world *world, struct client_conn *client, struct str text)
{
    scoped(buf_free) struct buf bytes = {0};
    const char *who = world_who(world), *bearer = strstr(who, "Authorization");

    while (text.len) {
        if (str_starts(text, STR(WHO))) {
            buf_append_text(&bytes, who);
            text = str_skip(text, strlen(WHO));
        } else if (str_starts(text, STR("{bearer}"))) {
            buf_append_text(&bytes, bearer);
            text = str_skip(text, strlen("{bearer}"));
        } else {
            buf_append_char(&bytes, *text.data);
            text = str_skip(text, 1);
        }
    }
    conn_write(client->conn, buf_str(&bytes));
}

/* Status lines. */
static unsigned count_answers(const struct client_conn *client)
{
    struct str left = buf_str(&client->in), version = STR("HTTP/1.1 ");
    unsigned count = 0;
    ptrdiff_t at;

    while ((at = str_find(left, version)) >= 0) {
        left = str_skip(left, (size_t)at + version.len);
        count += left.len > 3 && left.data[0] >= '1' && left.data[0] <= '5' && left.data[3] == ' ';
    }
    return count;
}

/* The neighbour is served as ever, and sees nothing of others. */
static void ask_as_neighbour(struct world *world)
{
    static unsigned number;
    scoped(free_text) char *path = xasprintf("/neighbour-%u", ++number);
    scoped(free_text) char *answer = xasprintf("\r\n\r\nGET %s", path);

    buf_clear(&neighbour->in);
    client_send(neighbour, "GET /kind%s HTTP/1.1\r\n%s\r\n", path, world_who(world));
    wanted = answer;
    if (!world_run_until(world, has_neighbour_wanted, WAIT_MS))
        fail_msg("%s is not answered: %s (%s)", path, server.seen[0].line, server.bad);
    assert_int_equal(1, count_answers(neighbour));
}

/* All that arrived upstream: `expected` requests, and the neighbour's. */
static void check_seen(const char *name, unsigned expected)
{
    if (server.bad[0])
        complain("%s: the server got %s", name, server.bad);
    if (server.count != expected + 1 || server.cut)
        complain("%s: the server got %u requests, the last %s; and %u that were cut", name,
                 server.count - 1, server.seen[0].line, server.cut);
    else if (!strstr(server.seen[expected].line, "GET /neighbour-"))
        complain("%s: the last was %s", name, server.seen[expected].line);
}

static void check_refused(struct world *world, const char *name, int status, bool stays_open)
{
    scoped(free_text) char *line = xasprintf("HTTP/1.1 %d ", status);

    wanted = "\"code\":";
    if (stays_open && !world_run_until(world, has_attacker_wanted, WAIT_MS))
        complain("%s: not answered", name);
    if (!stays_open && !world_run_until(world, is_attacker_closed, WAIT_MS))
        complain("%s: not closed: %.*s", name, STR_ARG(buf_str(&attacker->in)));
    if (!str_starts(buf_str(&attacker->in), str_from(line)) || count_answers(attacker) != 1)
        complain("%s: not %d but %.*s", name, status, STR_ARG(buf_str(&attacker->in)));
    if (!stays_open && !client_has(attacker, "\r\nConnection: close\r\n"))
        complain("%s: no Connection: close", name);
}

static void check_passed(struct world *world, const struct h1_case *test)
{
    scoped(free_text) char *answer = xasprintf("\r\n\r\n%s", test->line);
    scoped(free_text) char *after = xasprintf("HTTP/1.1 %d ", test->after);

    wanted = test->after ? after : answer;
    if (!world_run_until(world, has_attacker_wanted, WAIT_MS) || !client_has(attacker, answer))
        complain("%s: not passed but %.*s", test->name, STR_ARG(buf_str(&attacker->in)));
    if (count_answers(attacker) != (test->after ? 2 : 1))
        complain("%s: got %.*s", test->name, STR_ARG(buf_str(&attacker->in)));
    if (strcmp(server.seen[0].line, test->line) != 0 ||
        strcmp(server.seen[0].body, test->body) != 0)
        complain("%s: the server got %s with %s", test->name, server.seen[0].line,
                 server.seen[0].body);
}

static void try_one(struct world *world, const struct h1_case *test)
{
    bool is_passed = test->status == 200;

    strict_server_forget(&server);
    attacker = world_connect(world);
    send_filled(world, attacker, test->bytes);
    if (is_passed)
        check_passed(world, test);
    else
        check_refused(world, test->name, test->status, test->stays_open);
    ask_as_neighbour(world);
    check_seen(test->name, is_passed ? 1 : 0);
    refused += !is_passed && !test->is_unrecordable;
}

/* Each that says who sent it, and none of the others. */
static void check_recorded(struct world *world)
{
    assert_true(world_run_until(world, is_recorded, WAIT_MS));
    assert_int_equal(refused, count_recorded(world));
    assert_int_equal(0, world_count_written(world, "\"outcome\":\"client_gone\""));
}

/* ---- The tests ---- */

static void every_request_is_refused_or_arrives_as_one(void **state)
{
    struct world *world = *state;

    neighbour = world_connect(world);
    for (size_t i = 0; i < count_of(h1_cases); i++)
        try_one(world, &h1_cases[i]);
    assert_int_equal(0, problems);
    check_recorded(world);
}

static void try_coding(struct world *world, size_t i, const char *before, const char *behind,
                       int status)
{
    scoped(buf_free) struct buf bytes = {0};

    buf_append_text(&bytes, POST);
    buf_append_text(&bytes, before);
    buf_append_str(&bytes, codings[i].line);
    buf_append_text(&bytes, "\r\n");
    buf_append_text(&bytes, behind);
    buf_append_text(&bytes, "\r\n5\r\nhello\r\n0\r\n\r\n" SMUGGLED);
    try_one(world, &(struct h1_case){codings[i].name, buf_str(&bytes), status});
}

static void no_other_spelling_is_taken_for_chunked(void **state)
{
    struct world *world = *state;

    neighbour = world_connect(world);
    for (size_t i = 0; i < count_of(codings); i++) {
        try_coding(world, i, "", "", codings[i].status);
        try_coding(world, i, "Content-Length: 15\r\n", "", 400);
        try_coding(world, i, "", "Content-Length: 15\r\n", 400);
        try_coding(world, i, "Transfer-Encoding: chunked\r\n", "", 400);
        try_coding(world, i, "", "Transfer-Encoding: chunked\r\n", 400);
    }
    assert_int_equal(0, problems);
    check_recorded(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_request_is_refused_or_arrives_as_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(no_other_spelling_is_taken_for_chunked, set_up, tear_down),
        /* the same, to an API server that speaks HTTP/2 */
        cmocka_unit_test_setup_teardown(every_request_is_refused_or_arrives_as_one, set_up_h2,
                                        tear_down),
        cmocka_unit_test_setup_teardown(no_other_spelling_is_taken_for_chunked, set_up_h2,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
