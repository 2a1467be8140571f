#include "proxy/control_line.h"

#include "base/jsondoc.h"
#include "base/num.h"

json_object *control_error_new(const struct error *from)
{
    json_object *answer = json_object_new_object();
    json_object *error = jsondoc_put_adopt(answer, "error", json_object_new_object());

    jsondoc_put_int(error, "kind", from->kind);
    jsondoc_put_string(error, "text", from->text);
    jsondoc_put_string(error, "fix", from->fix);
    return answer;
}

int control_take_error(json_object *answer, struct error *err)
{
    if (!jsondoc_at(answer, "/error"))
        return 0;
    const char *text = jsondoc_string(answer, "/error/text");
    const char *fix = jsondoc_string(answer, "/error/fix");
    int64_t kind = jsondoc_int(answer, "/error/kind", ERROR_INTERNAL);

    error_set(err, (enum error_kind)clamp(kind, ERROR_INTERNAL, ERROR_UNVERIFIABLE), "%s",
              text ? text : "refused");
    return error_fix(err, "%s", fix ? fix : "");
}
