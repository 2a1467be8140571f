#include "proxy/exchange.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/scoped.h"
#include "http/hop.h"
#include "proxy/gateway_inside.h"
#include "proxy/status.h"

/* ---- Its life ---- */

struct exchange *exchange_start(struct gateway *gateway, struct exchange_request *request)
{
    struct exchange *exchange = xcalloc(1, sizeof *exchange);

    exchange->gateway = gateway;
    exchange->ops = request->ops;
    exchange->stream = request->stream;
    exchange->request.rule = GATE_DURABLE;
    exchange->response.rule = gateway->config.is_strict ? GATE_DURABLE : GATE_WRITTEN;
    exchange->outcome.started_mono_us = clock_now().mono_us;
    exchange->next = gateway->exchanges;
    if (exchange->next)
        exchange->next->previous = exchange;
    gateway->exchanges = exchange;
    gateway->counts.open++;

    if (exchange_admit(exchange, request) && !exchange->has_body) {
        exchange->has_request_ended = true;
        exchange_commit_request(exchange);
    } else if (!exchange->is_done && !exchange->record && !exchange->is_whole) {
        exchange_commit_request(exchange);
    }
    return exchange->is_done ? NULL : exchange;
}

void exchange_free(struct exchange **exchange)
{
    struct exchange *x = *exchange;

    if (!x)
        return;
    assert(x->is_done && !x->record && !x->call);
    gate_drop_all(&x->request);
    gate_drop_all(&x->response);
    buf_free(&x->whole);
    receipt_free(&x->receipt);
    request_info_free(&x->info);
    upstream_credential_free(&x->credential);
    http_head_delete(&x->head);
    http_head_delete(&x->trailers);
    free(x->cluster);
    free(x->source_ip);
    free(x->invocation);
    free(x->client_audit_id);
    free(x->reason);
    free(x->upgrade);
    free(x);
    *exchange = NULL;
}

static void count_wire(struct exchange *exchange)
{
    if (exchange->call)
        upstream_call_wire(exchange->call, &exchange->outcome.wire[DIRECTION_REQUEST],
                           &exchange->outcome.wire[DIRECTION_RESPONSE]);
}

void exchange_finish(struct exchange *exchange, enum outcome outcome)
{
    if (exchange->is_done)
        return;
    exchange->is_done = true;
    exchange->gateway->unsent_bytes -= exchange->unsent_bytes;
    exchange->gateway->whole_bytes -= exchange->whole_bytes;
    loop_timer_stop(&exchange->linger);
    count_wire(exchange);
    upstream_wait_cancel(&exchange->credential_wait);
    upstream_call_cancel(&exchange->call);
    gate_drop_all(&exchange->request);
    gate_drop_all(&exchange->response);
    exchange->ops = NULL;
    if (exchange->record) {
        exchange->outcome.outcome = outcome;
        exchange->outcome.reason = exchange->reason;
        record_complete(&exchange->record, &exchange->outcome);
    }
    gateway_bury(exchange->gateway, exchange);
}

void exchange_abort_client(struct exchange *exchange)
{
    if (exchange->ops)
        exchange->ops->abort(exchange->stream);
    exchange->ops = NULL;
}

void exchange_set_reason(struct exchange *exchange, const char *text)
{
    free(exchange->reason);
    exchange->reason = xstrdup(text);
}

/* ---- Answers of ours ---- */

/* Past the journal: there is none, or it cannot take it. */
static void answer_at_once(struct exchange *exchange, struct http_head *head, struct chunk *body)
{
    if (!exchange->ops)
        return;
    exchange->is_answered = true;
    exchange->ops->respond(exchange->stream, head, exchange->is_head);
    if (!exchange->is_head) {
        exchange->ops->data(exchange->stream, body);
        exchange->ops->end(exchange->stream, NULL);
    }
    exchange->ops = NULL;
}

/* Behind the journal, as what comes from upstream. */
static void answer_recorded(struct exchange *exchange, struct http_head *head_adopted,
                            struct chunk *body)
{
    uint64_t number = record_response(exchange->record, head_adopted);

    if (exchange->is_head)
        number = record_body_end(exchange->record, DIRECTION_RESPONSE, NULL);
    gate_push_adopt(&exchange->response, GATE_HEAD, number, head_adopted, NULL);
    if (!exchange->is_head) {
        number = record_body(exchange->record, DIRECTION_RESPONSE, body);
        exchange->outcome.received[DIRECTION_RESPONSE] += chunk_bytes(body).len;
        gate_push_adopt(&exchange->response, GATE_DATA, number, NULL, chunk_share(body));
        number = record_body_end(exchange->record, DIRECTION_RESPONSE, NULL);
    }
    gate_push_adopt(&exchange->response, GATE_END, number, NULL, NULL);
}

