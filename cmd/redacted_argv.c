#include "redacted_argv.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/jsondoc.h"
#include "base/scoped.h"
#include "kube/redact_argv.h"

#define ARGV_BYTES_MAX (128 * 1024)

void redacted_argv_put(json_object *payload, json_object *given)
{
    size_t count = jsondoc_count(given, "");
    const char **argv = xcalloc(count + 1, sizeof *argv);

    for (size_t i = 0; i < count; i++) {
        const char *text = json_object_get_string(json_object_array_get_idx(given, i));

        argv[i] = text ? text : "";
    }
    scoped(redact_argv_free) char **redacted = redact_argv(argv, NULL);
    json_object *kept = jsondoc_put_adopt(payload, "argv", json_object_new_array());
    size_t bytes = 0, i = 0;

    for (; redacted[i] && bytes + strlen(redacted[i]) <= ARGV_BYTES_MAX; i++) {
        bytes += strlen(redacted[i]);
        jsondoc_add_string(kept, redacted[i]);
    }
    if (i < count)
        jsondoc_put_int(payload, "argvOmitted", (int64_t)(count - i));
    free(argv);
}
