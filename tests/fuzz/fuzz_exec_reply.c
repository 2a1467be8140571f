/* What an exec plugin prints: filled on success only, and then with something to show. */
#include <assert.h>
#include <stdint.h>

#include "base/scoped.h"
#include "kube/exec_credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(exec_credential_reply_free) struct exec_credential_reply reply = {0};
    struct error err = {0};

    if (exec_credential_parse_reply(&reply, str_make(data, size), "client.authentication.k8s.io/v1",
                                    &err) < 0) {
        assert(err.kind == ERROR_PROTOCOL && !reply.token && !reply.key_pem);
        return 0;
    }
    assert(reply.token || reply.certificate_pem);
    assert(!reply.certificate_pem == !reply.key_pem);
    return 0;
}
