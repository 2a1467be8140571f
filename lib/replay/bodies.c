#include "replay/bodies.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/jsondoc.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "replay/note.h"

#define HEAD_BYTES 400 /* of a line: in it stands the envelope that our gateways write */

struct bodies {
    const struct timeline *timeline;
    struct exchange_view **views; /* by request index; NULL: nothing yet */
    bodies_wants *wants;          /* NULL: all */
    void *context;
    uint32_t number; /* of the only one; 0: all */
    size_t each, left;
};

struct bodies *bodies_new_for(const struct timeline *timeline, bodies_wants *wants, void *context,
                              size_t each, size_t total)
{
    struct bodies *bodies = xcalloc(1, sizeof *bodies);

    *bodies = (struct bodies){
        .timeline = timeline,
        .views = xcalloc(timeline->request_count + 1, sizeof(struct exchange_view *)),
        .wants = wants,
        .context = context,
        .each = each,
        .left = total,
    };
    return bodies;
}

struct bodies *bodies_new(const struct timeline *timeline, uint32_t number, size_t each,
                          size_t total)
{
    struct bodies *bodies = bodies_new_for(timeline, NULL, NULL, each, total);

    bodies->number = number;
    return bodies;
}

static bool is_wanted(const struct bodies *bodies, int64_t at)
{
    const struct replay_request *request = &bodies->timeline->requests[at];

    if (bodies->number && request->number != bodies->number)
        return false;
    return !bodies->wants || bodies->wants(bodies->context, request);
}

/* Most lines are of other exchanges: this sees it without parsing. The needle cannot stand inside
 * a string, where its quotes would be escaped. True when in doubt. */
static bool may_be_wanted(const struct bodies *bodies, unsigned journal, struct str line)
{
    static const struct str needle = {"\"exchange\":", 11};
    struct str rest = line;
    ptrdiff_t at = str_find(str_first(line, HEAD_BYTES), needle);
    uint64_t exchange;

    if ((!bodies->number && !bodies->wants) || at < 0)
        return true;
    rest = str_skip(line, (size_t)at + needle.len);
    size_t digits = 0;
    while (digits < rest.len && rest.data[digits] >= '0' && rest.data[digits] <= '9')
        digits++;
    if (!num_parse_u64(str_first(rest, digits), INT64_MAX, &exchange))
        return true;
    int64_t index = timeline_find_exchange(bodies->timeline, journal, exchange);
    return index >= 0 && is_wanted(bodies, index);
}

static struct exchange_view *view_of(struct bodies *bodies, unsigned journal, json_object *event)
{
    int64_t exchange = jsondoc_int(event, "/exchange", -1);

    if (exchange < 0)
        return NULL;
    int64_t at = timeline_find_exchange(bodies->timeline, journal, (uint64_t)exchange);
    if (at < 0 || !is_wanted(bodies, at))
        return NULL;
    if (!bodies->views[at])
        bodies->views[at] = xcalloc(1, sizeof *bodies->views[at]);
    return bodies->views[at];
}

static struct body_piece *piece_add(struct body *body, enum piece_kind kind, uint64_t offset,
                                    uint64_t covers)
{
    if ((body->count & (body->count - 1)) == 0)
        body->pieces =
            xreallocarray(body->pieces, body->count ? 2 * body->count : 1, sizeof *body->pieces);
    struct body_piece *piece = &body->pieces[body->count++];
    *piece = (struct body_piece){.kind = kind, .offset = offset, .covers = covers};
    return piece;
}

/* What lies between the last piece and `offset` was never recorded. */
static void continue_at(struct body *body, uint64_t offset, uint64_t covers)
{
    if (offset > body->end)
        ignore(piece_add(body, PIECE_MISSING, body->end, offset - body->end));
    else if (offset < body->end)
        body->is_disordered = true;
    if (offset + covers > body->end)
        body->end = offset + covers;
}

/* The bytes that U+0000 to U+00FF stand for; what is above is no byte. */
static void append_latin1(struct buf *out, struct str text)
{
    uint32_t code = 0;

    for (size_t step; text.len && (step = utf8_next(text, &code)); text = str_skip(text, step))
        buf_append_char(out, code <= 0xFF ? (char)code : '?');
}

/* The first bytes that there is room for, code points whole. */
static struct str cut_to_room(const struct bodies *bodies, const struct body *body,
                              struct str recorded)
{
    size_t room = bodies->each - body->bytes.len;
    struct str kept = str_first(recorded, room < bodies->left ? room : bodies->left);

    if (kept.len == recorded.len)
        return kept;
    while (kept.len && ((unsigned char)recorded.data[kept.len] & 0xC0) == 0x80)
        kept.len--;
    return kept;
}

static void keep_bytes(struct bodies *bodies, struct body *body, struct str text, bool is_latin1,
                       uint64_t offset, uint64_t covers)
{
    struct body_piece *piece = piece_add(body, PIECE_BYTES, offset, covers);

    piece->at = body->bytes.len;
    body->bytes.limit = bodies->each;
    if (is_latin1)
        append_latin1(&body->bytes, text);
    else
        buf_append_str(&body->bytes, text);
    piece->len = body->bytes.len - piece->at;
    bodies->left -= piece->len;
}

