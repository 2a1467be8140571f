/* dial_proxy.h - the way to a server that leads through a proxy. Inside lib/net. */
#pragma once

#include "net/dial.h"

/* Connects `conn`, which is as dial_start() makes it, by way of target->proxy: it becomes
 * connected, or fails, from the loop. */
void dial_proxy_begin(struct loop *loop, const struct dial_target *target, struct conn *conn);
