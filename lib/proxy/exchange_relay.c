/* exchange_relay.c - what crosses once a request is recorded: gates in, upstream and client out. */
#include <assert.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "http/hop.h"
#include "proxy/gateway_inside.h"

#define ANSWER_HIGH ((size_t)256 << 10) /* of one answer in memory: then upstream is paused */
#define GATHERED_BYTES                                                                             \
    ((size_t)16 << 10) /* of what comes in one pass, where no length was said                      \
                        */
#define ANSWER_LOW ((size_t)64 << 10)

static const struct upstream_events upstream_events;

/* ---- To the upstream ---- */

/* What is sent: the client's fields, our credential, the journal's Audit-ID. */
static void prepare_head(struct exchange *exchange)
{
    const struct upstream_target *target = upstream_target(exchange->upstream);
    struct http_head *head = exchange->head;
    char audit_id[AUDIT_ID_BYTES];
    struct buf *authorization = &exchange->credential.authorization;

    if (authorization->len)
        http_head_add(head, "Authorization", buf_str(authorization));
    secret_buf_free(authorization);
    http_head_set(head, "Audit-ID", str_from(receipt_audit_id(exchange->receipt, audit_id)));
    if (target->path_prefix && *target->path_prefix) {
        scoped(buf_free) struct buf path = {0};

        buf_append_text(&path, target->path_prefix);
        buf_append_str(&path, head->target);
        head->target = http_head_keep(head, buf_str(&path));
    }
    head->authority = str_from(target->authority);
}

/* What is given upstream is delivered when it has left us: until then the client gets no credit for
 * it. What was read whole was credited on receipt. */
static void credit_request(struct exchange *exchange)
{
    size_t unsent = exchange->call ? upstream_call_unsent(exchange->call) : 0;
    size_t credit = exchange->uncredited - min_of(exchange->uncredited, unsent);

    exchange->uncredited -= credit;
    if (credit && exchange->ops)
        exchange->ops->credit(exchange->stream, credit);
}

/* Nothing more goes upstream; what waited for it is not wanted. */
static void end_request(struct exchange *exchange)
{
    exchange->is_request_over = true;
    if (!exchange->is_whole)
        exchange->uncredited += exchange->request.bytes;
    exchange->call = NULL;
    credit_request(exchange);
    gate_drop_all(&exchange->request);
}

static void answer_instead(struct exchange *exchange, enum outcome outcome, int code,
                           const char *text)
{
    end_request(exchange);
    exchange->outcome.outcome = outcome;
    exchange_answer(exchange, code, text);
}

static void fail_authorization(struct exchange *exchange, const struct error *err)
{
    scoped(free_text) char *text =
        xasprintf("kubectl-hoop: no credential for cluster %s: %s%s%s%s", exchange->cluster,
                  err->text, err->fix[0] ? " (fix: " : "", err->fix, err->fix[0] ? ")" : "");

    answer_instead(exchange, OUTCOME_REFUSED, 503, text);
}

/* Before there is a connection: it may depend on who asks. */
static bool is_authorized(struct exchange *exchange)
{
    struct error err = {0};

    if (!exchange->has_credential && exchange_authorize(exchange, &err) == IO_FAILED)
        fail_authorization(exchange, &err);
    return exchange->has_credential;
}

static void send_head(struct exchange *exchange)
{
    enum upstream_body body = exchange->upgrade     ? UPSTREAM_UPGRADE
                              : !exchange->has_body ? UPSTREAM_NO_BODY
                              : exchange->is_whole  ? UPSTREAM_WHOLE
                                                    : UPSTREAM_STREAMED;

    prepare_head(exchange);
    exchange->outcome.forwarded = exchange->upgrade ? FORWARDED_ALL : FORWARDED_HEAD;
    exchange->outcome.forwarded_mono_us = clock_now().mono_us;
    upstream_call_head_adopt(exchange->call, take(exchange->head), body);
}

