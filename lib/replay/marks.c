#include "replay/marks.h"

#include <string.h>

#include "base/num.h"
#include "replay/format.h"

/* man hoop-session, `complete` */
static const struct {
    const char *outcome, *text;
} outcomes[] = {
    {"ok", NULL},
    {"refused", "refused by the gateway"},
    {"unreachable", "the API server was not reached"},
    {"client_gone", "the client went away before the end"},
    {"upstream_reset", "the API server broke off"},
    {"truncated", "the answer was cut off"},
    {"gateway_end", "ended with the gateway"},
    {"unknown", "how it ended is unknown: the gateway crashed"},
};

static const struct {
    const char *verb, *method;
} methods[] = {
    {"get", "GET"},       {"list", "GET"},        {"watch", "GET"},
    {"create", "POST"},   {"update", "PUT"},      {"patch", "PATCH"},
    {"delete", "DELETE"}, {"post", "POST"},       {"deletecollection", "DELETE"},
    {"put", "PUT"},       {"options", "OPTIONS"},
};

const char *marks_method(const char *verb)
{
    for (size_t i = 0; verb && i < count_of(methods); i++)
        if (strcmp(methods[i].verb, verb) == 0)
            return methods[i].method;
    return "?";
}

static void begin(struct buf *out)
{
    if (out->len)
        buf_append_char(out, '\n');
}

static void append_outcome(struct buf *out, const struct replay_request *request)
{
    if (request->stage != STAGE_COMPLETE && !request->outcome) {
        begin(out);
        buf_append_text(out, "no end recorded");
        return;
    }
    if (!request->outcome || strcmp(request->outcome, "ok") == 0)
        return;
    begin(out);
    size_t i = 0;
    while (i < count_of(outcomes) && strcmp(outcomes[i].outcome, request->outcome) != 0)
        i++;
    format_safe(out, i < count_of(outcomes) ? outcomes[i].text : request->outcome);
    if (request->forwarded && strcmp(request->forwarded, "all") != 0) {
        buf_append_text(out, ", forwarded: ");
        format_safe(out, request->forwarded);
    }
    if (request->reason) {
        buf_append_text(out, ": ");
        format_safe(out, request->reason);
    }
}

static void append_flow(struct buf *out, const struct replay_flow *flow, const char *name)
{
    if (flow->redacted) {
        begin(out);
        format_count(out, flow->redacted, "secret value");
        buf_printf(out, " withheld from the recorded %s", name);
    }
    if (flow->withheld) {
        begin(out);
        buf_printf(out, "%s body not recorded: ", name);
        format_bytes(out, flow->withheld_bytes);
        buf_append_text(out, " withheld (");
        format_safe(out, flow->reason ? flow->reason : "no reason given");
        buf_append_char(out, ')');
    }
    if (flow->received > 0 && flow->delivered >= 0 && flow->delivered < flow->received) {
        begin(out);
        buf_printf(out, "of the %s only ", name);
        format_bytes(out, (uint64_t)flow->delivered);
        buf_append_text(out, " of ");
        format_bytes(out, (uint64_t)flow->received);
        buf_append_text(out, " were delivered");
    }
}

void marks_append(struct buf *out, const struct replay_request *request)
{
    if (!request->is_known) {
        begin(out);
        buf_append_text(out, "its request was not recorded");
    }
    append_outcome(out, request);
    append_flow(out, &request->request, "request");
    append_flow(out, &request->response, "response");
}