void exchange_answer(struct exchange *exchange, int code, const char *message)
{
    struct http_head *head = http_head_new();
    scoped(chunk_free) struct chunk *body = status_make(head, code, message, exchange->warning);

    exchange->has_response = true;
    if (!exchange->reason)
        exchange_set_reason(exchange, message);
    if (exchange->record) {
        answer_recorded(exchange, head, body);
        return;
    }
    answer_at_once(exchange, head, body);
    http_head_delete(&head);
    exchange_finish(exchange, OUTCOME_REFUSED);
}

void exchange_answer_unrecorded(struct exchange *exchange, const struct error *problem)
{
    struct http_head *head = http_head_new();
    bool was_forwarded = exchange->outcome.forwarded != FORWARDED_NONE;
    scoped(free_text) char *text = xasprintf(
        was_forwarded
            ? "kubectl-hoop: the answer is withheld because it cannot be recorded; the call may "
              "have taken effect: %s%s%s%s"
            : "kubectl-hoop: this call was not sent because it cannot be recorded: %s%s%s%s",
        problem->text, problem->fix[0] ? " (fix: " : "", problem->fix, problem->fix[0] ? ")" : "");
    struct chunk *body = status_make(head, 503, text, exchange->warning);

    exchange_set_reason(exchange, text);
    if (exchange->is_answered)
        exchange_abort_client(exchange);
    else
        answer_at_once(exchange, head, body);
    http_head_delete(&head);
    chunk_free(&body);
    exchange_finish(exchange, was_forwarded ? OUTCOME_UNKNOWN : OUTCOME_REFUSED);
}

void exchange_journal_broke(struct exchange *exchange)
{
    struct error problem = {0};

    if (!exchange->record) /* nothing is lost yet: its body is still being read */
        return;
    recording_problem(exchange->recording, &problem);
    gate_drop_all(&exchange->response);
    exchange_answer_unrecorded(exchange, &problem);
}

void exchange_break_off(struct exchange *exchange)
{
    if (exchange->record)
        exchange->gateway->counts.cut_off++;
    exchange_set_reason(exchange, "the gateway of this session has ended");
    exchange_abort_client(exchange);
    exchange_finish(exchange, OUTCOME_GATEWAY_END);
}

/* ---- The request ---- */

/* What was read whole, as chunks; owned by the caller. */
static size_t cut_whole(struct exchange *exchange, struct chunk ***chunks)
{
    struct str left = buf_str(&exchange->whole);
    size_t count = 0;

    *chunks = xcalloc(left.len / CHUNK_BYTES_MAX + 1, sizeof **chunks);
    while (left.len) {
        (*chunks)[count] = chunk_new(str_first(left, CHUNK_BYTES_MAX));
        left = str_skip(left, CHUNK_BYTES_MAX);
        count++;
    }
    buf_free(&exchange->whole);
    return count;
}

static void line_up_request(struct exchange *exchange, uint64_t number, struct chunk **body,
                            size_t body_count)
{
    gate_push_adopt(&exchange->request, GATE_HEAD, number, NULL, NULL);
    if (!exchange->is_whole)
        return;
    /* All of it stands behind one number: one commit. */
    for (size_t i = 0; i < body_count; i++)
        gate_push_adopt(&exchange->request, GATE_DATA, number, NULL, chunk_share(body[i]));
    if (exchange->upgrade) /* after 101 there is more to come */
        return;
    if (exchange->trailers)
        number = record_body_end(exchange->record, DIRECTION_REQUEST, exchange->trailers);
    gate_push_adopt(&exchange->request, GATE_END, number, take(exchange->trailers), NULL);
}

void exchange_commit_request(struct exchange *exchange)
{
    struct error problem = {0};

    if (recording_is_broken(exchange->recording)) { /* it broke while the body was read */
        recording_problem(exchange->recording, &problem);
        recorder_count_refused(exchange->recording);
        exchange->gateway->counts.refused_unrecorded++;
        exchange_answer_unrecorded(exchange, &problem);
        return;
    }
    struct http_head *recorded = http_head_new();
    http_head_copy(recorded, exchange->head);
    struct chunk **body = NULL;
    size_t body_count = cut_whole(exchange, &body);
    struct record_request request = {
        .head = recorded,
        .info = exchange->info,
        .command = str_from(exchange->invocation),
        .user = exchange->upstream ? upstream_target(exchange->upstream)->user_name : NULL,
        .source_ip = exchange->source_ip,
        .is_refused = exchange->outcome.outcome == OUTCOME_REFUSED,
        .is_whole = exchange->is_whole,
        .body = body,
        .body_count = body_count,
    };

    exchange->info = (struct request_info){0};
    exchange->record = record_new(exchange->recording);
    uint64_t number = record_request(exchange->record, &request, &exchange->receipt);
    if (request.is_refused)
        exchange->is_request_over = true;
    else
        line_up_request(exchange, number, body, body_count);
    for (size_t i = 0; i < body_count; i++)
        chunk_free(&body[i]);
    free(body);
}

