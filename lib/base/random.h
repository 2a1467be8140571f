/* random.h - bytes from the kernel's generator (getrandom). Aborts when there are none. */
#pragma once

#include <stddef.h>

void random_bytes(void *data, size_t len);
