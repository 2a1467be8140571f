#include "session_start.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/jsondoc.h"
#include "base/scoped.h"
#include "kube/redact_argv.h"
#include "recorded_text.h"
#include "redacted_argv.h"

#define FORMAT_VERSION 1

static const char *user_name(void)
{
    const struct passwd *entry = getpwuid(geteuid());

    return entry ? entry->pw_name : "?";
}

char *session_start_actor(void)
{
    return xasprintf("%s (os-user)", user_name());
}

/* Changes with each setting that can change what is recorded, and where. */
static void put_config_hash(json_object *start, json_object *config, const char *store,
                            const char *upstream_files)
{
    scoped(buf_free) struct buf text = {0};
    char hex[SHA256_HEX_BYTES];

    buf_printf(&text,
               "store=%s\nupstream=kubeconfig:%s\ndurability=%s\nship-every=%lld\n"
               "on-record-failure=block\n",
               store, upstream_files, jsondoc_bool(config, "/strict", false) ? "strict" : "normal",
               (long long)jsondoc_int(config, "/shipEveryS", 0));
    jsondoc_put_string(start, "config", sha256_hex(buf_str(&text), hex));
}

json_object *session_start_describe(json_object *config, const char *store,
                                    const char *upstream_files)
{
    json_object *start = json_object_new_object();
    json_object *actor = jsondoc_put_adopt(start, "actor", json_object_new_object());
    char host[256] = "";

    jsondoc_put_string(actor, "identity", "os-user");
    jsondoc_put_string(actor, "name", user_name());
    jsondoc_put_int(actor, "uid", geteuid());
    jsondoc_put_bool(start, "selfAttested", true);
    recorded_text_put(start, "agent", jsondoc_string(config, "/agent"));
    recorded_text_put(start, "title", jsondoc_string(config, "/title"));
    recorded_labels_put(start, "labels", jsondoc_at(config, "/labels"));
    redacted_argv_put(start, jsondoc_at(config, "/argv"));
    if (gethostname(host, sizeof host - 1) == 0)
        jsondoc_put_string(start, "host", host);
    jsondoc_put_string(start, "onRecordFailure", "block");
    jsondoc_put_string(start, "streams", "opaque"); /* as bytes: WebSocket and SPDY are not read */
    put_config_hash(start, config, store, upstream_files);
    json_object *versions = jsondoc_put_adopt(start, "versions", json_object_new_object());

    jsondoc_put_string(versions, "kubectl-hoop", HOOP_VERSION);
    jsondoc_put_int(versions, "format", FORMAT_VERSION);
    return start;
}
