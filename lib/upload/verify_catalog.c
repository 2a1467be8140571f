#include "upload/verify_catalog.h"

#include "base/scoped.h"

static void verify_file(struct verify *verify, const struct catalog_segment *segment)
{
    const struct verify_object object = {segment->key, segment->n, segment->in_store};
    scoped(source_close) struct source source = {0};
    struct error err = {0};

    if (segment->form == SEGMENT_BAD) {
        verify_bad(verify, &object);
    } else if (segment->form == SEGMENT_CONFLICT) {
        verify_conflict(verify, &object);
    } else if (catalog_open_segment(segment, &source, &err) < 0) {
        verify_unreadable(verify, &object, &err);
    } else if (segment->form == SEGMENT_SEALED) {
        verify_sealed(verify, &object, &source);
    } else {
        verify_part(verify, &object, &source, segment->form == SEGMENT_RUNNING);
    }
}

static void verify_once(const struct catalog_session *session, const struct trust *trust,
                        const char *expect, struct verify_report *report)
{
    scoped(verify_free) struct verify *verify = verify_new(session->id, trust);

    for (size_t i = 0; i < session->count; i++) {
        const struct catalog_journal *journal = &session->journals[i];

        verify_journal(verify, journal->id);
        for (size_t k = 0; k < journal->count; k++)
            verify_file(verify, &journal->segments[k]);
    }
    verify_finish(verify, expect, report);
}

void catalog_verify(const struct catalog *catalog, const struct catalog_session *session,
                    const struct trust *trust, const char *expect, struct verify_report *report)
{
    struct error err = {0};

    verify_once(session, trust, expect, report);
    if (report->verdict != VERDICT_TRUNCATED && report->verdict != VERDICT_UNVERIFIABLE)
        return;
    scoped(catalog_free) struct catalog *again = catalog_relist(catalog, session->id, &err);
    if (!again || catalog_count(again) != 1)
        return;
    verify_report_free(report);
    verify_once(catalog_session(again, 0), trust, expect, report);
}
