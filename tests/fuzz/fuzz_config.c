/* fuzz_config.c - any bytes as a configuration file: each key has one right value or none, and each
 * problem a place. */
#include <assert.h>
#include <stdint.h>

#include "base/scoped.h"
#include "base/utf8.h"
#include "settings_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(settings_file_free) struct settings_file file = {0};

    settings_parse(&file, str_make(data, size));
    for (size_t i = 0; i < file.problem_count; i++) {
        assert(file.problems[i].line > 0 && file.problems[i].column > 0);
        assert(file.problems[i].text[0]);
    }
    assert(file.problems_left_off == 0 || file.problem_count == SETTINGS_PROBLEMS_MAX);
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_spec *spec = &setting_specs[i];

        if (!file.values[i])
            continue;
        assert(file.lines[i] && file.values[i][0] && utf8_is_valid(str_from(file.values[i])));
        if (spec->kind == SETTING_KIND_CHOICE)
            assert(spec->choices[setting_choice((enum setting)i, file.values[i])]);
        if (spec->kind == SETTING_KIND_DURATION)
            assert(setting_duration_s(str_from(file.values[i])) >= spec->least_s);
    }
    if (!utf8_is_valid(str_make(data, size)))
        assert(file.problem_count == 1);
    return 0;
}
