#include "kube/redact.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/num.h"
#include "base/secret.h"
#include "kube/inflate.h"
#include "kube/redact_json.h"
#include "kube/redact_patch.h"
#include "kube/redact_yaml.h"

/* A piece is cut when it is over PIECE_FULL; no JSON_STEP bytes grow by more than seven times
 * ("":1, becomes the shortest placeholder), so none is over REDACT_PIECE_MAX. */
#define JSON_STEP ((size_t)8 << 10)
#define PIECE_FULL ((size_t)64 << 10)
_Static_assert(PIECE_FULL + 7 * JSON_STEP <= REDACT_PIECE_MAX, "a piece may outgrow its limit");

enum mode { MODE_PASS, MODE_JSON, MODE_WHOLE, MODE_WITHHOLD };

struct redact {
    enum mode mode;
    const char *reason; /* why it is withheld; of MODE_JSON: why it would be, were it no JSON */
    bool is_secret;
    bool is_encoded; /* an encoding that cannot be taken off is still on */
    char encoding[32];

    struct inflate *gz;        /* or NULL */
    struct redact_json *json;  /* or NULL */
    struct redact_patch patch; /* of a JSON patch that was read whole */
    struct buf whole;          /* MODE_WHOLE: what came so far; secret */
    bool is_patch;
    struct fingerprint *print;      /* of values, then of the run that is withheld */
    const struct redact_sink *sink; /* during a call */

    uint64_t offset;     /* where the next piece starts */
    uint64_t run_offset; /* where the withheld run starts */
    bool is_in_run;
    bool is_ended;
    uint64_t runs;

    /* The piece that is being made: a part of the input as long as it is one part, else a copy. */
    struct str part;
    struct buf text;
};

/* The value without its parameters. */
static struct str media_type(struct str content_type)
{
    return str_trim(str_split(&content_type, ';'));
}

static bool type_is(struct str type, const char *name)
{
    return str_equal_nocase(type, str_from(name));
}

static bool type_ends(struct str type, const char *suffix)
{
    struct str end = str_from(suffix);

    return type.len >= end.len && str_equal_nocase(str_skip(type, type.len - end.len), end);
}

static bool type_starts(struct str type, const char *prefix)
{
    struct str start = str_from(prefix);

    return type.len >= start.len && str_equal_nocase(str_first(type, start.len), start);
}

static bool is_yaml(struct str type)
{
    return type_ends(type, "yaml");
}

static bool is_json_patch(struct str type)
{
    return type_is(type, "application/json-patch+json");
}

/* NULL: it is JSON. Else the word for what it is. */
static const char *unreadable(struct str type)
{
    if (type.len == 0 || type_is(type, "application/json") || type_ends(type, "+json"))
        return NULL;
    if (is_yaml(type))
        return "yaml";
    if (type_ends(type, "protobuf"))
        return "protobuf";
    if (type_ends(type, "cbor") || type_ends(type, "cbor-seq"))
        return "cbor";
    return type_starts(type, "text/") ? "text" : "media_type";
}

bool redact_needs_whole(const struct request_info *info, struct str content_type)
{
    struct str type = media_type(content_type);

    return info->is_secret_bearing && !info->is_opaque && (is_yaml(type) || is_json_patch(type));
}

static void choose_encoding(struct redact *redact, const struct redact_config *config)
{
    struct str encoding = str_trim(config->content_encoding);

    if (encoding.len == 0 || str_equal_nocase(encoding, STR("identity")))
        return;
    size_t len = min_of(encoding.len, sizeof redact->encoding - 1);
    memcpy(redact->encoding, encoding.data, len);
    /* The API server does not unpack requests: what is in one is anybody's guess. */
    bool is_guess = config->direction == REDACT_REQUEST && config->info->is_secret_bearing;

    if (!is_guess &&
        (str_equal_nocase(encoding, STR("gzip")) || str_equal_nocase(encoding, STR("x-gzip"))))
        redact->gz = inflate_new();
    else
        redact->is_encoded = true;
}

/* NULL: it can be read. */
static const char *reason_to_withhold(const struct redact *redact,
                                      const struct redact_config *config)
{
    if (config->info->is_opaque)
        return config->info->is_canonical ? "proxy" : "path";
    return redact->is_encoded ? "encoding" : unreadable(media_type(config->content_type));
}

static void choose_mode(struct redact *redact, const struct redact_config *config)
{
    struct str type = media_type(config->content_type);
    bool is_request = config->direction == REDACT_REQUEST;

    if (!config->info->is_secret_bearing)
        return;
    redact->mode = MODE_WITHHOLD;
    redact->reason = reason_to_withhold(redact, config);
    /* server-side apply sends JSON under the name of YAML */
    if (redact->reason && !(is_yaml(type) && str_is(str_from(redact->reason), "yaml")))
        return;
    redact->is_patch = is_request && is_json_patch(type);
    if (is_request && config->is_whole && (redact->is_patch || is_yaml(type))) {
        redact->mode = MODE_WHOLE;
        return;
    }
    redact->mode = MODE_JSON;
    redact->json = redact_json_new(redact->is_patch ? REDACT_JSON_PATCH : REDACT_JSON_OBJECTS, NULL,
                                   redact->print);
}

