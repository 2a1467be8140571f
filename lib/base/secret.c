#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

void secret_wipe(void *memory, size_t len)
{
    if (len)
        explicit_bzero(memory, len);
}

void secret_free(char **secret)
{
    if (*secret)
        secret_wipe(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

void secret_buf_free(struct buf *buf)
{
    secret_wipe(buf->data, buf->capacity);
    buf_free(buf);
}
