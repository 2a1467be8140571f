#include "session/medium_source.h"

static ssize_t read_file(void *context, uint64_t offset, void *data, size_t len, struct error *err)
{
    const struct medium_source *holder = context;
    const struct medium *medium = holder->medium;
    ssize_t count = medium->read(medium->context, holder->file, offset, data, len);

    if (count < 0)
        error_errno(err, ERROR_STORAGE, "read");
    return count;
}

struct source medium_source(struct medium_source *holder, uint64_t bytes)
{
    return (struct source){.read = read_file, .context = holder, .bytes = bytes};
}