struct redact *redact_new(const struct redact_config *config)
{
    struct redact *redact = xcalloc(1, sizeof *redact);

    redact->is_secret = config->info->is_secret_bearing;
    redact->text.limit = REDACT_PIECE_MAX;
    redact->whole.limit = REDACT_WHOLE_MAX;
    choose_encoding(redact, config);
    if (redact->is_secret || redact->gz) /* else nothing can come to be withheld */
        redact->print = fingerprint_new(config->key, config->cluster);
    choose_mode(redact, config);
    return redact;
}

static void give_bytes(struct redact *redact, uint64_t covers, struct str data)
{
    struct redact_piece piece = {
        .kind = PIECE_BYTES, .offset = redact->offset, .covers = covers, .data = data};

    redact->offset += covers;
    redact->sink->piece(redact->sink->context, &piece);
}

/* `bytes` of the run that is withheld for `reason`. */
static void give_withheld(struct redact *redact, struct str bytes, const char *reason)
{
    if (!redact->is_in_run) {
        redact->is_in_run = true;
        redact->run_offset = redact->offset;
        redact->runs++;
        fingerprint_begin(redact->print);
    }
    struct redact_piece piece = {
        .kind = PIECE_WITHHELD,
        .offset = redact->offset,
        .covers = bytes.len,
        .reason = reason,
        .run_offset = redact->run_offset,
    };

    fingerprint_add(redact->print, bytes);
    fingerprint_peek(redact->print, piece.fingerprint);
    redact->offset += bytes.len;
    redact->sink->piece(redact->sink->context, &piece);
}

/* At most `max` bytes, and no code point cut in two where that can be helped. */
static struct str step(struct str text, size_t max)
{
    size_t len = max;

    if (text.len <= max)
        return text;
    for (size_t back = 0; back < 3 && ((unsigned char)text.data[len] & 0xc0) == 0x80; back++)
        len--;
    return str_first(text, ((unsigned char)text.data[len] & 0xc0) == 0x80 ? max : len);
}

static void piece_add_copy(void *context, struct str text)
{
    struct redact *redact = context;

    if (redact->text.len == 0)
        buf_append_str(&redact->text, redact->part);
    buf_append_str(&redact->text, text);
}

static void piece_add_input(void *context, struct str text)
{
    struct redact *redact = context;
    struct str *part = &redact->part;

    if (redact->text.len)
        buf_append_str(&redact->text, text);
    else if (part->len == 0)
        *part = text;
    else if (part->data + part->len == text.data)
        part->len += text.len;
    else
        piece_add_copy(context, text);
}

static struct redact_json_sink json_sink(struct redact *redact)
{
    return (struct redact_json_sink){piece_add_input, piece_add_copy, redact};
}

/* Gives out what was made of the `covers` bytes since the last time. */
static void piece_end(struct redact *redact, uint64_t covers)
{
    struct str data = redact->text.len ? buf_str(&redact->text) : redact->part;

    if (covers || data.len)
        give_bytes(redact, covers, data);
    redact->part = (struct str){0};
    buf_clear(&redact->text);
}

/* Gives out what was made of `covers` bytes, if that is enough for a piece. */
static uint64_t piece_end_if_full(struct redact *redact, uint64_t covers)
{
    if (max_of(redact->text.len, redact->part.len) < PIECE_FULL)
        return covers;
    piece_end(redact, covers);
    return 0;
}

static void add_json(struct redact *redact, struct str plain)
{
    const struct redact_json_sink sink = json_sink(redact);
    uint64_t covers = 0;

    while (plain.len) {
        struct str next = step(plain, JSON_STEP);
        size_t read = redact_json_add(redact->json, next, &sink);

        covers += read;
        plain = str_skip(plain, read);
        if (read < next.len) {
            bool is_first = redact->offset + covers == 0;

            redact_json_end(redact->json, &sink);
            piece_end(redact, covers);
            redact->mode = MODE_WITHHOLD;
            if (!is_first || !redact->reason)
                redact->reason = redact_json_reason(redact->json);
            give_withheld(redact, plain, redact->reason);
            return;
        }
        covers = piece_end_if_full(redact, covers);
    }
    piece_end(redact, covers);
}

/* ---- A body that is read whole ---- */

static void keep_whole(struct redact *redact, struct str plain)
{
    if (plain.len <= REDACT_WHOLE_MAX - redact->whole.len) {
        buf_append_str(&redact->whole, plain);
        return;
    }
    redact->mode = MODE_WITHHOLD;
    redact->reason = "too_large";
    if (redact->whole.len)
        give_withheld(redact, buf_str(&redact->whole), redact->reason);
    give_withheld(redact, plain, redact->reason);
}

static void drop_text(void *context, struct str text)
{
}

static bool is_json(struct redact *redact, struct str text)
{
    const struct redact_json_sink nowhere = {drop_text, drop_text, NULL};
    struct redact_json *json = redact_json_new(REDACT_JSON_OBJECTS, NULL, redact->print);
    bool is_read = redact_json_add(json, text, &nowhere) == text.len;
    bool is_whole = is_read && redact_json_is_complete(json);

    redact_json_free(&json);
    return is_whole;
}

