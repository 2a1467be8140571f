/* A kubeconfig of a stranger: read, merged, looked into, and written back as the private one. */
#include <assert.h>
#include <stdint.h>

#include "base/jsondoc.h"
#include "base/scoped.h"
#include "base/secret.h"
#include "kube/kubeconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_into(const struct kubeconfig *config)
{
    for (size_t i = 0; i < config->cluster_count; i++) {
        struct kubeconfig_server server = {0};
        struct error err = {0};

        assert(config->clusters[i].id[0]);
        if (kubeconfig_server_parse(&server, &config->clusters[i], &err) < 0)
            assert(err.kind == ERROR_CONFIG && !server.host);
        kubeconfig_server_free(&server);
    }
}

/* Whatever was in it, clients must be able to read what we make of it. */
static void write_private(const struct kubeconfig *config)
{
    scoped(secret_buf_free) struct buf out = {.limit = (size_t)64 << 20};
    struct error err = {0};

    kubeconfig_write_private(&out, config,
                             &(struct kubeconfig_private){.base_url = "https://127.0.0.1:1",
                                                          .ca_pem = "CA",
                                                          .binary = "/b",
                                                          .session_dir = "/s"});
    if (out.overflow)
        return;
    scoped(jsondoc_free) json_object *root = jsondoc_parse(buf_str(&out), &err);

    assert(root);
    assert(jsondoc_count(root, "/users") >= config->user_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(kubeconfig_free) struct kubeconfig config = {0};
    struct error err = {0};

    if (kubeconfig_add(&config, "f", str_make(data, size), &err) < 0) {
        assert(err.kind == ERROR_CONFIG && err.text[0]);
        assert(config.cluster_count == 0 && config.user_count == 0);
        return 0;
    }
    look_into(&config);
    write_private(&config);
    return 0;
}
