#include "http/h2_flood.h"

#include "base/num.h"

/* Well above what a busy client does: it may cancel all its watches at once, again and again. */
static const struct {
    int64_t burst;
    int64_t per_second;
} rates[H2_FLOOD_KINDS] = {
    [H2_FLOOD_RESETS] = {800, 30},
    [H2_FLOOD_IDLE] = {2000, 200},
};

void h2_flood_advance(struct h2_flood *flood, int64_t mono_us)
{
    int64_t passed_ms = flood->has_begun ? (mono_us - flood->mono_us) / 1000 : INT32_MAX;

    if (passed_ms <= 0)
        return;
    for (int kind = 0; kind < H2_FLOOD_KINDS; kind++)
        flood->left_milli[kind] =
            clamp(flood->left_milli[kind] +
                      min_of(passed_ms, (int64_t)INT32_MAX) * rates[kind].per_second,
                  0, rates[kind].burst * 1000);
    flood->mono_us = flood->has_begun ? flood->mono_us + passed_ms * 1000 : mono_us;
    flood->has_begun = true;
}

bool h2_flood_take(struct h2_flood *flood, enum h2_flood_kind kind)
{
    if (flood->left_milli[kind] < 1000)
        return false;
    flood->left_milli[kind] -= 1000;
    return true;
}
