#include "stores.h"

#include <string.h>

#include "base/num.h"
#include "store-dir/store_dir.h"

static const struct store_type *const types[] = {&store_dir};

struct store *stores_open(const char *url, const struct store_type **type, struct error *err)
{
    const char *colon = strchr(url, ':');
    const char *slash = strchr(url, '/');
    bool has_scheme = colon && (!slash || colon < slash);

    for (size_t i = 0; i < count_of(types); i++) {
        size_t len = strlen(types[i]->scheme);

        if (has_scheme ? (size_t)(colon - url) != len || strncmp(url, types[i]->scheme, len) != 0
                       : strcmp(types[i]->scheme, "file") != 0)
            continue;
        *type = types[i];
        return types[i]->open(url, err);
    }
    error_set(err, ERROR_CONFIG, "store '%s': no such kind of store", url);
    error_fix(err, "give a directory, or file:///path");
    return NULL;
}
