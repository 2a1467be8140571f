/* secret.h - memory that held a token, a key or a body is wiped before it is given back. */
#pragma once

#include <stddef.h>

#include "base/buf.h"

/* Not optimised away. */
void secret_wipe(void *memory, size_t len);

/* Wipes and frees a NUL-terminated secret. */
void secret_free(char **secret);

/* Wipes and frees all the capacity of a buffer. A buffer that grew has left copies behind: reserve
 * before filling one with a secret. */
void secret_buf_free(struct buf *buf);