static void send_data(struct exchange *exchange, struct chunk *chunk)
{
    size_t len = chunk_bytes(chunk).len;

    if (!exchange->is_stream) /* there the request was all forwarded before */
        exchange->outcome.forwarded = FORWARDED_PARTIAL;
    exchange->outcome.delivered[DIRECTION_REQUEST] += len;
    upstream_call_data(exchange->call, chunk);
    if (!exchange->is_whole)
        exchange->uncredited += len;
}

/* Only what gate_take() gives out is sent: it asserts that the journal holds it (P1). */
static void send_gate(struct exchange *exchange, int64_t now_us)
{
    struct gate *gate = gate_take(&exchange->request, now_us);

    switch (gate->kind) {
    case GATE_HEAD:
        send_head(exchange);
        break;
    case GATE_DATA:
        send_data(exchange, gate->chunk);
        break;
    case GATE_END:
        exchange->outcome.forwarded = FORWARDED_ALL;
        upstream_call_end(exchange->call, gate->head);
        break;
    case GATE_INTERIM:
    case GATE_ABORT:
        assert(!"no such gate upstream");
    }
    gate_free(&gate);
}

static void send_gates(struct exchange *exchange, int64_t now_us)
{
    while (!exchange->is_done && gate_is_open(&exchange->request, now_us)) {
        if (!exchange->call) {
            assert(!exchange->is_request_over && exchange->request.first->kind == GATE_HEAD);
            if (!is_authorized(exchange))
                return;
            exchange->call = (exchange->upgrade ? upstream_call_open_upgrade : upstream_call_open)(
                exchange->upstream, &upstream_events, exchange);
            return;
        }
        if (!exchange->is_ready || upstream_call_queued(exchange->call) >= UPSTREAM_QUEUED_HIGH)
            return;
        send_gate(exchange, now_us);
    }
}

static void pump_request(struct exchange *exchange, int64_t now_us)
{
    send_gates(exchange, now_us);
    if (exchange->uncredited)
        credit_request(exchange);
}

/* ---- To the client ---- */

/* As the client would see it without us: its own Audit-ID, where it had one. */
static void restore_audit_id(struct exchange *exchange, struct http_head *head)
{
    if (exchange->client_audit_id && http_head_has(head, "Audit-ID"))
        http_head_set(head, "Audit-ID", str_from(exchange->client_audit_id));
}

static void respond(struct exchange *exchange, struct gate *gate)
{
    const struct gate *next = exchange->response.first;
    /* Pushed together: the head is all there is. */
    bool is_all = next && next->kind == GATE_END && !next->head && next->number == gate->number;

    exchange->is_answered = true;
    restore_audit_id(exchange, gate->head);
    exchange->ops->respond(exchange->stream, gate->head, is_all);
    if (!is_all)
        return;
    exchange->ops = NULL;
    exchange_finish(exchange, exchange->outcome.outcome);
}

/* Only what gate_take() gives out is delivered: it asserts that the journal holds it (P2). */
static void deliver_gate(struct exchange *exchange, int64_t now_us)
{
    struct gate *gate = gate_take(&exchange->response, now_us);

    switch (gate->kind) {
    case GATE_INTERIM:
        exchange->ops->interim(exchange->stream, gate->head);
        break;
    case GATE_HEAD:
        respond(exchange, gate);
        break;
    case GATE_DATA:
        exchange->outcome.delivered[DIRECTION_RESPONSE] += chunk_bytes(gate->chunk).len;
        exchange->ops->data(exchange->stream, gate->chunk);
        break;
    case GATE_END:
        exchange->ops->end(exchange->stream, gate->head);
        exchange->ops = NULL;
        exchange_finish(exchange, exchange->outcome.outcome);
        break;
    case GATE_ABORT:
        exchange_abort_client(exchange);
        exchange_finish(exchange, exchange->outcome.outcome);
        break;
    }
    gate_free(&gate);
}

