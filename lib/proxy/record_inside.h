/* record_inside.h - what the parts of record_lines.c share, all on the recorder's thread: how a
 * line is begun and appended, and who writes the events of an exchange. Only record_*.c include it.
 */
#pragma once

#include "kube/redact.h"
#include "proxy/recorder_command.h"
#include "session/event.h"

/* ---- record_lines.c ---- */

/* Begins an event of the exchange in the recording's line, which is borrowed until record_append().
 */
struct buf *record_begin(struct exchange_record *record, const char *type,
                         const struct instant *at);
/* Ends the line and appends it to the journal. ERROR_STORAGE. */
must_use int record_append(struct recording *recording, const char *type, const struct instant *at,
                           struct error *err);
/* Names of all fields, values of those that say what was asked for and how, never who asks. */
void record_put_fields(struct buf *line, const char *key, const struct http_head *head);
/* The value of a field, without the tokens that it may hold. `key` may be NULL. */
void record_put_value(struct buf *line, const char *key, struct str value);
void record_put_if_any(struct buf *line, const char *key, struct str value);
extern const char *const record_direction_words[]; /* by enum direction */
extern const char *const record_outcome_words[];   /* by enum outcome */

/* ---- record_bodies.c ---- */

/* `is_whole`: nothing of the body goes on before the end of it is recorded. */
must_use struct redact *record_redact_new(struct exchange_record *record, enum direction of,
                                          const struct http_head *head, bool is_whole);
must_use int record_write_body(struct command *command, struct error *err);
must_use int record_write_body_end(struct command *command, struct error *err);
/* Those that were cut still have what their last bytes were withheld as. */
must_use int record_end_bodies(struct command *command, struct error *err);

/* A body that was read whole: its hash stands in the request line, before it. All zero is an empty
 * one. */
struct whole_body {
    struct whole_piece {
        struct redact_piece piece; /* data: its place in `bytes` */
        size_t at;
    } * pieces; /* owned */
    size_t count;
    struct buf bytes; /* redacted */
};
void record_whole_read(struct whole_body *whole, struct command *command);
must_use int record_whole_write(const struct whole_body *whole, struct command *command,
                                struct error *err);
void record_whole_free(struct whole_body *whole);

/* ---- record_heads.c ---- */

must_use int record_write_request(struct command *command, struct error *err);
must_use int record_write_response(struct command *command, struct error *err);

/* ---- record_streams.c ---- */

must_use int record_write_stream_open(struct command *command, struct error *err);
must_use int record_write_stream_close(struct command *command, struct error *err);
