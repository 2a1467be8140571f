#include "recorded_text.h"

#include "base/jsondoc.h"
#include "base/scoped.h"
#include "kube/redact_argv.h"

const char *const recorded_variables[] = {
    "KUBECONFIG",
    "KUBE_EDITOR",
    "KUBECTL_EXTERNAL_DIFF",
    "HELM_NAMESPACE",
    "HELM_DRIVER",
    "HELM_KUBECONTEXT",
    "AI_AGENT",
    "CLAUDE_CODE_SESSION_ID",
    "CODEX_THREAD_ID",
    "CODEX_TOOL_CALL_ID",
    "GEMINI_CLI",
    "CI",
    NULL,
};

void recorded_text_put(json_object *payload, const char *key, const char *text)
{
    scoped(buf_free) struct buf shown = {0};

    if (!text)
        return;
    redact_text(&shown, str_from(text));
    jsondoc_put_str(payload, key, buf_str(&shown));
}

/* As `name=value`: a name like token tells what the value is. */
static void put_pair(json_object *object, const char *name, const char *value)
{
    scoped(buf_free) struct buf pair = {0}, shown = {0};

    buf_printf(&pair, "%s=%s", name, value);
    redact_text(&shown, buf_str(&pair));
    ptrdiff_t equals = str_index(buf_str(&shown), '=');

    if (equals < 0)
        jsondoc_put_string(object, name, REDACTED);
    else
        jsondoc_put_str(object, name, str_skip(buf_str(&shown), (size_t)equals + 1));
}

void recorded_labels_put(json_object *payload, const char *key, json_object *given)
{
    if (!json_object_is_type(given, json_type_object))
        return;
    json_object *object = jsondoc_put_adopt(payload, key, json_object_new_object());

    json_object_object_foreach(given, name, value) if (json_object_is_type(value, json_type_string))
        put_pair(object, name, json_object_get_string(value));
}

void recorded_environment_put(json_object *payload, const char *key, json_object *given)
{
    if (!json_object_is_type(given, json_type_object))
        return;
    json_object *object = jsondoc_put_adopt(payload, key, json_object_new_object());

    for (size_t i = 0; recorded_variables[i]; i++) {
        json_object *value = NULL;

        if (json_object_object_get_ex(given, recorded_variables[i], &value) &&
            json_object_is_type(value, json_type_string))
            put_pair(object, recorded_variables[i], json_object_get_string(value));
    }
}
