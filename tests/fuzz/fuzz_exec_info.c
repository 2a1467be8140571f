/* KUBERNETES_EXEC_INFO: filled on success only, and what is written is read again. */
#include <assert.h>
#include <stdint.h>

#include "base/scoped.h"
#include "kube/exec_credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(buf_free) struct buf out = {0};
    struct exec_credential request = {0};
    struct error err = {0};

    if (exec_credential_parse(&request, str_make(data, size), &err) < 0) {
        assert(err.kind == ERROR_CONFIG && err.fix[0] && !request.api_version);
        return 0;
    }
    struct exec_credential again = {0};

    exec_credential_write(&out, &request, "token", 1800000000);
    assert(exec_credential_parse(&again, buf_str(&out), &err) == 0);
    assert(again.api_version == request.api_version);
    return 0;
}
