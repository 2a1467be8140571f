/* exchange_stream.c - an exchange whose protocol has changed (101): bytes both ways, each gated as
 * a body's (P1 for the client's, P2 for the server's), until one side ends. */
#include "http/hop.h"
#include "proxy/gateway_inside.h"

/* How long an answer may be silent once the client has ended its side: servers stop both ways as
 * soon as one ends, and say so at once. */
#define LINGER_MS 10000

int exchange_open_stream(struct exchange *exchange, struct http_head *head, struct error *err)
{
    struct str protocol = hop_upgrade(head);

    if (!exchange->upgrade || !str_equal_nocase(protocol, str_from(exchange->upgrade)))
        return error_set(err, ERROR_PROTOCOL, "it changed to a protocol that was not asked for");
    if (hop_strip_upgrade(head, err) < 0)
        return -1;
    exchange->has_response = true;
    exchange->is_stream = true;
    exchange->is_whole = false;
    exchange->has_request_ended = false;
    record_response(exchange->record, head);
    uint64_t number = record_stream_open(exchange->record, head);
    gate_push_adopt(&exchange->response, GATE_HEAD, number, http_head_take(head), NULL);
    return 0;
}

static void linger(void *context)
{
    struct exchange *exchange = context;
    uint64_t received = exchange->outcome.received[DIRECTION_RESPONSE];

    if (received != exchange->lingered_at) {
        exchange->lingered_at = received;
        loop_timer_again(exchange->linger, LINGER_MS);
        return;
    }
    exchange_set_reason(exchange, "the client ended its side, and the server did not");
    exchange_abort_client(exchange);
    exchange_finish(exchange, OUTCOME_CLIENT_GONE);
}

void exchange_stream_ended(struct exchange *exchange)
{
    if (exchange->is_done || exchange->linger)
        return;
    exchange_request_end(exchange, NULL);
    exchange->lingered_at = exchange->outcome.received[DIRECTION_RESPONSE];
    exchange->linger =
        loop_timer_start(exchange->gateway->config.loop, LINGER_MS, linger, exchange);
}
