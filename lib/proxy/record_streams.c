/* record_streams.c - on the recorder's thread: what an answer of 101 opens, and its end. */
#include <string.h>

#include "base/scoped.h"
#include "kube/query.h"
#include "kube/redact_argv.h"
#include "proxy/record_inside.h"

static void put_argv(struct buf *line, struct exchange_record *record)
{
    size_t withheld = 0;
    scoped(redact_argv_free) char **argv =
        redact_target_command(buf_str(&record->target), &withheld);

    if (!argv[0])
        return;
    event_array(line, "argv");
    for (size_t i = 0; argv[i]; i++)
        event_text(line, NULL, argv[i]);
    event_array_end(line);
}

/* What exec and attach ask for (PodExecOptions). */
static void put_exec_options(struct buf *line, struct exchange_record *record)
{
    struct str target = buf_str(&record->target);
    scoped(free_text) char *container = query_value(target, "container");
    scoped(free_text) char *tty = query_value(target, "tty");

    put_argv(line, record);
    event_text(line, "container", container);
    event_bool(line, "tty", tty && (strcmp(tty, "true") == 0 || strcmp(tty, "1") == 0));
}

/* From here on bytes are not those of a media type: what redact cannot read it withholds. */
int record_write_stream_open(struct command *command, struct error *err)
{
    struct exchange_record *record = command->record;
    const struct http_head *head = command->head;
    scoped(http_head_free) struct http_head bytes = {0};
    struct str websocket = http_head_get(head, "Sec-WebSocket-Protocol");

    record->is_stream = true;
    http_head_add(&bytes, "Content-Type", STR("application/octet-stream"));
    for (int of = DIRECTION_REQUEST; of <= DIRECTION_RESPONSE; of++) {
        redact_free(&record->redact[of]);
        record->redact[of] = record_redact_new(record, (enum direction)of, &bytes, false);
    }
    struct buf *line = record_begin(record, "stream.open", &command->at);
    event_string(line, "protocol", http_head_get(head, "Upgrade"));
    record_put_if_any(line, "subprotocol",
                      websocket.data ? websocket
                                     : http_head_get(head, "X-Stream-Protocol-Version"));
    if (str_is(record->info.subresource, "exec") || str_is(record->info.subresource, "attach"))
        put_exec_options(line, record);
    return record_append(record->recording, "stream.open", &command->at, err);
}

int record_write_stream_close(struct command *command, struct error *err)
{
    struct exchange_record *record = command->record;
    struct buf *line = record_begin(record, "stream.close", &command->at);

    event_text(line, "outcome", record_outcome_words[command->outcome->outcome]);
    event_text(line, "endedBy", record->ended_by);
    return record_append(record->recording, "stream.close", &command->at, err);
}
