"""reads.py - requests that change nothing: all of discovery, lists and objects, in each representation."""

import json

from ask import Request, VERSIONS

META = ";v=v1;g=meta.k8s.io"
PROTOBUF, CBOR, YAML = "application/vnd.kubernetes.protobuf", "application/cbor", "application/yaml"
PLAIN = ("application/json", PROTOBUF, CBOR, YAML)


def partial(name):
    return tuple(f"{kind};as={name}{META}" for kind in ("application/json", PROTOBUF, CBOR))


LISTS = PLAIN + partial("Table") + partial("PartialObjectMetadataList")
OBJECTS = PLAIN + partial("Table") + partial("PartialObjectMetadata")
AGGREGATED = tuple(f"{kind};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
                   for kind in ("application/json", PROTOBUF, CBOR) for version in ("v2", "v2beta1"))
OPENAPI_V2 = ("application/json", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", PROTOBUF)
OPENAPI_V3 = ("application/json", "application/com.github.proto-openapi.spec.v3@v1.0+protobuf")
# What kubectl and client-go say.
USUAL = (f"application/json;as=Table{META},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
         f"{PROTOBUF},application/json", "*/*")
FAR_TOO_MANY = 12  # objects of one kind, of which more show nothing new


def spread(path, accepts, encodings=("gzip", "identity"), **more):
    """`path` in each of these, with each encoding, over both versions of HTTP."""
    return [Request(path, headers=(f"Accept: {accept}", f"Accept-Encoding: {encoding}"), version=version, **more)
            for accept in accepts for encoding in encodings for version in VERSIONS]


class Direct:
    """What there is, as the API server itself says."""

    def __init__(self, get):
        self.get = lambda path: json.loads(get(path))
        self.groups = [group for group in self.get("/apis")["groups"] if group["name"] != "gone.example.com"]

    def roots(self):
        found = ["/api", "/api/v1", "/apis"]
        for group in self.groups:
            found.append(f"/apis/{group['name']}")
            found += [f"/apis/{version['groupVersion']}" for version in group["versions"]]
        return found

    def resources(self):
        """(path of a list, its paths of objects) of all that can be listed."""
        for root in self.roots():
            if root.count("/") < (2 if root.startswith("/api/") else 3):
                continue
            for resource in self.get(root)["resources"]:
                # The parts of a componentstatuses list come in the order in which they happen to be ready.
                if "list" in resource["verbs"] and "/" not in resource["name"] and resource["name"] != "componentstatuses":
                    path = f"{root}/{resource['name']}"
                    yield path, self.objects(root, path, resource)

    def objects(self, root, path, resource):
        for item in self.get(path)["items"][:FAR_TOO_MANY]:
            meta = item["metadata"]
            where = f"/namespaces/{meta['namespace']}" if resource["namespaced"] else ""
            yield f"{root}{where}/{resource['name']}/{meta['name']}"


def discovery(direct):
    asked = []
    for root in direct.roots():
        asked += spread(root, PLAIN)
    for root in ("/api", "/apis"):
        asked += spread(root, AGGREGATED + (",".join(AGGREGATED[:2]) + ",application/json",))
    asked += spread("/openapi/v2", OPENAPI_V2)
    asked += spread("/openapi/v3", OPENAPI_V3)
    for place in direct.get("/openapi/v3")["paths"].values():
        asked += spread(place["serverRelativeURL"], OPENAPI_V3, ("gzip",))
    for path in direct.get("/")["paths"]:
        if path.startswith(("/healthz", "/livez", "/readyz", "/version", "/.well-known", "/openid")):
            asked += spread(path, ("*/*",), ("gzip",))
    for path in ("/", "/readyz?verbose", "/livez?verbose&exclude=etcd", "/metrics", "/metrics/slis", "/logs", "/logs/", "/nothing",
                 "/debug/pprof/cmdline", "/swagger.json"):
        asked += spread(path, ("*/*", "application/json"))
    return asked


def everything(direct):
    """Every list and every object; the objects' rarer representations over one version of HTTP."""
    asked = []
    for path, objects in direct.resources():
        asked += spread(path, LISTS + USUAL, ("gzip",)) + spread(path, PLAIN, ("identity",))
        paths = list(objects)
        for place in paths[:1]:
            asked += spread(place, OBJECTS + USUAL, ("gzip",)) + spread(place, PLAIN, ("identity",))
        for place in paths[1:]:
            asked += spread(place, ("application/json",), ("gzip",))[:1]
    return asked


def details():
    """How lists and conditional requests are asked, and what is refused."""
    maps, asked = "/api/v1/namespaces/read/configmaps", []
    for query in ("limit=1", "limit=1&continue=x", "resourceVersion=0", "resourceVersion=1&resourceVersionMatch=Exact",
                  "resourceVersion=0&resourceVersionMatch=NotOlderThan", "resourceVersionMatch=Exact", "resourceVersion=x",
                  "labelSelector=a%3D1", "labelSelector=a=1", "labelSelector=%",
                  "fieldSelector=metadata.name%3Dplain", "fieldSelector=no.such%3Dfield", "pretty=true", "pretty=1&x=%00", ";", "a=b;c=d",
                  "includeObject=Object", "timeout=1ns", "timeout=soon", "sendInitialEvents=true", "limit=-1", "x=" + "y" * 60000):
        asked += spread(f"{maps}?{query}", ("application/json", USUAL[0], PROTOBUF), ("gzip",))
    asked += spread(f"{maps}?resourceVersion=999999999999", ("application/json",), ("gzip",))  # 504, after three seconds
    for include in ("None", "Metadata", "Object", "All"):
        asked += spread(f"{maps}?includeObject={include}", partial("Table"), ("identity",))
    for path in ("//api/v1", "/api//v1/namespaces", "/api/v1/", "/api/v1/namespaces/read/configmaps/", "/api/v1/namespaces/read/../read/pods",
                 "/api/v1/namespaces/read/configmaps/pl%61in", "/api/v1/namespaces/read/configmaps%2Fplain", "/api/v1/%6Eamespaces",
                 "/api/v1/namespaces/read/configmaps/no%20such", "/api/v1/namespaces/read/configmaps/%C3%BC", "/api/v1/nodes/none",
                 "/apis/example.com/v3/things", "/apis/example.com/v1beta1/namespaces/read/things/thing", "/api/v1/namespaces/read/pods/web/log",
                 "/api/v1/namespaces/read/pods/web/status", "/apis/apps/v1/namespaces/read/deployments/web/scale", "/apis/gone.example.com/v1",
                 "/apis/example.com/v1/namespaces/read/things/thing/scale", "/api/v1/namespaces/read/services/web/proxy/x?a=b"):
        asked += spread(path, ("application/json", PROTOBUF), ("gzip",))
    for version in VERSIONS:
        for accept in ("text/html", "application/xml;q=1", "", "application/json;as=Nothing;v=v1;g=x", "application/json;q=0.1,application/yaml"):
            asked.append(Request(maps, headers=(f"Accept: {accept}" if accept else "Accept:",), version=version))
        for headers in (("Range: bytes=0-10",), ("Accept-Encoding: br, gzip;q=0",), ("X-Empty;",), ("X-Twice: 1", "X-Twice: 2"),
                        ("Impersonate-User: nobody",), ("Impersonate-Group: x",), ("Impersonate-User: nobody", "Impersonate-Group: a", "Impersonate-Group: b"),
                        ("Audit-ID: mine",), ("If-None-Match: *",), ("Cookie: a=b", "Cookie: c=d"), ("User-Agent:",), ("X-Forwarded-For: 1.2.3.4",)):
            asked.append(Request(f"{maps}/plain", headers=headers, version=version))
        for method in ("HEAD", "OPTIONS", "TRACE", "POST", "PUT", "DELETE", "PATCH", "BREW"):
            asked.append(Request("/version", method, version=version))
            asked.append(Request("/api/v1/namespaces/read/pods/web/log", method, version=version))
        asked.append(Request(maps, "HEAD", version=version))
        asked.append(Request("/openapi/v2", "HEAD", version=version))
        for path in ("/api/v1/nodes", "/api/v1/namespaces/read/secrets", "/api/v1/namespaces/read/secrets/sealed", "/metrics", maps):
            asked.append(Request(path, user="viewer", version=version))
        asked.append(Request(maps, "POST", body=b"{}", user="viewer", headers=("Content-Type: application/json",), version=version))
    return asked


def unchanged(answers):
    """What was answered with an ETag, asked again with it: 304."""
    asked = []
    for request, answer in answers:
        etag = dict(answer.heads[-1]).get("etag") if answer.heads else None
        if etag:
            asked.append(Request(request.path, headers=request.headers + (f"If-None-Match: {etag}",), version=request.version))
    return asked


def behind():
    """The aggregated API."""
    at, asked = "/apis/agg.example.com/v1/answers/", []
    for version in VERSIONS:
        for status in (200, 201, 202, 203, 205, 206, 207, 300, 302, 307, 400, 401, 402, 403, 404, 405, 408, 409, 410, 411, 412, 413, 414, 415,
                       416, 418, 421, 422, 423, 425, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 507, 511, 599):
            asked.append(Request(f"{at}status-{status}", version=version))
        for status in (200, 204, 304, 404):
            asked.append(Request(f"{at}empty-{status}", version=version))
        for what in ("twice", "members", "bytes-1000000", "chunks-3000", "trailers"):
            for encoding in ("gzip", "identity"):
                asked.append(Request(at + what, headers=(f"Accept-Encoding: {encoding}", "TE: trailers"), version=version))
        for path in ("a%2Fb", "a//b", "a;b", "a?x=1;y=2&x=3&&", "%F0%9F%98%80", "a+b%20c?d+e%20f=", "a?%zz", "a?" + "q" * 50000):
            asked.append(Request(f"{at}seen/{path}", version=version))
        asked.append(Request(f"{at}range", headers=("Range: bytes=3-9",), version=version))
        client = ("X-Client-A: 1", "X-Client-A: 2", "X-Client-Empty;", "X-Client-Odd: \"\\;,  x", "x-client-LOWER: \xfc", "X-Client-A: 1")
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            for body in (None, b"", b"a body\0", bytes(range(256)) * 8000):
                if method != "HEAD" or body is None:
                    asked.append(Request(f"{at}seen", method, headers=client + ("Content-Type: x/y",), body=body, version=version))
    return asked