static bool is_reading_whole(const struct exchange *exchange)
{
    return exchange->is_whole && !exchange->record;
}

static void refuse_whole(struct exchange *exchange)
{
    exchange->outcome.outcome = OUTCOME_REFUSED;
    buf_free(&exchange->whole);
    exchange_commit_request(exchange);
    if (!exchange->is_done)
        exchange_answer(exchange, 413,
                        "kubectl-hoop: a body of this kind on a resource that bears secrets must "
                        "be read whole, and is larger than 3 MiB");
}

static void keep_whole(struct exchange *exchange, struct str bytes)
{
    buf_append_str(&exchange->whole, bytes);
    if (exchange->whole.overflow)
        refuse_whole(exchange);
    else /* on receipt: it is forwarded whole */
        exchange->ops->credit(exchange->stream, bytes.len);
}

static void request_piece(struct exchange *exchange, struct str bytes)
{
    exchange->outcome.received[DIRECTION_REQUEST] += bytes.len;
    if (is_reading_whole(exchange)) {
        keep_whole(exchange, bytes);
        return;
    }
    if (exchange->is_request_over) { /* nobody wants it any more */
        if (exchange->ops)
            exchange->ops->credit(exchange->stream, bytes.len);
        return;
    }
    struct chunk *chunk = chunk_new(bytes);
    uint64_t number = record_body(exchange->record, DIRECTION_REQUEST, chunk);

    gate_push_adopt(&exchange->request, GATE_DATA, number, NULL, chunk);
}

void exchange_request_data(struct exchange *exchange, struct str bytes)
{
    while (bytes.len && !exchange->is_done) {
        struct str piece = str_first(bytes, CHUNK_BYTES_MAX);

        request_piece(exchange, piece);
        bytes = str_skip(bytes, piece.len);
    }
}

void exchange_request_end(struct exchange *exchange, const struct http_head *trailers)
{
    if (exchange->is_done || exchange->has_request_ended || exchange->is_request_over)
        return;
    exchange->has_request_ended = true;
    if (trailers) {
        exchange->trailers = http_head_new();
        http_head_copy(exchange->trailers, trailers);
    }
    if (is_reading_whole(exchange)) {
        exchange_commit_request(exchange);
        return;
    }
    uint64_t number = record_body_end(exchange->record, DIRECTION_REQUEST, trailers);
    gate_push_adopt(&exchange->request, GATE_END, number, take(exchange->trailers), NULL);
}

static void refuse_rest(struct exchange *exchange, const char *problem)
{
    exchange_set_reason(exchange, problem);
    exchange->outcome.outcome = OUTCOME_REFUSED;
    if (is_reading_whole(exchange)) {
        buf_free(&exchange->whole);
        exchange_commit_request(exchange);
    }
}

void exchange_request_malformed(struct exchange *exchange, const char *problem)
{
    if (exchange->is_request_over) /* nobody wanted the rest: the answer that it has stands */
        return;
    refuse_rest(exchange, problem);
    if (exchange->is_done)
        return;
    if (exchange->has_response) {
        exchange_abort_client(exchange);
        exchange_finish(exchange, OUTCOME_REFUSED);
        return;
    }
    count_wire(exchange);
    upstream_call_cancel(&exchange->call);
    exchange->is_request_over = true;
    gate_drop_all(&exchange->request);
    exchange_answer(exchange, 400, problem);
}

static void count_undelivered(struct exchange *exchange, size_t undelivered)
{
    uint64_t *delivered = &exchange->outcome.delivered[DIRECTION_RESPONSE];

    *delivered -= min_of(*delivered, undelivered);
}

void exchange_client_malformed(struct exchange *exchange, const char *problem, size_t undelivered)
{
    count_undelivered(exchange, undelivered);
    exchange->ops = NULL;
    refuse_rest(exchange, problem);
    exchange_finish(exchange, OUTCOME_REFUSED);
}

void exchange_client_gone(struct exchange *exchange, size_t undelivered)
{
    count_undelivered(exchange, undelivered);
    /* Overtakes all that is queued: upstream is left at once. */
    exchange->ops = NULL;
    exchange_finish(exchange, OUTCOME_CLIENT_GONE);
}

void exchange_client_writable(struct exchange *exchange)
{
    exchange_pump(exchange);
}
