/* timeline_link.c - timeline_finish(): numbers, groups and rows out of what was read. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "replay/timeline.h"
#include "replay/timeline_inside.h"

static int compare_rows(const void *a, const void *b)
{
    const struct replay_row *x = a, *y = b;

    if (x->party != y->party)
        return x->party < y->party ? -1 : 1;
    if (x->order_us != y->order_us)
        return x->order_us < y->order_us ? -1 : 1;
    if (x->journal != y->journal)
        return x->journal < y->journal ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static struct replay_row make_row(const struct timeline *timeline, size_t index, int64_t order_us,
                                  unsigned journal, uint64_t seq)
{
    return (struct replay_row){
        .index = index,
        .order_us = order_us,
        .party = timeline->journals[journal].party,
        .journal = journal,
        .seq = seq,
    };
}

static void number_requests(struct timeline *timeline)
{
    struct replay_row *rows = xcalloc(timeline->request_count + 1, sizeof *rows);

    for (size_t i = 0; i < timeline->request_count; i++) {
        const struct replay_request *request = &timeline->requests[i];
        rows[i] = make_row(timeline, i, request->order_us, request->journal, request->seq);
    }
    qsort(rows, timeline->request_count, sizeof *rows, compare_rows);
    timeline->by_number = xcalloc(timeline->request_count + 1, sizeof *timeline->by_number);
    for (size_t i = 0; i < timeline->request_count; i++) {
        timeline->by_number[i] = (uint32_t)rows[i].index;
        timeline->requests[rows[i].index].number = (uint32_t)i + 1;
    }
    free(rows);
}

/* The group that a request belongs to, made when it is the first. */
static struct replay_group *group_of(struct timeline *timeline,
                                     const struct replay_request *request)
{
    enum replay_group_kind kind = request->command           ? GROUP_UNANNOUNCED
                                  : request->kubectl_session ? GROUP_KUBECTL
                                                             : GROUP_NONE;
    const char *id = request->command ? request->command : request->kubectl_session;
    scoped(free_text) char *key = xasprintf(
        "%c/%u/%s", "ccsn"[kind], timeline -> journals[request->journal].party, id ? id : "");
    struct replay_group *group = timeline_group_find(timeline, key);

    if (group)
        return group;
    group = timeline_group_new(timeline, kind, key, id);
    group->journal = request->journal;
    group->seq = request->seq;
    group->order_us = request->order_us;
    group->start_us = request->start_us;
    if (request->kubectl_command) {
        group->argv = xcalloc(2, sizeof *group->argv);
        group->argv[group->argc++] = xstrdup(request->kubectl_command);
    }
    return group;
}

static void group_requests(struct timeline *timeline)
{
    for (size_t i = 0; i < timeline->request_count; i++) {
        uint32_t at = timeline->by_number[i];
        struct replay_group *group = group_of(timeline, &timeline->requests[at]);
        timeline->requests[at].group = (uint32_t)(group - timeline->groups);
        *append(group->requests, group->request_count) = at;
    }
}

static void place_notes(struct timeline *timeline)
{
    for (size_t i = timeline->note_count; i > 0; i--) { /* backwards: each goes to the front */
        struct replay_note *note = &timeline->notes[i - 1];
        if (note->exchange >= 0)
            note->request =
                timeline_find_exchange(timeline, note->journal, (uint64_t)note->exchange);
        if (note->request < 0 && note->command) {
            scoped(free_text) char *key =
                timeline_command_key(timeline, note->journal, note->command);
            note->group = timeline_index_find(timeline, key);
        }
        size_t *first = note->request >= 0 ? &timeline->requests[note->request].first_note
                        : note->group >= 0 ? &timeline->groups[note->group].first_note
                                           : NULL;
        if (!first)
            continue;
        note->next = *first;
        *first = i;
    }
}

static void make_rows(struct timeline *timeline)
{
    timeline->rows =
        xcalloc(timeline->group_count + timeline->note_count + 1, sizeof *timeline->rows);
    for (size_t i = 0; i < timeline->group_count; i++) {
        const struct replay_group *group = &timeline->groups[i];
        timeline->rows[timeline->row_count++] =
            make_row(timeline, i, group->order_us, group->journal, group->seq);
    }
    for (size_t i = 0; i < timeline->note_count; i++) {
        const struct replay_note *note = &timeline->notes[i];
        if (note->request >= 0 || note->group >= 0)
            continue;
        struct replay_row *row = &timeline->rows[timeline->row_count++];
        *row = make_row(timeline, i, note->order_us, note->journal, note->seq);
        row->is_note = true;
    }
    qsort(timeline->rows, timeline->row_count, sizeof *timeline->rows, compare_rows);
    for (size_t i = 0; i < timeline->row_count; i++) {
        struct replay_row *row = &timeline->rows[i];
        if (!row->is_note && timeline->groups[row->index].kind == GROUP_COMMAND)
            timeline->groups[row->index].number = (uint32_t)++timeline->command_count;
    }
}

static unsigned first_of_party(const struct timeline *timeline, unsigned party)
{
    unsigned i = 0;

    while (i + 1 < timeline->journal_count &&
           !(timeline->journals[i].start && timeline->journals[i].party == party))
        i++;
    return i;
}

static void check_parties(struct timeline *timeline)
{
    for (unsigned i = 0; i < timeline->journal_count; i++) {
        const struct replay_journal *journal = &timeline->journals[i];
        if (!journal->start)
            timeline_add_finding(timeline, "journal %s has no session.start", journal->id);
        else if (journal->party)
            timeline_add_finding(timeline,
                                 "journal %s is of another actor than journal %s: shown apart",
                                 journal->id, timeline->journals[first_of_party(timeline, 0)].id);
    }
}

void timeline_finish(struct timeline *timeline)
{
    check_parties(timeline);
    number_requests(timeline);
    group_requests(timeline);
    place_notes(timeline);
    make_rows(timeline);
    json_object_object_foreach(timeline->unshown, type, count) timeline_add_finding(
        timeline, "%" PRId64 " %.100s events are not shown here (-o jsonl does)",
        json_object_get_int64(count), type);
}
