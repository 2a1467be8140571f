#include "session/reserve.h"

#include <stdlib.h>

#include "base/alloc.h"

struct reserve {
    const struct medium *medium;
    char *path;
    int file; /* MEDIUM_NO_FILE: it is spent */
};

struct reserve *reserve_new(const struct medium *medium, const char *path)
{
    struct reserve *reserve = xcalloc(1, sizeof *reserve);

    *reserve = (struct reserve){.medium = medium, .path = xstrdup(path), .file = MEDIUM_NO_FILE};
    return reserve;
}

int reserve_fill(struct reserve *reserve, struct error *err)
{
    const struct medium *medium = reserve->medium;

    if (reserve_is_full(reserve))
        return 0;
    int file = medium->create(medium->context, reserve->path);

    if (file < 0)
        return error_errno(err, ERROR_STORAGE, "hold back 1 MiB in %s", reserve->path);
    if (medium->allocate(medium->context, file, RESERVE_BYTES) < 0) {
        error_errno(err, ERROR_STORAGE, "hold back 1 MiB in %s", reserve->path);
        medium->close(medium->context, file);
        ignore(medium->remove(medium->context, reserve->path));
        return -1;
    }
    reserve->file = file;
    return 0;
}

void reserve_spend(struct reserve *reserve)
{
    const struct medium *medium = reserve->medium;

    if (!reserve_is_full(reserve))
        return;
    medium->close(medium->context, reserve->file);
    ignore(medium->remove(medium->context, reserve->path));
    reserve->file = MEDIUM_NO_FILE;
}

bool reserve_is_full(const struct reserve *reserve)
{
    return reserve->file != MEDIUM_NO_FILE;
}

void reserve_free(struct reserve **reserve)
{
    if (!*reserve)
        return;
    reserve_spend(*reserve);
    free((*reserve)->path);
    free(*reserve);
    *reserve = NULL;
}