/* What this exchange holds in memory of its answer, as its part of the gateway's budget. */
static size_t count_unsent(struct exchange *exchange)
{
    size_t unsent =
        exchange->response.bytes + (exchange->ops ? exchange->ops->queued(exchange->stream) : 0);

    exchange->gateway->unsent_bytes += unsent - exchange->unsent_bytes;
    return exchange->unsent_bytes = unsent;
}

/* A slow client stops its own answer, and nobody else's; at a budget's end all but small answers
 * are stopped. */
static void throttle(struct exchange *exchange)
{
    if (exchange->is_done || !exchange->call)
        return;
    size_t unsent = count_unsent(exchange);
    bool is_stuck = exchange->ops && exchange->ops->is_full(exchange->stream);
    bool is_over = gateway_is_over_budget(exchange->gateway, unsent);

    size_t most = exchange->is_paused ? ANSWER_LOW : ANSWER_HIGH;

    exchange->is_paused = exchange->response.bytes > most || is_stuck || is_over;
    upstream_call_throttle(exchange->call, unsent,
                           exchange->is_paused ? UPSTREAM_STOP : UPSTREAM_GO);
}

static void pump_response(struct exchange *exchange, int64_t now_us)
{
    while (!exchange->is_done && gate_is_open(&exchange->response, now_us))
        deliver_gate(exchange, now_us);
}

void exchange_pump(struct exchange *exchange)
{
    bool is_waiting = exchange->request.first || exchange->response.first || exchange->uncredited;

    if (is_waiting) {
        int64_t now_us = clock_now().mono_us;

        pump_request(exchange, now_us);
        pump_response(exchange, now_us);
    }
    /* Most of those that are open wait for their upstream: nothing is to be done for them. */
    if (is_waiting || exchange->is_paused || exchange->unsent_bytes)
        throttle(exchange);
}

/* ---- From the upstream ---- */

static void upstream_ready(void *context)
{
    struct exchange *exchange = context;

    exchange->is_ready = true;
    exchange_pump(exchange);
}

static void upstream_interim(void *context, struct http_head *head)
{
    struct exchange *exchange = context;
    struct error err = {0};

    if (hop_strip(head, &err) < 0)
        return; /* a hint that cannot be passed on: the answer itself decides */
    uint64_t number = record_response(exchange->record, head);
    gate_push_adopt(&exchange->response, GATE_INTERIM, number, http_head_take(head), NULL);
}

static void upstream_head(void *context, struct http_head *head, bool is_all)
{
    struct exchange *exchange = context;
    struct error err = {0};

    exchange->outcome.answered_mono_us = clock_now().mono_us;
    if (head->status == 401)
        exchange_credential_refused(exchange);
    if (head->status == 101 && exchange_open_stream(exchange, head, &err) == 0)
        return;
    if (err.kind || hop_strip(head, &err) < 0) {
        scoped(free_text) char *text =
            xasprintf("kubectl-hoop: the API server's answer cannot be passed on: %s", err.text);
        upstream_call_cancel(&exchange->call);
        answer_instead(exchange, OUTCOME_UPSTREAM_RESET, 502, text);
        return;
    }
    exchange->has_response = true;
    if (!http_head_length(head, &exchange->answer_bytes))
        exchange->answer_bytes = 0;
    uint64_t number = record_response(exchange->record, head);
    if (is_all) /* one number for both: delivered together */
        number = record_body_end(exchange->record, DIRECTION_RESPONSE, NULL);
    gate_push_adopt(&exchange->response, GATE_HEAD, number, http_head_take(head), NULL);
    if (is_all)
        gate_push_adopt(&exchange->response, GATE_END, number, NULL, NULL);
    exchange->is_head_all = is_all;
}

/* How large a chunk is made for a piece: frames that come in one pass go into it together. */
static size_t room_for(const struct exchange *exchange, struct str piece)
{
    uint64_t received = exchange->outcome.received[DIRECTION_RESPONSE];
    uint64_t left = exchange->answer_bytes > received ? exchange->answer_bytes - received : 0;

    /* Where no length was said, the first piece is often all there is. */
    if (!exchange->answer_bytes && received)
        left = GATHERED_BYTES;
    size_t room = min_of((size_t)left, GATHERED_BYTES);

    return max_of(piece.len, room);
}

