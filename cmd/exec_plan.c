#include "exec_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/scoped.h"
#include "base/tool.h"
#include "kube/kubeconfig.h"
#include "proxy/session_dir.h"
#include "upload/spool.h"

static bool has_shim(const char *name)
{
    for (size_t i = 0; session_dir_tools[i]; i++)
        if (strcmp(name, session_dir_tools[i]) == 0)
            return true;
    return false;
}

static char *find_program(const char *name, struct error *err)
{
    if (strchr(name, '/'))
        return xstrdup(name);
    return tool_find(name, getenv("PATH"), NULL, err);
}

static int print_target(const struct options *options, struct error *err)
{
    scoped(kubeconfig_free) struct kubeconfig config = {0};
    const char *list = options->kubeconfig ? options->kubeconfig : getenv("KUBECONFIG");

    if (kubeconfig_load(&config, list, getenv("HOME"), err) < 0)
        return -1;
    printf("kubeconfig   %s\n", config.files);
    if (!options->context && !config.current_context) {
        puts("context      none: each command may name one");
        return 0;
    }
    const struct kubeconfig_context *context = kubeconfig_choose(&config, options->context, err);

    if (!context)
        return -1;
    const struct kubeconfig_cluster *cluster = kubeconfig_find_cluster(&config, context->cluster);

    printf("context      %s\ncluster      %s, %s\n", context->name, context->cluster,
           cluster && cluster->server ? cluster->server : "no server");
    return 0;
}

int exec_plan_print(const struct options *options, const struct settings *settings,
                    char *const *command, struct error *err)
{
    scoped(places_free) struct places places = {0};
    scoped(free_text) char *program = find_program(command[0], err);
    const char *store = settings_store(settings);

    if (!program || places_find(&places, err) < 0 || print_target(options, err) < 0)
        return -1;
    printf("store        %s\nprogram      %s%s\n", store ? store : places.store, program,
           has_shim(command[0]) ? ", through its shim" : "");
    puts("Nothing was started, and nothing is recorded.");
    return 0;
}
