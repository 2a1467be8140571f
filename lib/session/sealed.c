#include "session/sealed.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/num.h"
#include "base/scoped.h"

#define HASH_CHUNK_BYTES 65536

int sealed_read(struct sealed *sealed, const struct source *source, struct mismatch *mismatch,
                struct error *err)
{
    size_t len = (size_t)min_of(source->bytes, (uint64_t)TAIL_BYTES_MAX);
    struct sealed read = {.end = xcalloc(1, len + 1)};

    if (source_read(source, source->bytes - len, read.end, len, err) < 0) {
        sealed_free(&read);
        return -1;
    }
    if (tail_parse(&read.tail, str_make(read.end, len), source->bytes, err) < 0) {
        bool is_version = err->kind == ERROR_UNVERIFIABLE;

        mismatch_set(mismatch, "tail", is_version ? "version 1" : "a tail at the exact end", "%s",
                     err->text);
        sealed_free(&read);
        return -1;
    }
    *sealed = read;
    return 0;
}

void sealed_free(struct sealed *sealed)
{
    tail_free(&sealed->tail);
    free(sealed->end);
    *sealed = (struct sealed){0};
}

static int hash_range(const struct source *source, uint64_t offset, uint64_t bytes,
                      char hex[SHA256_HEX_BYTES], struct error *err)
{
    scoped(sha256_free) struct sha256 *hash = sha256_new();
    scoped(free_text) char *chunk = xcalloc(1, HASH_CHUNK_BYTES);
    unsigned char digest[SHA256_BYTES];

    while (bytes > 0) {
        size_t len = (size_t)min_of(bytes, (uint64_t)HASH_CHUNK_BYTES);

        if (source_read(source, offset, chunk, len, err) < 0)
            return -1;
        sha256_add(hash, chunk, len);
        offset += len;
        bytes -= len;
    }
    sha256_peek(hash, digest);
    encode_hex(digest, sizeof digest, hex);
    return 0;
}

/* Which frame is the first that is not what it was; the whole when all of them are. */
static int find_frame(const struct sealed *sealed, const struct source *source,
                      struct mismatch *mismatch, struct error *err)
{
    const struct index *index = &sealed->tail.index;

    for (size_t i = 0; i < index->frame_count; i++) {
        const struct index_frame *frame = &index->frames[i];
        char place[96], hex[SHA256_HEX_BYTES];

        if (hash_range(source, frame->offset, frame->bytes, hex, err) < 0)
            return -1;
        if (strcmp(hex, frame->sha256) == 0)
            continue;
        snprintf(place, sizeof place, "frame %zu, bytes %" PRIu64 "-%" PRIu64, i, frame->offset,
                 frame->offset + frame->bytes - 1);
        mismatch_set(mismatch, place, frame->sha256, "%s", hex);
        return 0;
    }
    return 0;
}

int sealed_check_hash(const struct sealed *sealed, const struct source *source,
                      struct mismatch *mismatch, struct error *err)
{
    const struct index *index = &sealed->tail.index;
    char hex[SHA256_HEX_BYTES];

    if (hash_range(source, 0, index->bytes, hex, err) < 0)
        return -1;
    if (strcmp(hex, index->sha256) == 0)
        return 0;
    if (find_frame(sealed, source, mismatch, err) < 0)
        return -1;
    mismatch_set(mismatch, "data frames", index->sha256, "%s", hex);
    return mismatch_error(mismatch, err);
}
