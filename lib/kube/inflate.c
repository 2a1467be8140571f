#include "kube/inflate.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/secret.h"
#include "base/utf8.h"

#define WINDOW_BYTES ((size_t)64 << 10)
#define GZIP_ONLY (15 + 16) /* inflateInit2: largest window, gzip header and trailer */

struct inflate {
    z_stream stream;
    uint64_t wire;   /* bytes taken */
    uint64_t plain;  /* bytes given */
    uint64_t member; /* bytes given of this member */
    bool is_in_member;
    bool is_over;
    char window[WINDOW_BYTES];
};

struct inflate *inflate_new(void)
{
    struct inflate *gz = xcalloc(1, sizeof *gz);

    if (inflateInit2(&gz->stream, GZIP_ONLY) != Z_OK)
        abort(); /* memory has ended */
    return gz;
}

/* How many bytes at the end are the beginning of a code point whose rest may follow. */
static size_t cut_len(struct str text)
{
    for (size_t n = 1; n <= 3 && n <= text.len; n++) {
        unsigned char c = (unsigned char)text.data[text.len - n];

        if (c < 0x80)
            return 0;
        if (c >= 0xc0)
            return utf8_is_cut(str_skip(text, text.len - n)) ? n : 0;
    }
    return 0;
}

static bool is_bomb(const struct inflate *gz)
{
    return gz->member > INFLATE_MEMBER_MAX ||
           (gz->plain > INFLATE_RATIO_FREE && gz->plain / INFLATE_RATIO_MAX > gz->wire);
}

enum inflate_status inflate_add(struct inflate *gz, struct str *wire,
                                void (*out)(void *context, struct str plain), void *context)
{
    z_stream *stream = &gz->stream;
    size_t held = 0; /* at the start of the window */

    assert(!gz->is_over);
    for (;;) {
        size_t offered = wire->len < UINT_MAX ? wire->len : UINT_MAX;
        stream->next_in = (Bytef *)(uintptr_t)wire->data;
        stream->avail_in = (uInt)offered;
        stream->next_out = (Bytef *)gz->window + held;
        stream->avail_out = (uInt)(WINDOW_BYTES - held);

        int status = gz->is_in_member || offered ? inflate(stream, Z_SYNC_FLUSH) : Z_OK;
        size_t taken = offered - stream->avail_in;
        size_t made = WINDOW_BYTES - held - stream->avail_out;

        *wire = str_skip(*wire, taken);
        gz->wire += taken;
        gz->plain += made;
        gz->member += made;
        if (taken)
            gz->is_in_member = true;
        bool is_full = stream->avail_out == 0;
        struct str text = str_make(gz->window, held + made);
        held = is_full && status == Z_OK ? cut_len(text) : 0;
        if (text.len > held)
            out(context, str_first(text, text.len - held));
        memmove(gz->window, gz->window + text.len - held, held);

        if (status == Z_STREAM_END) { /* RFC 1952 2.2: members follow one another */
            gz->is_in_member = false;
            gz->member = 0;
            ignore(inflateReset(stream));
        } else if (status != Z_OK && status != Z_BUF_ERROR) {
            gz->is_over = true;
            return INFLATE_BROKEN;
        }
        if (is_bomb(gz)) {
            gz->is_over = true;
            return INFLATE_TOO_LARGE;
        }
        if (wire->len == 0 && !is_full)
            return INFLATE_OK;
    }
}

bool inflate_is_complete(const struct inflate *gz)
{
    return !gz->is_in_member && !gz->is_over;
}

void inflate_free(struct inflate **gz)
{
    if (!*gz)
        return;
    inflateEnd(&(*gz)->stream);
    secret_wipe((*gz)->window, sizeof(*gz)->window);
    free(*gz);
    *gz = NULL;
}
