/* A proxy's URL, and a NO_PROXY list behind the first newline. */
#include <assert.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/scoped.h"
#include "net/proxy_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str list = str_make(data, size);
    struct str url = str_split(&list, '\n');
    scoped(free_text) char *text = str_dup(list);
    scoped(free_text) char *variable = xasprintf("NO_PROXY=%s", text);
    char *environment[] = {"HTTPS_PROXY=http://p", variable, NULL};
    static const char *const hosts[] = {"api.example", "10.0.0.1", "fd00::1"};
    struct proxy_url proxy = {0};
    struct error err = {0};

    if (proxy_url_parse(&proxy, url, &err) < 0)
        assert(err.kind == ERROR_CONFIG && err.fix[0] && !proxy.host && !proxy.password);
    else
        assert(proxy.kind != PROXY_NONE && proxy.host[0] && proxy.port &&
               !proxy.user == !proxy.password);
    proxy_url_free(&proxy);
    for (size_t i = 0; i < 3; i++) {
        ignore(proxy_url_from_environment(&proxy, environment, true, hosts[i], 6443, &err));
        proxy_url_free(&proxy);
    }
    return 0;
}