static void take_piece(struct exchange *exchange, struct str piece)
{
    if (record_body_extend(exchange->record, piece)) {
        gate_note_growth(&exchange->response, piece.len);
    } else {
        struct chunk *chunk = chunk_new_with_room(piece, room_for(exchange, piece));
        uint64_t number = record_body(exchange->record, DIRECTION_RESPONSE, chunk);

        gate_push_adopt(&exchange->response, GATE_DATA, number, NULL, chunk);
    }
    exchange->outcome.received[DIRECTION_RESPONSE] += piece.len;
}

static void upstream_data(void *context, struct str bytes)
{
    struct exchange *exchange = context;

    while (bytes.len) {
        struct str piece = str_first(bytes, CHUNK_BYTES_MAX);

        take_piece(exchange, piece);
        bytes = str_skip(bytes, piece.len);
    }
    throttle(exchange);
}

static void leave_call(struct exchange *exchange)
{
    upstream_call_wire(exchange->call, &exchange->outcome.wire[DIRECTION_REQUEST],
                       &exchange->outcome.wire[DIRECTION_RESPONSE]);
    end_request(exchange);
}

static void upstream_end(void *context, const struct http_head *trailers)
{
    struct exchange *exchange = context;
    struct http_head *kept = NULL;

    leave_call(exchange);
    if (exchange->is_head_all)
        return;
    uint64_t number = record_body_end(exchange->record, DIRECTION_RESPONSE, trailers);
    if (trailers) {
        kept = http_head_new();
        http_head_copy(kept, trailers);
    }
    gate_push_adopt(&exchange->response, GATE_END, number, kept, NULL);
}

/* No answer has begun: we can still say what happened. */
static void answer_failure(struct exchange *exchange, enum upstream_failure failure,
                           const struct error *err)
{
    const struct upstream_target *target = upstream_target(exchange->upstream);
    bool is_unreachable = failure == UPSTREAM_UNREACHABLE;
    const char *what = is_unreachable ? "cannot reach the API server at %s"
                       : failure == UPSTREAM_UNPROCESSED
                           ? "the API server at %s refused the call without processing it"
                           : "the API server at %s broke off before it answered; the call may have "
                             "taken effect";
    scoped(free_text) char *where = xasprintf(what, target->authority);
    scoped(free_text) char *text =
        xasprintf("kubectl-hoop: %s: %s%s%s%s", where, err->text, err->fix[0] ? " (fix: " : "",
                  err->fix, err->fix[0] ? ")" : "");
    enum outcome outcome = is_unreachable ? OUTCOME_UNREACHABLE : OUTCOME_UPSTREAM_RESET;

    exchange->outcome.outcome = outcome;
    exchange_answer(exchange, failure == UPSTREAM_BROKEN ? 502 : 503, text);
}

static void upstream_failed(void *context, enum upstream_failure failure, const struct error *err)
{
    struct exchange *exchange = context;

    leave_call(exchange);
    if (!exchange->has_response) {
        answer_failure(exchange, failure, err);
        return;
    }
    exchange->outcome.outcome =
        failure == UPSTREAM_TRUNCATED ? OUTCOME_TRUNCATED : OUTCOME_UPSTREAM_RESET;
    exchange_set_reason(exchange, err->text);
    /* Behind the bytes that came before it. */
    gate_push_adopt(&exchange->response, GATE_ABORT,
                    record_body_end(exchange->record, DIRECTION_RESPONSE, NULL), NULL, NULL);
}

static void upstream_writable(void *context)
{
    exchange_pump(context);
}

static const struct upstream_events upstream_events = {
    .ready = upstream_ready,
    .interim = upstream_interim,
    .head = upstream_head,
    .data = upstream_data,
    .end = upstream_end,
    .failed = upstream_failed,
    .writable = upstream_writable,
};