static void add_body(struct bodies *bodies, struct body *body, json_object *event, uint64_t offset,
                     int64_t stated)
{
    uint64_t covers = stated > 0 ? (uint64_t)stated : 0;
    json_object *text = jsondoc_at(event, "/text");
    json_object *value = text ? text : jsondoc_at(event, "/latin1");

    continue_at(body, offset, covers);
    if (!json_object_is_type(value, json_type_string))
        return;
    struct str recorded =
        str_make(json_object_get_string(value), (size_t)json_object_get_string_len(value));
    struct str kept = cut_to_room(bodies, body, recorded);
    if (kept.len == recorded.len) {
        keep_bytes(bodies, body, recorded, !text, offset, covers);
        return;
    }
    uint64_t shown = min_of((uint64_t)kept.len, covers);
    if (kept.len && text)
        keep_bytes(bodies, body, kept, false, offset, shown);
    else
        shown = 0; /* bytes that are no text tell little by halves */
    ignore(piece_add(body, PIECE_LEFT_OUT, offset + shown, covers - shown));
}

static void add_withheld(struct body *body, json_object *event, uint64_t offset)
{
    int64_t bytes = jsondoc_int(event, "/bytes", 0);
    json_object *reason = jsondoc_at(event, "/reason");
    json_object *fingerprint = jsondoc_at(event, "/fingerprint");

    continue_at(body, offset, bytes > 0 ? (uint64_t)bytes : 0);
    struct body_piece *piece =
        piece_add(body, PIECE_WITHHELD, offset, bytes > 0 ? (uint64_t)bytes : 0);
    piece->reason = reason ? note_value(reason) : NULL;
    piece->fingerprint = fingerprint ? note_value(fingerprint) : NULL;
}

/* False: it is none of them. */
static bool keep_event(const struct bodies *bodies, struct exchange_view *view, const char *type,
                       json_object *event)
{
    static const char *const types[VIEW_EVENTS] = {"request", "response", "complete", "stream.open",
                                                   "stream.close"};

    for (size_t i = 0; i < VIEW_EVENTS; i++) {
        if (strcmp(type, types[i]) != 0)
            continue;
        if (bodies->number && !view->events[i])
            view->events[i] = json_object_get(event);
        return true;
    }
    return false;
}

static void add_part(struct bodies *bodies, struct exchange_view *view, const char *type,
                     json_object *event)
{
    bool is_stream = strcmp(type, "stream.data") == 0;
    const char *of = jsondoc_string(event, is_stream ? "/direction" : "/of");
    int64_t offset = jsondoc_int(event, "/offset", -1);
    bool is_request = of && strcmp(of, is_stream ? "client" : "request") == 0;

    if (offset < 0 ||
        (!is_request && !(of && strcmp(of, is_stream ? "upstream" : "response") == 0)))
        return; /* the timeline has a finding about it */
    struct body *body = &view->body[is_request ? SIDE_REQUEST : SIDE_RESPONSE];
    if (is_stream)
        add_body(bodies, body, event, (uint64_t)offset, note_count_bytes(event));
    else if (strcmp(type, "body") == 0)
        add_body(bodies, body, event, (uint64_t)offset, jsondoc_int(event, "/covers", 0));
    else if (strcmp(type, "withheld") == 0)
        add_withheld(body, event, (uint64_t)offset);
}

const struct replay_request *bodies_add(struct bodies *bodies, unsigned journal, struct str line)
{
    struct error err = {0};

    if (!may_be_wanted(bodies, journal, line))
        return NULL;
    scoped(jsondoc_free) json_object *event = jsondoc_parse(line, &err);
    const char *type = event ? jsondoc_string(event, "/type") : NULL;
    struct exchange_view *view = type ? view_of(bodies, journal, event) : NULL;
    if (!view)
        return NULL;
    if (!keep_event(bodies, view, type, event)) {
        add_part(bodies, view, type, event);
        return NULL;
    }
    if (strcmp(type, "complete") != 0)
        return NULL;
    int64_t exchange = jsondoc_int(event, "/exchange", -1);
    return &bodies->timeline
                ->requests[timeline_find_exchange(bodies->timeline, journal, (uint64_t)exchange)];
}

const struct exchange_view *bodies_of(const struct bodies *bodies,
                                      const struct replay_request *request)
{
    return bodies ? bodies->views[request - bodies->timeline->requests] : NULL;
}

static void view_free(struct exchange_view *view)
{
    for (size_t side = 0; side < 2; side++) {
        struct body *body = &view->body[side];
        for (size_t i = 0; i < body->count; i++) {
            free(body->pieces[i].reason);
            free(body->pieces[i].fingerprint);
        }
        free(body->pieces);
        buf_free(&body->bytes);
    }
    for (size_t i = 0; i < VIEW_EVENTS; i++)
        jsondoc_free(&view->events[i]);
    free(view);
}

void bodies_drop(struct bodies *bodies, const struct replay_request *request)
{
    struct exchange_view **view = &bodies->views[request - bodies->timeline->requests];

    if (!*view)
        return;
    for (size_t side = 0; side < 2; side++)
        bodies->left += (*view)->body[side].bytes.len;
    view_free(*view);
    *view = NULL;
}

void bodies_free(struct bodies **bodies)
{
    struct bodies *it = *bodies;

    if (!it)
        return;
    for (size_t i = 0; i < it->timeline->request_count; i++)
        if (it->views[i])
            view_free(it->views[i]);
    free(it->views);
    free(it);
    *bodies = NULL;
}
