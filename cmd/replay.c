#include "command.h"

int cmd_replay(int argc, char **argv, struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "%s: not built yet", argv[0]);
}
