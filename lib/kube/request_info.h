/* request_info.h - which verb on which object a request is: Kubernetes' RequestInfo
 * (k8s.io/apiserver pkg/endpoints/request/requestinfo.go, RequestInfoFactory.NewRequestInfo), and
 * the class that decides what may be recorded of it. No I/O.
 *
 * One known difference: label selectors are not parsed. Where one is malformed, which the server
 * answers with 400, a name that a field selector gives is still reported here. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* All zero is a valid, empty one. The strings point into `memory`, or are constants. */
struct request_info {
    bool is_resource;
    struct str verb;       /* get list watch create update patch delete deletecollection proxy, or
                              the lower-case method; "" where RequestInfo has none */
    struct str api_prefix; /* "api", "apis"; empty for non-resource requests, like what follows */
    struct str api_group;  /* empty: core */
    struct str api_version;
    struct str namespace;
    struct str resource;
    struct str subresource;
    struct str name;
    struct str field_selector; /* of list, watch and deletecollection only */
    struct str label_selector;

    struct str path;  /* decoded once, as Go's net/url does; as it came where that fails */
    struct str query; /* as it came, without '?' */

    /* False: a spelling that different parsers may read differently: `//`, dot segments, `;`, an
     * escape that cannot be decoded, of '/', '\', '%', '.', ';', a control, or of a character that
     * needs none. Such a request is forwarded as it is, has the strictest class, and is marked. */
    bool is_canonical;
    /* What crosses may hold secrets: Secrets, TokenReviews, certificate signing requests, token
     * and certificate subresources, everything below a proxy; what is not canonical. */
    bool is_secret_bearing;
    /* Arbitrary HTTP of a workload, or not canonical: nothing of its bodies can be told apart. */
    bool is_opaque;
    bool is_watch;        /* verb watch, the old /watch/ prefix too */
    bool is_long_running; /* no time limit: watch, proxy, exec, attach, portforward, log */

    char *memory; /* owned */
};

/* Reads a request. `target` is the request target as it came, cluster prefix already off
 * (`/api/v1/pods?watch=1`); the caller bounds its length, memory is a small multiple of it. Never
 * fails: what cannot be read is a non-resource request that is not canonical. Absolute-form
 * targets are the HTTP layer's. What `info` held before is not freed. */
void request_info_parse(struct request_info *info, struct str method, struct str target);

void request_info_free(struct request_info *info);
