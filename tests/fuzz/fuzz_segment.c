/* A segment of a stranger: its tail, its lines, and the verdict about it. What is not signed by a
 * trusted key is never INTACT, and nothing of it is decompressed; as an open one it gives whole
 * lines or ends. */
#include <assert.h>
#include <stdint.h>

#include "base/num.h"
#include "base/scoped.h"
#include "session/index.h"
#include "session/reader.h"
#include "session/trust.h"
#include "session/verify.h"

#define SESSION "01M823AJHRABCDEFGHJKMNPQRS"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_tail(struct str bytes)
{
    scoped(tail_free) struct tail tail = {0};
    struct error err = {0};
    size_t len = min_of(bytes.len, TAIL_BYTES_MAX);

    if (tail_parse(&tail, str_skip(bytes, bytes.len - len), bytes.len, &err) < 0) {
        assert(err.kind == ERROR_PROTOCOL || err.kind == ERROR_UNVERIFIABLE);
        assert(!tail.index.frames);
        return;
    }
    assert(tail.index.frame_count > 0 && tail.index.bytes < bytes.len);
}

static void read_part(struct str bytes)
{
    struct source source = source_from_memory(&bytes);
    struct error err = {0};
    scoped(reader_free) struct reader *reader = reader_open_part(&source, 0, &err);
    struct reader_line line;
    uint64_t offset = 0;

    while (reader && reader_next(reader, &line, &err) == IO_OK) {
        assert(line.text.len > 0 && line.text.data[line.text.len - 1] == '\n');
        assert(line.plain_offset == offset);
        offset += line.text.len;
        assert(offset <= READER_PLAIN_BYTES_MAX);
    }
}

static void judge(struct str bytes)
{
    scoped(trust_free) struct trust *trust = trust_new();
    scoped(verify_free) struct verify *verify = verify_new(SESSION, trust);
    scoped(verify_report_free) struct verify_report report = {0};
    const struct verify_object object = {SESSION "-00c0ffee-00000.jsonl.zst", 0, true};
    struct source source = source_from_memory(&bytes);

    verify_journal(verify, "00c0ffee");
    verify_sealed(verify, &object, &source);
    verify_finish(verify, NULL, &report);
    assert(report.verdict > VERDICT_INCOMPLETE);
    assert(report.events == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_make(data, size);

    read_tail(bytes);
    read_part(bytes);
    judge(bytes);
    return 0;
}
