#include "base/tool.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/platform.h"
#include "base/scoped.h"
#include "base/str.h"

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

char *tool_find(const char *name, const char *path, const char *own_directory, struct error *err)
{
    scoped(free_text) char *self = platform_executable();
    struct stat own = {0}, own_bin = {0};
    bool has_own = stat(self, &own) == 0;
    bool has_own_bin = own_directory && stat(own_directory, &own_bin) == 0;
    struct str rest = str_from(path ? path : TOOL_PATH_DEFAULT);

    while (rest.data) {
        struct str part = str_split(&rest, ':');
        scoped(free_text) char *directory = part.len ? str_dup(part) : xstrdup(".");
        scoped(free_text) char *candidate = xasprintf("%s/%s", directory, name);
        struct stat status;

        if (has_own_bin && stat(directory, &status) == 0 && is_same_file(&status, &own_bin))
            continue;
        if (stat(candidate, &status) < 0 || !S_ISREG(status.st_mode) || access(candidate, X_OK) < 0)
            continue;
        if (has_own && is_same_file(&status, &own))
            continue;
        return take(candidate);
    }
    error_set(err, ERROR_NOT_FOUND, "%s: not found on PATH", name);
    error_fix(err, "install %s, or put its directory on PATH", name);
    return NULL;
}

int tool_check(const char *program, struct error *err)
{
    scoped(free_text) char *self = platform_executable();
    struct stat status, own = {0};

    if (stat(program, &status) < 0)
        return error_errno(err, ERROR_CONFIG, "%s", program);
    if (!S_ISREG(status.st_mode) || access(program, X_OK) < 0)
        return error_set(err, ERROR_CONFIG, "%s: no program that can be run", program);
    if (stat(self, &own) == 0 && is_same_file(&status, &own)) {
        error_set(err, ERROR_CONFIG, "%s is kubectl-hoop itself", program);
        return error_fix(err, "name the real program there");
    }
    return 0;
}
