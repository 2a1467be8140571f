#include "command.h"

int shim_main(int argc, char **argv, struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "%s: not built yet", argv[0]);
}
