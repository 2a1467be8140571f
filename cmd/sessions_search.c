/* sessions_search.c - kubectl hoop sessions search: which recorded lines hold a text */
#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/jsondoc.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "replay/format.h"
#include "session/reader.h"

#include "command.h"
#include "recordings.h"
#include "sessions.h"

#define AROUND_BYTES 40 /* that are shown on each side of what was found */

struct search {
    const struct sessions_flags *flags;
    struct str wanted;
    const struct catalog_session *session;
    size_t found;
};

/* Where `text` holds it, whichever escapes its writer chose: in any value, not in the JSON around.
 */
static bool find_in(json_object *value, struct str wanted, struct str *where)
{
    if (json_object_is_type(value, json_type_string)) {
        struct str text =
            str_make(json_object_get_string(value), (size_t)json_object_get_string_len(value));
        ptrdiff_t at = str_find(text, wanted);
        if (at < 0)
            return false;
        size_t from = (size_t)at > AROUND_BYTES ? (size_t)at - AROUND_BYTES : 0;
        *where = str_first(str_skip(text, from), (size_t)at - from + wanted.len + AROUND_BYTES);
        return true;
    }
    if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++)
            if (find_in(json_object_array_get_idx(value, i), wanted, where))
                return true;
        return false;
    }
    if (!json_object_is_type(value, json_type_object))
        return false;
    json_object_object_foreach(value, key, member)
    {
        if (find_in(member, wanted, where))
            return true;
        if (str_find(str_from(key), wanted) >= 0) {
            *where = str_from(key);
            return true;
        }
    }
    return false;
}

static void print_found(const struct search *search, const char *journal, json_object *event,
                        struct str where)
{
    const char *type = jsondoc_string(event, "/type");
    const char *command = jsondoc_string(event, "/command");
    scoped(buf_free) struct buf line = {0};

    buf_printf(&line, "%s   %s   %8" PRId64 "   ", search->session->id, journal,
               jsondoc_int(event, "/seq", -1));
    format_safe(&line, type ? type : "-");
    buf_append_text(&line, "   ");
    format_safe(&line, command ? command : "-");
    buf_append_text(&line, "   ");
    utf8_append_safe(&line, where);
    printf("%.*s\n", STR_ARG(buf_str(&line)));
}

static bool is_over(const struct search *search)
{
    return search->flags->limit && search->found >= search->flags->limit;
}

static void look_at(void *context, size_t journal, const struct reader_line *line)
{
    struct search *search = context;
    struct error err = {0};
    struct str where;

    if (line->number == 1 || is_over(search))
        return;
    scoped(jsondoc_free) json_object *event = jsondoc_parse(line->text, &err);
    if (!event || !find_in(event, search->wanted, &where))
        return;
    search->found++;
    if (search->flags->format == FORMAT_JSONL)
        sessions_print_json(event);
    else
        print_found(search, search->session->journals[journal].id, event, where);
}

static void say_cut(void *context, size_t journal, const struct error *err)
{
    log_line("not searched from here on: %s", err->text);
}

int sessions_search(const struct sessions_flags *flags, struct error *err)
{
    scoped(recordings_free) struct recordings recordings = {0};
    struct search search = {.flags = flags, .wanted = str_from(flags->options.operands[0])};

    if (!search.wanted.len)
        return error_set(err, ERROR_USAGE, "there is nothing to search for");
    if (recordings_open(&recordings, &flags->options, NULL, err) < 0)
        return -1;
    ignore(recordings_say_unread(&recordings));
    for (size_t i = catalog_count(recordings.catalog); i > 0 && !is_over(&search); i--) {
        search.session = catalog_session(recordings.catalog, i - 1);
        recordings_merge(search.session, NULL,
                         &(struct recordings_user){look_at, say_cut, &search});
    }
    fflush(stdout);
    if (!search.found && !flags->options.quiet)
        log_line("not found in %zu sessions", catalog_count(recordings.catalog));
    else if (is_over(&search) && !flags->options.quiet)
        log_line("ended at --limit, there may be more");
    return EXIT_OK;
}
