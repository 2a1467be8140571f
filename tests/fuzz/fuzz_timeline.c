/* fuzz_timeline.c - a first byte that chooses the view, then event lines as a recording might hold
 * them. Whatever they say: no request is lost between its line and its number, and the text can
 * not drive a terminal. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/jsondoc.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "replay/bodies.h"
#include "replay/changes.h"
#include "replay/json.h"
#include "replay/style.h"
#include "replay/text.h"
#include "replay/timeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Lines go to two journals in turn: the second gets those that begin with a tab. */
static void each_line(struct str text,
                      void (*use)(void *context, unsigned journal, struct str line), void *context)
{
    for (struct str rest = text; rest.data;) {
        struct str line = str_split(&rest, '\n');
        bool is_second = line.len && line.data[0] == '\t';
        use(context, is_second, is_second ? str_skip(line, 1) : line);
    }
}

static void use_timeline(void *context, unsigned journal, struct str line)
{
    timeline_add(context, journal, line);
}

static void use_bodies(void *context, unsigned journal, struct str line)
{
    ignore(bodies_add(context, journal, line));
}

static void use_changes(void *context, unsigned journal, struct str line)
{
    changes_add(context, journal, line);
}

static void check_text(void *context, struct str text)
{
    uint32_t code = 0;

    for (size_t step; text.len; text = str_skip(text, step)) {
        step = utf8_next(text, &code);
        assert(step && (code == '\n' || !utf8_is_control(code)));
    }
}

/* Sequences of style.h, and nothing else that drives a terminal. */
static void check_coloured(void *context, struct str text)
{
    scoped(buf_free) struct buf plain = {.limit = 64 << 20};

    while (text.len) {
        size_t style = style_length(text);
        for (size_t i = 0; i < style; i++)
            assert(i == 0 || strchr(i == 1 ? "[" : "0123456789m", text.data[i]));
        if (!style)
            buf_append_char(&plain, text.data[0]);
        text = str_skip(text, style ? style : 1);
    }
    if (!plain.overflow)
        check_text(context, buf_str(&plain));
}

static void collect(void *context, struct str text)
{
    buf_append_str(context, text);
}

static void check_json(const struct timeline *timeline, const struct bodies *bodies)
{
    scoped(buf_free) struct buf out = {.limit = 64 << 20};
    struct error err = {0};

    json_write_timeline(timeline, &(struct json_options){.bodies = bodies}, collect, &out);
    check_text(NULL, buf_str(&out));
    scoped(jsondoc_free) json_object *root =
        out.overflow ? NULL : jsondoc_parse(buf_str(&out), &err);
    /* What was nested 64 deep in a line is deeper here. */
    assert(root || out.overflow || str_find(str_from(err.text), STR("nest")) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(timeline_free) struct timeline *timeline = timeline_new("S");
    uint8_t view = size ? data[0] : 0;
    struct str text = str_skip(str_make(data, size), 1);

    ignore(timeline_journal(timeline, "aaaaaaaa"));
    ignore(timeline_journal(timeline, "bbbbbbbb"));
    each_line(text, use_timeline, timeline);
    timeline_finish(timeline);
    for (size_t i = 1; i <= timeline->request_count; i++)
        assert(timeline_request(timeline, i)->number == i);

    scoped(bodies_free) struct bodies *bodies = bodies_new(timeline, 0, 1 << 16, 1 << 20);
    each_line(text, use_bodies, bodies);
    scoped(changes_free) struct changes *changes = changes_new(timeline, DIFF_WITHOUT_NOISE);
    each_line(text, use_changes, changes);
    struct text_options options = {.columns = view, .bodies = bodies, .changes = changes};
    text_write_timeline(timeline, &options, check_text, NULL);
    options.is_coloured = true;
    text_write_timeline(timeline, &options, check_coloured, NULL);
    options.is_coloured = false;
    if (timeline->request_count) {
        uint32_t number = 1 + view % (uint32_t)timeline->request_count;
        scoped(bodies_free) struct bodies *one = bodies_new(timeline, number, 1 << 16, 1 << 20);
        each_line(text, use_bodies, one);
        options.bodies = one;
        text_write_exchange(timeline, timeline_request(timeline, number), &options, check_text,
                            NULL);
    }
    check_json(timeline, bodies);
    return 0;
}
