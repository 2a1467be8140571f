#include "kube/redact_keys.h"

#include "base/num.h"

static bool ends_nocase(struct str name, struct str end)
{
    return name.len > end.len && str_equal_nocase(str_skip(name, name.len - end.len), end);
}

/* Case does not matter: a mistyped `Data` holds what its author took for a secret. */
enum key_class redact_key_class(struct str name)
{
    static const struct {
        struct str name;
        enum key_class class;
    } keys[] = {
        {{"data", 4}, KEY_MAP},
        {{"stringData", 10}, KEY_MAP},
        {{"binaryData", 10}, KEY_MAP},
        {{"token", 5}, KEY_SECRET},   /* TokenRequest, TokenReview */
        {{"message", 7}, KEY_SECRET}, /* Status: echoes values that were refused */
        {{"error", 5}, KEY_SECRET},   /* TokenReview: the same */
        /* annotations in which other tools than kubectl keep the whole object */
        {{"kapp.k14s.io/original", 21}, KEY_SECRET},
        {{"objectset.rio.cattle.io/applied", 31}, KEY_SECRET},
    };

    for (size_t i = 0; i < count_of(keys); i++)
        if (name.len == keys[i].name.len && str_equal_nocase(name, keys[i].name))
            return keys[i].class;
    if (name.len <= REDACT_KEY_MAX && (ends_nocase(name, STR("/last-applied-configuration")) ||
                                       ends_nocase(name, STR("/last-applied"))))
        return KEY_SECRET;
    return KEY_PLAIN;
}
