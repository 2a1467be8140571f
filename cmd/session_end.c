#include "session_end.h"

#include "base/jsondoc.h"
#include "base/log.h"
#include "base/scoped.h"
#include "stores.h"
#include "upload/reap.h"

#define GONE_TIMEOUT_MS 5000

static int recover(const char *url, const char *session, struct reap_report *report,
                   struct error *err)
{
    scoped(places_free) struct places places = {0};
    const struct store_type *type = NULL;

    if (places_find(&places, err) < 0)
        return -1;
    struct store *store = stores_open(url ? url : places.store, &type, err);

    if (!store)
        return -1;
    int status = reap(&places, type, store, session, report, err);

    type->close(&store);
    if (status == 0 && report->failed) {
        *err = report->problem;
        return -1;
    }
    return status;
}

void session_end_fetch(struct session_end *end, struct session_link *link, const char *session,
                       const char *store, int timeout_ms)
{
    scoped(jsondoc_free) json_object *message = json_object_new_object();
    struct reap_report report = {0};
    struct error *err = &end->problem;

    jsondoc_put_string(message, "op", "end");
    if (session_link_send(link, message, err) == 0)
        end->report = session_link_receive(link, timeout_ms, err);
    if (end->report) {
        end->is_recorded = jsondoc_bool(end->report, "/complete", false);
        return;
    }
    end->is_running = !session_link_close(link, GONE_TIMEOUT_MS);
    if (end->is_running) /* it holds the locks of its journals */
        return;
    *err = (struct error){0};
    end->is_recovered =
        recover(store, session, &report, err) == 0 && report.recovered > 0 && report.running == 0;
}

void session_end_print_start(const char *session, json_object *ready)
{
    const char *made_keys = jsondoc_string(ready, "/keys");

    if (made_keys)
        log_line("made this machine's signing key %s; the public half to trust is in %s", made_keys,
                 jsondoc_string(ready, "/trust"));
    log_line("recording session %s (%s, cluster %s, %s)", session, jsondoc_string(ready, "/actor"),
             jsondoc_string(ready, "/cluster"), jsondoc_string(ready, "/store"));
}

static void append_count(struct buf *line, json_object *report, const char *path, const char *one,
                         const char *many)
{
    int64_t count = jsondoc_int(report, path, 0);

    buf_printf(line, ", %lld %s", (long long)count, count == 1 ? one : many);
}

/* Nobody told what was recorded. */
static void print_without_report(const char *session, const struct session_end *end)
{
    if (end->is_running)
        log_line("session %s: its recorder does not answer; what it has written is in the spool, "
                 "for it to seal, or once it is gone, for: kubectl hoop sessions reap",
                 session);
    else if (end->is_recovered)
        log_line("session %s: its recorder died: RECOVERED what it had written", session);
    else if (end->problem.kind)
        log_line("session %s: its recorder died, and recovery failed: %s", session,
                 end->problem.text);
    else
        log_line("session %s: its recorder died; nothing was left to recover", session);
    log_line("see: kubectl hoop verify %s", session);
}

/* A command that goes on behind CMD's back goes on without a gateway. */
static void append_left_open(struct buf *line, json_object *report)
{
    int64_t running = jsondoc_int(report, "/running", 0);
    int64_t cut_off = jsondoc_int(report, "/cutOff", 0);

    if (running)
        append_count(line, report, "/running", "command had not ended", "commands had not ended");
    if (cut_off)
        append_count(line, report, "/cutOff", "call was still open: cut off",
                     "calls were still open: cut off");
}

void session_end_print(const char *session, const struct session_end *end)
{
    scoped(buf_free) struct buf line = {0};
    json_object *report = end->report;

    if (!report) {
        print_without_report(session, end);
        return;
    }
    const char *expect = jsondoc_string(report, "/expect");

    buf_printf(&line, "session %s: %s", session, jsondoc_string(report, "/actor"));
    append_count(&line, report, "/commands", "command", "commands");
    append_count(&line, report, "/requests", "request", "requests");
    append_count(&line, report, "/secretsWithheld", "secret value withheld",
                 "secret values withheld");
    append_count(&line, report, "/outside", "call outside", "calls outside");
    append_left_open(&line, report);
    buf_printf(&line, ", %s; kubectl hoop replay %.10s; kubectl hoop verify %.10s",
               jsondoc_string(report, "/state"), session, session);
    if (expect)
        buf_printf(&line, " --expect %s", expect);
    buf_append_char(&line, '\0');
    log_line("%s", line.data);
}

void session_end_free(struct session_end *end)
{
    jsondoc_free(&end->report);
}
