#include "session/source.h"

#include "base/num.h"

static ssize_t read_memory(void *context, uint64_t offset, void *data, size_t len,
                           struct error *err)
{
    const struct str *memory = context;

    if (offset >= memory->len)
        return 0;
    size_t count = min_of(len, memory->len - (size_t)offset);
    memcpy(data, memory->data + offset, count);
    return (ssize_t)count;
}

struct source source_from_memory(const struct str *data)
{
    return (struct source){.read = read_memory, .context = (void *)data, .bytes = data->len};
}

int source_read(const struct source *source, uint64_t offset, void *data, size_t len,
                struct error *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t count = source->read ? source->read(source->context, offset + done,
                                                    (char *)data + done, len - done, err)
                                     : 0;

        if (count < 0)
            return -1;
        if (count == 0)
            return error_set(err, ERROR_STORAGE, "it became shorter while it was read");
        done += (size_t)count;
    }
    return 0;
}

void source_close(struct source *source)
{
    if (source->close)
        source->close(source->context);
    *source = (struct source){0};
}
