#include "filter_flags.h"

#include "base/clock.h"
#include "replay/when.h"

typedef int add_to_filter(struct replay_filter *filter, struct str text, struct error *err);

static int add_all(struct replay_filter *filter, const struct option_list *list, add_to_filter *add,
                   const char *flag, struct error *err)
{
    for (size_t i = 0; i < list->count; i++)
        if (add(filter, str_from(list->items[i]), err) < 0)
            return error_wrap(err, "%s", flag);
    return 0;
}

static int read_time(int64_t *unix_us, const char *text, const char *flag, struct error *err)
{
    if (!text || when_parse(unix_us, str_from(text), clock_now().unix_us, err) == 0)
        return 0;
    return error_wrap(err, "%s", flag);
}

int filter_flags_read(const struct filter_flags *flags, struct replay_filter *filter,
                      struct error *err)
{
    if (add_all(filter, &flags->verbs, filter_add_verbs, "--verb", err) < 0 ||
        add_all(filter, &flags->resources, filter_add_resources, "--resource", err) < 0 ||
        add_all(filter, &flags->namespaces, filter_add_namespaces, "--namespace", err) < 0 ||
        add_all(filter, &flags->codes, filter_add_statuses, "--code", err) < 0)
        return -1;
    filter->command = flags->command;
    if (read_time(&filter->since_us, flags->since, "--since", err) < 0 ||
        read_time(&filter->until_us, flags->until, "--until", err) < 0)
        return -1;
    if (filter->since_us && filter->until_us && filter->since_us >= filter->until_us)
        return error_set(err, ERROR_USAGE, "nothing lies between --since and --until");
    return 0;
}

void filter_flags_free(struct filter_flags *flags)
{
    free_option_list(&flags->verbs);
    free_option_list(&flags->resources);
    free_option_list(&flags->namespaces);
    free_option_list(&flags->codes);
}
