#include "upload/store.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "session/segment_name.h"
#include "session/ulid.h"
#include "upload/spool.h"

char *store_segment_key(const char *name, const char *cluster)
{
    struct segment_name parsed;
    char date[16];
    struct tm tm;

    if (!segment_name_parse(&parsed, str_from(name)) || parsed.suffix != SEGMENT_NAME_SEALED)
        return NULL;
    time_t seconds = (time_t)(ulid_unix_ms(str_from(parsed.session)) / 1000);

    if (!gmtime_r(&seconds, &tm) || strftime(date, sizeof date, "%Y-%m-%d", &tm) == 0)
        return NULL;
    return xasprintf("v1/segments/cluster=%s/date=%s/%s", cluster, date, name);
}

char *store_key_of_file(const char *path, struct error *err)
{
    scoped(sealed_free) struct sealed sealed = {0};
    const char *slash = strrchr(path, '/');

    if (spool_read_sealed(path, &sealed, err) < 0)
        return NULL;
    char *key = store_segment_key(slash ? slash + 1 : path, sealed.tail.index.cluster);

    if (!key)
        error_set(err, ERROR_PROTOCOL, "%s: not the name of a segment", path);
    return key;
}
