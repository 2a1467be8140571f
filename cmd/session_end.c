#include "session_end.h"

#include "base/jsondoc.h"
#include "base/log.h"
#include "base/scoped.h"
#include "stores.h"
#include "upload/reap.h"

static int recover(const char *url, const char *session, struct error *err)
{
    scoped(places_free) struct places places = {0};
    struct reap_report report = {0};
    const struct store_type *type = NULL;

    if (places_find(&places, err) < 0)
        return -1;
    struct store *store = stores_open(url ? url : places.store, &type, err);

    if (!store)
        return -1;
    int status = reap(&places, type, store, session, &report, err);

    type->close(&store);
    if (status == 0 && report.failed) {
        *err = report.problem;
        return -1;
    }
    return status;
}

void session_end_fetch(struct session_end *end, struct session_link *link, const char *session,
                       const char *store, int timeout_ms)
{
    scoped(jsondoc_free) json_object *message = json_object_new_object();
    struct error *err = &end->problem;

    jsondoc_put_string(message, "op", "end");
    if (session_link_send(link, message, err) == 0)
        end->report = session_link_receive(link, timeout_ms, err);
    if (end->report) {
        end->is_recorded = jsondoc_bool(end->report, "/complete", false);
        return;
    }
    session_link_close(link); /* gone, so that its locks are free */
    end->is_recovered = recover(store, session, err) == 0;
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

void session_end_print(const char *session, const struct session_end *end)
{
    scoped(buf_free) struct buf line = {0};
    json_object *report = end->report;

    if (!report) {
        log_line("session %s: its recorder died: %s", session,
                 end->is_recovered ? "RECOVERED what it had written" : end->problem.text);
        log_line("see: kubectl hoop verify %s", session);
        return;
    }
    buf_printf(&line, "session %s: %s", session, jsondoc_string(report, "/actor"));
    append_count(&line, report, "/commands", "command", "commands");
    append_count(&line, report, "/requests", "request", "requests");
    append_count(&line, report, "/secretsWithheld", "secret value withheld",
                 "secret values withheld");
    append_count(&line, report, "/outside", "call outside", "calls outside");
    buf_printf(&line, ", %s; kubectl hoop replay %.10s; kubectl hoop verify %.10s --expect %s",
               jsondoc_string(report, "/state"), session, session,
               jsondoc_string(report, "/expect"));
    buf_append_char(&line, '\0');
    log_line("%s", line.data);
}

void session_end_free(struct session_end *end)
{
    jsondoc_free(&end->report);
}
