/* recorder_off.c - a recorder that records nothing and says at once that all is durable, linked in
 * place of the real one: what the gateway costs without its recording. There is no such switch in
 * the program itself. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/jsondoc.h"
#include "base/scoped.h"
#include "proxy/record.h"
#include "proxy/recorder.h"

struct recorder {
    struct recorder_config config;
    struct recording *recording; /* one is enough */
};

struct recording {
    struct recorder *recorder;
    uint64_t last_number, seen;
    void (*progress)(void *context, bool broke);
    void *progress_context;
    void (*closed)(void *context, const char *index_sha256);
    void *closed_context;
};

struct exchange_record {
    struct recording *recording;
    struct chunk *open_body;
    uint64_t open_number;
};

struct receipt {
    unsigned owners;
};

static uint64_t next_number(struct recording *recording)
{
    recording->recorder->config.wake(recording->recorder->config.context);
    return ++recording->last_number;
}

struct recorder *recorder_start(const struct recorder_config *config, struct error *err)
{
    struct recorder *recorder = xcalloc(1, sizeof *recorder);

    recorder->config = *config;
    return recorder;
}

void recorder_stop(struct recorder **recorder)
{
    free(*recorder);
    *recorder = NULL;
}

void recorder_dispatch(struct recorder *recorder)
{
    struct recording *recording = recorder->recording;

    if (!recording)
        return;
    if (recording->seen != recording->last_number) {
        recording->seen = recording->last_number;
        if (recording->progress)
            recording->progress(recording->progress_context, false);
    }
    if (!recording->closed)
        return;
    recorder->recording = NULL;
    recording->closed(recording->closed_context, NULL);
    free(recording);
}

bool recorder_is_full(const struct recorder *recorder)
{
    return false;
}

struct recording *recorder_open(struct recorder *recorder, const struct journal_config *config,
                                json_object *session_start)
{
    struct recording *recording = xcalloc(1, sizeof *recording);

    recording->recorder = recorder;
    recorder->recording = recording;
    jsondoc_free(&session_start);
    next_number(recording);
    return recording;
}

void recording_on_progress(struct recording *recording, void (*progress)(void *context, bool broke),
                           void *context)
{
    recording->progress = progress;
    recording->progress_context = context;
}

bool recording_has(const struct recording *recording, uint64_t number, enum recording_level level)
{
    return number <= recording->seen;
}

bool recording_is_behind(const struct recording *recording, int64_t mono_us)
{
    return false;
}

bool recording_is_broken(const struct recording *recording)
{
    return false;
}

const char *recording_problem(struct recording *recording, struct error *problem)
{
    return "";
}

void recorder_count_refused(struct recording *recording)
{
}

uint64_t recorder_event(struct recording *recording, const char *type, struct str command,
                        json_object *payload)
{
    jsondoc_free(&payload);
    return next_number(recording);
}

void recorder_when_durable(struct recording *recording, uint64_t number,
                           void (*done)(void *context, bool lost), void *context)
{
    done(context, false);
}

struct recording_counts recording_counts(const struct recording *recording)
{
    return (struct recording_counts){0};
}

void recorder_close(struct recording **recording, const char *reason, json_object *session_end,
                    void (*done)(void *context, const char *index_sha256), void *context)
{
    jsondoc_free(&session_end);
    (*recording)->closed = done;
    (*recording)->closed_context = context;
    next_number(*recording);
    *recording = NULL;
}

struct receipt *receipt_share(struct receipt *receipt)
{
    receipt->owners++;
    return receipt;
}

void receipt_free(struct receipt **receipt)
{
    if (*receipt && --(*receipt)->owners == 0)
        free(*receipt);
    *receipt = NULL;
}

char *receipt_audit_id(const struct receipt *receipt, char text[AUDIT_ID_BYTES])
{
    return strcpy(text, "00000000-0000-8000-8000-000000000000");
}

struct exchange_record *record_new(struct recording *recording)
{
    struct exchange_record *record = xcalloc(1, sizeof *record);

    record->recording = recording;
    return record;
}

uint64_t record_request(struct exchange_record *record, struct record_request *request,
                        struct receipt **receipt)
{
    http_head_delete(&request->head);
    request_info_free(&request->info);
    if (receipt) {
        *receipt = xcalloc(1, sizeof **receipt);
        (*receipt)->owners = 1;
    }
    return next_number(record->recording);
}

uint64_t record_response(struct exchange_record *record, const struct http_head *head)
{
    return next_number(record->recording);
}

uint64_t record_stream_open(struct exchange_record *record, const struct http_head *head)
{
    return next_number(record->recording);
}

uint64_t record_body(struct exchange_record *record, enum direction of, struct chunk *chunk)
{
    record->open_body = of == DIRECTION_RESPONSE ? chunk : NULL;
    return record->open_number = next_number(record->recording);
}

bool record_body_extend(struct exchange_record *record, struct str bytes)
{
    return record->open_body && record->open_number > record->recording->seen &&
           chunk_append(record->open_body, bytes);
}

uint64_t record_body_end(struct exchange_record *record, enum direction of,
                         const struct http_head *trailers)
{
    record->open_body = NULL;
    return next_number(record->recording);
}

uint64_t record_complete(struct exchange_record **record, const struct record_outcome *outcome)
{
    struct exchange_record *r = take(*record);
    uint64_t number = next_number(r->recording);

    free(r);
    return number;
}
