/* session_start.h - what session.start says of who, where and why. */
#pragma once

#include <json-c/json.h>

/* The fields that all journals of a session share, from exec's description of it; the caller owns
 * them. `store` and `upstream_files` name the configuration, whose hash is recorded. */
json_object *session_start_describe(json_object *config, const char *store,
                                    const char *upstream_files);

/* "ana (os-user)", owned by the caller. */
char *session_start_actor(void);