static void give_edited(struct redact *redact, struct str text, const struct redact_edits *edits)
{
    uint64_t covers = 0;
    size_t at = 0;

    for (size_t i = 0; i <= edits->count; i++) {
        const struct redact_edit *edit = i < edits->count ? &edits->items[i] : NULL;
        size_t to = edit ? edit->from : text.len;

        while (at < to) {
            struct str part = step(str_make(text.data + at, to - at), JSON_STEP);

            piece_add_input(redact, part);
            at += part.len;
            covers = piece_end_if_full(redact, covers + part.len);
        }
        if (!edit)
            break;
        piece_add_copy(redact, str_from(edit->text));
        at = edit->to;
        covers = piece_end_if_full(redact, covers + (edit->to - edit->from));
    }
    piece_end(redact, covers);
    redact->runs += edits->count;
}

static void give_json(struct redact *redact, enum redact_json_form form, struct str text)
{
    const struct redact_json_sink sink = json_sink(redact);

    redact->mode = MODE_JSON;
    redact->json =
        redact_json_new(form, form == REDACT_JSON_PATCH ? &redact->patch : NULL, redact->print);
    add_json(redact, text);
    if (redact->mode != MODE_JSON)
        return;
    redact_json_end(redact->json, &sink);
    piece_end(redact, 0);
}

static void give_whole(struct redact *redact)
{
    struct str text = buf_str(&redact->whole);
    struct redact_edits edits = {0};

    if (text.len == 0)
        return;
    if (redact->is_patch) {
        redact_patch_read(&redact->patch, text);
        give_json(redact, REDACT_JSON_PATCH, text);
    } else if (is_json(redact, text)) {
        give_json(redact, REDACT_JSON_OBJECTS, text);
    } else if (redact_yaml(&edits, text, redact->print) == 0) {
        give_edited(redact, text, &edits);
    } else {
        give_withheld(redact, text, redact->reason);
    }
    redact_edits_free(&edits);
}

static void add_plain(void *context, struct str plain)
{
    struct redact *redact = context;

    switch (redact->mode) {
    case MODE_PASS:
        while (plain.len) {
            struct str next = step(plain, REDACT_PIECE_MAX);

            give_bytes(redact, next.len, next);
            plain = str_skip(plain, next.len);
        }
        return;
    case MODE_JSON:
        add_json(redact, plain);
        return;
    case MODE_WHOLE:
        keep_whole(redact, plain);
        return;
    case MODE_WITHHOLD:
        give_withheld(redact, plain, redact->reason);
        return;
    }
}

/* What comes can no longer be decoded; the rest of the body is withheld as it is on the wire. */
static void give_up(struct redact *redact, struct str wire, const char *reason)
{
    const struct redact_json_sink sink = json_sink(redact);

    if (redact->mode == MODE_JSON) {
        redact_json_end(redact->json, &sink);
        piece_end(redact, 0);
    }
    inflate_free(&redact->gz);
    redact->mode = MODE_WITHHOLD;
    redact->reason = reason;
    redact->is_in_run = false;
    give_withheld(redact, wire, reason);
}

void redact_add(struct redact *redact, struct str wire_bytes, const struct redact_sink *sink)
{
    if (wire_bytes.len == 0)
        return;
    redact->sink = sink;
    if (!redact->gz) {
        add_plain(redact, wire_bytes);
        return;
    }
    switch (inflate_add(redact->gz, &wire_bytes, add_plain, redact)) {
    case INFLATE_OK:
        return;
    case INFLATE_BROKEN:
        give_up(redact, wire_bytes, "broken_gzip");
        return;
    case INFLATE_TOO_LARGE:
        give_up(redact, wire_bytes, "too_large");
        return;
    }
}

void redact_end(struct redact *redact, const struct redact_sink *sink)
{
    const struct redact_json_sink pieces = json_sink(redact);

    if (redact->is_ended)
        return;
    redact->is_ended = true;
    redact->sink = sink;
    if (redact->gz && !inflate_is_complete(redact->gz)) {
        give_up(redact, (struct str){0}, "truncated");
    } else if (redact->mode == MODE_JSON) {
        redact_json_end(redact->json, &pieces);
        piece_end(redact, 0);
    } else if (redact->mode == MODE_WHOLE) {
        give_whole(redact);
    }
}

uint64_t redact_withheld(const struct redact *redact)
{
    return redact->runs + (redact->json ? redact_json_withheld(redact->json) : 0);
}

const char *redact_encoding(const struct redact *redact)
{
    return redact->encoding;
}

void redact_free(struct redact **redact)
{
    if (!*redact)
        return;
    inflate_free(&(*redact)->gz);
    redact_json_free(&(*redact)->json);
    redact_patch_free(&(*redact)->patch);
    secret_buf_free(&(*redact)->whole);
    fingerprint_free(&(*redact)->print);
    secret_buf_free(&(*redact)->text);
    free(*redact);
    *redact = NULL;
}
