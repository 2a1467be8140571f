#include "upload/reap.h"
int reap(const struct places *places, const struct store_type *type, struct store *store,
         const char *session, struct reap_report *report, struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "reap: not there");
}
