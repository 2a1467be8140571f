/* record_bodies.c - on the recorder's thread: bodies, piece by piece as redaction gives them. */
#include <assert.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "proxy/record_inside.h"

struct redact *record_redact_new(struct exchange_record *record, enum direction of,
                                 const struct http_head *head, bool is_whole)
{
    struct recording *recording = record->recording;

    return redact_new(&(struct redact_config){
        .info = &record->info,
        .direction = of == DIRECTION_REQUEST ? REDACT_REQUEST : REDACT_RESPONSE,
        .content_type = http_head_get(head, "Content-Type"),
        .content_encoding = http_head_get(head, "Content-Encoding"),
        .key = recording->recorder->config.fingerprint_key,
        .cluster = str_from(recording->config->cluster),
        .is_whole = is_whole,
    });
}

/* One step of a body's way into the journal. */
struct body_step {
    struct exchange_record *record;
    enum direction of;
    struct instant at;
    struct error *err;
    bool failed;
};

static struct buf *begin_body(struct body_step *step, uint64_t offset, uint64_t covers)
{
    struct buf *line = record_begin(step->record, "body", &step->at);

    event_text(line, "of", record_direction_words[step->of]);
    event_uint(line, "offset", offset);
    event_uint(line, "covers", covers);
    return line;
}

static const char *const side_words[] = {"client", "upstream"};

/* What crossed together stays together: one line, whatever the bytes are. */
static int write_stream_data(struct body_step *step, const struct redact_piece *piece)
{
    struct buf *line = record_begin(step->record, "stream.data", &step->at);

    event_text(line, "direction", side_words[step->of]);
    event_uint(line, "offset", piece->offset);
    event_run(line, piece->data, utf8_is_valid(piece->data) ? ESCAPE_TEXT : ESCAPE_LATIN1);
    return record_append(step->record->recording, "stream.data", &step->at, step->err);
}

/* Text and bytes that are no text stand in lines of their own; the last one covers what is left. */
static int write_bytes(struct body_step *step, const struct redact_piece *piece)
{
    struct str left = piece->data;
    uint64_t offset = piece->offset, covers = piece->covers;

    do {
        enum escape_kind kind = ESCAPE_TEXT;
        size_t len = escape_run(left, &kind);
        bool is_last = len == left.len;
        uint64_t covered = is_last || len > covers ? covers : len;
        struct buf *line = begin_body(step, offset, covered);

        if (len)
            event_run(line, str_first(left, len), kind);
        if (record_append(step->record->recording, "body", &step->at, step->err) < 0)
            return -1;
        left = str_skip(left, len);
        offset += covered;
        covers -= covered;
    } while (left.len);
    return 0;
}

static int write_withheld(struct body_step *step, const struct redact_piece *piece)
{
    struct buf *line = record_begin(step->record, "withheld", &step->at);

    event_text(line, "of", record_direction_words[step->of]);
    event_uint(line, "offset", piece->offset);
    event_uint(line, "bytes", piece->covers);
    event_text(line, "reason", piece->reason);
    event_uint(line, "runOffset", piece->run_offset);
    event_text(line, "fingerprint", piece->fingerprint);
    return record_append(step->record->recording, "withheld", &step->at, step->err);
}

static int write_kind(struct body_step *step, const struct redact_piece *piece)
{
    if (piece->kind == PIECE_WITHHELD)
        return write_withheld(step, piece);
    return step->record->is_stream ? write_stream_data(step, piece) : write_bytes(step, piece);
}

static void write_piece(void *context, const struct redact_piece *piece)
{
    struct body_step *step = context;

    if (step->failed)
        return;
    step->record->end[step->of] = piece->offset + piece->covers;
    step->failed = write_kind(step, piece) < 0;
}

/* What was withheld since the last look, added to the recording's count. */
static void count_withheld(struct exchange_record *record, enum direction of)
{
    uint64_t now = redact_withheld(record->redact[of]);

    atomic_fetch_add_explicit(&record->recording->secrets, now - record->withheld[of],
                              memory_order_relaxed);
    record->withheld[of] = now;
}

int record_write_body(struct command *command, struct error *err)
{
    struct exchange_record *record = command->record;
    struct body_step step = {.record = record, .of = command->of, .at = command->at, .err = err};
    struct redact_sink sink = {write_piece, &step};

    assert(record->redact[command->of]);
    for (size_t i = 0; i < command->chunk_count; i++)
        redact_add(record->redact[command->of], chunk_bytes(command->chunks[i]), &sink);
    count_withheld(record, command->of);
    return step.failed ? -1 : 0;
}

/* Trailers stand in the complete event; but they cross before it, and must be here first. */
static int write_trailers(struct body_step *step, const struct http_head *trailers)
{
    struct buf *line = begin_body(step, step->record->end[step->of], 0);

    record_put_fields(line, "trailers", trailers);
    return record_append(step->record->recording, "body", &step->at, step->err);
}

static int end_body(struct command *command, struct error *err)
{
    struct exchange_record *record = command->record;
    struct body_step step = {.record = record, .of = command->of, .at = command->at, .err = err};
    struct redact_sink sink = {write_piece, &step};

    if (record->redact[command->of]) {
        redact_end(record->redact[command->of], &sink);
        count_withheld(record, command->of);
        redact_free(&record->redact[command->of]);
    }
    if (step.failed || !command->head)
        return step.failed ? -1 : 0;
    http_head_delete(&record->trailers[command->of]);
    record->trailers[command->of] = take(command->head);
    return write_trailers(&step, record->trailers[command->of]);
}

int record_write_body_end(struct command *command, struct error *err)
{
    if (command->record->is_stream && !command->record->ended_by)
        command->record->ended_by = side_words[command->of];
    return end_body(command, err);
}

int record_end_bodies(struct command *command, struct error *err)
{
    for (int of = DIRECTION_REQUEST; of <= DIRECTION_RESPONSE; of++) {
        command->of = (enum direction)of;
        if (command->record->redact[of] && end_body(command, err) < 0)
            return -1;
    }
    return 0;
}

static void keep_piece(void *context, const struct redact_piece *piece)
{
    struct whole_body *whole = context;

    whole->pieces = xreallocarray(whole->pieces, whole->count + 1, sizeof *whole->pieces);
    whole->pieces[whole->count++] = (struct whole_piece){.piece = *piece, .at = whole->bytes.len};
    buf_append_str(&whole->bytes, piece->data);
}

void record_whole_free(struct whole_body *whole)
{
    free(whole->pieces);
    buf_free(&whole->bytes);
    *whole = (struct whole_body){0};
}

void record_whole_read(struct whole_body *whole, struct command *command)
{
    struct redact *redact = command->record->redact[DIRECTION_REQUEST];
    struct redact_sink sink = {keep_piece, whole};

    whole->bytes.limit = SIZE_MAX; /* what came is bounded, and not compressed */
    for (size_t i = 0; i < command->chunk_count; i++)
        redact_add(redact, chunk_bytes(command->chunks[i]), &sink);
    redact_end(redact, &sink);
    count_withheld(command->record, DIRECTION_REQUEST);
}

int record_whole_write(const struct whole_body *whole, struct command *command, struct error *err)
{
    struct body_step step = {
        .record = command->record, .of = DIRECTION_REQUEST, .at = command->at, .err = err};

    for (size_t i = 0; i < whole->count; i++) {
        struct redact_piece piece = whole->pieces[i].piece;

        piece.data = str_make(whole->bytes.data + whole->pieces[i].at, piece.data.len);
        write_piece(&step, &piece);
    }
    return step.failed ? -1 : 0;
}
